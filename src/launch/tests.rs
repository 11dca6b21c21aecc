//! Tests: a request becomes queued runs or nothing.

use std::sync::Mutex;

use super::*;
use crate::store::{Access, Store};

/// Keeps what it is told.
#[derive(Default)]
struct Heard(Mutex<Vec<String>>);

impl Say for Heard {
    fn say(&self, line: &str) {
        self.0.lock().unwrap().push(line.to_owned());
    }

    fn progress(&self, _: Option<&str>) {}

    fn shows_progress(&self) -> bool {
        false
    }
}

struct World {
    _folder: tempfile::TempDir,
    home: Home,
    store: Store,
    heard: Heard,
}

fn world() -> World {
    let folder = tempfile::tempdir().unwrap();
    let home = Home::new(folder.path().join("home"));
    let store = Store::open(&home, Access::ReadWrite).unwrap();
    World { _folder: folder, home, store, heard: Heard::default() }
}

fn request(name: Option<&str>, sets: &[&str]) -> Request {
    let small = ["model.backbone=mock", "data.limit=300"];
    let sets = small.iter().chain(sets).map(|set| (*set).to_owned()).collect();
    Request { name: name.map(str::to_owned), sets, ..Request::default() }
}

impl World {
    fn start(&mut self, request: &Request) -> LaunchResult<Started> {
        start(Place { home: &self.home, say: &self.heard }, &mut self.store, request)
    }
}

#[test]
fn a_request_is_queued_with_its_spec() {
    let mut world = world();
    let one = world.start(&request(Some("one"), &[])).unwrap();
    assert_eq!((one.runs[0].name.as_str(), one.experiment), ("one", None));
    let spec = world.home.run_dir(&one.runs[0].id).join("spec.toml");
    assert!(std::fs::read_to_string(spec).unwrap().contains("backbone = \"mock\""));
    let several = Request { rng_seeds: vec![1, 2], ..request(Some("both"), &[]) };
    let several = world.start(&several).unwrap();
    assert_eq!((several.runs.len(), several.experiment.as_deref()), (2, Some("both")));
    let n = world.store.datasets().unwrap().len();
    assert_eq!(n, 3, "test pairs once, and a sample of the training pairs for each seed");
}

#[test]
fn a_wrong_request_leaves_nothing() {
    let mut world = world();
    let cases: [(&[&str], &str); 4] = [
        (&["train.epochs=0"], "`train.epochs` is 0"),
        (&["model.backbone=nowhere"], "there is no model `nowhere`"),
        (&["data.source=nowhere.jsonl"], "nowhere.jsonl"),
        (&["data.seed_labels=400", "data.test=split"], "`embedded` cannot be divided"),
    ];
    for (sets, message) in cases {
        let error = world.start(&request(None, sets)).unwrap_err();
        assert!(error.to_string().contains(message), "{error}");
        assert!(error.hint().is_some(), "{error}");
        assert!(world.store.runs().unwrap().is_empty());
        assert!(world.store.datasets().unwrap().is_empty(), "{sets:?}");
    }
}

#[test]
fn the_same_seed_is_not_run_twice() {
    let twice = Request { rng_seeds: vec![3, 3], ..request(None, &[]) };
    assert!(matches!(world().start(&twice), Err(LaunchError::SeedTwice { rng_seed: 3 })));
}

#[test]
fn what_is_rarely_meant_is_said() {
    let mut world = world();
    world.start(&request(None, &["selection.min_selected=100000"])).unwrap();
    let heard = world.heard.0.lock().unwrap();
    assert!(heard.iter().any(|line| line.starts_with("warning: `selection.min_selected`")));
}
