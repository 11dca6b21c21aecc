//! One of the two families, without its parameters.

use super::batch::Batch;
use super::decoder::Decoder;
use super::encoder::Encoder;
use super::parameters::{Span, Table};
use super::pass::Pass;
use super::workspace::Workspace;
use crate::engine::EncodedPair;
use crate::engine::config::ModelConfig;

/// A model's computation.
#[derive(Debug, Clone)]
pub enum Network {
    /// Llama family.
    Decoder(Decoder),
    /// BERT family.
    Encoder(Encoder),
}

impl Network {
    /// The computation of a configuration and the layout of its parameters.
    #[must_use]
    pub fn new(config: &ModelConfig) -> (Self, Table) {
        match config {
            ModelConfig::Decoder(config) => {
                let (decoder, table) = Decoder::new(config);
                (Self::Decoder(decoder), table)
            }
            ModelConfig::Encoder(config) => {
                let (encoder, table) = Encoder::new(config);
                (Self::Encoder(encoder), table)
            }
        }
    }

    /// Packs pairs; `first_number` is the number of the first token in the whole batch.
    #[must_use]
    pub fn pack(&self, pairs: &[&EncodedPair], first_number: u32) -> Batch {
        match self {
            Self::Decoder(_) => Batch::causal(pairs, first_number),
            Self::Encoder(encoder) => {
                Batch::bidirectional(pairs, first_number, encoder.has_token_types())
            }
        }
    }

    /// What is wrong with a pair that this network cannot read.
    #[must_use]
    pub fn problem(&self, pair: &EncodedPair) -> Option<String> {
        let (vocabulary, n_positions) = match self {
            Self::Decoder(it) => (it.embedding().len() / it.width(), usize::MAX),
            Self::Encoder(it) => (it.embedding().len() / it.width(), it.n_positions()),
        };
        for tokens in [&pair.tokens_a, &pair.tokens_b] {
            if tokens.is_empty() {
                return Some("a side without tokens".to_owned());
            }
            if tokens.len() > n_positions {
                return Some(format!("{} tokens, more than {n_positions} positions", tokens.len()));
            }
            if let Some(token) = tokens.iter().find(|token| **token as usize >= vocabulary) {
                return Some(format!("token `{token}`, but the vocabulary has {vocabulary}"));
            }
        }
        let n_shared = pair.n_shared.min(pair.tokens_a.len()).min(pair.tokens_b.len());
        let is_shared = pair.tokens_a[..n_shared] == pair.tokens_b[..n_shared];
        (!is_shared).then(|| "a shared prefix that differs".to_owned())
    }

    /// Rows a pair takes in a packed batch.
    #[must_use]
    pub fn n_rows(&self, pair: &EncodedPair) -> usize {
        match self {
            Self::Decoder(_) => pair.n_packed_tokens(),
            Self::Encoder(_) => pair.n_tokens(),
        }
    }

    /// Prepares positions below `n`.
    pub fn reserve_positions(&mut self, n: usize) {
        if let Self::Decoder(decoder) = self {
            decoder.reserve_positions(n);
        }
    }

    /// Rewards into `work.rewards`.
    pub fn reward(&self, values: &[f32], batch: &Batch, pass: Pass, work: &mut Workspace) {
        match self {
            Self::Decoder(decoder) => decoder.reward(values, batch, pass, work),
            Self::Encoder(encoder) => encoder.reward(values, batch, pass, work),
        }
    }

    /// Adds gradients, from `work.drewards`.
    pub fn reward_backward(
        &self,
        values: &[f32],
        gradient: &mut [f32],
        batch: &Batch,
        pass: Pass,
        work: &mut Workspace,
    ) {
        match self {
            Self::Decoder(it) => it.reward_backward(values, gradient, batch, pass, work),
            Self::Encoder(it) => it.reward_backward(values, gradient, batch, pass, work),
        }
    }

    /// The token embedding table, first in the flat vectors, and its width.
    #[must_use]
    pub fn embedding(&self) -> (Span, usize) {
        match self {
            Self::Decoder(decoder) => (decoder.embedding(), decoder.width()),
            Self::Encoder(encoder) => (encoder.embedding(), encoder.width()),
        }
    }
}
