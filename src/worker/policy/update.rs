//! One pass of learning from the rollouts of a step.

use super::StepResult;
use super::batch::BatchAnswer;
use super::sample::wide;
use super::session::{PolicyResources, step_settings};
use super::state::PolicyState;
use crate::domain::phase::{Phase, PhaseKey};
use crate::domain::policy::metric::{Metrics, PolicyMetric as M};
use crate::domain::policy::objective::{
    Now, Objective, PolicyGradient, ShapeError, Taken, Tally, Totals,
};
use crate::domain::policy::run_loop::PolicyOutcome;
use crate::domain::random::{Place, Purpose};
use crate::engine::AnswersTo;
use crate::engine::policy::{AnswerScores, AnswerSlopes};
use crate::worker::WorkerError;
use crate::worker::reporter::Reporter;

/// Makes one pass over the answers of a step, in `policy.mini_batches` parts with an update after each.
pub fn update(
    state: &mut PolicyState,
    resources: &mut PolicyResources<'_>,
    reporter: &mut Reporter<'_>,
    step: u32,
    epoch: u32,
) -> StepResult {
    let Objective::Answers(objective) = state.policy.objective() else {
        return Ok(Some(PolicyOutcome::Updated));
    };
    // The loop asks for an update after a sample alone, and a checkpoint lies before both.
    let Some(mut batch) = state.batch.take() else {
        return Err(WorkerError::NoRollouts { step });
    };
    let n_prompts = batch.prompts.len();
    let n_parts = (state.policy.mini_batches as usize).clamp(1, n_prompts.max(1));
    let n_all = u64::from(state.policy.epochs) * n_parts as u64;
    let n_before = u64::from(epoch) * n_parts as u64;
    let begun = reporter.begin(PhaseKey::new(step, Phase::Update), 0, [n_before, n_all])?;
    let place = Place::new(state.spec.rng_seed, Purpose::Shuffle).at(step, epoch + 1);
    let order = place.permutation(n_prompts);
    let (mut tallies, mut n_tokens) = (Vec::new(), 0);
    for (part, groups) in order.chunks(n_prompts.div_ceil(n_parts).max(1)).enumerate() {
        let chosen: Vec<(usize, Vec<&BatchAnswer>)> = groups
            .iter()
            .map(|group| {
                let first = *group as usize * batch.n_answers;
                let answers = &batch.answers[first..first + batch.n_answers];
                (batch.prompts[*group as usize], answers.iter().filter(|it| it.counts()).collect())
            })
            .filter(|(_, answers): &(usize, Vec<&BatchAnswer>)| !answers.is_empty())
            .collect();
        if chosen.is_empty() {
            continue;
        }
        let prompts: Vec<AnswersTo<'_>> = chosen
            .iter()
            .map(|(place, answers)| AnswersTo {
                prompt: &resources.prompts.training[*place].tokens,
                answers: answers.iter().map(|it| it.tokens.as_slice()).collect(),
            })
            .collect();
        let taken: Vec<Taken<'_>> =
            chosen.iter().flat_map(|(_, answers)| answers.iter().map(|it| it.taken())).collect();
        let mut learning = Learning::new(objective, &taken);
        let settings = step_settings(state);
        let report = resources.policy.train_step(
            &prompts,
            &mut |range, scores| learning.slopes(range, scores),
            &settings,
        )?;
        learning.failure.map_or(Ok(()), Err).map_err(WorkerError::Objective)?;
        state.saved.n_updates += 1;
        n_tokens += report.n_tokens;
        batch.last_update = Some((settings.learning_rate, report.gradient_norm));
        tallies.push(learning.tally);
        reporter.progress(begun, n_before + part as u64 + 1, n_tokens)?;
    }
    state.saved.n_tokens += n_tokens;
    for tally in &tallies {
        let mut metrics = objective.metrics(tally);
        if let Some((learning_rate, gradient_norm)) = batch.last_update {
            metrics.insert(M::LearningRate, f64::from(learning_rate));
            metrics.insert(M::GradientNorm, f64::from(gradient_norm));
        }
        metrics.retain(|_, value| value.is_finite());
        state.passes.push(metrics);
    }
    state.batch = Some(batch);
    Ok(Some(PolicyOutcome::Updated))
}

/// What an update learns from, while the engine asks for slopes.
struct Learning<'a> {
    objective: PolicyGradient,
    taken: &'a [Taken<'a>],
    totals: Totals,
    tally: Tally,
    failure: Option<ShapeError>,
}

impl<'a> Learning<'a> {
    fn new(objective: PolicyGradient, taken: &'a [Taken<'a>]) -> Self {
        let totals = Totals::of(taken);
        Self { objective, taken, totals, tally: Tally::default(), failure: None }
    }

    fn slopes(
        &mut self,
        range: std::ops::Range<usize>,
        scores: &[AnswerScores],
    ) -> (f64, Vec<AnswerSlopes>) {
        let before = self.tally.loss;
        let mut slopes = Vec::with_capacity(scores.len());
        for (taken, scores) in self.taken[range].iter().zip(scores) {
            let has_values = self.objective.has_value_head();
            let values = if has_values { wide(&scores.values) } else { Vec::new() };
            let (log_probs, entropies) = (wide(&scores.log_probs), wide(&scores.entropies));
            let now = Now { log_probs: &log_probs, entropies: &entropies, values: &values };
            match self.objective.answer(self.totals, taken, &now, &mut self.tally) {
                Ok(gradient) => slopes.push(AnswerSlopes {
                    log_probs: narrow(&gradient.log_probs),
                    values: narrow(&gradient.values),
                }),
                Err(error) => {
                    slopes.push(AnswerSlopes {
                        log_probs: vec![0.0; scores.log_probs.len()],
                        values: Vec::new(),
                    });
                    self.failure.get_or_insert(error);
                }
            }
        }
        (self.tally.loss - before, slopes)
    }
}

fn narrow(values: &[f64]) -> Vec<f32> {
    values.iter().map(|it| *it as f32).collect()
}

/// The metrics of the whole step from those of its rollouts and its passes.
pub fn of_step(state: &PolicyState, rollouts: &Metrics) -> Metrics {
    let mut metrics = crate::domain::policy::metric::over_passes(&state.passes);
    metrics.extend(rollouts.iter().map(|(metric, value)| (*metric, *value)));
    metrics.insert(M::NumTokens, state.saved.n_tokens as f64);
    metrics
}
