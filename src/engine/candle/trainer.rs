//! Steps and scores over micro-batches of padded pairs.

use candle_core::{Device, Tensor};

use super::adamw;
use super::batch::{Padded, Reading, cut, n_numbers, problem};
use super::loss::Totals;
use super::network::Network;
use super::operations::Arithmetic;
use super::parameters::{Gradients, Parameters};
use super::pass::{Pass, Training};
use crate::engine::config::ModelConfig;
use crate::engine::{EncodedPair, EngineError, LabeledPair, StepReport, StepSettings};

/// A network with its parameters.
#[derive(Debug)]
pub struct Trainer {
    pub config: ModelConfig,
    pub network: Network,
    pub parameters: Parameters,
    /// The number of frozen blocks without dropout (see [`Training::trunk`]).
    pub trunk: Option<usize>,
    pub arithmetic: Arithmetic,
    pub device: Device,
    /// Padded tokens of a micro-batch; a longer pair stands alone.
    pub budget: usize,
}

impl Trainer {
    /// Pairs with the number of their first token, in micro-batches: similar lengths together, each
    /// within the budget. A pair keeps both sides together.
    fn micro_batches<'a>(
        &self,
        pairs: &[&'a EncodedPair],
        budget: usize,
    ) -> Vec<Vec<(usize, &'a EncodedPair, u32)>> {
        let reading = Reading::of(&self.config);
        let mut number = 0;
        let firsts: Vec<u32> = pairs
            .iter()
            .map(|pair| {
                let first = number;
                number += n_numbers(pair, reading) as u32;
                first
            })
            .collect();
        let widths: Vec<usize> = pairs.iter().map(|pair| width(pair)).collect();
        let item = |i: usize| (i, pairs[i], firsts[i]);
        let batches = cut(&widths, 2, budget).into_iter();
        batches.map(|batch| batch.into_iter().map(item).collect()).collect()
    }

    fn check(&self, pairs: &[&EncodedPair]) -> Result<(), EngineError> {
        for (position, pair) in pairs.iter().enumerate() {
            if let Some(detail) = problem(&self.config, pair) {
                return Err(EngineError::BadPair { position, detail });
            }
        }
        Ok(())
    }

    /// Loss and gradients of the mean loss of a batch.
    ///
    /// # Errors
    /// When a pair cannot be read, the loss is not finite, or the device refuses.
    pub fn gradients(
        &self,
        batch: &[LabeledPair<'_>],
        settings: &StepSettings,
    ) -> Result<(Totals, Gradients), EngineError> {
        let pairs: Vec<&EncodedPair> = batch.iter().map(|labeled| labeled.pair).collect();
        self.check(&pairs)?;
        let training =
            Training { dropout: settings.dropout, key: settings.dropout_key, trunk: self.trunk };
        let mut totals = Totals::default();
        let mut gradients: Gradients = vec![None; self.parameters.trained.len()];
        for micro_batch in self.micro_batches(&pairs, self.budget) {
            let padded = self.pad(&micro_batch);
            let pass = Pass::new(self.arithmetic, &padded, &self.device, Some(training));
            let rewards = self.network.rewards(&pass)?;
            let values: Vec<f32> = rewards.to_vec1()?;
            let slopes: Vec<f32> = micro_batch
                .iter()
                .zip(values.chunks_exact(2))
                .flat_map(|((i, ..), pair)| {
                    totals.add(settings.loss, &batch[*i], [pair[0], pair[1]], batch.len())
                })
                .collect();
            if !totals.loss.is_finite() {
                return Err(EngineError::NonFinite { what: "loss", value: totals.loss as f32 });
            }
            // The gradient of `sum(slope * reward)` by a weight is the gradient of the loss, by the
            // chain rule.
            let slopes = Tensor::from_vec(slopes, values.len(), &self.device)?;
            let found = (rewards * slopes)?.sum_all()?.backward()?;
            self.parameters.add_gradients(&found, &mut gradients)?;
        }
        Ok((totals, gradients))
    }

    fn pad(&self, micro_batch: &[(usize, &EncodedPair, u32)]) -> Padded {
        let pairs: Vec<_> = micro_batch.iter().map(|(_, pair, first)| (*pair, *first)).collect();
        Padded::new(&pairs, Reading::of(&self.config))
    }

    /// One optimizer step; on an error nothing is changed.
    ///
    /// # Errors
    /// As [`Trainer::gradients`], and when the norm of the gradient is not finite.
    pub fn train_step(
        &mut self,
        batch: &[LabeledPair<'_>],
        settings: &StepSettings,
    ) -> Result<StepReport, EngineError> {
        let (totals, gradients) = self.gradients(batch, settings)?;
        let norm = adamw::clipped_step(&mut self.parameters, &gradients, settings)?;
        Ok(StepReport {
            loss: (totals.loss / batch.len().max(1) as f64) as f32,
            gradient_norm: norm,
            n_correct: totals.n_correct,
            n_tokens: batch.iter().map(|labeled| labeled.pair.n_tokens() as u64).sum(),
        })
    }

    /// Rewards `[a, b]` of each pair, in order.
    ///
    /// # Errors
    /// When a pair cannot be read, a reward is not finite, or the device refuses.
    pub fn score(&self, pairs: &[&EncodedPair]) -> Result<Vec<[f32; 2]>, EngineError> {
        self.check(pairs)?;
        // On the processor one pair at a time: its rewards then depend on no other pair, to the
        // last bit. A GPU would be too slow that way; there the last bits may change with the
        // padding.
        let budget = if self.device.is_cpu() { 0 } else { self.budget };
        let mut rewards = vec![[0.0; 2]; pairs.len()];
        for micro_batch in self.micro_batches(pairs, budget) {
            let padded = self.pad(&micro_batch);
            let pass = Pass::new(self.arithmetic, &padded, &self.device, None);
            let values: Vec<f32> = self.network.rewards(&pass)?.to_vec1()?;
            if let Some(&value) = values.iter().find(|value| !value.is_finite()) {
                return Err(EngineError::NonFinite { what: "reward", value });
            }
            for ((i, ..), pair) in micro_batch.iter().zip(values.chunks_exact(2)) {
                rewards[*i] = [pair[0], pair[1]];
            }
        }
        Ok(rewards)
    }
}

fn width(pair: &EncodedPair) -> usize {
    pair.tokens_a.len().max(pair.tokens_b.len())
}
