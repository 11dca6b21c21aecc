//! Where an export goes: made under a temporary name beside its place, then renamed, so that
//! nothing half-written ever has its name.

use std::fs;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::signal::kill;
use nix::unistd::Pid;

use super::super::{CliError, CliResult};

/// The file that marks a directory as made by an export, so that a later export may replace it.
pub const MARKER: &str = "ser_export.json";

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
    pub fn new(out: &Path, is_forced: bool) -> CliResult<Self> {
        let place = std::path::absolute(out).map_err(|error| CliError::io("use", out, &error))?;
        let (Some(parent), Some(name)) = (place.parent(), place.file_name()) else {
            return Err(CliError::input(format!("`{}` is no place for an export", out.display()))
                .with_hint("name a file or a directory"));
        };
        if !parent.is_dir() {
            let message = format!("`{}` is no directory", parent.display());
            return Err(CliError::input(message).with_hint("make it first (`mkdir -p`)"));
        }
        if fs::symlink_metadata(&place).is_ok() {
            if !is_forced {
                let message = format!("`{}` is there already", out.display());
                return Err(CliError::input(message)
                    .with_hint("name another place, or add `--force` to replace it"));
            }
            if place.is_dir() && !may_be_replaced(&place) {
                let message = format!("`{}` is a directory that no export made", out.display());
                return Err(
                    CliError::input(message).with_hint("name another place, or remove it yourself")
                );
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
    pub fn directory<T>(&self, fill: impl FnOnce(&Path) -> CliResult<T>) -> CliResult<T> {
        fs::create_dir(&self.temporary)
            .map_err(|error| CliError::io("create", &self.temporary, &error))?;
        self.finish(fill(&self.temporary))
    }

    /// Makes a file there; `fill` writes it.
    ///
    /// # Errors
    /// Those of `fill`, after which nothing stays behind.
    pub fn file<T>(&self, fill: impl FnOnce(&Path) -> CliResult<T>) -> CliResult<T> {
        self.finish(fill(&self.temporary))
    }

    fn finish<T>(&self, filled: CliResult<T>) -> CliResult<T> {
        let renamed = filled.and_then(|value| {
            remove(&self.place)
                .and_then(|()| fs::rename(&self.temporary, &self.place))
                .map_err(|error| CliError::io("write", &self.place, &error))?;
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
        let write = |content: &str, is_forced: bool| -> CliResult {
            Target::new(&file, is_forced)?.file(|path| {
                fs::write(path, content).unwrap();
                Ok(())
            })
        };
        write("1", false).unwrap();
        let error = write("2", false).unwrap_err();
        assert!(error.message.contains("x.csv` is there already"), "{}", error.message);
        write("2", true).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "2");

        let dir = folder.path().join("model");
        let make = |content: &str| {
            Target::new(&dir, true)?.directory(|path| {
                fs::write(path.join(MARKER), content).unwrap();
                Ok(())
            })
        };
        make("1").unwrap();
        make("2").unwrap();
        assert_eq!(fs::read_to_string(dir.join(MARKER)).unwrap(), "2");
        let error = Target::new(folder.path(), true).unwrap_err();
        assert!(error.message.ends_with("a directory that no export made"), "{}", error.message);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "no temporary stays behind");
    }

    #[test]
    fn a_failure_leaves_the_old_and_nothing_new() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("x");
        fs::write(&file, "old").unwrap();
        let target = Target::new(&file, true).unwrap();
        let failed: CliResult = target.file(|path| {
            fs::write(path, "half").unwrap();
            Err(CliError::failure("no"))
        });
        assert_eq!(failed.unwrap_err().message, "no");
        assert_eq!(fs::read_to_string(&file).unwrap(), "old");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        assert!(Target::new(&folder.path().join("no/x"), false).is_err());
        // No process has so large an id.
        fs::create_dir(folder.path().join(".x.tmp-2147483000")).unwrap();
        Target::new(&file, true).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
