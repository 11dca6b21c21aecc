//! [`Cpu`]: this program's own kernels as an implementation of the models.

use super::kernel::profile::{self, product_peak};
use super::kernel::{Compute, Team};
use super::model::CpuModel;
use super::policy::CpuPolicy;
use super::{LanguageModel, plan};
use crate::engine::implementation::{Implementation, Usage};
use crate::engine::language_model::language_files;
use crate::engine::memory::{Load, MemoryPlan};
use crate::engine::policy::Policy;
use crate::engine::{CausalLm, EngineError, NoLikelihood, OpenSettings, RewardModel};

/// The processor, with explicit passes over flat buffers.
#[derive(Debug, Clone, Copy)]
pub struct Cpu;

impl Implementation for Cpu {
    fn open(&self, settings: &OpenSettings) -> Result<Box<dyn RewardModel>, EngineError> {
        Ok(Box::new(CpuModel::open(settings)?))
    }

    fn open_to_score(&self, settings: &OpenSettings) -> Result<Box<dyn RewardModel>, EngineError> {
        let mut model = CpuModel::open(settings)?;
        model.keep_seam_exact();
        Ok(Box::new(model))
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

    fn policy(
        &self,
        settings: &OpenSettings,
    ) -> Result<Result<Box<dyn Policy>, NoLikelihood>, EngineError> {
        Ok(match language_files(settings)? {
            Ok(files) => Ok(Box::new(CpuPolicy::of_files(settings, &files)?)),
            Err(reason) => Err(reason),
        })
    }

    fn plan(&self, settings: &OpenSettings, load: Load) -> Result<Option<MemoryPlan>, EngineError> {
        plan::plan(settings, load).map(Some)
    }

    fn peak_operations_per_s(&self, settings: &OpenSettings) -> Result<Option<f64>, EngineError> {
        let team = Team::new(settings.n_threads)?;
        Ok(Some(product_peak(Compute { team: &team, precision: settings.precision })))
    }

    fn start_counting(&self) {
        profile::start();
    }

    fn stop_counting(&self) -> Vec<Usage> {
        profile::stop();
        profile::profile()
    }
}
