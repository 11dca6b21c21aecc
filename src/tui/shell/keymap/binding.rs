//! A row of a table of keys: an action, its keys, where it holds, and its words.

use super::command::Command;
use crate::tui::kit::key::Key;

/// Where keys are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Context {
    Runs,
    Live,
    Samples,
    /// The samples screen while it shows a review queue.
    Queue,
    Compare,
    Launch,
    Policy,
    /// The policy screen while a person judges its answers.
    Judging,
    Confirm,
    /// A popup to choose from.
    Choice,
    /// A text field: characters go into it.
    Prompt,
}

impl Context {
    /// Whether characters are text here.
    pub fn is_text(self) -> bool {
        self == Self::Prompt
    }
}

/// One row of a table.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Binding {
    /// The name a config file uses: `runs.stop`.
    pub id: &'static str,
    /// Every key that does it; the first is the one shown in the hint bar.
    pub keys: &'static [Key],
    pub command: Command,
    pub contexts: &'static [Context],
    /// One line for the help and the palette.
    pub title: &'static str,
    /// One or two words for the hint bar; empty to leave it out.
    pub hint: &'static str,
}

/// Makes a [`Binding`]: `bind!("runs.stop", Stop, [Char('x')], SCREENS, "title", "hint")`.
macro_rules! bind {
    ($id:literal, $command:expr, [$($key:expr),*], $contexts:expr, $title:literal, $hint:literal) => {
        $crate::tui::shell::keymap::binding::Binding {
            id: $id,
            keys: &[$($key),*],
            command: $command,
            contexts: $contexts,
            title: $title,
            hint: $hint,
        }
    };
}
pub(crate) use bind;
