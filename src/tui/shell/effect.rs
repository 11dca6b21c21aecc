//! What `update` wants done: one variant for each place that does it, which says in a type of its own
//! what it can do.

use crate::tui::feed::change::Change;
use crate::tui::feed::data::Interest;
use crate::tui::feed::samples::Request;

/// Something to do outside the model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// The loop does it, which has the terminal.
    Terminal(Terminal),
    /// The data thread reads this from now on.
    Watch(Interest),
    /// The thread behind the samples screen reads or records this.
    Samples(Request),
    /// The executor changes this.
    Change(Change),
}

/// What the loop does with the terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Terminal {
    /// Send these bytes with the next frame.
    Emit(Vec<u8>),
    /// Lend it to an editor that begins with this text.
    Edit { text: String },
    /// Give it back until `fg`.
    Suspend,
    /// Forget what is on the screen and draw it again.
    Redraw,
    /// Give it back for good, and leave.
    Quit,
}
