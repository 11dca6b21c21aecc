//! What the executor is asked to change outside the model, and what it answers.

use std::path::PathBuf;

use crate::domain::run::{RequestKind, RunId};
use crate::launch::Request;
use crate::report::listing::Printed;
use crate::report::{ImageForm, Picture};
use crate::store::{QueueMove, RunEdit};

/// What a file will hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Contents {
    Text(String),
    /// A list as the command line prints it: the two tell one story.
    Printed(Printed),
    /// The HTML report of runs.
    Report {
        runs: Vec<RunId>,
    },
    /// A chart of a run. The name of the file may ask for another form.
    Picture {
        run: RunId,
        picture: Picture,
        form: ImageForm,
    },
    /// A policy as a directory that transformers loads, or its low-rank updates for PEFT.
    Policy {
        run: RunId,
        is_adapter: bool,
    },
    /// The answers of every step of a policy and of its evaluations, a JSON object a line.
    Rollouts {
        run: RunId,
    },
    /// A chart that is drawn already. The name of the file may ask for another form.
    Drawn {
        svg: String,
        form: ImageForm,
    },
}

/// A decision about runs, with the words that say it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edited {
    /// What was decided: `ser-s1 archived`.
    pub what: String,
    pub edits: Vec<RunEdit>,
    /// It takes back what the words say.
    pub is_undo: bool,
}

impl Edited {
    /// A decision made now.
    pub fn new(what: String, edits: Vec<RunEdit>) -> Self {
        Self { what, edits, is_undo: false }
    }
}

/// Something to change: a run, a file, the clipboard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Pause, resume or stop a run.
    Ask {
        run: RunId,
        /// The name of the run, for the answer.
        name: String,
        kind: RequestKind,
    },
    /// Kill the worker of a run.
    Kill {
        run: RunId,
        /// The name of the run, for the answer.
        name: String,
    },
    /// Move a run in the queue, or start it now.
    Queue {
        run: RunId,
        /// The name of the run, for the answer.
        name: String,
        /// Where it goes; `None` starts it.
        to: Option<QueueMove>,
    },
    /// Put a text on the clipboard of the person, wherever they sit.
    Copy {
        /// What it is, for the answer: `id of ser-s1`.
        what: String,
        text: String,
    },
    /// Put a list on the clipboard, as the command line prints it.
    CopyPrinted {
        /// What it is, for the answer.
        what: String,
        printed: Printed,
    },
    /// Change what is kept about runs.
    EditRuns(Edited),
    Save {
        /// Where it goes; relative to the folder the viewer was started in.
        path: PathBuf,
        contents: Contents,
        /// A file that is there already goes; otherwise the person is asked.
        overwrites: bool,
    },
    /// Keep a spec under a name, to start runs from.
    SavePreset {
        name: String,
        /// The text of the spec file.
        contents: String,
    },
    /// Try a spec on a few pairs, in a home of its own.
    DryRun {
        /// The text of the spec file.
        spec: String,
    },
    /// Start runs.
    Launch(Request),
}

/// What came of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It was made; one line says what.
    Done(String),
    /// It was not made; one line says why.
    Failed(String),
    /// A copy is on its way.
    Copied {
        /// The bytes that hand it to the terminal; empty when it took another way.
        bytes: Vec<u8>,
        /// One line that says which way.
        words: String,
    },
    /// A run was started; its id or name.
    Started(String),
    /// The dry run is done; one line says what came of it, or why it failed.
    DryRunEnded(Result<String, String>),
    /// A file to be written is there already.
    FileExists { path: PathBuf, contents: Contents },
    /// What is kept about runs has changed.
    RunsEdited {
        edited: Edited,
        /// What takes it back.
        inverse: Vec<RunEdit>,
    },
}
