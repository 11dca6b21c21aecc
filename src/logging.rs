//! Where diagnostics go: to a file, never to the terminal, which belongs to the interface.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

/// The variable that overrides the level, in `tracing`'s filter syntax.
const LEVEL_VARIABLE: &str = "SER_LOG";

/// Sends this process's diagnostics to a file, appended to. Every line is written at once, so the
/// last words of a process that is killed are there.
pub fn to_file(path: &Path, n_verbose: u8) {
    let level = match n_verbose {
        0 => LevelFilter::INFO,
        1 => LevelFilter::DEBUG,
        _ => LevelFilter::TRACE,
    };
    let log = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_writer(Mutex::new(LogFile { path: path.to_owned(), file: None }));
    // A second call in one process keeps the first subscriber.
    let _ = match EnvFilter::try_from_env(LEVEL_VARIABLE) {
        Ok(filter) => tracing::subscriber::set_global_default(log.with_env_filter(filter).finish()),
        // A filter of one level needs none of the machinery behind the syntax.
        Err(_) => tracing::subscriber::set_global_default(log.with_max_level(level).finish()),
    };
}

/// A log that exists from its first line on: a command with nothing to say leaves no file.
struct LogFile {
    path: PathBuf,
    file: Option<File>,
}

impl LogFile {
    fn open(&mut self) -> io::Result<&mut File> {
        match &mut self.file {
            Some(file) => Ok(file),
            slot => {
                let mut options = OpenOptions::new();
                options.create(true).append(true);
                #[cfg(unix)]
                std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
                Ok(slot.insert(options.open(&self.path)?))
            }
        }
    }
}

impl Write for LogFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.open()?.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.as_mut().map_or(Ok(()), File::flush)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_appears_with_the_first_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ser.log");
        let mut log = LogFile { path: path.clone(), file: None };
        log.flush().unwrap();
        assert!(!path.exists());
        log.write_all(b"one\n").unwrap();
        log.write_all(b"two\n").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "one\ntwo\n");
    }
}
