//! [`CpuModel`]: a network, its parameters and its tokenizer behind the engine's trait.

use std::path::Path;

use super::network::Network;
use super::parameters::Parameters;
use super::persistence;
use super::trainer::Trainer;
use crate::engine::config::{Activation, EncoderFamily, ModelConfig};
use crate::engine::tokenize::PairTokenizer;
use crate::engine::weights::ModelFiles;
use crate::engine::{
    Backbone, EncodedPair, EngineError, LabeledPair, ModelInfo, OpenSettings, PairText,
    RewardModel, StepReport, StepSettings,
};

/// A reward model on the CPU.
#[derive(Debug)]
pub struct CpuModel {
    info: ModelInfo,
    trainer: Trainer,
    tokenizer: PairTokenizer,
}

impl CpuModel {
    /// Opens a model; a reward head (or pooler) that the files lack starts from `rng_seed`.
    ///
    /// # Errors
    /// Names the file and what is wrong with it.
    pub fn open(settings: &OpenSettings) -> Result<Self, EngineError> {
        let files = ModelFiles::open(&settings.backbone, settings.max_tokens)?;
        if !is_computed(&files.config) {
            let model_type = files.config.family().to_owned();
            return Err(EngineError::UnsupportedArchitecture {
                path: "config.json".into(),
                model_type,
            });
        }
        let (network, table) = Network::new(&files.config);
        let tensors = files.weights.read_all()?;
        let source = |name: &str| tensors.get(name).map(|tensor| tensor.values.as_slice());
        let parameters = Parameters::new(table, settings.rng_seed, source).map_err(|wrong| {
            let path = match &settings.backbone {
                Backbone::Directory(dir) => dir.clone(),
                Backbone::Embedded | Backbone::Mock => "embedded".into(),
            };
            let problem = format!(
                "`{}` has {} values, expected shape {:?}",
                wrong.name, wrong.n_values, wrong.shape
            );
            EngineError::TensorMismatch { path, problems: vec![problem] }
        })?;
        let family = files.config.family().to_owned();
        let n_parameters = parameters.values.len() as u64;
        let trainer = Trainer::new(network, parameters, settings.n_threads)?;
        let device = match trainer.n_threads() {
            1 => "cpu, 1 thread".to_owned(),
            n => format!("cpu, {n} threads"),
        };
        let info = ModelInfo {
            family,
            n_parameters,
            max_tokens: settings.max_tokens,
            precision: "f32".to_owned(),
            device,
        };
        Ok(Self { info, trainer, tokenizer: files.tokenizer })
    }

    /// Network, parameters and threads, for tests and export.
    #[must_use]
    pub fn trainer(&self) -> &Trainer {
        &self.trainer
    }

    /// Network, parameters and threads, for tests.
    pub fn trainer_mut(&mut self) -> &mut Trainer {
        &mut self.trainer
    }
}

/// Whether this engine computes a configuration: plain Llama and BERT.
fn is_computed(config: &ModelConfig) -> bool {
    match config {
        ModelConfig::Decoder(config) => {
            config.rope_scaling.is_none()
                && config.sliding_window.is_none()
                && !(config.qkv_bias || config.mlp_bias || config.query_key_norm)
        }
        ModelConfig::Encoder(config) => {
            config.family == EncoderFamily::Bert && config.activation == Activation::Gelu
        }
    }
}

impl RewardModel for CpuModel {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn encode(&self, pairs: &[PairText<'_>]) -> Result<Vec<EncodedPair>, EngineError> {
        self.tokenizer.encode(pairs)
    }

    fn train_step(
        &mut self,
        batch: &[LabeledPair<'_>],
        settings: &StepSettings,
    ) -> Result<StepReport, EngineError> {
        self.trainer.train_step(batch, settings)
    }

    fn score(&mut self, pairs: &[&EncodedPair]) -> Result<Vec<[f32; 2]>, EngineError> {
        self.trainer.score(pairs)
    }

    fn reset_optimizer(&mut self) {
        self.trainer.parameters.reset_optimizer();
    }

    fn save(&self, dir: &Path) -> Result<(), EngineError> {
        persistence::save(&self.trainer.parameters, dir)
    }

    fn load(&mut self, dir: &Path) -> Result<(), EngineError> {
        persistence::load(&mut self.trainer.parameters, dir)
    }

    fn weights_digest(&self) -> String {
        self.trainer.parameters.digest()
    }
}
