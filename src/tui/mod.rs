//! The terminal interface, after the Elm architecture: a `Message` changes the
//! model, the model is drawn, and what has to be done outside is an effect.
//!
//! ```text
//! input thread ─┐                      ┌─▶ view ─▶ frame ─▶ one write(2)
//! data thread  ─┼─▶ message ─▶ update ─┤
//! executor     ─┘                      └─▶ effect ─▶ data thread, executor, terminal
//! ```
//!
//! The viewer is disposable. It reads the store through a read-only connection, asks for things
//! through requests, the supervisor and [`crate::launch`], and holds nothing that a run needs. A run
//! that was asked for and is not queued yet (its data is being imported, on a thread of this process)
//! is handed to whoever opened the interface ([`Left::launches`]), who waits for it.

mod error;
mod feed;
mod kit;
mod screens;
mod settings;
mod shell;
mod terminal;
#[cfg(test)]
mod tests;

use crate::tui::feed::executor;
use crate::tui::feed::source;
use crate::tui::kit::theme;
use crate::tui::screens::samples;
use crate::tui::shell::update;
use crate::tui::terminal::editor;
use crate::tui::terminal::input;
use std::io::{self, IsTerminal};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;

pub use error::TuiError;
pub use feed::data::{MemoryNeed, MemoryPlanner};
pub use kit::theme::ColorChoice;
pub use settings::Settings;

use crate::domain::run::RunId;
use crate::launch::{LaunchError, Launched};
use crate::supervisor::Supervisor;

use kit::theme::Theme;
use shell::app::{App, Ports};
use shell::message::Message;
use shell::model::{Model, Size};
use terminal::TerminalGuard;
use terminal::frame::FrameWriter;

/// How many messages may wait. Senders wait beyond that: a stalled screen must not fill memory.
const N_MESSAGES: usize = 256;

/// Which screen opens first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StartScreen {
    /// All runs.
    Runs,
    /// One run.
    Live(RunId),
}

/// How the interface should behave.
#[derive(Debug, Clone, PartialEq, Eq)]
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
}

/// A launch that is being prepared.
pub type Launching = thread::JoinHandle<Result<Launched, LaunchError>>;

/// What goes on when the person has left.
#[derive(Debug)]
pub struct Left {
    /// Runs that go on without the viewer.
    pub n_going: usize,
    /// Launches that are not queued yet; they end with this process, so it waits for them.
    pub launches: Vec<Launching>,
}

impl Left {
    /// One line, when there is something to say.
    #[must_use]
    pub fn line(&self) -> Option<String> {
        match self.n_going {
            0 => None,
            1 => Some("1 run keeps going; `ser attach` returns".to_owned()),
            n => Some(format!("{n} runs keep going; `ser attach` returns")),
        }
    }
}

/// Runs the interface until the person leaves it or its terminal goes away; `planner` tells the
/// launch form what a spec needs in memory.
///
/// # Errors
/// There is no usable terminal, or no thread can be started. The terminal is as it was then.
pub fn run(
    supervisor: &Arc<Supervisor>,
    options: &TuiOptions,
    planner: MemoryPlanner,
) -> Result<Left, TuiError> {
    let home = supervisor.home();
    let variable = |name: &str| std::env::var(name).ok();
    if !(io::stdin().is_terminal() && io::stdout().is_terminal()) {
        return Err(TuiError::NotATerminal);
    }
    if variable("TERM").is_none_or(|term| term.is_empty()) {
        return Err(TuiError::UnknownTerminal);
    }
    let (width, height) = crossterm::terminal::size().map_err(TuiError::Terminal)?;
    if width == 0 || height == 0 {
        return Err(TuiError::NoSize { width, height });
    }
    let settings = Settings::load(home)?;
    let draws_ascii = theme::wants_ascii(options.ascii || settings.ascii, variable);
    let is_slow = options.slow || settings.slow;
    let model = first_model(settings, options, Size { width, height });
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .map_err(TuiError::Thread)?;
    let (sender, mut messages) = tokio::sync::mpsc::channel::<Message>(N_MESSAGES);
    let (interests, to_source) = mpsc::channel();
    let (effects, to_executor) = mpsc::channel();
    let (to_samples, to_reader) = mpsc::channel();
    terminal::install_panic_hook();
    start_thread("data", {
        let (home, sender) = (home.clone(), sender.clone());
        move || source::watch(&home, planner, &to_source, &sender)
    })?;
    start_thread("samples", {
        let (home, sender) = (home.clone(), sender.clone());
        move || samples::reader::serve(&home, &to_reader, &sender)
    })?;
    let executor = start_thread("executor", {
        let (supervisor, sender) = (Arc::clone(supervisor), sender.clone());
        let read_only = options.read_only;
        move || executor::execute(&supervisor, read_only, &to_executor, &sender)
    })?;
    let log = home.root().join("ser.log");
    let guard = Rc::new(TerminalGuard::enter(log).map_err(TuiError::Terminal)?);
    input::start(&sender).map_err(TuiError::Thread)?;
    // From here on only the threads hold senders.
    drop(sender);
    let frames = FrameWriter::new(terminal::output().map_err(TuiError::Terminal)?, draws_ascii);
    let suspend = {
        let guard = Rc::clone(&guard);
        Box::new(move || guard.suspend())
    };
    let edit = {
        let guard = Rc::clone(&guard);
        Box::new(move |text: &str| guard.lend(|| editor::edit(text)))
    };
    let mut app =
        App::new(model, frames, Ports { interests, samples: to_samples, effects, suspend, edit });
    app.is_slow = is_slow;
    runtime.block_on(app.run(&mut messages));
    let n_going = app.model.n_going();
    // The executor ends when nobody listens and nobody asks any more. The terminal goes back first:
    // what it still does may take a moment.
    drop(messages);
    drop(app);
    drop(guard);
    let launches = executor.join().unwrap_or_default();
    Ok(Left { n_going, launches })
}

/// What the interface knows before the first look at the store.
fn first_model(settings: Settings, options: &TuiOptions, size: Size) -> Model {
    let variable = |name: &str| std::env::var(name).ok();
    let color = match options.color {
        ColorChoice::Auto => settings.color,
        asked => asked,
    };
    let mut theme = Theme::detect(color, variable);
    // A terminal without colors stays without, whatever set a person likes elsewhere.
    if let Some(name) = settings.theme.filter(|_| theme.name != theme::ThemeName::Mono) {
        theme = Theme::new(name, theme.depth);
    }
    let mut model = Model::new(theme, size);
    model.keymap = Arc::new(settings.keymap);
    model.samples.views = settings.views;
    model.has_mouse = options.mouse || settings.mouse;
    model.runs.sort = settings.sort.unwrap_or(model.runs.sort);
    model.is_read_only = options.read_only;
    model.now_ms = source::now_ms();
    model.utc_offset_s = jiff::Zoned::now().offset().seconds();
    if let StartScreen::Live(run) = &options.start {
        update::open_live(&mut model, run.clone());
    }
    model.interest = model.wanted();
    model
}

fn start_thread<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<thread::JoinHandle<T>, TuiError> {
    thread::Builder::new().name(name.to_owned()).spawn(work).map_err(TuiError::Thread)
}
