//! [`CandleModel`]: a network, its parameters and its tokenizer behind the engine's trait.

use std::cell::OnceCell;
use std::path::Path;

use candle_core::Device;

use super::network::Network;
use super::operations::Arithmetic;
use super::parameters::{Origin, Parameters};
use super::pass::Training;
use super::trainer::Trainer;
use super::{device, persistence};
use crate::engine::files::layout::Layout;
use crate::engine::files::weights::ModelFiles;
use crate::engine::text::chat::ChatTemplate;
use crate::engine::text::tokenize::PairTokenizer;
use crate::engine::{
    EncodedPair, EngineError, LabeledPair, ModelInfo, ModelTensor, OpenSettings, PairText,
    RewardModel, StepReport, StepSettings, Trainable, WrittenText,
};

/// Padded tokens of a micro-batch unless the settings say otherwise. The processor gets no faster
/// with more; a GPU needs thousands to be busy.
const CPU_BUDGET: usize = 1 << 10;
/// Padded tokens of a micro-batch on a GPU.
const GPU_BUDGET: usize = 1 << 13;

/// Padded tokens of a micro-batch.
pub fn budget(settings: &OpenSettings, device: &Device) -> usize {
    match settings.micro_batch_tokens {
        0 if device.is_cpu() => CPU_BUDGET,
        0 => GPU_BUDGET,
        n => n,
    }
}

/// A reward model on a candle device.
#[derive(Debug)]
pub struct CandleModel {
    settings: OpenSettings,
    info: ModelInfo,
    trainer: Trainer,
    tokenizer: PairTokenizer,
    /// The digest of the weights as they are; empty after they were changed.
    digest: OnceCell<String>,
}

impl CandleModel {
    /// Opens a model; a reward head (or pooler) that the files lack starts from `rng_seed`.
    ///
    /// # Errors
    /// Names the file and what is wrong with it, or the device that is not there.
    pub fn open(settings: &OpenSettings) -> Result<Self, EngineError> {
        let device = device::open(settings.device)?;
        let files = ModelFiles::open_as(settings)?;
        let layout = Layout::of(&files.config);
        let origin = Origin {
            source: &files.weights,
            rng_seed: settings.rng_seed,
            tuning: &settings.tuning,
            frozen: settings.frozen_precision,
            device: &device,
            n_layers: files.config.n_layers(),
        };
        let parameters = Parameters::new(&layout, &origin)?;
        let network = Network::new(&files.config, &layout, &parameters, &settings.tuning)?;
        let info = ModelInfo {
            family: files.config.family().to_owned(),
            n_parameters: parameters.n_values() as u64,
            max_tokens: settings.max_tokens,
            precision: settings.precision.name().to_owned(),
            device: device::name(&device).to_owned(),
            chat_template: files.tokenizer.chat_template().map(ChatTemplate::record),
        };
        let budget = budget(settings, &device);
        let arithmetic = Arithmetic::new(settings.precision, &device);
        let config = files.config;
        let trunk = Training::trunk(&settings.tuning, config.n_layers());
        let trainer = Trainer { config, network, parameters, trunk, arithmetic, device, budget };
        let (settings, tokenizer) = (settings.clone(), files.tokenizer);
        Ok(Self { settings, info, trainer, tokenizer, digest: OnceCell::new() })
    }

    /// The network and its parameters, for tests that look into them.
    #[cfg(test)]
    #[must_use]
    pub fn trainer(&self) -> &Trainer {
        &self.trainer
    }
}

impl Trainable for CandleModel {
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
        // A lost device cannot give its weights. An empty digest is returned, which no checkpoint
        // has.
        let digest = || {
            let found = self.trainer.parameters.digest();
            found.unwrap_or_else(|error| format!("unreadable: {error}"))
        };
        self.digest.get_or_init(digest).clone()
    }

    fn tensors(&self) -> Result<Vec<ModelTensor<'_>>, EngineError> {
        self.trainer.parameters.tensors()
    }
}

impl RewardModel for CandleModel {
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
        *self = Self::open(&self.settings)?;
        Ok(())
    }
}
