//! The thread that does what `update` asks for: requests to workers, new runs, files.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use tokio::sync::mpsc::Sender;

use crate::domain::run::{RequestKind, RunId, RunStatus};
use crate::domain::text::causes::chain;
use crate::domain::text::clean::clean_line;
use crate::launch::{self, LaunchError, Order, Say};
use crate::report::ReportError;
use crate::report::listing::Printed;
use crate::spec::SpecSet;
use crate::store::{Access, Home, Store};
use crate::supervisor::{Supervisor, SupervisorError};

use super::source::with_hint;
use crate::tui::Launching;
use crate::tui::screens::launch::presets;
use crate::tui::shell::effect::{Contents, Effect};
use crate::tui::shell::message::Message;
use crate::tui::shell::model::Edited;
use crate::tui::terminal::clipboard;

/// How often the head of the queue is looked at: there is no daemon, so whoever is here does it.
const QUEUE: Duration = Duration::from_secs(3);

/// Does effects until the interface is gone. Returns the launches that are still being prepared;
/// dry runs, which nobody would hear of, are given up.
pub fn execute(
    supervisor: &Arc<Supervisor>,
    read_only: bool,
    effects: &Receiver<Effect>,
    to: &Sender<Message>,
) -> Vec<Launching> {
    let mut executor = Executor {
        supervisor: Arc::clone(supervisor),
        read_only,
        to: to.clone(),
        launches: Vec::new(),
        dry_runs: Vec::new(),
        is_left: Arc::default(),
    };
    executor.work(effects);
    executor.is_left.store(true, Ordering::Relaxed);
    for dry_run in executor.dry_runs {
        // A thread that panicked has thrown nothing away, and there is nobody to tell.
        let _ = dry_run.join();
    }
    executor.launches.retain(|launch| !launch.is_finished());
    executor.launches
}

/// What effects are done with.
struct Executor {
    supervisor: Arc<Supervisor>,
    read_only: bool,
    to: Sender<Message>,
    launches: Vec<Launching>,
    dry_runs: Vec<thread::JoinHandle<()>>,
    /// The interface is gone.
    is_left: Arc<AtomicBool>,
}

impl Executor {
    fn work(&mut self, effects: &Receiver<Effect>) {
        loop {
            let message = match effects.recv_timeout(QUEUE) {
                Ok(effect) => self.execute(effect),
                Err(RecvTimeoutError::Timeout) => {
                    if !self.read_only && self.home().database().exists() {
                        start_queued(&self.supervisor);
                    }
                    None
                }
                Err(RecvTimeoutError::Disconnected) => return,
            };
            if let Some(message) = message {
                // The interface may be gone, but what it asked for last is done nevertheless.
                let _ = self.to.blocking_send(message);
            }
        }
    }

    fn home(&self) -> &Home {
        self.supervisor.home()
    }

    /// Does an effect. One that takes long has a thread of its own, which answers later.
    fn execute(&mut self, effect: Effect) -> Option<Message> {
        let supervisor = &self.supervisor;
        match effect {
            Effect::Ask { run, name, kind } => Some(answer(ask(supervisor, &run, &name, kind))),
            Effect::Kill { run, name } => Some(answer(kill(supervisor, &run, &name))),
            Effect::Launch(order) => {
                self.launches.retain(|launch| !launch.is_finished());
                self.launches.push(launch(supervisor, order, &self.to));
                None
            }
            Effect::DryRun(specs) => {
                self.dry_runs.retain(|dry_run| !dry_run.is_finished());
                self.dry_runs.push(dry_run(supervisor, specs, &self.to, &self.is_left));
                None
            }
            Effect::Save { path, contents: Contents::Text(text), overwrites } => {
                Some(save(&path, text, overwrites))
            }
            Effect::Save { path, contents: Contents::Printed(printed), overwrites } => {
                save_printed(self.home(), path, printed, overwrites, &self.to);
                None
            }
            Effect::SavePreset { name, contents } => {
                Some(save_preset(self.home(), &name, contents))
            }
            Effect::CopyPrinted { what, printed } => {
                copy_printed(self.home(), what, printed, &self.to);
                None
            }
            Effect::EditRuns(edited) => Some(edit(self.home(), edited)),
            Effect::Copy { what, text } => Some(copy(self.home(), &what, &text)),
            // The loop does these itself.
            Effect::Watch(_)
            | Effect::Samples(_)
            | Effect::Emit(_)
            | Effect::Edit { .. }
            | Effect::Suspend
            | Effect::Redraw
            | Effect::Quit => None,
        }
    }
}

fn answer(result: Result<String, SupervisorError>) -> Message {
    match result {
        Ok(words) => Message::Done(words),
        Err(error) => Message::Failed(with_hint(&chain(&error), error.hint())),
    }
}

fn ask(
    supervisor: &Supervisor,
    run: &RunId,
    name: &str,
    kind: RequestKind,
) -> Result<String, SupervisorError> {
    let mut store = Store::open(supervisor.home(), Access::ReadWrite)?;
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
        (RequestKind::Resume, _) => format!("{name} goes on"),
        (RequestKind::Stop, status) if status.is_ended() => format!("{name} is out of the queue"),
        (RequestKind::Stop, _) => format!("{name} stops after its present step · R resumes it"),
    })
}

fn kill(supervisor: &Supervisor, run: &RunId, name: &str) -> Result<String, SupervisorError> {
    let store = Store::open(supervisor.home(), Access::ReadOnly)?;
    supervisor.kill(&store, run)?;
    Ok(format!("{name} is killed · R resumes it from its latest checkpoint"))
}

/// Writes a file that a person named: all of it or nothing, and over another one only when they
/// said so.
fn save(path: &Path, text: String, overwrites: bool) -> Message {
    let shown = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    if !overwrites && path.exists() {
        let contents = Contents::Text(text);
        return Message::FileExists { path: path.to_owned(), contents };
    }
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.part", std::process::id()));
    let part = path.with_file_name(name);
    let written = std::fs::write(&part, text).and_then(|()| std::fs::rename(&part, path));
    match written {
        Ok(()) => Message::Done(format!("wrote {}", shown.display())),
        Err(error) => {
            let _ = std::fs::remove_file(&part);
            Message::Failed(format!("cannot write {}: {error}", shown.display()))
        }
    }
}

/// A list of a large run takes seconds: other effects do not wait for it.
fn save_printed(
    home: &Home,
    path: PathBuf,
    printed: Printed,
    overwrites: bool,
    to: &Sender<Message>,
) {
    let (home, to) = (home.clone(), to.clone());
    thread::spawn(move || {
        let message = if !overwrites && path.exists() {
            Message::FileExists { path, contents: Contents::Printed(printed) }
        } else {
            text_of(&home, &printed)
                .map_or_else(|failed| failed, |text| save(&path, text, overwrites))
        };
        let _ = to.blocking_send(message);
    });
}

/// Puts what a command prints on the person's clipboard.
fn copy_printed(home: &Home, what: String, printed: Printed, to: &Sender<Message>) {
    let (home, to) = (home.clone(), to.clone());
    thread::spawn(move || {
        let text = text_of(&home, &printed);
        let message = text.map_or_else(|failed| failed, |text| copy(&home, &what, &text));
        let _ = to.blocking_send(message);
    });
}

/// What a command prints, or the message that says why it cannot.
fn text_of(home: &Home, printed: &Printed) -> Result<String, Message> {
    Store::open(home, Access::ReadOnly)
        .map_err(ReportError::from)
        .and_then(|store| printed.text(&store))
        .map_err(|error| Message::Failed(with_hint(&chain(&error), error.hint())))
}

/// Keeps a spec in the home, where the form finds it.
fn save_preset(home: &Home, name: &str, contents: String) -> Message {
    let folder = presets::folder(home);
    if let Err(error) = std::fs::create_dir_all(&folder) {
        return Message::Failed(format!("cannot make {}: {error}", folder.display()));
    }
    save(&folder.join(format!("{name}.toml")), contents, false)
}

/// Puts a text on the person's clipboard.
fn copy(home: &Home, what: &str, text: &str) -> Message {
    let path = home.root().join("last-copy.txt");
    match clipboard::copy(&path, what, text, |name| std::env::var(name).ok()) {
        Ok(copied) => Message::Copied { bytes: copied.bytes, words: copied.words },
        Err(error) => Message::Failed(format!("cannot write {}: {error}", path.display())),
    }
}

/// Changes what is kept about runs.
fn edit(home: &Home, edited: Edited) -> Message {
    let made =
        Store::open(home, Access::ReadWrite).and_then(|mut store| store.edit_runs(&edited.edits));
    match made {
        Ok(inverse) => Message::RunsEdited { edited, inverse },
        Err(error) => Message::Failed(with_hint(&error.to_string(), error.hint())),
    }
}

/// What a launch says on the way, as messages. They come in their turn or not at all: whoever
/// prepares a run waits for no screen.
struct ToScreen(Sender<Message>);

impl Say for ToScreen {
    fn say(&self, line: &str) {
        let _ = self.0.try_send(Message::Done(clean_line(line)));
    }

    fn progress(&self, line: &str) {
        self.say(line);
    }

    fn clear(&self) {}
}

/// A launch imports its data first, which can take minutes: other effects do not wait for it.
fn launch(supervisor: &Arc<Supervisor>, order: Order, to: &Sender<Message>) -> Launching {
    let (supervisor, to) = (Arc::clone(supervisor), to.clone());
    thread::spawn(move || {
        let launched =
            Store::open(supervisor.home(), Access::ReadWrite).map_err(LaunchError::from).and_then(
                |mut store| launch::start(&supervisor, &mut store, &order, &ToScreen(to.clone())),
            );
        let message = match &launched {
            // The last one is the one that stands at the top of the list.
            Ok(launched) => {
                let last = launched.runs.last();
                Message::Started(last.map_or_else(String::new, |run| run.id.to_string()))
            }
            Err(error) => Message::Failed(with_hint(&chain(error), error.hint())),
        };
        // The interface may be gone by now; whoever waits for this thread tells the outcome then.
        let _ = to.blocking_send(message);
        launched
    })
}

/// A dry run takes as long as a small run: other effects do not wait for it.
fn dry_run(
    supervisor: &Arc<Supervisor>,
    specs: SpecSet,
    to: &Sender<Message>,
    is_left: &Arc<AtomicBool>,
) -> thread::JoinHandle<()> {
    let (supervisor, to, is_left) = (Arc::clone(supervisor), to.clone(), Arc::clone(is_left));
    thread::spawn(move || {
        let words = match launch::dry_run(&supervisor, &specs, &ToScreen(to.clone()), &is_left) {
            Ok(took) => {
                format!("ok: 200 pairs and one round in {:.0} s, nothing kept", took.as_secs_f64())
            }
            Err(error) => with_hint(&chain(&error), error.hint()),
        };
        let _ = to.blocking_send(Message::DryRunEnded(words));
    })
}

/// Errors are left to whoever asks for something: nobody asked for this.
fn start_queued(supervisor: &Supervisor) {
    if let Ok(mut store) = Store::open(supervisor.home(), Access::ReadWrite)
        && let Err(error) = supervisor.start_next(&mut store)
    {
        tracing::warn!(%error, "cannot start the next queued run");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::event::WorkerIdentity;
    use crate::supervisor::{Job, JobState, Launcher};

    /// A place whose workers never take their run; they are gone once the test says so.
    #[derive(Debug, Default)]
    struct Nowhere {
        is_gone: AtomicBool,
    }

    impl Launcher for Nowhere {
        fn n_slots(&self) -> usize {
            1
        }

        fn patience(&self) -> Duration {
            Duration::from_secs(600)
        }

        fn submit(&self, _: &Home, _: &RunId) -> Result<Job, SupervisorError> {
            Ok(Job("1".to_owned()))
        }

        fn state(&self, _: &Job) -> JobState {
            match self.is_gone.load(Ordering::Relaxed) {
                true => JobState::Ended("gone".to_owned()),
                false => JobState::Going,
            }
        }

        fn cancel(&self, _: &WorkerIdentity) -> Result<(), SupervisorError> {
            Ok(())
        }
    }

    fn specs() -> SpecSet {
        let sets = ["model.backbone=mock", "data.limit=300"].map(str::to_owned).to_vec();
        SpecSet { sets, ..SpecSet::default() }
    }

    /// An executor over a fresh home, and what the interface holds of it.
    struct World {
        _folder: tempfile::TempDir,
        supervisor: Arc<Supervisor>,
        place: Arc<Nowhere>,
    }

    fn world() -> World {
        let folder = tempfile::tempdir().unwrap();
        let place = Arc::new(Nowhere::default());
        let launcher: Arc<dyn Launcher> = place.clone();
        let supervisor = Supervisor::with_launcher(Home::new(folder.path()), launcher);
        World { _folder: folder, supervisor: Arc::new(supervisor), place }
    }

    #[test]
    fn a_launch_that_was_begun_outlives_the_interface() {
        let world = world();
        let (to_executor, effects) = std::sync::mpsc::channel();
        let (to, messages) = tokio::sync::mpsc::channel(4);
        let order = Order { specs: specs(), name: Some("mine".to_owned()) };
        to_executor.send(Effect::Launch(order)).unwrap();
        // The person has left: nobody asks and nobody listens.
        drop((to_executor, messages));
        for launch in execute(&world.supervisor, false, &effects, &to) {
            assert_eq!(launch.join().unwrap().unwrap().runs[0].name, "mine");
        }
        let store = Store::open(world.supervisor.home(), Access::ReadOnly).unwrap();
        assert_eq!(store.runs().unwrap().len(), 1);
    }

    #[test]
    fn a_launch_is_told_as_it_ended() {
        let world = world();
        let (to, mut messages) = tokio::sync::mpsc::channel(64);
        let launched = launch(&world.supervisor, Order { specs: specs(), name: None }, &to);
        let run = launched.join().unwrap().unwrap().runs[0].id.to_string();
        let mut last = None;
        while let Ok(message) = messages.try_recv() {
            last = Some(message);
        }
        assert_eq!(last, Some(Message::Started(run)));
        let mut wrong = specs();
        wrong.sets.push("data.source=nowhere.jsonl".to_owned());
        let launched = launch(&world.supervisor, Order { specs: wrong, name: None }, &to);
        assert!(launched.join().unwrap().is_err());
        let Some(Message::Failed(text)) = messages.blocking_recv() else { panic!() };
        assert!(text.contains("nowhere.jsonl") && text.contains(" · "), "{text}");
    }

    #[test]
    fn a_dry_run_is_given_up_when_the_person_leaves() {
        let world = world();
        let (to_executor, effects) = std::sync::mpsc::channel();
        let (to, mut messages) = tokio::sync::mpsc::channel(64);
        to_executor.send(Effect::DryRun(specs())).unwrap();
        drop(to_executor);
        world.place.is_gone.store(true, Ordering::Relaxed);
        assert!(execute(&world.supervisor, false, &effects, &to).is_empty());
        let mut ended = false;
        while let Ok(message) = messages.try_recv() {
            ended |= matches!(message, Message::DryRunEnded(_));
        }
        assert!(ended && !world.supervisor.home().database().exists());
    }
}
