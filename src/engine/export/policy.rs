//! Trained policies in the layouts of transformers and PEFT.
//!
//! A directory for `AutoModelForCausalLM` holds the policy as its last step left it, in `f32`, with low-rank
//! updates added to their matrices; an adapter for PEFT holds the updates alone. Either has the tokenizer,
//! the chat template that the prompts were written with, and a `generation_config.json`: the base model's,
//! with the tokens that end an answer. The output head is tied or untied as in the base model. The value
//! head is never written: it says what a policy expects in its training, and no class of transformers has
//! one.

use std::path::Path;

use super::exported::{Task, WEIGHTS};
use super::{adapter, base_of, metadata, remove_config, scale_of, tensors};
use crate::domain::spec::{Device, Tuning};
use crate::engine::files::checkpoint::read_checkpoint;
use crate::engine::files::layout::Layout;
use crate::engine::files::weights::ModelFiles;
use crate::engine::open::open_policy;
use crate::engine::policy::Policy;
use crate::engine::{Backbone, EngineError, OpenSettings};

/// In which form a policy is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PolicyForm<'a> {
    /// The whole model, low-rank updates merged.
    Model,
    /// The low-rank updates alone.
    Adapter {
        /// Where the directory will finally be: the embedded base model lies in it.
        place: &'a Path,
    },
}

/// What was written of a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportedPolicy {
    /// The class of transformers that loads it, or its base.
    pub class: &'static str,
    pub n_parameters: u64,
    /// The tokens that end an answer, by name.
    pub ends: Vec<String>,
}

/// Writes the policy of a checkpoint into `dir`, which exists. `settings` are those it was trained with.
///
/// # Errors
/// [`EngineError::NoAdapter`] for an adapter of a policy without low-rank updates;
/// [`EngineError::CannotGenerate`] when the backbone is no language model; when the checkpoint is damaged or
/// another model's, or a file cannot be read or written.
pub fn export_policy(
    settings: &OpenSettings,
    checkpoint: &Path,
    dir: &Path,
    form: PolicyForm<'_>,
) -> Result<ExportedPolicy, EngineError> {
    if settings.backbone == Backbone::Mock {
        return Err(EngineError::NothingToExport);
    }
    let lora = match &settings.tuning {
        Tuning::Lora(lora) => Some(lora),
        Tuning::Full | Tuning::Head | Tuning::TopLayers(_) => None,
    };
    if lora.is_none() && form != PolicyForm::Model {
        return Err(EngineError::NoAdapter);
    }
    // Checkpoints have the same form on every device, and this machine may lack the device of the run.
    let settings = OpenSettings { device: Device::Cpu, ..settings.clone() };
    let mut policy: Box<dyn Policy> = open_policy(&settings)?.map_err(|reason| {
        let backbone = settings.backbone.to_string();
        EngineError::CannotGenerate { backbone, detail: format!("it {reason}") }
    })?;
    read_checkpoint(checkpoint, policy.as_mut())?;
    let files = ModelFiles::open_as(&settings)?;
    let (source, layout) = (files.source(), Layout::of(&files.config));
    let values = policy.tensors()?;
    let n_parameters = match (form, lora) {
        (PolicyForm::Adapter { place }, Some(lora)) => {
            let base = base_of(&files, &settings, dir, place)?;
            let base = (base.as_path(), files.adapter().map(|_| &files.weights));
            adapter::write(dir, &layout, &values, lora, base, Task::Language)?
        }
        _ => {
            let (scale, to) = (scale_of(&settings.tuning), dir.join(WEIGHTS));
            tensors::write_merged(&layout, &values, scale, 0, (&to, Task::Language))?
        }
    };
    let padding = metadata::prompt_padding(&source, &files)?;
    let max_tokens = files.config.max_positions();
    let exported = metadata::write(dir, &source, &files, &padding, max_tokens, Task::Language)?;
    let ends = metadata::write_generation(dir, &source, &files, &padding)?;
    if form != PolicyForm::Model {
        remove_config(dir)?;
    }
    let ends = ends.into_iter().filter_map(|id| files.tokenizer.token(id)).collect();
    Ok(ExportedPolicy { class: exported.class, n_parameters, ends })
}

#[cfg(test)]
mod tests;
