//! The state of the interface. Views read it, only `update` changes it.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::domain::run::RunId;
use crate::domain::text::clean::clean_line;
use crate::store::rows::RunRow;

use super::effect::Effect;
use super::keymap::Keymap;
use super::keymap::binding::Context;
use super::keymap::command::{Command, Motion};
use super::overlay::Overlay;
use super::split::Splits;
use crate::tui::feed::data::{Ghost, Interest, RunData, Snapshot};
use crate::tui::feed::policy::{Answers, JudgingInterest};
use crate::tui::kit::progress::Progress;
use crate::tui::kit::size::Size;
use crate::tui::kit::theme::Theme;
use crate::tui::kit::words::Condition;
use crate::tui::screens::compare::Compare;
use crate::tui::screens::launch::Launch;
use crate::tui::screens::live::Live;
use crate::tui::screens::policy::Policy;
use crate::tui::screens::runs::Runs;
use crate::tui::screens::samples::Samples;

/// Which screen is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Screen {
    Runs,
    Live,
    /// The pairs a run scored.
    Samples,
    /// Runs side by side.
    Compare,
    /// The form that starts runs.
    Launch,
    /// The curves and answers of a policy.
    Policy,
}

impl Screen {
    /// Where the keys of the screen are read.
    pub fn context(self) -> Context {
        match self {
            Self::Runs => Context::Runs,
            Self::Live => Context::Live,
            Self::Samples => Context::Samples,
            Self::Compare => Context::Compare,
            Self::Launch => Context::Launch,
            Self::Policy => Context::Policy,
        }
    }
}

/// How a message is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    Note,
    /// A key that cannot act now.
    Refused,
    Error,
}

/// What the message line says for some seconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Toast {
    pub text: String,
    /// How it is meant.
    pub tone: Tone,
    /// When it was set, milliseconds since 1970.
    pub at_ms: i64,
}

/// What a key says that would change something in a viewer that changes nothing.
pub const READ_ONLY: &str = "read-only: this viewer was started with --read-only";

/// A view held still while data keeps arriving.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Frozen {
    /// The newest data, shown when the view goes on.
    pub latest: Option<Box<Snapshot>>,
    /// How often it changed meanwhile.
    pub n_newer: usize,
}

/// Everything that a frame is drawn from; only `update` and what it calls change it.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
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
    pub runs: Runs,
    pub samples: Samples,
    pub compare: Compare,
    pub launch: Launch,
    pub policy: Policy,
    /// The live screen, once one was opened.
    pub live: Option<Live>,
    /// The run that the live and the samples screen were opened with last. Looking at other runs
    /// elsewhere does not change it.
    pub opened: Option<RunId>,
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
    pub toast: Option<Toast>,
    pub theme: Theme,
    /// The theme is that of the terminal, which reports it.
    pub follows_terminal: bool,
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
            policy: Policy::default(),
            runs: Runs::default(),
            live: None,
            opened: None,
            run: None,
            ghost: None,
            interest: Interest::default(),
            frozen: None,
            splits: Splits::default(),
            wraps_events: false,
            toast: None,
            theme,
            follows_terminal: false,
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
            (Screen::Policy, _) => self.policy.run.as_ref().and_then(|run| self.row(run)),
            (Screen::Runs | Screen::Launch | Screen::Live, _) => {
                self.runs.rows.get(self.runs.cursor).map(AsRef::as_ref)
            }
        }
    }

    /// The run that the keys of the live and the samples screen show: in the runs list the selected
    /// one, elsewhere the one that was opened last.
    pub fn to_open(&self) -> Option<&RunRow> {
        let opened = || self.opened.as_ref().and_then(|run| self.row(run));
        match self.screen {
            Screen::Runs => self.current(),
            Screen::Live | Screen::Samples | Screen::Compare | Screen::Launch | Screen::Policy => {
                opened().or_else(|| self.current())
            }
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
            _ if self.screen == Screen::Policy => {
                let run = self.policy.run.clone();
                let answers = Some(Answers(self.policy.at));
                let reviewer = &self.samples.judging.reviewer;
                let judging = self.policy.judging.as_ref().map(|judging| JudgingInterest {
                    matchup: judging.matchup.clone(),
                    reviewer: reviewer.clone(),
                });
                Interest { run, answers, judging, ..Interest::default() }
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

    /// Where keys are read now.
    pub fn context(&self) -> Context {
        match &self.overlay {
            Some(Overlay::Confirm { .. }) => Context::Confirm,
            Some(Overlay::Choice(_)) => Context::Choice,
            Some(Overlay::Prompt(_) | Overlay::Commands(_) | Overlay::Words(_)) => Context::Prompt,
            None => self.screen_context(),
        }
    }

    /// Where the keys of the screen are read, whatever lies over it.
    pub fn screen_context(&self) -> Context {
        if self.screen == Screen::Samples && self.samples.is_queue() {
            return Context::Queue;
        }
        if self.screen == Screen::Policy && self.policy.judging.is_some() {
            return Context::Judging;
        }
        self.screen.context()
    }

    /// The run behind the curves of the live screen, while that is shown.
    pub fn shown_ghost(&self) -> Option<&Ghost> {
        let live = self.live.as_ref().filter(|_| self.screen == Screen::Live)?;
        self.ghost.as_ref().filter(|ghost| Some(&ghost.run) == live.ghost.as_ref())
    }

    /// Puts a line on the message line. There is nothing to do outside for it, so that a key that only
    /// says something can end with it.
    pub fn say(&mut self, tone: Tone, text: impl Into<String>) -> Vec<Effect> {
        // Error texts can quote a file or a spec.
        let text = clean_line(&text.into());
        self.toast = Some(Toast { text, tone, at_ms: self.now_ms });
        Vec::new()
    }

    /// Where the cursor of a list goes that stands at `at` among `n_rows`, `n` times.
    pub fn moved(&self, motion: Motion, at: usize, n_rows: usize, n: usize) -> usize {
        let page = usize::from(self.size.height / 2).max(1).saturating_mul(n);
        let last = n_rows.saturating_sub(1);
        let to = match motion {
            Motion::Down => at.saturating_add(n),
            Motion::Up => at.saturating_sub(n),
            Motion::PageDown => at.saturating_add(page),
            Motion::PageUp => at.saturating_sub(page),
            Motion::First => 0,
            Motion::Last => last,
        };
        to.min(last)
    }

    /// Shows a screen; Esc returns to the one before it.
    pub fn go_to(&mut self, screen: Screen) {
        if screen == self.screen {
            return;
        }
        let from = self.screen;
        self.trail.retain(|place| *place != from);
        self.trail.push(from);
        // Going back to a screen by its number is going back.
        if let Some(at) = self.trail.iter().position(|place| *place == screen) {
            self.trail.truncate(at);
        }
        self.screen = screen;
    }

    /// What the terminal is told: how far the run of the screen has come, or the first that runs.
    pub fn progress(&self) -> Progress {
        let is_of_screen = matches!(self.screen, Screen::Live | Screen::Samples | Screen::Policy);
        let of_screen = self.current().filter(|_| is_of_screen);
        let running = || self.runs.all().find(|row| Condition::of(row) == Condition::Running);
        let Some(row) = of_screen.or_else(running) else { return Progress::None };
        let data = self.run.as_ref().filter(|data| data.detail.row.id == row.id);
        let forecast = data.and_then(|data| data.forecast.as_ref());
        // Where the end cannot be foretold, the rounds that are over tell something.
        let rounds = || f64::from(row.round) / f64::from(row.rounds_max + 1);
        let percent = Progress::percent(forecast.map_or_else(rounds, |it| it.done));
        match Condition::of(row) {
            Condition::Running | Condition::Silent => Progress::Running(percent),
            Condition::Paused => Progress::Paused(percent),
            Condition::Failed | Condition::Interrupted => Progress::Failed,
            Condition::Queued | Condition::Stopped | Condition::Done => Progress::None,
        }
    }

    /// How many runs go on without this viewer, and how many wait in the queue.
    pub fn n_left(&self) -> [usize; 2] {
        let count = |is: fn(Condition) -> bool| {
            self.runs.all().filter(|row| is(Condition::of(row))).count()
        };
        [count(Condition::has_worker), count(|condition| condition == Condition::Queued)]
    }
}
