//! Next-token prediction on a candle device.

use candle_core::{D, Device, Tensor};
use candle_nn::ops;

use super::batch::{Padded, cut};
use super::decoder::Decoder;
use super::operations::Arithmetic;
use super::parameters::{Gradients, Origin, Parameters};
use super::pass::{Pass, Training};
use super::{adamw, device, model};
use crate::domain::spec::{Precision, Tuning};
use crate::engine::config::{DecoderConfig, ModelConfig};
use crate::engine::files::layout::Layout;
use crate::engine::files::weights::{ModelFiles, StoredTensors};
use crate::engine::generation::sampling::{Loops, Room, pick};
use crate::engine::generation::{AnswerPlace, Generated, GenerationSettings, Listener};
use crate::engine::language_model::{answer_means, usable};
use crate::engine::{
    CausalLm, EncodedPair, EngineError, ModelTensor, OpenSettings, StepReport, StepSettings,
};

/// A decoder that predicts the next token.
#[derive(Debug)]
pub struct LanguageModel {
    decoder: Decoder,
    parameters: Parameters,
    arithmetic: Arithmetic,
    device: Device,
    /// Padded tokens of a micro-batch.
    budget: usize,
}

/// Sums over predicted tokens.
#[derive(Debug, Default)]
struct Totals {
    /// Of the cross-entropies.
    loss: f64,
    n_correct: u32,
}

impl LanguageModel {
    /// Opens the pretrained language model in `files`, as it was before any reward training.
    ///
    /// # Errors
    /// When the files cannot be read, or the device is not there.
    pub fn of_files(settings: &OpenSettings, files: &ModelFiles) -> Result<Self, EngineError> {
        let ModelConfig::Decoder(config) = &files.config else {
            let detail = format!("`{}` is no decoder", files.config.family());
            return Err(EngineError::Candle { detail });
        };
        let device = device::open(settings.device)?;
        let budget = model::budget(settings, &device);
        let from = (&files.weights, settings.rng_seed);
        Self::new(config, from, settings.precision, (device, budget))
    }

    fn new(
        config: &DecoderConfig,
        (source, rng_seed): (&StoredTensors, u64),
        precision: Precision,
        (device, budget): (Device, usize),
    ) -> Result<Self, EngineError> {
        let layout = Layout::of(&ModelConfig::Decoder(config.clone()));
        let tuning = &Tuning::Full;
        let parameters = Parameters::of_language_model(
            &layout,
            &Origin {
                source,
                rng_seed,
                tuning,
                frozen: Precision::F32,
                device: &device,
                n_layers: config.n_layers,
            },
        )?;
        let decoder = Decoder::language_model(config, &layout, &parameters, tuning)?;
        let arithmetic = Arithmetic::new(precision, &device);
        Ok(Self { decoder, parameters, arithmetic, device, budget })
    }

    /// A model with random weights on the processor.
    #[cfg(test)]
    pub fn random(
        config: &DecoderConfig,
        rng_seed: u64,
        budget: usize,
    ) -> Result<Self, EngineError> {
        let source = StoredTensors::default();
        Self::new(config, (&source, rng_seed), Precision::F32, (Device::Cpu, budget))
    }

    /// The parameters, for tests that look into them.
    #[cfg(test)]
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// Log-probabilities of the token after each row that has one, `[rows]`, with the logits they come
    /// from, `[rows, vocabulary]`.
    fn log_likelihoods(
        &self,
        pass: &Pass<'_>,
        sequences: &[(&[u32], u32)],
    ) -> Result<(Tensor, Tensor, Vec<u32>), EngineError> {
        let (mut rows, mut targets) = (Vec::new(), Vec::new());
        for (i, (tokens, _)) in sequences.iter().enumerate() {
            for (place, target) in tokens.iter().enumerate().skip(1) {
                rows.push((i * pass.batch.width + place - 1) as u32);
                targets.push(*target);
            }
        }
        let logits = self.decoder.logits(pass, &rows)?;
        let wanted = Tensor::from_slice(&targets, (targets.len(), 1), &self.device)?;
        let found = ops::log_softmax(&logits, D::Minus1)?.gather(&wanted, D::Minus1)?;
        Ok((found.flatten_all()?, logits, targets))
    }

    /// The cross-entropy, in nats, of the token that follows each row of each sequence; 0 for the
    /// last row, which nothing follows.
    fn row_losses(&self, sequences: &[&[u32]]) -> Result<Vec<f32>, EngineError> {
        let widths: Vec<usize> = sequences.iter().map(|it| it.len()).collect();
        let mut losses: Vec<Vec<f32>> = widths.iter().map(|n| vec![0.0; *n]).collect();
        // On the processor one sequence at a time, as for rewards: then no other sequence changes
        // the last bits.
        let budget = if self.device.is_cpu() { 0 } else { self.budget };
        for places in cut(&widths, 1, budget) {
            let batch: Vec<(&[u32], u32)> = places.iter().map(|&i| (sequences[i], 0)).collect();
            if batch.iter().all(|(tokens, _)| tokens.len() < 2) {
                continue;
            }
            let padded = Padded::sequences(&batch);
            let pass = Pass::new(self.arithmetic, &padded, &self.device, None);
            let found: Vec<f32> = self.log_likelihoods(&pass, &batch)?.0.to_vec1()?;
            let mut rest = found.as_slice();
            for i in places {
                let (own, after) = rest.split_at(widths[i].saturating_sub(1));
                rest = after;
                for (loss, found) in losses[i].iter_mut().zip(own) {
                    *loss = -found;
                }
            }
        }
        Ok(losses.concat())
    }

    /// The sums over all predicted tokens, and the gradients of the mean loss.
    fn gradients(
        &self,
        sequences: &[&[u32]],
        n_targets: u64,
        settings: &StepSettings,
    ) -> Result<(Totals, Gradients), EngineError> {
        let widths: Vec<usize> = sequences.iter().map(|it| it.len()).collect();
        let mut number = 0;
        let numbered: Vec<(&[u32], u32)> = sequences
            .iter()
            .map(|tokens| {
                let first = number;
                number += tokens.len() as u32;
                (*tokens, first)
            })
            .collect();
        let (dropout, key) = (settings.dropout, settings.dropout_key);
        let training = Training { dropout, key, trunk: None };
        let mut totals = Totals::default();
        let mut gradients: Gradients = vec![None; self.parameters.trained.len()];
        for places in cut(&widths, 1, self.budget) {
            let batch: Vec<(&[u32], u32)> = places.iter().map(|&i| numbered[i]).collect();
            let padded = Padded::sequences(&batch);
            let pass = Pass::new(self.arithmetic, &padded, &self.device, Some(training));
            let (found, logits, targets) = self.log_likelihoods(&pass, &batch)?;
            let values: Vec<f32> = found.to_vec1()?;
            totals.loss -= values.iter().map(|value| f64::from(*value)).sum::<f64>();
            let best: Vec<u32> = logits.detach().argmax(D::Minus1)?.to_vec1()?;
            totals.n_correct += best.iter().zip(&targets).filter(|(a, b)| a == b).count() as u32;
            if !totals.loss.is_finite() {
                return Err(EngineError::NonFinite { what: "loss", value: totals.loss as f32 });
            }
            let loss = (found.sum_all()? * (-1.0 / n_targets as f64))?;
            self.parameters.add_gradients(&loss.backward()?, &mut gradients)?;
        }
        Ok((totals, gradients))
    }
}

impl LanguageModel {
    /// One answer; `None` when the listener cancels.
    fn answer(
        &self,
        prompt: &[u32],
        place: AnswerPlace,
        room: usize,
        settings: &GenerationSettings,
        listener: &mut dyn Listener,
    ) -> Result<Option<Generated>, EngineError> {
        let draws = settings.draws(place);
        let (mut sequence, mut log_probabilities) = (prompt.to_vec(), Vec::new());
        let mut buffers = Room::default();
        loop {
            let padded = Padded::sequences(&[(&sequence, 0)]);
            let pass = Pass::new(self.arithmetic, &padded, &self.device, None);
            let logits = self.decoder.logits(&pass, &[sequence.len() as u32 - 1])?;
            let logits: Vec<f32> = logits.flatten_all()?.to_vec1()?;
            let position = sequence.len() - prompt.len();
            let unit = draws.unit(position as u64);
            let picked = pick(&logits, &settings.sampling, unit, Loops::portable(), &mut buffers)?;
            sequence.push(picked.token);
            log_probabilities.push(picked.log_probability);
            let tokens = &sequence[prompt.len()..];
            let reply = listener.on_token(place, tokens);
            let Some(ending) = settings.ending(reply, tokens, room) else { return Ok(None) };
            if let Some(ending) = ending {
                let tokens = sequence.split_off(prompt.len());
                return Ok(Some(Generated { place, tokens, log_probabilities, ending }));
            }
        }
    }
}

impl CausalLm for LanguageModel {
    fn answer_log_likelihoods(
        &mut self,
        pairs: &[&EncodedPair],
    ) -> Result<Vec<[f32; 2]>, EngineError> {
        let sides = pairs.iter().flat_map(|pair| [pair.tokens_a.as_slice(), &pair.tokens_b]);
        Ok(answer_means(pairs, &self.row_losses(&sides.collect::<Vec<_>>())?))
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
        let (totals, gradients) = self.gradients(&sequences, n_targets, settings)?;
        let gradient_norm = adamw::clipped_step(&mut self.parameters, &gradients, settings)?;
        let loss = (totals.loss / n_targets as f64) as f32;
        Ok(StepReport { loss, gradient_norm, n_correct: totals.n_correct, n_tokens })
    }

    /// Reads a sequence anew for each token: keys and values are not kept.
    fn generate(
        &mut self,
        prompts: &[&[u32]],
        settings: &GenerationSettings,
        listener: &mut dyn Listener,
    ) -> Result<(), EngineError> {
        settings.check()?;
        for (number, prompt) in prompts.iter().enumerate() {
            let room = settings.room(prompt.len())?;
            for answer in 0..settings.n_answers {
                let place = AnswerPlace { prompt: number, answer };
                match self.answer(prompt, place, room, settings, listener)? {
                    Some(answer) => listener.on_answer(answer),
                    None => return Ok(()),
                }
            }
        }
        Ok(())
    }

    fn tensors(&self) -> Result<Vec<ModelTensor<'_>>, EngineError> {
        self.parameters.tensors()
    }
}
