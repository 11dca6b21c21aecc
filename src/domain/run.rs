//! A run: one spec with one `rng_seed`, executed by one worker at a time.

use serde::{Deserialize, Serialize};

/// A run's id: `r` and seven characters of the alphabet `0-9a-z` without look-alikes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(pub String);

impl RunId {
    /// An id from 64 bits that the caller makes unique.
    #[must_use]
    pub fn from_bits(bits: u64) -> Self {
        const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
        let digits = (0..7).map(|i| char::from(ALPHABET[(bits >> (5 * i)) as usize & 31]));
        Self(std::iter::once('r').chain(digits).collect())
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for RunId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a run does. Each kind is a loop of its own ([`super::run_loop::RunLoop`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[derive(strum::EnumString, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum RunKind {
    /// Self-evolved reward learning ([`super::ser::SerLoop`]).
    #[default]
    Ser,
    /// A language model trained to please a reward model ([`super::policy::run_loop::PolicyLoop`]).
    Policy,
}

impl RunKind {
    /// Every kind, as the variants stand.
    pub const ALL: &[Self] = <Self as strum::VariantArray>::VARIANTS;

    /// The name in tables, specs and JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// Whether it is the default kind, which a stored spec does not mention.
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// What a run's own rows say about it. Whether its process is alive is a separate question
/// ([`Liveness`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[derive(strum::EnumString, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum RunStatus {
    /// Waits for a free slot.
    Queued,
    /// A worker executes it.
    Running,
    /// A worker holds it between two steps until it is resumed.
    Paused,
    /// Ended on a person's request; can be resumed.
    Stopped,
    /// It ended by itself.
    Finished,
    /// Ended by an error; can be resumed once the cause is gone.
    Failed,
}

impl RunStatus {
    /// The name in tables and JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// Whether a worker should exist for a run with this status.
    #[must_use]
    pub fn wants_worker(self) -> bool {
        matches!(self, Self::Running | Self::Paused)
    }

    /// Whether nothing more will happen unless a person resumes it.
    #[must_use]
    pub fn is_ended(self) -> bool {
        matches!(self, Self::Stopped | Self::Finished | Self::Failed)
    }
}

/// What is known about the process behind a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Liveness {
    /// No worker is expected.
    NotExpected,
    /// The process exists and its heartbeat is recent.
    Alive,
    /// The process exists but has not spoken for a while (stopped, swapped, out of disk).
    Silent,
    /// The process is gone without an end event: the run is interrupted and can be resumed.
    Gone,
}

/// Why the loop ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[derive(strum::EnumString, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum StopReason {
    /// `rounds.max` rounds were trained.
    RoundLimit,
    /// Too few pairs pass the selection rule (the paper's stop rule: neither learning status has
    /// enough left).
    SelectionExhausted,
    /// The seed model does not rank held-out human pairs better than chance.
    SeedNotBetterThanChance,
    /// No share of the pool could be certified: the bound on the label error was above `max_error`
    /// at every coverage.
    Uncertified,
    /// The selected labels prefer the longer answer, or the shorter one, nearly always.
    SelectionOneSided,
    /// The next round would train on exactly the labels of the last one: its model added nothing to
    /// the teacher, and no person gave a verdict.
    NothingNew,
    /// A round ranks the validation pairs significantly worse than the one before.
    ValidationDropped,
    /// `policy.steps` steps of the policy were taken.
    StepLimit,
    /// The judge's score of the policy fell significantly below that of an earlier step, whose weights
    /// were taken again.
    GoldDropped,
    /// A loss, gradient or reward was not a finite number; the update was not applied.
    NonFinite,
    UserStopped,
}

impl StopReason {
    /// Every reason, as the variants stand.
    pub const ALL: &[Self] = <Self as strum::VariantArray>::VARIANTS;

    /// The name in tables and JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// What a person asks of a running worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[derive(strum::EnumString, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum RequestKind {
    /// Hold between two steps.
    Pause,
    Resume,
    Stop,
}

impl RequestKind {
    /// The name in tables and JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_eight_plain_characters() {
        let id = RunId::from_bits(u64::MAX);
        assert_eq!(id.as_str(), "rzzzzzzz");
        assert_eq!(RunId::from_bits(0).as_str(), "r0000000");
    }
}
