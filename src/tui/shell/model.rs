//! The state of the interface. Views read it, only `update` changes it.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::sync::Arc;

use crate::domain::run::RunId;
use crate::store::rows::RunRow;
use crate::store::{RunEdit, RunFilter};

use super::keymap::{Command, Keymap};
use super::overlay::Overlay;
use super::split::Splits;
use crate::tui::feed::data::{Ghost, Interest, RunData, Snapshot};
use crate::tui::kit::theme::Theme;
use crate::tui::kit::widgets::TrendScale;
use crate::tui::kit::words::Condition;
use crate::tui::screens::compare::Compare;
use crate::tui::screens::launch::Launch;
use crate::tui::screens::live::Live;
use crate::tui::screens::samples::Samples;

/// Which screen is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Screen {
    /// All runs.
    Runs,
    /// One run.
    Live,
    /// The pairs a run scored.
    Samples,
    /// Runs side by side.
    Compare,
    /// The form that starts runs.
    Launch,
}

/// Size classes; each view draws one layout for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SizeClass {
    /// Below 60x16: a few lines.
    Tiny,
    /// From 60x16: lists and numbers.
    Small,
    /// From 80x24: everything.
    Standard,
    /// From 160x40: everything side by side.
    Wide,
}

/// Columns and rows of the terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Columns.
    pub width: u16,
    /// Rows.
    pub height: u16,
}

impl Size {
    /// Its class.
    pub fn class(self) -> SizeClass {
        match (self.width, self.height) {
            (160.., 40..) => SizeClass::Wide,
            (80.., 24..) => SizeClass::Standard,
            (60.., 16..) => SizeClass::Small,
            _ => SizeClass::Tiny,
        }
    }
}

/// What the runs list is ordered by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SortKey {
    /// Newest first.
    Newest,
    /// Best test accuracy first.
    Accuracy,
    /// Running first, done last.
    State,
    /// Alphabetical.
    Name,
    /// Furthest first.
    Round,
    /// Most pseudo-labels kept first.
    Kept,
    /// Most vetoes first.
    Vetoed,
}

impl SortKey {
    /// Every order with the character that takes it from the menu.
    pub const ALL: [(char, Self); 7] = [
        ('d', Self::Newest),
        ('a', Self::Accuracy),
        ('s', Self::State),
        ('n', Self::Name),
        ('r', Self::Round),
        ('k', Self::Kept),
        ('v', Self::Vetoed),
    ];

    /// The words above the list.
    pub fn words(self) -> &'static str {
        match self {
            Self::Newest => "newest first",
            Self::Accuracy => "by accuracy",
            Self::State => "by state",
            Self::Name => "by name",
            Self::Round => "by round",
            Self::Kept => "by pairs kept",
            Self::Vetoed => "by vetoes",
        }
    }

    /// The next one, for the key that walks through them.
    pub fn next(self) -> Self {
        match self {
            Self::Newest => Self::Accuracy,
            Self::Accuracy => Self::State,
            Self::State => Self::Name,
            Self::Name => Self::Round,
            Self::Round => Self::Kept,
            Self::Kept => Self::Vetoed,
            Self::Vetoed => Self::Newest,
        }
    }
}

/// The conditions that the first line counts.
pub const COUNTED: [Condition; 3] = [Condition::Running, Condition::Queued, Condition::Interrupted];

/// The runs list.
#[derive(Debug, Clone, PartialEq)]
pub struct Runs {
    /// Those that are shown, in the order shown.
    pub rows: Vec<Arc<RunRow>>,
    /// Those that the filter leaves out.
    pub hidden: Vec<Arc<RunRow>>,
    /// What is shown.
    pub filter: RunFilter,
    /// The filter as it was typed.
    pub filter_text: String,
    /// The run that was selected before the filter hid it.
    pub anchor: Option<RunId>,
    /// Whether the order is turned round.
    pub is_reversed: bool,
    /// What takes the latest decisions back, the latest last.
    pub undo: Vec<Edited>,
    /// What does them again.
    pub redo: Vec<Edited>,
    /// The range of the trends of the rows shown.
    pub scale: Option<TrendScale>,
    /// How many runs there are in conditions that the first line counts: running, queued,
    /// interrupted.
    pub n_in: [usize; 3],
    /// The run that others are measured against.
    pub starred: Option<Arc<RunRow>>,
    /// Index of the selected row.
    pub cursor: usize,
    /// Rows scrolled off the top.
    pub offset: usize,
    /// The order.
    pub sort: SortKey,
    /// Whether anything was read yet: an empty list is then really empty.
    pub is_loaded: bool,
    /// Runs marked for what acts on several.
    pub marked: BTreeSet<RunId>,
    /// The run at which a range began.
    pub range_from: Option<RunId>,
    /// A run that was just started, to be selected when it appears (id or name).
    pub awaited: Option<String>,
}

impl Runs {
    /// Every run, shown or not.
    pub fn all(&self) -> impl Iterator<Item = &RunRow> {
        self.rows.iter().chain(&self.hidden).map(AsRef::as_ref)
    }

    /// The rows of the range that was begun: from where to the cursor.
    pub fn range(&self) -> Option<RangeInclusive<usize>> {
        let from = self.range_from.as_ref()?;
        let from = self.rows.iter().position(|row| row.id == *from)?;
        Some(from.min(self.cursor)..=from.max(self.cursor))
    }

    /// The run that others are measured against.
    pub fn baseline(&self) -> Option<&RunRow> {
        self.starred.as_deref()
    }
}

/// A decision about runs, with the words that say it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edited {
    /// What was decided: `ser-s1 archived`.
    pub what: String,
    /// What does it.
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

/// How a message is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// Something happened.
    Note,
    /// A key that cannot act now.
    Refused,
    /// Something failed.
    Error,
}

/// The message line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Toast {
    /// One line.
    pub text: String,
    /// How it is meant.
    pub tone: Tone,
    /// When it was set, milliseconds since 1970.
    pub at_ms: i64,
}

/// A view held still while data keeps arriving.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Frozen {
    /// The newest data, shown when the view goes on.
    pub latest: Option<Box<Snapshot>>,
    /// How often it changed meanwhile.
    pub n_newer: usize,
}

/// The whole state.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    /// Which screen.
    pub screen: Screen,
    /// What lies over it.
    pub overlay: Option<Overlay>,
    /// Screens to go back to, the latest last; none of them twice.
    pub trail: Vec<Screen>,
    /// A count typed before a key.
    pub count: Option<usize>,
    /// The keys in force.
    pub keymap: Arc<Keymap>,
    /// Texts entered before, by purpose, the latest last.
    pub history: BTreeMap<&'static str, Vec<String>>,
    /// Actions used from the palette, the latest first.
    pub recent: Vec<Command>,
    /// The runs list.
    pub runs: Runs,
    /// The samples screen.
    pub samples: Samples,
    /// The compare screen.
    pub compare: Compare,
    /// The launch screen.
    pub launch: Launch,
    /// The live screen, once one was opened.
    pub live: Option<Live>,
    /// Details of the run that the data thread was asked for.
    pub run: Option<RunData>,
    /// The run behind the curves of the live screen, once it was read.
    pub ghost: Option<Ghost>,
    /// What the data thread was asked for last.
    pub interest: Interest,
    /// Set while the view is held still.
    pub frozen: Option<Frozen>,
    /// How the panes share the screen.
    pub splits: Splits,
    /// Whether long lines of the event log are wrapped, not cut.
    pub wraps_events: bool,
    /// The message line.
    pub toast: Option<Toast>,
    /// Styles.
    pub theme: Theme,
    /// The terminal's size.
    pub size: Size,
    /// Milliseconds since 1970, as of the last message that said so.
    pub now_ms: i64,
    /// Seconds east of UTC, for times of day.
    pub utc_offset_s: i32,
    /// Nothing may be changed from here.
    pub is_read_only: bool,
    /// The mouse is the viewer's: a terminal selects text only while it is not.
    pub has_mouse: bool,
}

impl Model {
    /// The state before anything was read.
    pub fn new(theme: Theme, size: Size) -> Self {
        Self {
            screen: Screen::Runs,
            overlay: None,
            trail: Vec::new(),
            count: None,
            keymap: Arc::default(),
            history: BTreeMap::new(),
            recent: Vec::new(),
            samples: Samples::default(),
            compare: Compare::default(),
            launch: Launch::default(),
            runs: Runs {
                rows: Vec::new(),
                hidden: Vec::new(),
                filter: RunFilter::default(),
                filter_text: String::new(),
                is_reversed: false,
                anchor: None,
                undo: Vec::new(),
                redo: Vec::new(),
                scale: None,
                n_in: [0; 3],
                starred: None,
                cursor: 0,
                offset: 0,
                sort: SortKey::Newest,
                is_loaded: false,
                marked: BTreeSet::new(),
                range_from: None,
                awaited: None,
            },
            live: None,
            run: None,
            ghost: None,
            interest: Interest::default(),
            frozen: None,
            splits: Splits::default(),
            wraps_events: false,
            toast: None,
            theme,
            size,
            now_ms: 0,
            utc_offset_s: 0,
            is_read_only: false,
            has_mouse: false,
        }
    }

    /// The run that keys act on.
    pub fn current(&self) -> Option<&RunRow> {
        match (self.screen, &self.live) {
            (Screen::Live, Some(live)) => self.row(&live.run),
            (Screen::Compare, _) => self.compare.selected().and_then(|run| self.row(run)),
            (Screen::Samples, _) => self.samples.run.as_ref().and_then(|run| self.row(run)),
            _ => self.runs.rows.get(self.runs.cursor).map(AsRef::as_ref),
        }
    }

    /// A run by its id.
    pub fn row(&self, run: &RunId) -> Option<&RunRow> {
        self.runs.all().find(|row| row.id == *run)
    }

    /// Details of the current run, once they are here.
    pub fn current_data(&self) -> Option<&RunData> {
        let id = &self.current()?.id;
        self.run.as_ref().filter(|data| data.detail.row.id == *id)
    }

    /// Whether the screen says that something is being read.
    pub fn is_waiting(&self) -> bool {
        if self.screen == Screen::Compare && self.compare.data.is_none() {
            return !self.compare.runs.is_empty();
        }
        let is_live = self.screen == Screen::Live;
        let is_whole = |data: &RunData| data.has_curves || !is_live;
        !self.runs.is_loaded
            || self.current().is_some() && !self.current_data().is_some_and(is_whole)
    }

    /// What the current screen needs to know.
    pub fn wanted(&self) -> Interest {
        let live = self.screen == Screen::Live;
        match &self.live {
            Some(live_screen) if live => {
                let (run, ghost) = (Some(live_screen.run.clone()), live_screen.ghost.clone());
                Interest { run, live, ghost, ..Interest::default() }
            }
            _ if self.screen == Screen::Launch => {
                let run = self.launch.from.clone();
                let planned = self.launch.toml();
                Interest { run, costs: true, planned, ..Interest::default() }
            }
            _ => {
                let run = self.current().map(|row| row.id.clone());
                let compare = match self.screen {
                    Screen::Compare => self.compare.interest(),
                    _ => None,
                };
                Interest { run, live, compare, ..Interest::default() }
            }
        }
    }

    /// How many runs go on without this viewer.
    pub fn n_going(&self) -> usize {
        self.runs.all().filter(|row| Condition::of(row).keeps_going()).count()
    }
}
