//! What a selection goes by, and what it says of a pair that it leaves out.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::learning_status::LearningStatus;
use super::risk::Certificate;
use crate::domain::preference::{PairFacts, PairId};
use crate::domain::pseudo_label::{PairScore, PseudoLabel};
use crate::domain::stats::bradley_terry::preference_probability;
use crate::domain::verdict::VerdictSet;

/// Why a scored pair was not selected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[derive(strum::EnumString, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum LeftOut {
    /// An earlier round selected it; pseudo-labels are never revised.
    AlreadySelected,
    /// A person vetoed it.
    Vetoed,
    /// Equal rewards: there is no label.
    Tie,
    /// Status 1: the probabilities are not one above the high and one below the low threshold.
    NotSeparated,
    /// Status 2: the probabilities differ too little.
    DeltaTooSmall,
    /// The confidence is below the threshold, or not among the share that is taken.
    BelowThreshold,
    /// The loop stops here: nothing is selected.
    Stopped,
}

impl LeftOut {
    /// Every reason, as the variants stand.
    pub const ALL: &[Self] = <Self as strum::VariantArray>::VARIANTS;

    /// The name in tables and JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// What a selection depends on besides the rewards.
#[derive(Debug, Clone, Copy)]
pub struct SelectionContext<'a> {
    /// The learning status of the round before.
    pub previous_status: Option<LearningStatus>,
    /// Pairs that earlier rounds selected.
    pub already_selected: &'a BTreeSet<PairId>,
    /// What the person decided.
    pub verdicts: &'a VerdictSet,
    /// What margins are divided by before they become probabilities of pairs.
    pub temperature: f64,
    /// What held-out human pairs say about the labels, for `risk`.
    pub certificate: Option<Certificate>,
    /// Facts about the texts of the scored pairs, in the same order; empty when nothing is known.
    pub facts: &'a [PairFacts],
}

impl SelectionContext<'_> {
    pub(super) fn confidence(&self, score: &PairScore) -> f64 {
        preference_probability(score.margin().abs() / self.temperature)
    }

    pub(super) fn label(&self, score: &PairScore) -> Option<PseudoLabel> {
        let label = score.pseudo_label()?;
        Some(PseudoLabel { confidence: self.confidence(score), ..label })
    }
}
