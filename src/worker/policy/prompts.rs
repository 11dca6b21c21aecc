//! What a policy is asked, as tokens, and answers of people to it.

use std::collections::BTreeSet;

use crate::data::Prompt;
use crate::domain::preference::{CandidatePair, PairId, Side, chosen_side};
use crate::domain::random::{Place, Purpose, text_hash};
use crate::domain::run::RunId;
use crate::domain::split::{DataSplit, SplitRule, split};
use crate::domain::text::conversation::TextForm;
use crate::domain::text::words::count;
use crate::engine::EngineError;
use crate::engine::text_model::{PromptText, Texts};
use crate::store::{Store, StoreError};
use crate::worker::WorkerError;

use super::state::PolicyState;

/// Pairs whose texts are in memory at a time.
const TEXTS_AT_ONCE: usize = 4096;

/// Reads the texts of pairs.
type ReadPairs<'a> = &'a dyn Fn(&[PairId]) -> Result<Vec<CandidatePair>, StoreError>;

/// A prompt that is asked.
#[derive(Debug, Clone)]
pub struct AskedPrompt {
    /// The first pair whose prompt it is.
    pub pair: PairId,
    pub prompt: Prompt,
    pub tokens: Vec<u32>,
}

/// A prompt with two answers as tokens, their end tokens among them.
#[derive(Debug, Clone)]
pub struct AnsweredPair {
    pub pair: PairId,
    pub prompt: Vec<u32>,
    /// In presentation order.
    pub answers: [Vec<u32>; 2],
}

/// Everything that a policy run reads.
#[derive(Debug, Default)]
pub struct Prompts {
    /// Asked in training, each text once.
    pub training: Vec<AskedPrompt>,
    /// Asked in evaluations, each text once.
    pub held_out: Vec<AskedPrompt>,
    /// The pairs of the seed set, whose labels are known, then those with pseudo-labels.
    pub seed_set: Vec<AnsweredPair>,
    /// How many at the end of `seed_set` are pairs of the pool, whose labels are pseudo-labels.
    pub n_pseudo: usize,
    /// Which pairs lie where.
    pub split: DataSplit,
    /// What was left out, as sentences.
    pub left_out: Vec<String>,
}

/// How texts become tokens here.
struct Reading<'a> {
    texts: &'a Texts,
    /// Ends an answer; `None` where the model has no end token.
    end: Option<u32>,
    /// Tokens that prompt and answer may have together.
    max_tokens: usize,
    /// Tokens that are kept free for an answer.
    n_new: usize,
}

impl Prompts {
    /// Reads the prompts of the training source (those of the seed set and of the pool) and of the test
    /// pairs, and the answers of the seed set.
    ///
    /// # Errors
    /// When the store cannot be read, a part of the split is empty, or a text not be tokenized.
    pub fn load(
        store: &Store,
        (dataset, test_dataset): (i64, Option<i64>),
        state: &PolicyState,
        (texts, end): (&Texts, Option<u32>),
        pseudo_labeled: &[PairId],
    ) -> Result<Self, WorkerError> {
        let spec = &state.spec;
        let groups = store.group_hashes(dataset)?;
        let test_groups = test_dataset.map(|it| store.group_hashes(it)).transpose()?;
        let n_test = test_groups.as_ref().map_or(0, Vec::len);
        let test_groups: Option<BTreeSet<u64>> = test_groups.map(|it| it.into_iter().collect());
        let mut split = split(&groups, test_groups.as_ref(), &SplitRule::of_spec(spec))?;
        if test_dataset.is_some() {
            split.test = (0..n_test as u32).map(PairId).collect();
        }
        let max_tokens = (spec.model.max_tokens as usize).min(texts.max_tokens());
        let n_new = state.policy.max_new_tokens as usize;
        let reading = Reading { texts, end, max_tokens, n_new };
        let mut ids: Vec<PairId> =
            split.seed_set.iter().chain(&split.unlabeled_pool).copied().collect();
        ids.sort_unstable();
        let mut found = Self::default();
        found.training =
            found.prompts(store, dataset, spec.rng_seed, &ids, &reading, usize::MAX)?;
        let n_wanted = state.policy.evaluate_prompts as usize;
        // A random sample, the same for every policy of this seed.
        let order =
            Place::new(spec.rng_seed, Purpose::Sample).at(1, 0).permutation(split.test.len());
        let ids: Vec<PairId> = order.iter().map(|at| split.test[*at as usize]).collect();
        let test = test_dataset.unwrap_or(dataset);
        found.held_out = found.prompts(store, test, spec.rng_seed, &ids, &reading, n_wanted)?;
        if state.policy.sft.epochs > 0 || !state.policy.objective.samples() {
            let of_seed = |ids: &[PairId]| store.candidate_pairs(dataset, spec.rng_seed, ids);
            found.seed_set = found.pairs(&of_seed, &split.seed_set, &reading)?;
            // A pool may hold pairs of its own run, which a policy wrote.
            let rewarded_by = state.policy.reward.split(':').next().unwrap_or_default();
            let rewarded_by = RunId(rewarded_by.to_owned());
            let of_pool = |ids: &[PairId]| store.pool_pairs(&rewarded_by, ids);
            let pseudo = found.pairs(&of_pool, pseudo_labeled, &reading)?;
            found.n_pseudo = pseudo.len();
            found.seed_set.extend(pseudo);
        }
        found.split = split;
        Ok(found)
    }

    /// The first `n_max` different prompts of some pairs that leave room for an answer.
    fn prompts(
        &mut self,
        store: &Store,
        dataset: i64,
        rng_seed: u64,
        ids: &[PairId],
        reading: &Reading<'_>,
        n_max: usize,
    ) -> Result<Vec<AskedPrompt>, WorkerError> {
        let (mut seen, mut prompts, mut n_long) = (BTreeSet::new(), Vec::new(), 0);
        for ids in ids.chunks(TEXTS_AT_ONCE) {
            for candidate in store.candidate_pairs(dataset, rng_seed, ids)? {
                if prompts.len() >= n_max {
                    break;
                }
                if !seen.insert(text_hash(&candidate.prompt)) {
                    continue;
                }
                let prompt = prompt_of(&candidate)?;
                let tokens = reading.texts.encode(prompt_text(&prompt))?;
                if tokens.len() + reading.n_new > reading.max_tokens {
                    n_long += 1;
                    continue;
                }
                prompts.push(AskedPrompt { pair: candidate.id, prompt, tokens });
            }
        }
        if n_long > 0 {
            self.left_out.push(format!(
                "{} prompts leave no room for {} new tokens within `model.max_tokens` = {}: left out",
                count(n_long),
                reading.n_new,
                reading.max_tokens
            ));
        }
        Ok(prompts)
    }

    /// The labeled pairs, read by `read`, whose answers are one text each and fit.
    fn pairs(
        &mut self,
        read: ReadPairs<'_>,
        ids: &[PairId],
        reading: &Reading<'_>,
    ) -> Result<Vec<AnsweredPair>, WorkerError> {
        let (mut pairs, mut n_left_out) = (Vec::new(), 0);
        for ids in ids.chunks(TEXTS_AT_ONCE) {
            for candidate in read(ids)? {
                match reading.pair(&candidate)? {
                    Some(pair) => pairs.push(pair),
                    None => n_left_out += 1,
                }
            }
        }
        if n_left_out > 0 {
            self.left_out.push(format!(
                "{} of {} labeled pairs are longer than `model.max_tokens` = {}, or answer in several \
                 messages: left out",
                count(n_left_out),
                count(ids.len() as u64),
                reading.max_tokens
            ));
        }
        Ok(pairs)
    }
}

impl Reading<'_> {
    fn pair(&self, candidate: &CandidatePair) -> Result<Option<AnsweredPair>, WorkerError> {
        let prompt = prompt_of(candidate)?;
        let tokens = self.texts.encode(prompt_text(&prompt))?;
        let sides = [&candidate.response_a, &candidate.response_b];
        let mut answers = Vec::with_capacity(2);
        for (which, text) in sides.into_iter().enumerate() {
            let Some(said) = said(candidate, text, which) else { return Ok(None) };
            let answer = self.answer(&prompt, &said)?;
            if tokens.len() + answer.len() > self.max_tokens {
                return Ok(None);
            }
            answers.push(answer);
        }
        let Ok(answers) = answers.try_into() else { return Ok(None) };
        Ok(Some(AnsweredPair { pair: candidate.id, prompt: tokens, answers }))
    }

    /// The tokens of an answer, as the policy would give them.
    fn answer(&self, prompt: &Prompt, text: &str) -> Result<Vec<u32>, EngineError> {
        let is_spaced = !prompt.continues && self.texts.answers_with_a_space();
        let text = if is_spaced { format!(" {text}") } else { text.to_owned() };
        let mut tokens = self.texts.tokens(&text)?;
        tokens.extend(self.end);
        Ok(tokens)
    }
}

/// The text of an answer; `None` where it is several messages, or no text.
fn said(candidate: &CandidatePair, text: &str, which: usize) -> Option<String> {
    let TextForm::Messages(_) = candidate.form else { return Some(text.to_owned()) };
    match candidate.form.parts(&candidate.prompt, text, which)? {
        [_, answer] => match answer.as_slice() {
            [only] if only.is_text() && only.is_assistant() => Some(only.text().to_owned()),
            _ => None,
        },
    }
}

/// The prompt of a pair in the form that `ser generate` reads, so that a policy is asked what that command
/// asks.
fn prompt_of(candidate: &CandidatePair) -> Result<Prompt, WorkerError> {
    Prompt::of_pair(&candidate.form, &candidate.prompt, &candidate.response_a)
        .map_err(|source| WorkerError::Prompt { pair: candidate.id.0, reason: source.to_string() })
}

/// A prompt as the engine takes it.
pub fn prompt_text(prompt: &Prompt) -> PromptText<'_> {
    match &prompt.messages {
        Some(messages) => {
            PromptText::Chat { messages, globals: &prompt.globals, flat: &prompt.text }
        }
        None => PromptText::Text(&prompt.text),
    }
}

/// Which side people preferred, of a pair whose label is known.
pub(super) fn preferred(rng_seed: u64, pair: PairId) -> usize {
    match chosen_side(rng_seed, pair) {
        Side::A => 0,
        Side::B => 1,
    }
}
