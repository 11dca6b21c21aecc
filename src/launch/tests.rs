//! Tests: an order becomes queued runs or nothing, and a dry run tells how its run ended.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::*;
use crate::domain::event::{RunEvent, WorkerIdentity};
use crate::domain::run::StopReason;
use crate::spec::Base;
use crate::store::events::liveness::current_worker;
use crate::store::testing::records;
use crate::store::{Access, Home};
use crate::supervisor::{Job, JobState, Launcher, SupervisorError};

/// A place whose workers end their run at once, by this event; without one they never take it.
#[derive(Debug, Default)]
struct Place {
    ending: Option<RunEvent>,
    /// Workers that never took their run are gone.
    is_lost: AtomicBool,
    homes: Mutex<Vec<PathBuf>>,
}

impl Launcher for Place {
    fn n_slots(&self) -> usize {
        1
    }

    fn patience(&self) -> Duration {
        Duration::from_secs(600)
    }

    fn submit(&self, home: &Home, run: &RunId) -> Result<Job, SupervisorError> {
        let mut homes = self.homes.lock().unwrap();
        homes.push(home.root().to_owned());
        if let Some(ending) = &self.ending {
            let mut store = Store::open(home, Access::ReadWrite).unwrap();
            let attempt = store.begin_attempt(run, &current_worker()).unwrap();
            store.apply(&records(run, attempt, vec![ending.clone()])).unwrap();
        }
        Ok(Job(homes.len().to_string()))
    }

    fn state(&self, _: &Job) -> JobState {
        if self.ending.is_some() || self.is_lost.load(Ordering::Relaxed) {
            return JobState::Ended("exit status: 0".to_owned());
        }
        JobState::Going
    }

    fn cancel(&self, _: &WorkerIdentity) -> Result<(), SupervisorError> {
        Ok(())
    }
}

/// Keeps what it is told.
#[derive(Default)]
struct Heard(Mutex<Vec<String>>);

impl Say for Heard {
    fn say(&self, line: &str) {
        self.0.lock().unwrap().push(line.to_owned());
    }

    fn progress(&self, _: &str) {}

    fn clear(&self) {}
}

struct World {
    _folder: tempfile::TempDir,
    place: Arc<Place>,
    supervisor: Supervisor,
    store: Store,
    heard: Heard,
}

fn world(ending: Option<RunEvent>) -> World {
    let folder = tempfile::tempdir().unwrap();
    let home = Home::new(folder.path().join("home"));
    let place = Arc::new(Place { ending, ..Place::default() });
    let launcher: Arc<dyn Launcher> = place.clone();
    let supervisor = Supervisor::with_launcher(home.clone(), launcher);
    let store = Store::open(&home, Access::ReadWrite).unwrap();
    World { _folder: folder, place, supervisor, store, heard: Heard::default() }
}

fn specs(sets: &[&str]) -> SpecSet {
    let small = ["model.backbone=mock", "data.limit=300"];
    let sets = small.iter().chain(sets).map(|set| (*set).to_owned()).collect();
    SpecSet { base: Base::Default, sets, ..SpecSet::default() }
}

impl World {
    fn start(&mut self, specs: SpecSet, name: Option<&str>) -> Result<Launched, LaunchError> {
        let order = Order { specs, name: name.map(str::to_owned) };
        start(&self.supervisor, &mut self.store, &order, &self.heard)
    }

    fn dry_run(&self, specs: &SpecSet, is_given_up: bool) -> Result<Duration, LaunchError> {
        dry_run(&self.supervisor, specs, &self.heard, &AtomicBool::new(is_given_up))
    }

    /// Nothing is left of a dry run, here or where it was.
    fn assert_no_trace(&self) {
        assert!(self.store.runs().unwrap().is_empty());
        let homes = self.place.homes.lock().unwrap();
        assert!(!homes.is_empty() && homes.iter().all(|home| !home.exists()), "{homes:?}");
    }
}

#[test]
fn an_order_is_queued_and_its_first_run_started() {
    let mut world = world(None);
    let one = world.start(specs(&[]), Some("one")).unwrap();
    assert_eq!((one.runs[0].name.as_str(), one.experiment), ("one", None));
    let spec = world.supervisor.home().run_dir(&one.runs[0].id).join("spec.toml");
    assert!(std::fs::read_to_string(spec).unwrap().contains("backbone = \"mock\""));
    let several = SpecSet { rng_seeds: vec![1, 2], ..specs(&[]) };
    let several = world.start(several, Some("both")).unwrap();
    assert_eq!((several.runs.len(), several.experiment.as_deref()), (2, Some("both")));
    assert_eq!(world.place.homes.lock().unwrap().len(), 1, "there is one slot");
    assert_eq!(world.store.datasets().unwrap().len(), 2, "training and test pairs, once");
}

#[test]
fn a_wrong_order_leaves_nothing() {
    let mut world = world(None);
    let cases: [(&[&str], &str, bool); 4] = [
        (&["train.epochs=0"], "`train.epochs` is 0", true),
        (&["model.backbone=nowhere"], "there is no model `nowhere`", true),
        (&["data.source=nowhere.jsonl"], "nowhere.jsonl", true),
        (&["data.seed_labels=400", "data.test=split"], "`embedded` cannot be divided", true),
    ];
    for (sets, message, has_hint) in cases {
        let error = world.start(specs(sets), None).unwrap_err();
        assert!(error.to_string().contains(message), "{error}");
        assert_eq!(error.hint().is_some(), has_hint, "{error}");
        assert!(world.store.runs().unwrap().is_empty());
        assert!(world.store.datasets().unwrap().is_empty(), "{sets:?}");
    }
}

#[test]
fn what_is_rarely_meant_is_said() {
    let mut world = world(None);
    world.start(specs(&["selection.min_selected=100000"]), None).unwrap();
    let heard = world.heard.0.lock().unwrap();
    assert!(heard.iter().any(|line| line.starts_with("warning: `selection.min_selected`")));
}

#[test]
fn a_dry_run_leaves_no_trace() {
    let finished = RunEvent::RunFinished { reason: StopReason::RoundLimit };
    let world = world(Some(finished));
    world.dry_run(&specs(&[]), false).unwrap();
    world.assert_no_trace();
}

#[test]
fn a_dry_run_fails_as_its_run_does() {
    let failed = RunEvent::RunFailed {
        reason: None,
        message: "the loss is not finite".to_owned(),
        hint: Some("lower the learning rate".to_owned()),
    };
    let world = world(Some(failed));
    let error = world.dry_run(&specs(&[]), false).unwrap_err();
    assert_eq!(error.to_string(), "the loss is not finite");
    assert_eq!(error.hint().as_deref(), Some("lower the learning rate"));
    world.assert_no_trace();
}

#[test]
fn a_dry_run_is_given_up_before_its_worker_takes_it() {
    let world = world(None);
    world.place.is_lost.store(true, Ordering::Relaxed);
    assert!(matches!(world.dry_run(&specs(&[]), true), Err(LaunchError::GivenUp)));
    world.assert_no_trace();
}
