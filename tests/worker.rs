//! One run from its first step to its last, in this process, with the mock model: the wiring of
//! data, engine, store and domain, and what people may ask in between.

mod labels;

use ser::domain::metrics::Split;
use ser::domain::preference::{PairId, PreferencePair};
use ser::domain::run::{RequestKind, RunId, RunStatus, StopReason};
use ser::domain::selection::LeftOut;
use ser::domain::spec::{
    CalibrationName, DropAction, ExperimentSpec, PoolLabels, ReviewMode, RuleName, SecondView,
    StartFrom, TeacherName,
};
use ser::domain::verdict::Verdict;
use ser::store::{
    Access, Batches, Decision, Home, ImportItem, NewDataset, NewRun, RoundRow, Store, StoreError,
};
use ser::worker::{self, Ending};

use crate::patience::seconds;

const SPEC: &str = r#"
arm = "test"
rng_seed = 7
[model]
backbone = "mock"
tuning = "full"
max_tokens = 64
[data]
source = "embedded"
format = "auto"
test = "split"
test_share = 0.2
group = "prompt"
seed_labels = 0.15
validation_share = 0.2
limit = 0
[train]
loss = "bradley_terry"
hinge_margin = 1.0
epochs = 2
batch_pairs = 8
learning_rate = 3e-4
schedule = "linear"
warmup_share = 0.1
weight_decay = 0.0
clip_norm = 1.0
dropout = 0.0
precision = "f32"
checkpoint_steps = 4
[selection]
high_threshold = 0.55
low_threshold = 0.45
delta_threshold = 0.3
min_selected = 10
reward_offset = "pool_mean"
[rounds]
max = 2
pool_labels = "pseudo"
include_seed_set = false
start_from = "previous_round"
[review]
mode = "live"
"#;

/// A store with 600 pairs whose chosen answers share words, so that the mock can learn them.
struct World {
    dir: tempfile::TempDir,
    store: Store,
    dataset: i64,
}

impl World {
    fn new() -> Self {
        let words = ["clear", "kind", "exact", "short", "useful"];
        let bad = ["vague", "rude", "wrong", "endless", "empty"];
        Self::of(|i| {
            [
                format!(" answer {} {}", words[i % 5], words[i / 5 % 5]),
                format!(" answer {} {}", bad[i % 5], bad[i / 7 % 5]),
            ]
        })
    }

    /// Pairs of the chosen and the rejected answer that are given by number.
    fn of(answers: impl Fn(usize) -> [String; 2]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut store = Store::open(&Home::new(dir.path()), Access::ReadWrite).unwrap();
        let new = NewDataset {
            source: "test".into(),
            format: "jsonl".into(),
            grouped_by: "prompt".into(),
        };
        let pairs = (0..600_usize).map(|i| -> Result<ImportItem, StoreError> {
            let [chosen, rejected] = answers(i);
            let pair = PreferencePair {
                prompt: format!("question {i}:"),
                chosen,
                rejected,
                form: ser::domain::text::conversation::TextForm::Dialogue,
                group: format!("question {i}"),
                slice: String::new(),
                label_noise: false,
            };
            Ok(ImportItem::Pair { line: i as u64 + 1, pair })
        });
        let dataset =
            store.import_dataset(&new, &mut Batches::new(pairs), || Ok("test".into())).unwrap().id;
        Self { dir, store, dataset }
    }

    fn home(&self) -> Home {
        Home::new(self.dir.path())
    }

    fn create(&mut self, change: impl Fn(&mut ExperimentSpec)) -> RunId {
        let mut spec: ExperimentSpec = toml::from_str(SPEC).unwrap();
        change(&mut spec);
        spec.validate().unwrap();
        let dataset = self.dataset;
        let new = NewRun { name: None, spec: &spec, dataset, test_dataset: None, experiment: None };
        self.store.create_run(&new).unwrap().id
    }

    fn run(&self, run: &RunId) -> Ending {
        worker::run(&self.home(), run).unwrap()
    }

    fn rounds(&self, run: &RunId) -> Vec<RoundRow> {
        self.store.rounds(run).unwrap()
    }
}

#[test]
fn a_run_goes_from_seed_to_its_last_round() {
    let mut world = World::new();
    let run = world.create(|_| ());
    assert_eq!(world.run(&run), Ending::Finished);
    let row = world.store.run(&run).unwrap().row;
    assert_eq!(row.status, RunStatus::Finished);
    assert!(row.stop_reason.is_some());
    let rounds = world.rounds(&run);
    assert!(rounds.len() >= 2, "at least one round of pseudo-labels: {}", rounds.len());
    assert_eq!(rounds[0].n_train_pairs, Some(57), "15 % of 480, less a fifth for validation");
    assert!(rounds[0].selection.is_none());
    let test = rounds[0].test.as_ref().unwrap();
    assert_eq!(test.n, 120);
    assert!(test.accuracy > 0.9, "the mock separates these words: {}", test.accuracy);
    assert_eq!(world.store.margins(&run, 0, Split::Test).unwrap().len(), 120);
    let selection = rounds[1].selection.as_ref().unwrap();
    assert_eq!(selection.n_scored, 408);
    assert_eq!(selection.histogram.total(), 408);
    let left_out: u64 = selection.left_out.values().sum();
    assert_eq!(selection.n_selected + left_out, 408);
    assert!(selection.pseudo_label_precision.unwrap() > 0.9);
    assert_eq!(rounds[1].n_train_pairs, Some(selection.n_selected));
    let scores = world.store.pair_scores(&run, 1).unwrap();
    let n_kept = scores.iter().filter(|pair| pair.left_out.is_none()).count();
    assert_eq!(n_kept as u64, selection.n_selected);
}

#[test]
fn the_history_alone_rebuilds_the_run() {
    let mut world = World::new();
    let run = world.create(|_| ());
    world.run(&run);
    let before = (world.rounds(&run), world.store.run(&run).unwrap());
    world.store.rebuild(&run).unwrap();
    assert_eq!(world.rounds(&run), before.0);
    assert_eq!(world.store.run(&run).unwrap().row, before.1.row);
}

#[test]
fn a_vetoed_pair_is_not_trained_on() {
    let mut world = World::new();
    let free = world.create(|_| ());
    world.run(&free);
    let kept: Vec<PairId> = world
        .store
        .pair_scores(&free, 1)
        .unwrap()
        .iter()
        .filter(|pair| pair.left_out.is_none())
        .map(|pair| pair.score.pair)
        .take(3)
        .collect();
    let vetoed = world.create(|_| ());
    for pair in &kept {
        world
            .store
            .decide(
                &vetoed,
                &[*pair],
                Decision { reason: Some("wrong"), ..Decision::new(Verdict::Veto) },
            )
            .unwrap();
    }
    world.run(&vetoed);
    let n_train = |run: &RunId| world.rounds(run)[1].n_train_pairs.unwrap();
    assert_eq!(n_train(&vetoed), n_train(&free) - 3);
    let scores = world.store.pair_scores(&vetoed, 1).unwrap();
    for pair in &kept {
        let scored = scores.iter().find(|scored| scored.score.pair == *pair).unwrap();
        assert_eq!(scored.left_out, Some(LeftOut::Vetoed));
    }
    assert_eq!(world.rounds(&vetoed)[1].selection.as_ref().unwrap().n_vetoed, 3);
}

/// Runs a gated run in another thread and answers the gate with one request.
fn answer_the_gate(world: &mut World, run: &RunId, answer: RequestKind) -> Ending {
    let (home, worker_run) = (world.home(), run.clone());
    let worker = std::thread::spawn(move || worker::run(&home, &worker_run).unwrap());
    let begin = std::time::Instant::now();
    while world.store.run(run).unwrap().row.status != RunStatus::Paused {
        assert!(begin.elapsed() < seconds(30), "the gate was never reached");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let rounds = world.rounds(run);
    assert!(rounds[1].selection.is_some() && rounds[1].n_train_pairs.is_none());
    world.store.add_request(run, answer).unwrap();
    worker.join().unwrap()
}

fn gated(spec: &mut ExperimentSpec) {
    spec.review.mode = ReviewMode::Gate;
    spec.rounds.max = 1;
}

#[test]
fn the_gate_holds_until_it_is_released() {
    let mut world = World::new();
    let run = world.create(gated);
    assert_eq!(answer_the_gate(&mut world, &run, RequestKind::Resume), Ending::Finished);
    assert!(world.rounds(&run)[1].n_train_pairs.is_some());
}

#[test]
fn a_stopped_run_goes_on_and_ends_the_same() {
    let mut world = World::new();
    let straight = world.create(|spec| spec.rounds.max = 1);
    world.run(&straight);
    let stopped = world.create(gated);
    assert_eq!(answer_the_gate(&mut world, &stopped, RequestKind::Stop), Ending::Stopped);
    assert_eq!(world.store.run(&stopped).unwrap().row.status, RunStatus::Stopped);
    world.store.requeue(&stopped).unwrap();
    assert_eq!(answer_the_gate(&mut world, &stopped, RequestKind::Resume), Ending::Finished);
    let digests = |run: &RunId| -> Vec<Option<String>> {
        world.rounds(run).into_iter().map(|round| round.weights_digest).collect()
    };
    assert_eq!(digests(&stopped), digests(&straight));
    assert_eq!(world.store.run(&stopped).unwrap().row.attempt, 2);
}

#[test]
fn controls_and_the_stop_rule() {
    let mut world = World::new();
    let full = world.create(|spec| spec.rounds.pool_labels = PoolLabels::Human);
    world.run(&full);
    let rounds = world.rounds(&full);
    assert_eq!(rounds.len(), 1);
    assert_eq!(rounds[0].n_train_pairs, Some(57 + 408));
    let strict = world.create(|spec| {
        spec.selection.min_selected = ser::domain::spec::Amount::Count(10_000);
    });
    world.run(&strict);
    let row = world.store.run(&strict).unwrap().row;
    assert_eq!(row.stop_reason, Some(StopReason::SelectionExhausted));
    let selection = world.rounds(&strict)[1].selection.clone().unwrap();
    assert_eq!(selection.left_out.get(&LeftOut::Stopped).copied(), Some(408));
}

/// A run whose folds judge the seed set before round 1.
fn cross_fitted(spec: &mut ExperimentSpec) {
    spec.selection.calibration = CalibrationName::Temperature;
    spec.selection.calibration_folds = 3;
    spec.rounds.max = 1;
}

#[test]
fn folds_judge_the_seed_set_and_leave_the_run_as_it_was() {
    let mut world = World::new();
    let certified = world.create(|spec| {
        cross_fitted(spec);
        spec.selection.rule = RuleName::Risk;
        spec.selection.max_error = 0.2;
    });
    world.run(&certified);
    let rounds = world.rounds(&certified);
    let selection = rounds[1].selection.as_ref().unwrap();
    let certificate = selection.audit.certificate.unwrap();
    assert!(certificate.is_certified && certificate.bound <= 0.2, "{certificate:?}");
    assert!(certificate.n <= 72, "the seed set and the validation pairs: {certificate:?}");
    let coverage = selection.coverage.unwrap();
    assert!((coverage - certificate.coverage).abs() < 0.02, "{coverage} {certificate:?}");
    let calibration = selection.audit.calibration.unwrap();
    assert_eq!(calibration.n, 72);
    assert!(calibration.nll_after <= calibration.nll_before, "{calibration:?}");
    // A round that goes on from round 0 does so from its weights, not from those of a fold.
    let digests = |world: &mut World, n_folds: u32| -> Vec<Option<String>> {
        let run = world.create(|spec| {
            spec.selection.calibration_folds = n_folds;
            spec.selection.rule = RuleName::All;
            spec.rounds.max = 1;
        });
        world.run(&run);
        world.rounds(&run).into_iter().map(|round| round.weights_digest).collect()
    };
    assert_eq!(digests(&mut world, 3), digests(&mut world, 0));
}

#[test]
fn what_cannot_be_certified_stops_by_name() {
    let mut world = World::new();
    // 15 validation pairs show nothing at 10 %.
    let run = world.create(|spec| spec.selection.rule = RuleName::Risk);
    world.run(&run);
    assert_eq!(world.store.run(&run).unwrap().row.stop_reason, Some(StopReason::Uncertified));
    let selection = world.rounds(&run)[1].selection.clone().unwrap();
    let certificate = selection.audit.certificate.unwrap();
    assert!(!certificate.is_certified && certificate.bound > 0.1 && certificate.n > 0);
}

#[test]
fn a_seed_model_no_better_than_chance_labels_nothing() {
    let mut world = World::new();
    for n_folds in [0, 3] {
        let run = world.create(|spec| {
            // 72 of 72 pairs right have probability 2^-72 by chance: no model is enough.
            spec.rounds.chance_level = 1e-30;
            spec.selection.calibration_folds = n_folds;
        });
        world.run(&run);
        let reason = world.store.run(&run).unwrap().row.stop_reason;
        assert_eq!(reason, Some(StopReason::SeedNotBetterThanChance), "{n_folds} folds");
        assert_eq!(world.rounds(&run).len(), 1);
    }
}

#[test]
fn a_view_teaches_what_the_model_cannot_see_until_nothing_is_new() {
    // No word comes twice, and the mock takes the mean over words: it cannot see that five times out of
    // six the longer answer is preferred.
    let words = |i: usize, from: usize, n: usize| -> String {
        let words = (from..from + n).map(|j| format!(" w{i}x{j}"));
        words.collect::<Vec<_>>().concat()
    };
    let mut world = World::of(|i| {
        let (long, short) = (words(i, 0, 9 + i % 3), words(i, 20, 4 + i % 4));
        if i % 6 == 5 { [short, long] } else { [long, short] }
    });
    let mut run = |second_view: SecondView| {
        let run = world.create(|spec| {
            cross_fitted(spec);
            spec.rounds.max = 3;
            spec.rounds.chance_level = 0.01;
            spec.rounds.start_from = StartFrom::Pretrained;
            spec.selection.rule = RuleName::TopShare;
            spec.selection.relabel = true;
            spec.selection.teacher = TeacherName::Ensemble;
            spec.selection.second_view = second_view;
        });
        world.run(&run);
        (world.store.run(&run).unwrap().row.stop_reason, world.rounds(&run))
    };
    let (reason, rounds) = run(SecondView::None);
    assert_eq!((reason, rounds.len()), (Some(StopReason::SeedNotBetterThanChance), 1));
    let (reason, rounds) = run(SecondView::Surface);
    assert_eq!(reason, Some(StopReason::NothingNew));
    let selections: Vec<_> =
        rounds[1..].iter().map(|round| round.selection.as_ref().unwrap()).collect();
    let [first, last] = &selections[..] else {
        panic!("one round of labels: {}", selections.len())
    };
    assert!(first.audit.surface_weight.unwrap() > 0.3 && first.audit.view_weight.is_none());
    assert!(first.pseudo_label_precision.unwrap() > 0.8, "{:?}", first.pseudo_label_precision);
    assert_eq!(last.n_selected, first.n_selected);
    assert_eq!(
        rounds[2].n_train_pairs, None,
        "the last round would train on the same labels again"
    );
}

#[test]
fn a_round_that_drops_is_undone() {
    let mut world = World::new();
    let run = world.create(|spec| {
        spec.selection.rule = RuleName::All;
        spec.rounds.on_drop = DropAction::Rollback;
    });
    // A person who is wrong about everything.
    for pair in 0..600 {
        let _ = world.store.decide(&run, &[PairId(pair)], Decision::new(Verdict::Flip));
    }
    world.run(&run);
    let row = world.store.run(&run).unwrap().row;
    assert_eq!(row.stop_reason, Some(StopReason::ValidationDropped));
    let rounds = world.rounds(&run);
    assert_eq!(rounds.len(), 2, "round 2 is not begun");
    assert!(rounds[1].is_rolled_back());
    assert_eq!(ser::store::best_round(&rounds), Some(0));
    let checkpoints = world.home().checkpoints(&run);
    let newest = ser::engine::files::checkpoint::survey(&checkpoints).unwrap().latest.unwrap();
    let digest = ser::engine::files::checkpoint::verify(&newest).unwrap().weights_digest;
    assert_eq!(Some(&digest), rounds[0].weights_digest.as_ref());
}

#[test]
fn a_finished_run_is_not_taken_again() {
    let mut world = World::new();
    let run = world.create(|spec| spec.rounds.max = 0);
    world.run(&run);
    assert!(worker::run(&world.home(), &run).is_err());
    assert_eq!(world.store.run(&run).unwrap().row.status, RunStatus::Finished);
}
