//! Measurements of the store at the sizes it must hold up to. Ignored by default; run with
//! `cargo test --release --lib store::measure -- --ignored --nocapture --test-threads=1`.

use std::io::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::testing::{self, train_step};
use super::{Access, Attempt, NewRun, SampleOrder, SampleQuery, Store};
use crate::domain::event::RunEvent;
use crate::domain::preference::{PairId, PreferencePair};
use crate::domain::run::{RunId, StopReason};

const MILLION: usize = 1_000_000;

/// Prints one line of results.
fn report(line: &str) {
    writeln!(std::io::stderr(), "{line}").unwrap();
}

/// Runs `work` and prints how long it took.
fn timed<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let begin = Instant::now();
    let value = work();
    report(&format!("{what}: {:.1} ms", begin.elapsed().as_secs_f64() * 1e3));
    value
}

/// Peak resident memory of this process, MiB.
fn peak_memory_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    line.split_ascii_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}

/// Pairs whose three texts hold 500 characters each.
fn long_pairs(n: usize) -> impl Iterator<Item = PreferencePair> {
    (0..n).map(|i| {
        let text = |kind: &str| format!("{kind} {i} {}", "lorem ipsum ".repeat(41));
        let prompt = text("prompt");
        PreferencePair {
            form: crate::domain::text::conversation::TextForm::Dialogue,
            group: prompt.clone(),
            prompt,
            chosen: text("chosen"),
            rejected: text("rejected"),
            slice: String::new(),
            label_noise: false,
        }
    })
}

fn size_mib(fixture: &testing::Fixture, name: &str) -> u64 {
    std::fs::metadata(fixture.home.root().join(name)).map_or(0, |file| file.len() >> 20)
}

#[test]
#[ignore = "a measurement: writes 2 GB"]
fn import_of_a_million_pairs() {
    let mut fixture = testing::store();
    let run = fixture.run("a");
    let attempt = fixture.begin(&run);
    let is_over = AtomicBool::new(false);
    let home = fixture.home.clone();
    let row = std::thread::scope(|scope| {
        // Another worker goes on meanwhile.
        scope.spawn(|| {
            let mut store = Store::open(&home, Access::ReadWrite).unwrap();
            let mut worst = Duration::ZERO;
            while !is_over.load(Ordering::Relaxed) {
                let begin = Instant::now();
                assert!(store.heartbeat(&run, attempt.number).unwrap());
                worst = worst.max(begin.elapsed());
                std::thread::sleep(Duration::from_millis(20));
            }
            report(&format!("worst heartbeat of another worker: {worst:?}"));
        });
        let row = timed("import of 1,000,000 pairs", || {
            testing::import(&mut fixture.store, "big", long_pairs(MILLION)).unwrap()
        });
        is_over.store(true, Ordering::Relaxed);
        row
    });
    let (file, log) = (size_mib(&fixture, "ser.db"), size_mib(&fixture, "ser.db-wal"));
    report(&format!("peak memory {} MiB, file {file} MiB, log {log} MiB", peak_memory_mib()));
    let hashes = timed("group hashes", || fixture.store.group_hashes(row.id).unwrap());
    assert_eq!(hashes.len(), MILLION);
    let ids: Vec<PairId> = (0..1000).map(|i| PairId(i * 997)).collect();
    timed("texts of 1,000 pairs", || fixture.store.preference_pairs(row.id, &ids).unwrap());
    timed("delete", || fixture.store.delete_dataset(row.id).unwrap());
}

#[test]
#[ignore = "a measurement"]
fn selection_of_a_million_pairs() {
    let mut fixture = testing::store();
    let pairs = (0..MILLION).map(|i| PreferencePair { prompt: format!("p{i}"), ..short_pair() });
    fixture.dataset = testing::import(&mut fixture.store, "big", pairs).unwrap().id;
    let run = fixture.run("a");
    let attempt = fixture.begin(&run);
    let events = [1, 2].map(|round| testing::selection_made(round, MILLION as u32));
    for (seq, event) in (1..).zip(events) {
        let records = testing::records(&run, Attempt { next_seq: seq, ..attempt }, vec![event]);
        timed("apply 1,000,000 scores", || fixture.store.apply(&records).unwrap());
    }
    let log = size_mib(&fixture, "ser.db-wal");
    report(&format!("peak memory {} MiB, log {log} MiB", peak_memory_mib()));
    for (what, order) in [
        ("display", SampleOrder::Display(1)),
        ("least confident", SampleOrder::LeastConfident),
        ("most confident", SampleOrder::MostConfident),
    ] {
        for selected_only in [None, Some(true)] {
            let query = SampleQuery { n: 50, offset: 1000, order, selected_only };
            timed(&format!("a page of samples, {what}, {selected_only:?}"), || {
                fixture.store.sampled_pairs(&run, 2, &query).unwrap()
            });
        }
    }
    timed("all scores", || fixture.store.pair_scores(&run, 2).unwrap());
}

fn short_pair() -> PreferencePair {
    testing::pairs(1).swap_remove(0)
}

#[test]
#[ignore = "a measurement"]
fn a_quarter_of_a_million_steps() {
    let mut fixture = testing::store();
    let run = fixture.run("a");
    let attempt = fixture.begin(&run);
    let n = 250_000;
    timed("apply 250,000 steps", || {
        for first in (1..=n).step_by(1000) {
            let steps = (first..first + 1000).map(|step| train_step(step, 0.5)).collect();
            fixture.apply(&run, Attempt { next_seq: first, ..attempt }, steps);
        }
    });
    let points = timed("loss points", || fixture.store.loss_points(&run, 300).unwrap());
    assert!(points.len() <= 300);
    timed("rebuild", || fixture.store.rebuild(&run).unwrap());
}

#[test]
#[ignore = "a measurement"]
fn a_list_of_ten_thousand_runs() {
    let mut fixture = testing::store();
    let spec = testing::spec();
    let margins: Vec<f64> = (-100..300).map(|i| f64::from(i) * 0.013).collect();
    let evaluation = crate::domain::metrics::Evaluation::from_margins(&margins).unwrap();
    let evaluated = |round| RunEvent::Evaluated {
        round,
        split: crate::domain::metrics::Split::Test,
        evaluation: evaluation.clone(),
        margins: Vec::new(),
    };
    let mut ids: Vec<RunId> = Vec::new();
    timed("create 10,000 runs with 4 rounds", || {
        fixture.store.connection.pragma_update(None, "synchronous", "OFF").unwrap();
        for i in 0..10_000 {
            let new = NewRun {
                name: Some(format!("run {i}")),
                spec: &spec,
                dataset: fixture.dataset,
                test_dataset: None,
                experiment: None,
            };
            let run = fixture.store.create_run(&new).unwrap().id;
            let attempt = fixture.begin(&run);
            let mut events = vec![testing::selection_made(1, 4)];
            events.extend((0..4).map(evaluated));
            events.push(RunEvent::RunFinished { reason: StopReason::RoundLimit });
            fixture.apply(&run, attempt, events);
            ids.push(run);
        }
    });
    for run in ids.iter().take(2000) {
        let veto = crate::domain::verdict::Verdict::Veto;
        fixture.store.add_verdict(run, PairId(1), veto, None).unwrap();
    }
    let viewer = Store::open(&fixture.home, Access::ReadOnly).unwrap();
    for _ in 0..3 {
        let rows = timed("list 10,000 runs", || viewer.runs().unwrap());
        assert_eq!(rows.len(), 10_000);
    }
    timed("find a run by name", || viewer.find_run("run 5000").unwrap());
    timed("suggest a name", || viewer.find_run("rum 5000").unwrap_err());
}
