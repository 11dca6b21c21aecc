//! What people take out of a policy's batches.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// A prompt, or one answer to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RolloutKey {
    /// The pair whose prompt it is.
    pub pair: u32,
    /// The step and the number of the answer in it, from 0; `None` means the prompt, in every step from
    /// now on.
    pub answer: Option<(u32, u32)>,
}

/// The vetoes in force.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RolloutVetoes {
    keys: BTreeSet<RolloutKey>,
}

impl RolloutVetoes {
    /// Takes a decision into account: a veto, or the end of one.
    pub fn decide(&mut self, key: RolloutKey, is_veto: bool) {
        if is_veto {
            self.keys.insert(key);
        } else {
            self.keys.remove(&key);
        }
    }

    /// Whether this prompt, or this answer by itself, is vetoed.
    #[must_use]
    pub fn has(&self, key: RolloutKey) -> bool {
        self.keys.contains(&key)
    }

    /// Whether a prompt is vetoed.
    #[must_use]
    pub fn has_prompt(&self, pair: u32) -> bool {
        self.keys.contains(&RolloutKey { pair, answer: None })
    }

    /// Whether an answer is vetoed, by itself or with its prompt.
    #[must_use]
    pub fn has_answer(&self, pair: u32, step: u32, answer: u32) -> bool {
        self.has_prompt(pair)
            || self.keys.contains(&RolloutKey { pair, answer: Some((step, answer)) })
    }

    /// How many prompts and answers are vetoed.
    #[must_use]
    pub fn n(&self) -> usize {
        self.keys.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prompt_takes_all_its_answers_along() {
        let mut vetoes = RolloutVetoes::default();
        let (prompt, answer) =
            (RolloutKey { pair: 3, answer: None }, RolloutKey { pair: 4, answer: Some((2, 1)) });
        vetoes.decide(prompt, true);
        vetoes.decide(answer, true);
        assert!(vetoes.has_prompt(3) && vetoes.has_answer(3, 9, 0));
        assert!(!vetoes.has_prompt(4) && vetoes.has_answer(4, 2, 1) && !vetoes.has_answer(4, 3, 1));
        let text = serde_json::to_string(&vetoes).unwrap();
        assert_eq!(serde_json::from_str::<RolloutVetoes>(&text).unwrap(), vetoes);
        vetoes.decide(prompt, false);
        assert_eq!((vetoes.n(), vetoes.has_answer(3, 9, 0)), (1, false));
    }
}
