//! One attempt at a run: the model, the inputs, the state, and the way to report.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::domain::event::{RunEvent, WorkerIdentity};
use crate::domain::metrics::Split;
use crate::domain::preference::PairId;
use crate::domain::pseudo_label::PairScore;
use crate::domain::run::{RunId, StopReason};
use crate::domain::ser::{LoopRule, Outcome, SerLoop, Step};
use crate::domain::spec::{DropAction, ExperimentSpec, KeepWeights, StartFrom};
use crate::engine;
use crate::engine::files::checkpoint;
use crate::engine::memory::{self, Load};
use crate::engine::{OpenSettings, RewardModel};
use crate::store::{EventWriter, Home, RoundRow, Store, best_round};

use super::control::{Flow, Signals};
use super::inputs::Inputs;
use super::journal::{Journal, round_of};
use super::shared_round::{self, SharedScores};
use super::state::RunState;
use super::{Ending, StepResult, WorkerError};

/// Checkpoints kept for going on: the newest, and one to fall back on.
const CHECKPOINTS_KEPT: usize = 2;

/// Label of the checkpoint that a trained round ends with.
const TRAINED: &str = "trained";

/// One attempt at a run.
pub struct Session<'a> {
    /// What to do.
    pub spec: ExperimentSpec,
    /// The model being trained.
    pub model: Box<dyn RewardModel>,
    /// What it reads.
    pub inputs: Inputs,
    /// The data set that the pairs are from.
    pub dataset: i64,
    /// Scores of the pool between the scoring and the selection.
    pub pool_scores: Option<Vec<PairScore>>,
    /// State, events, requests, verdicts.
    pub journal: Journal<'a>,
    /// Where everything lies.
    pub home: &'a Home,
    /// Checkpoints that this worker has hashed.
    trust: checkpoint::Trust,
    /// Whether the run stands beside others in an experiment.
    pub is_in_experiment: bool,
    /// Scores of round 0 that came from another run, or that others may take.
    pub shared_scores: SharedScores,
    round_clock: Instant,
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
        spec.check_retired()?;
        let checkpoints = home.checkpoints(run);
        let mut trust = checkpoint::Trust::default();
        let survey = survey(&mut trust, &checkpoints)?;
        let latest = survey.latest;
        let name_of = |path: &Path| path.file_name().map(|n| n.to_string_lossy().into_owned());
        let resumed_from = latest.as_deref().and_then(name_of);
        writer.send(RunEvent::RunStarted { worker, resumed_from })?;
        for damaged in survey.damaged {
            writer.send(RunEvent::Warned { message: damaged.to_string() })?;
        }
        let mut model = open_model(home, &spec)?;
        check_template(&store, run, model.as_ref())?;
        report_model(writer, model.as_ref())?;
        let inputs = Inputs::load(&store, &detail, &spec, model.as_ref())?;
        report_inputs(writer, &inputs)?;
        let state = match &latest {
            Some(dir) => {
                let json = trust.read(dir, model.as_mut())?;
                serde_json::from_str(&json).map_err(|source| WorkerError::State {
                    name: name_of(dir).unwrap_or_default(),
                    source,
                })?
            }
            None => RunState::new(SerLoop::new(LoopRule::from(&spec))),
        };
        Ok(Self {
            spec,
            model,
            inputs,
            dataset: detail.dataset,
            pool_scores: None,
            journal: Journal::new(run.clone(), state, store, writer, signals),
            home,
            trust,
            is_in_experiment: detail.row.experiment.is_some(),
            shared_scores: SharedScores::default(),
            round_clock: Instant::now(),
        })
    }

    /// The pairs whose labels are hidden still: those that people have labelled since are none of them.
    #[must_use]
    pub fn unlabeled_pool(&self) -> Vec<PairId> {
        let labeled: BTreeSet<PairId> =
            self.journal.state.human_labels.iter().map(|label| label.pair).collect();
        let pool = self.inputs.split.unlabeled_pool.iter();
        pool.filter(|pair| !labeled.contains(pair)).copied().collect()
    }

    /// Holds until a person releases the selection (`review.mode = "gate"`) or `review.timeout` is
    /// over.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn wait_for_release(&mut self) -> StepResult {
        self.checkpoint("review")?;
        // A step like the others: whoever looks sees what the run waits for.
        let step = self.journal.state.ser.pending();
        let (round, step) = (round_of(step), step.name().to_owned());
        self.journal.send(RunEvent::StepStarted { round, step, n_total: 1 })?;
        let timeout = self.spec.review.timeout;
        let at_most = (timeout > 0).then(|| Duration::from_secs(timeout));
        Ok(match self.journal.hold("review", at_most)? {
            Flow::Continue => Some(Outcome::Released),
            Flow::Stop => None,
        })
    }

    /// Tells the loop what came of a step and reports a round that is complete.
    ///
    /// # Errors
    /// When the outcome does not fit, or a checkpoint cannot be written.
    pub fn finish_step(&mut self, step: Step, outcome: Outcome) -> Result<(), WorkerError> {
        self.journal.state.ser.on(outcome)?;
        match step {
            Step::Train { round } => {
                if let Some(draft) = &mut self.journal.state.round_0 {
                    draft.n_train_tokens = self.journal.state.n_step_tokens;
                }
                self.journal.state.n_steps_done = 0;
                self.journal.state.n_step_tokens = 0;
                self.keep_round(round);
                self.checkpoint(TRAINED)
            }
            Step::CrossFit { .. } => self.checkpoint("cross_fit"),
            Step::Evaluate { round, split: Split::Test } => {
                let wall_ms = self.round_wall_ms();
                let n_tokens = self.journal.state.n_round_tokens;
                self.journal.state.n_round_tokens = 0;
                self.journal.state.round_wall_ms = 0;
                self.reset_round_clock();
                self.journal.send(RunEvent::RoundFinished { round, wall_ms, n_tokens })?;
                shared_round::offer(self, wall_ms)
            }
            _ => Ok(()),
        }
    }

    /// Notes that the checkpoint about to be written is the one of a round, where the run may need to
    /// go back to it: to round 0 after the folds and as the start of every round, to the last one
    /// when the next is undone.
    fn keep_round(&mut self, round: u32) {
        let rounds = &self.spec.rounds;
        let needs_zero =
            self.spec.selection.cross_fits() || rounds.start_from == StartFrom::RoundZero;
        let needs_last = rounds.on_drop == DropAction::Rollback;
        let name = checkpoint_name(self.journal.state.n_checkpoints + 1, TRAINED);
        let trained = &mut self.journal.state.trained;
        trained.insert(round, name);
        trained.retain(|kept, _| (*kept == 0 && needs_zero) || (needs_last && *kept + 1 >= round));
    }

    /// Goes back to the weights that a round ended with.
    ///
    /// # Errors
    /// When its checkpoint is missing or damaged.
    pub fn restore_round(&mut self, round: u32) -> Result<(), WorkerError> {
        let Some(name) = self.journal.state.trained.get(&round) else {
            return Err(WorkerError::RoundNotKept { round });
        };
        let dir = self.home.checkpoints(&self.journal.run).join(name);
        // The state in it is older than this one.
        self.trust.read(&dir, self.model.as_mut())?;
        self.model.reset_optimizer();
        Ok(())
    }

    /// Undoes the last round where a guard ended the loop after it and the spec asks for that.
    ///
    /// # Errors
    /// As [`Session::restore_round`].
    pub fn roll_back(&mut self, reason: StopReason) -> Result<(), WorkerError> {
        let is_worse =
            matches!(reason, StopReason::ValidationDropped | StopReason::CalibrationWorsened);
        if !is_worse || self.spec.rounds.on_drop != DropAction::Rollback {
            return Ok(());
        }
        let Some(from) = self.journal.state.trained.keys().next_back().copied() else {
            return Ok(());
        };
        let Some(to) = from.checked_sub(1) else { return Ok(()) };
        self.restore_round(to)?;
        self.journal.state.trained.remove(&from);
        self.journal.send(RunEvent::RolledBack { from, to })
    }

    fn round_wall_ms(&self) -> u64 {
        let worked = self.round_clock.elapsed().saturating_sub(self.journal.held);
        self.journal.state.round_wall_ms + worked.as_millis() as u64
    }

    fn reset_round_clock(&mut self) {
        self.round_clock = Instant::now();
        self.journal.held = Duration::ZERO;
    }

    /// Writes weights and state so that a worker can go on from here. Events before it are on disk
    /// first: a checkpoint never knows more than the history.
    ///
    /// # Errors
    /// When a file or the store cannot be written.
    pub fn checkpoint(&mut self, label: &str) -> Result<(), WorkerError> {
        self.journal.flush()?;
        self.journal.state.n_checkpoints += 1;
        self.journal.state.round_wall_ms = self.round_wall_ms();
        self.reset_round_clock();
        let round = round_of(self.journal.state.ser.pending());
        let name = checkpoint_name(self.journal.state.n_checkpoints, label);
        let dir = self.home.checkpoints(&self.journal.run);
        let json = serde_json::to_string(&self.journal.state)
            .map_err(|source| WorkerError::State { name: name.clone(), source })?;
        let manifest = self.trust.write(&dir, &name, self.model.as_ref(), &json)?;
        self.journal.send(RunEvent::CheckpointSaved {
            name,
            round,
            global_step: self.journal.state.global_step,
            n_bytes: manifest.n_bytes(),
            digest: manifest.weights_digest,
        })?;
        self.journal.flush()?;
        let for_use = self.kept_rounds(&dir)?;
        let to_go_back = self.journal.state.trained.values();
        let kept: Vec<&str> = to_go_back.chain(&for_use).map(String::as_str).collect();
        self.trust.prune(&dir, CHECKPOINTS_KEPT, &kept)?;
        Ok(())
    }

    /// The checkpoints that hold the weights of the rounds the spec keeps, one for each: those with
    /// the digest that the round reported at the end of its training.
    fn kept_rounds(&self, dir: &Path) -> Result<Vec<String>, WorkerError> {
        let rounds = self.journal.store.rounds(&self.journal.run)?;
        let best = best_round(&rounds);
        let is_kept = |round: &&RoundRow| match self.spec.rounds.keep_weights {
            KeepWeights::All => true,
            KeepWeights::Best => Some(round.round) == best,
            KeepWeights::Newest => false,
        };
        let digests = rounds.iter().filter(is_kept).filter_map(|it| it.weights_digest.as_ref());
        let checkpoints = checkpoint::list(dir)?;
        let of = |digest: &String| {
            checkpoints.iter().find(|(_, manifest)| manifest.weights_digest == *digest)
        };
        Ok(digests.filter_map(of).map(|(name, _)| name.clone()).collect())
    }

    /// Ends the attempt on request, resumable.
    ///
    /// # Errors
    /// When the checkpoint cannot be written.
    pub fn stop(&mut self) -> Result<Ending, WorkerError> {
        self.checkpoint("stopped")?;
        self.journal.send(RunEvent::RunStopped)?;
        Ok(Ending::Stopped)
    }

    /// Forgets what was learned and loads the pretrained weights again.
    ///
    /// # Errors
    /// When the model cannot be opened.
    pub fn restart_model(&mut self) -> Result<(), WorkerError> {
        Ok(self.model.restart()?)
    }
}

fn checkpoint_name(number: u64, label: &str) -> String {
    format!("{number:06}-{label}")
}

fn survey(
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
    // The pairs are not read yet; they are small beside a model that does not fit.
    memory::check(&settings, Load::of_spec(spec, 0), memory::available_bytes())?;
    settings.trunk_cache.dir = Some(home.trunk_cache());
    Ok(engine::open(&settings)?)
}

/// A run that goes on has to read its texts as it did before.
fn check_template(store: &Store, run: &RunId, model: &dyn RewardModel) -> Result<(), WorkerError> {
    let Some(recorded) = store.chat_template(run)? else { return Ok(()) };
    let digest = model.info().chat_template.as_ref().map(|template| &template.digest);
    if digest == Some(&recorded.digest) {
        return Ok(());
    }
    Err(WorkerError::TemplateChanged { name: recorded.name })
}

fn report_model(writer: &EventWriter, model: &dyn RewardModel) -> Result<(), WorkerError> {
    let info = model.info();
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
