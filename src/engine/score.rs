//! Rewards of many pairs, in batches of similar length, with progress and cancellation.
//!
//! Pairs are scored longest last within a budget of tokens a batch, so that memory is bounded and
//! cores are evenly loaded; rewards do not depend on the batches ([`RewardModel::score`]).

use std::ops::ControlFlow;

use super::{EncodedPair, EngineError, RewardModel};

/// How far a scoring pass is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ScoreProgress {
    /// Pairs done.
    pub n_scored: usize,
    /// Pairs in all.
    pub n_pairs: usize,
    /// Tokens done, both sides counted separately ([`EncodedPair::n_tokens`]).
    pub n_tokens: u64,
}

/// Scores pairs in batches of at most `token_budget` packed tokens (a longer pair stands alone).
/// Rewards `[a, b]` come in the order of `pairs`; `None` when `on_batch`, called after each batch,
/// broke off.
///
/// # Errors
/// As [`RewardModel::score`].
pub fn score_all(
    model: &mut dyn RewardModel,
    pairs: &[&EncodedPair],
    token_budget: usize,
    on_batch: &mut dyn FnMut(ScoreProgress) -> ControlFlow<()>,
) -> Result<Option<Vec<[f32; 2]>>, EngineError> {
    let mut order: Vec<usize> = (0..pairs.len()).collect();
    order.sort_by_key(|&i| pairs[i].n_packed_tokens());
    let mut rewards = vec![[0.0; 2]; pairs.len()];
    let mut progress = ScoreProgress { n_pairs: pairs.len(), ..ScoreProgress::default() };
    let mut rest = order.as_slice();
    while !rest.is_empty() {
        let (batch, after) = rest.split_at(n_within(pairs, rest, token_budget));
        rest = after;
        let texts: Vec<&EncodedPair> = batch.iter().map(|&i| pairs[i]).collect();
        for (&i, reward) in batch.iter().zip(model.score(&texts)?) {
            rewards[i] = reward;
        }
        progress.n_scored += batch.len();
        progress.n_tokens += texts.iter().map(|pair| pair.n_tokens() as u64).sum::<u64>();
        if on_batch(progress).is_break() {
            return Ok(None);
        }
    }
    Ok(Some(rewards))
}

/// How many of the next pairs fit the budget together; at least one.
fn n_within(pairs: &[&EncodedPair], next: &[usize], token_budget: usize) -> usize {
    let mut n_tokens = 0;
    let fitting = next.iter().take_while(|&&i| {
        n_tokens += pairs[i].n_packed_tokens();
        n_tokens <= token_budget
    });
    fitting.count().max(1)
}

/// What tokenizing a set of pairs cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TruncationReport {
    /// Pairs in all.
    pub n_pairs: usize,
    /// Pairs that lost anything.
    pub n_truncated: usize,
    /// Pairs whose answers lost tokens.
    pub n_answers_truncated: usize,
    /// Prompt tokens cut, counted once a pair.
    pub n_prompt_tokens_cut: u64,
    /// Answer tokens cut, both sides summed.
    pub n_answer_tokens_cut: u64,
    /// Tokens left, both sides summed.
    pub n_tokens: u64,
    /// Tokens a pass touches when shared prefixes are computed once.
    pub n_packed_tokens: u64,
    /// Length of the longest side.
    pub n_tokens_max: usize,
}

/// Sums up what [`RewardModel::encode`] kept and cut.
#[must_use]
pub fn truncation_report<'a>(pairs: impl IntoIterator<Item = &'a EncodedPair>) -> TruncationReport {
    let mut report = TruncationReport::default();
    for pair in pairs {
        report.n_pairs += 1;
        report.n_truncated += usize::from(pair.is_truncated());
        report.n_answers_truncated += usize::from(pair.n_answer_tokens_cut > 0);
        report.n_prompt_tokens_cut += pair.n_prompt_tokens_cut as u64;
        report.n_answer_tokens_cut += pair.n_answer_tokens_cut as u64;
        report.n_tokens += pair.n_tokens() as u64;
        report.n_packed_tokens += pair.n_packed_tokens() as u64;
        let longest = pair.tokens_a.len().max(pair.tokens_b.len());
        report.n_tokens_max = report.n_tokens_max.max(longest);
    }
    report
}
