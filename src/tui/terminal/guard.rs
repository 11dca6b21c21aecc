//! Entering and leaving the terminal.
//!
//! However the viewer ends (quit, error, panic on any thread, signal), [`restore`] runs and runs
//! only once. While the screen is ours, file descriptor 2 goes to a log: a warning of a library
//! must not land between two cells.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, Once, PoisonError};
use std::thread;

use nix::unistd;

use super::{held, recording};
use crate::tui::kit::progress::CLEAR;

/// Alternate screen on, cursor hidden.
const ENTER: &[u8] = b"\x1b[?1049h\x1b[?25l\x1b[0m\x1b[2J";
/// An unfinished frame ended, theme, mouse, paste and focus reports off, attributes reset, cursor shown,
/// alternate screen off.
const LEAVE: &[u8] =
    b"\x1b[?2026l\x1b[?2031l\x1b[?1003l\x1b[?1002l\x1b[?1000l\x1b[?1006l\x1b[?2004l\x1b[?1004l\x1b[0m\x1b[?25h\x1b[?1049l";

/// The exit code of a process that a panic ended.
const EXIT_PANIC: i32 = 101;

/// What to give back; `None` while the terminal is not ours.
static TAKEN: Mutex<Option<Taken>> = Mutex::new(None);

/// Whether the terminal shows a progress that has to be taken away.
static SHOWS_PROGRESS: AtomicBool = AtomicBool::new(false);

/// Notes whether the terminal was told a progress: whatever ends the viewer takes it away.
pub fn note_progress(is_shown: bool) {
    SHOWS_PROGRESS.store(is_shown, Ordering::Relaxed);
}

/// What was replaced while the screen is ours.
struct Taken {
    /// The real standard error, where it could be kept.
    stderr: Option<OwnedFd>,
}

/// The terminal is ours while this lives.
pub struct TerminalGuard {
    /// Where standard error goes meanwhile.
    log: PathBuf,
}

impl TerminalGuard {
    /// Takes the terminal: raw mode, alternate screen, standard error to `log`.
    ///
    /// # Errors
    /// The terminal refuses raw mode or cannot be written to.
    pub fn enter(log: PathBuf) -> io::Result<Self> {
        let guard = Self { log };
        take(&guard.log)?;
        Ok(guard)
    }

    /// Gives the terminal back, stops the whole process group as the shell expects it on Ctrl-z,
    /// and takes the terminal again when the shell continues it.
    ///
    /// # Errors
    /// As for [`TerminalGuard::enter`].
    pub fn suspend(&self) -> io::Result<()> {
        restore();
        nix::sys::signal::kill(unistd::Pid::from_raw(0), nix::sys::signal::Signal::SIGSTOP)?;
        take(&self.log)
    }

    /// Lends the terminal to another program: nothing here reads it meanwhile.
    ///
    /// # Errors
    /// As for [`TerminalGuard::enter`], then those of the work.
    pub fn lend<T>(&self, work: impl FnOnce() -> io::Result<T>) -> io::Result<io::Result<T>> {
        held::hold();
        restore();
        let result = work();
        let taken = take(&self.log);
        held::go_on();
        taken.map(|()| result)
    }
}

impl Drop for TerminalGuard {
    fn drop(&mut self) {
        restore();
    }
}

/// The terminal to write to: every `write` is one system call, and a recording gets a copy of what the
/// terminal took.
pub struct Output(File);

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.0.write(bytes)?;
        recording::copy(&bytes[..n]);
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Opens the terminal to write to.
///
/// # Errors
/// Standard output cannot be duplicated.
pub fn output() -> io::Result<Output> {
    Ok(Output(File::from(io::stdout().as_fd().try_clone_to_owned()?)))
}

fn take(log: &Path) -> io::Result<()> {
    // Held throughout: a panic elsewhere gives back all of it or nothing.
    let mut slot = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
    crossterm::terminal::enable_raw_mode()?;
    *slot = Some(Taken { stderr: divert_stderr(log) });
    output()?.write_all(ENTER)
}

/// Sends standard error to the log, or to nowhere when there can be no log.
fn divert_stderr(log: &Path) -> Option<OwnedFd> {
    let saved = io::stderr().as_fd().try_clone_to_owned().ok()?;
    let file = OpenOptions::new().create(true).append(true).mode(0o600).open(log);
    let file = file.or_else(|_| OpenOptions::new().write(true).open("/dev/null")).ok()?;
    unistd::dup2_stderr(file).ok()?;
    Some(saved)
}

/// Gives the terminal back as it was. Safe to call from any thread, any number of times.
pub fn restore() {
    let taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner).take();
    let Some(taken) = taken else { return };
    if let Ok(mut out) = output() {
        // The terminal may be gone; there is nobody left to tell.
        let _ = out.write_all(LEAVE);
        if SHOWS_PROGRESS.swap(false, Ordering::Relaxed) {
            let _ = out.write_all(CLEAR);
        }
    }
    let _ = crossterm::terminal::disable_raw_mode();
    if let Some(saved) = taken.stderr {
        let _ = unistd::dup2_stderr(saved);
    }
}

/// Panics where `SER_TEST_PANIC` names this place: the tests of the restored terminal need a panic
/// in a real one.
pub fn panic_if_asked(place: &'static str) {
    if std::env::var("SER_TEST_PANIC").is_ok_and(|asked| asked == place) {
        std::panic::panic_any(format!("asked to panic in {place}"));
    }
}

/// Restores the terminal before the panic message is printed, so that it can be read, and then does
/// `also`. Called by the thread that draws, before it starts others.
pub fn install_panic_hook(also: impl Fn() + Send + Sync + 'static) {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let previous = std::panic::take_hook();
        let drawing = thread::current().id();
        std::panic::set_hook(Box::new(move |info| {
            restore();
            previous(info);
            also();
            // Otherwise the loop would go on drawing on a terminal that has been given back.
            if thread::current().id() != drawing {
                std::process::exit(EXIT_PANIC);
            }
        }));
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn restoring_what_was_never_taken_does_nothing() {
        restore();
        restore();
        assert!(TAKEN.lock().unwrap().is_none());
    }

    #[test]
    fn everything_that_could_be_on_is_turned_off() {
        let leave = String::from_utf8_lossy(LEAVE);
        for mode in ["?2031l", "?1000l", "?2004l", "?1004l", "?25h", "?1049l"] {
            assert!(leave.contains(mode), "{mode}");
        }
    }
}
