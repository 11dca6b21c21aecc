//! A reviewer who is always there: held-back labels answer for a review queue, so that what a label
//! from a person is worth can be measured without one.
//!
//! The oracle is asked after each selection, before the gate. Which pairs it is asked about, and where
//! it is wrong, is a function of the run's own scores, `rng_seed` and round, so a resumed run gets the
//! same answers again.

use crate::domain::event::{OracleAnswer, RunEvent};
use crate::domain::preference::PairId;
use crate::domain::pseudo_label::PairScore;
use crate::domain::random::{Place, Purpose};
use crate::domain::review::{RoundColumns, queue as queues};
use crate::domain::selection::ScoredPair;
use crate::domain::spec::OracleQueue;
use crate::domain::verdict::Verdict;

use super::WorkerError;
use super::session::Session;

/// The pairs that the oracle is asked about after a selection: the head of its queue, without those
/// that have a verdict.
///
/// # Errors
/// When the store cannot be read.
pub fn queue(
    session: &mut Session<'_>,
    round: u32,
    pairs: &[ScoredPair],
) -> Result<Vec<PairScore>, WorkerError> {
    let review = &session.spec.review;
    if review.oracle == OracleQueue::None || review.oracle_labels == 0 {
        return Ok(Vec::new());
    }
    let (oracle, n_labels) = (review.oracle, review.oracle_labels as usize);
    let mut sorted = pairs.to_vec();
    sorted.sort_unstable_by_key(|scored| scored.score.pair);
    let mut columns = RoundColumns::of(sorted);
    session.journal.flush()?;
    let (store, run) = (&session.journal.store, &session.journal.run);
    if let Some(before) = round.checked_sub(1) {
        columns.follow(&store.round_columns(run, before)?);
    }
    let verdicts = &session.journal.state.verdicts;
    let is_open = |row: &u32| verdicts.get(PairId(columns.pairs[*row as usize])).is_none();
    let rng_seed = session.spec.rng_seed;
    let rows = match oracle {
        OracleQueue::None => Vec::new(),
        OracleQueue::Random => queues::pool_sample(&columns, rng_seed, round),
        OracleQueue::Audit => queues::audit(&columns, rng_seed, round),
        OracleQueue::Teach => {
            let open: Vec<u32> = (0..columns.len() as u32).filter(is_open).collect();
            // What other runs think changes with time; the queue must not.
            let candidates = queues::teach_candidates(&columns, &open, None);
            let pairs: Vec<u32> =
                candidates.iter().map(|doubt| columns.pairs[doubt.row as usize]).collect();
            queues::teach(&candidates, &store.facets_of(store.run(run)?.dataset, &pairs)?)
        }
    };
    let asked = rows.into_iter().filter(is_open).take(n_labels);
    Ok(asked.map(|row| columns.score(row as usize)).collect())
}

/// Answers, reports the answers and takes them as verdicts.
///
/// # Errors
/// When the event cannot be stored.
pub fn answer(
    session: &mut Session<'_>,
    round: u32,
    asked: &[PairScore],
) -> Result<(), WorkerError> {
    if asked.is_empty() {
        return Ok(());
    }
    let (review, rng_seed) = (&session.spec.review, session.spec.rng_seed);
    let place = Place::new(rng_seed, Purpose::Oracle).at(round, 1);
    let is_wrong = |pair: PairId| place.unit(u64::from(pair.0)) < review.oracle_error;
    let answers: Vec<OracleAnswer> = asked
        .iter()
        .map(|score| {
            let gold = session.inputs.gold.preferred(score.pair);
            let preferred = if is_wrong(score.pair) { gold.other() } else { gold };
            let agrees = score.pseudo_label().is_none_or(|label| label.preferred == preferred);
            let verdict = if agrees { Verdict::Keep } else { Verdict::Flip };
            OracleAnswer { pair: score.pair, verdict, preferred }
        })
        .collect();
    let n_wrong = asked.iter().filter(|score| is_wrong(score.pair)).count() as u64;
    let queue = review.oracle;
    for OracleAnswer { pair, verdict, preferred } in &answers {
        session.journal.state.verdicts.record_label(*pair, *verdict, Some(*preferred));
    }
    session.journal.send(RunEvent::OracleAnswered { round, queue, answers, n_wrong })
}
