//! Training: epochs over the round's labels, one optimiser step at a time.

use std::time::Instant;

use crate::domain::event::RunEvent;
use crate::domain::preference::TrainingLabel;
use crate::domain::random::{Place, Purpose};
use crate::domain::ser::{Outcome, apply_verdict};
use crate::domain::spec::{ExperimentSpec, LossName, NONE, ScheduleName, StartFrom};
use crate::engine::schedule::{Decay, Schedule};
use crate::engine::{LabeledPair, Loss, StepReport, StepSettings};
use crate::store::StepsTaken;

use super::control::Flow;
use super::journal::{Journal, StepProgress};
use super::session::Session;
use super::{StepResult, WorkerError, shared_round};

/// The plan of one round's training: a pure function of the labels and the spec.
struct Plan {
    round: u32,
    labels: Vec<TrainingLabel>,
    batch_pairs: usize,
    steps_per_epoch: u64,
    n_steps: u64,
}

impl Plan {
    fn new(round: u32, labels: Vec<TrainingLabel>, spec: &ExperimentSpec) -> Self {
        let batch_pairs = spec.train.batch_pairs as usize;
        let steps_per_epoch = labels.len().div_ceil(batch_pairs) as u64;
        let n_steps = steps_per_epoch * u64::from(spec.train.epochs);
        Self { round, labels, batch_pairs, steps_per_epoch, n_steps }
    }

    /// The same with more epochs, the last one cut short, where they come to fewer steps.
    fn with_steps_at_least(self, n_least: u64) -> Self {
        Self { n_steps: self.n_steps.max(n_least), ..self }
    }

    fn epoch(&self, step: u64) -> u32 {
        (step / self.steps_per_epoch) as u32
    }

    /// The labels of a step's batch, given the order of its epoch.
    fn batch<'a>(
        &'a self,
        step: u64,
        order: &'a [u32],
    ) -> impl Iterator<Item = TrainingLabel> + use<'a> {
        let begin = (step % self.steps_per_epoch) as usize * self.batch_pairs;
        let end = (begin + self.batch_pairs).min(order.len());
        order[begin..end].iter().map(|index| self.labels[*index as usize])
    }
}

/// Trains on the round's labels, going on after the steps the checkpoint had.
pub fn train(session: &mut Session<'_>, round: u32) -> StepResult {
    let n_least = if round == 0 { steps_to_match(session)? } else { 0 };
    let inputs = &session.inputs;
    let ser = &session.journal.state.ser;
    let labels = ser.training_labels(round, &inputs.seed_labels, &inputs.pool_labels);
    let plan = Plan::new(round, labels, &session.spec).with_steps_at_least(n_least);
    if plan.labels.iter().all(|l| apply_verdict(*l, &session.journal.state.verdicts).is_none()) {
        let n_vetoed = session.journal.state.verdicts.n_vetoed();
        return Err(WorkerError::NothingToTrain { round, n_vetoed });
    }
    if session.journal.state.n_steps_done == 0 {
        if round == 0 && shared_round::take(session, plan.n_steps)? {
            return Ok(Some(Outcome::Trained));
        }
        if round > 0 && session.spec.rounds.start_from == StartFrom::Pretrained {
            session.restart_model()?;
        }
        session.model.reset_optimizer();
    }
    let step = "train".to_owned();
    session.journal.send(RunEvent::StepStarted { round, step, n_total: plan.n_steps })?;
    let clock = Instant::now();
    let tokens_before = session.journal.state.n_step_tokens;
    let mut order = (u32::MAX, Vec::new());
    while session.journal.state.n_steps_done < plan.n_steps {
        if session.journal.read_people()? == Flow::Stop {
            return Ok(None);
        }
        let step = session.journal.state.n_steps_done;
        let epoch = plan.epoch(step);
        if order.0 != epoch {
            let place = Place::new(session.spec.rng_seed, Purpose::Shuffle).at(round, epoch);
            order = (epoch, place.permutation(plan.labels.len()));
        }
        train_one(session, &plan, step, &order.1)?;
        session.journal.progress(StepProgress {
            round,
            step: "train",
            n_done: session.journal.state.n_steps_done,
            n_total: plan.n_steps,
            n_tokens: session.journal.state.n_step_tokens - tokens_before,
            clock,
        })?;
        let done = session.journal.state.n_steps_done;
        let is_due = done.is_multiple_of(u64::from(session.spec.train.checkpoint_steps));
        if is_due && done < plan.n_steps {
            session.checkpoint("training")?;
        }
    }
    let verdicts = &session.journal.state.verdicts;
    let n_train_pairs =
        plan.labels.iter().filter(|label| apply_verdict(**label, verdicts).is_some()).count();
    let trained = RunEvent::RoundTrained {
        round,
        n_train_pairs: n_train_pairs as u64,
        n_steps: plan.n_steps,
        n_tokens: session.journal.state.n_step_tokens,
        elapsed_ms: clock.elapsed().as_millis() as u64,
        weights_digest: session.model.weights_digest(),
    };
    session.journal.send(trained)?;
    Ok(Some(Outcome::Trained))
}

/// The optimiser steps that another run took, where the spec asks for as many.
fn steps_to_match(session: &mut Session<'_>) -> Result<u64, WorkerError> {
    if let Some(known) = session.journal.state.steps_to_match {
        return Ok(known);
    }
    let arm = session.spec.train.match_steps.clone();
    let mut n_least = 0;
    if arm != NONE && session.is_in_experiment {
        let Journal { store, run, .. } = &session.journal;
        if let Some(StepsTaken { run, arm, n_steps }) = store.steps_of_sibling(run, &arm)? {
            n_least = n_steps;
            session.journal.send(RunEvent::StepsMatched { run, arm, n_steps })?;
        } else {
            let message = format!(
                "`train.match_steps` is `{arm}`, but no such run of this experiment and random seed \
                 has finished: the epochs decide"
            );
            session.journal.send(RunEvent::Warned { message })?;
        }
    }
    session.journal.state.steps_to_match = Some(n_least);
    Ok(n_least)
}

/// One optimiser step. A batch whose pairs are all vetoed changes nothing but the count.
fn train_one(
    session: &mut Session<'_>,
    plan: &Plan,
    step: u64,
    order: &[u32],
) -> Result<(), WorkerError> {
    let verdicts = &session.journal.state.verdicts;
    let inputs = &session.inputs;
    let batch: Vec<LabeledPair<'_>> = plan
        .batch(step, order)
        .filter_map(|label| apply_verdict(label, verdicts))
        .map(|label| LabeledPair { pair: inputs.pair(label.pair), preferred: label.preferred })
        .collect();
    let settings = step_settings(&session.spec, plan, step);
    let report =
        if batch.is_empty() { None } else { Some(session.model.train_step(&batch, &settings)?) };
    let n_pairs = batch.len();
    session.journal.state.n_steps_done += 1;
    session.journal.state.global_step += 1;
    if let Some(report) = report {
        session.journal.state.n_step_tokens += report.n_tokens;
        session.journal.state.n_round_tokens += report.n_tokens;
        report_step(session, plan, step, &settings, &report, n_pairs)?;
    }
    Ok(())
}

fn report_step(
    session: &mut Session<'_>,
    plan: &Plan,
    step: u64,
    settings: &StepSettings,
    report: &StepReport,
    n_pairs: usize,
) -> Result<(), WorkerError> {
    session.journal.send(RunEvent::TrainStepTaken {
        round: plan.round,
        epoch: plan.epoch(step),
        step: step + 1,
        global_step: session.journal.state.global_step,
        loss: report.loss,
        gradient_norm: report.gradient_norm,
        learning_rate: settings.learning_rate,
        accuracy: report.n_correct as f32 / n_pairs as f32,
    })
}

fn step_settings(spec: &ExperimentSpec, plan: &Plan, step: u64) -> StepSettings {
    let train = &spec.train;
    let place = Place::new(spec.rng_seed, Purpose::Dropout).at(plan.round, plan.epoch(step));
    let decay = match train.schedule {
        ScheduleName::Linear => Decay::Linear,
        ScheduleName::Cosine => Decay::Cosine,
        ScheduleName::Constant => Decay::Constant,
    };
    let schedule = Schedule::new(train.learning_rate, train.warmup_share, plan.n_steps, decay);
    StepSettings {
        loss: match train.loss {
            LossName::BradleyTerry => Loss::BradleyTerry,
            LossName::Hinge => Loss::Hinge { target_margin: train.hinge_margin },
        },
        learning_rate: schedule.learning_rate(step),
        weight_decay: train.weight_decay,
        clip_norm: train.clip_norm,
        dropout: train.dropout,
        dropout_key: place.bits(step),
    }
}
