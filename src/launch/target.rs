//! Where an export goes: made under a temporary name beside its place, then renamed, so that
//! nothing half-written ever has its name.

use std::fs;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::signal::kill;
use nix::unistd::Pid;

use super::{LaunchError, LaunchResult};
use crate::engine::export::MARKER;

/// The place of an export.
#[derive(Debug)]
pub struct Target {
    place: PathBuf,
    temporary: PathBuf,
}

impl Target {
    /// Checks the place. What is there already is refused, unless `is_forced`: then a file, an
    /// empty directory or an earlier export will be replaced.
    ///
    /// # Errors
    /// When something is there that must not be replaced, or the place has no parent directory.
    pub fn new(out: &Path, is_forced: bool) -> LaunchResult<Self> {
        let path = out.to_owned();
        let place = std::path::absolute(out)
            .map_err(|source| LaunchError::Write { path: path.clone(), source })?;
        let (Some(parent), Some(name)) = (place.parent(), place.file_name()) else {
            return Err(LaunchError::NoPlace { path });
        };
        if !parent.is_dir() {
            return Err(LaunchError::NoFolder { path: parent.to_owned() });
        }
        if fs::symlink_metadata(&place).is_ok() {
            if !is_forced {
                return Err(LaunchError::Taken { path });
            }
            if place.is_dir() && !may_be_replaced(&place) {
                return Err(LaunchError::NotOurs { path });
            }
        }
        let name = name.to_string_lossy();
        let prefix = format!(".{name}.tmp-");
        sweep(parent, &prefix);
        let temporary = parent.join(format!("{prefix}{}", std::process::id()));
        Ok(Self { place, temporary })
    }

    /// The place.
    pub fn place(&self) -> &Path {
        &self.place
    }

    /// Makes a directory there; `fill` writes into an empty one.
    ///
    /// # Errors
    /// Those of `fill`, after which nothing stays behind.
    pub fn directory<T, E: From<LaunchError>>(
        &self,
        fill: impl FnOnce(&Path) -> Result<T, E>,
    ) -> Result<T, E> {
        let path = || self.temporary.clone();
        fs::create_dir(&self.temporary)
            .map_err(|source| LaunchError::Write { path: path(), source })?;
        self.finish(fill(&self.temporary))
    }

    /// Makes a file there; `fill` writes it.
    ///
    /// # Errors
    /// Those of `fill`, after which nothing stays behind.
    pub fn file<T, E: From<LaunchError>>(
        &self,
        fill: impl FnOnce(&Path) -> Result<T, E>,
    ) -> Result<T, E> {
        self.finish(fill(&self.temporary))
    }

    fn finish<T, E: From<LaunchError>>(&self, filled: Result<T, E>) -> Result<T, E> {
        let renamed = filled.and_then(|value| {
            remove(&self.place)
                .and_then(|()| fs::rename(&self.temporary, &self.place))
                .map_err(|source| LaunchError::Write { path: self.place.clone(), source })?;
            Ok(value)
        });
        if renamed.is_err() {
            // The first error is the one to report.
            let _ = remove(&self.temporary);
        }
        renamed
    }
}

/// Removes what killed exports have left; what cannot be removed does no harm.
fn sweep(parent: &Path, prefix: &str) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let pid = name.strip_prefix(prefix).and_then(|pid| pid.parse().ok());
        if let Some(pid) = pid
            && kill(Pid::from_raw(pid), None) == Err(Errno::ESRCH)
        {
            let _ = remove(&entry.path());
        }
    }
}

fn may_be_replaced(dir: &Path) -> bool {
    let is_empty = fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_none());
    is_empty || dir.join(MARKER).is_file()
}

/// Removes what [`Target::new`] has found replaceable, if it is still there.
fn remove(path: &Path) -> std::io::Result<()> {
    let Ok(metadata) = fs::symlink_metadata(path) else { return Ok(()) };
    if metadata.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_is_kept_unless_forced() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("x.csv");
        let write = |content: &str, is_forced: bool| -> LaunchResult {
            Target::new(&file, is_forced)?.file(|path| {
                fs::write(path, content).unwrap();
                Ok(())
            })
        };
        write("1", false).unwrap();
        let error = write("2", false).unwrap_err();
        assert!(error.to_string().contains("x.csv` is there already"), "{error}");
        write("2", true).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "2");

        let dir = folder.path().join("model");
        let make = |content: &str| -> LaunchResult {
            Target::new(&dir, true)?.directory(|path| {
                fs::write(path.join(MARKER), content).unwrap();
                Ok(())
            })
        };
        make("1").unwrap();
        make("2").unwrap();
        assert_eq!(fs::read_to_string(dir.join(MARKER)).unwrap(), "2");
        let error = Target::new(folder.path(), true).unwrap_err();
        assert!(error.to_string().ends_with("a directory that no export made"), "{error}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "no temporary stays behind");
    }

    #[test]
    fn a_failure_leaves_the_old_and_nothing_new() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("x");
        fs::write(&file, "old").unwrap();
        let target = Target::new(&file, true).unwrap();
        let failed: LaunchResult = target.file(|path| {
            fs::write(path, "half").unwrap();
            Err(LaunchError::NoSource)
        });
        assert!(matches!(failed.unwrap_err(), LaunchError::NoSource));
        assert_eq!(fs::read_to_string(&file).unwrap(), "old");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        assert!(Target::new(&folder.path().join("no/x"), false).is_err());
        // No process has so large an id.
        fs::create_dir(folder.path().join(".x.tmp-2147483000")).unwrap();
        Target::new(&file, true).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
