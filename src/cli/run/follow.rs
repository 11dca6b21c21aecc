//! Following a run without a screen: progress lines from its events, to its end.

use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGINT, SIGTERM};

use super::told::TerminalProgress;
use crate::analysis::forecast_of;
use crate::cli::print::{print_json, print_line};
use crate::cli::{CliError, CliResult, Context};
use crate::domain::event::{RunEvent, SelectionSummary};
use crate::domain::forecast::Forecast;
use crate::domain::metrics::{Evaluation, Split};
use crate::domain::phase::PhaseKey;
use crate::domain::run::{Liveness, RunId, RunStatus};
use crate::domain::text::clean::clean_line;
use crate::domain::text::words;
use crate::domain::told;
use crate::report;
use crate::report::ShowDocument;
use crate::report::story::{self, of_policy};
use crate::store::rows::RunRow;
use crate::store::{Access, Store};
use crate::tui::progress::Progress;

/// Between two looks at the database.
const POLL: Duration = Duration::from_millis(200);
/// Between two attempts to start a queued run, and two looks at whether the worker lives.
const CHECK: Duration = Duration::from_secs(2);
/// Shortest time between two progress lines on a terminal.
const THROTTLE_TERMINAL: Duration = Duration::from_secs(2);
/// Shortest time between two progress lines in a log, where every line stays.
const THROTTLE_LOG: Duration = Duration::from_secs(15);
/// Events read at once, which bounds the memory of a follower that starts late.
const EVENTS_MAX: usize = 1000;

/// What is printed in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// A line for each round on standard output.
    Lines,
    /// Those lines on standard error, and the JSON document on standard output.
    Json,
    /// Those lines on standard error, and nothing on standard output.
    Silent,
}

/// Follows a run until it ends. Ctrl-C ends the following, not the run.
///
/// # Errors
/// [`crate::cli::ErrorKind::Failure`] when the run fails or its worker is lost,
/// [`crate::cli::ErrorKind::Interrupted`] on Ctrl-C.
pub fn to_the_end(context: &Context, store: &Store, run: &RunId, output: Output) -> CliResult {
    let is_interrupted = interruption()?;
    let mut printer = Printer::new(context, output, store.run(run)?.row.name);
    let mut seen = 0;
    let mut version = None;
    let mut checked: Option<Instant> = None;
    loop {
        if is_interrupted.load(Ordering::Relaxed) {
            return Err(CliError::interrupted(format!("run `{run}` goes on without this command"))
                .with_hint(format!(
                    "watch it with `ser attach {run}`, end it with `ser stop {run}`"
                )));
        }
        let now = store.data_version()?;
        let has_changed = version.replace(now) != Some(now);
        if has_changed {
            seen = printer.print_events(store, run, seen)?;
        }
        if printer.is_ended || checked.is_none_or(|at| at.elapsed() >= CHECK) {
            checked = Some(Instant::now());
            let row = store.run(run)?.row;
            if row.status.is_ended() {
                printer.print_events(store, run, seen)?;
                return finish(store, run, &row, output);
            }
            keep_going(context, &row)?;
            printer.print_waiting(store, &row)?;
            printer.forecast = foretell(store, run)?;
        }
        std::thread::sleep(POLL);
    }
}

fn foretell(store: &Store, run: &RunId) -> CliResult<Option<Forecast>> {
    let detail = store.run(run)?;
    // A spec of another version tells nothing of what is to come.
    let Ok(spec) = serde_json::from_str(&detail.spec_json) else { return Ok(None) };
    Ok(forecast_of(&spec, &detail, &store.rounds(run)?, &store.phases(run)?))
}

/// A flag that Ctrl-C sets from now on, instead of ending the process.
///
/// # Errors
/// When the system lets nobody listen.
pub fn interruption() -> CliResult<Arc<AtomicBool>> {
    let is_interrupted = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&is_interrupted))
            .map_err(|error| CliError::failure(format!("cannot listen for signals: {error}")))?;
    }
    Ok(is_interrupted)
}

/// Follows runs one after the other. One failed run of several does not hide the others; what comes
/// last is the error.
///
/// # Errors
/// As [`to_the_end`].
pub fn all_to_the_end(
    context: &Context,
    store: &Store,
    runs: &[RunRow],
    output: Output,
) -> CliResult {
    let mut failed = None;
    for (index, run) in runs.iter().enumerate() {
        if runs.len() > 1 {
            context.say(&format!("run {} of {}: {}", index + 1, runs.len(), run.name));
        }
        match to_the_end(context, store, &run.id, output) {
            Err(error) if error.kind == crate::cli::ErrorKind::Failure && runs.len() > 1 => {
                context.say(error.report().trim_end());
                failed = Some(error);
            }
            result => result?,
        }
    }
    failed.map_or(Ok(()), Err)
}

/// Starts the run if it waits and a slot is free; gives up when its worker is gone.
fn keep_going(context: &Context, row: &RunRow) -> CliResult {
    if row.liveness == Liveness::Gone {
        let message = format!("the worker of `{}` is gone: the run is interrupted", row.name);
        return Err(CliError::failure(message)
            .with_hint(format!("go on from its last checkpoint with `ser resume {}`", row.id)));
    }
    if row.status == RunStatus::Queued && context.access == Access::ReadWrite {
        let mut store = context.store_to_write("attach")?;
        context.supervisor.start_next(&mut store)?;
    }
    Ok(())
}

fn finish(store: &Store, run: &RunId, row: &RunRow, output: Output) -> CliResult {
    if output == Output::Json {
        print_json(&ShowDocument::read(store, &store.run(run)?)?)?;
    }
    match row.status {
        RunStatus::Failed => {
            let failure = row.failure.as_deref().unwrap_or("it says nothing about why");
            let hint = match failure_hint(store, run)? {
                Some(hint) => hint,
                None => format!("once the cause is gone, go on with `ser resume {run}`"),
            };
            Err(CliError::failure(format!("run `{}` failed: {failure}", row.name)).with_hint(hint))
        }
        _ => Ok(()),
    }
}

/// The hint that the worker left with its failure.
fn failure_hint(store: &Store, run: &RunId) -> CliResult<Option<String>> {
    let events = store.last_events(run, 1)?;
    Ok(events.first().and_then(|line| {
        let Ok(RunEvent::RunFailed { hint, .. }) = serde_json::from_str(&line.body) else {
            return None;
        };
        hint
    }))
}

/// Turns events into lines.
struct Printer<'a> {
    context: &'a Context,
    output: Output,
    name: String,
    throttle: Duration,
    printed_at: Option<Instant>,
    selection: Option<SelectionSummary>,
    validation: Option<Evaluation>,
    test: Option<Evaluation>,
    /// Folds of the present phase.
    n_parts: u32,
    is_ended: bool,
    /// What was said last of what the run waits for.
    waited: Option<String>,
    /// When the event that is printed happened, milliseconds since 1970.
    at_ms: i64,
    /// How far the run is and when it will end, where that can be foretold.
    forecast: Option<Forecast>,
    terminal: TerminalProgress,
}

impl<'a> Printer<'a> {
    fn new(context: &'a Context, output: Output, name: String) -> Self {
        let is_terminal = std::io::stderr().is_terminal();
        Self {
            context,
            output,
            name,
            throttle: if is_terminal { THROTTLE_TERMINAL } else { THROTTLE_LOG },
            printed_at: None,
            selection: None,
            validation: None,
            test: None,
            n_parts: 0,
            is_ended: false,
            waited: None,
            at_ms: jiff::Timestamp::now().as_millisecond(),
            forecast: None,
            terminal: TerminalProgress::new(context),
        }
    }

    /// Says which runs have the slots that a run waits for, whenever others have them or its place
    /// changes.
    fn print_waiting(&mut self, store: &Store, run: &RunRow) -> CliResult {
        let runs = store.runs()?;
        let behind = run.waits_behind(&runs);
        if behind.is_empty() {
            return Ok(());
        }
        let names: Vec<String> = behind.iter().map(|other| format!("`{}`", other.name)).collect();
        let place = run.queue_place.map_or(String::new(), |place| format!(" (place {place})"));
        let line = format!(
            "`{}` is queued{place} behind {}; `ser queue` shows it, `ser queue now {}` starts it \
             beside",
            run.name,
            names.join(", "),
            run.id
        );
        if self.waited.as_ref() != Some(&line) {
            self.say(&line);
            self.waited = Some(line);
        }
        Ok(())
    }

    /// Prints the events after `seen`; returns the last one seen.
    fn print_events(&mut self, store: &Store, run: &RunId, mut seen: u64) -> CliResult<u64> {
        loop {
            let lines = store.events_after(run, seen, EVENTS_MAX)?;
            let n_lines = lines.len();
            for line in lines {
                (seen, self.at_ms) = (line.seq, line.at_ms);
                match serde_json::from_str::<RunEvent>(&line.body) {
                    Ok(event) => self.print(event)?,
                    // A newer worker may say things this version does not know.
                    Err(error) => tracing::warn!(seq = line.seq, %error, "unreadable event"),
                }
            }
            if n_lines < EVENTS_MAX {
                return Ok(seen);
            }
        }
    }

    fn print_split(&self, event: &RunEvent) {
        let RunEvent::DataSplitMade { n_seed_set, n_validation, n_unlabeled_pool, n_test, .. } =
            *event
        else {
            return;
        };
        self.say(&format!(
            "seed set {}, validation {}, unlabeled pool {}, test {}",
            words::count(n_seed_set),
            words::count(n_validation),
            words::count(n_unlabeled_pool),
            words::count(n_test)
        ));
    }

    fn print(&mut self, event: RunEvent) -> CliResult {
        self.is_ended |= event.status().is_some_and(RunStatus::is_ended);
        if let Some(sentence) = story::sentence(&event) {
            self.say(&sentence);
        }
        match event {
            RunEvent::RunStarted { resumed_from: Some(name), .. } => {
                self.say(&format!("resumed from checkpoint {name}"));
            }
            RunEvent::RoundReused { round, run, wall_ms, .. } => {
                let saved = words::duration(wall_ms);
                self.say(&format!("round {round} taken from run {run}: {saved} saved"));
            }
            RunEvent::OracleAnswered { queue, answers, n_wrong, .. } => {
                let (n, queue) = (words::count(answers.len() as u64), queue.name());
                self.say(&format!("the oracle answered {n} {queue} pairs, {n_wrong} wrongly"));
            }
            RunEvent::StepsMatched { arm, n_steps, .. } => {
                let n_steps = words::count(n_steps);
                self.say(&format!("at least {n_steps} steps, as `{arm}` took"));
            }
            RunEvent::DataSplitMade { .. } => self.print_split(&event),
            RunEvent::Progressed { round, step, part, n_done, n_total, n_tokens, elapsed_ms } => {
                let key = PhaseKey { round, phase: step, part };
                self.progress(key, [n_done, n_total], n_tokens, elapsed_ms);
            }
            RunEvent::StepStarted { n_parts, .. } => self.n_parts = n_parts,
            RunEvent::SelectionMade { summary, .. } => self.selection = Some(summary),
            RunEvent::Evaluated { split: Split::Validation, evaluation, .. } => {
                self.validation = Some(evaluation);
            }
            RunEvent::Evaluated { split: Split::Test, evaluation, .. } => {
                self.test = Some(evaluation);
            }
            RunEvent::RoundFinished { round, wall_ms, n_tokens } => {
                let line = self.round_line(round, wall_ms, n_tokens);
                self.result(&line)?;
            }
            RunEvent::Paused { reason } => self.paused(&reason),
            RunEvent::Resumed => self.say("resumed"),
            RunEvent::Warned { message } => self.say(&format!("warning: {message}")),
            RunEvent::RunFinished { reason } => {
                self.result(&format!("finished: {}", told::stop_reason(reason)))?;
            }
            RunEvent::RunStopped => self.result("stopped; a checkpoint holds its state")?,
            RunEvent::PolicyStepTaken { .. } => {
                of_policy::step_line(&event).map_or(Ok(()), |line| self.result(&line))?;
            }
            RunEvent::RunStarted { .. }
            | RunEvent::RolloutsSampled { .. }
            | RunEvent::PolicyEvaluated { .. }
            | RunEvent::BestOfMeasured { .. }
            | RunEvent::SignSeen { .. }
            | RunEvent::PolicyRestored { .. }
            | RunEvent::PolicyJudged { .. }
            | RunEvent::RolloutVetoesRead { .. }
            | RunEvent::ModelOpened { .. }
            | RunEvent::TextsEncoded { .. }
            | RunEvent::TrainStepTaken { .. }
            | RunEvent::RoundTrained { .. }
            | RunEvent::PoolScored { .. }
            | RunEvent::CrossFitted { .. }
            | RunEvent::PairsGenerated { .. }
            | RunEvent::CheckpointSaved { .. }
            | RunEvent::VerdictsRead { .. }
            | RunEvent::RequestRead { .. }
            | RunEvent::RolledBack { .. }
            | RunEvent::RunFailed { .. } => {}
        }
        Ok(())
    }

    fn paused(&mut self, reason: &str) {
        self.terminal.tell(Progress::Paused(0));
        let name = &self.name;
        self.say(&if reason == "review" {
            format!("`{name}` waits for your review: `ser resume {name}` lets it go on")
        } else {
            "paused on request".to_owned()
        });
    }

    /// Says something with the time at which it happened.
    fn say(&self, line: &str) {
        self.context.say(&format!("{} {line}", clock(self.at_ms)));
    }

    fn result(&self, line: &str) -> CliResult {
        match self.output {
            Output::Lines => print_line(&clean_line(&format!("{} {line}", clock(self.at_ms)))),
            Output::Json | Output::Silent => {
                self.say(line);
                Ok(())
            }
        }
    }

    fn progress(&mut self, key: PhaseKey, [done, total]: [u64; 2], n_tokens: u64, ms: u64) {
        let PhaseKey { round, phase, part } = key;
        let share = self.forecast.as_ref().map_or(0.0, |forecast| forecast.done);
        self.terminal.tell(Progress::Running(Progress::percent(share)));
        if self.printed_at.is_some_and(|at| at.elapsed() < self.throttle) {
            return;
        }
        self.printed_at = Some(Instant::now());
        let speed = words::rate(n_tokens, ms)
            .map_or_else(String::new, |rate| format!("  {} tokens/s", words::count(rate)));
        let (done, total) = (words::count(done), words::count(total));
        let doing = told::doing(phase, part, self.n_parts);
        let ends = self.forecast.as_ref().map_or_else(String::new, |forecast| {
            format!("  {:.0} % of the run, {}", forecast.done * 100.0, self.ends(forecast))
        });
        let place = told::place(phase, round);
        self.say(&format!("{place}  {doing} {done} of {total}{speed}{ends}"));
    }

    /// When the run ends, counted from the event that is printed.
    fn ends(&self, forecast: &Forecast) -> String {
        let [least, _, most] = forecast.left_ms.map(|ms| i64::try_from(ms).unwrap_or(i64::MAX / 2));
        let now = jiff::Zoned::now();
        let [least, most] = [least, most].map(|left| self.at_ms.saturating_add(left));
        words::ends_between(least, most, self.at_ms, now.offset().seconds())
    }

    /// One line of what a round came to; forgets it afterwards.
    fn round_line(&mut self, round: u32, wall_ms: u64, n_tokens: u64) -> String {
        let mut parts = vec![format!("round {round}")];
        if let Some(summary) = self.selection.take() {
            let percent = |share: Option<f64>| share.map_or("–".to_owned(), words::percent);
            parts.extend(told::learning_status(summary.learning_status).map(str::to_owned));
            parts.push(format!(
                "selected {} of {} ({})",
                words::count(summary.n_selected),
                words::count(summary.n_scored),
                percent(summary.coverage)
            ));
            let by_origin = summary.by_origin.as_deref().map_or_else(String::new, |it| {
                let parts = it
                    .parts()
                    .map(|(name, of)| format!("{name} {}", percent(of.pseudo_label_precision)));
                format!(" ({})", parts.join(", "))
            });
            let precision = percent(summary.pseudo_label_precision);
            parts.push(format!("label precision {precision}{by_origin}"));
        }
        let evaluations = [("validation", self.validation.take()), ("test", self.test.take())];
        for (name, evaluation) in evaluations {
            parts.extend(evaluation.map(|e| format!("{name} {}", report::accuracy(&e))));
        }
        parts.push(words::duration(wall_ms));
        parts.extend(
            words::rate(n_tokens, wall_ms).map(|n| format!("{} tokens/s", words::count(n))),
        );
        parts.join("  ")
    }
}

/// The time of day of an event; with its date where that is not today's.
fn clock(at_ms: i64) -> String {
    let now = jiff::Zoned::now();
    let Ok(at) = jiff::Timestamp::from_millisecond(at_ms) else { return String::new() };
    let at = at.to_zoned(now.time_zone().clone());
    let form = if at.date() == now.date() { "%H:%M:%S" } else { "%Y-%m-%d %H:%M:%S" };
    at.strftime(form).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_the_time_of_its_event() {
        let now = jiff::Timestamp::now().as_millisecond();
        assert_eq!(clock(now).len(), "12:34:56".len());
        assert_eq!(clock(0).len(), "1970-01-01 00:00:00".len());
    }
}
