//! Homes to look at: runs by the thousand, a long run, a run that goes on.

use std::path::Path;
use std::process::Command;

use ser::domain::event::{EventRecord, RunEvent};
use ser::domain::metrics::{Evaluation, Split};
use ser::domain::preference::PreferencePair;
use ser::domain::run::StopReason;
use ser::domain::spec::ExperimentSpec;
use ser::store::events::liveness;
use ser::store::{Access, Batches, Home, ImportItem, NewDataset, NewRun, Store, StoreError};

fn spec() -> ExperimentSpec {
    toml::from_str(include_str!("../../../assets/default.toml"))
        .expect("the default spec is a spec")
}

fn small_dataset(store: &mut Store) -> i64 {
    let new =
        NewDataset { source: "small".into(), format: "jsonl".into(), grouped_by: "prompt".into() };
    let items = (0..10_u64).map(|i| -> Result<ImportItem, StoreError> {
        let pair = PreferencePair {
            form: ser::domain::text::conversation::TextForm::Dialogue,
            group: format!("g{i}"),
            prompt: format!("prompt {i}"),
            chosen: "yes".into(),
            rejected: "no".into(),
            slice: String::new(),
            label_noise: false,
        };
        Ok(ImportItem::Pair { line: i + 1, pair })
    });
    store
        .import_dataset(&new, &mut Batches::new(items), || Ok("small".into()))
        .expect("imported")
        .id
}

/// Writes a run with these events.
fn add_run(store: &mut Store, dataset: i64, name: &str, events: Vec<RunEvent>) {
    let spec = spec();
    let name = Some(name.to_owned());
    let new = NewRun { name, spec: &spec, dataset, test_dataset: None, experiment: None };
    let run = store.create_run(&new).expect("created").id;
    let attempt = store.begin_attempt(&run, &liveness::current_worker()).expect("taken");
    let records: Vec<EventRecord> = (attempt.next_seq..)
        .zip(events)
        .map(|(seq, event)| EventRecord {
            run: run.clone(),
            attempt: attempt.number,
            seq,
            at_ms: 0,
            event,
        })
        .collect();
    for batch in records.chunks(10_000) {
        store.apply(batch).expect("applied");
    }
}

/// Adds finished runs of three rounds each.
pub fn finished_runs(home: &Path, n_runs: usize) {
    let mut store = Store::open(&Home::new(home), Access::ReadWrite).expect("a store");
    let dataset = small_dataset(&mut store);
    for i in 0..n_runs {
        let mut events = Vec::new();
        for round in 0..3 {
            let n_right = 60 + (i * 7 + round as usize * 3) % 30;
            let margins: Vec<f64> =
                (0..100).map(|j| if j < n_right { 0.8 } else { -0.4 }).collect();
            let evaluation = Evaluation::from_margins(&margins).expect("pairs");
            events.push(RunEvent::Evaluated {
                round,
                split: Split::Test,
                evaluation,
                margins: Vec::new(),
            });
            events.push(RunEvent::RoundFinished { round, wall_ms: 60_000, n_tokens: 1_000 });
        }
        events.push(RunEvent::RunFinished { reason: StopReason::RoundLimit });
        add_run(&mut store, dataset, &format!("run-{i:05}"), events);
    }
}

/// Adds a run of so many optimizer steps.
pub fn long_run(home: &Path, n_steps: u64) {
    let mut store = Store::open(&Home::new(home), Access::ReadWrite).expect("a store");
    let dataset = small_dataset(&mut store);
    let events = (1..=n_steps).map(|step| RunEvent::TrainStepTaken {
        round: 0,
        epoch: 0,
        step,
        global_step: step,
        loss: 0.3 + 0.4 * (-(step as f32) / 40_000.0).exp() + (step % 97) as f32 * 1e-3,
        gradient_norm: 1.0,
        learning_rate: 1e-4,
        accuracy: 0.7,
    });
    add_run(&mut store, dataset, "long", events.collect());
}

/// Starts a run on the mock model that goes on while it is watched.
pub fn start_live(home: &Path) {
    let status = Command::new(env!("CARGO_BIN_EXE_ser"))
        .args(["run", "--detach", "--quiet", "--name", "watched"])
        .args(["--set", "model.backbone=mock", "--set", "train.epochs=40"])
        .env("SER_HOME", home)
        .env("SER_MOCK_DELAY_US", "3000")
        .status();
    assert!(status.is_ok_and(|status| status.success()), "the run does not start");
}

/// Ends it.
pub fn stop_live(home: &Path) {
    let _ = Command::new(env!("CARGO_BIN_EXE_ser"))
        .args(["stop", "watched", "--quiet"])
        .env("SER_HOME", home)
        .status();
}
