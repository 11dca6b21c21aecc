//! The queue, with real worker processes on the mock model: who waits for whom, and who goes first.

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::fixture::{Place, SPEC, stderr, succeeded};
use crate::patience::seconds;

/// More steps than a test waits for.
const ENDLESS: &str = "train.steps=10000000";

/// A place whose runs are stopped when the test is over.
struct BusyPlace(Place);

impl BusyPlace {
    fn new() -> Self {
        Self(Place::with_spec(SPEC))
    }
}

impl std::ops::Deref for BusyPlace {
    type Target = Place;

    fn deref(&self) -> &Place {
        &self.0
    }
}

impl Drop for BusyPlace {
    fn drop(&mut self) {
        let going = || queue(&self.0).into_iter().map(|(_, name, _)| name).collect::<Vec<_>>();
        let begin = Instant::now();
        while !going().is_empty() && begin.elapsed() < seconds(30) {
            for name in going() {
                self.0.ser(&["stop", &name]);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// A place in which the run `long` holds the slot.
fn busy_place() -> BusyPlace {
    let place = BusyPlace::new();
    start(&place, "long", &["--set", ENDLESS]);
    wait_for(&place, "long", "running");
    place
}

fn start(place: &Place, name: &str, more: &[&str]) {
    succeeded(place, &[&["run", "spec.toml", "--detach", "--name", name], more].concat());
}

#[track_caller]
fn wait_for(place: &Place, run: &str, status: &str) {
    let begin = Instant::now();
    loop {
        let document = place.json(&["show", run, "--json"]);
        if document["run"]["status"] == status {
            return;
        }
        assert!(begin.elapsed() < seconds(60), "{run} is {}", document["run"]["status"]);
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Place, name and what is waited for of each run that is not over.
fn queue(place: &Place) -> Vec<(Option<u64>, String, Vec<String>)> {
    let document = place.json(&["queue", "--json"]);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let line = |line: &Value| {
        let waits_for = line["waits_for"].as_array().unwrap().iter().map(text).collect();
        (line["place"].as_u64(), text(&line["name"]), waits_for)
    };
    document["queue"].as_array().unwrap().iter().map(line).collect()
}

#[test]
fn the_queue_says_who_waits_for_whom_and_can_be_put_in_order() {
    let place = busy_place();
    start(&place, "second", &[]);
    start(&place, "third", &[]);
    let behind_long =
        |place: u64, name: &str| (Some(place), name.to_owned(), vec!["long".to_owned()]);
    let working = (None, "long".to_owned(), Vec::new());
    let expected = [working.clone(), behind_long(1, "second"), behind_long(2, "third")];
    assert_eq!(queue(&place), expected);
    let said = succeeded(&place, &["queue", "first", "third"]);
    assert_eq!(said, "`third` is number 1 of the queue\n");
    assert_eq!(queue(&place), [working, behind_long(1, "third"), behind_long(2, "second")]);
    let refused = place.ser(&["queue", "up", "long"]);
    assert!(stderr(&refused).starts_with("error: nothing to move: `long` is running"));
    let shown = succeeded(&place, &["queue"]);
    assert!(shown.contains("waits for"), "{shown}");
}

#[test]
fn a_follower_of_a_queued_run_hears_what_it_waits_for() {
    let place = busy_place();
    start(&place, "second", &[]);
    succeeded(&place, &["stop", "second"]);
    let resumed = succeeded(&place, &["resume", "second"]);
    let expected = "`second` is in the queue and starts from the beginning";
    assert!(resumed.starts_with(expected), "{resumed}");
    let mut attached = place.command(&["attach", "second", "--plain"]);
    let mut attached = attached.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(attached.stderr.take().unwrap()).read_line(&mut line).unwrap();
    attached.kill().unwrap();
    attached.wait().unwrap();
    assert!(line.contains("`second` is queued (place 1) behind `long`; `ser queue`"), "{line}");
}

#[test]
fn a_run_starts_beside_another_when_it_is_told_to_or_there_are_slots() {
    let place = busy_place();
    start(&place, "second", &[]);
    let said = succeeded(&place, &["queue", "now", "second"]);
    assert!(said.starts_with("`second` starts beside what runs"), "{said}");
    wait_for(&place, "second", "finished");
    start(&place, "third", &["--now"]);
    wait_for(&place, "third", "finished");
    start(&place, "fourth", &[]);
    assert_eq!(queue(&place)[1].0, Some(1));
    // The worker of the first run looks at the queue, and at what the home says of slots.
    std::fs::write(place.home().join("config.toml"), "[slots]\ncpu = 2\n").unwrap();
    wait_for(&place, "fourth", "finished");
    wait_for(&place, "long", "running");
    std::fs::write(place.home().join("config.toml"), "[slots]\ncpu = 0\n").unwrap();
    let refused = place.ser(&["run", "spec.toml", "--detach"]);
    std::fs::remove_file(place.home().join("config.toml")).unwrap();
    let text = stderr(&refused);
    assert!(text.contains("config.toml`: `slots.cpu` is 0, not a number from 1 to 1000"), "{text}");
    assert!(text.contains("hint: "), "{text}");
}

#[test]
fn a_paused_run_goes_on_when_the_slot_that_it_let_go_is_free_again() {
    let place = BusyPlace::new();
    start(&place, "first", &["--set", ENDLESS]);
    wait_for(&place, "first", "running");
    succeeded(&place, &["pause", "first"]);
    wait_for(&place, "first", "paused");
    start(&place, "second", &["--set", ENDLESS]);
    wait_for(&place, "second", "running");
    let said = succeeded(&place, &["resume", "first"]);
    assert!(
        said.starts_with("`first` goes on when its slot is free, which `second` has"),
        "{said}"
    );
    let begin = Instant::now();
    while queue(&place).iter().all(|(_, _, waits_for)| waits_for.is_empty()) {
        assert!(begin.elapsed() < seconds(60), "{:?}", queue(&place));
        std::thread::sleep(Duration::from_millis(20));
    }
    succeeded(&place, &["stop", "second"]);
    wait_for(&place, "first", "running");
}
