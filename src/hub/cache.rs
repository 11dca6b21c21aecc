//! One repository of the shared cache, in the layout of `huggingface_hub`.
//!
//! ```text
//! models--owner--name/
//!   refs/main                    the commit of a branch or tag
//!   snapshots/<commit>/<path>    links into blobs
//!   blobs/<etag>                 contents: SHA-256 of large files, git's digest of small ones
//!   blobs/<etag>.incomplete      on its way
//! .locks/models--owner--name/<etag>.lock
//! ```

use std::fs::File;
use std::path::{Path, PathBuf};

use super::HubError;
use super::listing::{Listing, RemoteFile};
use crate::domain::source::hub_name::{HubName, RepositoryKind, is_commit, is_plain_path};

/// The folder of one repository.
#[derive(Debug, Clone)]
pub(super) struct Repository {
    root: PathBuf,
}

impl Repository {
    pub(super) fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// The folder of a commit's files.
    pub(super) fn snapshot(&self, commit: &str) -> PathBuf {
        self.root.join("snapshots").join(commit)
    }

    /// The commit of a revision, as the cache knows it.
    pub(super) fn commit(&self, revision: &str) -> Option<String> {
        if is_commit(revision) {
            return Some(revision.to_owned());
        }
        let text = std::fs::read_to_string(self.root.join("refs").join(revision)).ok()?;
        Some(text.trim().to_owned()).filter(|commit| is_commit(commit))
    }

    /// Whether a file of a commit is here: a link whose content is gone does not count.
    pub(super) fn has(&self, commit: &str, path: &str) -> bool {
        self.snapshot(commit).join(path).is_file()
    }

    /// The files of a name that the cache has.
    pub(super) fn listing(&self, name: &HubName) -> Option<Listing> {
        let commit = self.commit(&name.revision)?;
        let snapshot = self.snapshot(&commit);
        let mut files = Vec::new();
        files_below(&snapshot, "", &mut files);
        files.sort_by(|a, b| a.path.cmp(&b.path));
        let is_model = self.root.file_name()?.to_str()?.starts_with("models--");
        let kind = if is_model { RepositoryKind::Model } else { RepositoryKind::Dataset };
        let revision = name.revision.clone();
        (!files.is_empty()).then(|| Listing { name: name.clone(), kind, revision, commit, files })
    }

    /// Notes which commit a branch or tag is.
    pub(super) fn refer(&self, revision: &str, commit: &str) -> Result<(), HubError> {
        if is_commit(revision) || self.commit(revision).as_deref() == Some(commit) {
            return Ok(());
        }
        let path = self.root.join("refs").join(revision);
        make_folder(path.parent())?;
        // Written under another name and renamed, so that no reader sees half a commit.
        let aside = path.with_extension(format!("{}.new", std::process::id()));
        std::fs::write(&aside, commit).map_err(HubError::io("write", &aside))?;
        std::fs::rename(&aside, &path).map_err(HubError::io("write", &path))
    }

    /// Where the content named `etag` lies.
    pub(super) fn blob(&self, etag: &str) -> PathBuf {
        self.root.join("blobs").join(etag)
    }

    /// Gives a commit's file its content.
    pub(super) fn link(&self, commit: &str, path: &str, etag: &str) -> Result<(), HubError> {
        let link = self.snapshot(commit).join(path);
        make_folder(link.parent())?;
        let up = "../".repeat(2 + path.matches('/').count());
        let target = format!("{up}blobs/{etag}");
        // A link to content that is gone is replaced.
        let _ = std::fs::remove_file(&link);
        std::os::unix::fs::symlink(target, &link).map_err(HubError::io("write", &link))
    }

    /// Waits until no other process fetches this content. The lock is released when the file is
    /// closed.
    pub(super) fn lock(&self, etag: &str) -> Result<File, HubError> {
        let name = self.root.file_name().unwrap_or_default();
        let locks = self.root.with_file_name(".locks").join(name);
        make_folder(Some(&locks))?;
        make_folder(self.blob(etag).parent())?;
        let path = locks.join(format!("{etag}.lock"));
        let open = File::options().create(true).truncate(false).write(true).open(&path);
        let file = open.map_err(HubError::io("write", &path))?;
        file.lock().map_err(HubError::io("lock", &path))?;
        Ok(file)
    }
}

fn make_folder(path: Option<&Path>) -> Result<(), HubError> {
    let Some(path) = path else { return Ok(()) };
    std::fs::create_dir_all(path).map_err(HubError::io("make", path))
}

fn files_below(folder: &Path, prefix: &str, out: &mut Vec<RemoteFile>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let Ok(name) = entry.file_name().into_string() else { continue };
        let path = format!("{prefix}{name}");
        let at = entry.path();
        if !is_plain_path(&path) {
            continue;
        }
        match std::fs::metadata(&at) {
            Ok(found) if found.is_dir() => files_below(&at, &format!("{path}/"), out),
            Ok(found) if found.is_file() => {
                out.push(RemoteFile { path, size: Some(found.len()), etag: None, sha256: None });
            }
            _ => {}
        }
    }
}

/// Every commit of every model that a cache has files of.
pub(super) fn models(cache: &Path) -> Vec<(HubName, PathBuf)> {
    let names = |folder: &Path| -> Vec<String> {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        let mut names: Vec<_> =
            entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
        names.sort();
        names
    };
    let mut found = Vec::new();
    for folder in names(cache) {
        let Some(repository) = folder.strip_prefix("models--") else { continue };
        let text = format!("hf:{}", repository.replacen("--", "/", 1));
        let Ok(name) = HubName::parse(&text) else { continue };
        let snapshots = cache.join(&folder).join("snapshots");
        for commit in names(&snapshots).into_iter().filter(|commit| is_commit(commit)) {
            found.push((name.at(&commit), snapshots.join(&commit)));
        }
    }
    found
}
