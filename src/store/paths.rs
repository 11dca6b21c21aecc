//! Where everything lies: the home of `ser` and the files inside it.

use std::path::{Path, PathBuf};

use super::error::StoreError;
use crate::domain::run::RunId;

/// The folder of a run's fold models, and what stands for a round where they are named: `RUN:folds`.
pub const FOLDS: &str = "folds";

/// The folder that holds the database, the runs and what was imported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home {
    root: PathBuf,
}

impl Home {
    /// A home at a given folder; nothing is created yet.
    #[must_use]
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The home a person means: `explicit`, else `$SER_HOME`, else `$XDG_DATA_HOME/ser`, else
    /// `~/.local/share/ser`. Empty variables count as unset. A relative path is taken from the
    /// current folder, so that a worker with another one finds the same home.
    ///
    /// # Errors
    /// When none of them is set.
    pub fn resolve(explicit: Option<PathBuf>) -> Result<Self, StoreError> {
        Self::resolve_with(explicit, |name| {
            std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
        })
    }

    fn resolve_with(
        explicit: Option<PathBuf>,
        variable: impl Fn(&str) -> Option<PathBuf>,
    ) -> Result<Self, StoreError> {
        let root = explicit
            .or_else(|| variable("SER_HOME"))
            // The XDG specification has relative paths ignored.
            .or_else(|| {
                let data = variable("XDG_DATA_HOME").filter(|path| path.is_absolute())?;
                Some(data.join("ser"))
            })
            .or_else(|| Some(variable("HOME")?.join(".local/share/ser")))
            .ok_or(StoreError::NoHome)?;
        let root = std::path::absolute(&root)
            .map_err(|source| StoreError::Io { path: root.clone(), source })?;
        Ok(Self { root })
    }

    /// The folder that holds everything.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The path of `ser.db`, the database.
    #[must_use]
    pub fn database(&self) -> PathBuf {
        self.root.join("ser.db")
    }

    /// The config file, which people write.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.root.join("config.toml")
    }

    /// The folder of a run's files, `runs/ID`.
    #[must_use]
    pub fn run_dir(&self, run: &RunId) -> PathBuf {
        self.root.join("runs").join(run.as_str())
    }

    /// The folder of a run's checkpoints, `runs/ID/checkpoints`.
    #[must_use]
    pub fn checkpoints(&self, run: &RunId) -> PathBuf {
        self.run_dir(run).join("checkpoints")
    }

    /// The folder of a run's fold models where they are kept, `runs/ID/folds`.
    #[must_use]
    pub fn fold_models(&self, run: &RunId) -> PathBuf {
        self.run_dir(run).join(FOLDS)
    }

    /// The path of what a run's worker logs, `runs/ID/worker.log`.
    #[must_use]
    pub fn worker_log(&self, run: &RunId) -> PathBuf {
        self.run_dir(run).join("worker.log")
    }

    /// `models`: copies of model folders, by name.
    #[must_use]
    pub fn models(&self) -> PathBuf {
        self.root.join("models")
    }

    /// `cache/trunk`: may be deleted whenever no run is going.
    #[must_use]
    pub fn trunk_cache(&self) -> PathBuf {
        self.root.join("cache").join("trunk")
    }

    /// `cache/rounds`: first rounds that several runs of an experiment share; may be deleted whenever
    /// no run is going.
    #[must_use]
    pub fn shared_rounds(&self) -> PathBuf {
        self.root.join("cache").join("rounds")
    }

    /// Creates the folder with mode 0700 where it is missing.
    ///
    /// # Errors
    /// When it cannot be created.
    pub fn ensure(&self) -> Result<(), StoreError> {
        create_private_dir(&self.root)
    }

    /// Creates a run's folder with mode 0700 where it is missing.
    ///
    /// # Errors
    /// When it cannot be created.
    pub fn ensure_run_dir(&self, run: &RunId) -> Result<(), StoreError> {
        create_private_dir(&self.run_dir(run))
    }
}

fn create_private_dir(path: &Path) -> Result<(), StoreError> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(|source| StoreError::Io { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_explicit_wish_wins() {
        let all = |name: &str| match name {
            "SER_HOME" => Some(PathBuf::from("/s")),
            "XDG_DATA_HOME" => Some(PathBuf::from("/x")),
            _ => Some(PathBuf::from("/h")),
        };
        let root = |explicit, env: &dyn Fn(&str) -> Option<PathBuf>| {
            Home::resolve_with(explicit, env).unwrap().root
        };
        assert_eq!(root(Some("/e".into()), &all), Path::new("/e"));
        assert_eq!(root(None, &all), Path::new("/s"));
        let without = |hidden: &'static [&str]| {
            move |name: &str| all(name).filter(|_| !hidden.contains(&name))
        };
        assert_eq!(root(None, &without(&["SER_HOME"])), Path::new("/x/ser"));
        assert_eq!(
            root(None, &without(&["SER_HOME", "XDG_DATA_HOME"])),
            Path::new("/h/.local/share/ser")
        );
        assert!(matches!(Home::resolve_with(None, |_| None), Err(StoreError::NoHome)));
        assert!(root(Some("here".into()), &all).is_absolute());
    }

    #[test]
    fn folders_are_private() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let home = Home::new(folder.path().join("a/b"));
        home.ensure().unwrap();
        home.ensure().unwrap();
        let mode = std::fs::metadata(home.root()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }
}
