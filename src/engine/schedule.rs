//! The learning rate as a pure function of the step: nothing to save, exact on resume.
//!
//! Linear warm-up, then constant, linear (Devlin et al. 2019, BERT) or cosine decay (Loshchilov
//! and Hutter 2017, SGDR, without restarts). The decays reach 0 just after the last step.

use std::f64::consts::PI;

use crate::domain::spec::ScheduleName;

/// A learning rate schedule with all its numbers: changing any of them changes the run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Schedule {
    pub base_learning_rate: f32,
    /// Steps of warm-up; the first of them already moves.
    pub n_warmup_steps: u64,
    /// Steps in all, warm-up included.
    pub n_steps: u64,
    /// What happens after the warm-up.
    pub decay: ScheduleName,
}

impl Schedule {
    /// A schedule that warms up over `warmup_ratio` of its steps, rounded.
    #[must_use]
    pub fn new(
        base_learning_rate: f32,
        warmup_ratio: f32,
        n_steps: u64,
        decay: ScheduleName,
    ) -> Self {
        let n_warmup = (f64::from(warmup_ratio.clamp(0.0, 1.0)) * n_steps as f64).round() as u64;
        Self { base_learning_rate, n_warmup_steps: n_warmup, n_steps, decay }
    }

    /// The rate of a step, counted from 0. Steps past the end get the rate of decay's end.
    #[must_use]
    pub fn learning_rate(&self, step: u64) -> f32 {
        let factor = if step < self.n_warmup_steps {
            (step + 1) as f64 / self.n_warmup_steps as f64
        } else {
            let n_decay = self.n_steps.saturating_sub(self.n_warmup_steps).max(1);
            let done = ((step - self.n_warmup_steps) as f64 / n_decay as f64).min(1.0);
            match self.decay {
                ScheduleName::Constant => 1.0,
                ScheduleName::Linear => 1.0 - done,
                ScheduleName::Cosine => 0.5 * (1.0 + (PI * done).cos()),
            }
        };
        (f64::from(self.base_learning_rate) * factor) as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warms_up_peaks_and_decays_without_a_wasted_step() {
        let schedule = Schedule::new(1e-3, 0.1, 100, ScheduleName::Linear);
        assert_eq!(schedule.n_warmup_steps, 10);
        let rates: Vec<f32> = (0..100).map(|step| schedule.learning_rate(step)).collect();
        assert!((rates[0] - 1e-4).abs() < 1e-9);
        assert_eq!((rates[9], rates[10]), (1e-3, 1e-3));
        assert!(rates[..10].is_sorted_by(|a, b| a < b) && rates[10..].is_sorted_by(|a, b| a > b));
        assert!(rates[99] > 0.0);
        assert_eq!(schedule.learning_rate(100), 0.0);
        assert_eq!(schedule.learning_rate(1_000_000), 0.0);
    }

    #[test]
    fn the_decays_meet_their_formulas_half_way() {
        let at_half = |decay| Schedule::new(2.0, 0.0, 8, decay).learning_rate(4);
        assert_eq!(at_half(ScheduleName::Constant), 2.0);
        assert_eq!(at_half(ScheduleName::Linear), 1.0);
        assert!((at_half(ScheduleName::Cosine) - 1.0).abs() < 1e-6);
        let cosine = Schedule::new(2.0, 0.0, 8, ScheduleName::Cosine);
        assert!((cosine.learning_rate(2) - (1.0 + 0.5_f32.sqrt())).abs() < 1e-6);
    }

    #[test]
    fn degenerate_lengths_stay_finite() {
        for n_steps in [0, 1] {
            for ratio in [0.0, 0.5, 1.0] {
                let rate =
                    Schedule::new(1.0, ratio, n_steps, ScheduleName::Linear).learning_rate(0);
                assert!(rate.is_finite() && rate > 0.0, "{n_steps} {ratio} {rate}");
            }
        }
    }
}
