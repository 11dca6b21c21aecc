//! The learning status: which kind of pseudo-label the model is ready for.
//!
//! SER (Huang et al., ICLR 2025), equation 3. The paper writes the rule per pair but applies it to
//! the whole pool: a status holds while a sufficient number of pool pairs pass its test, first
//! status 1, then status 2, then the loop stops. A status never goes back.

use serde::{Deserialize, Serialize};

/// Which filter applies now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[derive(strum::EnumString, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum LearningStatus {
    /// Tell good answers from bad: one probability high, the other low.
    #[serde(rename = "status_1")]
    #[strum(serialize = "status_1")]
    Status1,
    /// Amplify differences: the two probabilities differ enough, wherever they lie.
    #[serde(rename = "status_2")]
    #[strum(serialize = "status_2")]
    Status2,
    /// Neither test finds enough pairs.
    Stop,
    /// The rule in force does not use a learning status.
    Ungated,
}

impl LearningStatus {
    /// The name in tables and JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// The status of this round, given the one before and how many pool pairs pass each test.
    #[must_use]
    pub fn next(previous: Option<Self>, n_status_1: usize, n_status_2: usize, gate: usize) -> Self {
        // A gate of 0 would never stop: at least one pair has to pass.
        let gate = gate.max(1);
        let earliest = previous.unwrap_or(Self::Status1);
        if earliest == Self::Status1 && n_status_1 >= gate {
            Self::Status1
        } else if earliest <= Self::Status2 && n_status_2 >= gate {
            Self::Status2
        } else {
            Self::Stop
        }
    }
}

#[cfg(test)]
mod tests {
    use super::LearningStatus::{self, Status1, Status2, Stop};

    #[test]
    fn the_gate_decides_and_a_status_never_goes_back() {
        for (previous, n_1, n_2, expected) in [
            (None, 600, 0, Status1),
            (None, 599, 600, Status2),
            (None, 599, 599, Stop),
            (Some(Status1), 900, 900, Status1),
            (Some(Status1), 10, 900, Status2),
            (Some(Status2), 900, 900, Status2),
            (Some(Status2), 900, 10, Stop),
            (Some(Stop), 900, 900, Stop),
        ] {
            let status = LearningStatus::next(previous, n_1, n_2, 600);
            assert_eq!(status, expected, "{previous:?} {n_1} {n_2}");
        }
        assert_eq!(LearningStatus::next(None, 0, 0, 0), Stop);
    }
}
