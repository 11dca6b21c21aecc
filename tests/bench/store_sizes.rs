//! The store at the sizes it must hold up to, beside a round of scored pairs.

use std::path::Path;
use std::time::Instant;

use ser::domain::event::{EventRecord, RunEvent};
use ser::domain::run::{RunId, StopReason};
use ser::domain::spec::ExperimentSpec;
use ser::store::events::liveness;
use ser::store::{Access, Attempt, Home, NewRun, Store};

/// Runs `work` and prints how long it took.
fn timed<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let begin = Instant::now();
    let value = work();
    println!("{what:<44} {:>9.1} ms", begin.elapsed().as_secs_f64() * 1e3);
    value
}

/// Megabytes of the database and its log.
pub fn size_mib(home: &Path) -> u64 {
    let size = |name| std::fs::metadata(home.join(name)).map_or(0, |file| file.len());
    (size("ser.db") + size("ser.db-wal")) >> 20
}

fn apply(store: &mut Store, run: &RunId, attempt: Attempt, events: Vec<RunEvent>) {
    let record = |(seq, event)| EventRecord {
        run: run.clone(),
        attempt: attempt.number,
        seq,
        at_ms: 0,
        event,
    };
    let records: Vec<EventRecord> = (attempt.next_seq..).zip(events).map(record).collect();
    store.apply(&records).expect("applied");
}

fn train_step(global_step: u64) -> RunEvent {
    RunEvent::TrainStepTaken {
        round: 0,
        epoch: 0,
        step: global_step,
        global_step,
        loss: 0.5,
        gradient_norm: 1.5,
        learning_rate: 1e-4,
        accuracy: 0.75,
    }
}

/// A run of 250,000 optimizer steps, then a list of 10,000 runs.
pub fn measure(home: &Home, dataset: i64) {
    let mut store = Store::open(home, Access::ReadWrite).expect("a store");
    let spec: ExperimentSpec = toml::from_str(include_str!("../../assets/default.toml"))
        .expect("the default spec is a spec");
    let new_run = |store: &mut Store, name: String| {
        let (name, spec) = (Some(name), &spec);
        let new = NewRun { name, spec, dataset, test_dataset: None, experiment: None };
        let run = store.create_run(&new).expect("created").id;
        let attempt = store.begin_attempt(&run, &liveness::current_worker()).expect("taken");
        (run, attempt)
    };
    let (run, attempt) = new_run(&mut store, "steps".to_owned());
    timed("250,000 steps applied", || {
        for first in (1..=250_000).step_by(1000) {
            let steps = (first..first + 1000).map(train_step).collect();
            apply(&mut store, &run, Attempt { next_seq: first, ..attempt }, steps);
        }
    });
    timed("300 points of the loss", || store.loss_points(&run, 300).expect("readable"));
    timed("the newest log events", || store.last_log_events(&run, 20).expect("readable"));
    timed("rebuilt", || store.rebuild(&run).expect("rebuilt"));
    timed("10,000 runs created and finished", || {
        for i in 0..10_000 {
            let (run, attempt) = new_run(&mut store, format!("run {i}"));
            let end = RunEvent::RunFinished { reason: StopReason::RoundLimit };
            apply(&mut store, &run, attempt, vec![train_step(1), end]);
        }
    });
    let viewer = Store::open(home, Access::ReadOnly).expect("readable");
    timed("10,000 runs listed", || viewer.runs().expect("readable").len());
    timed("a run found by name", || viewer.find_run("run 5000").expect("found"));
    timed("a name suggested", || viewer.find_run("rum 5000").expect_err("not found"));
}
