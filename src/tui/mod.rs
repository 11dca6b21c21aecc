//! The terminal interface, built like the Elm architecture: a `Message` changes the model, the
//! model is drawn, and work outside the model is described as an effect.
//!
//! ```text
//! terminal: input    ─┐                      ┌─▶ view ─▶ frame ─▶ one write(2)
//! feed: data thread  ─┤                      │
//! feed: reviewer     ─┼─▶ message ─▶ update ─┤
//! feed: executor     ─┘                      └─▶ effect ─▶ terminal, or a thread of feed
//! ```
//!
//! The rooms, from the ground up: `kit` (parts that know only plain data), `terminal`, `feed`
//! (the threads), the state in `shell`, `panels` (what several screens draw of it), `screens`,
//! and the roots in `shell` that call them. `tests/layering.rs` keeps the order.
//!
//! The viewer is disposable. It reads the store through a read-only connection, asks for things
//! through requests and the supervisor, and holds nothing that a run needs.

mod error;
mod feed;
mod kit;
mod outlet;
mod panels;
mod screens;
mod settings;
mod shell;
mod terminal;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};

use crate::domain::run::RunId;
use crate::launch::LaunchError;
use crate::store::Home;
use crate::supervisor::Supervisor;

use feed::{executor, reviewer, source};
use kit::size::Size;
use kit::theme::{self, Theme};
use outlet::Outlet;
use screens::live;
use shell::app::{App, Ports};
use shell::message::Message;
use shell::model::Model;
use shell::recorder::Recorder;
use terminal::frame::FrameWriter;
use terminal::guard::{self, TerminalGuard};
use terminal::{editor, input, recording};

pub use error::TuiError;
pub use kit::progress;
pub use kit::theme::ColorChoice;
pub use settings::Settings;
pub use terminal::recording::Recorded;

/// How many messages may wait; beyond that senders block, so that a stalled screen cannot fill the
/// memory.
const N_MESSAGES: usize = 256;

/// Which screen opens first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StartScreen {
    /// The list of all runs opens first.
    Runs,
    /// The live screen of this run opens first.
    Live(RunId),
}

/// How the interface should behave.
#[derive(Debug, Clone, PartialEq)]
pub struct TuiOptions {
    /// Which screen opens first.
    pub start: StartScreen,
    /// Nothing can be changed from the interface.
    pub read_only: bool,
    /// Draw with ASCII characters only, whatever the terminal can do.
    pub ascii: bool,
    /// Which colors; the config file decides where nothing was said.
    pub color: ColorChoice,
    /// The mouse is the viewer's from the start.
    pub mouse: bool,
    /// One frame a second at most, for thin lines.
    pub slow: bool,
    /// The person whose decisions are recorded.
    pub reviewer: String,
    /// Where a copy of what goes to the terminal is kept.
    pub recording: Option<Recording>,
}

/// A recording of the screens that is asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Recording {
    /// The file, which is written over.
    pub path: PathBuf,
    /// The command line that is recorded.
    pub command: String,
    /// Seconds to which players cut a pause.
    pub idle_limit: Option<f64>,
}

/// What to tell the person who left.
#[derive(Debug)]
pub struct ExitNote {
    /// Runs that a worker goes on with.
    pub n_going: usize,
    /// Runs that wait for their turn.
    pub n_queued: usize,
    /// How long the recording is, where one was asked for, and why it ended early.
    pub recorded: Option<Recorded>,
    /// Launches that were still reading their data.
    launches: Vec<executor::Launching>,
}

impl ExitNote {
    /// One line, when there is something to say.
    #[must_use]
    pub fn line(&self) -> Option<String> {
        let going = match self.n_going {
            0 => None,
            1 => Some("1 run keeps going".to_owned()),
            n => Some(format!("{n} runs keep going")),
        };
        let queued = match self.n_queued {
            0 => None,
            1 => Some("1 waits in the queue".to_owned()),
            n => Some(format!("{n} wait in the queue")),
        };
        let parts: Vec<String> = [going, queued].into_iter().flatten().collect();
        (!parts.is_empty()).then(|| format!("{}; `ser attach` returns", parts.join(", ")))
    }

    /// Whether a run that was asked for is not queued yet.
    #[must_use]
    pub fn is_launching(&self) -> bool {
        self.launches.iter().any(|launch| !launch.is_finished())
    }

    /// Waits until every run that was asked for is queued; the ids of the last of each launch.
    ///
    /// # Errors
    /// The first reason why one is not queued.
    pub fn wait(self) -> Result<Vec<String>, LaunchError> {
        // A launch that panicked has left nothing, and has told its own story.
        let joined = self.launches.into_iter().filter_map(|launch| launch.join().ok());
        joined.collect()
    }
}

/// Columns of the terminal; none where there is none.
#[must_use]
pub fn terminal_columns() -> Option<usize> {
    terminal_size().map(|(width, _)| usize::from(width))
}

/// Columns and rows of the terminal; none where there is none, or where it does not know.
#[must_use]
pub fn terminal_size() -> Option<(u16, u16)> {
    crossterm::terminal::size().ok().filter(|(width, height)| *width > 0 && *height > 0)
}

/// A text in at most `columns` columns, with a mark where something is missing.
#[must_use]
pub fn cut(text: &str, columns: usize, is_ascii: bool) -> String {
    let cut = kit::text::cut(text, columns);
    if is_ascii { cut.replace('…', "~") } else { cut }
}

/// Runs the interface until the person leaves it or its terminal goes away; `supervisor` is the
/// one of the process.
///
/// # Errors
/// There is no usable terminal, or no thread can be started. The terminal is as it was then.
pub fn run(
    home: &Home,
    supervisor: &Arc<Supervisor>,
    options: &TuiOptions,
) -> Result<ExitNote, TuiError> {
    let variable = |name: &str| std::env::var(name).ok();
    if !(io::stdin().is_terminal() && io::stdout().is_terminal()) {
        return Err(TuiError::NotATerminal);
    }
    check_terminal(variable("TERM"))?;
    let (width, height) = crossterm::terminal::size().map_err(TuiError::Terminal)?;
    if width == 0 || height == 0 {
        return Err(TuiError::NoSize { width, height });
    }
    let settings = Settings::load(home)?;
    let draws_ascii = theme::wants_ascii(options.ascii || settings.ascii, variable);
    let is_slow = options.slow || settings.slow;
    let tells_progress = progress::is_wanted(settings.progress, variable);
    let model = first_model(settings, options, Size { width, height });
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .map_err(TuiError::Thread)?;
    let (sender, mut messages) = tokio::sync::mpsc::channel::<Message>(N_MESSAGES);
    let (interests, to_source) = mpsc::channel();
    let (changes, to_executor) = mpsc::channel();
    let (to_samples, to_reviewer) = mpsc::channel();
    let recorder = Recorder::default();
    let (kept, inputs) = (recorder.clone(), home.root().join("ser-inputs.txt"));
    // If even this fails, there is nobody left to tell.
    guard::install_panic_hook(move || drop(kept.write(&inputs)));
    start_thread("data", {
        let (home, outlet) = (home.clone(), Outlet::new(sender.clone(), Message::Read));
        move || source::watch(&home, &to_source, &outlet)
    })?;
    start_thread("samples", {
        let (home, outlet) = (home.clone(), Outlet::new(sender.clone(), Message::Samples));
        let name = options.reviewer.clone();
        move || reviewer::serve(&home, name, &to_reviewer, &outlet)
    })?;
    let executor = start_thread("executor", {
        let (home, supervisor) = (home.clone(), Arc::clone(supervisor));
        let read_only = options.read_only;
        let outlet = Outlet::new(sender.clone(), Message::Answer);
        move || executor::execute(&home, &supervisor, read_only, &to_executor, &outlet)
    })?;
    if let Some(asked) = &options.recording {
        begin_recording(asked, Size { width, height })?;
    }
    let log = home.root().join("ser.log");
    let guard = Rc::new(TerminalGuard::enter(log).map_err(TuiError::Terminal)?);
    // From here on only the threads hold senders.
    input::start(&Outlet::new(sender, Message::Input)).map_err(TuiError::Thread)?;
    let frames = FrameWriter::new(guard::output().map_err(TuiError::Terminal)?, draws_ascii);
    let suspend = {
        let guard = Rc::clone(&guard);
        Box::new(move || guard.suspend())
    };
    let edit = {
        let guard = Rc::clone(&guard);
        Box::new(move |text: &str| guard.lend(|| editor::edit(text)))
    };
    let mut app =
        App::new(model, frames, Ports { interests, samples: to_samples, changes, suspend, edit });
    (app.is_slow, app.tells_progress) = (is_slow, tells_progress);
    app.recorder = recorder;
    runtime.block_on(app.run(&mut messages));
    let [n_going, n_queued] = app.model.n_left();
    // Its channels closed and the terminal given back, the executor ends.
    drop((app, messages, guard));
    let recorded = recording::end();
    let launches = executor.join().unwrap_or_default();
    Ok(ExitNote { n_going, n_queued, recorded, launches })
}

fn begin_recording(asked: &Recording, size: Size) -> Result<(), TuiError> {
    let failed = |source| TuiError::Recording { path: asked.path.clone(), source };
    let file = File::create(&asked.path).map_err(failed)?;
    recording::begin(Box::new(file), size, &asked.command, asked.idle_limit).map_err(failed)
}

/// Whether a terminal of this name can be drawn on.
///
/// # Errors
/// Why not.
pub fn check_terminal(term: Option<String>) -> Result<(), TuiError> {
    match term {
        None => Err(TuiError::UnknownTerminal),
        Some(term) if term.is_empty() => Err(TuiError::UnknownTerminal),
        // The names of terminfo for terminals without a cursor that moves.
        Some(term) if matches!(term.as_str(), "dumb" | "unknown") => {
            Err(TuiError::DumbTerminal { term })
        }
        Some(_) => Ok(()),
    }
}

/// What the interface knows before the first look at the store.
fn first_model(settings: Settings, options: &TuiOptions, size: Size) -> Model {
    let variable = |name: &str| std::env::var(name).ok();
    let color = match options.color {
        ColorChoice::Auto => settings.color,
        asked => asked,
    };
    let mut theme = Theme::detect(color, variable);
    let follows_terminal = settings.theme.is_none()
        && matches!(theme.name, theme::ThemeName::Dark | theme::ThemeName::Light);
    // A terminal without colors stays without, whatever set a person likes elsewhere.
    if let Some(name) = settings.theme.filter(|_| theme.name != theme::ThemeName::Mono) {
        theme = Theme::new(name, theme.depth);
    }
    let mut model = Model::new(theme, size);
    model.follows_terminal = follows_terminal;
    model.keymap = Arc::new(settings.keymap);
    model.samples.views = settings.views;
    let judging = &mut model.samples.judging;
    judging.reviewer.clone_from(&options.reviewer);
    judging.guidelines = settings.guidelines;
    judging.step = settings.goal.unwrap_or(judging.step);
    model.has_mouse = options.mouse || settings.mouse;
    model.runs.sort = settings.sort.unwrap_or(model.runs.sort);
    model.is_read_only = options.read_only;
    model.now_ms = source::now_ms();
    model.utc_offset_s = jiff::Zoned::now().offset().seconds();
    if let StartScreen::Live(run) = &options.start {
        live::open::open(&mut model, run.clone());
    }
    model.interest = model.wanted();
    model
}

fn start_thread<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>, TuiError> {
    thread::Builder::new().name(name.to_owned()).spawn(work).map_err(TuiError::Thread)
}
