//! Names on the Hub: `hf:owner/name[@revision][/path]`, and where their files lie in the shared cache.
//!
//! The cache is the one of the `huggingface_hub` library, so that what one program has fetched the
//! other finds: `models--owner--name/{refs,snapshots,blobs}`. A name is checked part by part before it
//! becomes a path; nothing in one can lead outside the cache.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// What every name begins with.
pub const PREFIX: &str = "hf:";
/// Longest owner or name, as on the Hub.
const PART_MAX: usize = 96;
/// Longest revision or path that is accepted.
const LONG_MAX: usize = 255;

/// Whether a repository holds a model or a data set; the Hub keeps the two apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RepositoryKind {
    /// `models--…`, `/api/models/…`
    Model,
    /// `datasets--…`, `/api/datasets/…`
    Dataset,
}

/// The name of a repository on the Hub, whose parts are checked.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HubName {
    pub owner: String,
    /// What it is called.
    pub name: String,
    /// A branch, a tag or a commit; `main` where none is named.
    pub revision: String,
    /// A file, a folder or a pattern within it; empty is all of it.
    pub path: String,
}

/// Why a text is no name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not `hf:owner/name[@revision]`: {reason}")]
pub struct BadName {
    pub text: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

impl HubName {
    /// Whether a text begins like a name on the Hub, be the rest right or wrong.
    #[must_use]
    pub fn is_meant(text: &str) -> bool {
        text.starts_with(PREFIX)
    }

    /// Reads a name.
    ///
    /// # Errors
    /// When a part is missing or has characters that no name has.
    pub fn parse(text: &str) -> Result<Self, BadName> {
        let bad = |reason| BadName { text: text.to_owned(), reason };
        let rest = text.strip_prefix(PREFIX).ok_or_else(|| bad("it does not begin with `hf:`"))?;
        let (owner, rest) = rest.split_once('/').ok_or_else(|| bad("there is no `/`"))?;
        let end = rest.find(['@', '/']).unwrap_or(rest.len());
        let (name, rest) = rest.split_at(end);
        if !is_part(owner) || !is_part(name) {
            return Err(bad("owner and name have letters, digits, `-`, `_` and `.`"));
        }
        let (revision, path) = match rest.strip_prefix('@') {
            Some(rest) => split_revision(rest),
            None => ("main", rest.strip_prefix('/').unwrap_or_default()),
        };
        if !is_plain_path(revision) || revision.contains(['*', ' ']) {
            return Err(bad("a revision is a branch, a tag or a commit"));
        }
        if !path.is_empty() && !is_plain_path(path.trim_end_matches('/')) {
            return Err(bad("what follows the name is not a path within it"));
        }
        Ok(Self {
            owner: owner.to_owned(),
            name: name.to_owned(),
            revision: revision.to_owned(),
            path: path.trim_end_matches('/').to_owned(),
        })
    }

    /// The name without its revision, `owner/name`.
    #[must_use]
    pub fn repository(&self) -> String {
        format!("{}/{}", self.owner, self.name)
    }

    /// The same at another revision.
    #[must_use]
    pub fn at(&self, revision: &str) -> Self {
        Self { revision: revision.to_owned(), ..self.clone() }
    }

    /// Whether the revision is a commit, which never changes.
    #[must_use]
    pub fn is_pinned(&self) -> bool {
        is_commit(&self.revision)
    }

    /// The folder of the repository within a cache.
    #[must_use]
    pub fn folder(&self, cache: &Path, kind: RepositoryKind) -> PathBuf {
        let kind = match kind {
            RepositoryKind::Model => "models",
            RepositoryKind::Dataset => "datasets",
        };
        cache.join(format!("{kind}--{}--{}", self.owner, self.name))
    }
}

impl std::fmt::Display for HubName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{PREFIX}{}/{}", self.owner, self.name)?;
        if self.revision != "main" {
            write!(f, "@{}", self.revision)?;
        }
        if !self.path.is_empty() {
            write!(f, "/{}", self.path)?;
        }
        Ok(())
    }
}

/// Splits the revision from the path. A revision ends at the next `/`, but `refs/pr/1` and
/// `refs/convert/parquet` are revisions that contain slashes.
fn split_revision(text: &str) -> (&str, &str) {
    let n_slashes = if text.starts_with("refs/") { 2 } else { 0 };
    text.match_indices('/')
        .nth(n_slashes)
        .map_or((text, ""), |(at, _)| (&text[..at], &text[at + 1..]))
}

fn is_part(text: &str) -> bool {
    let is_fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    !text.is_empty()
        && text.len() <= PART_MAX
        && text.chars().all(is_fine)
        && !text.starts_with(['-', '.'])
        && !text.ends_with(['-', '.'])
        && !text.contains("--")
        && !text.contains("..")
}

/// Whether a text names a file below a folder and can lead nowhere else: parts between single slashes,
/// none hidden, no backslashes, no control characters.
#[must_use]
pub fn is_plain_path(text: &str) -> bool {
    let is_fine = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && !part.contains(['\\', ':'])
            && !part.chars().any(char::is_control)
    };
    text.len() <= LONG_MAX && text.split('/').all(is_fine)
}

/// Whether a text is a commit: 40 hexadecimal digits.
#[must_use]
pub fn is_commit(text: &str) -> bool {
    text.len() == 40 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// The folder of the cache, by the variables that `huggingface_hub` reads; `variable` looks one up.
#[must_use]
pub fn cache_root(variable: impl Fn(&str) -> Option<OsString>) -> PathBuf {
    let path = |key: &str| variable(key).filter(|value| !value.is_empty()).map(PathBuf::from);
    path("HF_HUB_CACHE")
        .or_else(|| path("HUGGINGFACE_HUB_CACHE"))
        .unwrap_or_else(|| hub_home(&variable).join("hub"))
}

/// The folder of everything that `huggingface_hub` keeps: `HF_HOME`, else
/// `~/.cache/huggingface`.
#[must_use]
pub fn hub_home(variable: impl Fn(&str) -> Option<OsString>) -> PathBuf {
    let path = |key: &str| variable(key).filter(|value| !value.is_empty()).map(PathBuf::from);
    path("HF_HOME").unwrap_or_else(|| {
        let cache = path("XDG_CACHE_HOME")
            .unwrap_or_else(|| path("HOME").unwrap_or_default().join(".cache"));
        cache.join("huggingface")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> (String, String, String, String) {
        let name = HubName::parse(text).unwrap();
        assert_eq!(HubName::parse(&name.to_string()).unwrap(), name);
        (name.owner, name.name, name.revision, name.path)
    }

    #[test]
    fn names_have_up_to_four_parts() {
        let expected = |o: &str, n: &str, r: &str, p: &str| {
            (o.to_owned(), n.to_owned(), r.to_owned(), p.to_owned())
        };
        assert_eq!(parts("hf:a/b.c-d_e"), expected("a", "b.c-d_e", "main", ""));
        assert_eq!(parts("hf:a/b@v1.0"), expected("a", "b", "v1.0", ""));
        assert_eq!(
            parts("hf:a/b/x/train.jsonl.gz"),
            expected("a", "b", "main", "x/train.jsonl.gz")
        );
        assert_eq!(parts("hf:a/b@v1/x/"), expected("a", "b", "v1", "x"));
        assert_eq!(parts("hf:a/b@refs/pr/1"), expected("a", "b", "refs/pr/1", ""));
        assert_eq!(parts("hf:a/b@refs/pr/1/*.csv"), expected("a", "b", "refs/pr/1", "*.csv"));
        assert!(HubName::parse(&format!("hf:a/b@{}", "0a".repeat(20))).unwrap().is_pinned());
        assert!(!HubName::parse("hf:a/b").unwrap().is_pinned());
    }

    #[test]
    fn nothing_leads_outside_the_cache() {
        for text in [
            "hf:",
            "hf:a",
            "hf:/b",
            "hf:a/",
            "hf:../b",
            "hf:a/..",
            "hf:a/b@..",
            "hf:a/b@../../c",
            "hf:a/b@",
            "hf:a/b@/c",
            "hf:a--b/c",
            "hf:-a/b",
            "hf:a/.b",
            "hf:a/b/../c",
            "hf:a/b//c",
            "hf:a/b/.git/x",
            "hf:a\\b/c",
            "hf:a/b@x\\y",
            "hf:a b/c",
            "hf:a/b@x\u{7}",
            "hf:a/C:\\x",
            "hf:a/b@refs/../x",
            "hf:a/b/c\u{0}",
        ] {
            assert!(HubName::parse(text).is_err(), "{text:?}");
        }
        let long = format!("hf:a/{}", "b".repeat(97));
        assert!(HubName::parse(&long).is_err());
    }

    #[test]
    fn the_cache_is_where_the_other_library_keeps_it() {
        let root = |set: &[(&str, &str)]| {
            let set: Vec<_> =
                set.iter().map(|(k, v)| ((*k).to_owned(), OsString::from(v))).collect();
            cache_root(move |key| set.iter().find(|(k, _)| k == key).map(|(_, v)| v.clone()))
        };
        let home = ("HOME", "/h");
        assert_eq!(root(&[home]), Path::new("/h/.cache/huggingface/hub"));
        assert_eq!(root(&[home, ("XDG_CACHE_HOME", "/x")]), Path::new("/x/huggingface/hub"));
        assert_eq!(root(&[home, ("HF_HOME", "/f")]), Path::new("/f/hub"));
        assert_eq!(root(&[home, ("HF_HOME", "/f"), ("HF_HUB_CACHE", "/c")]), Path::new("/c"));
        let name = HubName::parse("hf:a/b").unwrap();
        assert_eq!(
            name.folder(Path::new("/c"), RepositoryKind::Model),
            Path::new("/c/models--a--b")
        );
    }
}
