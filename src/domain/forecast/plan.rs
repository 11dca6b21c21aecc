//! The phases of a run, in their order, with the pairs that each works on.

use std::collections::BTreeMap;

use crate::domain::phase::{Phase, PhaseKey, Work};
use crate::domain::spec::{Accumulation, ExperimentSpec, PoolLabels, RuleName};
use crate::domain::teacher::second_view::View;

/// Below so many pairs a seed set often fails the test against chance, which ends the loop before a
/// pool is labeled: at 100 pairs an accuracy of 58 % is not yet significantly better.
const SMALL_SEED_SET: u64 = 100;

/// Pairs in each part of the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    pub seed_set: u64,
    pub validation: u64,
    pub pool: u64,
    pub test: u64,
}

impl Sizes {
    /// All pairs.
    #[must_use]
    pub fn n_pairs(self) -> u64 {
        self.seed_set + self.validation + self.pool + self.test
    }
}

/// A number that is not known exactly.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Between {
    pub least: f64,
    pub likely: f64,
    pub most: f64,
}

impl Between {
    /// A number that is known.
    #[must_use]
    pub fn exactly(n: f64) -> Self {
        Self { least: n, likely: n, most: n }
    }

    /// The product with a known number.
    #[must_use]
    pub fn times(self, factor: f64) -> Self {
        let Self { least, likely, most } = self;
        Self { least: least * factor, likely: likely * factor, most: most * factor }
    }

    /// The sum, end by end.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            least: self.least + other.least,
            likely: self.likely + other.likely,
            most: self.most + other.most,
        }
    }
}

/// A phase that a run will go through, unless its loop ends before.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PlannedPhase {
    pub key: PhaseKey,
    pub work: Work,
    /// Pairs that the phase works on; one that is trained on in three epochs counts three times.
    pub n_pairs: Between,
    /// Pairs in one unit of the phase's progress: a batch where the unit is an optimizer step.
    pub pairs_per_unit: u64,
    /// Whether the loop often ends after this phase: it is followed by a selection.
    pub may_end: bool,
}

/// Plans a run. `selected` holds the pairs that each selection so far has kept, by round.
#[must_use]
pub fn plan(
    spec: &ExperimentSpec,
    sizes: Sizes,
    selected: &BTreeMap<u32, u64>,
) -> Vec<PlannedPhase> {
    if let Some(policy) = &spec.policy {
        return super::of_policy::plan(policy, sizes);
    }
    let planner = Planner { spec, sizes, selected };
    let mut phases = Vec::new();
    let is_labeled = spec.rounds.pool_labels == PoolLabels::Human;
    let n_first = sizes.seed_set + if is_labeled { sizes.pool } else { 0 };
    planner.train_and_evaluate(0, Between::exactly(n_first as f64), &mut phases);
    if is_labeled || spec.rounds.max == 0 {
        return phases;
    }
    planner.answer(1, &mut phases);
    planner.cross_fit(&mut phases);
    if let Some(last) = phases.last_mut() {
        last.may_end = sizes.seed_set < SMALL_SEED_SET;
    }
    for round in 1..=spec.rounds.max {
        if round > 1 {
            planner.answer(round, &mut phases);
        }
        let mut score = Planner::score(round, Phase::Score, planner.pool(round));
        // A round that would learn what the one before has learned is not trained, so that the
        // loop ends after its pool is scored.
        score.may_end = round > 1 || planner.may_select_nothing();
        phases.push(score);
        planner.train_and_evaluate(round, planner.training_set(round), &mut phases);
    }
    phases
}

struct Planner<'a> {
    spec: &'a ExperimentSpec,
    sizes: Sizes,
    selected: &'a BTreeMap<u32, u64>,
}

impl Planner<'_> {
    fn train_and_evaluate(&self, round: u32, set: Between, phases: &mut Vec<PlannedPhase>) {
        phases.push(self.train(round, Phase::Train, 0, set));
        phases.push(Self::score(round, Phase::Validate, self.sizes.validation));
        phases.push(Self::score(round, Phase::Test, self.sizes.test));
    }

    fn cross_fit(&self, phases: &mut Vec<PlannedPhase>) {
        let Sizes { seed_set, validation, .. } = self.sizes;
        let pool = self.pool(1);
        let selection = &self.spec.selection;
        if !selection.cross_fits() {
            return;
        }
        let n_folds = selection.calibration_folds;
        let own = seed_set / u64::from(n_folds);
        for fold in 0..n_folds {
            let others = Between::exactly((seed_set - own) as f64);
            phases.push(self.train(0, Phase::CrossFit, fold, others));
            let mut judge = Self::score(0, Phase::JudgeFold, pool + validation + own);
            judge.key.part = fold;
            phases.push(judge);
        }
        if selection.second_view.asks(View::Likelihood) {
            let view = Self::score(0, Phase::SecondView, pool + validation + seed_set);
            phases.push(PlannedPhase { work: Work::Likelihood, ..view });
        }
    }

    /// Pairs of the pool in a round, with those of the policy.
    fn pool(&self, round: u32) -> u64 {
        let per_round = if self.spec.generates_pairs() { self.spec.pool.prompts } else { 0 };
        let per_round = u64::from(per_round).min(self.sizes.pool);
        self.sizes.pool + per_round * u64::from(round)
    }

    /// The answers of the policy for a round, which are given at the end of the round before.
    fn answer(&self, round: u32, phases: &mut Vec<PlannedPhase>) {
        if self.spec.generates_pairs() {
            let pool = &self.spec.pool;
            let n_prompts = u64::from(pool.prompts).min(self.sizes.pool);
            let n_answers = n_prompts * u64::from(pool.answers);
            let phase = Self::score(round - 1, Phase::Answer, n_answers);
            phases.push(PlannedPhase { work: Work::Generate, ..phase });
        }
    }

    fn train(&self, round: u32, phase: Phase, part: u32, set: Between) -> PlannedPhase {
        let train = &self.spec.train;
        let batch = u64::from(train.batch_pairs);
        let n_pairs = match train.steps {
            0 => set.times(f64::from(train.epochs)),
            steps => Between::exactly((u64::from(steps) * batch) as f64),
        };
        let key = PhaseKey { round, phase, part };
        PlannedPhase { key, work: Work::Train, n_pairs, pairs_per_unit: batch, may_end: false }
    }

    fn score(round: u32, phase: Phase, n_pairs: u64) -> PlannedPhase {
        PlannedPhase {
            key: PhaseKey { round, phase, part: 0 },
            work: Work::Score,
            n_pairs: Between::exactly(n_pairs as f64),
            pairs_per_unit: 1,
            may_end: false,
        }
    }

    /// Whether a rule is in use that keeps nothing of a pool that no one is sure of.
    fn may_select_nothing(&self) -> bool {
        !matches!(self.spec.selection.rule, RuleName::TopShare | RuleName::All)
    }

    /// The labels that a round trains on.
    fn training_set(&self, round: u32) -> Between {
        let rounds = &self.spec.rounds;
        let before = match rounds.accumulate {
            Accumulation::LastTwo if round > 1 => self.selected_in(round - 1),
            Accumulation::Latest | Accumulation::LastTwo => Between::default(),
        };
        let pool = self.pool(round) as f64;
        let both = self.selected_in(round).plus(before);
        let selected = Between {
            least: both.least.min(pool),
            likely: both.likely.min(pool),
            most: both.most.min(pool),
        };
        let seed_set = if rounds.include_seed_set { self.sizes.seed_set } else { 0 };
        selected.plus(Between::exactly(seed_set as f64))
    }

    /// The pairs that the selection of a round keeps, or will keep.
    fn selected_in(&self, round: u32) -> Between {
        if let Some(known) = self.selected.get(&round) {
            return Between::exactly(*known as f64);
        }
        let selection = &self.spec.selection;
        let pool = self.pool(round) as f64;
        let share =
            |least: f64, likely: f64, most: f64| Between { least, likely, most }.times(pool);
        match selection.rule {
            RuleName::All => share(1.0, 1.0, 1.0),
            RuleName::TopShare => {
                // Strata that are equally large, and vetoes, leave some out.
                let top = selection.top_share;
                share(top * 0.9, top, top)
            }
            _ => match self.selected.range(..round).next_back() {
                Some((_, last)) => {
                    let last = *last as f64;
                    Between { least: last * 0.5, likely: last, most: (last * 1.5).min(pool) }
                }
                None => share(0.05, 0.5, 1.0),
            },
        }
    }
}
