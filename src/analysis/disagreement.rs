//! Pairs on which two runs disagree: the ones to look at to learn why one run is better.

use serde::Serialize;

use super::{AnalysisError, ComparedRun};
use crate::domain::metrics::Split;
use crate::domain::preference::{PairId, Side, chosen_side};
use crate::domain::selection::ScoredPair;
use crate::domain::stats::bradley_terry::preference_probability;
use crate::domain::stats::paired::PairedOutcomes;
use crate::store::{Store, StoreError};

/// Where two runs disagree.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Disagreements {
    /// Over the common test pairs.
    pub test: PairedOutcomes,
    /// Over the common pool pairs of their latest selections; `None` when there are none.
    pub pool: Option<PoolDisagreements>,
    /// The pairs on which the runs disagree most: those for which the less confident of the two is
    /// most confident.
    pub pairs: Vec<Disagreement>,
}

/// Two selections, pair by pair.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct PoolDisagreements {
    /// Pairs that both scored.
    pub n_common: u64,
    /// Pairs of which they prefer opposite answers.
    pub n_opposite: u64,
    /// Of these, pairs that both selected.
    pub n_opposite_selected: u64,
    /// Of the opposite ones, pairs on which the hidden human label agrees with the base.
    pub n_base_right: u64,
    /// Of the opposite ones, pairs on which it agrees with the other.
    pub n_other_right: u64,
    /// Pairs that only the base selected.
    pub n_only_base_selected: u64,
    /// Pairs that only the other selected.
    pub n_only_other_selected: u64,
}

/// Which pairs a disagreement is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DisagreementSplit {
    Test,
    /// A pair of the unlabeled pool.
    Pool,
}

/// The view that one run has of a pair.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Opinion {
    pub round: u32,
    /// Whether it prefers the answer that people chose. For pool pairs this tells the hidden
    /// label: screens show it only when asked.
    pub is_right: bool,
    /// How sure it is.
    pub confidence: f64,
    /// Whether the pair was selected; `None` for test pairs.
    pub is_selected: Option<bool>,
}

/// A pair on which two runs disagree.
#[derive(Debug, Clone, PartialEq)]
pub struct Disagreement {
    /// Which pair of its data set.
    pub pair: PairId,
    /// Which kind of pair.
    pub split: DisagreementSplit,
    pub base: Opinion,
    pub other: Opinion,
    /// Everything before the answers.
    pub prompt: String,
}

impl Disagreement {
    /// The confidence of the less confident run.
    #[must_use]
    pub fn sureness(&self) -> f64 {
        self.base.confidence.min(self.other.confidence)
    }
}

/// Pairs on which two compared runs disagree, at most `n_max` of them with their prompts.
///
/// # Errors
/// When a run or pair does not exist any more.
pub fn disagreements(
    store: &Store,
    base: &ComparedRun,
    other: &ComparedRun,
    n_max: usize,
) -> Result<Disagreements, AnalysisError> {
    store.snapshot(|store| {
        let mut top = Surest { pairs: Vec::new(), n_max };
        let test = test_pairs(store, base, other, &mut top)?;
        let pool = pool_pairs(store, base, other, &mut top)?;
        let mut pairs = top.into_sorted();
        let dataset = store.run(&base.row.id)?.dataset;
        for found in &mut pairs {
            let dataset = match found.split {
                DisagreementSplit::Test => base.row.facts.test_dataset,
                DisagreementSplit::Pool => dataset,
            };
            let texts = store.preference_pairs(dataset, &[found.pair])?;
            found.prompt = texts.into_iter().next().map_or_else(String::new, |texts| texts.prompt);
        }
        Ok(Disagreements { test, pool, pairs })
    })
}

/// Keeps the pairs with the highest [`Disagreement::sureness`].
struct Surest {
    pairs: Vec<Disagreement>,
    n_max: usize,
}

impl Surest {
    fn add(&mut self, found: Disagreement) {
        self.pairs.push(found);
        // Sorted only when four times as many have come, since a million pairs may disagree.
        if self.pairs.len() >= 4 * self.n_max.max(64) {
            self.sort();
        }
    }

    fn sort(&mut self) {
        self.pairs.sort_by(|a, b| b.sureness().total_cmp(&a.sureness()).then(a.pair.cmp(&b.pair)));
        self.pairs.truncate(self.n_max);
    }

    fn into_sorted(mut self) -> Vec<Disagreement> {
        self.sort();
        self.pairs
    }
}

fn test_pairs(
    store: &Store,
    base: &ComparedRun,
    other: &ComparedRun,
    top: &mut Surest,
) -> Result<PairedOutcomes, StoreError> {
    let is_common = base.row.facts.shares_test_with(&other.row.facts);
    let (Some(base_round), Some(other_round)) = (base.round, other.round.filter(|_| is_common))
    else {
        return Ok(PairedOutcomes::default());
    };
    let margins = |run: &ComparedRun, round| store.margins(&run.row.id, round, Split::Test);
    let mut others = margins(other, other_round)?.into_iter().peekable();
    let mut outcomes = Vec::new();
    for margin in margins(base, base_round)? {
        while others.next_if(|other| other.pair < margin.pair).is_some() {}
        let Some(theirs) = others.peek().filter(|other| other.pair == margin.pair) else {
            continue;
        };
        let opinion = |margin: f32, round| {
            let p = preference_probability(f64::from(margin));
            let confidence = p.max(1.0 - p);
            Opinion { round, is_right: margin > 0.0, confidence, is_selected: None }
        };
        let (ours, theirs) =
            (opinion(margin.margin, base_round), opinion(theirs.margin, other_round));
        outcomes.push((ours.is_right, theirs.is_right));
        if ours.is_right != theirs.is_right {
            let split = DisagreementSplit::Test;
            let prompt = String::new();
            top.add(Disagreement { pair: margin.pair, split, base: ours, other: theirs, prompt });
        }
    }
    Ok(PairedOutcomes::of(outcomes))
}

/// Walks through the selections of both runs at once.
fn pool_pairs(
    store: &Store,
    base: &ComparedRun,
    other: &ComparedRun,
    top: &mut Surest,
) -> Result<Option<PoolDisagreements>, StoreError> {
    let round = |run: &ComparedRun| run.selection_round().map(|round| round.round);
    let (Some(base_round), Some(other_round)) = (round(base), round(other)) else {
        return Ok(None);
    };
    let dataset = store.run(&base.row.id)?.dataset;
    if dataset != store.run(&other.row.id)?.dataset {
        return Ok(None);
    }
    // Of two runs with a policy's pairs each has its own under one number.
    let n_pairs = store.n_pairs(dataset)?;
    let ours = store.pair_scores(&base.row.id, base_round)?;
    let theirs = store.pair_scores(&other.row.id, other_round)?;
    let mut theirs = theirs.iter().peekable();
    let mut counts = PoolDisagreements::default();
    for our in ours.iter().take_while(|it| it.score.pair.0 < n_pairs) {
        let pair = our.score.pair;
        while theirs.next_if(|their| their.score.pair < pair).is_some() {}
        let Some(their) = theirs.next_if(|their| their.score.pair == pair) else { continue };
        let mine = opinion(our, base.row.rng_seed, base_round);
        let yours = opinion(their, other.row.rng_seed, other_round);
        counts.add(mine, yours);
        if let (Some(base), Some(other)) = (mine, yours)
            && base.is_right != other.is_right
        {
            let split = DisagreementSplit::Pool;
            top.add(Disagreement { pair, split, base, other, prompt: String::new() });
        }
    }
    Ok((counts.n_common > 0).then_some(counts))
}

impl PoolDisagreements {
    /// Counts one common pair.
    fn add(&mut self, base: Option<Opinion>, other: Option<Opinion>) {
        self.n_common += 1;
        let is_selected =
            |opinion: Option<Opinion>| opinion.and_then(|o| o.is_selected).unwrap_or(false);
        match (is_selected(base), is_selected(other)) {
            (true, false) => self.n_only_base_selected += 1,
            (false, true) => self.n_only_other_selected += 1,
            _ => {}
        }
        let (Some(base), Some(other)) = (base, other) else { return };
        if base.is_right == other.is_right {
            return;
        }
        self.n_opposite += 1;
        self.n_base_right += u64::from(base.is_right);
        self.n_other_right += u64::from(other.is_right);
        let both = base.is_selected == Some(true) && other.is_selected == Some(true);
        self.n_opposite_selected += u64::from(both);
    }
}

/// A scored pair as an opinion; `None` for equal rewards, which prefer neither answer. Answers a
/// and b are in the run's own order, so they are mapped to chosen and rejected first.
fn opinion(scored: &ScoredPair, rng_seed: u64, round: u32) -> Option<Opinion> {
    let ScoredPair { score, left_out } = scored;
    let margin = score.margin();
    let preferred = if margin > 0.0 { Side::A } else { Side::B };
    (margin != 0.0).then(|| Opinion {
        round,
        is_right: preferred == chosen_side(rng_seed, score.pair),
        confidence: score.confidence(),
        is_selected: Some(left_out.is_none()),
    })
}
