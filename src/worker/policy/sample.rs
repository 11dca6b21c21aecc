//! Answers to prompts, with their rewards and what the reference says of them.

use super::StepResult;
use super::batch::{BatchAnswer, StepBatch};
use super::prompts::AskedPrompt;
use super::session::PolicyResources;
use super::state::PolicyState;
use crate::data::{Answer, Answers};
use crate::domain::event::RunEvent;
use crate::domain::phase::{Phase, PhaseKey};
use crate::domain::policy::reward::Shaping;
use crate::domain::policy::run_loop::PolicyOutcome;
use crate::domain::policy::settings::ObjectiveName;
use crate::domain::random::{Place, Purpose};
use crate::domain::spec::ReviewMode;
use crate::engine::generation::sampling::{Filters, Sampling};
use crate::engine::generation::{Ending, GenerationSettings};
use crate::engine::policy::{AnswerScores, Speaker};
use crate::engine::scoring::Text;
use crate::engine::text_model::Stops;
use crate::engine::{AnswersTo, EngineError};
use crate::scorer::Scorer;
use crate::worker::WorkerError;
use crate::worker::control::Flow;
use crate::worker::listening::Attentive;
use crate::worker::reporter::Reporter;

use serde_json::Value;

/// Numbers of the held-out prompts among all that are asked: beyond any step's.
const FIRST_HELD_OUT: u32 = 1 << 31;
/// Numbers of the prompts of the best-of-n curve.
const FIRST_BEST_OF: u32 = (1 << 31) + (1 << 30);

/// Which prompts are answered, for the draws and the progress line.
#[derive(Debug, Clone, Copy)]
pub struct Asking {
    pub phase: PhaseKey,
    pub first_prompt: u32,
    pub n_answers: usize,
    /// Prompts that were asked before these, and all that are, where they are asked in parts.
    pub part: Option<[usize; 2]>,
}

impl Asking {
    /// The prompts of a step.
    pub fn step(step: u32, state: &PolicyState) -> Self {
        let policy = &state.policy;
        Self {
            phase: PhaseKey::new(step, Phase::Sample),
            first_prompt: step.saturating_sub(1).wrapping_mul(policy.prompts_per_step)
                % FIRST_HELD_OUT,
            n_answers: policy.answers as usize,
            part: None,
        }
    }

    /// The held-out prompts. Their draws are the same after every step, so that evaluations differ by the
    /// policy alone.
    pub fn evaluation(step: u32) -> Self {
        let phase = PhaseKey::new(step, Phase::EvaluatePolicy);
        Self { phase, first_prompt: FIRST_HELD_OUT, n_answers: 1, part: None }
    }

    /// The held-out prompts, for the best-of-n curve.
    pub fn best_of(state: &PolicyState) -> Self {
        let phase = PhaseKey::new(0, Phase::BestOf);
        let n_answers = state.policy.best_of as usize;
        Self { phase, first_prompt: FIRST_BEST_OF, n_answers, part: None }
    }
}

/// Answers the prompts of a step.
pub fn sample(
    state: &mut PolicyState,
    resources: &mut PolicyResources<'_>,
    reporter: &mut Reporter<'_>,
    step: u32,
) -> StepResult {
    state.clock = Some(reporter.start_clock());
    let places = prompts_of(state, resources, step);
    let asked: Vec<AskedPrompt> =
        places.iter().map(|place| resources.prompts.training[*place].clone()).collect();
    let asking = Asking::step(step, state);
    let Some(mut answers) = ask(state, resources, reporter, &asked, asking)? else {
        return Ok(None);
    };
    if resources.reward.is_some() && answers.iter().all(|it| it.reward.is_none()) {
        return Err(WorkerError::NoReward { step, n_answers: answers.len() });
    }
    consult(state, resources, &asked, &mut answers, state.policy.reads_reference())?;
    let mut batch = StepBatch::new(places, answers, asking.n_answers);
    veto(state, resources, step, &mut batch);
    let coefficient = state.saved.stage.kl_coefficient();
    batch.advantages(&state.policy, coefficient);
    report(resources, reporter, step, &batch)?;
    if state.spec.review.mode == ReviewMode::Gate {
        if hold(state, reporter, step)? == Flow::Stop {
            return Ok(None);
        }
        // People may have taken answers out while the run was held.
        veto(state, resources, step, &mut batch);
        batch.advantages(&state.policy, coefficient);
        report(resources, reporter, step, &batch)?;
    }
    let kl = batch.divergence.map(|(mean, _)| mean);
    let outcome = PolicyOutcome::Sampled { n_answers: batch.n_counted(), kl };
    state.batch = Some(batch);
    Ok(Some(outcome))
}

/// The prompts of a step: every prompt once, in an order of its own, before any comes again. Vetoed ones
/// are passed over.
fn prompts_of(state: &PolicyState, resources: &PolicyResources<'_>, step: u32) -> Vec<usize> {
    let all = &resources.prompts.training;
    let n = all.len();
    let wanted = state.policy.prompts_per_step as usize;
    let first = (step as usize).saturating_sub(1) * wanted;
    let mut places = Vec::with_capacity(wanted);
    let (mut epoch, mut order) = (u32::MAX, Vec::new());
    for position in first..first + wanted {
        let of = (position / n.max(1)) as u32;
        if of != epoch {
            epoch = of;
            order = Place::new(state.spec.rng_seed, Purpose::Shuffle).at(0, of).permutation(n);
        }
        let Some(place) = order.get(position % n.max(1)) else { continue };
        let place = *place as usize;
        if !state.saved.vetoes.has_prompt(all[place].pair.0) && !places.contains(&place) {
            places.push(place);
        }
    }
    places
}

fn hold(
    state: &mut PolicyState,
    reporter: &mut Reporter<'_>,
    step: u32,
) -> Result<Flow, WorkerError> {
    reporter.begin(PhaseKey::new(step, Phase::Review), 0, [0, 1])?;
    let timeout = state.spec.review.timeout;
    let at_most = (timeout > 0).then(|| std::time::Duration::from_secs(timeout));
    reporter.hold(&mut state.saved, "review", at_most)
}

fn veto(state: &PolicyState, resources: &PolicyResources<'_>, step: u32, batch: &mut StepBatch) {
    let vetoes = &state.saved.vetoes;
    for (i, answer) in batch.answers.iter_mut().enumerate() {
        let place = batch.prompts[i / batch.n_answers.max(1)];
        let pair = resources.prompts.training[place].pair.0;
        answer.is_vetoed = vetoes.has_answer(pair, step, (i % batch.n_answers.max(1)) as u32);
    }
}

fn report(
    resources: &PolicyResources<'_>,
    reporter: &Reporter<'_>,
    step: u32,
    batch: &StepBatch,
) -> Result<(), WorkerError> {
    let prompts = batch.record(|place| resources.prompts.training[place].pair.0);
    reporter.send(RunEvent::RolloutsSampled { step, prompts })
}

/// Answers prompts and has the answers rewarded; `None` when a person asked to stop.
pub fn ask(
    state: &mut PolicyState,
    resources: &mut PolicyResources<'_>,
    reporter: &mut Reporter<'_>,
    asked: &[AskedPrompt],
    asking: Asking,
) -> Result<Option<Vec<BatchAnswer>>, WorkerError> {
    let [n_before, n_all] =
        asking.part.unwrap_or([0, asked.len()]).map(|prompts| (prompts * asking.n_answers) as u64);
    let begun = reporter.begin(asking.phase, 0, [n_before, n_all])?;
    let settings = settings(state, resources, asking);
    let tokens: Vec<&[u32]> = asked.iter().map(|it| it.tokens.as_slice()).collect();
    let mut listener = Attentive::new(&mut state.saved, reporter, begun, n_before);
    let generated = resources.policy.generate(&tokens, &settings, &mut listener);
    let Some((answers, n_tokens)) = listener.finish(generated)? else { return Ok(None) };
    let n_prompt_tokens: usize = asked.iter().map(|it| it.tokens.len()).sum();
    state.saved.n_tokens += n_tokens + n_prompt_tokens as u64;
    let mut found = Vec::with_capacity(answers.len());
    for answer in answers {
        let prompt = &asked[answer.place.prompt].prompt;
        let text = resources.texts.answer(&answer, &Stops::default())?;
        found.push(BatchAnswer {
            text: resources.texts.said(text, prompt.continues),
            has_end: answer.ending != Ending::Length,
            old: answer.log_probabilities.iter().map(|it| f64::from(*it)).collect(),
            tokens: answer.tokens,
            ..BatchAnswer::default()
        });
    }
    reward(state, resources, asked, &mut found, asking.n_answers)?;
    Ok(Some(found))
}

fn settings(
    state: &PolicyState,
    resources: &PolicyResources<'_>,
    asking: Asking,
) -> GenerationSettings {
    let policy = &state.policy;
    let max_tokens = (state.spec.model.max_tokens as usize).min(resources.texts.max_tokens());
    let filters = Filters { temperature: policy.temperature, ..Filters::default() };
    GenerationSettings {
        sampling: Sampling::Drawn(filters),
        n_answers: asking.n_answers,
        ends: resources.ends.clone(),
        first_prompt: asking.first_prompt,
        ..GenerationSettings::new(policy.max_new_tokens as usize, max_tokens, state.spec.rng_seed)
    }
}

/// Rewards answers; groups are `n_answers` neighbors.
fn reward(
    state: &PolicyState,
    resources: &mut PolicyResources<'_>,
    asked: &[AskedPrompt],
    answers: &mut [BatchAnswer],
    n_answers: usize,
) -> Result<(), WorkerError> {
    let Some(scorer) = &mut resources.reward else { return Ok(()) };
    let shaping = state.policy.shaping();
    let scores = scores(scorer, asked, answers, n_answers)?;
    for (answer, scores) in answers.iter_mut().zip(scores) {
        answer.reward = shaped(&shaping, &scores, answer.has_end);
    }
    Ok(())
}

/// The reward of an answer; `None` where nobody scored it.
fn shaped(shaping: &Shaping, scores: &[f64], has_end: bool) -> Option<f64> {
    if scores.is_empty() { None } else { shaping.reward(scores, has_end) }
}

/// The scores of answers, as `ser score` gives them; groups are `n_answers` neighbors.
pub fn scores(
    scorer: &mut Scorer,
    asked: &[AskedPrompt],
    answers: &[BatchAnswer],
    n_answers: usize,
) -> Result<Vec<Vec<f64>>, WorkerError> {
    let mut read: Vec<Answer> = Vec::with_capacity(answers.len());
    for (asked, answers) in asked.iter().zip(answers.chunks(n_answers.max(1))) {
        for answer in answers {
            let record = Value::Object(asked.prompt.answered(&answer.text)).to_string();
            let refused = |reason: String| WorkerError::Prompt { pair: asked.pair.0, reason };
            match Answers::read(&record).map_err(|error| refused(error.to_string()))? {
                Answers::One(answer) => read.push(answer),
                Answers::Pair(..) | Answers::List(_) => {
                    return Err(refused("its record holds answers of its own".to_owned()));
                }
            }
        }
    }
    let texts: Vec<Text<'_>> = read
        .iter()
        .map(|it| Text { form: &it.form, prompt: &it.prompt, response: &it.text })
        .collect();
    Ok(scorer.scores(&texts)?)
}

/// Asks the reference, and for PPO the value head, about answers.
pub fn consult(
    state: &PolicyState,
    resources: &mut PolicyResources<'_>,
    asked: &[AskedPrompt],
    answers: &mut [BatchAnswer],
    asks_reference: bool,
) -> Result<(), WorkerError> {
    let n_answers = answers.len() / asked.len().max(1);
    if state.policy.objective == ObjectiveName::Ppo {
        let scores = all_scores(resources, asked, answers, n_answers, Speaker::Policy)?;
        for (answer, scores) in answers.iter_mut().zip(scores) {
            answer.old = wide(&scores.log_probs);
            answer.values = wide(&scores.values);
        }
    }
    if asks_reference {
        let scores = all_scores(resources, asked, answers, n_answers, Speaker::Reference)?;
        for (answer, scores) in answers.iter_mut().zip(scores) {
            answer.reference = wide(&scores.log_probs);
        }
    }
    Ok(())
}

fn all_scores(
    resources: &mut PolicyResources<'_>,
    asked: &[AskedPrompt],
    answers: &[BatchAnswer],
    n_answers: usize,
    speaker: Speaker,
) -> Result<Vec<AnswerScores>, EngineError> {
    let prompts: Vec<AnswersTo<'_>> = asked
        .iter()
        .zip(answers.chunks(n_answers.max(1)))
        .map(|(asked, answers)| AnswersTo {
            prompt: &asked.tokens,
            answers: answers.iter().map(|it| it.tokens.as_slice()).collect(),
        })
        .collect();
    resources.policy.scores(&prompts, speaker)
}

/// The numbers as `f64`.
pub fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|it| f64::from(*it)).collect()
}
