//! A store in a temporary folder with a small data set, for unit tests.

use tempfile::TempDir;

use super::events::liveness;
use super::{Access, Attempt, Batches, Home, ImportItem, NewDataset, NewRun, Store, StoreError};
use crate::domain::event::{EventRecord, RunEvent, SelectionSummary};
use crate::domain::metrics::histogram::ConfidenceHistogram;
use crate::domain::phase::Phase;
use crate::domain::policy::best_of::Measured;
use crate::domain::policy::metric::{Metrics, PolicyMetric};
use crate::domain::policy::record::{PolicyEvaluation, RolloutAnswer, RolloutPrompt};
use crate::domain::policy::settings::{ObjectiveName, PolicySpec};
use crate::domain::preference::{PairId, PreferencePair};
use crate::domain::pseudo_label::PairScore;
use crate::domain::run::{RunId, RunKind, StopReason};
use crate::domain::selection::learning_status::LearningStatus;
use crate::domain::selection::{LeftOut, ScoredPair};
use crate::domain::spec::{Amount, ExperimentSpec, RuleName, SelectionSpec, TrainSpec};

/// Pairs of the small data set.
pub(crate) const N_PAIRS: usize = 40;

/// A store that vanishes with its folder.
pub(crate) struct Fixture {
    pub(crate) store: Store,
    pub(crate) home: Home,
    pub(crate) dataset: i64,
    _folder: TempDir,
}

/// A store with one data set of [`N_PAIRS`] pairs.
pub(crate) fn store() -> Fixture {
    let folder = tempfile::tempdir().unwrap();
    let home = Home::new(folder.path());
    let mut store = Store::open(&home, Access::ReadWrite).unwrap();
    let dataset = import(&mut store, "f00d", pairs(N_PAIRS).into_iter()).unwrap().id;
    Fixture { store, home, dataset, _folder: folder }
}

impl Fixture {
    pub(crate) fn run(&mut self, name: &str) -> RunId {
        let spec = spec();
        let new = NewRun {
            name: Some(name.to_owned()),
            spec: &spec,
            dataset: self.dataset,
            test_dataset: None,
            experiment: None,
        };
        self.store.create_run(&new).unwrap().id
    }

    /// A policy that took ten steps: the answers to the first eight prompts before them, those of step 10,
    /// and those after it. The judge (`oracle`) finds the ones after it better by `gain` than 0.5, here and
    /// there by a little more.
    pub(crate) fn policy(&mut self, name: &str, gain: f64) -> RunId {
        let policy =
            PolicySpec { gold: "oracle".to_owned(), ..PolicySpec::of(ObjectiveName::Rloo) };
        let spec =
            ExperimentSpec { kind: RunKind::Policy, policy: Some(Box::new(policy)), ..spec() };
        let new = NewRun {
            name: Some(name.to_owned()),
            spec: &spec,
            dataset: self.dataset,
            test_dataset: None,
            experiment: None,
        };
        let run = self.store.create_run(&new).unwrap().id;
        let attempt = self.begin(&run);
        let metrics = Metrics::from([(PolicyMetric::Reward, 0.7)]);
        let events = vec![
            policy_evaluated(0, 0.0),
            RunEvent::RolloutsSampled { step: 10, prompts: policy_answers(10, gain) },
            RunEvent::PolicyStepTaken { step: 10, metrics, elapsed_ms: 4 },
            policy_evaluated(10, gain),
            RunEvent::RunFinished { reason: StopReason::StepLimit },
        ];
        self.apply(&run, attempt, events);
        run
    }

    /// Takes a run as this process.
    pub(crate) fn begin(&mut self, run: &RunId) -> Attempt {
        self.store.begin_attempt(run, &liveness::current_worker()).unwrap()
    }

    /// Takes a run as a process that is not there any more.
    pub(crate) fn begin_as_dead(&mut self, run: &RunId) -> Attempt {
        let mut worker = liveness::current_worker();
        worker.process_start += 1;
        self.store.begin_attempt(run, &worker).unwrap()
    }

    /// Applies events from the attempt's first number on.
    pub(crate) fn apply(&mut self, run: &RunId, attempt: Attempt, events: Vec<RunEvent>) {
        self.store.apply(&records(run, attempt, events)).unwrap();
    }
}

fn policy_answers(step: u32, gain: f64) -> Vec<RolloutPrompt> {
    let answer = |pair: u32| RolloutAnswer {
        text: format!("answer {step} to <b>{pair}</b>"),
        n_tokens: 5 + step + pair % 3,
        has_end: pair != 7,
        reward: Some(0.2 + gain * 2.0 + 0.01 * f64::from(pair)),
        gold: Some(
            0.5 + if pair.is_multiple_of(4) { -0.01 * gain } else { gain + 0.01 * f64::from(pair) },
        ),
        divergence: Some(0.01 * f64::from(step)),
        ..RolloutAnswer::default()
    };
    (0..8).map(|pair| RolloutPrompt { pair, answers: vec![answer(pair)] }).collect()
}

fn policy_evaluated(step: u32, gain: f64) -> RunEvent {
    let prompts = policy_answers(step, gain);
    let answers = || prompts.iter().flat_map(|it| &it.answers);
    let of = |value: fn(&RolloutAnswer) -> Option<f64>| {
        Measured::of(&answers().filter_map(value).collect::<Vec<f64>>())
    };
    let evaluation = PolicyEvaluation {
        n_prompts: 8,
        proxy: of(|it| it.reward),
        gold: of(|it| it.gold),
        divergence: of(|it| it.divergence),
        length: of(|it| Some(f64::from(it.n_tokens))).unwrap(),
        clipped_ratio: 0.125,
        n_without_reward: 0,
        n_without_gold: 0,
    };
    RunEvent::PolicyEvaluated { step, evaluation, prompts }
}

/// Numbers events from the attempt's first number on.
pub(crate) fn records(run: &RunId, attempt: Attempt, events: Vec<RunEvent>) -> Vec<EventRecord> {
    let record = |(seq, event)| EventRecord {
        run: run.clone(),
        attempt: attempt.number,
        seq,
        at_ms: 1_000 + seq as i64,
        event,
    };
    (attempt.next_seq..).zip(events).map(record).collect()
}

/// Imports pairs under a fingerprint.
pub(crate) fn import(
    store: &mut Store,
    fingerprint: &str,
    pairs: impl Iterator<Item = PreferencePair>,
) -> Result<super::rows::DatasetRow, StoreError> {
    let new = NewDataset {
        source: "test".to_owned(),
        format: "jsonl".to_owned(),
        grouped_by: "prompt".to_owned(),
    };
    let items = (1..).zip(pairs).map(|(line, pair)| Ok(ImportItem::Pair { line, pair }));
    store.import_dataset(&new, &mut Batches::new(items), || Ok(fingerprint.to_owned()))
}

/// Pairs that differ in every field.
pub(crate) fn pairs(n: usize) -> Vec<PreferencePair> {
    let pair = |i: usize| PreferencePair {
        prompt: format!("prompt {i} é"),
        chosen: format!("good {i}"),
        rejected: format!("bad {i}"),
        form: crate::domain::text::conversation::TextForm::Dialogue,
        group: if i.is_multiple_of(2) {
            format!("prompt {i} é")
        } else {
            format!("group {}", i % 3)
        },
        slice: format!("slice {}", i % 4),
        label_noise: i.is_multiple_of(5),
    };
    (0..n).map(pair).collect()
}

/// One optimizer step of round 0.
pub(crate) fn train_step(global_step: u64, loss: f32) -> RunEvent {
    RunEvent::TrainStepTaken {
        round: 0,
        epoch: 0,
        step: global_step,
        global_step,
        loss,
        gradient_norm: 1.5,
        learning_rate: 1e-4,
        accuracy: 0.75,
    }
}

/// The beginning of a step.
pub(crate) fn step_started(round: u32, step: Phase, n_total: u64) -> RunEvent {
    RunEvent::StepStarted { round, step, part: 0, n_parts: 0, n_before: 0, n_total }
}

/// A selection over pairs `0..n` in which pair `i` has a margin of `i`, signed by turns of three,
/// and the even ones are selected.
pub(crate) fn selection_made(round: u32, n: u32) -> RunEvent {
    let scored = |i: u32| {
        let margin = i as f32 * 0.3;
        let (reward_a, reward_b) = if i.is_multiple_of(3) { (margin, 0.0) } else { (0.0, margin) };
        ScoredPair {
            score: PairScore { pair: PairId(i), reward_a, reward_b },
            left_out: (!i.is_multiple_of(2)).then_some(LeftOut::NotSeparated),
        }
    };
    let pairs: Vec<ScoredPair> = (0..n).map(scored).collect();
    let n_left_out = u64::from(n / 2);
    let summary = SelectionSummary {
        learning_status: LearningStatus::Status1,
        reward_offset: 0.1 + 0.2,
        n_scored: u64::from(n),
        n_selected: u64::from(n) - n_left_out,
        n_vetoed: 0,
        n_flipped: Some(1),
        coverage: Some(0.5),
        pseudo_label_precision: Some(2.0 / 3.0),
        pool_accuracy: None,
        left_out: [(LeftOut::NotSeparated, n_left_out)].into(),
        histogram: ConfidenceHistogram::of(pairs.iter().map(|pair| pair.score.confidence())),
        selected_histogram: ConfidenceHistogram::default(),
        by_origin: None,
        audit: Box::default(),
    };
    RunEvent::SelectionMade { round, summary, pairs }
}

/// A whole spec: the default on the mock model, with thresholds of its own.
pub(crate) fn spec() -> ExperimentSpec {
    let mut spec: ExperimentSpec =
        toml::from_str(include_str!("../../assets/default.toml")).unwrap();
    spec.rng_seed = 3;
    "mock".clone_into(&mut spec.model.backbone);
    spec.model.max_tokens = 64;
    "split".clone_into(&mut spec.data.test);
    spec.train = TrainSpec {
        epochs: 1,
        batch_pairs: 4,
        learning_rate: 1e-4,
        warmup_share: 0.1,
        weight_decay: 0.0,
        checkpoint_steps: 10,
        ..spec.train
    };
    spec.selection = SelectionSpec {
        rule: RuleName::LearningStatus,
        high_threshold: 0.7,
        low_threshold: 0.3,
        min_selected: Amount::Count(2),
        ..spec.selection
    };
    spec.rounds.max = 3;
    spec
}
