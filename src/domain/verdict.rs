//! What a person decided about a pseudo-label.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::preference::PairId;

/// A decision about one pair of one run. Verdicts are append-only: undoing is another row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Never train on this pair.
    Veto,
    /// Looked at and fine.
    Keep,
    /// Train on the opposite preference.
    Flip,
    /// Back to undecided.
    Undo,
}

impl Verdict {
    /// Every verdict.
    pub const ALL: [Self; 4] = [Self::Veto, Self::Keep, Self::Flip, Self::Undo];

    /// The verdict with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|verdict| verdict.name() == name)
    }

    /// The name in tables and JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Veto => "veto",
            Self::Keep => "keep",
            Self::Flip => "flip",
            Self::Undo => "undo",
        }
    }
}

/// The decisions in force: the latest one of each pair.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerdictSet {
    by_pair: BTreeMap<PairId, Verdict>,
}

impl VerdictSet {
    /// Adds a later decision.
    pub fn record(&mut self, pair: PairId, verdict: Verdict) {
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

    /// How many pairs have a decision.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_pair.len()
    }

    /// Whether nobody decided anything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_pair.is_empty()
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
        assert_eq!(verdicts.len(), 1);
    }
}
