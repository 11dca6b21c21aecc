//! A reward model by name: a run, a round of it, a model directory, or `embedded`.

use std::path::{Path, PathBuf};

use super::ScorerError;
use super::trained::{self, FoldModels, RoundWanted};
use crate::domain::source::hub_name::HubName;
use crate::domain::spec::ExperimentSpec;
use crate::engine::scoring::{UseSettings, open_to_score, use_settings};
use crate::engine::{Backbone, OpenSettings, RewardModel};
use crate::store::{Access, FOLDS, Home, Store, StoreError};

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
    /// The present weights of the model of this name, those of a round where the name is `RUN:ROUND`, or
    /// the fold models where it is `RUN:folds`.
    #[must_use]
    pub fn named(name: &str, n_threads: usize) -> Self {
        let of_round = name.rsplit_once(':').and_then(|(run, round)| {
            let round = match round {
                FOLDS => RoundWanted::Folds,
                number => RoundWanted::Number(number.parse().ok()?),
            };
            Some((run, round))
        });
        let (model, round) = match of_round {
            Some(found) if !Path::new(name).is_dir() => found,
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

    /// Opens the model, or all of them where the name means several.
    ///
    /// # Errors
    /// As [`ModelWanted::open`].
    pub fn open_all(&self, home: &Home) -> Result<Vec<OpenModel>, ScorerError> {
        if self.round != RoundWanted::Folds || self.backbone().is_some() {
            return self.open(home).map(|model| vec![model]);
        }
        let store = Store::open(home, Access::ReadOnly).map_err(|error| self.nothing(error))?;
        let FoldModels { run, spec, checkpoints } =
            trained::find_folds(&store, &self.name).map_err(|error| self.explained(error))?;
        let settings = self.settings(&spec);
        let open = |(fold, checkpoint): (usize, &PathBuf)| {
            let model = open_to_score(&settings, Some(checkpoint))?;
            Ok(OpenModel { name: format!("fold {fold} of `{}`", run.name), model })
        };
        checkpoints.iter().enumerate().map(open).collect()
    }

    fn settings(&self, spec: &ExperimentSpec) -> OpenSettings {
        let settings = OpenSettings::of_spec(spec);
        OpenSettings {
            n_threads: self.n_threads,
            max_tokens: self.max_tokens.unwrap_or(settings.max_tokens),
            ..settings
        }
    }

    /// An error of the store as one of a name that may have been meant as something else.
    fn explained(&self, error: ScorerError) -> ScorerError {
        match error {
            ScorerError::Store(error) => self.nothing(error),
            other => other,
        }
    }

    fn open_run(&self, home: &Home) -> Result<OpenModel, ScorerError> {
        let store = Store::open(home, Access::ReadOnly).map_err(|error| self.nothing(error))?;
        let found =
            trained::find(&store, &self.name, self.round).map_err(|error| self.explained(error))?;
        let model = open_to_score(&self.settings(&found.spec), Some(&found.checkpoint))?;
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
