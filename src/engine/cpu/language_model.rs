//! Next-token prediction with a decoder; its output head is its embedding table or a matrix of its own.
//!
//! The embedded model is pretrained with this before it becomes a reward model. The loss is the mean
//! cross-entropy over all predicted tokens of a batch; logits exist only for a few rows at a time.

use super::batch::Batch;
use super::dropout::Dropout;
use super::kernel::cross_entropy::{Prediction, cross_entropy};
use super::kernel::vector::math::fit;
use super::kernel::{Linear, Write};
use super::loss::Totals;
use super::micro_batch::{cut, running_sums};
use super::network::Transformer;
use super::network::context::{Context, Pass, Reading};
use super::network::workspace::Workspace;
use super::packed_weights::PackedWeights;
use super::parameters::{NoSource, Parameters};
use super::trainer::{Running, Trainer, Update};
use crate::domain::spec::{Precision, Tuning};
use crate::engine::config::DecoderConfig;
use crate::engine::files::weights::ModelFiles;
use crate::engine::generation::{GenerationSettings, Listener};
use crate::engine::language_model::{answer_means, usable};
use crate::engine::{
    CausalLm, EncodedPair, EngineError, ModelTensor, OpenSettings, StepReport, StepSettings,
};

/// Rows whose logits are in memory at a time: `[128, vocabulary]` in place of a row for each token.
const LOGIT_ROWS: usize = 128;

/// A decoder trained to predict the next token.
#[derive(Debug)]
pub struct LanguageModel {
    pub(super) trainer: Trainer,
    /// Its matrices in panels, from the first answer on until they change.
    packed: Option<PackedWeights>,
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
        let (network, table) = Transformer::language_decoder(config, &Tuning::Full, Precision::F32);
        let parameters = Parameters::new(table, rng_seed, &NoSource)?;
        Ok(Self::new(Trainer::new(network, parameters, Running::exact(n_threads))?))
    }

    /// A network of [`Transformer::language_model`] with its parameters.
    pub(super) fn new(trainer: Trainer) -> Self {
        Self { trainer, packed: None }
    }

    /// Opens the pretrained language model in `files`, as it was before any reward training.
    ///
    /// # Errors
    /// When the files cannot be read, or the system refuses the threads.
    pub fn of_files(settings: &OpenSettings, files: &ModelFiles) -> Result<Self, EngineError> {
        let (network, table) =
            Transformer::language_model(&files.config, &Tuning::Full, Precision::F32);
        let parameters = Parameters::new(table, settings.rng_seed, &files.weights)?;
        let running = Running {
            n_threads: settings.n_threads,
            precision: settings.precision,
            micro_batch_rows: settings.micro_batch_tokens,
        };
        Ok(Self::new(Trainer::new(network, parameters, running)?))
    }

    /// The trainer, and its matrices in panels.
    pub(super) fn packed(&mut self) -> (&mut Trainer, &PackedWeights) {
        let Self { trainer, packed } = self;
        let packed = packed.get_or_insert_with(|| {
            trainer.run(|network, maker, _, _| {
                PackedWeights::new(maker.on, maker.weights, &network.matrices())
            })
        });
        (trainer, packed)
    }

    /// Forgets the panels of matrices that were trained.
    pub(super) fn unpack(&mut self) {
        if self.trainer.network.matrices().iter().any(|(slot, _)| slot.is_trained()) {
            self.packed = None;
        }
    }

    /// Refuses tokens that the model has no embedding for.
    pub(super) fn check_tokens(&self, sequences: &[&[u32]]) -> Result<(), EngineError> {
        let n_rows = self.trainer.network.vocab_size();
        match sequences.iter().copied().flatten().find(|token| **token as usize >= n_rows) {
            Some(&token) => Err(EngineError::NoSuchToken { token, n_rows }),
            None => Ok(()),
        }
    }

    /// The cross-entropy, in nats, of the token that follows each row of each sequence; 0 for the
    /// last row, which nothing follows.
    pub(super) fn row_losses(&mut self, sequences: &[&[u32]]) -> Vec<f32> {
        let sizes: Vec<usize> = sequences.iter().map(|it| it.len()).collect();
        self.trainer.network.reserve_positions(sizes.iter().copied().max().unwrap_or(0));
        let n_rows = sizes.iter().sum();
        let runs = cut(sizes.into_iter(), self.trainer.micro_batch_rows());
        let pass = Pass { reading: Reading::All, ..Pass::scoring() };
        self.trainer.run(|network, maker, gradient, work| {
            let mut losses = Vec::with_capacity(n_rows);
            for run in runs {
                let batch = Batch::sequences(&sequences[run], 0);
                let cx = maker.context(&batch, pass);
                network.trunk(cx, work);
                network.top(cx, work);
                predict(network, cx, gradient, 1, work, &mut losses);
            }
            losses
        })
    }

    /// The sums over all predicted tokens; a training pass adds the gradient of the mean loss to
    /// that of the parameters.
    fn accumulate(&mut self, sequences: &[&[u32]], n_targets: usize, pass: Pass) -> Totals {
        let sizes: Vec<usize> = sequences.iter().map(|it| it.len()).collect();
        self.trainer.network.reserve_positions(sizes.iter().copied().max().unwrap_or(0));
        let first_numbers = running_sums(&sizes);
        let runs = cut(sizes.into_iter(), self.trainer.micro_batch_rows());
        self.trainer.run(|network, maker, gradient, work| {
            let mut totals = Totals::default();
            for run in runs {
                let batch = Batch::sequences(&sequences[run.clone()], first_numbers[run.start]);
                let cx = maker.context(&batch, pass);
                network.trunk(cx, work);
                network.top(cx, work);
                totals += predict(network, cx, gradient, n_targets, work, &mut Vec::new());
                if pass.keeps {
                    network.hidden_backward(cx, gradient, work);
                }
            }
            totals
        })
    }

    /// Gives a tensor other values.
    #[cfg(test)]
    pub fn set(&mut self, name: &str, values: &[f32]) {
        self.packed = None;
        let parameters = &mut self.trainer.parameters;
        let span = parameters.trained().find(|it| it.name == name).map(|it| it.slot.span);
        if let Some(span) = span {
            span.of_mut(&mut parameters.values).copy_from_slice(values);
        }
    }

    /// Mean cross-entropy of the predicted tokens of `sequences`, without changing anything.
    #[cfg(test)]
    pub fn mean_loss(&mut self, sequences: &[Vec<u32>]) -> f32 {
        let sequences = usable(sequences);
        let n_targets = sequences.iter().map(|it| it.len() - 1).sum::<usize>().max(1);
        let pass = Pass { reading: Reading::All, ..Pass::scoring() };
        (self.accumulate(&sequences, n_targets, pass).loss / n_targets as f64) as f32
    }
}

impl CausalLm for LanguageModel {
    fn answer_log_likelihoods(
        &mut self,
        pairs: &[&EncodedPair],
    ) -> Result<Vec<[f32; 2]>, EngineError> {
        let sides = pairs.iter().flat_map(|pair| [pair.tokens_a.as_slice(), &pair.tokens_b]);
        let sequences: Vec<&[u32]> = sides.collect();
        Ok(answer_means(pairs, &self.row_losses(&sequences)))
    }

    fn next_token_step(
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
        let pass = Pass::training(Reading::All, dropout);
        let totals = self.accumulate(&sequences, n_targets as usize, pass);
        let mean_loss = totals.loss / n_targets as f64;
        self.unpack();
        let gradient_norm = self.trainer.update(mean_loss, Update::from(settings))?;
        let (loss, n_correct) = (mean_loss as f32, totals.n_correct);
        Ok(StepReport { loss, gradient_norm, n_correct, n_tokens })
    }

    fn generate(
        &mut self,
        prompts: &[&[u32]],
        settings: &GenerationSettings,
        listener: &mut dyn Listener,
    ) -> Result<(), EngineError> {
        self.answer_prompts(prompts, settings, listener)
    }

    fn tensors(&self) -> Result<Vec<ModelTensor<'_>>, EngineError> {
        Ok(self.trainer.parameters.tensors())
    }
}

/// The token that each row should predict: the next one of its sequence; `None` at the end.
fn targets(batch: &Batch) -> Vec<Option<u32>> {
    let mut targets = vec![None; batch.n_rows()];
    for block in &batch.all.blocks {
        for row in block.queries.clone().skip(1) {
            targets[row - 1] = Some(batch.tokens[row]);
        }
    }
    targets
}

/// The losses, summed and by row. A training pass also computes the gradient of `work.hidden`, and
/// adds that of the output head where it is trained.
fn predict(
    network: &Transformer,
    cx: Context<'_>,
    gradient: &mut [f32],
    n_targets: usize,
    work: &mut Workspace,
    losses: &mut Vec<f32>,
) -> Totals {
    let width = network.width();
    let slot = network.output_head();
    let head = cx.weights.matrix(slot);
    let linear = Linear { input: width, output: network.vocab_size() };
    let targets = targets(cx.batch);
    let mut predictions = vec![Prediction::default(); LOGIT_ROWS];
    let mut totals = Totals::default();
    let dhidden = fit(&mut work.dhidden, cx.batch.n_rows() * width);
    for (i, targets) in targets.chunks(LOGIT_ROWS).enumerate() {
        let rows = targets.len();
        let range = i * LOGIT_ROWS * width..(i * LOGIT_ROWS + rows) * width;
        let hidden = &work.hidden[range.clone()];
        let logits = fit(&mut work.logits, rows * linear.output);
        linear.forward(cx.on, rows, Write::Replace, logits, hidden, head);
        let predictions = &mut predictions[..rows];
        cross_entropy(cx.team(), logits, targets, 1.0 / n_targets as f32, predictions);
        for prediction in predictions {
            totals.loss += f64::from(prediction.loss);
            totals.n_correct += u32::from(prediction.is_best);
            losses.push(prediction.loss);
        }
        if cx.pass.keeps {
            let dhidden = &mut dhidden[range];
            linear.input_gradient(cx.on, rows, Write::Replace, dhidden, logits, head);
            if let Some(dhead) = slot.gradient(gradient) {
                linear.weight_gradient(cx.on, rows, dhead, logits, hidden);
            }
        }
    }
    totals
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::cpu::CpuModel;
    use crate::engine::cpu::tests::support::settings;
    use crate::engine::fixture::bert_dir;
    use crate::engine::open::open_language_model;
    use crate::engine::{Backbone, NoLikelihood, PairText, RewardModel};

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
            model
                .next_token_step(&sequences, &StepSettings { clip_norm: 1.0, ..settings(5e-3) })
                .unwrap();
        }
        let at_end = model.mean_loss(&sequences);
        assert!(at_end < 0.2, "{at_end}");
    }

    #[test]
    fn an_answer_is_as_likely_as_its_own_tokens() {
        let mut model = LanguageModel::random(&small_decoder(), 3, 2).unwrap();
        for value in &mut model.trainer.parameters.values {
            *value *= 5.0;
        }
        let pair = EncodedPair {
            tokens_a: vec![1, 2, 3, 4, 5],
            tokens_b: vec![1, 2, 3, 9],
            n_shared: 3,
            ..EncodedPair::default()
        };
        let other = EncodedPair { tokens_a: vec![7, 8], tokens_b: vec![7, 9], ..pair.clone() };
        let other = EncodedPair { n_shared: 1, ..other };
        let found = model.answer_log_likelihoods(&[&other, &pair]).unwrap();
        // The mean over a whole sequence of n targets, times n, is the sum over them; what the shared
        // prefix of 3 contributes is the sum of its own 2.
        let mut sum = |tokens: &[u32]| {
            f64::from(model.mean_loss(&[tokens.to_vec()])) * (tokens.len() - 1) as f64
        };
        let prefix = sum(&[1, 2, 3]);
        let expected = [-(sum(&[1, 2, 3, 4, 5]) - prefix) / 2.0, -(sum(&[1, 2, 3, 9]) - prefix)];
        for (found, expected) in found[1].iter().zip(expected) {
            assert!((f64::from(*found) - expected).abs() < 1e-4, "{found} {expected}");
        }
        assert!((f64::from(found[0][0]) + sum(&[7, 8])).abs() < 1e-4, "{found:?}");
    }

    #[test]
    fn the_pretrained_backbone_is_asked_and_encoders_are_not() {
        let settings = |backbone| OpenSettings {
            n_threads: 1,
            precision: Precision::F32,
            ..OpenSettings::new(backbone, 64, 1)
        };
        let encoder = bert_dir();
        let encoder = Backbone::Directory(encoder.path().to_owned());
        for (backbone, reason) in
            [(Backbone::Mock, NoLikelihood::Mock), (encoder, NoLikelihood::Encoder)]
        {
            let short = OpenSettings { max_tokens: 16, ..settings(backbone) };
            assert_eq!(open_language_model(&short).unwrap().err(), Some(reason));
        }
        let embedded = settings(Backbone::Embedded);
        let mut model = open_language_model(&embedded).unwrap().unwrap();
        let text = PairText::dialogue(
            "\n\nHuman: Finn has 4 bags with 9 balloons in each. How many balloons is \
                     that?\n\nAssistant:",
            " There are 36 balloons in all.",
            " balloons all in are 36 all 36",
        );
        let pair = CpuModel::open(&embedded).unwrap().encode(&[text]).unwrap().remove(0);
        let [[a, b]] = model.answer_log_likelihoods(&[&pair]).unwrap()[..] else {
            panic!("one pair")
        };
        assert!(a > b && a < 0.0, "a sentence is likelier than its words in disorder: {a} {b}");
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
                let pass = Pass::training(Reading::All, dropout);
                let totals = model.accumulate(&usable(&sequences), 5, pass);
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
