//! The held-out prompts: answered by the policy as it is, rewarded, and judged by someone else.

use super::StepResult;
use super::batch::BatchAnswer;
use super::prompts::AskedPrompt;
use super::sample::{Asking, ask, consult, scores};
use super::session::PolicyResources;
use super::state::{PolicySaved, PolicyState, SavedEvaluation};
use crate::domain::event::RunEvent;
use crate::domain::policy::best_of::{Measured, Scored, curve};
use crate::domain::policy::record::{PolicyEvaluation, RolloutPrompt};
use crate::domain::policy::run_loop::PolicyOutcome;
use crate::domain::policy::sign::{EvaluationSeen, Seen, StepSeen, look};
use crate::worker::WorkerError;
use crate::worker::reporter::Reporter;

/// Prompts whose answers for the best-of-n curve are in memory at a time.
const PROMPTS_AT_ONCE: usize = 16;

/// Evaluates the policy after `step` steps; before the first one, with the best-of-n curve.
pub fn evaluate(
    state: &mut PolicyState,
    resources: &mut PolicyResources<'_>,
    reporter: &mut Reporter<'_>,
    step: u32,
) -> StepResult {
    let asked = resources.prompts.held_out.clone();
    let asking = Asking::evaluation(step);
    let Some(mut answers) = ask(state, resources, reporter, &asked, asking)? else {
        return Ok(None);
    };
    // Gold is drawn against the divergence whatever the objective; a policy that is not trained has none.
    consult(state, resources, &asked, &mut answers, state.policy.objective.trains())?;
    judge(resources, &asked, &mut answers, 1)?;
    if step == 0
        && state.policy.best_of > 0
        && resources.reward.is_some()
        && !best_of(state, resources, reporter, &asked)?
    {
        return Ok(None);
    }
    let scorers = [resources.reward.is_some(), resources.gold.is_some()];
    if let Some(evaluation) = measured(&answers, scorers) {
        let prompts = asked
            .iter()
            .zip(&answers)
            .map(|(asked, answer)| RolloutPrompt {
                pair: asked.pair.0,
                answers: vec![answer.record()],
            })
            .collect();
        note(&mut state.saved, step, &evaluation, &answers);
        reporter.send(RunEvent::PolicyEvaluated { step, evaluation, prompts })?;
    }
    let back_to = signs(state, reporter, step)?;
    Ok(Some(PolicyOutcome::Evaluated { back_to }))
}

/// The judge's scores of answers.
fn judge(
    resources: &mut PolicyResources<'_>,
    asked: &[AskedPrompt],
    answers: &mut [BatchAnswer],
    n_answers: usize,
) -> Result<(), WorkerError> {
    let Some(gold) = &mut resources.gold else { return Ok(()) };
    let found = scores(gold, asked, answers, n_answers)?;
    for (answer, scores) in answers.iter_mut().zip(found) {
        let n = scores.len() as f64;
        answer.gold = (n > 0.0).then(|| scores.iter().sum::<f64>() / n);
    }
    Ok(())
}

/// Measures what the best of n is worth; `false` when a person asked to stop.
fn best_of(
    state: &mut PolicyState,
    resources: &mut PolicyResources<'_>,
    reporter: &mut Reporter<'_>,
    asked: &[AskedPrompt],
) -> Result<bool, WorkerError> {
    let asking = Asking::best_of(state);
    let mut scored: Vec<Vec<Scored>> = Vec::with_capacity(asked.len());
    let n_prompts = asked.len();
    for (part, asked) in asked.chunks(PROMPTS_AT_ONCE).enumerate() {
        let n_before = part * PROMPTS_AT_ONCE;
        let first_prompt = asking.first_prompt + n_before as u32;
        let asking = Asking { first_prompt, part: Some([n_before, n_prompts]), ..asking };
        let Some(mut answers) = ask(state, resources, reporter, asked, asking)? else {
            return Ok(false);
        };
        judge(resources, asked, &mut answers, asking.n_answers)?;
        for answers in answers.chunks(asking.n_answers.max(1)) {
            let of = |it: &BatchAnswer| {
                let length = it.tokens.len() as f64;
                Some(Scored { proxy: it.reward?, gold: it.gold, length })
            };
            scored.push(answers.iter().filter_map(of).collect());
        }
    }
    scored.retain(|answers| !answers.is_empty());
    reporter.send(RunEvent::BestOfMeasured { curve: curve(&scored, state.spec.rng_seed) })?;
    Ok(true)
}

/// The means over answers; whether there is a reward and a judge to score them.
fn measured(answers: &[BatchAnswer], scorers: [bool; 2]) -> Option<PolicyEvaluation> {
    let without = |has_scorer: bool, value: fn(&BatchAnswer) -> Option<f64>| {
        answers.iter().filter(|it| has_scorer && value(it).is_none()).count() as u64
    };
    let of = |value: fn(&BatchAnswer) -> Option<f64>| {
        Measured::of(&answers.iter().filter_map(value).collect::<Vec<f64>>())
    };
    let n = answers.len();
    let n_cut = answers.iter().filter(|it| !it.has_end).count();
    Some(PolicyEvaluation {
        n_prompts: n as u64,
        proxy: of(|it| it.reward),
        gold: of(|it| it.gold),
        divergence: of(BatchAnswer::divergence),
        length: of(|it| Some(it.tokens.len() as f64))?,
        clipped_ratio: n_cut as f64 / n.max(1) as f64,
        n_without_reward: without(scorers[0], |it| it.reward),
        n_without_gold: without(scorers[1], |it| it.gold),
    })
}

/// Keeps what the verdict and the signs need.
fn note(
    saved: &mut PolicySaved,
    step: u32,
    evaluation: &PolicyEvaluation,
    answers: &[BatchAnswer],
) {
    let gold: Option<Vec<f64>> = answers.iter().map(|it| it.gold).collect();
    let seen = EvaluationSeen {
        step,
        proxy: evaluation.proxy.as_ref().map_or(0.0, |it| it.mean),
        gold: gold.unwrap_or_default(),
    };
    let n_tokens = answers.iter().map(|it| it.tokens.len() as u32).collect();
    saved.evaluations.retain(|it| it.seen.step != step);
    saved.evaluations.push(SavedEvaluation { seen, n_tokens });
}

/// Tells the signs that are there now and were not at the last look, or are told with every evaluation.
/// Returns the step to go back to.
pub fn signs(
    state: &mut PolicyState,
    reporter: &Reporter<'_>,
    step: u32,
) -> Result<Option<u32>, WorkerError> {
    let evaluations: Vec<EvaluationSeen> =
        state.saved.evaluations.iter().map(|it| it.seen.clone()).collect();
    let steps: &[StepSeen] = &state.saved.steps;
    let (n_planned, precision) = (state.policy.n_evaluations(), state.spec.train.precision);
    let found: Vec<Seen> = look(steps, &evaluations, n_planned, precision);
    let back_to = found.iter().find_map(|it| it.back_to);
    let before = std::mem::take(&mut state.saved.signs);
    state.saved.signs = found.iter().map(|it| it.sign).collect();
    for seen in found.into_iter().filter(|it| !before.contains(&it.sign)) {
        reporter.send(RunEvent::SignSeen { step, seen })?;
    }
    Ok(back_to)
}
