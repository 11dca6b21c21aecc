//! Keys and signals in.
//!
//! crossterm 0.29 spins for ever when the terminal disappears (crossterm#793), and a dropped ssh
//! connection is the normal way for a terminal to disappear. So this thread waits in `poll(2)`
//! itself, reads what there is, and [`super::parse`] says what it means.

use std::io;
use std::os::fd::AsFd;
use std::thread;
use std::time::Duration;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use signal_hook::consts::{SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP, SIGWINCH};
use signal_hook::iterator::Signals;

use super::guard::{panic_if_asked, restore};
use super::held;
use super::parse::Parser;
use crate::tui::outlet::Outlet;

/// Clicks and wheel as reports, positions in decimal; no movement.
pub const MOUSE_ON: &[u8] = b"\x1b[?1000h\x1b[?1006h";
/// The mouse for the terminal again.
pub const MOUSE_OFF: &[u8] = b"\x1b[?1000l\x1b[?1006l";
/// Pastes in brackets, so that they are not keys.
pub const PASTE_ON: &[u8] = b"\x1b[?2004h";
/// Pastes as they come.
pub const PASTE_OFF: &[u8] = b"\x1b[?2004l";

/// The theme of the terminal is told when it changes, and once at the beginning. Terminals that do not
/// know the question say nothing.
pub const THEME_ON: &[u8] = b"\x1b[?2031h\x1b[?996n";
/// The theme of the terminal is not told any more.
pub const THEME_OFF: &[u8] = b"\x1b[?2031l";

/// What the terminal and the signals tell the loop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A key went down.
    Key(KeyEvent),
    /// A text was pasted into a field.
    Pasted(String),
    /// The mouse did something; it only reports where it was asked to.
    Mouse {
        kind: MouseKind,
        /// The column of the pointer, from 0.
        x: u16,
        /// The row of the pointer, from 0.
        y: u16,
    },
    /// The terminal has a new size.
    Resized { width: u16, height: u16 },
    /// The terminal says what its background is (mode 2031, or asked by [`THEME_ON`]).
    Background { is_dark: bool },
    /// The process was stopped and goes on: whatever is on the screen is not ours.
    Continued,
    /// A signal or a vanished terminal asks to leave.
    Leave,
}

/// What a mouse did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MouseKind {
    /// The left button went down.
    Click,
    /// The wheel turned toward the hand.
    WheelDown,
    /// The wheel turned away.
    WheelUp,
}

/// Bytes that are read at once.
const N_BYTES: usize = 4096;
/// How long a viewer without a terminal may take to leave by itself, before it is ended.
const WATCHDOG: Duration = Duration::from_millis(150);
/// How long its terminal may take to be given back after that.
const RESTORE: Duration = Duration::from_millis(50);
/// The exit code of a process that a hang-up ended.
const EXIT_HUNG_UP: i32 = 129;

/// Starts the threads that read keys and signals. They end with the process.
///
/// # Errors
/// No handler can be installed, or no thread started.
pub fn start(to: &Outlet<Input>) -> io::Result<()> {
    let mut signals = Signals::new([SIGHUP, SIGTERM, SIGINT, SIGQUIT, SIGWINCH, SIGCONT, SIGTSTP])?;
    let to_loop = to.clone();
    thread::Builder::new().name("signals".to_owned()).spawn(move || {
        for signal in signals.forever() {
            match signal {
                // Meant for the program that has the terminal now.
                SIGINT | SIGQUIT | SIGTSTP if held::is_held() => {}
                SIGWINCH => resized(&to_loop),
                SIGTSTP => send(&to_loop, suspend_key()),
                SIGCONT => send(&to_loop, Input::Continued),
                // A loop that is blocked by a terminal that reads nothing must not outlive these
                // signals.
                _ => leave(&to_loop),
            }
        }
    })?;
    let to_loop = to.clone();
    thread::Builder::new().name("input".to_owned()).spawn(move || {
        // Whatever ended the reading: without keys there is no way to leave, so the viewer ends.
        let _ = read_keys(&to_loop);
        leave(&to_loop);
    })?;
    Ok(())
}

fn read_keys(to: &Outlet<Input>) -> io::Result<()> {
    let stdin = io::stdin();
    let wake = held::wakes()?;
    let mut parser = Parser::default();
    let mut bytes = [0; N_BYTES];
    loop {
        held::wait_while_held();
        let mut fds = [
            PollFd::new(stdin.as_fd(), PollFlags::POLLIN),
            PollFd::new(wake.as_fd(), PollFlags::POLLIN),
        ];
        match poll(&mut fds, PollTimeout::NONE) {
            Err(Errno::EINTR) => continue,
            result => result.map_err(io::Error::from)?,
        };
        let gone = PollFlags::POLLHUP | PollFlags::POLLERR | PollFlags::POLLNVAL;
        if fds[0].revents().is_none_or(|events| events.intersects(gone)) {
            return Ok(());
        }
        if fds[1].any().unwrap_or(false) {
            let _ = nix::unistd::read(wake, &mut [0; 16]);
            if held::is_held() {
                // What came before the terminal was lent belongs to nobody any more.
                parser = Parser::default();
                continue;
            }
        }
        if !fds[0].any().unwrap_or(false) {
            continue;
        }
        let n = match nix::unistd::read(&stdin, &mut bytes) {
            Err(Errno::EINTR | Errno::EAGAIN) => continue,
            result => result.map_err(io::Error::from)?,
        };
        if n == 0 {
            return Ok(());
        }
        parser.take(&bytes[..n], |input| {
            if matches!(input, Input::Key(_)) {
                panic_if_asked("input");
            }
            send(to, input);
        });
    }
}

fn resized(to: &Outlet<Input>) {
    if let Ok((width, height)) = crossterm::terminal::size() {
        send(to, Input::Resized { width, height });
    }
}

/// A stop signal from outside is the key that a person would press.
fn suspend_key() -> Input {
    Input::Key(KeyEvent::new(KeyCode::Char('z'), KeyModifiers::CONTROL))
}

fn send(to: &Outlet<Input>, input: Input) {
    // Where the loop has ended nobody is there to hear it, and the process ends soon.
    let _ = to.send(input);
}

/// Asks the loop to leave and makes sure of it: a loop that writes to a dead terminal, or waits
/// for a disk, must not outlive the terminal.
fn leave(to: &Outlet<Input>) {
    to.try_send(Input::Leave);
    let watchdog = thread::Builder::new().name("watchdog".to_owned()).spawn(|| {
        thread::sleep(WATCHDOG);
        // Giving the terminal back is a write as well, and may never end.
        let _ = thread::Builder::new().name("restore".to_owned()).spawn(|| {
            restore();
            std::process::exit(EXIT_HUNG_UP);
        });
        thread::sleep(RESTORE);
        std::process::exit(EXIT_HUNG_UP);
    });
    if watchdog.is_err() {
        std::process::exit(EXIT_HUNG_UP);
    }
}
