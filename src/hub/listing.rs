//! What a repository holds at a revision.

use serde::Deserialize;

use super::attempts::Attempts;
use super::http::Client;
use super::reply::Reply;
use super::{HubError, Progress, Settings};
use crate::domain::source::hub_name::{HubName, RepositoryKind, is_commit, is_plain_path};

/// Most bytes of a listing; a longer reply is refused.
const BYTES_MAX: u64 = 64 << 20;

/// The files of a repository at one commit.
#[derive(Debug, Clone)]
pub struct Listing {
    /// As it was asked for.
    pub name: HubName,
    /// A model or a data set.
    pub kind: RepositoryKind,
    /// The revision that was asked for.
    pub revision: String,
    /// The commit that it is.
    pub commit: String,
    /// In the order of the Hub.
    pub files: Vec<RemoteFile>,
}

/// One file of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteFile {
    /// Below the repository, with `/` between folders.
    pub path: String,
    /// Bytes, where they are known.
    pub size: Option<u64>,
    /// The name of its content in the cache, where that is known.
    pub etag: Option<String>,
    /// Digest of its content, where the Hub keeps one (large files).
    pub sha256: Option<String>,
}

impl Listing {
    /// Whether a path is there.
    #[must_use]
    pub fn has(&self, path: &str) -> bool {
        self.files.iter().any(|file| file.path == path)
    }

    /// Whether a model is complete: of one in shards (`model-00001-of-00003.safetensors`), all of
    /// them are here.
    pub(super) fn is_whole_model(&self) -> bool {
        let n_shards = |path: &str| -> Option<usize> {
            path.strip_suffix(".safetensors")?.rsplit_once("-of-")?.1.parse().ok()
        };
        let shards: Vec<usize> =
            self.files.iter().filter_map(|file| n_shards(&file.path)).collect();
        let has_weights =
            self.has("model.safetensors") || shards.first().is_some_and(|n| *n == shards.len());
        has_weights && self.has("config.json") && self.has("tokenizer.json")
    }
}

/// The part of `/api/models/…/revision/…` that matters.
#[derive(Deserialize)]
struct Info {
    sha: Option<String>,
    #[serde(default)]
    siblings: Vec<Sibling>,
}

#[derive(Deserialize)]
struct Sibling {
    rfilename: String,
    size: Option<u64>,
    #[serde(rename = "blobId")]
    blob_id: Option<String>,
    lfs: Option<LargeFile>,
}

#[derive(Deserialize)]
struct LargeFile {
    sha256: Option<String>,
    size: Option<u64>,
}

/// Asks the Hub which files a revision of a repository has.
pub(super) fn fetch(
    client: &Client,
    settings: &Settings,
    name: &HubName,
    kind: RepositoryKind,
    progress: &mut dyn Progress,
) -> Result<Listing, HubError> {
    let kind_path = match kind {
        RepositoryKind::Model => "models",
        RepositoryKind::Dataset => "datasets",
    };
    let revision = escaped(&name.revision, false);
    let url = format!(
        "{}/api/{kind_path}/{}/revision/{revision}?blobs=true",
        settings.endpoint,
        name.repository()
    );
    let malformed = |detail: String| HubError::Malformed { url: url.clone(), detail };
    let mut attempts = Attempts::new(settings);
    let text = loop {
        let reply = attempts.ask(|| client.get(&url, 0), &url, progress)?;
        if reply.status != 200 {
            return Err(HubError::status(name, &url, &reply));
        }
        match read_all(reply) {
            Ok(text) => break text,
            Err(error) => attempts.wait_after_cut(&url, &error, progress)?,
        }
    };
    let info: Info = serde_json::from_str(&text).map_err(|error| malformed(error.to_string()))?;
    let commit = info.sha.filter(|sha| is_commit(sha));
    let commit = commit.ok_or_else(|| malformed("there is no commit in `sha`".to_owned()))?;
    if name.is_pinned() && name.revision != commit {
        return Err(malformed(format!("it answers for commit {commit}")));
    }
    let files = info.siblings.into_iter().map(|sibling| checked(sibling, &url));
    Ok(Listing {
        name: name.clone(),
        kind,
        revision: name.revision.clone(),
        commit,
        files: files.filter_map(Result::transpose).collect::<Result<_, _>>()?,
    })
}

fn read_all(reply: Reply) -> std::io::Result<String> {
    use std::io::Read;
    let mut text = String::new();
    reply.body.take(BYTES_MAX).read_to_string(&mut text)?;
    Ok(text)
}

/// A file of the listing that is kept. Hidden files (`.gitattributes`) are left out; a name that
/// would lead outside the folder makes the whole listing invalid.
fn checked(sibling: Sibling, url: &str) -> Result<Option<RemoteFile>, HubError> {
    let path = sibling.rfilename;
    if !is_plain_path(&path) {
        let is_hidden = |part: &str| part.starts_with('.') && !part.starts_with("..");
        let shown: Vec<&str> = path.split('/').filter(|part| !is_hidden(part)).collect();
        if shown.len() < path.split('/').count()
            && (shown.is_empty() || is_plain_path(&shown.join("/")))
        {
            return Ok(None);
        }
        return Err(HubError::BadFileName { url: url.to_owned(), path });
    }
    let is_digest = |text: &String| text.bytes().all(|b| b.is_ascii_hexdigit());
    let large = sibling.lfs.unwrap_or(LargeFile { sha256: None, size: None });
    let sha256 = large.sha256.filter(|sha| sha.len() == 64 && is_digest(sha));
    let blob_id = sibling.blob_id.filter(|id| id.len() == 40 && is_digest(id));
    Ok(Some(RemoteFile {
        path,
        size: large.size.or(sibling.size),
        etag: sha256.clone().or(blob_id),
        sha256,
    }))
}

/// Percent-encodes what does not belong into a part of an address; slashes too, unless they are kept.
pub(super) fn escaped(text: &str, keeps_slashes: bool) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                out.push(byte as char);
            }
            b'/' if keeps_slashes => out.push('/'),
            _ => out.extend(['%', hex_digit(byte >> 4), hex_digit(byte & 15)]),
        }
    }
    out
}

fn hex_digit(value: u8) -> char {
    char::from_digit(u32::from(value), 16).unwrap_or('0').to_ascii_uppercase()
}
