//! Where the files of a model with a name on the Hub lie.
//!
//! A worker has no network: the launch has put the files into the shared cache and the commit into the
//! spec, and here the folder is found again.

use std::path::{Path, PathBuf};

use crate::domain::source::hub_name::{HubName, RepositoryKind, cache_root, is_commit};

/// The folder of a model with a name on the Hub. If the cache does not have it, a folder is
/// returned all the same, and reading it reports the error.
pub(in crate::engine) fn snapshot(text: &str) -> PathBuf {
    snapshot_in(&cache_root(|key| std::env::var_os(key)), text)
}

fn snapshot_in(cache: &Path, text: &str) -> PathBuf {
    let Ok(name) = HubName::parse(text) else { return PathBuf::from(text) };
    of_revision(&name.folder(cache, RepositoryKind::Model), &name.revision)
}

/// The folder of a revision of a repository.
fn of_revision(folder: &Path, revision: &str) -> PathBuf {
    let reference = folder.join("refs").join(revision);
    let commit = match std::fs::read_to_string(reference) {
        Ok(text) if is_commit(text.trim()) => text.trim().to_owned(),
        _ => revision.to_owned(),
    };
    folder.join("snapshots").join(commit)
}

/// The folder of the base model that an adapter names by its id (`owner/name`, or a `name` of the Hub's
/// first models), if it is in the cache.
pub(in crate::engine) fn base_snapshot(id: &str, revision: Option<&str>) -> Option<PathBuf> {
    base_snapshot_in(&cache_root(|key| std::env::var_os(key)), id, revision)
}

fn base_snapshot_in(cache: &Path, id: &str, revision: Option<&str>) -> Option<PathBuf> {
    // A name without an owner gets a placeholder, so that the check of names accepts it.
    let whole = if id.contains('/') { format!("hf:{id}") } else { format!("hf:_/{id}") };
    let revision = revision.unwrap_or("main");
    let name = HubName::parse(&format!("{whole}@{revision}")).ok()?;
    let is_whole = name.path.is_empty() && name.revision == revision;
    let folder = if id.contains('/') {
        name.folder(cache, RepositoryKind::Model)
    } else {
        cache.join(format!("models--{id}"))
    };
    Some(of_revision(&folder, revision)).filter(|dir| is_whole && dir.is_dir())
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

    #[test]
    fn a_base_is_found_by_its_id_where_it_lies() {
        let cache = tempfile::tempdir().unwrap();
        let commit = "0b".repeat(20);
        for folder in ["models--a--m", "models--gpt"] {
            let folder = cache.path().join(folder);
            std::fs::create_dir_all(folder.join("refs")).unwrap();
            std::fs::write(folder.join("refs/main"), &commit).unwrap();
            std::fs::create_dir_all(folder.join("snapshots").join(&commit)).unwrap();
        }
        for (id, folder) in [("a/m", "models--a--m"), ("gpt", "models--gpt")] {
            let expected = cache.path().join(folder).join("snapshots").join(&commit);
            for revision in [None, Some("main"), Some(commit.as_str())] {
                assert_eq!(base_snapshot_in(cache.path(), id, revision).as_ref(), Some(&expected));
            }
            assert_eq!(base_snapshot_in(cache.path(), id, Some("v2")), None);
        }
        for id in ["a/other", "../a", "a/m/x", "/a/m", "a/m@main", "", "a--m"] {
            assert_eq!(base_snapshot_in(cache.path(), id, None), None, "{id}");
        }
    }
}
