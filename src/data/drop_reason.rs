//! Why a pair is left out, and what to do about it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Why a pair was left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DropReason {
    /// `chosen` equals `rejected`.
    IdenticalResponses,
    /// Neither answer holds a visible character.
    EmptyResponses,
    /// Two dialogues without a common prompt.
    NoSharedPrompt,
    /// Two answers with the same score or rank, or labeled as equal.
    Tie,
    /// An answer without a score.
    Unrated,
    /// A score that is known to be a mistake of the data set.
    SuspectScore,
    /// More pairs of one record than `pairs_per_record`.
    PairCap,
    /// A record with fewer than two answers to compare.
    OneAnswer,
    /// One of the two answers is null.
    MissingAnswer,
}

impl DropReason {
    /// Whether a file of finished pairs must not contain such a pair. A pair without an answer is
    /// not counted as a mistake; it is left out and counted.
    pub(super) fn is_mistake(self) -> bool {
        self != Self::MissingAnswer
    }

    /// What to do about a file in which it stops the reading.
    pub(super) fn hint(self) -> &'static str {
        match self {
            Self::IdenticalResponses | Self::EmptyResponses => {
                "the two answers of a pair must differ and not both be empty"
            }
            Self::NoSharedPrompt => "both dialogues of a pair must begin with the same turns",
            Self::Tie => "are the scores or labels read from the right column?",
            Self::Unrated => "name the column of the scores: `--column score=…`",
            Self::SuspectScore => "use `ultrafeedback`, which goes by the mean of the ratings",
            Self::PairCap => "raise `pairs_per_record`",
            Self::OneAnswer => "a record needs two answers with different scores or ranks",
            Self::MissingAnswer => {
                "is another column the one with the answers? name it: `--column b=…`"
            }
        }
    }

    /// Whether the pair was left out because of how it was read, not because of what it is.
    #[must_use]
    pub fn is_expected(self) -> bool {
        matches!(self, Self::Tie | Self::PairCap | Self::OneAnswer)
    }
}

impl fmt::Display for DropReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::IdenticalResponses => "`chosen` equals `rejected`",
            Self::EmptyResponses => "both answers are empty",
            Self::NoSharedPrompt => "the dialogues share no prompt",
            Self::Tie => "a tie",
            Self::Unrated => "an answer has no rating",
            Self::SuspectScore => "an overall score of 10 beside ratings of 2 or less",
            Self::PairCap => "more pairs of one record than `pairs_per_record`",
            Self::OneAnswer => "fewer than two answers to compare",
            Self::MissingAnswer => "an answer is missing",
        })
    }
}
