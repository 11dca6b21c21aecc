//! Downloads one file into the cache: it is resumed after an interruption, checked, and gets its
//! name only then.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::cache::Repository;
use super::http::Client;
use super::listing::{Listing, RemoteFile, escaped};
use super::reply::{NoAnswer, Reply};
use super::{HubError, Progress, Settings};
use crate::domain::source::hub_name::RepositoryKind;

/// Requests in a row that may fail before the download gives up.
const ATTEMPTS_MAX: u32 = 5;
/// A server that asks for a longer wait than this is not waited for.
const WAIT_MAX: Duration = Duration::from_mins(5);
/// Bytes between two updates of the progress bar.
const PIECE_BYTES: usize = 256 << 10;

/// Requests for one thing, with the waits between them.
pub(super) struct Attempts<'a> {
    settings: &'a Settings,
    n_failed: u32,
}

impl<'a> Attempts<'a> {
    pub(super) fn new(settings: &'a Settings) -> Self {
        Self { settings, n_failed: 0 }
    }

    /// Asks until there is an answer that is not `429` or `5xx`.
    pub(super) fn ask(
        &mut self,
        get: impl Fn() -> Result<Reply, NoAnswer>,
        url: &str,
        progress: &mut dyn Progress,
    ) -> Result<Reply, HubError> {
        loop {
            let (reason, wait) = match get() {
                Err(NoAnswer(detail)) => (detail, None),
                Ok(reply) if reply.status == 429 || reply.status >= 500 => {
                    let wait = reply.retry_after.map(Duration::from_secs);
                    if wait.is_some_and(|wait| wait > WAIT_MAX) || self.is_last() {
                        return Err(HubError::Busy {
                            url: url.to_owned(),
                            status: reply.status,
                            retry_after: reply.retry_after,
                        });
                    }
                    (format!("it answers {}", reply.status), wait)
                }
                Ok(reply) => return Ok(reply),
            };
            self.wait(url, &reason, wait, progress)?;
        }
    }

    /// Waits before the next request when a body ended too early.
    pub(super) fn wait_after_cut(
        &mut self,
        url: &str,
        error: &std::io::Error,
        progress: &mut dyn Progress,
    ) -> Result<(), HubError> {
        self.wait(url, &error.to_string(), None, progress)
    }

    /// Resets the count of failures: bytes have come, so the connection works, if not for long.
    fn forget(&mut self) {
        self.n_failed = 0;
    }

    fn is_last(&self) -> bool {
        self.n_failed + 1 >= ATTEMPTS_MAX
    }

    fn wait(
        &mut self,
        url: &str,
        reason: &str,
        wait: Option<Duration>,
        progress: &mut dyn Progress,
    ) -> Result<(), HubError> {
        if self.is_last() {
            return Err(HubError::Unreachable { url: url.to_owned(), reason: reason.to_owned() });
        }
        let wait = wait.unwrap_or(self.settings.patience * 2u32.pow(self.n_failed));
        self.n_failed += 1;
        progress.said(&format!("`{url}`: {reason}; again in {:.0} s", wait.as_secs_f32()));
        std::thread::sleep(wait);
        Ok(())
    }
}

/// Fetches one file of a listing.
pub(super) fn file(
    client: &Client,
    settings: &Settings,
    cache: &Repository,
    listing: &Listing,
    file: &RemoteFile,
    progress: &mut dyn Progress,
) -> Result<(), HubError> {
    let kind = match listing.kind {
        RepositoryKind::Model => "",
        RepositoryKind::Dataset => "datasets/",
    };
    let url = format!(
        "{}/{kind}{}/resolve/{}/{}",
        settings.endpoint,
        listing.name.repository(),
        listing.commit,
        escaped(&file.path, true)
    );
    let mut attempts = Attempts::new(settings);
    let (etag, sha256, first) = match &file.etag {
        Some(etag) => (etag.clone(), file.sha256.clone(), None),
        None => {
            // A server that lists no digests names the content in its reply to the download.
            let reply = attempts.ask(|| client.get(&url, 0), &url, progress)?;
            if reply.status != 200 {
                return Err(HubError::status(&listing.name, &url, &reply));
            }
            let etag = reply.etag.clone().filter(|etag| is_digest(etag));
            let etag = etag.ok_or_else(|| HubError::Malformed {
                url: url.clone(),
                detail: "it does not say what the content is named (`ETag`)".to_owned(),
            })?;
            let sha256 = (etag.len() == 64).then(|| etag.clone());
            (etag, sha256, Some(reply))
        }
    };
    let _lock = cache.lock(&etag)?;
    let blob = cache.blob(&etag);
    if !blob.is_file() {
        let incomplete = blob.with_file_name(format!("{etag}.incomplete"));
        let mut writing = Writing::open(&incomplete)?;
        let expected = Expected { file, sha256, name: listing };
        writing.fill(client, &url, &mut attempts, &expected, first, progress)?;
        writing.keep(&blob)?;
    }
    cache.link(&listing.commit, &file.path, &etag)
}

/// Whether a text is a digest. Contents are named by digests, so that a name can be a file name.
fn is_digest(text: &str) -> bool {
    (40..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_hexdigit())
}

/// What the content has to be.
struct Expected<'a> {
    file: &'a RemoteFile,
    sha256: Option<String>,
    name: &'a Listing,
}

/// A content that is being downloaded, with the digest of the bytes so far.
struct Writing<'a> {
    path: &'a Path,
    file: File,
    hash: Sha256,
    n_bytes: u64,
}

impl<'a> Writing<'a> {
    /// Opens the file, with what an earlier attempt left in it.
    fn open(path: &'a Path) -> Result<Self, HubError> {
        let open = File::options().create(true).truncate(false).read(true).write(true).open(path);
        let mut file = open.map_err(HubError::io("write", path))?;
        let mut hash = Sha256::new();
        let n_bytes = std::io::copy(&mut file, &mut hash).map_err(HubError::io("read", path))?;
        Ok(Self { path, file, hash, n_bytes })
    }

    fn restart(&mut self) -> Result<(), HubError> {
        let reset = self.file.set_len(0).and_then(|()| self.file.seek(SeekFrom::Start(0)));
        reset.map_err(HubError::io("write", self.path))?;
        self.hash = Sha256::new();
        self.n_bytes = 0;
        Ok(())
    }

    /// Fetches what is missing, and compares size and digest.
    fn fill(
        &mut self,
        client: &Client,
        url: &str,
        attempts: &mut Attempts<'_>,
        expected: &Expected<'_>,
        mut first: Option<Reply>,
        progress: &mut dyn Progress,
    ) -> Result<(), HubError> {
        let size = expected.file.size;
        let mut is_whole = size.is_some_and(|size| self.n_bytes == size);
        if size.is_some_and(|size| self.n_bytes > size) {
            self.restart()?;
        }
        while !is_whole {
            let start = self.n_bytes;
            let reply = match first.take().filter(|_| start == 0) {
                Some(reply) => reply,
                None => attempts.ask(|| client.get(url, start), url, progress)?,
            };
            match reply.status {
                206 if reply.start == Some(start) => {}
                // The server sends the whole content, or what is here is not a beginning of it.
                200 => self.restart()?,
                206 | 416 if start > 0 => {
                    self.restart()?;
                    continue;
                }
                _ => return Err(HubError::status(&expected.name.name, url, &reply)),
            }
            // A whole content of another size is an error of the server, and no interrupted
            // connection.
            let announced = reply.length.map(|length| self.n_bytes + length);
            if let (Some(size), Some(announced)) = (size, announced)
                && size != announced
            {
                return self.refuse(url, format!("{size} bytes"), format!("{announced} bytes"));
            }
            let total = size.or(announced);
            match self.append(reply.body, expected.file, total, progress) {
                Ok(()) if total.is_none_or(|total| self.n_bytes >= total) => is_whole = true,
                result => {
                    let cut = || std::io::Error::from(std::io::ErrorKind::UnexpectedEof);
                    let error = match result {
                        Err(Stop::Disk(error)) => return Err(error),
                        Err(Stop::Cut(error)) => error,
                        Ok(()) => cut(),
                    };
                    if self.n_bytes > start {
                        attempts.forget();
                    }
                    attempts.wait_after_cut(url, &error, progress)?;
                }
            }
        }
        self.check(url, expected)
    }

    fn append(
        &mut self,
        mut body: Box<dyn Read + Send>,
        file: &RemoteFile,
        total: Option<u64>,
        progress: &mut dyn Progress,
    ) -> Result<(), Stop> {
        let mut piece = vec![0; PIECE_BYTES];
        loop {
            progress.advanced(&file.path, self.n_bytes, total);
            let n = match body.read(&mut piece) {
                Ok(0) => return Ok(()),
                Ok(n) => n,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(Stop::Cut(error)),
            };
            let written = self.file.write_all(&piece[..n]);
            written.map_err(|error| Stop::Disk(HubError::io("write", self.path)(error)))?;
            self.hash.update(&piece[..n]);
            self.n_bytes += n as u64;
            if total.is_some_and(|total| self.n_bytes > total) {
                // There are more bytes than announced; the check that follows reports it.
                return Ok(());
            }
        }
    }

    /// Compares size and digest with what was announced.
    fn check(&self, url: &str, expected: &Expected<'_>) -> Result<(), HubError> {
        let found = format!("{:x}", self.hash.clone().finalize());
        let problem = match (expected.file.size, &expected.sha256) {
            (Some(size), _) if size != self.n_bytes => {
                Some((format!("{size} bytes"), format!("{} bytes", self.n_bytes)))
            }
            (_, Some(sha256)) if !sha256.eq_ignore_ascii_case(&found) => {
                Some((format!("SHA-256 {sha256}"), found))
            }
            _ => None,
        };
        let Some((expected, found)) = problem else { return Ok(()) };
        self.refuse(url, expected, found)
    }

    /// Deletes a wrong content, so that no later attempt resumes it.
    fn refuse(&self, url: &str, expected: String, found: String) -> Result<(), HubError> {
        std::fs::remove_file(self.path).map_err(HubError::io("remove", self.path))?;
        Err(HubError::WrongContent { url: url.to_owned(), expected, found })
    }

    /// Gives the content its name.
    fn keep(self, blob: &Path) -> Result<(), HubError> {
        self.file.sync_all().map_err(HubError::io("write", self.path))?;
        std::fs::rename(self.path, blob).map_err(HubError::io("write", blob))
    }
}

/// Why the bytes of a body stopped coming.
enum Stop {
    Cut(std::io::Error),
    Disk(HubError),
}
