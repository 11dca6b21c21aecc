//! Pairs that a policy adds to the pool: which prompts it answers, and which two answers become a pair.
//!
//! Before the labeling of each round the policy answers some prompts of the pool. Of the answers to a
//! prompt, scored by the reward model as it is then, two become a pair, which joins the pool of this and of
//! all later rounds. The loop labels it as any other. Nothing here looks into a text but to compare it.

pub mod pairing;
pub mod prompts;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::preference::{PairId, PreferencePair};
use super::text::conversation::TextForm;

/// Who wrote the answers of a generated pair, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The name of the policy: of its run, or of its folder.
    pub policy: String,
    /// The beginning of the SHA-256 of its weights.
    pub digest: String,
    /// The first round whose pool the pair is in.
    pub round: u32,
}

impl std::fmt::Display for Origin {
    /// As a list shows it: `rloo 3f9a02c4, round 2`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let digest = self.digest.get(..8).unwrap_or(&self.digest);
        write!(f, "{} {digest}, round {}", self.policy, self.round)
    }
}

/// Why a prompt that was to be answered gave no pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[derive(strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum NoPair {
    /// The prompt leaves no room for an answer.
    TooLong,
    /// No two answers differ in text and reward.
    AllEqual,
    /// The pool has the same pair.
    Duplicate,
}

impl NoPair {
    /// The name in events and in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// A pair of a policy's answers, as its event and its row keep it.
///
/// The answers stand as those of a data set do: where a judge has said which is the better one, it is the
/// first, else they stand by chance. [`super::preference::chosen_side`] shuffles both kinds alike, so that
/// neither says what the reward model preferred.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GeneratedPair {
    /// Counted on from the pairs of the data set.
    pub pair: PairId,
    /// The pair of the data set whose prompt it is.
    pub prompt_of: PairId,
    pub prompt: String,
    /// The answer that the judge prefers; without a judge either.
    pub chosen: String,
    pub rejected: String,
    /// How a chat template reads the texts, as [`TextForm::to_stored`] writes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub form: Option<String>,
    /// Whether the judge said which answer is the better one, so that `chosen` is a hidden label.
    pub is_judged: bool,
    /// Of `chosen` and `rejected`, by the reward model that chose the two.
    pub rewards: [f64; 2],
}

impl GeneratedPair {
    /// The pair as a data set would have it, with the group and the slice of the pair whose prompt it has.
    ///
    /// # Errors
    /// In words, when its form does not fit its texts.
    pub fn to_pair(&self, group: &str, slice: &str) -> Result<PreferencePair, String> {
        let answers = [self.chosen.as_str(), self.rejected.as_str()];
        Ok(PreferencePair {
            form: TextForm::from_stored(self.form.as_deref(), &self.prompt, answers)?,
            prompt: self.prompt.clone(),
            chosen: self.chosen.clone(),
            rejected: self.rejected.clone(),
            group: group.to_owned(),
            slice: slice.to_owned(),
            label_noise: false,
        })
    }
}

/// What came of one answering of prompts, beside the pairs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Generation {
    pub origin: Origin,
    /// Who judged; `None` where nobody did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub judge: Option<String>,
    /// Prompts that were to be answered.
    pub n_prompts: u64,
    pub n_answers: u64,
    pub n_pairs: u64,
    /// Pairs of which the judge said which answer is the better one.
    pub n_judged: u64,
    /// How many prompts gave no pair, by the reason.
    #[serde(default)]
    pub no_pair: BTreeMap<NoPair, u64>,
    /// Tokens of prompts and answers.
    pub n_tokens: u64,
    /// How long it took in the attempt that did it.
    pub elapsed_ms: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generated_pair_is_read_as_one_of_a_data_set() {
        let pair = GeneratedPair {
            pair: PairId(9),
            prompt_of: PairId(3),
            prompt: "p".into(),
            chosen: "good".into(),
            rejected: "bad".into(),
            form: Some("plain".into()),
            is_judged: true,
            rewards: [0.5, -0.5],
        };
        let found = pair.to_pair("topic", "maths").unwrap();
        assert_eq!((found.form, found.group.as_str()), (TextForm::Plain, "topic"));
        let broken = GeneratedPair { form: Some("{".into()), ..pair };
        assert!(broken.to_pair("", "").is_err());
    }

    #[test]
    fn an_origin_is_short_enough_for_a_line() {
        let origin = Origin { policy: "rloo".into(), digest: "3f9a02c4de11".into(), round: 2 };
        assert_eq!(origin.to_string(), "rloo 3f9a02c4, round 2");
    }
}
