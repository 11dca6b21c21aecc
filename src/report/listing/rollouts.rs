//! The answers of a policy, written out one by one.

use serde_json::{Value, json};

use crate::domain::policy::record::RolloutAnswer;
use crate::domain::run::RunId;
use crate::report::ReportError;
use crate::store::policy::{Rollout, RolloutsOf};
use crate::store::{Store, StoreError};

/// In which order prompts are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// As they were asked.
    Asked,
    /// The highest reward of an answer first.
    Reward,
    /// The largest difference between the rewards of two answers first.
    Gap,
    /// The longest answer first.
    Length,
}

fn rewards(rollout: &Rollout) -> impl Iterator<Item = f64> + '_ {
    rollout.answers.iter().filter_map(|it| it.reward)
}

/// Orders prompts; ties stay as they were asked.
pub fn sort(rollouts: &mut [Rollout], order: Order) {
    let key = |it: &Rollout| match order {
        Order::Asked => 0.0,
        Order::Reward => rewards(it).fold(f64::NEG_INFINITY, f64::max),
        Order::Gap => {
            let most = rewards(it).fold(f64::NEG_INFINITY, f64::max);
            most - rewards(it).fold(f64::INFINITY, f64::min)
        }
        Order::Length => {
            it.answers.iter().map(|answer| f64::from(answer.n_tokens)).fold(0.0, f64::max)
        }
    };
    rollouts.sort_by(|a, b| key(b).total_cmp(&key(a)));
}

/// Whether prompt or an answer holds a text, whatever the case.
#[must_use]
pub fn holds(rollout: &Rollout, text: &str) -> bool {
    let text = text.to_lowercase();
    let finds = |it: &str| it.to_lowercase().contains(&text);
    finds(&rollout.prompt) || rollout.answers.iter().any(|it| finds(&it.text))
}

/// The answers of every step that can be read, then those of the evaluations.
///
/// # Errors
/// When there is no such run, or it is no policy.
pub fn every(store: &Store, run: &RunId) -> Result<Vec<RolloutsOf>, StoreError> {
    let steps = store.policy_steps(run)?.into_iter().filter(|it| it.has_rollouts);
    let evaluations = store.policy_evaluations(run)?.into_iter();
    Ok(steps
        .map(|it| RolloutsOf::Step(it.step))
        .chain(evaluations.map(|it| RolloutsOf::Evaluation(it.step)))
        .collect())
}

/// All of them, a JSON object a line.
///
/// # Errors
/// When there is no such run, or its answers cannot be read.
pub fn lines(store: &Store, run: &RunId) -> Result<String, ReportError> {
    let mut out = String::new();
    for of in every(store, run)? {
        for rollout in store.rollouts(run, of)? {
            for (number, answer) in rollout.answers.iter().enumerate() {
                out.push_str(&record(of, &rollout, number, answer).to_string());
                out.push('\n');
            }
        }
    }
    Ok(out)
}

/// An answer as one JSON object, with its prompt.
#[must_use]
pub fn record(of: RolloutsOf, rollout: &Rollout, number: usize, answer: &RolloutAnswer) -> Value {
    let (key, step) = match of {
        RolloutsOf::Step(step) => ("step", step),
        RolloutsOf::Evaluation(step) => ("evaluation", step),
    };
    json!({
        key: step, "pair": rollout.pair.0, "answer": number, "prompt": rollout.prompt,
        "response": answer.text, "reward": answer.reward, "gold": answer.gold,
        "advantage": answer.advantage, "divergence": answer.divergence,
        "n_tokens": answer.n_tokens, "ended": answer.has_end,
        "vetoed": answer.is_vetoed || rollout.is_prompt_vetoed
            || rollout.vetoed.get(number).is_some_and(|it| *it),
    })
}
