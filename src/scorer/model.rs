//! A reward model by name: a run, a round of it, a model directory, or `embedded`.

use std::path::{Path, PathBuf};

use super::ScorerError;
use super::trained::{self, RoundWanted};
use crate::domain::source::hub_name::HubName;
use crate::engine::scoring::{UseSettings, open_to_score, use_settings};
use crate::engine::{Backbone, OpenSettings, RewardModel};
use crate::store::{Access, Home, Store, StoreError};

/// Which reward model is meant, and how it is opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelWanted {
    pub name: String,
    /// Its files, where the name has been looked up (`hf:owner/name`).
    pub dir: Option<PathBuf>,
    pub round: RoundWanted,
    /// Texts are cut to so many tokens; `None` is what the model was trained with.
    pub max_tokens: Option<usize>,
    /// Threads; 0 means one a core. It changes no score.
    pub n_threads: usize,
    /// Whether a model without a reward head gets one of random numbers.
    pub untrained_head: bool,
}

/// A reward model that is open.
pub struct OpenModel {
    /// What it is, in words.
    pub name: String,
    pub model: Box<dyn RewardModel>,
}

impl ModelWanted {
    /// The present weights of the model of this name, or those of a round where the name is `RUN:ROUND`.
    #[must_use]
    pub fn named(name: &str, n_threads: usize) -> Self {
        let of_round =
            name.rsplit_once(':').and_then(|(run, round)| Some((run, round.parse().ok()?)));
        let (model, round) = match of_round {
            Some((run, round)) if !Path::new(name).is_dir() => (run, RoundWanted::Number(round)),
            _ => (name, RoundWanted::Present),
        };
        let (name, dir, max_tokens) = (model.to_owned(), None, None);
        Self { name, dir, round, max_tokens, n_threads, untrained_head: false }
    }

    /// Whether the name is one on the Hub whose files have not been looked up.
    #[must_use]
    pub fn is_remote(&self) -> bool {
        self.dir.is_none() && HubName::is_meant(&self.name)
    }

    /// Opens the model. The store of `home` is opened only where the name means a run.
    ///
    /// # Errors
    /// When there is none of that name, its files are wrong, or it has no reward head.
    pub fn open(&self, home: &Home) -> Result<OpenModel, ScorerError> {
        if self.is_remote() {
            return Err(ScorerError::NotFetched { name: self.name.clone() });
        }
        match self.backbone() {
            Some(backbone) => self.open_files(&backbone),
            None => self.open_run(home),
        }
    }

    /// The model's files, where the name means files.
    fn backbone(&self) -> Option<Backbone> {
        if let Some(dir) = &self.dir {
            return Some(Backbone::Directory(dir.clone()));
        }
        let name = self.name.as_str();
        if name == "embedded" {
            return Some(Backbone::Embedded);
        }
        let dir = Path::new(name);
        let has = |file: &str| dir.join(file).is_file();
        let is_path = name.contains(std::path::MAIN_SEPARATOR) || name == "." || name == "..";
        (is_path || has("config.json") || has("adapter_config.json"))
            .then(|| Backbone::Directory(PathBuf::from(name)))
    }

    fn open_files(&self, backbone: &Backbone) -> Result<OpenModel, ScorerError> {
        let name = self.name.clone();
        if self.round != RoundWanted::Present {
            return Err(ScorerError::HasNoRounds { name });
        }
        let UseSettings { open, has_reward_head } = use_settings(backbone, self.max_tokens)?;
        if !has_reward_head && !self.untrained_head {
            return Err(ScorerError::NoRewardHead { name });
        }
        let model = open_to_score(&OpenSettings { n_threads: self.n_threads, ..open }, None)?;
        Ok(OpenModel { name, model })
    }

    fn open_run(&self, home: &Home) -> Result<OpenModel, ScorerError> {
        let store = Store::open(home, Access::ReadOnly).map_err(|error| self.nothing(error))?;
        let found = trained::find(&store, &self.name, self.round).map_err(|error| match error {
            ScorerError::Store(error) => self.nothing(error),
            other => other,
        })?;
        let settings = OpenSettings::of_spec(&found.spec);
        let settings = OpenSettings {
            n_threads: self.n_threads,
            max_tokens: self.max_tokens.unwrap_or(settings.max_tokens),
            ..settings
        };
        let model = open_to_score(&settings, Some(&found.checkpoint))?;
        Ok(OpenModel { name: format!("round {} of `{}`", found.row.round, found.run.name), model })
    }

    /// The error for a name that is no run: it may have been meant as a directory.
    fn nothing(&self, error: StoreError) -> ScorerError {
        let name = self.name.clone();
        if Path::new(&name).is_dir() {
            return ScorerError::NoModelFiles { name };
        }
        match error {
            StoreError::UnknownRun { .. } => ScorerError::Nothing { name, nearest: error.hint() },
            other => ScorerError::Store(other),
        }
    }
}
