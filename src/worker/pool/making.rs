//! Makes pairs of answers: the reward model as it is now chooses two to each prompt, the judge grades them.

use std::collections::BTreeMap;

use crate::domain::pool::pairing::choose;
use crate::domain::pool::{GeneratedPair, NoPair};
use crate::domain::preference::PairId;
use crate::domain::random::{Place, Purpose};
use crate::domain::spec::ExperimentSpec;
use crate::domain::text::conversation::FlatPair;
use crate::engine::scoring::{Text, encode_texts, score_texts};
use crate::scorer::Scorer;
use crate::worker::WorkerError;
use crate::worker::resources::Resources;

use super::answering::{Answered, AnsweredPrompt, OpenPolicy};

/// Tokens that the reward model scores together.
const SCORE_TOKENS: usize = 8192;

/// The pairs of a round.
pub struct Made {
    pub pairs: Vec<GeneratedPair>,
    pub no_pair: BTreeMap<NoPair, u64>,
}

/// Chooses two answers to each prompt, so that no pair of the pool says the same.
pub fn make_pairs(
    spec: &ExperimentSpec,
    resources: &mut Resources<'_>,
    policy: &mut OpenPolicy,
    answered: &Answered,
    round: u32,
) -> Result<Made, WorkerError> {
    let mut made = Made { pairs: Vec::new(), no_pair: BTreeMap::new() };
    let mut next = resources.inputs.next_pair().0;
    let rewards = rewards(resources, answered)?;
    let mut first = 0;
    for prompt in &answered.prompts {
        let rewards = &rewards[first..first + prompt.answers.len()];
        first += prompt.answers.len();
        // The draws of a prompt do not depend on what became of the others.
        let place = Place::new(spec.rng_seed, Purpose::Pairing).at(prompt.pair.id.0, round);
        let is_apart =
            |a: usize, b: usize| prompt.answers[a] != prompt.answers[b] && rewards[a] != rewards[b];
        let Some((a, b)) = choose(rewards, spec.pool.pairing, place, is_apart) else {
            *made.no_pair.entry(NoPair::AllEqual).or_insert(0) += 1;
            continue;
        };
        // Which of the two is the first must not say which one the model prefers.
        let (a, b) = if place.bits(0) & 1 == 0 { (a, b) } else { (b, a) };
        let two = [a, b].map(|i| (prompt.answers[i].as_str(), rewards[i].unwrap_or_default()));
        let pair = pair(prompt, two, policy.judge.as_mut(), next)?;
        if !resources.inputs.prompts().is_new(&pair.prompt, [&pair.chosen, &pair.rejected]) {
            *made.no_pair.entry(NoPair::Duplicate).or_insert(0) += 1;
            continue;
        }
        next += 1;
        made.pairs.push(pair);
    }
    Ok(made)
}

/// The rewards of all answers, in order.
fn rewards(
    resources: &mut Resources<'_>,
    answered: &Answered,
) -> Result<Vec<Option<f64>>, WorkerError> {
    let mut flat = Vec::new();
    for prompt in &answered.prompts {
        flat.extend(prompt.answers.iter().map(|answer| doubled(prompt, answer)));
    }
    let texts: Vec<Text<'_>> = flat.iter().map(text).collect();
    let encoded = encode_texts(resources.model.as_ref(), &texts)?;
    let rewards = score_texts(resources.model.as_mut(), &encoded, SCORE_TOKENS)?;
    Ok(rewards.into_iter().map(|reward| Some(f64::from(reward))).collect())
}

/// A prompt with one answer on both sides.
fn doubled(prompt: &AnsweredPrompt, answer: &str) -> FlatPair {
    let pair = &prompt.pair;
    pair.form.answered(&pair.prompt, &pair.response_a, [answer, answer])
}

fn text(flat: &FlatPair) -> Text<'_> {
    Text { form: &flat.form, prompt: &flat.prompt, response: &flat.answers[0] }
}

/// A pair of two answers with their rewards, the one that the judge prefers first.
fn pair(
    prompt: &AnsweredPrompt,
    mut two: [(&str, f64); 2],
    judge: Option<&mut Scorer>,
    number: u32,
) -> Result<GeneratedPair, WorkerError> {
    let mut is_judged = false;
    if let Some(judge) = judge {
        let flat = two.map(|(answer, _)| doubled(prompt, answer));
        let scores = judge.scores(&[text(&flat[0]), text(&flat[1])])?;
        let mean = |scores: &Vec<f64>| {
            let n = scores.len() as f64;
            (n > 0.0).then(|| scores.iter().sum::<f64>() / n)
        };
        if let [Some(first), Some(second)] = [mean(&scores[0]), mean(&scores[1])] {
            is_judged = first != second;
            if second > first {
                two.swap(0, 1);
            }
        }
    }
    let own = &prompt.pair;
    let answers = [two[0].0, two[1].0];
    let flat = own.form.answered(&own.prompt, &own.response_a, answers);
    let [chosen, rejected] = flat.answers;
    Ok(GeneratedPair {
        pair: PairId(number),
        prompt_of: own.id,
        prompt: flat.prompt,
        chosen,
        rejected,
        form: flat.form.to_stored().map(std::borrow::Cow::into_owned),
        is_judged,
        rewards: [two[0].1, two[1].1],
    })
}
