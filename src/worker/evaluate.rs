//! Evaluation on labelled pairs, and the scoring pass that it shares with the pool.

use std::ops::ControlFlow;
use std::time::Instant;

use crate::domain::event::{PairMargin, RunEvent};
use crate::domain::metrics::{Evaluation, Split, labeled_margin};
use crate::domain::preference::{PairId, chosen_side};
use crate::domain::pseudo_label::PairScore;
use crate::domain::ser::Outcome;
use crate::engine::EncodedPair;
use crate::engine::score::{ScoreProgress, score_all};

use super::control::Flow;
use super::guards;
use super::inputs::Inputs;
use super::journal::{Journal, StepProgress};
use super::session::Session;
use super::{StepResult, WorkerError};

/// Packed tokens scored together: enough to fill the cores, few enough to answer a request soon.
const SCORE_TOKENS: usize = 8192;
/// Pairs handed to the engine at once; it sorts them by length.
const CHUNK_PAIRS: usize = 65_536;

/// Evaluates the model on a labelled split.
pub fn evaluate(session: &mut Session<'_>, round: u32, split: Split) -> StepResult {
    let (ids, step) = match split {
        Split::Validation => (session.inputs.split.validation.clone(), "validate"),
        Split::Test => (session.inputs.test.clone(), "test"),
    };
    let Some(scores) = score(session, &ids, Pass { round, step, split: Some(split) })? else {
        return Ok(None);
    };
    let rng_seed = session.spec.rng_seed;
    let margin = |score: &PairScore| labeled_margin(score, chosen_side(rng_seed, score.pair));
    let margins: Vec<f64> = scores.iter().map(margin).collect();
    if let Some(evaluation) = Evaluation::from_margins(&margins) {
        let of_pair =
            |score: &PairScore| PairMargin { pair: score.pair, margin: margin(score) as f32 };
        let margins = scores.iter().map(of_pair).collect();
        session.journal.send(RunEvent::Evaluated { round, split, evaluation, margins })?;
    }
    let halt = match split {
        Split::Validation => guards::after_validation(session, round, &margins)?,
        Split::Test => None,
    };
    Ok(Some(Outcome::Evaluated { halt }))
}

/// What is scored, for the progress line.
#[derive(Debug, Clone, Copy)]
pub struct Pass {
    /// Which round.
    pub round: u32,
    /// Which step.
    pub step: &'static str,
    /// A labelled split, or the pool.
    pub split: Option<Split>,
}

/// Scores pairs in order; `None` when a person asked to stop.
pub fn score(
    session: &mut Session<'_>,
    ids: &[PairId],
    pass: Pass,
) -> Result<Option<Vec<PairScore>>, WorkerError> {
    let n_total = ids.len() as u64;
    let step = pass.step.to_owned();
    session.journal.send(RunEvent::StepStarted { round: pass.round, step, n_total })?;
    if let Some(rewards) = session.shared_scores.known(pass, ids.len()) {
        session.journal.state.n_round_tokens += chunk_tokens(session, ids, pass);
        return Ok(Some(pair_scores(ids, rewards)));
    }
    let clock = Instant::now();
    let mut rewards = Vec::with_capacity(ids.len());
    let mut n_tokens = 0;
    for chunk in ids.chunks(CHUNK_PAIRS) {
        let n_before = rewards.len() as u64;
        let mut report = |journal: &mut Journal<'_>, progress: ScoreProgress| {
            journal.progress(StepProgress {
                round: pass.round,
                step: pass.step,
                n_done: n_before + progress.n_scored as u64,
                n_total,
                n_tokens: n_tokens + progress.n_tokens,
                clock,
            })
        };
        let Some(part) = score_chunk(session, chunk, pass, &mut report)? else {
            return Ok(None);
        };
        n_tokens += chunk_tokens(session, chunk, pass);
        rewards.extend(part);
    }
    session.journal.state.n_round_tokens += n_tokens;
    session.shared_scores.remember(pass, &rewards);
    Ok(Some(pair_scores(ids, rewards)))
}

fn pair_scores(ids: &[PairId], rewards: Vec<[f32; 2]>) -> Vec<PairScore> {
    let scores = ids.iter().zip(rewards);
    scores
        .map(|(pair, [reward_a, reward_b])| PairScore { pair: *pair, reward_a, reward_b })
        .collect()
}

type Report<'a> = &'a mut dyn FnMut(&mut Journal<'_>, ScoreProgress) -> Result<(), WorkerError>;

/// Scores some pairs, reporting and listening between batches; `None` when asked to stop.
fn score_chunk(
    session: &mut Session<'_>,
    ids: &[PairId],
    pass: Pass,
    report: Report<'_>,
) -> Result<Option<Vec<[f32; 2]>>, WorkerError> {
    let Session { model, inputs, journal, .. } = session;
    let pairs: Vec<&EncodedPair> = ids.iter().map(|id| encoded(inputs, *id, pass)).collect();
    let mut failure = None;
    let scored = score_all(model.as_mut(), &pairs, SCORE_TOKENS, &mut |progress| match report(
        journal, progress,
    )
    .and_then(|()| journal.read_people())
    {
        Ok(Flow::Continue) => ControlFlow::Continue(()),
        Ok(Flow::Stop) => ControlFlow::Break(()),
        Err(error) => {
            failure = Some(error);
            ControlFlow::Break(())
        }
    })?;
    failure.map_or(Ok(scored), Err)
}

fn encoded(inputs: &Inputs, id: PairId, pass: Pass) -> &EncodedPair {
    match pass.split {
        Some(Split::Test) => inputs.test_pair(id),
        Some(Split::Validation) | None => inputs.pair(id),
    }
}

fn chunk_tokens(session: &Session<'_>, ids: &[PairId], pass: Pass) -> u64 {
    ids.iter().map(|id| encoded(&session.inputs, *id, pass).n_tokens() as u64).sum()
}
