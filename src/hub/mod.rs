//! Models and data sets by their name on the Hub: found, fetched, checked, and kept in the cache that
//! `huggingface_hub` and transformers share.
//!
//! [`Hub::list`] says which commit a revision is and which files it has; [`Hub::fetch`] brings some of
//! them into the cache. Both work without a network for what lies there already. A run stores the
//! commit, and its worker reads the cache: only the command line ever talks to the network.
//!
//! What comes from outside is checked before it is used: names of files can lead nowhere but below the
//! snapshot, sizes and SHA-256 digests are compared before a file gets its name, and the token is sent
//! to no other host than the one it is for.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::domain::source::hub_name;
use crate::domain::source::hub_name::{HubName, RepositoryKind};

mod attempts;
mod cache;
mod download;
mod error;
#[cfg(feature = "hub")]
mod http;
#[cfg(not(feature = "hub"))]
#[path = "no_http.rs"]
mod http;
mod listing;
mod reply;
mod select;
#[cfg(test)]
mod test_server;
#[cfg(test)]
mod tests;

pub use error::HubError;
pub use listing::{Listing, RemoteFile};
pub use select::{Part, data_files, model_files};

/// The address of the Hub, unless `HF_ENDPOINT` names another one.
const ENDPOINT: &str = "https://huggingface.co";

/// How to reach the Hub.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `HF_ENDPOINT`, without a slash at its end.
    pub endpoint: String,
    /// `HF_TOKEN`, or what the token file holds.
    pub token: Option<String>,
    /// The folder of the shared cache.
    pub cache: PathBuf,
    /// `HF_HUB_OFFLINE`: never ask the network.
    pub offline: bool,
    /// A bundle of certificates to trust instead of the built-in ones (`SSL_CERT_FILE`,
    /// `REQUESTS_CA_BUNDLE`, `CURL_CA_BUNDLE`).
    pub certificates: Option<PathBuf>,
    /// How long to wait before the first repetition of a request; it doubles each time.
    pub patience: Duration,
}

impl Settings {
    /// Reads the settings from the variables that `huggingface_hub` reads.
    #[must_use]
    pub fn from_environment() -> Self {
        let text = |key: &str| std::env::var(key).ok().filter(|value| !value.trim().is_empty());
        let is_set = |key: &str| {
            text(key).is_some_and(|value| {
                matches!(value.to_ascii_lowercase().as_str(), "1" | "true" | "yes" | "on")
            })
        };
        let home = hub_name::hub_home(|key| std::env::var_os(key));
        let token_file = text("HF_TOKEN_PATH").map_or_else(|| home.join("token"), PathBuf::from);
        let from_file = || std::fs::read_to_string(token_file).ok();
        let token = text("HF_TOKEN").or_else(|| text("HUGGING_FACE_HUB_TOKEN")).or_else(from_file);
        let endpoint = text("HF_ENDPOINT").unwrap_or_else(|| ENDPOINT.to_owned());
        let certificates = ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"];
        Self {
            endpoint: endpoint.trim_end_matches('/').to_owned(),
            token: token.map(|token| token.trim().to_owned()).filter(|token| !token.is_empty()),
            cache: hub_name::cache_root(|key| std::env::var_os(key)),
            offline: is_set("HF_HUB_OFFLINE") || is_set("TRANSFORMERS_OFFLINE"),
            certificates: certificates.into_iter().find_map(text).map(PathBuf::from),
            patience: Duration::from_secs(1),
        }
    }
}

/// A listener that is told how a download goes.
pub trait Progress {
    /// `done` of `total` bytes of a file are here.
    fn advanced(&mut self, file: &str, done: u64, total: Option<u64>);
    /// Takes a message: a repeated request, or a fallback.
    fn said(&mut self, text: &str);
}

/// The Hub, and the cache before it.
#[derive(Debug)]
pub struct Hub {
    settings: Settings,
    client: Option<http::Client>,
}

impl Hub {
    /// Prepares a client; no request is made yet.
    ///
    /// # Errors
    /// When the endpoint or the certificates cannot be used.
    pub fn new(settings: Settings) -> Result<Self, HubError> {
        let client = if settings.offline { None } else { Some(http::Client::new(&settings)?) };
        Ok(Self { settings, client })
    }

    /// Which commit a revision is, and which files it has.
    ///
    /// Without a network it returns what the cache has of the revision. A commit never changes, so
    /// a model at a commit that is complete in the cache needs no network either.
    ///
    /// # Errors
    /// When there is no such repository or revision, or it may not be read; without a network, when the
    /// cache does not have it.
    pub fn list(
        &self,
        name: &HubName,
        kind: RepositoryKind,
        progress: &mut dyn Progress,
    ) -> Result<Listing, HubError> {
        let cache = self.repository(name, kind);
        let cached = || cache.listing(name);
        let Some(client) = &self.client else {
            return cached().ok_or_else(|| HubError::NotCached {
                name: name.to_string(),
                cache: self.settings.cache.clone(),
            });
        };
        if name.is_pinned()
            && kind == RepositoryKind::Model
            && let Some(listing) = cached().filter(Listing::is_whole_model)
        {
            return Ok(listing);
        }
        match listing::fetch(client, &self.settings, name, kind, progress) {
            Err(error @ HubError::Unreachable { .. }) => {
                let listing = cached().ok_or(error)?;
                progress.said(&format!(
                    "warning: `{}` cannot be reached; what the cache has of `{name}` is used",
                    self.settings.endpoint
                ));
                Ok(listing)
            }
            listing => listing,
        }
    }

    /// Brings files into the cache and returns the folder of the snapshot; files that are there
    /// already are not requested again.
    ///
    /// # Errors
    /// When a file cannot be fetched, or is not what it should be. What was fetched of a file stays, so
    /// that the next attempt goes on from there; a wrong file does not.
    pub fn fetch(
        &self,
        listing: &Listing,
        files: &[RemoteFile],
        progress: &mut dyn Progress,
    ) -> Result<PathBuf, HubError> {
        let cache = self.repository(&listing.name, listing.kind);
        let snapshot = cache.snapshot(&listing.commit);
        for file in files {
            if cache.has(&listing.commit, &file.path) {
                continue;
            }
            let Some(client) = &self.client else {
                return Err(HubError::NotCached {
                    name: format!("{}/{}", listing.name.at(&listing.commit), file.path),
                    cache: self.settings.cache.clone(),
                });
            };
            download::file(client, &self.settings, &cache, listing, file, progress)?;
        }
        // Written last: a reference to a snapshot says that what was asked for is there.
        cache.refer(&listing.revision, &listing.commit)?;
        Ok(snapshot)
    }

    fn repository(&self, name: &HubName, kind: RepositoryKind) -> cache::Repository {
        cache::Repository::new(name.folder(&self.settings.cache, kind))
    }
}

/// The models of a cache: each name with its commit, and where it lies.
#[must_use]
pub fn cached_models(cache: &Path) -> Vec<(HubName, PathBuf)> {
    cache::models(cache)
}
