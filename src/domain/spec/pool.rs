//! The table `[pool]` of a spec: whether a policy adds pairs of its own answers to the pool.

use serde::{Deserialize, Serialize};

use super::{ExperimentSpec, NONE, SpecError, check};
use crate::domain::pool::pairing::Pairing;
use crate::domain::run::RunKind;

/// What `pool.judge` says where the data decide.
const AUTOMATIC: &str = "auto";
/// The judge of the embedded prompts.
const ORACLE: &str = "oracle";

/// Whose pairs are in the pool.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PoolSource {
    /// Those of the data set that are not labeled.
    #[default]
    Data,
    /// Those, and pairs of a policy's answers to their prompts.
    Policy,
}

/// The table `[pool]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PoolSpec {
    pub source: PoolSource,
    /// Who answers: `none`, a policy run, or what `model.backbone` may be.
    pub policy: String,
    /// Prompts that are answered before the labeling of each round.
    pub prompts: u32,
    /// Answers to each of them, of which two become a pair.
    pub answers: u32,
    pub pairing: Pairing,
    /// What logits are divided by when an answer is drawn.
    pub temperature: f64,
    /// Longest answer in tokens.
    pub max_new_tokens: u32,
    /// Whose labels the pseudo-labels of these pairs are compared with: `auto`, `none`, or whom
    /// `policy.gold` may name.
    pub judge: String,
}

impl Default for PoolSpec {
    /// Those of the default spec, which runs stored before there was the table had.
    fn default() -> Self {
        Self {
            source: PoolSource::Data,
            policy: NONE.to_owned(),
            prompts: 200,
            answers: 4,
            pairing: Pairing::BestWorst,
            temperature: 1.0,
            max_new_tokens: 64,
            judge: AUTOMATIC.to_owned(),
        }
    }
}

impl ExperimentSpec {
    /// Whether a policy adds pairs to the pool.
    #[must_use]
    pub fn generates_pairs(&self) -> bool {
        self.kind == RunKind::Ser && self.pool.source == PoolSource::Policy
    }

    /// Who judges the pairs of the policy, by name; `None` where nobody does. By itself it is the oracle,
    /// where the data are those that it knows.
    #[must_use]
    pub fn pool_judge(&self) -> Option<&str> {
        match self.pool.judge.as_str() {
            NONE => None,
            AUTOMATIC => self.data.source.is_embedded().then_some(ORACLE),
            name => Some(name),
        }
    }

    /// Checks the ranges of `[pool]`.
    pub(super) fn validate_pool(&self) -> Result<(), SpecError> {
        let pool = &self.pool;
        for (key, value, least, most, expected) in [
            ("pool.prompts", pool.prompts, 1, 1_000_000, "from 1 to 1000000"),
            ("pool.answers", pool.answers, 2, 1024, "from 2 to 1024"),
            ("pool.max_new_tokens", pool.max_new_tokens, 1, 1 << 16, "from 1 to 65536"),
        ] {
            check(key, value, (least..=most).contains(&value), expected)?;
        }
        let heat = pool.temperature;
        check("pool.temperature", heat, heat.is_finite() && heat > 0.0, "above 0")?;
        let names = |name: &str| !name.is_empty() && name != NONE;
        let asks = pool.source == PoolSource::Policy;
        let is_ser = self.kind == RunKind::Ser;
        let expected = "possible in a policy run, which has no pool to add to";
        check("pool.source", "policy", is_ser || !asks, expected)?;
        let expected = "a policy, which `pool.source = \"policy\"` needs";
        check("pool.policy", &pool.policy, names(&pool.policy) || !asks, expected)
    }
}
