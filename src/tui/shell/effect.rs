//! What `update` wants done.

use std::path::PathBuf;

use crate::domain::run::{RequestKind, RunId};

use super::model::Edited;
use crate::launch::Order;
use crate::report::listing::Printed;
use crate::spec::SpecSet;
use crate::tui::feed::data::Interest;
use crate::tui::screens::samples::data::Request;

/// What a file will hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Contents {
    /// This text.
    Text(String),
    /// What the command line prints: it and the screen tell one story.
    Printed(Printed),
}

/// Something to do outside the model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Read this from now on.
    Watch(Interest),
    /// Read or decide something about samples.
    Samples(Request),
    /// Pause, resume or stop a run.
    Ask {
        /// Which run.
        run: RunId,
        /// Its name, for the answer.
        name: String,
        /// What.
        kind: RequestKind,
    },
    /// Kill the worker of a run.
    Kill {
        /// Which run.
        run: RunId,
        /// Its name, for the answer.
        name: String,
    },
    /// Put a text on the clipboard of the person, wherever they sit.
    Copy {
        /// What it is, for the answer: `id of ser-s1`.
        what: String,
        /// The text.
        text: String,
    },
    /// Put what a command prints on the clipboard.
    CopyPrinted {
        /// What it is, for the answer.
        what: String,
        /// The list, and as what.
        printed: Printed,
    },
    /// Send these bytes to the terminal with the next frame.
    Emit(Vec<u8>),
    /// Change what is kept about runs.
    EditRuns(Edited),
    /// Write a file.
    Save {
        /// Where; relative to the folder the viewer was started in.
        path: PathBuf,
        /// What.
        contents: Contents,
        /// A file that is there already goes; otherwise the person is asked.
        overwrites: bool,
    },
    /// Keep a spec under a name, to start runs from.
    SavePreset {
        /// The name.
        name: String,
        /// The text of the spec file.
        contents: String,
    },
    /// Give the terminal to an editor with this text.
    Edit {
        /// The text to begin with.
        text: String,
    },
    /// Try a spec on a few pairs, in a home of its own.
    DryRun(SpecSet),
    /// Start runs.
    Launch(Order),
    /// Give the terminal back until `fg`.
    Suspend,
    /// Forget what is on the screen and draw it again.
    Redraw,
    /// Leave.
    Quit,
}
