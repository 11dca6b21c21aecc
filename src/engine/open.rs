//! Opens models: the one place that chooses who computes.

use super::config::DecoderConfig;
use super::implementation::Implementation;
use super::policy::Policy;
use super::settings::{Backbone, OpenSettings};
use super::{CausalLm, EngineError, NoLikelihood, RewardModel};
use super::{candle, cpu, mock};
use crate::domain::spec::Device;

/// The implementation that computes a model with these settings.
pub(super) fn implementation(settings: &OpenSettings) -> &'static dyn Implementation {
    match (&settings.backbone, settings.device) {
        (Backbone::Mock, _) => &mock::Mock,
        (_, Device::Cpu) => &cpu::Cpu,
        (_, Device::CandleCpu | Device::Cuda | Device::Metal) => &candle::Candle,
    }
}

/// Opens a model for training and scoring.
///
/// # Errors
/// When the directory is not a supported model: the message names file and value.
pub fn open(settings: &OpenSettings) -> Result<Box<dyn RewardModel>, EngineError> {
    implementation(settings).open(settings)
}

/// Opens the pretrained backbone of the settings as a language model, before any reward training,
/// or says why it is not one.
///
/// # Errors
/// When its files cannot be read, or the device refuses.
pub fn open_language_model(
    settings: &OpenSettings,
) -> Result<Result<Box<dyn CausalLm>, NoLikelihood>, EngineError> {
    implementation(settings).language_model(settings)
}

/// Opens the pretrained backbone of the settings as a policy, with the adapters of its tuning, or says
/// why it is none.
///
/// # Errors
/// When its files cannot be read, or the device trains no policies.
pub fn open_policy(
    settings: &OpenSettings,
) -> Result<Result<Box<dyn Policy>, NoLikelihood>, EngineError> {
    implementation(settings).policy(settings)
}

/// A language model with random weights keyed by `rng_seed`, on so many threads of the processor; 0
/// means one a core, and none changes a result.
///
/// # Errors
/// When the system refuses the threads.
pub fn random_language_model(
    config: &DecoderConfig,
    rng_seed: u64,
    n_threads: usize,
) -> Result<Box<dyn CausalLm>, EngineError> {
    Ok(Box::new(cpu::LanguageModel::random(config, rng_seed, n_threads)?))
}
