//! [`Candle`]: candle's devices as an implementation of the models.

use super::language_model::LanguageModel;
use super::model::CandleModel;
use crate::engine::implementation::Implementation;
use crate::engine::language_model::language_files;
use crate::engine::memory::{Load, MemoryPlan};
use crate::engine::{CausalLm, EngineError, NoLikelihood, OpenSettings, RewardModel};

/// GPUs, and the processor as their stand-in.
#[derive(Debug, Clone, Copy)]
pub struct Candle;

impl Implementation for Candle {
    fn open(&self, settings: &OpenSettings) -> Result<Box<dyn RewardModel>, EngineError> {
        Ok(Box::new(CandleModel::open(settings)?))
    }

    fn language_model(
        &self,
        settings: &OpenSettings,
    ) -> Result<Result<Box<dyn CausalLm>, NoLikelihood>, EngineError> {
        Ok(match language_files(settings)? {
            Ok(files) => Ok(Box::new(LanguageModel::of_files(settings, &files)?)),
            Err(reason) => Err(reason),
        })
    }

    /// Memory cannot be planned here: what candle keeps for the backward pass depends on its
    /// operations, not only on shapes.
    fn plan(&self, _: &OpenSettings, _: Load) -> Result<Option<MemoryPlan>, EngineError> {
        Ok(None)
    }
}
