//! Preference pairs, with and without a label.

use serde::{Deserialize, Serialize};

use super::random::{Place, Purpose};
use super::text::conversation::TextForm;

/// The position of a pair in its data set, counted from 0 over the accepted pairs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PairId(pub u32);

impl std::fmt::Display for PairId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// One example with its human label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreferencePair {
    /// Everything before the answer, as one text.
    pub prompt: String,
    /// The answer people preferred.
    pub chosen: String,
    pub rejected: String,
    /// How a chat template reads the three texts; the chosen answer is the first of its two
    /// answers.
    pub form: TextForm,
    /// Pairs of one group never stand on both sides of a split: the prompt, or a column such as
    /// the topic.
    pub group: String,
    /// A slice name for tables (skill, subset, topic); empty when the source has none.
    pub slice: String,
    /// The label is known to be wrong (recorded noise of the embedded set). Read by metrics only.
    pub label_noise: bool,
}

/// One of the two answers of a pair, in presentation order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[derive(strum::EnumString, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "lowercase")]
pub enum Side {
    /// `response_a`
    A,
    /// `response_b`
    B,
}

impl Side {
    /// The name in tables and JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// The side of the other answer.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }
}

/// A pair as the unlabeled pool hands it out. There is no label field, so no code that sees only
/// this can leak one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CandidatePair {
    /// Which pair of the data set.
    pub id: PairId,
    /// Everything before the answer.
    pub prompt: String,
    /// First answer, in an order shuffled by `rng_seed`.
    pub response_a: String,
    pub response_b: String,
    /// How a chat template reads the three texts; its answers are in presentation order.
    pub form: TextForm,
    /// The part of the data set it is from, where it has parts.
    pub slice: String,
}

/// Which side holds the chosen answer when pair `id` is presented in a run with `rng_seed`.
///
/// The order is a fair coin per pair, so "a is better" carries no information.
#[must_use]
pub fn chosen_side(rng_seed: u64, id: PairId) -> Side {
    if Place::new(rng_seed, Purpose::Presentation).bits(u64::from(id.0)) & 1 == 0 {
        Side::A
    } else {
        Side::B
    }
}

impl PreferencePair {
    /// The pair without its label, in presentation order.
    #[must_use]
    pub fn to_candidate(&self, rng_seed: u64, id: PairId) -> CandidatePair {
        let (response_a, response_b, form) = match chosen_side(rng_seed, id) {
            Side::A => (self.chosen.clone(), self.rejected.clone(), self.form.clone()),
            Side::B => (self.rejected.clone(), self.chosen.clone(), self.form.swapped()),
        };
        CandidatePair {
            id,
            prompt: self.prompt.clone(),
            response_a,
            response_b,
            form,
            slice: self.slice.clone(),
        }
    }
}

/// Where a training label came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LabelSource {
    Human,
    /// The reward model itself, in the selection of a round.
    Pseudo {
        /// The round whose selection made it.
        round: u32,
    },
}

/// One labeled example of a training set: which side of which pair is preferred, and who says so.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct TrainingLabel {
    pub pair: PairId,
    /// The preferred answer, in presentation order.
    pub preferred: Side,
    pub source: LabelSource,
}

/// What is known of a pair's texts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PairFacts {
    /// Tokens of the prompt with each answer.
    pub n_tokens: [u32; 2],
    /// Turns of the prompt; 0 is unknown.
    pub n_turns: u32,
    /// The number of the slice it is from.
    pub source: u32,
}

impl PairFacts {
    /// Lengths of the preferred side and the other.
    #[must_use]
    pub fn lengths(&self, preferred: Side) -> (u32, u32) {
        let [a, b] = self.n_tokens;
        if preferred == Side::A { (a, b) } else { (b, a) }
    }

    /// Tokens of both sides.
    #[must_use]
    pub fn n_tokens(&self) -> u32 {
        self.n_tokens[0] + self.n_tokens[1]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presentation_is_a_fair_coin_and_loses_no_text() {
        let pair = PreferencePair {
            prompt: "p".into(),
            chosen: "good".into(),
            rejected: "bad".into(),
            form: TextForm::Plain,
            group: "p".into(),
            slice: String::new(),
            label_noise: false,
        };
        let mut n_a = 0;
        for id in 0..2000 {
            let candidate = pair.to_candidate(4, PairId(id));
            let side = chosen_side(4, PairId(id));
            let (chosen, rejected) = match side {
                Side::A => (&candidate.response_a, &candidate.response_b),
                Side::B => (&candidate.response_b, &candidate.response_a),
            };
            assert_eq!((chosen.as_str(), rejected.as_str()), ("good", "bad"));
            n_a += u32::from(side == Side::A);
        }
        assert!((900..1100).contains(&n_a), "{n_a}");
    }
}
