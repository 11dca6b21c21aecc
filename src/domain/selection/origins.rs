//! A selection by who wrote the answers of its pairs.

use serde::{Deserialize, Serialize};

/// A selection by who wrote the answers.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ByOrigin {
    /// The pairs of the data set.
    pub data: OriginSummary,
    /// The pairs of the policy.
    pub policy: OriginSummary,
}

impl ByOrigin {
    /// The two with the word that tells each apart from the other.
    #[must_use]
    pub fn parts(&self) -> [(&'static str, &OriginSummary); 2] {
        [("data", &self.data), ("policy", &self.policy)]
    }
}

/// What a selection comes to on the pairs of one origin.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct OriginSummary {
    pub n_scored: u64,
    pub n_selected: u64,
    /// Selected pairs whose hidden label is known.
    pub n_known: u64,
    /// Share of these whose kept label agrees with it.
    pub pseudo_label_precision: Option<f64>,
    /// Share of all scored pairs with a known hidden label whose pseudo-label agrees with it.
    pub pool_accuracy: Option<f64>,
}
