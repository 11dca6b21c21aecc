//! Tests: every kind of event, written to both sinks and derived again.

use std::collections::BTreeSet;

pub(super) mod lines;

use self::lines::{JsonLinesSink, read_lines};
use super::liveness::current_worker;
use super::sink::{EventSink, StoreSink};
use super::stored::StoredEvent;
use crate::domain::event::{OracleAnswer, PairMargin, RunEvent};
use crate::domain::metrics::{Evaluation, Split};
use crate::domain::phase::Phase;
use crate::domain::preference::{PairId, Side};
use crate::domain::run::{RequestKind, RunId, StopReason};
use crate::domain::spec::{ChatTemplateRecord, OracleQueue};
use crate::domain::verdict::Verdict;
use crate::store::testing::{self, Fixture};
use crate::store::{Decision, EventWriter, StoreError};

/// Kinds of events that there are.
const N_KINDS: usize = 26;

fn evaluated(round: u32, split: Split, margins: &[f64]) -> RunEvent {
    let pair = |(id, margin): (u32, &f64)| PairMargin { pair: PairId(id), margin: *margin as f32 };
    RunEvent::Evaluated {
        round,
        split,
        evaluation: Evaluation::from_margins(margins).unwrap(),
        margins: (0..).zip(margins).map(pair).collect(),
    }
}

fn answered(preferred: Side) -> RunEvent {
    let answer = |pair| OracleAnswer { pair: PairId(pair), verdict: Verdict::Flip, preferred };
    let answers = vec![answer(3), answer(5)];
    RunEvent::OracleAnswered { round: 1, queue: OracleQueue::Teach, answers, n_wrong: 1 }
}

fn checkpoint(name: &str, global_step: u64) -> RunEvent {
    let (name, digest) = (name.to_owned(), "d".to_owned());
    RunEvent::CheckpointSaved { name, round: 0, global_step, n_bytes: 10, digest }
}

/// The beginning of an attempt.
fn opened() -> Vec<RunEvent> {
    let text = "{{ messages }}".to_owned();
    vec![
        RunEvent::RunStarted { worker: current_worker(), resumed_from: None },
        RunEvent::ModelOpened {
            family: "mock".into(),
            n_parameters: 12,
            precision: "f32".into(),
            device: "cpu, 1 thread".into(),
            chat_template: Some(ChatTemplateRecord {
                name: "own".into(),
                digest: "d".into(),
                text,
            }),
        },
        RunEvent::DataSplitMade {
            n_seed_set: 8,
            n_validation: 2,
            n_unlabeled_pool: 20,
            n_test: 10,
            n_leaked: 1,
            n_groups: 30,
        },
        RunEvent::TextsEncoded {
            n_pairs: 40,
            n_tokens: 400,
            n_truncated: 1,
            n_prompt_tokens_cut: 2,
            n_answer_tokens_cut: 3,
        },
        RunEvent::StepsMatched { run: RunId("rother00".into()), arm: "ser".into(), n_steps: 9 },
    ]
}

fn round(round: u32) -> Vec<RunEvent> {
    let progressed = |n_done| RunEvent::Progressed {
        round,
        step: Phase::Train,
        part: 0,
        n_done,
        n_total: 9,
        n_tokens: 70,
        elapsed_ms: 8,
    };
    vec![
        testing::step_started(round, Phase::Train, 9),
        testing::train_step(1, 0.7),
        progressed(1),
        checkpoint("step-1", 1),
        testing::train_step(2, 1.0 / 3.0),
        progressed(2),
        RunEvent::RoundTrained {
            round,
            n_train_pairs: 8,
            n_steps: 2,
            n_tokens: 80,
            elapsed_ms: 5,
            weights_digest: "w".into(),
            n_human_labels: round.into(),
        },
        evaluated(round, Split::Validation, &[0.1, -0.3, 1.0 / 3.0]),
        evaluated(round, Split::Test, &[0.7, 0.123_456_789_012_345, -1e-7]),
        RunEvent::RoundFinished { round, wall_ms: 7, n_tokens: 90 },
    ]
}

/// What comes between two rounds.
fn between() -> Vec<RunEvent> {
    vec![
        RunEvent::CrossFitted { n_folds: 2, n_pairs: 8, n_correct: 7, elapsed_ms: 3 },
        RunEvent::RoundReused {
            round: 0,
            run: RunId("rother00".into()),
            digest: "d".into(),
            wall_ms: 4,
        },
        RunEvent::PoolScored { round: 1, n_pairs: 20, n_tokens: 99, elapsed_ms: 2 },
        testing::selection_made(1, 20),
        RunEvent::Paused { reason: "review".into() },
        RunEvent::RequestRead { request_id: 1, kind: RequestKind::Resume },
        RunEvent::VerdictsRead {
            round: 1,
            global_step: 2,
            last_verdict_id: 3,
            n_vetoed: 1,
            n_kept: 2,
            n_flipped: 0,
        },
        RunEvent::Resumed,
        RunEvent::Warned { message: "mind this".into() },
    ]
}

/// A run that fails, is taken up again and finishes, and one that is stopped: every kind of event.
fn lives(fixture: &mut Fixture) -> [RunId; 2] {
    let (run, stopped) = (fixture.run("a"), fixture.run("b"));
    let first = fixture.begin(&run);
    let failed = RunEvent::RunFailed { message: "no".into(), hint: None, reason: None };
    let events = [opened(), round(0), between(), vec![answered(Side::A), failed]].concat();
    fixture.apply(&run, first, events);
    // What a person says comes between the answers of the two attempts.
    fixture.store.decide(&run, &[PairId(5)], Decision::new(Verdict::Keep)).unwrap();
    fixture.store.requeue(&run).unwrap();
    let second = fixture.begin(&run);
    let end = RunEvent::RunFinished { reason: StopReason::ValidationDropped };
    let mut events = [opened(), between(), vec![answered(Side::B)], round(1)].concat();
    // A selection made again, smaller.
    events.extend([testing::selection_made(1, 10), RunEvent::RolledBack { from: 1, to: 0 }, end]);
    fixture.apply(&run, second, events);
    fixture.store.decide(&run, &[PairId(3)], Decision::new(Verdict::Veto)).unwrap();
    let attempt = fixture.begin(&stopped);
    fixture.apply(&stopped, attempt, vec![testing::train_step(1, 0.1), RunEvent::RunStopped]);
    [run, stopped]
}

/// Every row of some tables as text.
fn rows(fixture: &Fixture, tables: &[&str]) -> Vec<String> {
    let mut rows = Vec::new();
    for table in tables {
        let mut statement =
            fixture.store.connection.prepare(&format!("SELECT * FROM {table}")).unwrap();
        let n = statement.column_count();
        let mut found = statement.query([]).unwrap();
        while let Some(row) = found.next().unwrap() {
            let cells: Vec<_> = (0..n).map(|i| format!("{:?}", row.get_ref(i).unwrap())).collect();
            rows.push(format!("{table}: {}", cells.join(" ")));
        }
    }
    rows
}

const DERIVED: [&str; 5] = ["run_states", "rounds", "metrics", "checkpoints", "verdicts"];

/// The scores and margins of a run, to the bit.
fn numbers(fixture: &Fixture, run: &RunId) -> Vec<String> {
    let store = &fixture.store;
    let mut found = vec![format!("{:?}", store.pair_scores(run, 1).unwrap())];
    for round in 0..2 {
        for split in [Split::Validation, Split::Test] {
            let margins = store.margins(run, round, split).unwrap();
            assert_eq!(margins.len(), 3);
            found.extend(margins.iter().map(|it| format!("{:x}", it.margin.to_bits())));
        }
    }
    found
}

#[test]
fn rebuilding_comes_to_the_same_rows_from_every_kind_of_event() {
    let mut fixture = testing::store();
    let runs = lives(&mut fixture);
    let kinds: BTreeSet<String> =
        rows(&fixture, &["(SELECT kind FROM events)"]).into_iter().collect();
    assert_eq!(kinds.len(), N_KINDS, "{kinds:#?}");
    let before = rows(&fixture, &DERIVED);
    let scores = numbers(&fixture, &runs[0]);
    assert_eq!(fixture.store.pair_scores(&runs[0], 1).unwrap().len(), 10);
    for run in &runs {
        fixture.store.rebuild(run).unwrap();
    }
    assert_eq!(rows(&fixture, &DERIVED), before);
    // And from nothing.
    let ruin = "DELETE FROM rounds; DELETE FROM metrics; DELETE FROM checkpoints;
                UPDATE run_states SET status = 'queued', test_counts = '[]', model = NULL;";
    fixture.store.connection.execute_batch(ruin).unwrap();
    assert!(fixture.store.pair_scores(&runs[0], 1).unwrap().is_empty());
    for run in &runs {
        fixture.store.rebuild(run).unwrap();
    }
    assert_eq!(rows(&fixture, &DERIVED), before);
    assert_eq!(numbers(&fixture, &runs[0]), scores);
}

#[test]
fn both_sinks_keep_the_same_events_and_lead_to_the_same_rows() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.jsonl");
    let mut fixture = testing::store();
    let run = fixture.run("a");
    let attempt = fixture.begin(&run);
    let end = RunEvent::RunFinished { reason: StopReason::RoundLimit };
    let events = [opened(), round(0), between(), round(1), vec![answered(Side::A), end]].concat();
    let records = testing::records(&run, attempt, events);
    let mut sinks: [Box<dyn EventSink>; 2] = [
        Box::new(StoreSink::new(&fixture.home, &run, attempt).unwrap()),
        Box::new(JsonLinesSink::create(&path).unwrap()),
    ];
    for sink in &mut sinks {
        sink.heartbeat().unwrap();
        records.chunks(7).for_each(|batch| sink.append(batch).unwrap());
    }
    let lines = read_lines(&path).unwrap();
    let given: Vec<StoredEvent> = records.iter().map(|it| StoredEvent::of(it).unwrap()).collect();
    assert_eq!(lines, given);
    for line in &lines {
        // Older progress is pruned from the store.
        let stored = fixture.store.stored_event(&run, line.seq).unwrap();
        assert!(stored.is_none_or(|stored| stored == *line), "{}", line.body);
    }
    let mut other = testing::store();
    let same = other.run("a");
    other.begin(&same);
    let moved: Vec<StoredEvent> =
        lines.into_iter().map(|event| StoredEvent { run: same.clone(), ..event }).collect();
    other.store.ingest(&moved).unwrap();
    let tables = [&DERIVED[..], &["events", "event_columns"]].concat();
    assert_eq!(rows(&other, &tables), rows(&fixture, &tables));
    assert_eq!(numbers(&other, &same), numbers(&fixture, &run));
}

#[test]
fn the_writer_writes_to_any_sink() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.jsonl");
    let run = RunId("r0000001".into());
    let attempt = crate::store::Attempt { number: 2, next_seq: 5 };
    let sink = Box::new(JsonLinesSink::create(&path).unwrap());
    let writer = EventWriter::with_sink(sink, &run, attempt).unwrap();
    writer.send(testing::selection_made(1, 9)).unwrap();
    writer.flush().unwrap();
    writer.send(RunEvent::Resumed).unwrap();
    drop(writer);
    let events = read_lines(&path).unwrap();
    let places: Vec<_> = events.iter().map(|event| (event.attempt, event.seq)).collect();
    assert_eq!(places, [(2, 5), (2, 6)]);
    assert_eq!(events[0].record().unwrap().event, testing::selection_made(1, 9));
    assert!(JsonLinesSink::create(&path).is_err(), "a journal is never written over");
}

#[test]
fn a_journal_that_was_cut_off_ends_with_its_last_whole_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.jsonl");
    let run = RunId("r0000001".into());
    let attempt = crate::store::Attempt { number: 1, next_seq: 1 };
    let events = vec![RunEvent::Resumed, testing::selection_made(1, 9), RunEvent::RunStopped];
    let records = testing::records(&run, attempt, events);
    JsonLinesSink::create(&path).unwrap().append(&records).unwrap();
    let whole = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, &whole[..whole.len() - 1]).unwrap();
    assert_eq!(read_lines(&path).unwrap().len(), 2);
    std::fs::write(&path, whole.replacen("\"seq\"", "\"sqe\"", 1)).unwrap();
    let error = read_lines(&path).unwrap_err();
    assert!(error.to_string().starts_with("line 1 of"), "{error}");
    // Columns that are not there are found when the event is read.
    std::fs::write(&path, whole).unwrap();
    std::fs::write(path.with_extension("columns"), b"").unwrap();
    let event = &read_lines(&path).unwrap()[1];
    assert!(matches!(event.record(), Err(StoreError::BrokenColumns { seq: 2, .. })));
}
