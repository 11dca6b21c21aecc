//! What a follower tells the terminal beside its lines: how far the run has come, by OSC 9;4.

use std::io::{self, IsTerminal, Write};

use crate::cli::Context;
use crate::tui::Settings;
use crate::tui::progress::{CLEAR, Progress, is_wanted};

/// The progress as the terminal was told last; it is taken away with this value, on every way out.
pub struct TerminalProgress {
    is_on: bool,
    told: Progress,
}

impl TerminalProgress {
    /// Tells nothing yet, and never anything to what is no terminal, or one that does not want it.
    pub fn new(context: &Context) -> Self {
        // A mistake in the config file is the interface's to tell.
        let choice = Settings::load(&context.home).unwrap_or_default().progress;
        let is_on =
            io::stdout().is_terminal() && is_wanted(choice, |name| std::env::var(name).ok());
        Self { is_on, told: Progress::None }
    }

    /// Tells the terminal where it does not know already. A run never seems to go back.
    pub fn tell(&mut self, progress: Progress) {
        let goes_back = matches!((self.told, progress),
            (Progress::Running(before), Progress::Running(now)) if now < before);
        if !self.is_on || progress == self.told || goes_back {
            return;
        }
        self.told = progress;
        write(&progress.bytes());
    }
}

impl Drop for TerminalProgress {
    fn drop(&mut self) {
        if self.told != Progress::None {
            write(CLEAR);
        }
    }
}

fn write(bytes: &[u8]) {
    let mut out = io::stdout().lock();
    // A terminal that is gone needs no progress.
    let _ = out.write_all(bytes).and_then(|()| out.flush());
}
