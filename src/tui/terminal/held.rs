//! Whether the terminal is lent to another program, so that this program must not read its keys.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Condvar, Mutex, OnceLock, PoisonError};

/// Whether the terminal is lent to another program; the pipe wakes the thread that waits for keys.
static HELD: Mutex<bool> = Mutex::new(false);
static RETURNED: Condvar = Condvar::new();
static WAKE: OnceLock<(OwnedFd, OwnedFd)> = OnceLock::new();

/// Stops reading keys until [`go_on`]: they are for another program.
pub fn hold() {
    *HELD.lock().unwrap_or_else(PoisonError::into_inner) = true;
    wake();
}

fn wake() {
    if let Some((_, wake)) = WAKE.get() {
        let _ = nix::unistd::write(wake, &[0]);
    }
}

/// Takes the terminal back: whoever waits for it goes on.
pub fn go_on() {
    *HELD.lock().unwrap_or_else(PoisonError::into_inner) = false;
    RETURNED.notify_all();
}

/// Whether the terminal is lent now.
pub fn is_held() -> bool {
    *HELD.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits while the terminal is lent.
pub fn wait_while_held() {
    let held = HELD.lock().unwrap_or_else(PoisonError::into_inner);
    drop(RETURNED.wait_while(held, |is_held| *is_held));
}

/// The end of the pipe that becomes readable when the thread that waits for keys is to look up.
///
/// # Errors
/// No pipe can be made.
pub fn wakes() -> io::Result<&'static OwnedFd> {
    let pipe = nix::unistd::pipe()?;
    Ok(&WAKE.get_or_init(|| pipe).0)
}
