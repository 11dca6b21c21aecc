//! Why a request gets no rewards, as a status of HTTP, a plain sentence and what helps.

use thiserror::Error;

use crate::domain::text::words;

/// Why a request gets no rewards.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Refusal {
    #[error("the body is broken JSON: {detail}")]
    BrokenJson { detail: String },
    #[error("{error}")]
    Wrong { error: String, hint: String },
    #[error("the request carries no token, or a wrong one")]
    NoToken,
    #[error("there is nothing at `{path}`")]
    NoPage { path: String },
    #[error("`{path}` does not take `{method}`")]
    NoMethod { method: String, path: String, allowed: &'static str },
    #[error("the body did not arrive within {seconds} s")]
    SlowBody { seconds: u64 },
    #[error("the body ended early: {detail}")]
    CutBody { detail: String },
    #[error("the body is larger than {}", words::bytes(*.n_max))]
    LargeBody { n_max: u64 },
    #[error("{} texts wait already", words::count(*.n_waiting))]
    Full { n_waiting: u64, retry_after_s: u64 },
    #[error("requests that hold more than {} are on their way already", words::bytes(*.n_max))]
    FullOfBytes { n_max: u64, retry_after_s: u64 },
    #[error("no rewards within {seconds} s")]
    Late { seconds: u64, retry_after_s: u64 },
    #[error("the server is stopping")]
    Stopping,
    #[error("{detail}")]
    Failed { detail: String },
}

impl Refusal {
    /// The status code of HTTP.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self {
            Self::BrokenJson { .. } | Self::CutBody { .. } => 400,
            Self::NoToken => 401,
            Self::NoPage { .. } => 404,
            Self::NoMethod { .. } => 405,
            Self::SlowBody { .. } => 408,
            Self::LargeBody { .. } => 413,
            Self::Wrong { .. } => 422,
            Self::Failed { .. } => 500,
            Self::Full { .. } | Self::FullOfBytes { .. } | Self::Late { .. } | Self::Stopping => {
                503
            }
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> &str {
        match self {
            Self::BrokenJson { .. } => "send one JSON object in UTF-8",
            Self::Wrong { hint, .. } => hint,
            Self::NoToken => {
                "send `Authorization: Bearer TOKEN`, or the token as the password of the address \
                 (`http://ser:TOKEN@host:5000/get_reward`)"
            }
            Self::NoPage { .. } => {
                "`POST /get_reward` answers rewards, `GET /health` says whether it runs"
            }
            Self::NoMethod { .. } => "`POST` to `/get_reward`, `GET` from `/health`",
            Self::SlowBody { .. } | Self::CutBody { .. } => "send the request again",
            Self::LargeBody { .. } => {
                "send fewer texts at a time, or start the server with a larger `--max-body`"
            }
            Self::Full { .. } | Self::FullOfBytes { .. } => {
                "send it again after `Retry-After` seconds"
            }
            Self::Late { .. } => {
                "send fewer texts at a time, or start the server with a larger `--timeout`"
            }
            Self::Stopping => "send it to the next server",
            Self::Failed { .. } => {
                "the other texts of the request may have rewards: send them alone"
            }
        }
    }

    /// When to try again, in seconds.
    #[must_use]
    pub fn retry_after_s(&self) -> Option<u64> {
        match self {
            Self::Full { retry_after_s, .. }
            | Self::FullOfBytes { retry_after_s, .. }
            | Self::Late { retry_after_s, .. } => Some(*retry_after_s),
            Self::Stopping => Some(1),
            Self::BrokenJson { .. }
            | Self::Wrong { .. }
            | Self::NoToken
            | Self::NoPage { .. }
            | Self::NoMethod { .. }
            | Self::SlowBody { .. }
            | Self::CutBody { .. }
            | Self::LargeBody { .. }
            | Self::Failed { .. } => None,
        }
    }
}
