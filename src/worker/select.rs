//! Scoring the pool and choosing pseudo-labels from the scores.

use std::collections::BTreeMap;
use std::time::Instant;

use crate::domain::event::{RunEvent, SelectionSummary};
use crate::domain::histogram::ConfidenceHistogram;
use crate::domain::metrics::pseudo_label_precision;
use crate::domain::preference::{PairId, Side};
use crate::domain::pseudo_label::PseudoLabel;
use crate::domain::selection::{self, Selection, SelectionContext};
use crate::domain::ser::Outcome;

use super::evaluate::{Pass, score};
use super::session::Session;
use super::{StepResult, WorkerError};

/// Scores the whole unlabelled pool with the model of the round before.
pub fn score_pool(session: &mut Session<'_>, round: u32) -> StepResult {
    let pool = session.inputs.split.unlabeled_pool.clone();
    let clock = Instant::now();
    let n_tokens_before = session.journal.state.n_round_tokens;
    let Some(scores) = score(session, &pool, Pass { round, step: "score", split: None })? else {
        return Ok(None);
    };
    let scored = RunEvent::PoolScored {
        round,
        n_pairs: scores.len() as u64,
        n_tokens: session.journal.state.n_round_tokens - n_tokens_before,
        elapsed_ms: clock.elapsed().as_millis() as u64,
    };
    session.journal.send(scored)?;
    session.pool_scores = Some(scores);
    Ok(Some(Outcome::Scored))
}

/// Chooses the round's pseudo-labels.
pub fn select(session: &mut Session<'_>, round: u32) -> StepResult {
    session.journal.read_verdicts()?;
    let scores = if let Some(scores) = session.pool_scores.take() {
        scores
    } else {
        // Stopped between scoring and selecting: the model is the same, so the scores are too.
        let pool = session.inputs.split.unlabeled_pool.clone();
        let pass = Pass { round, step: "score", split: None };
        let Some(scores) = score(session, &pool, pass)? else {
            return Ok(None);
        };
        scores
    };
    let already_selected = session.journal.state.ser.already_selected();
    let context = SelectionContext {
        previous_status: session.journal.state.ser.learning_status(),
        already_selected: &already_selected,
        verdicts: &session.journal.state.verdicts,
    };
    let selection = selection::select(&scores, &session.spec.selection, context);
    let summary = summarize(session, round, &selection)?;
    let outcome = Outcome::from(&selection);
    session.journal.send(RunEvent::SelectionMade { round, summary, pairs: selection.pairs })?;
    Ok(Some(outcome))
}

fn summarize(
    session: &Session<'_>,
    round: u32,
    selection: &Selection,
) -> Result<SelectionSummary, WorkerError> {
    let gold = &session.inputs.gold;
    let precision = |labels: &[PseudoLabel]| {
        pseudo_label_precision(labels, |label| Some(gold.preferred(label.pair)))
    };
    let all: Vec<PseudoLabel> =
        selection.pairs.iter().filter_map(|pair| pair.score.pseudo_label()).collect();
    let confidences = selection.labels.iter().map(|label| label.confidence);
    Ok(SelectionSummary {
        learning_status: selection.learning_status,
        reward_offset: selection.reward_offset,
        n_scored: selection.pairs.len() as u64,
        n_selected: selection.labels.len() as u64,
        n_vetoed: session.journal.state.verdicts.n_vetoed() as u64,
        n_flipped: n_flipped(session, round, &all)?,
        coverage: selection.coverage(),
        pseudo_label_precision: precision(&selection.labels),
        pool_accuracy: precision(&all),
        left_out: selection.left_out_counts(),
        histogram: selection.histogram(),
        selected_histogram: ConfidenceHistogram::of(confidences),
    })
}

/// How many pool pairs changed their pseudo-label since the round before.
fn n_flipped(
    session: &Session<'_>,
    round: u32,
    labels: &[PseudoLabel],
) -> Result<Option<u64>, WorkerError> {
    if round < 2 {
        return Ok(None);
    }
    let before = session.journal.store.pair_scores(&session.journal.run, round - 1)?;
    let before: BTreeMap<PairId, Side> = before
        .iter()
        .filter_map(|pair| pair.score.pseudo_label())
        .map(|label| (label.pair, label.preferred))
        .collect();
    let flipped =
        labels.iter().filter(|l| before.get(&l.pair).is_some_and(|side| *side != l.preferred));
    Ok(Some(flipped.count() as u64))
}
