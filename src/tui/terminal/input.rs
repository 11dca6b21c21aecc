//! Keys and signals in.
//!
//! crossterm 0.29 spins for ever when the terminal disappears (crossterm#793), and a dropped ssh
//! connection is the normal way for a terminal to disappear. So this thread waits in `poll(2)`
//! itself and calls crossterm only when the kernel says that there are bytes and no hang-up.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Condvar, Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

use crossterm::event::{self, Event, MouseButton, MouseEventKind};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::termios::{SetArg, tcgetattr, tcsetattr};
use signal_hook::consts::{SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP, SIGWINCH};
use signal_hook::iterator::Signals;
use tokio::sync::mpsc::Sender;

use crate::tui::shell::message::{Message, MouseKind};
use crate::tui::terminal;

/// Clicks and wheel as reports, positions in decimal; no movement.
pub const MOUSE_ON: &[u8] = b"\x1b[?1000h\x1b[?1006h";
/// The mouse for the terminal again.
pub const MOUSE_OFF: &[u8] = b"\x1b[?1000l\x1b[?1006l";
/// Pastes in brackets, so that they are not keys.
pub const PASTE_ON: &[u8] = b"\x1b[?2004h";
/// Pastes as they come.
pub const PASTE_OFF: &[u8] = b"\x1b[?2004l";

/// Pause between two attempts, where a system does not tell again.
const TOLD_AGAIN: Duration = Duration::from_millis(5);
/// How long a viewer without a terminal may take to leave by itself.
const WATCHDOG: Duration = Duration::from_millis(150);
/// How long its terminal may take to be given back after that.
const RESTORE: Duration = Duration::from_millis(50);
/// The exit code of a process that a hang-up ended.
const EXIT_HUNG_UP: i32 = 129;

/// Whether the terminal is lent to another program; the pipe wakes the thread that waits for keys.
static HELD: Mutex<bool> = Mutex::new(false);
static RETURNED: Condvar = Condvar::new();
static WAKE: OnceLock<(OwnedFd, OwnedFd)> = OnceLock::new();

/// Stops reading keys until [`go_on`]: they are for another program.
pub fn hold() {
    *HELD.lock().unwrap_or_else(PoisonError::into_inner) = true;
    wake();
}

/// Wakes the thread that waits for keys.
fn wake() {
    if let Some((_, wake)) = WAKE.get() {
        let _ = nix::unistd::write(wake, &[0]);
    }
}

/// Reads keys again.
pub fn go_on() {
    *HELD.lock().unwrap_or_else(PoisonError::into_inner) = false;
    RETURNED.notify_all();
}

fn is_held() -> bool {
    *HELD.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits while the terminal is lent.
fn wait_while_held() {
    let held = HELD.lock().unwrap_or_else(PoisonError::into_inner);
    drop(RETURNED.wait_while(held, |is_held| *is_held));
}

/// Starts the threads that read keys and signals. They end with the process.
///
/// # Errors
/// No handler can be installed, or no thread started.
pub fn start(messages: &Sender<Message>) -> io::Result<()> {
    let mut signals = Signals::new([SIGHUP, SIGTERM, SIGINT, SIGQUIT, SIGWINCH, SIGCONT, SIGTSTP])?;
    let to_loop = messages.clone();
    thread::Builder::new().name("signals".to_owned()).spawn(move || {
        for signal in signals.forever() {
            match signal {
                // Meant for the program that has the terminal now.
                SIGINT | SIGQUIT | SIGTSTP if is_held() => {}
                SIGWINCH => {
                    resized(&to_loop);
                    wake();
                }
                SIGTSTP => send(&to_loop, suspend_key()),
                SIGCONT => send(&to_loop, Message::Continued),
                // A loop that waits for a terminal which takes nothing must not outlive these.
                _ => leave(&to_loop),
            }
        }
    })?;
    let to_loop = messages.clone();
    thread::Builder::new().name("input".to_owned()).spawn(move || {
        // Whatever ended the reading, without keys there is no way to leave.
        let _ = read_keys(&to_loop);
        leave(&to_loop);
    })?;
    Ok(())
}

fn read_keys(messages: &Sender<Message>) -> io::Result<()> {
    let stdin = io::stdin();
    let pipe = nix::unistd::pipe()?;
    let (wake, _) = WAKE.get_or_init(|| pipe);
    loop {
        wait_while_held();
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
            if is_held() {
                continue;
            }
        }
        let has_keys = fds[0].any().unwrap_or(false);
        let mut n_events = 0;
        while event::poll(Duration::ZERO)? {
            n_events += 1;
            take(event::read()?, messages);
        }
        if has_keys && n_events == 0 {
            tell_again(&stdin);
        }
    }
}

fn take(event: Event, messages: &Sender<Message>) {
    match event {
        Event::Key(key) => {
            terminal::panic_if_asked("input");
            send(messages, Message::Key(key));
        }
        Event::Resize(width, height) => send(messages, Message::Resized { width, height }),
        Event::Paste(text) => send(messages, Message::Pasted(text)),
        Event::Mouse(mouse) => {
            let kind = match mouse.kind {
                MouseEventKind::Down(MouseButton::Left) => MouseKind::Click,
                MouseEventKind::ScrollDown => MouseKind::WheelDown,
                MouseEventKind::ScrollUp => MouseKind::WheelUp,
                _ => return,
            };
            send(messages, Message::Mouse { kind, x: mouse.column, y: mouse.row });
        }
        _ => {}
    }
}

/// Makes the kernel tell crossterm of bytes that it has forgotten. crossterm is told of new bytes
/// once, and forgets that when it is told of a new size at the same time: the key would be late until
/// the next one, and this loop would spin meanwhile. Setting a terminal's modes, here to what they
/// are, tells whoever reads it again. (Sizes are read as soon as they come, so that a key seldom
/// meets one.)
fn tell_again(stdin: &io::Stdin) {
    if let Ok(modes) = tcgetattr(stdin) {
        let _ = tcsetattr(stdin, SetArg::TCSANOW, &modes);
    }
    thread::sleep(TOLD_AGAIN);
}

fn resized(messages: &Sender<Message>) {
    if let Ok((width, height)) = crossterm::terminal::size() {
        send(messages, Message::Resized { width, height });
    }
}

/// A stop signal from outside is the key that a person would press.
fn suspend_key() -> Message {
    let key = event::KeyCode::Char('z');
    Message::Key(event::KeyEvent::new(key, event::KeyModifiers::CONTROL))
}

fn send(messages: &Sender<Message>, message: Message) {
    // The loop has ended: nobody is there to hear it, and the process ends soon.
    let _ = messages.blocking_send(message);
}

/// Asks the loop to leave and makes sure of it: a loop that writes to a dead terminal, or waits
/// for a disk, must not outlive the terminal.
fn leave(messages: &Sender<Message>) {
    let _ = messages.try_send(Message::Leave);
    let watchdog = thread::Builder::new().name("watchdog".to_owned()).spawn(|| {
        thread::sleep(WATCHDOG);
        // Giving the terminal back is a write as well, and may never end.
        let _ = thread::Builder::new().name("restore".to_owned()).spawn(|| {
            terminal::restore();
            std::process::exit(EXIT_HUNG_UP);
        });
        thread::sleep(RESTORE);
        std::process::exit(EXIT_HUNG_UP);
    });
    if watchdog.is_err() {
        std::process::exit(EXIT_HUNG_UP);
    }
}
