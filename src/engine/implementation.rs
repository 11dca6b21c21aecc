//! What every way to compute the models offers.

use super::memory::{Load, MemoryPlan};
use super::policy::Policy;
use super::settings::OpenSettings;
use super::{CausalLm, EngineError, NoLikelihood, RewardModel};

/// One implementation of the models: what it can open, and what that costs.
pub(super) trait Implementation: Sync {
    /// Opens a model for training and scoring.
    fn open(&self, settings: &OpenSettings) -> Result<Box<dyn RewardModel>, EngineError>;

    /// Opens a model whose rewards equal those of its export, without the rounding that a cached
    /// trunk needs.
    fn open_to_score(&self, settings: &OpenSettings) -> Result<Box<dyn RewardModel>, EngineError> {
        self.open(settings)
    }

    /// Opens the backbone as a language model, or says why it is not one.
    fn language_model(
        &self,
        settings: &OpenSettings,
    ) -> Result<Result<Box<dyn CausalLm>, NoLikelihood>, EngineError>;

    /// Opens the backbone as a policy, or says why it is none.
    fn policy(
        &self,
        settings: &OpenSettings,
    ) -> Result<Result<Box<dyn Policy>, NoLikelihood>, EngineError> {
        Err(EngineError::NoPolicyOn { device: settings.device.slots_name() })
    }

    /// The memory that training takes at its peak; `None` where it is not known from shapes alone.
    fn plan(&self, settings: &OpenSettings, load: Load) -> Result<Option<MemoryPlan>, EngineError>;

    /// Floating-point operations a second of the best products, in the precision and with the threads
    /// of the settings; `None` where nothing measures it.
    fn peak_operations_per_s(&self, _: &OpenSettings) -> Result<Option<f64>, EngineError> {
        Ok(None)
    }

    /// Starts to count what each kind of kernel uses, where kernels are counted.
    fn start_counting(&self) {}

    /// What was used since [`Implementation::start_counting`]; nothing where kernels are not counted.
    fn stop_counting(&self) -> Vec<Usage> {
        Vec::new()
    }
}

/// What one kind of kernel has used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usage {
    /// Name of the kind.
    pub name: &'static str,
    /// How often it was called.
    pub n_calls: u64,
    /// Time on the calling thread.
    pub nanoseconds: u64,
    /// Floating-point operations of its products (a multiply-add is two); 0 for the kernels that
    /// memory bounds.
    pub operations: u64,
}
