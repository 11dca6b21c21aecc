//! One attempt at a run: opening its resources, and handing the outcome of each step to the loop.

use std::cell::RefCell;
use std::path::Path;
use std::time::Duration;

use crate::domain::event::{RunEvent, WorkerIdentity};
use crate::domain::metrics::Split;
use crate::domain::phase::{Phase, PhaseKey};
use crate::domain::run::RunId;
use crate::domain::ser::{LoopRule, Outcome, SerLoop, Step};
use crate::domain::spec::ExperimentSpec;
use crate::engine;
use crate::engine::files::checkpoint;
use crate::engine::memory::{self, Load};
use crate::engine::planning;
use crate::engine::{ModelInfo, OpenSettings, RewardModel};
use crate::store::{EventWriter, Home, Store};

use super::checkpoints::{self, TRAINED};
use super::control::{Flow, Signals};
use super::error::{StepResult, WorkerError};
use super::inputs::Inputs;
use super::pool;
use super::record::StoredRecord;
use super::reporter::{Reporter, round_of};
use super::resources::Resources;
use super::shared_round;
use super::state::{RunState, SavedState};

/// The three things a step may need, each handed over by itself.
pub struct Session<'a> {
    /// Where the run is.
    pub state: RunState,
    /// What it works with.
    pub resources: Resources<'a>,
    pub reporter: Reporter<'a>,
}

impl<'a> Session<'a> {
    /// Loads everything and restores the newest whole checkpoint.
    ///
    /// # Errors
    /// When the store, the model, the data or the checkpoint cannot be used.
    pub fn open(
        home: &'a Home,
        run: &RunId,
        store: Store,
        writer: &'a EventWriter,
        worker: WorkerIdentity,
        signals: Signals,
    ) -> Result<Self, WorkerError> {
        let detail = store.run(run)?;
        let spec = store.spec(run)?;
        let mut trust = checkpoint::Trust::default();
        let survey = survey(&mut trust, &home.checkpoints(run))?;
        let latest = survey.latest;
        let name_of = |path: &Path| path.file_name().map(|n| n.to_string_lossy().into_owned());
        let resumed_from = latest.as_deref().and_then(name_of);
        writer.send(RunEvent::RunStarted { worker, resumed_from })?;
        for damaged in survey.damaged {
            writer.send(RunEvent::Warned { message: damaged.to_string() })?;
        }
        report_preparation(writer, Phase::Open)?;
        let mut model = open_model(home, &spec)?;
        check_template(&store, run, model.as_ref())?;
        report_model(writer, model.info())?;
        report_preparation(writer, Phase::Encode)?;
        let datasets = (detail.dataset, detail.test_dataset);
        let inputs = Inputs::load(&store, datasets, &spec, model.as_ref())?;
        report_inputs(writer, &inputs)?;
        pool::check(home, &spec)?;
        let saved: SavedState = match &latest {
            Some(dir) => {
                let json = trust.read(dir, model.as_mut())?;
                serde_json::from_str(&json).map_err(|source| WorkerError::State {
                    name: name_of(dir).unwrap_or_default(),
                    source,
                })?
            }
            None => SavedState::new(SerLoop::new(LoopRule::from(&spec))),
        };
        let mut state = RunState::new(run.clone(), spec, saved);
        state.is_in_experiment = detail.row.experiment.is_some();
        let (run, store) = (run.clone(), RefCell::new(store));
        let record = StoredRecord { run, store, writer };
        let reporter = Reporter::new(Box::new(record), signals);
        let mut resources = Resources { model, inputs, home, trust: RefCell::new(trust) };
        pool::restore(&state, &mut resources, reporter.record.as_ref())?;
        Ok(Self { state, resources, reporter })
    }

    /// Ends the attempt on request, resumable.
    ///
    /// # Errors
    /// When the checkpoint cannot be written.
    pub fn stop(&mut self) -> Result<(), WorkerError> {
        self.checkpoint("stopped")?;
        self.reporter.send(RunEvent::RunStopped)
    }

    /// Saves weights and state under the next number and a label.
    ///
    /// # Errors
    /// When a file or the record cannot be written.
    pub fn checkpoint(&mut self, label: &str) -> Result<(), WorkerError> {
        let Self { state, resources, reporter } = self;
        checkpoints::save(state, resources, reporter, label)
    }
}

/// Holds until a person releases the selection (`review.mode = "gate"`) or `review.timeout` is over.
///
/// # Errors
/// When the checkpoint cannot be written, or the record not be read.
pub fn wait_for_release(
    state: &mut RunState,
    resources: &Resources<'_>,
    reporter: &mut Reporter<'_>,
) -> StepResult {
    checkpoints::save(state, resources, reporter, "review")?;
    // Waiting is reported as a phase, so that a viewer shows what the run waits for.
    let round = round_of(state.saved.ser.pending());
    reporter.begin(PhaseKey::new(round, Phase::Review), 0, [0, 1])?;
    let timeout = state.spec.review.timeout;
    let at_most = (timeout > 0).then(|| Duration::from_secs(timeout));
    Ok(match reporter.hold(&mut state.saved, "review", at_most)? {
        Flow::Continue => Some(Outcome::Released),
        Flow::Stop => None,
    })
}

/// Hands the outcome of a step to the loop, and reports the round if it is complete.
///
/// # Errors
/// When the outcome does not fit, or a checkpoint cannot be written.
pub fn finish_step(
    state: &mut RunState,
    resources: &Resources<'_>,
    reporter: &mut Reporter<'_>,
    step: Step,
    outcome: Outcome,
) -> Result<(), WorkerError> {
    let saved = &mut state.saved;
    saved.ser.on(outcome)?;
    match step {
        Step::Train { round } => {
            if let Some(draft) = &mut saved.round_0 {
                draft.n_train_tokens = saved.n_step_tokens;
            }
            saved.n_steps_done = 0;
            saved.n_step_tokens = 0;
            checkpoints::note_trained(state, round);
            checkpoints::save(state, resources, reporter, TRAINED)
        }
        Step::CrossFit { .. } => checkpoints::save(state, resources, reporter, "cross_fit"),
        Step::Evaluate { round, split: Split::Test } => {
            let wall_ms = saved.round_wall_ms + reporter.clock.take_ms();
            let n_tokens = saved.n_round_tokens;
            saved.n_round_tokens = 0;
            saved.round_wall_ms = 0;
            reporter.send(RunEvent::RoundFinished { round, wall_ms, n_tokens })?;
            shared_round::offer(state, resources, reporter, wall_ms)
        }
        _ => Ok(()),
    }
}

pub(super) fn survey(
    trust: &mut checkpoint::Trust,
    checkpoints: &Path,
) -> Result<checkpoint::Survey, WorkerError> {
    if !checkpoints.exists() {
        return Ok(checkpoint::Survey::default());
    }
    checkpoint::sweep(checkpoints)?;
    Ok(trust.survey(checkpoints)?)
}

fn open_model(home: &Home, spec: &ExperimentSpec) -> Result<Box<dyn RewardModel>, WorkerError> {
    let mut settings = OpenSettings::of_spec(spec);
    // The memory plan leaves out the pairs, which are not read yet; they are small beside a model.
    planning::check(&settings, Load::of_spec(spec, 0), memory::available_bytes())?;
    settings.trunk_cache.dir = Some(home.trunk_cache());
    Ok(engine::open(&settings)?)
}

/// Refuses a resumed run whose chat template has changed since it began, since texts would be read
/// differently.
fn check_template(store: &Store, run: &RunId, model: &dyn RewardModel) -> Result<(), WorkerError> {
    let Some(recorded) = store.chat_template(run)? else { return Ok(()) };
    let digest = model.info().chat_template.as_ref().map(|template| &template.digest);
    if digest == Some(&recorded.digest) {
        return Ok(());
    }
    Err(WorkerError::TemplateChanged { name: recorded.name })
}

/// Tells what is done before the loop begins, so that a viewer has something to show for it.
pub(super) fn report_preparation(writer: &EventWriter, step: Phase) -> Result<(), WorkerError> {
    let (round, part, n_parts, n_before, n_total) = (0, 0, 0, 0, 1);
    let begun = RunEvent::StepStarted { round, step, part, n_parts, n_before, n_total };
    Ok(writer.send(begun)?)
}

pub(super) fn report_model(writer: &EventWriter, info: &ModelInfo) -> Result<(), WorkerError> {
    Ok(writer.send(RunEvent::ModelOpened {
        family: info.family.clone(),
        n_parameters: info.n_parameters,
        precision: info.precision.clone(),
        device: info.device.clone(),
        chat_template: info.chat_template.clone(),
    })?)
}

fn report_inputs(writer: &EventWriter, inputs: &Inputs) -> Result<(), WorkerError> {
    let split = &inputs.split;
    writer.send(RunEvent::DataSplitMade {
        n_seed_set: split.seed_set.len() as u64,
        n_validation: split.validation.len() as u64,
        n_unlabeled_pool: split.unlabeled_pool.len() as u64,
        n_test: inputs.test.len() as u64,
        n_leaked: split.n_leaked,
        n_groups: split.n_groups,
    })?;
    let truncation = &inputs.truncation;
    Ok(writer.send(RunEvent::TextsEncoded {
        n_pairs: truncation.n_pairs as u64,
        n_tokens: truncation.n_tokens,
        n_truncated: truncation.n_truncated as u64,
        n_prompt_tokens_cut: truncation.n_prompt_tokens_cut,
        n_answer_tokens_cut: truncation.n_answer_tokens_cut,
    })?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::run::{RequestKind, StopReason};
    use crate::domain::spec::ReviewMode;
    use crate::worker::testing::{Bench, names, spec};

    #[test]
    fn a_gate_opens_by_a_person_or_by_itself() {
        for (request, timeout, expected, said) in [
            (
                Some(RequestKind::Resume),
                0,
                Some(Outcome::Released),
                &["checkpoint_saved", "step_started", "paused", "request_read", "resumed"][..],
            ),
            (
                Some(RequestKind::Stop),
                0,
                None,
                &["checkpoint_saved", "step_started", "paused", "request_read"][..],
            ),
            (
                None,
                1,
                Some(Outcome::Released),
                &["checkpoint_saved", "step_started", "paused", "warned", "resumed"][..],
            ),
        ] {
            let mut bench = Bench::new(spec(|spec| {
                spec.review.mode = ReviewMode::Gate;
                spec.review.timeout = timeout;
            }));
            bench.record.request(request);
            let Bench { state, resources, reporter, .. } = &mut bench;
            let outcome = wait_for_release(state, resources, reporter).unwrap();
            assert_eq!(outcome, expected, "{request:?}");
            assert_eq!(names(&bench.record.take_events()), said);
        }
    }

    #[test]
    fn a_trained_round_ends_with_a_checkpoint_and_fresh_counts() {
        let mut bench = Bench::new(spec(|_| ()));
        bench.state.saved.n_steps_done = 5;
        bench.state.saved.n_step_tokens = 50;
        bench.finish(Outcome::Trained);
        let saved = &bench.state.saved;
        assert_eq!((saved.n_steps_done, saved.n_step_tokens, saved.n_checkpoints), (0, 0, 1));
        assert_eq!(names(&bench.record.take_events()), ["checkpoint_saved"]);
        let validate = Step::Evaluate { round: 0, split: Split::Validation };
        assert_eq!(saved.ser.pending(), validate);
    }

    #[test]
    fn a_round_is_finished_after_its_test_pairs() {
        let mut bench = Bench::new(spec(|spec| spec.rounds.max = 0));
        bench.state.saved.n_round_tokens = 99;
        bench.finish(Outcome::Trained);
        bench.finish(Outcome::Evaluated { halt: None });
        bench.record.take_events();
        bench.finish(Outcome::Evaluated { halt: None });
        let events = bench.record.take_events();
        let [RunEvent::RoundFinished { round: 0, n_tokens: 99, .. }] = &events[..] else {
            panic!("{events:?}")
        };
        assert_eq!(bench.state.saved.n_round_tokens, 0);
        let finish = Step::Finish { reason: StopReason::RoundLimit };
        assert_eq!(bench.state.saved.ser.pending(), finish);
    }

    #[test]
    fn an_outcome_that_does_not_fit_is_refused() {
        let mut bench = Bench::new(spec(|_| ()));
        let Bench { state, resources, reporter, .. } = &mut bench;
        let step = state.saved.ser.pending();
        let error = finish_step(state, resources, reporter, step, Outcome::Scored).unwrap_err();
        assert!(matches!(error, WorkerError::Loop(_)), "{error}");
    }
}
