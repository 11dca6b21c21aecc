//! Trained reward models, and policies (`policy`), in the layouts of transformers and PEFT.
//!
//! What is written is what the run's last optimizer step left, in `f32`: low-rank updates are added
//! to their matrices for [`TrainedModel::write_model`] and kept apart for
//! [`TrainedModel::write_adapter`]. The head is the one that transformers' sequence-classification
//! classes compute, under their names (see [`super::files::layout`]), with one output.
//!
//! `config.json` says what those classes need beyond the base model: `architectures`, one label in
//! `id2label` (without it transformers assumes two), and the `pad_token_id` that a decoder finds the
//! token to read the reward at by (see `metadata::padding`).

use std::path::{Path, PathBuf};

use self::exported::{Task, WEIGHTS};
use self::metadata::Padding;
use super::files::checkpoint::read_checkpoint;
use super::files::layout::Layout;
use super::files::weights::ModelFiles;
use super::text::chat::ChatTemplate;
use super::{Backbone, EngineError, OpenSettings, RewardModel, open};
use crate::domain::spec::{Device, Tuning};

mod adapter;
mod exported;
mod metadata;
mod policy;
mod tensors;
#[cfg(test)]
mod tests;

/// The file of an export that says whose it is and marks its directory, so that a later export may replace it.
pub const MARKER: &str = "ser_export.json";

pub use self::exported::{Exported, InputForm};
pub use self::policy::{ExportedPolicy, PolicyForm, export_policy};

/// A reward model with what its files say, ready to be written.
pub struct TrainedModel {
    model: Box<dyn RewardModel>,
    files: ModelFiles,
    settings: OpenSettings,
}

impl TrainedModel {
    /// Opens a model on the processor and restores a checkpoint of a run into it.
    ///
    /// # Errors
    /// When the base model cannot be opened, or the checkpoint is damaged or continues another one.
    pub fn open(settings: &OpenSettings, checkpoint: &Path) -> Result<Self, EngineError> {
        if settings.backbone == Backbone::Mock {
            return Err(EngineError::NothingToExport);
        }
        // Checkpoints have the same form on every device, and this machine may lack the device of
        // the run.
        let settings = OpenSettings { device: Device::Cpu, ..settings.clone() };
        let mut model = open(&settings)?;
        read_checkpoint(checkpoint, model.as_mut())?;
        Self::of(model, &settings)
    }

    /// A model that is open, on whatever device.
    ///
    /// # Errors
    /// When its files cannot be read.
    fn of(model: Box<dyn RewardModel>, settings: &OpenSettings) -> Result<Self, EngineError> {
        let files = ModelFiles::open_as(settings)?;
        Ok(Self { model, files, settings: settings.clone() })
    }

    /// Writes a model directory for `AutoModelForSequenceClassification` into `dir`, which exists.
    ///
    /// # Errors
    /// When a file cannot be read or written.
    pub fn write_model(&self, dir: &Path) -> Result<Exported, EngineError> {
        let padding = metadata::padding(&self.files.source(), &self.files, true)?;
        let n_parameters = tensors::write_merged(
            &self.layout(),
            &self.model.tensors()?,
            self.lora_scale(),
            padding.n_rows_added(&self.files.config),
            (&dir.join(WEIGHTS), Task::Reward),
        )?;
        let exported = self.write_metadata(dir, &padding)?;
        Ok(Exported { n_parameters, ..exported })
    }

    /// Writes a PEFT adapter directory into `dir`, which exists. The embedded base model has no
    /// directory, so it is written into the subdirectory `base`; `place` is where `dir` will
    /// finally be. If the base is an adapter itself, both are written as one.
    ///
    /// # Errors
    /// [`EngineError::NoAdapter`] for a model without low-rank updates; when a file cannot be read
    /// or written.
    pub fn write_adapter(&self, dir: &Path, place: &Path) -> Result<Exported, EngineError> {
        let Tuning::Lora(lora) = &self.settings.tuning else {
            return Err(EngineError::NoAdapter);
        };
        let base = base_of(&self.files, &self.settings, dir, place)?;
        let tensors = self.model.tensors()?;
        let base = (base.as_path(), self.files.adapter().map(|_| &self.files.weights));
        let n_parameters = adapter::write(dir, &self.layout(), &tensors, lora, base, Task::Reward)?;
        let padding = metadata::padding(&self.files.source(), &self.files, false)?;
        let exported = self.write_metadata(dir, &padding)?;
        remove_config(dir)?;
        Ok(Exported { n_parameters, ..exported })
    }

    /// `config.json` and the tokenizer's files.
    fn write_metadata(&self, dir: &Path, padding: &Padding) -> Result<Exported, EngineError> {
        let (source, max_tokens) = (self.files.source(), self.settings.max_tokens);
        metadata::write(dir, &source, &self.files, padding, max_tokens, Task::Reward)
    }

    /// The template that its conversations are written with, if any.
    #[must_use]
    pub fn chat_template(&self) -> Option<&ChatTemplate> {
        self.files.tokenizer.chat_template()
    }

    fn layout(&self) -> Layout {
        Layout::of(&self.files.config)
    }

    fn lora_scale(&self) -> f32 {
        scale_of(&self.settings.tuning)
    }
}

/// What a product of two adapter matrices is multiplied by.
fn scale_of(tuning: &Tuning) -> f32 {
    match tuning {
        Tuning::Lora(lora) => lora.alpha / lora.rank as f32,
        _ => 0.0,
    }
}

/// The folder of the model that an adapter in `dir` is for, `dir` being moved to `place` later. The embedded
/// model has none, so it is written into `base` beside the adapter.
fn base_of(
    files: &ModelFiles,
    settings: &OpenSettings,
    dir: &Path,
    place: &Path,
) -> Result<PathBuf, EngineError> {
    Ok(match (files.adapter(), &settings.backbone) {
        (Some((adapter, _)), _) => absolute(adapter.base()),
        (None, Backbone::Directory(base)) => base.clone(),
        (None, Backbone::Embedded | Backbone::Mock) => {
            metadata::write_embedded_base(&dir.join("base"))?;
            absolute(&place.join("base"))
        }
    })
}

/// An adapter directory has no configuration of its own: PEFT takes the base model's.
fn remove_config(dir: &Path) -> Result<(), EngineError> {
    let config = dir.join(metadata::CONFIG);
    std::fs::remove_file(&config).map_err(EngineError::io("remove", config))
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}
