//! Everything that can happen to the interface.

use std::path::PathBuf;

use crossterm::event::KeyEvent;

use crate::domain::preference::PairId;
use crate::domain::run::RunId;
use crate::store::RunEdit;

use super::effect::Contents;
use super::model::{Edited, SortKey};
use crate::tui::feed::data::Snapshot;
use crate::tui::screens::samples::data::Found;

/// Something for `update`.
#[derive(Debug, Clone, PartialEq)]
pub enum Message {
    /// A key went down.
    Key(KeyEvent),
    /// A text was pasted.
    Pasted(String),
    /// The mouse did something; only when it was asked for.
    Mouse {
        /// What.
        kind: MouseKind,
        /// Column, from 0.
        x: u16,
        /// Row, from 0.
        y: u16,
    },
    /// A copy is on its way: these bytes hand it to the terminal, one line says so.
    Copied {
        /// For the terminal; empty when it took another way.
        bytes: Vec<u8>,
        /// What happened.
        words: String,
    },
    /// Show the pairs a run scored.
    OpenSamples {
        /// Which run.
        run: RunId,
        /// Which round; `None` follows the latest.
        round: Option<u32>,
        /// The pair to begin with.
        pair: Option<PairId>,
    },
    /// Show runs side by side, the base first.
    OpenCompare {
        /// Which runs.
        runs: Vec<RunId>,
    },
    /// Show runs side by side, arm by arm.
    OpenArms {
        /// Which runs.
        runs: Vec<RunId>,
    },
    /// Mark runs, and no others.
    MarkRuns {
        /// Which runs.
        runs: Vec<RunId>,
        /// What they are.
        what: String,
    },
    /// Show this run behind the curves of the live screen, or none.
    SetGhost(Option<RunId>),
    /// Show the form that starts runs.
    OpenLaunch {
        /// The run to start from.
        from: Option<RunId>,
    },
    /// Show that form with a preset filled in.
    OpenPreset(String),
    /// Fill a recipe into that form.
    SetArm(String),
    /// The editor is done; this is the text.
    Edited(String),
    /// The dry run is done; one line says what came of it.
    DryRunEnded(String),
    /// The terminal has a new size.
    Resized {
        /// Columns.
        width: u16,
        /// Rows.
        height: u16,
    },
    /// A second passed.
    Tick {
        /// Milliseconds since 1970.
        now_ms: i64,
    },
    /// New data.
    Snapshot(Box<Snapshot>),
    /// New lines of a list of samples.
    Samples(Found),
    /// The store could not be read.
    ReadFailed(String),
    /// An effect did what it should; one line says what.
    Done(String),
    /// A run was started; its id or name.
    Started(String),
    /// Ask for the name of a file to write.
    AskName {
        /// What it could be called.
        name: String,
        /// What it will hold.
        contents: Contents,
    },
    /// A file to be written is there already.
    FileExists {
        /// Which.
        path: PathBuf,
        /// What it would hold.
        contents: Contents,
    },
    /// Put the runs list in this order.
    SortRuns(SortKey),
    /// What is kept about runs has changed.
    RunsEdited {
        /// What was decided.
        edited: Edited,
        /// What takes it back.
        inverse: Vec<RunEdit>,
    },
    /// An effect failed; one line says why.
    Failed(String),
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
    /// The wheel turned towards the hand.
    WheelDown,
    /// The wheel turned away.
    WheelUp,
}
