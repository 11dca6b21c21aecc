//! One attempt at a policy run: opening its resources, and its checkpoints.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;

use super::pairs::pseudo_labels;
use super::prompts::Prompts;
use super::state::{PolicySaved, PolicyState};
use super::{StepResult, evaluate, update};
use crate::domain::event::{RunEvent, WorkerIdentity};
use crate::domain::phase::Phase;
use crate::domain::policy::metric::{Metrics, PolicyMetric as M};
use crate::domain::policy::run_loop::{PolicyLoop, PolicyOutcome, PolicyRule, PolicyStep};
use crate::domain::policy::sign::{StepSeen, best, forget_the_middle};
use crate::domain::preference::PairId;
use crate::domain::run::RunId;
use crate::domain::run_loop::RunLoop;
use crate::engine::files::checkpoint::Trust;
use crate::engine::open::open_policy;
use crate::engine::policy::Policy;
use crate::engine::schedule::Schedule;
use crate::engine::text_model::Texts;
use crate::engine::{EngineError, OpenSettings, StepSettings};
use crate::scorer::{self, Scorer};
use crate::store::{EventWriter, Home, Store};
use crate::worker::WorkerError;
use crate::worker::control::Signals;
use crate::worker::record::StoredRecord;
use crate::worker::reporter::Reporter;
use crate::worker::session::{report_model, report_preparation, survey};

/// How many of the newest checkpoints are kept for resuming: the last one, and one to fall back on
/// if it is damaged.
const N_KEPT: usize = 2;
/// What `policy.reward` and `policy.gold` say where there is none.
pub const NONE: &str = "none";

/// What a policy run works with.
pub struct PolicyResources<'a> {
    pub policy: Box<dyn Policy>,
    pub texts: Texts,
    /// Tokens that end an answer.
    pub ends: Vec<u32>,
    pub prompts: Prompts,
    /// The preferred side and the weight of pairs whose labels are pseudo-labels.
    pub labels: BTreeMap<u32, (usize, f64)>,
    /// The reward that the policy is trained for.
    pub reward: Option<Scorer>,
    /// The judge that it is not trained for.
    pub gold: Option<Scorer>,
    trust: RefCell<Trust>,
    home: &'a Home,
}

/// The three things a step may need, each handed over by itself.
pub struct PolicySession<'a> {
    pub state: PolicyState,
    pub resources: PolicyResources<'a>,
    pub reporter: Reporter<'a>,
}

impl<'a> PolicySession<'a> {
    /// Loads everything and restores the newest whole checkpoint.
    ///
    /// # Errors
    /// When the store, a model, the data or the checkpoint cannot be used.
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
        let Some(policy_spec) = spec.policy.as_deref().cloned() else {
            return Err(WorkerError::NoPolicy);
        };
        let mut trust = Trust::default();
        let survey = survey(&mut trust, &home.checkpoints(run))?;
        let name_of = |path: &Path| path.file_name().map(|n| n.to_string_lossy().into_owned());
        let resumed_from = survey.latest.as_deref().and_then(name_of);
        writer.send(RunEvent::RunStarted { worker, resumed_from })?;
        for damaged in survey.damaged {
            writer.send(RunEvent::Warned { message: damaged.to_string() })?;
        }
        report_preparation(writer, Phase::Open)?;
        let settings = OpenSettings::of_spec(&spec);
        let mut policy = open_policy(&settings)?.map_err(|reason| EngineError::CannotGenerate {
            backbone: settings.backbone.to_string(),
            detail: format!("it {reason}"),
        })?;
        let (texts, defaults) = Texts::open(&settings)?;
        report_model(writer, policy.info())?;
        report_preparation(writer, Phase::OpenReward)?;
        let open = |name: &str| -> Result<Option<Scorer>, WorkerError> {
            if name == NONE { Ok(None) } else { Ok(Some(scorer::open(home, name, 0)?)) }
        };
        let (reward, gold) = (open(&policy_spec.reward)?, open(&policy_spec.gold)?);
        report_preparation(writer, Phase::Encode)?;
        let stage = PolicyLoop::new(PolicyRule::from(&policy_spec), policy_spec.controller());
        let mut saved = PolicySaved::new(stage);
        if let Some(dir) = &survey.latest {
            let json = trust.read(dir, policy.as_mut())?;
            saved = serde_json::from_str(&json).map_err(|source| WorkerError::State {
                name: name_of(dir).unwrap_or_default(),
                source,
            })?;
        }
        let state = PolicyState {
            run: run.clone(),
            spec,
            policy: policy_spec,
            saved,
            batch: None,
            passes: Vec::new(),
            clock: None,
        };
        let end = defaults.ends.first().copied();
        let datasets = (detail.dataset, detail.test_dataset);
        let labels = pseudo_labels(&store, &state, detail.dataset)?;
        let pseudo_labeled: Vec<PairId> = labels.keys().map(|pair| PairId(*pair)).collect();
        let prompts = Prompts::load(&store, datasets, &state, (&texts, end), &pseudo_labeled)?;
        report_inputs(writer, &prompts)?;
        let record = StoredRecord { run: run.clone(), store: RefCell::new(store), writer };
        let resources = PolicyResources {
            policy,
            texts,
            ends: defaults.ends,
            prompts,
            labels,
            reward,
            gold,
            trust: RefCell::new(trust),
            home,
        };
        Ok(Self { state, resources, reporter: Reporter::new(Box::new(record), signals) })
    }

    /// Saves weights and state under the next number and a label.
    ///
    /// # Errors
    /// When a file or the record cannot be written.
    pub fn checkpoint(&mut self, label: &str) -> Result<(), WorkerError> {
        let Self { state, resources, reporter } = self;
        save(state, resources, reporter, label)
    }

    /// Goes back to the weights that an earlier evaluation judged.
    ///
    /// # Errors
    /// When its checkpoint is missing or damaged.
    pub fn restore(&mut self, step: u32) -> StepResult {
        let name = match &self.state.saved.best {
            Some((best, name)) if *best == step => name.clone(),
            _ => return Err(WorkerError::StepNotKept { step }),
        };
        let dir = self.resources.home.checkpoints(&self.state.run).join(name);
        self.resources.trust.get_mut().read(&dir, self.resources.policy.as_mut())?;
        let from = self.state.saved.evaluations.last().map_or(step, |it| it.seen.step);
        self.reporter.send(RunEvent::PolicyRestored { from, to: step })?;
        Ok(Some(PolicyOutcome::Restored))
    }

    /// What follows once the loop knows the outcome of a step.
    ///
    /// # Errors
    /// When a checkpoint or the record cannot be written.
    pub fn after(&mut self, step: PolicyStep) -> Result<(), WorkerError> {
        match step {
            PolicyStep::TrainSft => self.checkpoint("sft"),
            PolicyStep::Evaluate { step } => {
                let seen: Vec<_> =
                    self.state.saved.evaluations.iter().map(|it| it.seen.clone()).collect();
                if best(&seen).is_some_and(|it| it.step == step) {
                    let name = name_of(self.state.saved.n_checkpoints + 1, EVALUATED);
                    self.state.saved.best = Some((step, name));
                }
                self.checkpoint(EVALUATED)
            }
            PolicyStep::Sample { step } | PolicyStep::Update { step, .. } => self.step_taken(step),
            PolicyStep::Restore { .. } => self.checkpoint("restored"),
            PolicyStep::OpenReward | PolicyStep::Judge { .. } | PolicyStep::Finish { .. } => Ok(()),
        }
    }

    /// Reports a step once its last pass is made, and saves now and then.
    fn step_taken(&mut self, step: u32) -> Result<(), WorkerError> {
        if matches!(self.state.saved.stage.pending(), PolicyStep::Update { step: of, .. } if of == step)
        {
            return Ok(());
        }
        let Self { state, reporter, .. } = self;
        let batch = state.batch.take();
        let elapsed_ms = state.clock.take().map_or(0, |clock| reporter.elapsed_ms(clock));
        let rollouts = batch.as_ref().map_or_else(Metrics::new, |it| it.metrics.clone());
        let mut metrics = update::of_step(state, &rollouts);
        state.passes.clear();
        let divergence = batch.and_then(|it| it.divergence);
        state.saved.steps.push(StepSeen { step, metrics: metrics.clone(), divergence });
        forget_the_middle(&mut state.saved.steps);
        metrics.insert(M::StepTime, elapsed_ms as f64 / 1000.0);
        reporter.send(RunEvent::PolicyStepTaken { step, metrics, elapsed_ms })?;
        evaluate::signs(state, reporter, step)?;
        let n_since = state.saved.n_updates - state.saved.n_updates_saved;
        if n_since >= u64::from(state.spec.train.checkpoint_steps) {
            return self.checkpoint("step");
        }
        Ok(())
    }
}

/// Label of the checkpoint that an evaluation ends with.
const EVALUATED: &str = "evaluated";

fn name_of(number: u64, label: &str) -> String {
    format!("{number:06}-{label}")
}

/// Writes weights and state, so that a worker can go on from here. The events so far are flushed
/// first: a checkpoint must never know more than the history does.
///
/// # Errors
/// When a file or the record cannot be written.
pub fn save(
    state: &mut PolicyState,
    resources: &PolicyResources<'_>,
    reporter: &Reporter<'_>,
    label: &str,
) -> Result<(), WorkerError> {
    reporter.flush()?;
    let saved = &mut state.saved;
    saved.n_checkpoints += 1;
    saved.n_updates_saved = saved.n_updates;
    let name = name_of(saved.n_checkpoints, label);
    let dir = resources.home.checkpoints(&state.run);
    let json = serde_json::to_string(saved)
        .map_err(|source| WorkerError::State { name: name.clone(), source })?;
    let mut trust = resources.trust.borrow_mut();
    let manifest = trust.write(&dir, &name, resources.policy.as_ref(), &json)?;
    reporter.send(RunEvent::CheckpointSaved {
        name,
        round: saved.step(),
        global_step: saved.n_updates,
        n_bytes: manifest.n_bytes(),
        digest: manifest.weights_digest,
    })?;
    reporter.flush()?;
    let kept: Vec<&str> = saved.best.iter().map(|(_, name)| name.as_str()).collect();
    trust.prune(&dir, N_KEPT, &kept)?;
    Ok(())
}

/// What an optimizer step of the policy is taken with. There is no dropout: the probabilities of the pass
/// would not be those that the answers were sampled with.
pub fn step_settings(state: &PolicyState) -> StepSettings {
    let (policy, train) = (&state.policy, &state.spec.train);
    let per_step = policy.epochs * if policy.objective.samples() { policy.mini_batches } else { 1 };
    let n_updates = u64::from(policy.steps) * u64::from(per_step);
    let rate = policy.learning_rate as f32;
    let schedule = Schedule::new(rate, train.warmup_share, n_updates, train.schedule);
    StepSettings {
        loss: train.loss(),
        learning_rate: schedule.learning_rate(state.saved.n_updates),
        weight_decay: train.weight_decay,
        clip_norm: policy.clip_norm as f32,
        dropout: 0.0,
        dropout_key: 0,
    }
}

fn report_inputs(writer: &EventWriter, prompts: &Prompts) -> Result<(), WorkerError> {
    let split = &prompts.split;
    writer.send(RunEvent::DataSplitMade {
        n_seed_set: split.seed_set.len() as u64,
        n_validation: split.validation.len() as u64,
        n_unlabeled_pool: split.unlabeled_pool.len() as u64,
        n_test: split.test.len() as u64,
        n_leaked: split.n_leaked,
        n_groups: split.n_groups,
    })?;
    for message in &prompts.left_out {
        writer.send(RunEvent::Warned { message: message.clone() })?;
    }
    if prompts.training.is_empty() || prompts.held_out.is_empty() {
        return Err(WorkerError::NoPrompts);
    }
    Ok(())
}
