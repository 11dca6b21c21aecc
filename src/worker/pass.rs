//! A pass that scores pairs, and the rewards of round 0 that runs hand to each other.

use std::collections::BTreeMap;

use crate::domain::metrics::Split;
use crate::domain::phase::PhaseKey;

/// What is scored, for the progress line.
#[derive(Debug, Clone, Copy)]
pub struct Pass {
    /// The phase that it is, or is part of.
    pub key: PhaseKey,
    /// A labeled split, or the pool.
    pub split: Option<Split>,
}

/// Scores of the labeled splits in round 0.
#[derive(Debug, Default)]
pub struct SharedScores {
    /// Taken from another run.
    pub(super) known: BTreeMap<&'static str, Vec<[f32; 2]>>,
    /// Computed in this attempt.
    pub(super) fresh: BTreeMap<&'static str, Vec<[f32; 2]>>,
}

impl SharedScores {
    /// The rewards of a pass, if another run has computed them.
    pub fn known(&self, pass: Pass, n_pairs: usize) -> Option<Vec<[f32; 2]>> {
        let rewards = self.known.get(split_of_round_0(pass)?.name())?;
        (rewards.len() == n_pairs).then(|| rewards.clone())
    }

    /// Keeps the rewards of a pass, so that other runs can take them.
    pub fn remember(&mut self, pass: Pass, rewards: &[[f32; 2]]) {
        if let Some(split) = split_of_round_0(pass) {
            self.fresh.insert(split.name(), rewards.to_vec());
        }
    }
}

fn split_of_round_0(pass: Pass) -> Option<Split> {
    pass.split.filter(|_| pass.key.round == 0)
}
