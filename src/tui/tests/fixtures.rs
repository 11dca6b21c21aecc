//! Made-up runs for the tests of this module.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::domain::event::{RunEvent, SelectionSummary, WorkerIdentity};
use crate::domain::forecast::Forecast;
use crate::domain::metrics::histogram::ConfidenceHistogram;
use crate::domain::metrics::{Evaluation, Split};
use crate::domain::phase::Phase;
use crate::domain::preference::{PairId, Side};
use crate::domain::run::{Liveness, RunId, RunStatus, StopReason};
use crate::domain::selection::LeftOut;
use crate::domain::selection::learning_status::LearningStatus;
use crate::domain::verdict::Verdict;
use crate::store::Annotation;
use crate::store::rows::{
    EventLine, LossPoint, ProgressRow, RoundRow, RunDetail, RunRow, SampledPair, SplitSizes,
};

use crate::tui::feed::data::{RunData, Snapshot};
use crate::tui::feed::resources::Resources;
use crate::tui::feed::source::Read;
use crate::tui::kit::size::Size;
use crate::tui::kit::theme::{Depth, Theme, ThemeName};
use crate::tui::screens::launch::{FormRow, RowKey};
use crate::tui::shell::message::Message;
use crate::tui::shell::model::Model;
use crate::tui::shell::update::update;

/// 2026-11-24 12:40:00 UTC.
pub const NOW_MS: i64 = 1_795_524_000_000;

const SPEC: &str = r#"{
    "arm": "ser", "rng_seed": 4,
    "model": {"backbone": "embedded", "tuning": "full", "max_tokens": 256},
    "data": {"source": "embedded", "format": "auto", "test": "split", "test_share": 0.1,
        "group": "prompt", "seed_labels": 0.15, "validation_share": 0.2, "limit": 0},
    "train": {"loss": "bradley_terry", "hinge_margin": 1.0, "epochs": 1, "batch_pairs": 32,
        "learning_rate": 1e-5, "schedule": "linear", "warmup_share": 0.1, "weight_decay": 0.0,
        "clip_norm": 1.0, "dropout": 0.0, "precision": "f32", "checkpoint_steps": 500},
    "selection": {"high_threshold": 0.55, "low_threshold": 0.45, "delta_threshold": 0.3,
        "min_selected": 600, "reward_offset": "pool_mean"},
    "rounds": {"max": 3, "pool_labels": "pseudo", "include_seed_set": true,
        "start_from": "previous_round"},
    "review": {"mode": "live"}
}"#;

pub fn evaluation(accuracy: f64, n: u64) -> Evaluation {
    let n_correct = (accuracy * n as f64).round() as usize;
    let margins: Vec<f64> =
        (0..n as usize).map(|i| if i < n_correct { 0.8 } else { -0.3 }).collect();
    Evaluation::from_margins(&margins).unwrap()
}

pub fn row(id: u64, name: &str, status: RunStatus, liveness: Liveness) -> RunRow {
    RunRow {
        id: RunId::from_bits(id),
        name: name.to_owned(),
        kind: crate::domain::run::RunKind::Ser,
        arm: "ser".into(),
        experiment: None,
        status,
        liveness,
        stop_reason: None,
        rng_seed: id,
        attempt: 1,
        created_at_ms: NOW_MS - id as i64 * 2_460_000,
        finished_at_ms: None,
        round: 0,
        rounds_max: 3,
        test_accuracy: Box::default(),
        latest_test: None,
        n_selected: None,
        n_vetoed: 0,
        progress: None,
        failure: None,
        pause: None,
        queue_place: (status == RunStatus::Queued).then_some(1),
        slots: "cpu".into(),
        annotation: Arc::default(),
        facts: crate::store::rows::SpecFacts::default(),
    }
}

fn with_rounds(mut row: RunRow, accuracies: &[f64], n_selected: Option<u64>) -> RunRow {
    row.round = (accuracies.len().max(1) - 1) as u32;
    row.test_accuracy = accuracies.iter().map(|a| Some(*a)).collect();
    row.latest_test = accuracies.last().map(|a| (&evaluation(*a, 8_552)).into());
    row.n_selected = n_selected;
    row
}

/// The run in its second round of three, training.
pub fn running_row() -> RunRow {
    let row = row(1, "ser-embedded-s3", RunStatus::Running, Liveness::Alive);
    let mut row = with_rounds(row, &[0.6731, 0.7066], Some(48_112));
    row.round = 2;
    row.n_vetoed = 12;
    row.progress = Some(Box::new(ProgressRow {
        round: 2,
        step: Phase::Train,
        part: 0,
        n_parts: 0,
        n_done: 918,
        n_total: 1504,
        n_tokens: 4_800_000,
        elapsed_ms: 388_000,
        at_ms: NOW_MS - 400,
    }));
    row
}

/// Twelve runs in every condition.
pub fn twelve_runs() -> Vec<RunRow> {
    use Liveness::{Alive, Gone, NotExpected, Silent};
    use RunStatus::{Failed, Finished, Paused, Queued, Running, Stopped};
    let mut failed =
        with_rounds(row(9, "ser-lr3e-5", Failed, NotExpected), &[0.65, 0.67], Some(40_000));
    failed.failure = Some("loss is `NaN` at step 1204".to_owned());
    let mut done = with_rounds(
        row(3, "ser-embedded-s2", Finished, NotExpected),
        &[0.6731, 0.7066, 0.7190, 0.7228],
        Some(61_204),
    );
    done.stop_reason = Some(StopReason::RoundLimit);
    done.n_vetoed = 4;
    let mut all = vec![
        running_row(),
        row(2, "ser-embedded-s4", Queued, NotExpected),
        done,
        with_rounds(row(4, "full-labels-s1", Finished, NotExpected), &[0.7312], None),
        with_rounds(row(5, "ser-tau90", Paused, Alive), &[0.66, 0.7034], Some(19_002)),
        with_rounds(row(6, "ser-swapped-out", Running, Silent), &[0.66], Some(21_000)),
        with_rounds(
            row(7, "ser-interrupted-by-a-power-cut", Running, Gone),
            &[0.695],
            Some(21_004),
        ),
        with_rounds(row(8, "ser-stopped", Stopped, NotExpected), &[0.68, 0.7102], Some(55_310)),
        failed,
        with_rounds(row(10, "漢字のラン", Finished, NotExpected), &[0.61, 0.6412], Some(70_000)),
    ];
    let mut long = with_rounds(
        row(11, "forty rounds", Finished, NotExpected),
        &[0.62, 0.65, 0.67, 0.68, 0.69, 0.70, 0.705, 0.707, 0.71],
        Some(948),
    );
    long.rounds_max = 40;
    all.push(long);
    all.push(with_rounds(row(12, "seed-set-only", Finished, NotExpected), &[0.6731], None));
    all
}

/// The same with a baseline, tags, a note and an archived run.
pub fn kept_runs() -> Vec<RunRow> {
    let mut runs = twelve_runs();
    for row in &mut runs {
        row.facts.learning_rate = Some(1e-4);
        row.facts.high_threshold = Some(0.55);
        row.facts.backbone = "embedded".into();
        row.facts.source = "embedded".into();
    }
    let kept = |row: usize, keep: fn(&mut Annotation), runs: &mut [RunRow]| {
        keep(Arc::make_mut(&mut runs[row].annotation));
    };
    kept(0, |kept| kept.tags = vec!["paper".to_owned()], &mut runs);
    kept(3, |kept| kept.is_baseline = true, &mut runs);
    runs[3].facts.learning_rate = Some(3e-4);
    kept(2, |kept| kept.note = "higher rate".to_owned(), &mut runs);
    kept(11, |kept| kept.is_archived = true, &mut runs);
    runs
}

fn summary(round: u32) -> SelectionSummary {
    // A hill at .62 that moves toward 1 with the rounds.
    let confidences = (0..71_204_u32).map(|i| {
        let u = (f64::from(i) + 0.5) / 71_204.0;
        0.5 + 0.5 * u.powf(1.6 - 0.25 * f64::from(round))
    });
    let all: Vec<f64> = confidences.collect();
    let kept = all.iter().copied().filter(|confidence| *confidence > 0.61);
    let selected_histogram = ConfidenceHistogram::of(kept);
    let n_selected = selected_histogram.total();
    SelectionSummary {
        learning_status: LearningStatus::Status1,
        reward_offset: 0.12,
        n_scored: all.len() as u64,
        n_selected,
        n_vetoed: 12,
        n_flipped: Some(1_204),
        coverage: Some(n_selected as f64 / all.len() as f64),
        pseudo_label_precision: Some(0.911),
        pool_accuracy: Some(0.842),
        left_out: BTreeMap::from([(LeftOut::NotSeparated, all.len() as u64 - n_selected)]),
        histogram: ConfidenceHistogram::of(all),
        selected_histogram,
        by_origin: None,
        audit: Box::default(),
    }
}

fn rounds(accuracies: &[f64]) -> Vec<RoundRow> {
    let rounds = accuracies.iter().enumerate();
    rounds
        .map(|(i, accuracy)| RoundRow {
            round: i as u32,
            selection: (i > 0).then(|| summary(i as u32)),
            n_train_pairs: Some(24_120),
            n_steps: Some(754),
            validation: Some(evaluation(accuracy + 0.012, 1_200)),
            test: Some(evaluation(*accuracy, 8_552)),
            wall_ms: Some(662_000),
            n_tokens: Some(12_000_000),
            weights_digest: None,
            n_labels_spent: None,
        })
        .collect()
}

pub fn sampled() -> Vec<SampledPair> {
    let pair = |id, prompt: &str, a: &str, b: &str, reward_a, left_out| SampledPair {
        pair: PairId(id),
        round: 2,
        prompt: format!("Human: {prompt}\n\nAssistant:"),
        response_a: a.to_owned(),
        response_b: b.to_owned(),
        reward_a,
        reward_b: 0.51,
        left_out,
        verdict: None,
        gold: Some(Side::A),
        origin: None,
        previous_confidence: Some(0.77),
    };
    let mut all = vec![
        pair(
            9_772,
            "How do I get a wine stain out of a cotton shirt?",
            "Blot it first, don't rub. Then cover the stain with salt or baking soda and rinse \
             from the back with cold water. Repeat before you wash it, because the dryer sets \
             what is left. White vinegar helps on old stains.",
            "You could try hot water and just scrub until it goes away. It usually works on \
             cotton, and if it doesn't the shirt was old anyway.",
            2.10,
            None,
        ),
        pair(40_213, "What is 7 x 8?", "56", "54", 0.61, Some(LeftOut::NotSeparated)),
        pair(
            11_874,
            "漢字は何ですか",
            "漢字は文字です。",
            "知りません。",
            0.11,
            Some(LeftOut::Vetoed),
        ),
    ];
    all[2].verdict = Some(Verdict::Veto);
    all
}

fn events() -> Vec<EventLine> {
    let worker = WorkerIdentity {
        pid: 4121,
        process_start: 1,
        boot_id: "b".to_owned(),
        host: "gpu-box-3".to_owned(),
    };
    let evaluated = |round, split, accuracy| RunEvent::Evaluated {
        round,
        split,
        evaluation: evaluation(accuracy, 8_552),
        margins: Vec::new(),
    };
    let events = [
        RunEvent::RunStarted { worker, resumed_from: None },
        RunEvent::DataSplitMade {
            n_seed_set: 24_120,
            n_validation: 1_200,
            n_unlabeled_pool: 71_204,
            n_test: 8_552,
            n_leaked: 0,
            n_groups: 90_000,
        },
        evaluated(0, Split::Test, 0.6731),
        RunEvent::PoolScored { round: 1, n_pairs: 71_204, n_tokens: 1, elapsed_ms: 491_000 },
        RunEvent::SelectionMade { round: 1, summary: summary(1), pairs: Vec::new() },
        evaluated(1, Split::Validation, 0.7186),
        evaluated(1, Split::Test, 0.7066),
        RunEvent::RoundFinished { round: 1, wall_ms: 662_000, n_tokens: 12_000_000 },
        RunEvent::Warned { message: "412 pairs lost tokens".to_owned() },
        RunEvent::SelectionMade { round: 2, summary: summary(2), pairs: Vec::new() },
    ];
    events
        .iter()
        .enumerate()
        .map(|(i, event)| EventLine {
            seq: i as u64 + 1,
            attempt: 1,
            at_ms: NOW_MS - 600_000 + i as i64 * 61_000,
            body: serde_json::to_string(event).unwrap(),
        })
        .collect()
}

fn detail(row: RunRow) -> RunDetail {
    RunDetail {
        worker: row.status.wants_worker().then(|| WorkerIdentity {
            pid: 4121,
            process_start: 1,
            boot_id: "b".to_owned(),
            host: "gpu-box-3".to_owned(),
        }),
        row,
        spec_json: SPEC.to_owned(),
        dataset: 1,
        test_dataset: None,
        heartbeat_at_ms: Some(NOW_MS - 1_200),
        checkpoint: None,
        sizes: Some(SplitSizes {
            n_seed_set: 24_120,
            n_validation: 1_200,
            n_unlabeled_pool: 71_204,
            n_test: 8_552,
            n_leaked: 0,
        }),
        encoding: None,
        model: Some("llama, 1.0 M parameters, f32, cpu, 2 threads".to_owned()),
    }
}

fn loss() -> Vec<LossPoint> {
    (1..=200_u32)
        .map(|i| {
            let mean = 0.36 + 0.35 * (-f64::from(i) / 60.0).exp() as f32;
            let wiggle = ((i * 37) % 11) as f32 / 400.0;
            LossPoint {
                global_step: u64::from(i) * 12,
                round: i / 80,
                loss: mean + wiggle,
                min: mean - 0.02,
                max: mean + 0.05,
            }
        })
        .collect()
}

/// A run in its second round with everything there.
pub fn running_data() -> RunData {
    let mut rounds = rounds(&[0.6731, 0.7066, 0.5]);
    rounds[2].validation = None;
    rounds[2].test = None;
    rounds[2].wall_ms = None;
    let mut data = RunData::new(detail(running_row()), rounds, loss(), &events(), sampled());
    let rounds = vec![0.28, 0.49, 0.74];
    data.forecast = Some(Forecast { done: 0.62, rounds, left_ms: [250_000, 700_000, 900_000] });
    data
}

/// A run that ended by itself.
pub fn finished_data() -> RunData {
    let row = twelve_runs().swap_remove(2);
    let rounds = rounds(&[0.6731, 0.7066, 0.7190, 0.7228]);
    let mut events = events();
    events.push(EventLine {
        seq: 11,
        attempt: 1,
        at_ms: NOW_MS,
        body: r#"{"event":"run_finished","reason":"round_limit"}"#.to_owned(),
    });
    RunData::new(detail(row), rounds, loss(), &events, sampled())
}

/// A run that an error ended.
pub fn failed_data() -> RunData {
    let row = twelve_runs().swap_remove(8);
    let mut events = events();
    events.push(EventLine {
        seq: 11,
        attempt: 1,
        at_ms: NOW_MS,
        body: r#"{"event":"run_failed","message":"loss is `NaN` at step 1204",
            "hint":"lower `train.learning_rate`"}"#
            .to_owned(),
    });
    RunData::new(detail(row), rounds(&[0.65, 0.67]), loss(), &events, sampled())
}

/// A run in round 0: nothing was scored or evaluated yet.
pub fn early_data() -> RunData {
    let mut row = row(1, "ser-embedded-s3", RunStatus::Running, Liveness::Alive);
    let before = *running_row().progress.unwrap();
    let (step, part, n_parts) = (Phase::CrossFit, 1, 3);
    let progress = ProgressRow { round: 0, step, part, n_parts, n_done: 618, ..before };
    row.progress = Some(Box::new(progress));
    let mut data = RunData::new(detail(row), Vec::new(), Vec::new(), &events()[..2], Vec::new());
    let rounds = vec![0.31, 0.54, 0.77];
    data.forecast = Some(Forecast { done: 0.14, rounds, left_ms: [300_000, 800_000, 980_000] });
    data.resources = Some(Resources {
        memory_bytes: 251 << 20,
        peak_bytes: 260 << 20,
        n_cores: Some(0.3),
        n_machine_cores: 2,
        load: 11.0,
    });
    data
}

/// A model that has read these runs.
pub fn model(width: u16, height: u16, runs: Vec<RunRow>, run: Option<RunData>) -> Model {
    let mut model = Model::new(Theme::new(ThemeName::Dark, Depth::Indexed), Size { width, height });
    let snapshot = Snapshot::new(NOW_MS, runs, run);
    update(&mut model, Message::Read(Read::Snapshot(Box::new(snapshot))));
    model
}

/// The rows of a form that stays the same when a spec gets keys, other defaults or other words.
pub fn form_rows() -> Vec<FormRow> {
    let row = |key, value: &str, help: &str, choices: &[&str]| FormRow {
        key,
        value: value.to_owned(),
        before: value.to_owned(),
        help: help.to_owned(),
        choices: choices.iter().map(|choice| (*choice).to_owned()).collect(),
        problem: None,
    };
    let spec = |key: &str, value: &str, help: &str, choices: &[&str]| {
        row(RowKey::Spec(key.to_owned()), value, help, choices)
    };
    let mut rows = vec![
        row(RowKey::Name, "", "empty: made from arm, model and random seed", &[]),
        row(RowKey::Arms, "ser", "recipes, a run each", &["ser", "seed-only"]),
        row(RowKey::RngSeeds, "1", "random seeds, a run each", &[]),
        spec("model.backbone", "embedded", "\"embedded\", or a directory", &[]),
        spec("model.tuning", "full", "which parameters are trained", &["full", "head"]),
        spec("data.source", "embedded", "\"embedded\", or a file of preference pairs", &[]),
        spec("data.seed_labels", "0.15", "human labels, as a share or as a count", &[]),
        spec("train.loss", "bradley_terry", "the loss", &["bradley_terry", "hinge"]),
        spec("train.epochs", "4", "passes over the training set in each round", &[]),
        spec(
            "train.learning_rate",
            "0.0003",
            "the peak learning rate: a sentence that is a good deal longer than one row of the form",
            &[],
        ),
        spec("selection.high_threshold", "0.55", "status 1 keeps what lies above", &[]),
        spec("rounds.max", "3", "rounds after the seed round", &[]),
        spec("review.mode", "live", "whether a round waits for a person", &["live", "gate"]),
    ];
    // More than a screen shows.
    for i in 0..30 {
        rows.push(spec(&format!("further.key_{i}"), &i.to_string(), "one of many", &[]));
    }
    rows
}
