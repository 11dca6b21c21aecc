//! Rewards of many pairs, in batches of similar length, with progress and cancellation.
//!
//! Pairs are scored longest last within a budget of tokens a batch, so that memory is bounded and
//! cores are evenly loaded; rewards do not depend on the batches ([`RewardModel::score`]).

use std::ops::ControlFlow;

use super::{EncodedPair, EngineError, RewardModel};

/// How far a scoring pass is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ScoreProgress {
    pub n_scored: usize,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::mock::MockModel;
    use crate::engine::{Backbone, OpenSettings, PairText};

    fn model_and_pairs() -> (MockModel, Vec<EncodedPair>) {
        let settings = OpenSettings { n_threads: 1, ..OpenSettings::new(Backbone::Mock, 8, 1) };
        let model = MockModel::new(&settings);
        let texts: Vec<[String; 2]> =
            (0..50).map(|i| [format!("w{i} x").repeat(1 + i % 5), format!("v{i}")]).collect();
        let pairs: Vec<PairText<'_>> =
            texts.iter().map(|[a, b]| PairText::dialogue("a b c d e f", a, b)).collect();
        let encoded = model.encode(&pairs).unwrap();
        (model, encoded)
    }

    #[test]
    fn rewards_come_in_input_order_whatever_the_budget() {
        let (mut model, pairs) = model_and_pairs();
        let pairs: Vec<&EncodedPair> = pairs.iter().collect();
        let expected: Vec<[f32; 2]> =
            pairs.iter().map(|pair| model.score(&[pair]).unwrap()[0]).collect();
        for budget in [0, 17, 64, 10_000] {
            let mut last = ScoreProgress::default();
            let rewards = score_all(&mut model, &pairs, budget, &mut |progress| {
                assert!(progress.n_scored > last.n_scored);
                last = progress;
                ControlFlow::Continue(())
            });
            assert_eq!(rewards.unwrap().unwrap(), expected);
            assert_eq!((last.n_scored, last.n_pairs), (50, 50));
            assert_eq!(last.n_tokens, truncation_report(pairs.iter().copied()).n_tokens);
        }
        assert_eq!(score_all(&mut model, &[], 8, &mut |_| unreachable!()).unwrap(), Some(vec![]));
    }

    #[test]
    fn a_break_ends_the_pass_after_its_batch() {
        let (mut model, pairs) = model_and_pairs();
        let pairs: Vec<&EncodedPair> = pairs.iter().collect();
        let mut n_calls = 0;
        let rewards = score_all(&mut model, &pairs, 40, &mut |_| {
            n_calls += 1;
            if n_calls == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        assert_eq!((rewards.unwrap(), n_calls), (None, 3));
    }

    #[test]
    fn the_report_adds_up() {
        let (_, pairs) = model_and_pairs();
        let report = truncation_report(&pairs);
        assert_eq!(report.n_pairs, 50);
        assert!(report.n_truncated > 0 && report.n_truncated < 50, "{report:?}");
        assert_eq!(report.n_tokens_max, 8);
        assert_eq!(report.n_tokens, report.n_packed_tokens);
        assert_eq!(truncation_report([]), TruncationReport::default());
    }
}
