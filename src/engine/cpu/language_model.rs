//! Next-token prediction with a decoder whose output head is its embedding table.
//!
//! The embedded model is pretrained with this before it becomes a reward model. The loss is the mean
//! cross-entropy over all predicted tokens of a batch; logits exist only for a few rows at a time.

use super::batch::Batch;
use super::decoder::Decoder;
use super::dropout::Dropout;
use super::gemm::{Linear, Write};
use super::loss::Totals;
use super::math::{self, fit};
use super::network::Network;
use super::parallel::cut;
use super::parameters::Parameters;
use super::pass::{Pass, Reading};
use super::simd::kernel;
use super::trainer::{Trainer, Update, Worker, running_sums};
use super::workspace::Workspace;
use crate::engine::config::DecoderConfig;
use crate::engine::{EngineError, StepReport, StepSettings};

/// Rows whose logits exist at a time.
const LOGIT_ROWS: usize = 128;
const SHARDS: usize = 8;
const SHARD_ROWS: usize = 1024;

/// A decoder trained to predict the next token.
#[derive(Debug)]
pub struct LanguageModel {
    trainer: Trainer,
    decoder: Decoder,
}

impl LanguageModel {
    /// A model with random weights keyed by `rng_seed`.
    ///
    /// # Errors
    /// When the system refuses the threads.
    pub fn random(
        config: &DecoderConfig,
        rng_seed: u64,
        n_threads: usize,
    ) -> Result<Self, EngineError> {
        let (_, table) = Decoder::new(config);
        Self::new(config, Parameters::random(table, rng_seed), n_threads)
    }

    /// A model with given parameters, laid out by [`Decoder::new`].
    ///
    /// # Errors
    /// When the system refuses the threads.
    pub fn new(
        config: &DecoderConfig,
        parameters: Parameters,
        n_threads: usize,
    ) -> Result<Self, EngineError> {
        let (mut decoder, _) = Decoder::new(config);
        decoder.reserve_positions(config.max_positions);
        let trainer = Trainer::new(Network::Decoder(decoder.clone()), parameters, n_threads)?;
        Ok(Self { trainer, decoder })
    }

    /// The parameters, for export.
    #[must_use]
    pub fn parameters(&self) -> &Parameters {
        &self.trainer.parameters
    }

    /// One optimizer step on sequences of at least two tokens each; shorter ones are skipped.
    /// `settings.loss` is not read. The report counts right predictions in `n_correct`.
    ///
    /// # Errors
    /// [`EngineError::NonFinite`]; nothing is changed.
    pub fn lm_step(
        &mut self,
        sequences: &[Vec<u32>],
        settings: &StepSettings,
    ) -> Result<StepReport, EngineError> {
        let sequences = usable(sequences);
        let n_tokens = sequences.iter().map(|it| it.len() as u64).sum::<u64>();
        let n_targets = n_tokens - sequences.len() as u64;
        if n_targets == 0 {
            return Ok(StepReport { loss: 0.0, gradient_norm: 0.0, n_correct: 0, n_tokens: 0 });
        }
        let dropout = Dropout::new(settings.dropout, settings.dropout_key);
        let totals = self.accumulate(&sequences, n_targets as usize, dropout);
        let mean_loss = totals.loss / n_targets as f64;
        let gradient_norm = self.trainer.update(mean_loss, Update::from(settings))?;
        let (loss, n_correct) = (mean_loss as f32, totals.n_correct);
        Ok(StepReport { loss, gradient_norm, n_correct, n_tokens })
    }

    /// Adds the gradient of the mean loss to the parameters' gradient.
    fn accumulate(&mut self, sequences: &[&[u32]], n_targets: usize, dropout: Dropout) -> Totals {
        let sizes: Vec<usize> = sequences.iter().map(|it| it.len()).collect();
        self.decoder.reserve_positions(sizes.iter().copied().max().unwrap_or(0));
        let shards = cut(sizes.iter().copied(), sizes.len().div_ceil(SHARDS), SHARD_ROWS);
        let first_numbers = running_sums(&sizes);
        let pass = Pass::training(Reading::All, dropout);
        let decoder = &self.decoder;
        let n_words = decoder.embedding().len() / decoder.width();
        self.trainer.sum_gradients(shards.len(), |shard, _, values, worker| {
            let range = shards[shard].clone();
            let batch = Batch::sequences(&sequences[range.clone()], first_numbers[range.start]);
            let Worker { workspace, gradient, touched, totals } = worker;
            decoder.forward(values, &batch, pass, workspace);
            *totals = predict(decoder, values, Some(gradient), &batch, n_targets, workspace);
            decoder.backward(values, gradient, &batch, pass, workspace);
            // As the output head, every row of the embedding has a gradient.
            touched.clear();
            touched.extend(0..n_words as u32);
        })
    }

    /// Mean cross-entropy of the predicted tokens of `sequences`, without changing anything.
    pub fn mean_loss(&mut self, sequences: &[Vec<u32>]) -> f32 {
        let mut work = Workspace::default();
        let (mut loss, mut n) = (0.0, 0);
        let values = &self.trainer.parameters.values;
        for sequence in usable(sequences) {
            self.decoder.reserve_positions(sequence.len());
            let batch = Batch::sequences(&[sequence], 0);
            let pass = Pass { reading: Reading::All, ..Pass::scoring() };
            self.decoder.forward(values, &batch, pass, &mut work);
            loss += predict(&self.decoder, values, None, &batch, 1, &mut work).loss;
            n += sequence.len() - 1;
        }
        (loss / n.max(1) as f64) as f32
    }

    /// Continues `prompt` greedily until `stop` or `n_new` tokens.
    pub fn generate(&mut self, prompt: &[u32], n_new: usize, stop: Option<u32>) -> Vec<u32> {
        let mut work = Workspace::default();
        let mut tokens = prompt.to_vec();
        let width = self.decoder.width();
        for _ in 0..n_new {
            self.decoder.reserve_positions(tokens.len());
            let values = &self.trainer.parameters.values;
            let batch = Batch::sequences(&[&tokens], 0);
            let pass = Pass { reading: Reading::All, ..Pass::scoring() };
            self.decoder.forward(values, &batch, pass, &mut work);
            let last = &work.hidden[(tokens.len() - 1) * width..tokens.len() * width];
            let embedding = self.decoder.embedding().of(values);
            let logits = embedding.chunks_exact(width).map(|row| math::dot(row, last));
            let best = logits.enumerate().max_by(|a, b| a.1.total_cmp(&b.1));
            let Some((token, _)) = best else { break };
            tokens.push(token as u32);
            if Some(token as u32) == stop {
                break;
            }
        }
        tokens
    }
}

/// The sequences that have something to predict.
fn usable(sequences: &[Vec<u32>]) -> Vec<&[u32]> {
    sequences.iter().map(Vec::as_slice).filter(|it| it.len() > 1).collect()
}

/// Rows that predict, with what they should predict: all but the last of each sequence.
fn targets(batch: &Batch) -> impl Iterator<Item = (usize, u32)> + '_ {
    batch
        .all
        .blocks
        .iter()
        .flat_map(|block| block.queries.clone().skip(1).map(|row| (row - 1, batch.tokens[row])))
}

/// Losses and, with a gradient to add to, the gradient of `work.hidden` and of the embedding table
/// in its role as the output head.
fn predict(
    decoder: &Decoder,
    values: &[f32],
    mut gradient: Option<&mut [f32]>,
    batch: &Batch,
    n_targets: usize,
    work: &mut Workspace,
) -> Totals {
    let (width, span) = (decoder.width(), decoder.embedding());
    let embedding = span.of(values);
    let linear = Linear { input: width, output: embedding.len() / width };
    let mut wanted = vec![None; batch.n_rows()];
    for (row, token) in targets(batch) {
        wanted[row] = Some(token);
    }
    let mut totals = Totals::default();
    let dhidden = fit(&mut work.dhidden, batch.n_rows() * width);
    for (i, wanted) in wanted.chunks(LOGIT_ROWS).enumerate() {
        let rows = wanted.len();
        let range = i * LOGIT_ROWS * width..(i * LOGIT_ROWS + rows) * width;
        let hidden = &work.hidden[range.clone()];
        let logits = fit(&mut work.logits, rows * linear.output);
        linear.forward(rows, Write::Replace, logits, hidden, embedding);
        for (row, token) in logits.chunks_exact_mut(linear.output).zip(wanted) {
            let Some(token) = token else {
                row.fill(0.0);
                continue;
            };
            let (loss, is_best) = cross_entropy(row, *token as usize, 1.0 / n_targets as f32);
            totals.loss += f64::from(loss);
            totals.n_correct += u32::from(is_best);
        }
        if let Some(gradient) = gradient.as_deref_mut() {
            linear.input_gradient(rows, Write::Replace, &mut dhidden[range], logits, embedding);
            linear.weight_gradient(rows, span.of_mut(gradient), logits, hidden);
        }
    }
    totals
}

kernel! {
    /// Cross-entropy of one row of logits and whether `token` is the most likely; the logits become
    /// `scale` times their gradient, `softmax - one_hot`.
    fn cross_entropy(logits: &mut [f32], token: usize, scale: f32) -> (f32, bool) {
        let highest = math::max(logits);
        let wanted = logits[token];
        for logit in logits.iter_mut() {
            *logit = math::exp(*logit - highest);
        }
        let total = math::sum(logits);
        let factor = scale / total;
        for logit in logits.iter_mut() {
            *logit *= factor;
        }
        logits[token] -= scale;
        (total.ln() + highest - wanted, wanted >= highest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::cpu::tests::support::settings;

    fn small_decoder() -> DecoderConfig {
        DecoderConfig {
            vocab_size: 30,
            hidden_size: 32,
            intermediate_size: 48,
            n_layers: 2,
            n_heads: 4,
            n_kv_heads: 2,
            head_dim: 8,
            max_positions: 32,
            rms_norm_eps: 1e-5,
            rope_theta: 10_000.0,
            tied_embeddings: true,
            bos_token_id: None,
            eos_token_id: None,
            ..DecoderConfig::default()
        }
    }

    #[test]
    fn a_language_model_learns_to_count() {
        let mut model = LanguageModel::random(&small_decoder(), 1, 2).unwrap();
        let sequences: Vec<Vec<u32>> =
            (0..24).map(|start| (start..start + 6 + start % 3).map(|i| i % 30).collect()).collect();
        let at_start = model.mean_loss(&sequences);
        assert!((at_start - 30.0_f32.ln()).abs() < 0.1, "{at_start}");
        for _ in 0..150 {
            model.lm_step(&sequences, &StepSettings { clip_norm: 1.0, ..settings(5e-3) }).unwrap();
        }
        let at_end = model.mean_loss(&sequences);
        assert!(at_end < 0.2, "{at_end}");
        assert_eq!(model.generate(&[3, 4], 4, Some(7)), [3, 4, 5, 6, 7]);
    }

    #[test]
    fn the_gradient_agrees_with_a_difference_along_it() {
        let sequences = vec![vec![1, 5, 9, 2], vec![7], vec![4, 4, 8]];
        for dropout in [Dropout::off(), Dropout::new(0.2, 5)] {
            let mut model = LanguageModel::random(&small_decoder(), 2, 1).unwrap();
            // Larger weights than the initial ones, so that attention matters.
            for value in &mut model.trainer.parameters.values {
                *value *= 5.0;
            }
            let mut loss_and_gradient = |values: Option<Vec<f32>>| {
                let parameters = &mut model.trainer.parameters;
                parameters.values = values.unwrap_or_else(|| parameters.values.clone());
                parameters.gradient.fill(0.0);
                let start = parameters.values.clone();
                let totals = model.accumulate(&usable(&sequences), 5, dropout);
                (totals.loss / 5.0, start, model.trainer.parameters.gradient.clone())
            };
            let (_, start, slope) = loss_and_gradient(None);
            let square: f64 = slope.iter().map(|g| f64::from(*g).powi(2)).sum();
            let step = 2e-3 / square.sqrt();
            let moved = |sign: f64| {
                let pairs = start.iter().zip(&slope);
                Some(
                    pairs
                        .map(|(v, g)| (f64::from(*v) + sign * step * f64::from(*g)) as f32)
                        .collect(),
                )
            };
            let rise = loss_and_gradient(moved(1.0)).0 - loss_and_gradient(moved(-1.0)).0;
            let error = (rise / (2.0 * step) / square - 1.0).abs();
            assert!(error < 5e-3, "{error}");
        }
    }
}
