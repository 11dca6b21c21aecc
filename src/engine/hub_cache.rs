//! Where the files of a model with a name on the Hub lie.
//!
//! A worker has no network: the launch has put the files into the shared cache and the commit into the
//! spec, and here the folder is found again.

use std::path::{Path, PathBuf};

use crate::domain::hub_name::{HubName, RepositoryKind, cache_root, is_commit};

/// The folder of a named model. One that is not there is named all the same: reading it says so.
pub(super) fn snapshot(text: &str) -> PathBuf {
    snapshot_in(&cache_root(|key| std::env::var_os(key)), text)
}

fn snapshot_in(cache: &Path, text: &str) -> PathBuf {
    let Ok(name) = HubName::parse(text) else { return PathBuf::from(text) };
    let folder = name.folder(cache, RepositoryKind::Model);
    let reference = folder.join("refs").join(&name.revision);
    let commit = match std::fs::read_to_string(reference) {
        Ok(text) if is_commit(text.trim()) => text.trim().to_owned(),
        _ => name.revision,
    };
    folder.join("snapshots").join(commit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_branch_is_looked_up_and_a_commit_is_not() {
        let cache = tempfile::tempdir().unwrap();
        let folder = cache.path().join("models--a--m");
        let commit = "0a".repeat(20);
        std::fs::create_dir_all(folder.join("refs")).unwrap();
        std::fs::write(folder.join("refs/main"), &commit).unwrap();
        let expected = folder.join("snapshots").join(&commit);
        assert_eq!(snapshot_in(cache.path(), "hf:a/m"), expected);
        assert_eq!(snapshot_in(cache.path(), &format!("hf:a/m@{commit}")), expected);
        let other = snapshot_in(cache.path(), "hf:a/m@v2");
        assert_eq!(other, folder.join("snapshots/v2"));
        assert_eq!(snapshot_in(cache.path(), "hf:../x"), Path::new("hf:../x"));
    }
}
