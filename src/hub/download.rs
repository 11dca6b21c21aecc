//! Downloads one file into the cache: it is resumed after an interruption, checked, and gets its
//! name only then.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use sha2::{Digest, Sha256};

use super::attempts::Attempts;
use super::cache::Repository;
use super::http::Client;
use super::listing::{Listing, RemoteFile, escaped};
use super::reply::Reply;
use super::{HubError, Progress, Settings};
use crate::domain::source::hub_name::RepositoryKind;

/// Bytes between two updates of the progress bar.
const PIECE_BYTES: usize = 256 << 10;

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
