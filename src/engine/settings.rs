//! What a model is opened from and with.

use std::path::PathBuf;

use super::files::hub_cache;
use crate::domain::source::hub_name::HubName;
use crate::domain::spec::{Device, ExperimentSpec, Precision, Tuning};

/// Where the weights come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Backbone {
    /// The small language model compiled into the program.
    Embedded,
    /// A directory with `config.json`, `model.safetensors` and `tokenizer.json`.
    Directory(PathBuf),
    /// The deterministic stand-in of the process tests.
    Mock,
}

impl std::fmt::Display for Backbone {
    /// As a spec names it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Embedded => f.write_str("embedded"),
            Self::Mock => f.write_str("mock"),
            Self::Directory(dir) => write!(f, "{}", dir.display()),
        }
    }
}

impl Backbone {
    /// What `model.backbone` of a spec means: `embedded`, `mock`, a directory, or a name on the Hub,
    /// whose files lie in the shared cache.
    #[must_use]
    pub fn named(name: &str) -> Self {
        match name {
            "embedded" => Self::Embedded,
            "mock" => Self::Mock,
            name if HubName::is_meant(name) => Self::Directory(hub_cache::snapshot(name)),
            directory => Self::Directory(PathBuf::from(directory)),
        }
    }
}

/// How to open a model.
#[derive(Debug, Clone, PartialEq)]
pub struct OpenSettings {
    /// Where the weights come from.
    pub backbone: Backbone,
    /// Longest sequence; longer prompts lose their oldest tokens.
    pub max_tokens: usize,
    /// Keys the initial weights of a reward head that the checkpoint lacks.
    pub rng_seed: u64,
    /// Worker threads; 0 means one per core. Does not change results.
    pub n_threads: usize,
    /// Which parameters are trained.
    pub tuning: Tuning,
    /// Operands of matrix products.
    pub precision: Precision,
    /// How frozen parameters are stored.
    pub frozen_precision: Precision,
    /// Where the model computes.
    pub device: Device,
    /// Tokens computed at a time; 0 means as many as are fast.
    pub micro_batch_tokens: usize,
    /// How much of a frozen trunk's output is cached, and where.
    pub trunk_cache: CacheSettings,
    /// `model.chat_template` of a spec.
    pub chat_template: String,
}

impl OpenSettings {
    /// A model trained in full, in `f32`, on all cores of the CPU.
    #[must_use]
    pub fn new(backbone: Backbone, max_tokens: usize, rng_seed: u64) -> Self {
        Self {
            backbone,
            max_tokens,
            rng_seed,
            n_threads: 0,
            tuning: Tuning::Full,
            precision: Precision::F32,
            frozen_precision: Precision::F32,
            device: Device::Cpu,
            micro_batch_tokens: 0,
            trunk_cache: CacheSettings::default(),
            chat_template: "auto".to_owned(),
        }
    }

    /// What a spec says; the folder of the trunk cache is the caller's.
    #[must_use]
    pub fn of_spec(spec: &ExperimentSpec) -> Self {
        let model = &spec.model;
        Self {
            tuning: model.tuning(),
            precision: spec.train.precision,
            frozen_precision: model.frozen_precision,
            device: model.device,
            micro_batch_tokens: spec.train.micro_batch_tokens as usize,
            chat_template: model.chat_template.clone(),
            trunk_cache: CacheSettings {
                dir: None,
                memory_bytes: u64::from(model.trunk_cache.memory_mib) << 20,
                disk_bytes: u64::from(model.trunk_cache.disk_mib) << 20,
            },
            ..Self::new(Backbone::named(&model.backbone), model.max_tokens as usize, spec.rng_seed)
        }
    }
}

/// How much of what a frozen trunk computes may be kept, and where.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CacheSettings {
    /// Folder of the files; `None` keeps everything in memory.
    pub dir: Option<PathBuf>,
    /// Bytes kept in memory; 0 keeps none.
    pub memory_bytes: u64,
    /// Bytes of all files of the folder together; 0 writes none.
    pub disk_bytes: u64,
}
