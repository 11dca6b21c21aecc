//! The SFT stage: the policy learns the answers that people preferred, and becomes the reference.

use super::StepResult;
use super::prompts::preferred;
use super::session::PolicyResources;
use super::state::PolicyState;
use crate::domain::event::RunEvent;
use crate::domain::phase::{Phase, PhaseKey};
use crate::domain::policy::run_loop::PolicyOutcome;
use crate::domain::random::{Place, Purpose};
use crate::engine::AnswersTo;
use crate::engine::policy::AnswerSlopes;
use crate::engine::schedule::Schedule;
use crate::engine::{EngineError, StepSettings};
use crate::worker::WorkerError;
use crate::worker::control::Flow;
use crate::worker::reporter::Reporter;

/// Trains on the preferred answers of the seed set; steps that the checkpoint already contains are not
/// repeated. Prompts are not learned: the loss is the mean over the answers' tokens.
pub fn train(
    state: &mut PolicyState,
    resources: &mut PolicyResources<'_>,
    reporter: &mut Reporter<'_>,
) -> StepResult {
    let n_pairs = resources.prompts.seed_set.len() - resources.prompts.n_pseudo;
    if n_pairs == 0 {
        return Err(WorkerError::NoPairs);
    }
    let sft = state.policy.sft;
    let per_epoch = n_pairs.div_ceil(sft.batch_answers as usize) as u64;
    let n_steps = per_epoch * u64::from(sft.epochs);
    let train = &state.spec.train;
    let schedule =
        Schedule::new(sft.learning_rate as f32, train.warmup_share, n_steps, train.schedule);
    let key = PhaseKey::new(0, Phase::Sft);
    let begun = reporter.begin(key, 0, [state.saved.n_sft_steps, n_steps])?;
    let mut n_tokens = 0;
    while state.saved.n_sft_steps < n_steps {
        if reporter.read_people(&mut state.saved)? == Flow::Stop {
            return Ok(None);
        }
        n_tokens += step(state, resources, reporter, (per_epoch, &schedule))?;
        let n_done = state.saved.n_sft_steps;
        reporter.progress(begun, n_done, n_tokens)?;
        let is_due = n_done.is_multiple_of(u64::from(state.spec.train.checkpoint_steps));
        if is_due && n_done < n_steps {
            super::session::save(state, resources, reporter, "sft")?;
        }
    }
    resources.policy.set_reference();
    resources.policy.reset_optimizer();
    Ok(Some(PolicyOutcome::SftTrained))
}

/// Takes one optimizer step and returns its tokens.
fn step(
    state: &mut PolicyState,
    resources: &mut PolicyResources<'_>,
    reporter: &Reporter<'_>,
    (per_epoch, schedule): (u64, &Schedule),
) -> Result<u64, WorkerError> {
    let rng_seed = state.spec.rng_seed;
    let n_done = state.saved.n_sft_steps;
    let (epoch, part) = (n_done / per_epoch, (n_done % per_epoch) as usize);
    let seed_set = &resources.prompts.seed_set;
    let n_pairs = seed_set.len() - resources.prompts.n_pseudo;
    let order = Place::new(rng_seed, Purpose::Shuffle).at(0, epoch as u32).permutation(n_pairs);
    let size = state.policy.sft.batch_answers as usize;
    let batch = &order[part * size..((part + 1) * size).min(n_pairs)];
    let prompts: Vec<AnswersTo<'_>> = batch
        .iter()
        .map(|place| {
            let pair = &seed_set[*place as usize];
            let answer = &pair.answers[preferred(rng_seed, pair.pair)];
            AnswersTo { prompt: &pair.prompt, answers: vec![answer.as_slice()] }
        })
        .collect();
    let n_answer_tokens: usize =
        prompts.iter().flat_map(|it| &it.answers).map(|answer| answer.len()).sum();
    let share = 1.0 / n_answer_tokens.max(1) as f64;
    let train = &state.spec.train;
    let settings = StepSettings {
        loss: train.loss(),
        learning_rate: schedule.learning_rate(n_done),
        weight_decay: train.weight_decay,
        clip_norm: train.clip_norm,
        dropout: train.dropout,
        dropout_key: Place::new(rng_seed, Purpose::Dropout).bits(n_done),
    };
    let mut likely = 0_u64;
    let report = resources.policy.train_step(
        &prompts,
        &mut |_, scores| {
            let mut loss = 0.0;
            let slopes = scores.iter().map(|scores| {
                loss -= share * scores.log_probs.iter().map(|it| f64::from(*it)).sum::<f64>();
                // More likely than all others together: surely what greedy decoding takes.
                likely +=
                    scores.log_probs.iter().filter(|it| **it > -std::f32::consts::LN_2).count()
                        as u64;
                let log_probs = vec![-share as f32; scores.log_probs.len()];
                AnswerSlopes { log_probs, values: Vec::new() }
            });
            let slopes = slopes.collect();
            (loss, slopes)
        },
        &settings,
    )?;
    state.saved.n_sft_steps += 1;
    state.saved.n_tokens += report.n_tokens;
    reporter.send(RunEvent::TrainStepTaken {
        round: 0,
        epoch: epoch as u32,
        step: n_done + 1,
        global_step: n_done + 1,
        loss: finite(report.loss)?,
        gradient_norm: report.gradient_norm,
        learning_rate: settings.learning_rate,
        accuracy: likely as f32 / n_answer_tokens.max(1) as f32,
    })?;
    Ok(report.n_tokens)
}

fn finite(loss: f32) -> Result<f32, EngineError> {
    if loss.is_finite() {
        Ok(loss)
    } else {
        Err(EngineError::NonFinite { what: "loss", value: loss })
    }
}
