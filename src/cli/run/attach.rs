//! `ser attach [RUN]`: watch a run, and the door to the interface.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::follow;
use crate::cli::{CliError, CliResult, Color, Context, is_interactive, record};
use crate::domain::run::RunId;
use crate::store::rows::RunRow;
use crate::store::{Access, Store};
use crate::tui::{self, ColorChoice, ExitNote, StartScreen, TuiOptions};

/// Between two looks at whether a run is queued.
const POLL: Duration = Duration::from_millis(100);

/// Arguments of `ser attach`.
#[derive(Debug, clap::Args)]
pub struct AttachArgs {
    /// Id, unique prefix of an id, or name; without one, the latest running or else the latest run
    run: Option<String>,
    /// Print progress lines instead of opening the interface
    #[arg(long)]
    pub(in crate::cli) plain: bool,
}

/// Watches a run.
///
/// # Errors
/// When there is no such run, or it fails while followed.
pub fn run(context: &Context, args: &AttachArgs) -> CliResult {
    let store = context.store_to_read()?;
    let run = match &args.run {
        Some(run) => store.find_run(run)?,
        None => latest(&store)?,
    };
    if is_interactive() && !args.plain {
        drop(store);
        return open_interface(context, Some(run.id));
    }
    follow::to_the_end(context, &store, &run.id, follow::Output::Lines)
}

/// Opens the interface, on a run's live screen if one is given.
///
/// # Errors
/// When the terminal cannot be used.
pub fn open_interface(context: &Context, run: Option<RunId>) -> CliResult {
    let options = TuiOptions {
        start: run.map_or(StartScreen::Runs, StartScreen::Live),
        read_only: context.access == Access::ReadOnly,
        ascii: context.ascii,
        color: match context.color {
            Color::Auto => ColorChoice::Auto,
            Color::Always | Color::Ansi256 => ColorChoice::Ansi256,
            Color::Ansi16 => ColorChoice::Ansi16,
            Color::True => ColorChoice::True,
            Color::Never => ColorChoice::None,
        },
        mouse: context.mouse,
        slow: context.slow,
        reviewer: context.reviewer()?,
        recording: context.recording.clone(),
    };
    let note = tui::run(&context.home, &context.supervisor, &options)?;
    if let (Some(asked), Some(recorded)) = (&context.recording, &note.recorded) {
        record::say_done(context, asked, recorded);
    }
    if let Some(line) = note.line() {
        context.say(&line);
    }
    wait_for(context, note)
}

/// Waits for runs that were asked for in the interface and are not queued yet, so that leaving it
/// during an import loses nothing.
fn wait_for(context: &Context, note: ExitNote) -> CliResult {
    // The interface has changed the handlers of signals; without this Ctrl-C would do nothing.
    let is_interrupted = follow::interruption()?;
    if note.is_launching() {
        context.say("the data of a run is still read; Ctrl-C gives it up");
    }
    while note.is_launching() {
        if is_interrupted.load(Ordering::Relaxed) {
            return Err(CliError::interrupted("the launch was given up")
                .with_hint("`ser runs` shows whether its run was queued before"));
        }
        std::thread::sleep(POLL);
    }
    for run in note.wait()? {
        context.say(&format!("started `{run}`; `ser attach {run}` returns"));
    }
    Ok(())
}

fn latest(store: &Store) -> CliResult<RunRow> {
    let mut runs = store.runs()?;
    runs.sort_by_key(|run| (run.status.wants_worker(), run.created_at_ms));
    runs.pop().ok_or_else(|| {
        CliError::input("there is no run to watch").with_hint("start one with `ser run`")
    })
}
