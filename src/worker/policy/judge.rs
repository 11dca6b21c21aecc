//! The verdict: the policy against its reference, prompt by prompt.

use super::StepResult;
use super::state::{PolicyState, SavedEvaluation};
use crate::domain::event::RunEvent;
use crate::domain::phase::{Phase, PhaseKey};
use crate::domain::policy::record::PolicyVerdict;
use crate::domain::policy::run_loop::PolicyOutcome;
use crate::domain::policy::win::WinRate;
use crate::domain::policy::win::length::length_controlled;
use crate::domain::policy::win::matrix::{Judged, games};
use crate::worker::reporter::Reporter;

/// Compares the answers of `step` with those before the first step, where a judge scored both.
pub fn judge(state: &PolicyState, reporter: &mut Reporter<'_>, step: u32) -> StepResult {
    reporter.begin(PhaseKey::new(step, Phase::Judge), 0, [0, 1])?;
    let of = |step: u32| state.saved.evaluations.iter().find(|it| it.seen.step == step);
    if let (Some(own), Some(reference)) = (of(step), of(0))
        && step > 0
    {
        // Scores that are equal are a tie; any other difference is one.
        let games = games(&judged(own), &judged(reference), 0.0);
        if let Some(win_rate) = WinRate::of(&games) {
            let at_equal_length = length_controlled(&games, state.spec.rng_seed);
            let judge = state.policy.gold.clone();
            let verdict = PolicyVerdict { step, judge, win_rate, at_equal_length };
            reporter.send(RunEvent::PolicyJudged { verdict })?;
        } else if state.policy.gold != "none" {
            let gold = &state.policy.gold;
            reporter.warn(format!(
                "no verdict: `{gold}` (`policy.gold`) scored only some of the held-out answers of step {step} \
                 or of the reference, and those alone would be no fair comparison"
            ))?;
        }
    }
    Ok(Some(PolicyOutcome::Judged))
}

fn judged(evaluation: &SavedEvaluation) -> Vec<Judged> {
    let answers = evaluation.seen.gold.iter().zip(&evaluation.n_tokens);
    (0..)
        .zip(answers)
        .map(|(prompt, (gold, n_tokens))| Judged { prompt, gold: *gold, n_tokens: *n_tokens })
        .collect()
}
