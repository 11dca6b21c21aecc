//! What `update` wants done.

use crate::domain::run::{RequestKind, RunId};

use super::data::Interest;

/// Something to do outside the model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Read this from now on.
    Watch(Interest),
    /// Pause, resume or stop a run.
    Ask {
        /// Which run.
        run: RunId,
        /// Its name, for the answer.
        name: String,
        /// What.
        kind: RequestKind,
    },
    /// Start a run with these arguments of `ser run`.
    Launch(Vec<String>),
    /// Give the terminal back until `fg`.
    Suspend,
    /// Forget what is on the screen and draw it again.
    Redraw,
    /// Leave.
    Quit,
}
