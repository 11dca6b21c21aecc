//! Training: epochs over the round's labels, one optimiser step at a time.

use std::time::Instant;

use crate::domain::event::RunEvent;
use crate::domain::random::{Place, Purpose};
use crate::domain::ser::{Outcome, with_human_labels};
use crate::domain::spec::{ExperimentSpec, NONE, PoolLabels, StartFrom};
use crate::engine::schedule::Schedule;
use crate::engine::{LabeledPair, StepReport, StepSettings};
use crate::store::StepsTaken;

use super::control::Flow;
use super::journal::{Journal, StepProgress};
use super::plan::{LastOrder, Plan, planned};
use super::session::Session;
use super::{StepResult, WorkerError, shared_round};

/// Trains on the round's labels, going on after the steps the checkpoint had.
pub fn train(session: &mut Session<'_>, round: u32) -> StepResult {
    let n_least = if round == 0 { steps_to_match(session)? } else { 0 };
    let state = &mut session.journal.state;
    if round > 0 && state.n_steps_done == 0 {
        // What people say from here on joins the next round: a training set does not change under way.
        state.human_labels = state.verdicts.human_labels();
    }
    let inputs = &session.inputs;
    let labels = state.ser.training_labels(round, &inputs.seed_labels, &inputs.pool_labels);
    let labels = with_human_labels(labels, &state.human_labels);
    let labels = planned(labels, &state.ser, &session.spec);
    let plan =
        Plan::new(round, labels, &session.spec, session.spec.rng_seed).with_steps_at_least(n_least);
    if plan.labels.iter().all(|l| l.judged(&session.journal.state.verdicts).is_none()) {
        let n_vetoed = session.journal.state.verdicts.n_vetoed();
        return Err(WorkerError::NothingToTrain { round, n_vetoed });
    }
    if session.journal.state.n_steps_done == 0 {
        if round == 0 && shared_round::take(session, plan.n_steps)? {
            return Ok(Some(Outcome::Trained));
        }
        start_from(session, round)?;
    }
    let step = "train".to_owned();
    session.journal.send(RunEvent::StepStarted { round, step, n_total: plan.n_steps })?;
    let clock = Instant::now();
    let tokens_before = session.journal.state.n_step_tokens;
    let mut last = LastOrder::default();
    while session.journal.state.n_steps_done < plan.n_steps {
        if session.journal.read_people()? == Flow::Stop {
            return Ok(None);
        }
        train_one(session, &plan, &mut last)?;
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
    let n_train_pairs = plan.labels.iter().filter(|it| it.judged(verdicts).is_some()).count();
    let trained = RunEvent::RoundTrained {
        round,
        n_train_pairs: n_train_pairs as u64,
        n_steps: plan.n_steps,
        n_tokens: session.journal.state.n_step_tokens,
        elapsed_ms: clock.elapsed().as_millis() as u64,
        weights_digest: session.model.weights_digest(),
        n_human_labels: n_human_labels(session),
    };
    session.journal.send(trained)?;
    Ok(Some(Outcome::Trained))
}

/// Labels from people beside the seed set: verdicts, or the whole pool for the full-labels control.
pub fn n_human_labels(session: &Session<'_>) -> u64 {
    let pool = match session.spec.rounds.pool_labels {
        PoolLabels::Human => session.inputs.pool_labels.len(),
        PoolLabels::Pseudo => 0,
    };
    (pool + session.journal.state.human_labels.len()) as u64
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

/// The weights a round begins with, and a fresh optimiser.
fn start_from(session: &mut Session<'_>, round: u32) -> Result<(), WorkerError> {
    if round > 0 {
        match session.spec.rounds.start_from {
            StartFrom::PreviousRound => {}
            StartFrom::RoundZero => session.restore_round(0)?,
            StartFrom::Pretrained => session.restart_model()?,
        }
    }
    session.model.reset_optimizer();
    Ok(())
}

/// One optimiser step of the run. A batch whose pairs are all vetoed changes nothing but the count.
fn train_one(
    session: &mut Session<'_>,
    plan: &Plan,
    last: &mut LastOrder,
) -> Result<(), WorkerError> {
    let step = session.journal.state.n_steps_done;
    let rng_seed = session.spec.rng_seed;
    let taken = take_step(session, plan, step, last, rng_seed)?;
    session.journal.state.n_steps_done += 1;
    session.journal.state.global_step += 1;
    if let Some(Taken { report, settings, n_pairs }) = taken {
        session.journal.state.n_step_tokens += report.n_tokens;
        session.journal.state.n_round_tokens += report.n_tokens;
        session.journal.send(RunEvent::TrainStepTaken {
            round: plan.round,
            epoch: plan.epoch(step),
            step: step + 1,
            global_step: session.journal.state.global_step,
            loss: report.loss,
            gradient_norm: report.gradient_norm,
            learning_rate: settings.learning_rate,
            accuracy: report.n_correct as f32 / n_pairs as f32,
        })?;
    }
    Ok(())
}

/// An optimiser step that was taken.
pub struct Taken {
    /// What it did.
    pub report: StepReport,
    settings: StepSettings,
    n_pairs: usize,
}

/// Takes one optimiser step of a plan; `None` when people have vetoed all of its batch. Noise is
/// keyed by `rng_seed`.
pub fn take_step(
    session: &mut Session<'_>,
    plan: &Plan,
    step: u64,
    last: &mut LastOrder,
    rng_seed: u64,
) -> Result<Option<Taken>, WorkerError> {
    let verdicts = &session.journal.state.verdicts;
    let labels: Vec<_> =
        plan.batch(step, last).into_iter().filter_map(|it| it.judged(verdicts)).collect();
    if labels.is_empty() {
        return Ok(None);
    }
    let inputs = &session.inputs;
    let batch: Vec<LabeledPair<'_>> = labels
        .iter()
        .map(|it| LabeledPair {
            pair: inputs.pair(it.label.pair),
            preferred: it.label.preferred,
            claim: it.claim,
        })
        .collect();
    let settings = step_settings(&session.spec, plan, step, rng_seed);
    let report = session.model.train_step(&batch, &settings)?;
    Ok(Some(Taken { report, settings, n_pairs: labels.len() }))
}

fn step_settings(spec: &ExperimentSpec, plan: &Plan, step: u64, rng_seed: u64) -> StepSettings {
    let train = &spec.train;
    let place = Place::new(rng_seed, Purpose::Dropout).at(plan.round, plan.epoch(step));
    let (rate, warmup) = (train.learning_rate, train.warmup_share);
    let schedule = Schedule::new(rate, warmup, plan.n_steps, train.schedule);
    StepSettings {
        loss: train.loss(),
        learning_rate: schedule.learning_rate(step),
        weight_decay: train.weight_decay,
        clip_norm: train.clip_norm,
        dropout: train.dropout,
        dropout_key: place.bits(step),
    }
}
