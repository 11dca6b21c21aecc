//! Everything that can happen to the interface: one variant for each place that a message comes
//! from, which says in a type of its own what it can say.

use crate::tui::feed::change::Answer;
use crate::tui::feed::samples::Found;
use crate::tui::feed::source::Read;
use crate::tui::terminal::input::Input;

/// Something for `update`.
#[derive(Debug, Clone, PartialEq)]
pub enum Message {
    /// The terminal or a signal says something.
    Input(Input),
    /// A second passed; the time in milliseconds since 1970.
    Tick { now_ms: i64 },
    /// The data thread has read something.
    Read(Read),
    /// The thread behind the samples screen has found or recorded something.
    Samples(Found),
    /// The executor tells what came of a change.
    Answer(Answer),
    /// The editor is done: its text, or why there is none.
    Edited(Result<String, String>),
}
