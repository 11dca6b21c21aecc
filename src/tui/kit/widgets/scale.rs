//! Ranges of values as rows of a chart, with round numbers for labels.

/// A vertical range with the round numbers inside it.
pub struct Scale {
    low: f64,
    high: f64,
    /// Where labels stand.
    pub ticks: Vec<f64>,
}

impl Scale {
    /// The values themselves bound the range; ticks are round numbers inside it.
    pub fn over(low: f64, high: f64, n_rows: u16) -> Self {
        let n_ticks = f64::from((n_rows / 3).clamp(1, 5));
        let mut step = nice_step((high - low) / n_ticks);
        let inside = |step: f64| {
            let first = (low / step - 1e-9).ceil() as i64;
            let last = (high / step + 1e-9).floor() as i64;
            (first..=last).take(24).map(|i| i as f64 * step).collect::<Vec<_>>()
        };
        let mut ticks = inside(step);
        // One step down the 1-2-5 ladder at a time, until two labels say what the scale is.
        for _ in 0..6 {
            if ticks.len() >= 2 || n_rows <= 3 {
                break;
            }
            step = nice_step(step / 2.6);
            ticks = inside(step);
        }
        Self { low, high, ticks }
    }

    /// The row of a value, counted from the top of `n_rows` rows.
    pub fn row(&self, value: f64, n_rows: f64) -> f64 {
        (self.high - value) / (self.high - self.low) * (n_rows - 1.0)
    }
}

/// The smallest of 1, 2, 5 times a power of ten that is at least `raw`.
pub fn nice_step(raw: f64) -> f64 {
    if !raw.is_finite() || raw <= 0.0 {
        return 1.0;
    }
    let power = 10_f64.powf(raw.log10().floor());
    let factor = [1.0, 2.0, 5.0].into_iter().find(|factor| factor * power >= raw * (1.0 - 1e-9));
    factor.unwrap_or(10.0) * power
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::kit::text;

    #[test]
    fn ticks_are_round_numbers() {
        assert_eq!([0.3, 1.0, 1.1, 3.0, 7.0].map(nice_step), [0.5, 1.0, 2.0, 5.0, 10.0]);
        let scale = Scale::over(0.663, 0.731, 12);
        let labels: Vec<String> =
            scale.ticks.iter().map(|tick| text::share(Some(*tick), 2)).collect();
        assert_eq!(labels, [".68", ".70", ".72"]);
    }
}
