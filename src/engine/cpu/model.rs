//! [`CpuModel`]: a network, its parameters and its tokenizer behind the engine's trait.

use std::cell::OnceCell;
use std::path::Path;

use half::bf16;

use super::network::Transformer;
use super::parameters::{Parameters, TensorSource};
use super::persistence;
use super::trainer::{Running, Trainer};
use crate::engine::files::weights::{ModelFiles, StoredTensors};
use crate::engine::text::chat::ChatTemplate;
use crate::engine::text::tokenize::PairTokenizer;
use crate::engine::{
    EncodedPair, EngineError, LabeledPair, ModelInfo, ModelTensor, OpenSettings, PairText,
    RewardModel, StepReport, StepSettings, Trainable, WrittenText,
};

/// A reward model on the CPU.
#[derive(Debug)]
pub struct CpuModel {
    settings: OpenSettings,
    info: ModelInfo,
    trainer: Trainer,
    tokenizer: PairTokenizer,
    /// The digest of the weights as they are; empty after they were changed.
    digest: OnceCell<String>,
}

impl CpuModel {
    /// Opens a model; a reward head (or pooler) that the files lack starts from `rng_seed`.
    ///
    /// # Errors
    /// Names the file and what is wrong with it.
    pub fn open(settings: &OpenSettings) -> Result<Self, EngineError> {
        let files = ModelFiles::open_as(settings)?;
        let (network, table) =
            Transformer::new(&files.config, &settings.tuning, settings.frozen_precision);
        let parameters = Parameters::new(table, settings.rng_seed, &files.weights)?;
        let family = files.config.family().to_owned();
        let n_parameters = parameters.values.len() as u64;
        let running = Running {
            n_threads: settings.n_threads,
            precision: settings.precision,
            micro_batch_rows: settings.micro_batch_tokens,
        };
        let mut trainer = Trainer::new(network, parameters, running)?;
        trainer.cache_trunk(&settings.trunk_cache);
        let device = device_name(trainer.n_threads());
        let info = ModelInfo {
            family,
            n_parameters,
            max_tokens: settings.max_tokens,
            precision: settings.precision.name().to_owned(),
            device,
            chat_template: files.tokenizer.chat_template().map(ChatTemplate::record),
        };
        let (settings, tokenizer) = (settings.clone(), files.tokenizer);
        Ok(Self { settings, info, trainer, tokenizer, digest: OnceCell::new() })
    }

    /// Switches off the rounding that the cache of a frozen trunk needs, so that rewards equal
    /// those of an exported model.
    pub fn keep_seam_exact(&mut self) {
        self.trainer.network.keep_seam_exact();
    }

    /// Network, parameters and threads.
    #[cfg(test)]
    pub fn trainer_mut(&mut self) -> &mut Trainer {
        self.digest.take();
        &mut self.trainer
    }
}

/// What [`ModelInfo::device`] says of so many threads.
pub fn device_name(n_threads: usize) -> String {
    match n_threads {
        1 => "cpu, 1 thread".to_owned(),
        n => format!("cpu, {n} threads"),
    }
}

/// The files of a model, read a tensor at a time.
impl TensorSource for StoredTensors {
    fn read(&self, name: &str, to: &mut [f32]) -> Result<bool, EngineError> {
        let is_there = self.contains(name);
        if is_there {
            self.read(name, to)?;
        }
        Ok(is_there)
    }

    fn read_bf16(&self, name: &str, to: &mut [bf16]) -> Result<bool, EngineError> {
        let is_there = self.contains(name);
        if is_there {
            self.read_bf16(name, to)?;
        }
        Ok(is_there)
    }
}

impl Trainable for CpuModel {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn reset_optimizer(&mut self) {
        self.trainer.parameters.reset_optimizer();
    }

    fn save(&self, dir: &Path) -> Result<(), EngineError> {
        persistence::save(&self.trainer.parameters, dir)
    }

    fn load(&mut self, dir: &Path) -> Result<(), EngineError> {
        self.digest.take();
        persistence::load(&mut self.trainer.parameters, dir)
    }

    fn weights_digest(&self) -> String {
        self.digest.get_or_init(|| self.trainer.parameters.digest()).clone()
    }

    fn tensors(&self) -> Result<Vec<ModelTensor<'_>>, EngineError> {
        Ok(self.trainer.parameters.tensors())
    }
}

impl RewardModel for CpuModel {
    fn encode(&self, pairs: &[PairText<'_>]) -> Result<Vec<EncodedPair>, EngineError> {
        self.tokenizer.encode(pairs)
    }

    fn encode_written(&self, texts: &[WrittenText<'_>]) -> Result<Vec<EncodedPair>, EngineError> {
        self.tokenizer.encode_written(texts)
    }

    fn train_step(
        &mut self,
        batch: &[LabeledPair<'_>],
        settings: &StepSettings,
    ) -> Result<StepReport, EngineError> {
        self.digest.take();
        self.trainer.train_step(batch, settings)
    }

    fn score(&mut self, pairs: &[&EncodedPair]) -> Result<Vec<[f32; 2]>, EngineError> {
        self.trainer.score(pairs)
    }

    fn restart(&mut self) -> Result<(), EngineError> {
        self.digest.take();
        let files = ModelFiles::open_as(&self.settings)?;
        self.trainer.parameters.restart(self.settings.rng_seed, &files.weights)
    }
}
