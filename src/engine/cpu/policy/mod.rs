//! [`CpuPolicy`]: a decoder whose answers are trained on.
//!
//! A prompt is computed once with all answers to it. Logits exist for a few prompts at a time: they give
//! the log-probabilities, from which the objective takes its slopes, and become their own gradient. The
//! reward head of the network serves as the value head.

mod predictions;
#[cfg(test)]
mod tests;

use std::cell::OnceCell;
use std::path::Path;

use self::predictions::{KEPT_BYTES, Predictions, groups};
use super::batch::Batch;
use super::dropout::Dropout;
use super::kernel::vector::math::fit;
use super::language_model::LanguageModel;
use super::micro_batch::{cut, running_sums};
use super::model::device_name;
use super::network::Transformer;
use super::network::context::{Pass, Reading};
use super::parameters::Parameters;
use super::persistence;
use super::trainer::{Running, Trainer, Update};
use crate::engine::files::stored::StoredTensors;
use crate::engine::files::weights::{ModelFiles, write_tensors};
use crate::engine::generation::{GenerationSettings, Listener};
use crate::engine::policy::{AnswerScores, AnswersTo, Policy, PolicyStepReport, SlopesOf, Speaker};
use crate::engine::text::chat::ChatTemplate;
use crate::engine::{EngineError, ModelInfo, ModelTensor, OpenSettings, StepSettings, Trainable};

/// The file of the reference's weights, beside those of the policy.
const REFERENCE: &str = "reference.safetensors";

/// A policy on the CPU.
#[derive(Debug)]
pub struct CpuPolicy {
    info: ModelInfo,
    model: LanguageModel,
    reference: Reference,
    /// Bytes of logits that are kept until the objective has said its slopes.
    kept_bytes: usize,
    /// The digest of the weights as they are; empty after they were changed.
    digest: OnceCell<String>,
}

/// The trained values that a reference pass reads in place of the policy's. Under low-rank adapters
/// these are the adapters alone.
#[derive(Debug)]
struct Reference {
    values: Vec<f32>,
    /// Whether these are the values that the policy was opened with, so that no checkpoint needs them.
    is_as_opened: bool,
}

impl CpuPolicy {
    /// Opens a decoder; low-rank adapters and the value head start from `rng_seed`.
    ///
    /// # Errors
    /// When the system refuses the threads, or a tensor cannot be read.
    pub fn of_files(settings: &OpenSettings, files: &ModelFiles) -> Result<Self, EngineError> {
        let (network, table) =
            Transformer::language_model(&files.config, &settings.tuning, settings.frozen_precision);
        let parameters = Parameters::new(table, settings.rng_seed, &files.weights)?;
        let running = Running {
            n_threads: settings.n_threads,
            precision: settings.precision,
            micro_batch_rows: settings.micro_batch_tokens,
        };
        let trainer = Trainer::new(network, parameters, running)?;
        let info = ModelInfo {
            family: files.config.family().to_owned(),
            n_parameters: trainer.parameters.values.len() as u64,
            max_tokens: settings.max_tokens,
            precision: settings.precision.name().to_owned(),
            device: device_name(trainer.n_threads()),
            chat_template: files.tokenizer.chat_template().map(ChatTemplate::record),
        };
        Ok(Self::new(info, trainer))
    }

    fn new(info: ModelInfo, mut trainer: Trainer) -> Self {
        // Nothing of a policy's trunk is cached, so nothing needs its rounding.
        trainer.network.keep_seam_exact();
        let reference = Reference { values: trainer.parameters.values.clone(), is_as_opened: true };
        let (model, digest) = (LanguageModel::new(trainer), OnceCell::new());
        Self { info, model, reference, kept_bytes: KEPT_BYTES, digest }
    }

    /// Forgets what was computed from the weights.
    fn changed(&mut self) {
        self.digest.take();
        self.model.unpack();
    }

    fn check(&self, prompts: &[AnswersTo<'_>]) -> Result<(), EngineError> {
        let mut buffer = Vec::new();
        for (position, AnswersTo { prompt, answers }) in prompts.iter().enumerate() {
            if prompt.is_empty() {
                let detail = "an empty prompt".to_owned();
                return Err(EngineError::BadAnswers { position, detail });
            }
            for answer in answers {
                buffer.clear();
                buffer.extend_from_slice(prompt);
                buffer.extend_from_slice(answer);
                if let Some(detail) = self.model.trainer.network.sequence_problem(&buffer) {
                    return Err(EngineError::BadAnswers { position, detail });
                }
            }
        }
        Ok(())
    }

    /// Computes what the policy says of all answers and, in a training pass, adds the gradient of the
    /// loss whose slopes `slopes_of` gives. Returns the scores and the loss.
    fn pass(
        &mut self,
        prompts: &[AnswersTo<'_>],
        pass: Pass,
        mut slopes_of: Option<SlopesOf<'_>>,
    ) -> (Vec<AnswerScores>, f64) {
        let trainer = &mut self.model.trainer;
        let row_bytes = size_of::<f32>() * trainer.network.vocab_size().max(1);
        let kept_rows = self.kept_bytes / row_bytes;
        let longest = prompts.iter().map(AnswersTo::n_packed_tokens).max();
        trainer.network.reserve_positions(longest.unwrap_or(0));
        let pass = pass.attending_exactly();
        let sizes: Vec<usize> = prompts.iter().map(AnswersTo::n_packed_tokens).collect();
        let first_numbers = running_sums(&sizes);
        let runs = cut(sizes.into_iter(), trainer.micro_batch_rows());
        trainer.run(|network, maker, gradient, work| {
            let (mut scores, mut loss) = (Vec::new(), 0.0);
            for run in runs {
                let batch = Batch::answers(&prompts[run.clone()], first_numbers[run.start]);
                let cx = maker.context(&batch, pass);
                network.reward(cx, work);
                let n_rows = batch.pooled.numbers.len();
                fit(&mut work.dhidden, n_rows * network.width());
                fit(&mut work.drewards, n_rows);
                let mut first_row = 0;
                let own = &prompts[run];
                for group in groups(own, kept_rows) {
                    let mut predictions = Predictions::of(&own[group], first_row, kept_rows);
                    let rows = predictions.rows();
                    first_row = rows.end;
                    predictions.read(network, cx, work);
                    let range = scores.len()..scores.len() + predictions.lengths.len();
                    scores.extend(predictions.scores(&work.rewards[rows.clone()]));
                    if let Some(slopes_of) = &mut slopes_of {
                        let (part, slopes) = slopes_of(range.clone(), &scores[range]);
                        loss += part;
                        predictions.take(&slopes, &mut work.drewards[rows]);
                        predictions.backward(network, cx, gradient, work);
                    }
                }
                if slopes_of.is_some() {
                    network.value_backward(cx, gradient, work);
                    network.hidden_backward(cx, gradient, work);
                }
            }
            (scores, loss)
        })
    }

    /// Network, parameters and threads.
    #[cfg(test)]
    pub fn of_trainer(trainer: Trainer) -> Self {
        let info = ModelInfo {
            family: "test".into(),
            n_parameters: 0,
            max_tokens: 0,
            precision: String::new(),
            device: String::new(),
            chat_template: None,
        };
        Self::new(info, trainer)
    }
}

impl Trainable for CpuPolicy {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn reset_optimizer(&mut self) {
        self.model.trainer.parameters.reset_optimizer();
    }

    fn save(&self, dir: &Path) -> Result<(), EngineError> {
        let parameters = &self.model.trainer.parameters;
        persistence::save(parameters, dir)?;
        if self.reference.is_as_opened {
            return Ok(());
        }
        let tensors: Vec<_> = parameters
            .trained()
            .map(|entry| {
                let values = entry.slot.span.of(&self.reference.values);
                (entry.name.clone(), entry.shape.as_slice(), values)
            })
            .collect();
        write_tensors(&dir.join(REFERENCE), &tensors)
    }

    fn load(&mut self, dir: &Path) -> Result<(), EngineError> {
        self.changed();
        let path = dir.join(REFERENCE);
        let stored = if path.exists() { Some(StoredTensors::open(&path)?) } else { None };
        let parameters = &mut self.model.trainer.parameters;
        if let Some(stored) = &stored {
            for entry in parameters.table.entries().iter().filter(|it| it.slot.is_trained()) {
                stored.read(&entry.name, entry.slot.span.of_mut(&mut self.reference.values))?;
            }
            self.reference.is_as_opened = false;
        }
        persistence::load(parameters, dir)
    }

    fn weights_digest(&self) -> String {
        self.digest.get_or_init(|| self.model.trainer.parameters.digest()).clone()
    }

    fn tensors(&self) -> Result<Vec<ModelTensor<'_>>, EngineError> {
        Ok(self.model.trainer.parameters.tensors())
    }
}

impl Policy for CpuPolicy {
    fn scores(
        &mut self,
        prompts: &[AnswersTo<'_>],
        speaker: Speaker,
    ) -> Result<Vec<AnswerScores>, EngineError> {
        self.check(prompts)?;
        let swap = |policy: &mut Self| {
            std::mem::swap(
                &mut policy.model.trainer.parameters.values,
                &mut policy.reference.values,
            );
        };
        if speaker == Speaker::Reference {
            swap(self);
        }
        let (scores, _) = self.pass(prompts, Pass::scoring(), None);
        if speaker == Speaker::Reference {
            swap(self);
        }
        let values = scores.iter().flat_map(|it| it.log_probs.iter().chain(&it.values));
        match values.copied().find(|value| !value.is_finite()) {
            Some(value) => Err(EngineError::NonFinite { what: "log-probability", value }),
            None => Ok(scores),
        }
    }

    fn train_step(
        &mut self,
        prompts: &[AnswersTo<'_>],
        slopes_of: SlopesOf<'_>,
        settings: &StepSettings,
    ) -> Result<PolicyStepReport, EngineError> {
        self.check(prompts)?;
        self.changed();
        let dropout = Dropout::new(settings.dropout, settings.dropout_key);
        let (_, loss) =
            self.pass(prompts, Pass::training(Reading::Pooled, dropout), Some(slopes_of));
        let gradient_norm = self.model.trainer.update(loss, Update::from(settings))?;
        let n_tokens = prompts.iter().map(|it| it.n_packed_tokens() as u64).sum();
        Ok(PolicyStepReport { loss: loss as f32, gradient_norm, n_tokens })
    }

    fn generate(
        &mut self,
        prompts: &[&[u32]],
        settings: &GenerationSettings,
        listener: &mut dyn Listener,
    ) -> Result<(), EngineError> {
        self.model.answer_prompts(prompts, settings, listener)
    }

    fn set_reference(&mut self) {
        self.reference.values.copy_from_slice(&self.model.trainer.parameters.values);
        self.reference.is_as_opened = false;
    }
}
