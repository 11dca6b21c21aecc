//! A test bench for one step: a run on the mock model, over generated pairs, with a record in
//! memory.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use tempfile::TempDir;

use super::control::Signals;
use super::evaluate;
use super::inputs::{Inputs, PairSource};
use super::record::{Generated, RunRecord};
use super::reporter::Reporter;
use super::resources::Resources;
use super::session::finish_step;
use super::state::{RunState, SavedState};
use super::train::{take_step, train};
use crate::domain::event::RunEvent;
use crate::domain::metrics::Split;
use crate::domain::preference::{
    CandidatePair, PairId, PreferencePair, TrainingLabel, chosen_side,
};
use crate::domain::pseudo_label::PseudoLabel;
use crate::domain::review::queue::Facets;
use crate::domain::run::{RequestKind, RunId};
use crate::domain::selection::ScoredPair;
use crate::domain::selection::learning_status::LearningStatus;
use crate::domain::ser::{LoopRule, Outcome, SerLoop, Step};
use crate::domain::spec::{Amount, ExperimentSpec, RuleName, SecondView, TeacherName};
use crate::domain::teacher::plan::{LastOrder, Plan, planned};
use crate::domain::text::conversation::TextForm;
use crate::domain::verdict::{Verdict, VerdictSet};
use crate::engine::OpenSettings;
use crate::engine::mock::MockModel;
use crate::store::{Home, RequestRow, RoundRow, StepsTaken, StoreError};

/// Pairs of each data set of a [`FakeSource`].
pub const N_PAIRS: usize = 200;

/// A small spec on the mock model that leaves out the special parts of arm `ser`; `change` adapts
/// it.
pub fn spec(change: impl Fn(&mut ExperimentSpec)) -> ExperimentSpec {
    let mut spec: ExperimentSpec =
        toml::from_str(include_str!("../../assets/default.toml")).unwrap();
    "mock".clone_into(&mut spec.model.backbone);
    spec.data.seed_labels = Amount::Share(0.3);
    spec.train.epochs = 2;
    spec.train.batch_pairs = 8;
    spec.selection.rule = RuleName::All;
    spec.selection.longer_strata = false;
    spec.selection.calibration_folds = 0;
    spec.selection.teacher = TeacherName::Model;
    spec.selection.second_view = SecondView::None;
    spec.rounds.one_sided_max = 1.0;
    change(&mut spec);
    spec
}

/// The mock model that a spec asks for.
pub fn mock(spec: &ExperimentSpec) -> MockModel {
    MockModel::new(&OpenSettings::of_spec(spec))
}

/// The tags of events, in order.
pub fn names(events: &[RunEvent]) -> Vec<&'static str> {
    let name = |event: &RunEvent| -> &'static str {
        let json = serde_json::to_value(event).unwrap();
        Box::leak(json["event"].as_str().unwrap().to_owned().into_boxed_str())
    };
    events.iter().map(name).collect()
}

/// Pairs whose chosen answers share words, so that the mock can learn them, and are the longer ones.
/// Each data set has texts of its own.
#[derive(Default)]
pub struct FakeSource {
    reads: RefCell<BTreeMap<(i64, PairId), usize>>,
}

impl FakeSource {
    /// How often the text of each pair was read.
    pub fn reads(&self) -> BTreeMap<(i64, PairId), usize> {
        self.reads.borrow().clone()
    }

    pub fn is_mislabeled(id: PairId) -> bool {
        id.0.is_multiple_of(7)
    }

    fn pair(dataset: i64, i: usize) -> PreferencePair {
        let good = ["clear", "kind", "exact", "short", "useful"];
        let bad = ["vague", "rude", "wrong", "endless", "empty"];
        let turn = if i % 2 == 1 { " Assistant: yes" } else { "" };
        PreferencePair {
            prompt: format!("set {dataset} question {i}:{turn}"),
            chosen: format!(" answer {} {} indeed", good[i % 5], good[i / 5 % 5]),
            rejected: format!(" answer {} {}", bad[i % 5], bad[i / 7 % 5]),
            form: TextForm::Dialogue,
            group: format!("question {i}"),
            slice: format!("slice {}", i % 3),
            label_noise: false,
        }
    }
}

impl PairSource for FakeSource {
    fn group_hashes(&self, dataset: i64) -> Result<Vec<u64>, StoreError> {
        Ok((0..N_PAIRS as u64).map(|i| dataset as u64 * 1_000_000 + i).collect())
    }

    fn mislabeled_pairs(&self, _dataset: i64) -> Result<Vec<PairId>, StoreError> {
        Ok((0..N_PAIRS as u32).map(PairId).filter(|id| Self::is_mislabeled(*id)).collect())
    }

    fn candidate_pairs(
        &self,
        dataset: i64,
        rng_seed: u64,
        ids: &[PairId],
    ) -> Result<Vec<CandidatePair>, StoreError> {
        let read = |id: &PairId| {
            *self.reads.borrow_mut().entry((dataset, *id)).or_default() += 1;
            Self::pair(dataset, id.0 as usize).to_candidate(rng_seed, *id)
        };
        Ok(ids.iter().map(read).collect())
    }
}

/// A record in memory.
#[derive(Default)]
pub struct FakeRecord {
    events: RefCell<Vec<RunEvent>>,
    n_taken: Cell<usize>,
    requests: RefCell<VecDeque<RequestRow>>,
    n_requests: Cell<i64>,
    verdicts: RefCell<Vec<(PairId, Verdict)>>,
    sibling: RefCell<Option<StepsTaken>>,
    scores: RefCell<BTreeMap<u32, Vec<ScoredPair>>>,
    n_facets_read: Cell<usize>,
    n_tries_for_a_slot: Cell<usize>,
}

impl FakeRecord {
    /// Lets a run that is released find no free slot so many times.
    pub fn keep_slots_for(&self, n_tries: usize) {
        self.n_tries_for_a_slot.set(n_tries);
    }

    /// The events since the last call.
    pub fn take_events(&self) -> Vec<RunEvent> {
        let events = self.events.borrow();
        let new = events[self.n_taken.get()..].to_vec();
        self.n_taken.set(events.len());
        new
    }

    /// Asks something of the run, if there is something to ask.
    pub fn request(&self, kind: Option<RequestKind>) {
        if let Some(kind) = kind {
            self.n_requests.set(self.n_requests.get() + 1);
            self.requests.borrow_mut().push_back(RequestRow { id: self.n_requests.get(), kind });
        }
    }

    /// Decides about a pair.
    pub fn decide(&self, pair: PairId, verdict: Verdict) {
        self.verdicts.borrow_mut().push((pair, verdict));
    }

    pub fn set_sibling(&self, sibling: Option<StepsTaken>) {
        *self.sibling.borrow_mut() = sibling;
    }

    /// Keeps what a round scored for the rounds after it.
    pub fn remember(&self, round: u32, mut pairs: Vec<ScoredPair>) {
        pairs.sort_unstable_by_key(|scored| scored.score.pair);
        self.scores.borrow_mut().insert(round, pairs);
    }

    pub fn n_facets_read(&self) -> usize {
        self.n_facets_read.get()
    }
}

impl RunRecord for Rc<FakeRecord> {
    fn send(&self, event: RunEvent) -> Result<(), StoreError> {
        if let RunEvent::RequestRead { request_id, .. } = &event {
            self.requests.borrow_mut().retain(|request| request.id != *request_id);
        }
        self.events.borrow_mut().push(event);
        Ok(())
    }

    fn take_slot(&self) -> Result<bool, StoreError> {
        let n_tries = self.n_tries_for_a_slot.get();
        self.n_tries_for_a_slot.set(n_tries.saturating_sub(1));
        Ok(n_tries == 0)
    }

    fn flush(&self) -> Result<(), StoreError> {
        Ok(())
    }

    fn unread_requests(&self) -> Result<Vec<RequestRow>, StoreError> {
        Ok(self.requests.borrow().iter().copied().collect())
    }

    fn read_rollout_vetoes_after(
        &self,
        last_id: i64,
        _: &mut crate::domain::policy::veto::RolloutVetoes,
    ) -> Result<i64, StoreError> {
        Ok(last_id)
    }

    fn read_verdicts_after(
        &self,
        last_id: i64,
        verdicts: &mut VerdictSet,
    ) -> Result<i64, StoreError> {
        let known = self.verdicts.borrow();
        known[last_id as usize..]
            .iter()
            .for_each(|(pair, verdict)| verdicts.record(*pair, *verdict));
        Ok(known.len() as i64)
    }

    fn rounds(&self) -> Result<Vec<RoundRow>, StoreError> {
        Ok(self.events.borrow().iter().filter_map(trained).collect())
    }

    fn steps_of_round_0(&self) -> Result<Vec<RunEvent>, StoreError> {
        let is_step = |event: &&RunEvent| matches!(event, RunEvent::TrainStepTaken { .. });
        Ok(self.events.borrow().iter().filter(is_step).cloned().collect())
    }

    fn steps_of_sibling(&self, _arm: &str) -> Result<Option<StepsTaken>, StoreError> {
        Ok(self.sibling.borrow().clone())
    }

    fn pair_scores(&self, round: u32) -> Result<Vec<ScoredPair>, StoreError> {
        Ok(self.scores.borrow().get(&round).cloned().unwrap_or_default())
    }

    fn facets_of(&self, pairs: &[u32]) -> Result<Vec<Facets>, StoreError> {
        self.n_facets_read.set(self.n_facets_read.get() + pairs.len());
        let apart = |pair: &u32| Facets { group: u64::from(*pair), answers: [0, 1], n_chars: 10 };
        Ok(pairs.iter().map(apart).collect())
    }

    fn pool_pairs(&self, ids: &[PairId]) -> Result<Vec<CandidatePair>, StoreError> {
        let generated = generated(&self.events.borrow()).pairs;
        let read = |id: &PairId| match generated.iter().find(|(_, pair)| pair.pair == *id) {
            Some((_, pair)) => pair.to_pair("", "").unwrap().to_candidate(1, *id),
            None => FakeSource::pair(1, id.0 as usize).to_candidate(1, *id),
        };
        Ok(ids.iter().map(read).collect())
    }

    fn generated(&self) -> Result<Generated, StoreError> {
        Ok(generated(&self.events.borrow()))
    }
}

/// What events of a policy's answers have added.
fn generated(events: &[RunEvent]) -> Generated {
    let mut found = Generated::default();
    for event in events {
        let RunEvent::PairsGenerated { generation, pairs } = event else { continue };
        let round = generation.origin.round;
        found.rounds.insert(round);
        found.pairs.extend(pairs.iter().map(|pair| (round, pair.clone())));
    }
    found
}

/// The row of a round that was trained.
fn trained(event: &RunEvent) -> Option<RoundRow> {
    let RunEvent::RoundTrained { round, n_train_pairs, n_steps, weights_digest, .. } = event else {
        return None;
    };
    Some(RoundRow {
        round: *round,
        selection: None,
        n_train_pairs: Some(*n_train_pairs),
        n_steps: Some(*n_steps),
        validation: None,
        test: None,
        wall_ms: None,
        n_tokens: None,
        weights_digest: Some(weights_digest.clone()),
        n_labels_spent: None,
    })
}

/// A run with everything a step may take.
pub struct Bench {
    pub state: RunState,
    pub resources: Resources<'static>,
    pub reporter: Reporter<'static>,
    pub record: Rc<FakeRecord>,
    /// The home; it vanishes with the last bench in it.
    pub folder: Rc<TempDir>,
}

impl Bench {
    /// A run that has not begun, in a home of its own.
    pub fn new(spec: ExperimentSpec) -> Self {
        Self::in_home(Rc::new(tempfile::tempdir().unwrap()), spec)
    }

    /// A run that has not begun, beside others in a home.
    pub fn in_home(folder: Rc<TempDir>, spec: ExperimentSpec) -> Self {
        let home: &'static Home = Box::leak(Box::new(Home::new(folder.path())));
        let model = mock(&spec);
        let inputs = Inputs::load(&FakeSource::default(), (1, None), &spec, &model).unwrap();
        let record = Rc::new(FakeRecord::default());
        let saved = SavedState::new(SerLoop::new(LoopRule::from(&spec)));
        Self {
            state: RunState::new(RunId("run".to_owned()), spec, saved),
            resources: Resources {
                model: Box::new(model),
                inputs,
                home,
                trust: RefCell::default(),
            },
            reporter: Reporter::new(Box::new(Rc::clone(&record)), Signals::quiet()),
            record,
            folder,
        }
    }

    /// A run that waits for the training of round 1, on labels for the first 20 pairs of the pool. The
    /// model has learned nothing.
    pub fn at_round_1(spec: ExperimentSpec) -> Self {
        let mut bench = Self::new(spec);
        let halt = None;
        bench.finish(Outcome::Trained);
        bench.finish(Outcome::Evaluated { halt });
        bench.finish(Outcome::Evaluated { halt });
        bench.finish(Outcome::Scored);
        let rng_seed = bench.state.spec.rng_seed;
        let label = |pair: &PairId| PseudoLabel {
            pair: *pair,
            preferred: chosen_side(rng_seed, *pair),
            confidence: 0.9,
        };
        let pool = &bench.resources.inputs.split.unlabeled_pool;
        let labels = pool[..20].iter().map(label).collect();
        let learning_status = LearningStatus::Ungated;
        bench.finish(Outcome::Selected { learning_status, labels, halt });
        assert_eq!(bench.state.saved.ser.pending(), Step::Train { round: 1 });
        bench.record.take_events();
        bench
    }

    /// A reporter that has read nothing yet, over the same record.
    pub fn fresh_reporter(&self) -> Reporter<'static> {
        Reporter::new(Box::new(Rc::clone(&self.record)), Signals::quiet())
    }

    /// Tells the loop what came of the pending step.
    pub fn finish(&mut self, outcome: Outcome) {
        let step = self.state.saved.ser.pending();
        finish_step(&mut self.state, &self.resources, &mut self.reporter, step, outcome).unwrap();
    }

    /// Trains the model on the seed set for some epochs; the state stays as it is.
    pub fn learn(&mut self, epochs: u32) {
        self.learn_labels(self.resources.inputs.seed_labels.clone(), epochs);
    }

    /// Trains the model to prefer the other answers.
    pub fn unlearn(&mut self) {
        let labels = self.resources.inputs.seed_labels.iter();
        let turned = |it: &TrainingLabel| TrainingLabel { preferred: it.preferred.other(), ..*it };
        self.learn_labels(labels.map(turned).collect(), 20);
    }

    fn learn_labels(&mut self, labels: Vec<TrainingLabel>, epochs: u32) {
        let mut spec = self.state.spec.clone();
        spec.train.epochs = epochs;
        let labels = planned(labels, &self.state.saved.ser, &spec);
        let plan = Plan::new(0, labels, &spec, spec.rng_seed);
        let mut last = LastOrder::default();
        for step in 0..plan.n_steps {
            let taken =
                take_step(&self.state, &mut self.resources, &plan, step, &mut last, spec.rng_seed);
            taken.unwrap().unwrap();
        }
    }

    /// Optimizer steps of round 0.
    pub fn n_steps(&self) -> u64 {
        let train = &self.state.spec.train;
        let n_batches =
            self.resources.inputs.seed_labels.len().div_ceil(train.batch_pairs as usize);
        n_batches as u64 * u64::from(train.epochs)
    }

    /// Trains and evaluates round 0 as the worker does.
    pub fn play_round_0(&mut self) {
        let Self { state, resources, reporter, .. } = self;
        let outcome = train(state, resources, reporter, 0).unwrap().unwrap();
        self.finish(outcome);
        for split in [Split::Validation, Split::Test] {
            let Self { state, resources, reporter, .. } = self;
            let outcome = evaluate::evaluate(state, resources, reporter, 0, split);
            self.finish(outcome.unwrap().unwrap());
        }
    }
}
