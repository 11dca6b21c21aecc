//! The thread that makes the changes `update` asks for: requests to workers, new runs, files, copies.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::analysis::RoundChoice;
use crate::domain::run::{RequestKind, RunId, RunStatus};
use crate::domain::text::causes::one_line;
use crate::launch::export::{self, WrittenPolicy};
use crate::launch::target::Target;
use crate::launch::{self, LaunchError, Request as LaunchRequest, presets};
use crate::report::listing::{Printed, rollouts};
use crate::report::{self, ImageForm, ReportError};
use crate::store::rows::RunRow;
use crate::store::{Access, Home, QueueMove, Store};
use crate::supervisor::{Supervisor, SupervisorError};

use super::change::{Answer, Change, Contents, Edited};
use crate::tui::kit::command_line::command_line;
use crate::tui::kit::words::with_hint;
use crate::tui::outlet::Outlet;
use crate::tui::terminal::clipboard;

/// How often the head of the queue is looked at: there is no daemon, so whoever is here does it.
const QUEUE: Duration = Duration::from_secs(3);

/// Pairs of each run in a report, as many as `ser export --format html` takes.
const N_REPORT_PAIRS: usize = 12;

/// A launch that is under way: the id of its last run, or why there is none.
pub type Launching = JoinHandle<Result<String, LaunchError>>;

/// Makes changes until the interface is gone. Launches that are still running then are returned,
/// because a person who leaves during an import still wants the run. Dry runs are stopped, because
/// nobody would see their result.
pub fn execute(
    home: &Home,
    supervisor: &Arc<Supervisor>,
    read_only: bool,
    changes: &Receiver<Change>,
    to: &Outlet<Answer>,
) -> Vec<Launching> {
    let mut launches: Vec<Launching> = Vec::new();
    let mut dry_runs: Vec<JoinHandle<()>> = Vec::new();
    let is_left = Arc::new(AtomicBool::new(false));
    loop {
        let answered = match changes.recv_timeout(QUEUE) {
            Ok(Change::Ask { run, name, kind }) => {
                Some(answer(ask(home, supervisor, &run, &name, kind)))
            }
            Ok(Change::Kill { run, name }) => Some(answer(kill(home, supervisor, &run, &name))),
            Ok(Change::Queue { run, name, to }) => {
                Some(answer(queue(home, supervisor, &run, &name, to)))
            }
            Ok(Change::Launch(request)) => {
                launches.retain(|launch| !launch.is_finished());
                launches.push(launch(home, supervisor, request, to));
                None
            }
            Ok(Change::DryRun { spec }) => {
                dry_runs.retain(|dry_run| !dry_run.is_finished());
                dry_runs.push(dry_run(home, supervisor, spec, &is_left, to));
                None
            }
            Ok(Change::Save { path, contents: Contents::Text(text), overwrites }) => {
                Some(save_text(&path, text, overwrites))
            }
            Ok(Change::Save { path, contents, overwrites }) => {
                save_read(home, path, contents, overwrites, to);
                None
            }
            Ok(Change::SavePreset { name, contents }) => Some(save_preset(home, &name, contents)),
            Ok(Change::CopyPrinted { what, printed }) => {
                copy_printed(home, what, printed, to);
                None
            }
            Ok(Change::EditRuns(edited)) => Some(edit(home, edited)),
            Ok(Change::Copy { what, text }) => Some(copy(home, &what, &text)),
            Err(RecvTimeoutError::Timeout) => {
                if !read_only && home.database().exists() {
                    start_queued(home, supervisor);
                }
                None
            }
            Err(RecvTimeoutError::Disconnected) => break,
        };
        if let Some(answer) = answered {
            // Even if the interface is gone, the last request is carried out.
            let _ = to.send(answer);
        }
    }
    is_left.store(true, Ordering::Relaxed);
    for dry_run in dry_runs {
        // Nobody is left to be told of a panic.
        let _ = dry_run.join();
    }
    launches.retain(|launch| !launch.is_finished());
    launches
}

fn answer(result: Result<String, SupervisorError>) -> Answer {
    match result {
        Ok(words) => Answer::Done(words),
        Err(error) => Answer::Failed(with_hint(&one_line(&error), error.hint())),
    }
}

fn ask(
    home: &Home,
    supervisor: &Supervisor,
    run: &RunId,
    name: &str,
    kind: RequestKind,
) -> Result<String, SupervisorError> {
    let mut store = Store::open(home, Access::ReadWrite)?;
    match kind {
        RequestKind::Pause => supervisor.pause(&mut store, run)?,
        RequestKind::Resume => supervisor.resume(&mut store, run)?,
        RequestKind::Stop => supervisor.stop(&mut store, run)?,
    }
    let status = store.run(run)?.row.status;
    Ok(match (kind, status) {
        (RequestKind::Pause, _) => format!("{name} pauses after its present step · p goes on"),
        (RequestKind::Resume, RunStatus::Queued) => {
            format!("{name} goes on as soon as there is a free slot")
        }
        (RequestKind::Resume, _) => match slot_of_another(&store, run)? {
            Some(other) => format!("{name} goes on when its slot is free, which {other} has"),
            None => format!("{name} goes on"),
        },
        (RequestKind::Stop, status) if status.is_ended() => format!("{name} is out of the queue"),
        (RequestKind::Stop, _) => format!("{name} stops after its present step · R resumes it"),
    })
}

/// The name of a run that holds the slot which this one needs to go on.
fn slot_of_another(store: &Store, run: &RunId) -> Result<Option<String>, SupervisorError> {
    let slots = store.run(run)?.row.slots;
    let holds = |other: &RunRow| other.holds_slot() && other.slots == slots && other.id != *run;
    Ok(store.runs()?.into_iter().find(holds).map(|other| other.name))
}

fn queue(
    home: &Home,
    supervisor: &Supervisor,
    run: &RunId,
    name: &str,
    to: Option<QueueMove>,
) -> Result<String, SupervisorError> {
    let mut store = Store::open(home, Access::ReadWrite)?;
    let Some(to) = to else {
        supervisor.start_now(&mut store, run)?;
        return Ok(format!("{name} starts beside what runs"));
    };
    store.move_queued(run, to)?;
    let place = store.run(run)?.row.queue_place.unwrap_or(1);
    Ok(format!("{name} is number {place} of the queue"))
}

fn kill(
    home: &Home,
    supervisor: &Supervisor,
    run: &RunId,
    name: &str,
) -> Result<String, SupervisorError> {
    let store = Store::open(home, Access::ReadOnly)?;
    supervisor.kill(&store, run)?;
    Ok(format!("{name} is killed · R resumes it from its latest checkpoint"))
}

/// Writes a text to a file that a person named, over another one only when they said so.
fn save_text(path: &Path, text: String, overwrites: bool) -> Answer {
    if !overwrites && path.exists() {
        let contents = Contents::Text(text);
        return Answer::FileExists { path: path.to_owned(), contents };
    }
    save(path, text.as_bytes())
}

/// Writes a file: all of it or nothing.
fn save(path: &Path, contents: &[u8]) -> Answer {
    let shown = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.part", std::process::id()));
    let part = path.with_file_name(name);
    let written = std::fs::write(&part, contents).and_then(|()| std::fs::rename(&part, path));
    match written {
        Ok(()) => Answer::Done(format!("wrote {}", shown.display())),
        Err(error) => {
            let _ = std::fs::remove_file(&part);
            Answer::Failed(format!("cannot write {}: {error}", shown.display()))
        }
    }
}

/// Saves what is read from the store first. That takes seconds for a large run, and other changes do
/// not wait for it.
fn save_read(
    home: &Home,
    path: PathBuf,
    contents: Contents,
    overwrites: bool,
    to: &Outlet<Answer>,
) {
    let (home, to) = (home.clone(), to.clone());
    thread::spawn(move || {
        let message = if let Contents::Policy { run, is_adapter } = contents {
            save_policy(&home, path, run, is_adapter, overwrites)
        } else if !overwrites && path.exists() {
            Answer::FileExists { path, contents }
        } else {
            match bytes_of(&home, &path, &contents) {
                Ok(bytes) => {
                    let saved = save(&path, &bytes);
                    with_path_copied(&home, &path, &contents, saved)
                }
                Err(failed) => failed,
            }
        };
        let _ = to.send(message);
    });
}

/// Writes a policy's directory: all of it or nothing.
fn save_policy(
    home: &Home,
    path: PathBuf,
    run: RunId,
    is_adapter: bool,
    overwrites: bool,
) -> Answer {
    let write = || -> Result<Option<WrittenPolicy>, LaunchError> {
        // What no export made stays, whatever the person says.
        let target = Target::new(&path, true)?;
        if !overwrites && path.symlink_metadata().is_ok() {
            return Ok(None);
        }
        let store = Store::open(home, Access::ReadOnly)?;
        let row = store.run(&run)?.row;
        let write = |dir: &Path| export::policy(&store, &row, [dir, target.place()], is_adapter);
        target.directory(write).map(Some)
    };
    match write() {
        Ok(None) => Answer::FileExists { path, contents: Contents::Policy { run, is_adapter } },
        Ok(Some(written)) => {
            let shown = std::path::absolute(&path).unwrap_or_else(|_| path.clone());
            let chat = command_line(&["chat".to_owned(), path.display().to_string()]);
            let WrittenPolicy { what, step, .. } = written;
            Answer::Done(format!("{chat} talks to step {step} · {what} in {}", shown.display()))
        }
        Err(error) => Answer::Failed(with_hint(&one_line(&error), error.hint())),
    }
}

/// A report is opened elsewhere, so its path goes to the clipboard.
fn with_path_copied(home: &Home, path: &Path, contents: &Contents, saved: Answer) -> Answer {
    let (Answer::Done(words), Contents::Report { .. }) = (&saved, contents) else { return saved };
    let shown = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let copied = copy(home, "its path", &shown.display().to_string());
    if let Answer::Copied { bytes, words: copied } = copied {
        let words = format!("{words} · {copied}");
        Answer::Copied { bytes, words }
    } else {
        saved
    }
}

/// Puts a list on the person's clipboard.
fn copy_printed(home: &Home, what: String, printed: Printed, to: &Outlet<Answer>) {
    let (home, to) = (home.clone(), to.clone());
    thread::spawn(move || {
        let text = text_of(&home, &Contents::Printed(printed));
        let message = text.map_or_else(|failed| failed, |text| copy(&home, &what, &text));
        let _ = to.send(message);
    });
}

/// What a file will hold, or the answer that says why it cannot be made.
fn bytes_of(home: &Home, path: &Path, contents: &Contents) -> Result<Vec<u8>, Answer> {
    let text = text_of(home, contents)?;
    let form = match contents {
        Contents::Picture { form, .. } | Contents::Drawn { form, .. } => *form,
        Contents::Text(_)
        | Contents::Printed(_)
        | Contents::Report { .. }
        | Contents::Rollouts { .. }
        | Contents::Policy { .. } => {
            return Ok(text.into_bytes());
        }
    };
    ImageForm::of(path).unwrap_or(form).file(text).map_err(|error| failed(&error))
}

fn failed(error: &ReportError) -> Answer {
    Answer::Failed(with_hint(&one_line(error), error.hint()))
}

/// What a text file will hold, or the answer that says why it cannot be read; of a chart its SVG.
fn text_of(home: &Home, contents: &Contents) -> Result<String, Answer> {
    let read = || -> Result<String, ReportError> {
        let store = || Store::open(home, Access::ReadOnly);
        match contents {
            Contents::Text(text) | Contents::Drawn { svg: text, .. } => Ok(text.clone()),
            Contents::Printed(printed) => printed.text(&store()?),
            Contents::Report { runs } => {
                report::report_of(&store()?, runs.clone(), RoundChoice::Last, N_REPORT_PAIRS)
            }
            Contents::Rollouts { run } => rollouts::lines(&store()?, run),
            // A directory, which is written by itself.
            Contents::Policy { .. } => Ok(String::new()),
            Contents::Picture { run, picture, .. } => report::picture_of(&store()?, run, *picture),
        }
    };
    read().map_err(|error| failed(&error))
}

/// Keeps a spec in the home, where the form finds it.
fn save_preset(home: &Home, name: &str, contents: String) -> Answer {
    let folder = presets::folder(home);
    if let Err(error) = std::fs::create_dir_all(&folder) {
        return Answer::Failed(format!("cannot make {}: {error}", folder.display()));
    }
    save_text(&folder.join(format!("{name}.toml")), contents, false)
}

/// Puts a text on the person's clipboard.
fn copy(home: &Home, what: &str, text: &str) -> Answer {
    let path = home.root().join("last-copy.txt");
    match clipboard::copy(&path, what, text, |name| std::env::var(name).ok()) {
        Ok(copied) => Answer::Copied { bytes: copied.bytes, words: copied.words },
        Err(error) => Answer::Failed(format!("cannot write {}: {error}", path.display())),
    }
}

/// Changes what is kept about runs.
fn edit(home: &Home, edited: Edited) -> Answer {
    let made =
        Store::open(home, Access::ReadWrite).and_then(|mut store| store.edit_runs(&edited.edits));
    match made {
        Ok(inverse) => Answer::RunsEdited { edited, inverse },
        Err(error) => Answer::Failed(with_hint(&one_line(&error), error.hint())),
    }
}

/// A launch imports its data first, which can take minutes: other changes do not wait for it.
fn launch(
    home: &Home,
    supervisor: &Arc<Supervisor>,
    request: LaunchRequest,
    to: &Outlet<Answer>,
) -> Launching {
    let (home, supervisor, to) = (home.clone(), Arc::clone(supervisor), to.clone());
    thread::spawn(move || {
        let started = start(&home, &supervisor, &request);
        let answer = match &started {
            Ok(run) => Answer::Started(run.clone()),
            Err(error) => Answer::Failed(with_hint(&one_line(error), error.hint())),
        };
        // The interface may be gone by now; whoever waits for this thread tells the outcome then.
        let _ = to.send(answer);
        started
    })
}

/// Queues the runs and starts the first; the id of the last.
fn start(
    home: &Home,
    supervisor: &Supervisor,
    request: &LaunchRequest,
) -> Result<String, LaunchError> {
    let mut store = Store::open(home, Access::ReadWrite)?;
    let place = launch::Place { home, say: &launch::Silent };
    let started = launch::start(place, &mut store, request)?;
    supervisor.start_next(&mut store)?;
    Ok(started.runs.last().map(|run| run.id.to_string()).unwrap_or_default())
}

/// A dry run takes as long as a small run: other changes do not wait for it.
fn dry_run(
    home: &Home,
    supervisor: &Arc<Supervisor>,
    spec: String,
    is_left: &Arc<AtomicBool>,
    to: &Outlet<Answer>,
) -> JoinHandle<()> {
    let (home, supervisor) = (home.clone(), Arc::clone(supervisor));
    let (is_left, to) = (Arc::clone(is_left), to.clone());
    thread::spawn(move || {
        let ended = match launch::dry_run(&home, &supervisor, &spec, &is_left) {
            Ok(took) => {
                let seconds = took.as_secs_f64();
                Ok(format!("ok: 200 pairs and one round in {seconds:.0} s, nothing kept"))
            }
            Err(error) => Err(with_hint(&one_line(&error), error.hint())),
        };
        let _ = to.send(Answer::DryRunEnded(ended));
    })
}

/// Starts the next queued run. Errors are ignored, because nobody asked for this start.
fn start_queued(home: &Home, supervisor: &Supervisor) {
    if let Ok(mut store) = Store::open(home, Access::ReadWrite)
        && let Err(error) = supervisor.start_next(&mut store)
    {
        tracing::warn!(%error, "cannot start the next queued run");
    }
}
