//! What a person decided about a pseudo-label.
//!
//! A veto takes a pair out. To keep or to flip a label is to say which answer is better: that is a
//! human label, which holds whatever the model says of the pair later on.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::preference::{LabelSource, PairId, Side, TrainingLabel};

/// A decision about one pair of one run. Verdicts are append-only: undoing is another row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[derive(strum::EnumString, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum Verdict {
    /// Never train on this pair.
    Veto,
    /// Looked at and fine.
    Keep,
    /// Train on the opposite preference.
    Flip,
    /// The pair is undecided again.
    Undo,
}

impl Verdict {
    /// Every verdict, as the variants stand.
    pub const ALL: &[Self] = <Self as strum::VariantArray>::VARIANTS;

    /// The name in tables and JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// The decisions in force: the latest one of each pair.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerdictSet {
    by_pair: BTreeMap<PairId, Verdict>,
    /// The answer that people call the better one.
    #[serde(default)]
    preferred: BTreeMap<PairId, Side>,
}

impl VerdictSet {
    /// Adds a later decision. Where it is a keep or a flip, `preferred` is the better answer by it.
    pub fn record_label(&mut self, pair: PairId, verdict: Verdict, preferred: Option<Side>) {
        self.record(pair, verdict);
        if let (Verdict::Keep | Verdict::Flip, Some(side)) = (verdict, preferred) {
            self.preferred.insert(pair, side);
        }
    }

    /// The pairs whose better answer people have named, as labels.
    #[must_use]
    pub fn human_labels(&self) -> Vec<TrainingLabel> {
        let label = |(pair, preferred): (&PairId, &Side)| TrainingLabel {
            pair: *pair,
            preferred: *preferred,
            source: LabelSource::Human,
        };
        self.preferred.iter().map(label).collect()
    }

    /// Adds a later decision.
    pub fn record(&mut self, pair: PairId, verdict: Verdict) {
        self.preferred.remove(&pair);
        if verdict == Verdict::Undo {
            self.by_pair.remove(&pair);
        } else {
            self.by_pair.insert(pair, verdict);
        }
    }

    /// The decision about a pair, if there is one.
    #[must_use]
    pub fn get(&self, pair: PairId) -> Option<Verdict> {
        self.by_pair.get(&pair).copied()
    }

    /// The answer that people call the better one, where they named one.
    #[must_use]
    pub fn preferred(&self, pair: PairId) -> Option<Side> {
        self.preferred.get(&pair).copied()
    }

    /// The pairs with a decision in force, ascending.
    pub fn pairs(&self) -> impl Iterator<Item = PairId> {
        self.by_pair.keys().copied()
    }

    /// How many pairs are vetoed.
    #[must_use]
    pub fn n_vetoed(&self) -> usize {
        self.by_pair.values().filter(|verdict| **verdict == Verdict::Veto).count()
    }

    /// How many pairs have this decision.
    #[must_use]
    pub fn count(&self, verdict: Verdict) -> usize {
        self.by_pair.values().filter(|other| **other == verdict).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_decision_holds_and_undo_removes_it() {
        let mut verdicts = VerdictSet::default();
        verdicts.record(PairId(1), Verdict::Veto);
        verdicts.record(PairId(2), Verdict::Veto);
        verdicts.record(PairId(1), Verdict::Flip);
        assert_eq!(verdicts.get(PairId(1)), Some(Verdict::Flip));
        assert_eq!(verdicts.n_vetoed(), 1);
        verdicts.record(PairId(2), Verdict::Undo);
        assert_eq!(verdicts.get(PairId(2)), None);
        assert_eq!(verdicts.by_pair.len(), 1);
    }

    #[test]
    fn who_keeps_or_flips_gives_a_label_and_who_vetoes_does_not() {
        let mut verdicts = VerdictSet::default();
        verdicts.record_label(PairId(1), Verdict::Keep, Some(Side::A));
        verdicts.record_label(PairId(2), Verdict::Flip, Some(Side::B));
        verdicts.record_label(PairId(3), Verdict::Veto, Some(Side::B));
        verdicts.record_label(PairId(4), Verdict::Keep, None);
        let labels = |set: &VerdictSet| -> Vec<(u32, Side)> {
            set.human_labels().iter().map(|label| (label.pair.0, label.preferred)).collect()
        };
        assert_eq!(labels(&verdicts), [(1, Side::A), (2, Side::B)]);
        verdicts.record_label(PairId(1), Verdict::Undo, None);
        verdicts.record(PairId(2), Verdict::Veto);
        assert!(labels(&verdicts).is_empty());
    }
}
