//! When a run will end: its phases, each with its work, priced by the speed that the run has shown.
//!
//! Work is counted in pairs, of three kinds, since a pair that is trained on takes longer than one
//! that is scored. A phase that is over costs what it took. The present one and those to come cost
//! their pairs at the speed of their kind. What cannot be known yet (how many pseudo-labels a round
//! selects, whether the loop ends early) makes the range wide; it narrows as that becomes known.

mod of_policy;
mod plan;

pub use plan::{Between, PlannedPhase, Sizes, plan};

use super::phase::{Phase, PhaseKey, Work};

/// What pairs of a kind cost beside those of another, where a run has shown no speed of the kind
/// yet: a training step does a forward pass and, for weights and activations, a backward pass each
/// of the size of the forward pass.
const COSTS: [(Work, f64); 4] =
    [(Work::Train, 3.0), (Work::Score, 1.0), (Work::Likelihood, 2.5), (Work::Generate, 4.0)];
/// The speed of a kind is taken from its latest phases that make up at least so much time, since a
/// shared machine is not equally fast at all times.
const RECENT_MS: u64 = 60_000;
/// A phase says something of the speed after so much time.
const LEAST_MS: u64 = 500;
/// How far off the price of a phase may be, as a factor, if two phases of its kind have shown their
/// speed. Chosen, as the next two, so that after a tenth of the recorded runs of
/// `tests/data/clock` the range holds their end.
const SURE: f64 = 1.25;
/// As [`SURE`], if the price rests on one phase, which may have been an unusual one.
const FAIRLY_SURE: f64 = 1.35;
/// As [`SURE`], if the price is guessed from other kinds of work.
const GUESSED: f64 = 1.8;

/// A phase of a run as it went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeenPhase {
    pub key: PhaseKey,
    /// Units (optimizer steps or pairs) that an earlier attempt had done.
    pub n_before: u64,
    /// Units done, those of earlier attempts included.
    pub n_done: u64,
    pub n_total: u64,
    /// Milliseconds of work in its latest attempt.
    pub elapsed_ms: u64,
}

/// How far a run is, and when it will end.
#[derive(Debug, Clone, PartialEq)]
pub struct Forecast {
    /// Share of the run's time that is over.
    pub done: f64,
    /// Where rounds end, as shares of the run's time; the last one is not among them.
    pub rounds: Vec<f64>,
    /// Milliseconds to the end: at least, probably and at most.
    pub left_ms: [u64; 3],
}

/// Prices the phases of a plan by what was `seen` of the run, the present phase last. `None` while
/// no phase has shown a speed, and while a model is opened, when it is not known what is over.
#[must_use]
pub fn forecast(plan: &[PlannedPhase], seen: &[SeenPhase]) -> Option<Forecast> {
    let present = seen.last()?;
    let place = place_of(plan, present.key)?;
    let speeds = Speeds::of(plan, seen);
    if speeds.0.iter().all(|(_, speed)| speed.is_none()) {
        return None;
    }
    let elapsed = |key: PhaseKey| {
        seen.iter().rev().find(|seen| seen.key == key).map_or(0.0, |seen| seen.elapsed_ms as f64)
    };
    let (mut spent, mut left) = (0.0, Between::default());
    let mut earliest: Option<f64> = None;
    let mut ends = Vec::new();
    for (at, phase) in plan.iter().enumerate() {
        if at < place {
            spent += elapsed(phase.key);
        } else if phase.key == present.key {
            let share = present.n_done as f64 / present.n_total.max(1) as f64;
            let n_pairs = (present.n_total * phase.pairs_per_unit) as f64 * (1.0 - share.min(1.0));
            spent += elapsed(phase.key);
            left = left.plus(speeds.cost(phase.work, Between::exactly(n_pairs)));
        } else {
            left = left.plus(speeds.cost(phase.work, phase.n_pairs));
        }
        // The selection that follows a pool's scores has not been made where its phase is the
        // present one.
        let is_selecting = at + 1 == place && present.key.phase == Phase::Select;
        if phase.may_end && (at >= place || is_selecting) {
            earliest.get_or_insert(left.least);
        }
        // A policy run has a step for each round, too many for marks.
        if !phase.key.phase.is_of_policy()
            && plan.get(at + 1).is_some_and(|next| next.key.round > phase.key.round)
        {
            ends.push(spent + left.likely);
        }
    }
    let whole = (spent + left.likely).max(1.0);
    let least = earliest.unwrap_or(left.least).min(left.least);
    Some(Forecast {
        done: spent / whole,
        rounds: ends.into_iter().map(|at| at / whole).collect(),
        left_ms: [least, left.likely, left.most].map(|ms| ms as u64),
    })
}

/// The place of the present phase in a plan; choosing and reviewing have no place of their own, and
/// stand before what comes after the scores of their round's pool.
fn place_of(plan: &[PlannedPhase], key: PhaseKey) -> Option<usize> {
    let find = |key: PhaseKey| plan.iter().position(|phase| phase.key == key);
    match key.phase {
        Phase::Select | Phase::Review => {
            find(PhaseKey { phase: Phase::Score, part: 0, ..key }).map(|at| at + 1)
        }
        _ => find(key),
    }
}

/// What a plan costs, counted in pairs that are scored, so that plans of one model can be compared:
/// at least, where the loop ends as early as it may, probably, and at most.
#[must_use]
pub fn relative_cost(plan: &[PlannedPhase]) -> Between {
    let mut sum = Between::default();
    let mut earliest: Option<f64> = None;
    for phase in plan {
        sum = sum.plus(phase.n_pairs.times(cost_of(phase.work)));
        if phase.may_end {
            earliest.get_or_insert(sum.least);
        }
    }
    Between { least: earliest.unwrap_or(sum.least), ..sum }
}

fn cost_of(work: Work) -> f64 {
    COSTS.iter().find(|(of, _)| *of == work).map_or(1.0, |(_, cost)| *cost)
}

/// The price of a pair of each kind and how many phases have shown it, in [`COSTS`]' order.
struct Speeds([(Work, Option<Speed>); 4]);

#[derive(Clone, Copy)]
struct Speed {
    ms_per_pair: f64,
    n_phases: usize,
}

impl Speeds {
    fn of(plan: &[PlannedPhase], seen: &[SeenPhase]) -> Self {
        Self(COSTS.map(|(work, _)| (work, speed(work, plan, seen))))
    }

    /// The milliseconds that so many pairs take.
    fn cost(&self, work: Work, n_pairs: Between) -> Between {
        let of = |wanted: Work| {
            self.0.iter().find(|(work, _)| *work == wanted).and_then(|(_, speed)| *speed)
        };
        let (ms_per_pair, factor) = match of(work) {
            Some(Speed { ms_per_pair, n_phases: 1 }) => (ms_per_pair, FAIRLY_SURE),
            Some(Speed { ms_per_pair, .. }) => (ms_per_pair, SURE),
            None => (self.guessed(work), GUESSED),
        };
        let cost = n_pairs.times(ms_per_pair);
        Between { least: cost.least / factor, likely: cost.likely, most: cost.most * factor }
    }

    /// The price of a pair of this kind by those of the others.
    fn guessed(&self, wanted: Work) -> f64 {
        let known = self
            .0
            .iter()
            .filter_map(|(work, speed)| speed.map(|speed| speed.ms_per_pair / cost_of(*work)));
        let known: Vec<f64> = known.collect();
        cost_of(wanted) * known.iter().sum::<f64>() / known.len().max(1) as f64
    }
}

fn speed(work: Work, plan: &[PlannedPhase], seen: &[SeenPhase]) -> Option<Speed> {
    let (mut n_pairs, mut ms, mut n_phases) = (0.0, 0, 0);
    for seen in seen.iter().rev() {
        let Some(planned) = plan.iter().find(|it| it.key == seen.key) else { continue };
        if planned.work != work || seen.elapsed_ms < LEAST_MS {
            continue;
        }
        let n_units = seen.n_done.saturating_sub(seen.n_before);
        n_pairs += (n_units * planned.pairs_per_unit) as f64;
        ms += seen.elapsed_ms;
        n_phases += 1;
        if ms >= RECENT_MS && n_phases > 1 {
            break;
        }
    }
    (n_pairs > 0.0).then(|| Speed { ms_per_pair: ms as f64 / n_pairs, n_phases })
}

#[cfg(test)]
mod tests;
