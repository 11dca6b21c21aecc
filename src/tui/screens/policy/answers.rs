//! Which prompts are listed, in which order, and which of their answers is read beside which other one.

use crate::domain::policy::record::RolloutAnswer;
use crate::domain::preference::PairId;
use crate::store::policy::{Rollout, RolloutsOf};

use super::{Order, Policy};
use crate::tui::feed::policy::{PolicyData, ShownAnswers};
use crate::tui::shell::model::Model;

/// The prompt under the cursor.
pub struct Selected<'a> {
    pub shown: &'a ShownAnswers,
    pub rollout: &'a Rollout,
    /// Index of the answer that is read.
    pub answer: usize,
}

/// The answers on the screen, once they are read.
pub fn shown(model: &Model) -> Option<&ShownAnswers> {
    model.current_data()?.policy.as_ref()?.shown.as_ref()
}

/// The prompt under the cursor, where any is listed.
pub fn selected(model: &Model) -> Option<Selected<'_>> {
    let shown = shown(model)?;
    let listed = listed(&model.policy, shown);
    let cursor = cursor(&model.policy, shown, &listed);
    let rollout = &shown.rollouts[*listed.get(cursor)?];
    let answer = model.policy.answer.min(rollout.answers.len().saturating_sub(1));
    Some(Selected { shown, rollout, answer })
}

/// Where the cursor stands in a list.
pub fn cursor(policy: &Policy, shown: &ShownAnswers, listed: &[usize]) -> usize {
    let is_it = |at: &usize| Some(shown.rollouts[*at].pair) == policy.pair;
    listed.iter().position(is_it).unwrap_or(0)
}

/// Indices of the prompts that pass the filter, in the order asked for.
pub fn listed(policy: &Policy, shown: &ShownAnswers) -> Vec<usize> {
    let rollouts = &shown.rollouts;
    let words = policy.filter.to_lowercase();
    let words: Vec<&str> = words.split_whitespace().collect();
    let mut listed: Vec<usize> =
        (0..rollouts.len()).filter(|at| has_words(&rollouts[*at], &words)).collect();
    let keys: Vec<f64> = match policy.order {
        Order::Sampled => return listed,
        Order::Reward => rollouts.iter().map(|it| or_last(best(it))).collect(),
        Order::Gap => rollouts.iter().map(|it| or_last(gap(it))).collect(),
        Order::AboveGold => above_gold(rollouts),
        Order::Length => rollouts.iter().map(|it| or_last(longest(it))).collect(),
    };
    // Stable: equal ones stay as they were sampled.
    listed.sort_by(|a, b| keys[*b].total_cmp(&keys[*a]));
    listed
}

/// Whether every word stands in the prompt or one of its answers, and none of those after a `!`.
fn has_words(rollout: &Rollout, words: &[&str]) -> bool {
    if words.is_empty() {
        return true;
    }
    let answers = rollout.answers.iter().map(|answer| answer.text.to_lowercase());
    let texts: Vec<String> =
        std::iter::once(rollout.prompt.to_lowercase()).chain(answers).collect();
    let has = |word: &str| texts.iter().any(|text| text.contains(word));
    words.iter().all(|word| match word.strip_prefix('!') {
        Some(unwanted) => unwanted.is_empty() || !has(unwanted),
        None => has(word),
    })
}

/// What was not measured comes last.
fn or_last(value: Option<f64>) -> f64 {
    value.filter(|value| !value.is_nan()).unwrap_or(f64::NEG_INFINITY)
}

fn measured(rollout: &Rollout, of: impl Fn(&RolloutAnswer) -> Option<f64>) -> Vec<f64> {
    rollout.answers.iter().filter_map(of).collect()
}

/// The highest reward of an answer.
pub fn best(rollout: &Rollout) -> Option<f64> {
    measured(rollout, |answer| answer.reward).into_iter().reduce(f64::max)
}

/// The best reward of the answers less the worst: what the step learns from.
pub fn gap(rollout: &Rollout) -> Option<f64> {
    let worst = measured(rollout, |answer| answer.reward).into_iter().reduce(f64::min)?;
    Some(best(rollout)? - worst)
}

/// Tokens of the longest answer.
pub fn longest(rollout: &Rollout) -> Option<f64> {
    rollout.answers.iter().map(|answer| f64::from(answer.n_tokens)).reduce(f64::max)
}

/// For each prompt, how many places one of its answers stands higher by reward than by gold among all
/// answers: the two have no common unit.
fn above_gold(rollouts: &[Rollout]) -> Vec<f64> {
    let answers = || rollouts.iter().flat_map(|rollout| &rollout.answers);
    let both: Vec<(f64, f64)> = answers().filter_map(|it| it.reward.zip(it.gold)).collect();
    let above = |answer: &RolloutAnswer| {
        let (reward, gold) = answer.reward.zip(answer.gold)?;
        let n_below = |of: fn(&(f64, f64)) -> f64, value: f64| {
            both.iter().filter(|it| of(it) < value).count() as f64
        };
        Some(n_below(|it| it.0, reward) - n_below(|it| it.1, gold))
    };
    let largest = |rollout: &Rollout| measured(rollout, above).into_iter().reduce(f64::max);
    rollouts.iter().map(|rollout| or_last(largest(rollout))).collect()
}

/// What can stand beside an answer: what it is, and the answer.
pub fn beside<'a>(policy: &Policy, selected: &Selected<'a>) -> Option<(String, &'a RolloutAnswer)> {
    let Selected { shown, rollout, answer, .. } = selected;
    match shown.of {
        RolloutsOf::Evaluation(_) => {
            let reference = || {
                let found = answer_of(&shown.reference, rollout.pair, *answer)?;
                Some(("the reference".to_owned(), found))
            };
            let earlier = || {
                let (step, rollouts) = shown.earlier.as_ref()?;
                let found = answer_of(rollouts, rollout.pair, *answer)?;
                Some((format!("after step {step}"), found))
            };
            let wanted = if policy.has_other_beside { earlier() } else { None };
            wanted.or_else(reference)
        }
        RolloutsOf::Step(_) => {
            let others = rollout.answers.iter().enumerate().filter(|(at, _)| at != answer);
            let rewards = others.filter_map(|(at, it)| Some((at, it.reward?)));
            let (at, _) = if policy.has_other_beside {
                rewards.min_by(|a, b| a.1.total_cmp(&b.1))?
            } else {
                rewards.max_by(|a, b| a.1.total_cmp(&b.1))?
            };
            let which = if policy.has_other_beside { "worst" } else { "best" };
            Some((format!("{which} of the others: answer {at}"), &rollout.answers[at]))
        }
    }
}

fn answer_of(rollouts: &[Rollout], pair: PairId, at: usize) -> Option<&RolloutAnswer> {
    let rollout = rollouts.iter().find(|rollout| rollout.pair == pair)?;
    rollout.answers.get(at).or(rollout.answers.first())
}

/// The place before or after one, in the order in which things happened: the evaluation after a step comes
/// between it and the next one.
pub fn neighbor(
    policy: &PolicyData,
    of: RolloutsOf,
    is_next: bool,
    wants_evaluation: bool,
) -> Option<RolloutsOf> {
    let when = |of: RolloutsOf| match of {
        RolloutsOf::Step(step) => (step, 0),
        RolloutsOf::Evaluation(step) => (step, 1),
    };
    let now = when(of);
    let steps = policy.readable_steps().map(RolloutsOf::Step);
    let evaluations = policy.evaluations.iter().map(|it| RolloutsOf::Evaluation(it.step));
    let all: Vec<RolloutsOf> =
        if wants_evaluation { evaluations.collect() } else { steps.collect() };
    if is_next {
        all.into_iter().find(|other| when(*other) > now)
    } else {
        all.into_iter().rev().find(|other| when(*other) < now)
    }
}

/// The end of a conversation in one line: what the answers answer.
pub fn question(prompt: &str) -> String {
    let last = trimmed(prompt).rsplit("Human:").next().unwrap_or_default();
    last.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A prompt without the call to answer at its end, and without the name of a single speaker.
pub fn trimmed(prompt: &str) -> &str {
    let prompt = prompt.trim();
    let prompt = prompt.strip_suffix("Assistant:").unwrap_or(prompt).trim_end();
    let is_dialogue = prompt.contains("Assistant:");
    prompt.strip_prefix("Human:").filter(|_| !is_dialogue).unwrap_or(prompt).trim_start()
}
