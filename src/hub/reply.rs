//! What a host answers, whatever asked it.

use std::io::Read;

/// The beginning of an answer, and the rest to read.
pub(super) struct Reply {
    pub(super) status: u16,
    /// `Retry-After`, in seconds.
    pub(super) retry_after: Option<u64>,
    /// Where the body begins within the file, from `Content-Range`.
    pub(super) start: Option<u64>,
    /// Bytes of the body, where they are known.
    pub(super) length: Option<u64>,
    /// The name of the content: `X-Linked-Etag` of the first host, else `ETag`.
    pub(super) etag: Option<String>,
    /// `X-Error-Message`.
    pub(super) message: Option<String>,
    pub(super) body: Box<dyn Read + Send>,
}

/// A request that got no answer.
#[derive(Debug)]
pub(super) struct NoAnswer(pub(super) String);
