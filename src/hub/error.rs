//! What can go wrong on the way from the Hub.

use std::path::PathBuf;

use super::reply::Reply;
use crate::domain::source::hub_name::HubName;

/// The reason why a name on the Hub could not be fetched.
#[derive(Debug, thiserror::Error)]
pub enum HubError {
    /// The program was built without the network.
    #[error("this program was built without the feature `hub`, which fetches models by name")]
    NotBuilt,
    /// `HF_ENDPOINT` is no address.
    #[error("`HF_ENDPOINT` is `{endpoint}`, which is not an address with `https://`")]
    BadEndpoint { endpoint: String },
    /// A file of certificates cannot be loaded.
    #[error("`{}` is not a bundle of certificates: {detail}", path.display())]
    BadCertificates { path: PathBuf, detail: String },
    /// The network is switched off (`HF_HUB_OFFLINE`), and the cache does not have the name.
    #[error("`{name}` is not in the cache `{}`, and `HF_HUB_OFFLINE` is set", cache.display())]
    NotCached {
        /// What was asked for.
        name: String,
        /// Where it was looked for.
        cache: PathBuf,
    },
    /// No answer, after several attempts.
    #[error("cannot reach `{url}`: {reason}")]
    Unreachable {
        url: String,
        /// What the last attempt came to.
        reason: String,
    },
    /// The server asks to be left alone for a while.
    #[error("`{url}` answers {status}{}", wait(*retry_after))]
    Busy {
        url: String,
        /// Either `429` or `5xx`.
        status: u16,
        /// The wait it asks for, in seconds.
        retry_after: Option<u64>,
    },
    /// The token is missing, or does not grant access.
    #[error("`{name}` may not be read ({status}){}", colon(message))]
    Refused {
        /// What was asked for.
        name: String,
        /// Either `401` or `403`.
        status: u16,
        /// What the server says.
        message: String,
    },
    /// There is no such repository, revision or file.
    #[error("there is no `{name}` at `{url}`{}", colon(message))]
    NotFound {
        /// What was asked for.
        name: String,
        url: String,
        /// What the server says.
        message: String,
    },
    /// An answer of another kind.
    #[error("`{url}` answers {status}{}", colon(message))]
    Unexpected {
        url: String,
        status: u16,
        /// What the server says.
        message: String,
    },
    /// The answer cannot be read.
    #[error("`{url}` does not answer as the Hub does: {detail}")]
    Malformed { url: String, detail: String },
    /// A listed file name would lead outside the snapshot.
    #[error("`{url}` lists a file named `{path}`, which leads out of its folder")]
    BadFileName { url: String, path: String },
    /// A content differs from what was announced; it was not kept.
    #[error("`{url}` has {found}, expected {expected}; it was not kept")]
    WrongContent { url: String, expected: String, found: String },
    /// The repository has nothing that could be used.
    #[error("`{name}` has no {what}")]
    NothingUsable {
        name: String,
        /// What was looked for.
        what: String,
        /// What to do about it.
        hint: String,
    },
    /// A file of the cache cannot be read or written.
    #[error("cannot {action} `{}`", path.display())]
    Io {
        /// Such as `read` or `write`.
        action: &'static str,
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
}

fn wait(seconds: Option<u64>) -> String {
    seconds.map_or_else(String::new, |n| format!(" and asks to wait for {n} s"))
}

fn colon(message: &str) -> String {
    if message.is_empty() { String::new() } else { format!(": {message}") }
}

impl HubError {
    pub(super) fn io(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { action, path, source }
    }

    /// The error that an HTTP status stands for.
    pub(super) fn status(name: &HubName, url: &str, reply: &Reply) -> Self {
        let (name, url) = (name.to_string(), url.to_owned());
        let message = reply.message.clone().unwrap_or_default();
        match reply.status {
            401 | 403 => Self::Refused { name, status: reply.status, message },
            404 => Self::NotFound { name, url, message },
            status => Self::Unexpected { url, status, message },
        }
    }

    /// What the person can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::NotBuilt => "build with `cargo build --release --features hub`, or name a folder",
            Self::BadEndpoint { .. } => {
                "unset `HF_ENDPOINT`, or write an address such as `https://hub.example.org`"
            }
            Self::BadCertificates { .. } => {
                "check `SSL_CERT_FILE`, `REQUESTS_CA_BUNDLE` and `CURL_CA_BUNDLE`"
            }
            Self::NotCached { .. } => {
                "unset `HF_HUB_OFFLINE`, or run `ser model import` where there is a network"
            }
            Self::Unreachable { .. } => {
                "check the network (`HTTPS_PROXY`, `SSL_CERT_FILE`), or set `HF_HUB_OFFLINE=1` to use \
                 the cache"
            }
            Self::Busy { .. } => "try again later: what has been fetched is kept",
            Self::Refused { status: 401, .. } => {
                "check the spelling; if it is private or gated, set `HF_TOKEN` to a token that may \
                 read it, or write the token to `~/.cache/huggingface/token`"
            }
            Self::Refused { .. } => {
                "ask for access on its page on the Hub, with the account of the token"
            }
            Self::NotFound { .. } => "check owner, name and revision: `hf:owner/name[@revision]`",
            Self::BadFileName { .. } => "do not use this repository",
            Self::WrongContent { .. } => {
                "try again; if it stays so, the server is not to be trusted"
            }
            Self::NothingUsable { hint, .. } => hint,
            Self::Unexpected { .. } | Self::Malformed { .. } => "check `HF_ENDPOINT`",
            Self::Io { source, .. } if source.kind() == std::io::ErrorKind::StorageFull => {
                "free some disk space; what has been fetched is kept"
            }
            Self::Io { .. } => "check `HF_HOME` and the permissions of the cache",
        };
        Some(hint.to_owned())
    }
}
