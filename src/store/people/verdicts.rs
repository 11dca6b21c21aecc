//! What people decide about pairs: append-only rows, of which the newest of a pair holds, whoever
//! of the reviewers it is from.
//!
//! Rows that are decided together share a batch, named after its first row; [`super::undo`] takes
//! batches back.

use rusqlite::{Connection, Transaction};

use super::replay::verdict_set;
use super::undo;
use crate::domain::event::OracleAnswer;
use crate::domain::preference::{PairId, Side};
use crate::domain::pseudo_label::PairScore;
use crate::domain::review::Queue;
use crate::domain::run::RunId;
use crate::domain::verdict::Verdict;
use crate::store::clock::now_ms;
use crate::store::error::StoreError;
use crate::store::events::parts::scored_pair;
use crate::store::pairs::generated::RunPairs;
use crate::store::rounds::selected_rounds;
use crate::store::{Store, columns, keys, runs};

/// A decision about one pair or many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision<'a> {
    /// The decision; where `better` says more, whether it is a keep or a flip is found from that.
    pub verdict: Verdict,
    /// The better answer, where a person named it without knowing what the model says.
    pub better: Option<Side>,
    /// Why, in a word.
    pub reason: Option<&'a str>,
    /// Why, in a sentence.
    pub comment: Option<&'a str>,
    /// The queue in which the pairs were shown.
    pub queue: Option<Queue>,
    /// Who decides; `None` is nobody in particular.
    pub reviewer: Option<&'a str>,
    /// How the answers were shown, in a queue.
    pub shown: Option<Shown>,
}

/// How a queue showed a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shown {
    /// The answer that stood on the left.
    pub left: Side,
    /// Whether the model's side was hidden.
    pub is_blind: bool,
}

impl Decision<'_> {
    /// A decision without a reason, by nobody in particular.
    #[must_use]
    pub fn new(verdict: Verdict) -> Self {
        Self {
            verdict,
            better: None,
            reason: None,
            comment: None,
            queue: None,
            reviewer: None,
            shown: None,
        }
    }
}

/// What became of a decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    pub batch: i64,
    /// Pairs about which something else was decided before.
    pub n_overwritten: usize,
    /// Pairs that no round has scored: of the seed set, or in a run before its first selection.
    pub n_unscored: usize,
    /// What was recorded of the pair, where it was a single one.
    pub single: Option<RecordedPair>,
}

/// What was recorded of one pair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedPair {
    pub pair: PairId,
    pub verdict: Verdict,
    /// The answer called the better one, where there is one.
    pub preferred: Option<Side>,
    /// The decision that was in force before.
    pub before: Option<VerdictRow>,
}

/// The decision in force about one pair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerdictRow {
    pub verdict: Verdict,
    /// Why, in a word.
    pub reason: Option<String>,
    /// Why, in a sentence.
    pub comment: Option<String>,
    /// Counted in milliseconds since 1970.
    pub at_ms: i64,
    /// Who decided; `None` for nobody in particular, and for the oracle.
    pub reviewer: Option<String>,
    /// The answer called the better one, where one was.
    pub preferred: Option<Side>,
}

impl Store {
    /// Records one decision about several pairs, which one undo takes back. The rows are on disk when
    /// this returns.
    ///
    /// # Errors
    /// When there is no such run, or its data set lacks one of the pairs; nothing is recorded then.
    pub fn decide(
        &mut self,
        run: &RunId,
        pairs: &[PairId],
        decision: Decision<'_>,
    ) -> Result<Recorded, StoreError> {
        self.write_verdicts(run, |transaction, key| {
            let batch = undo::next_id(transaction)?;
            let mut insert = transaction.prepare_cached(
                "INSERT INTO verdicts
                 (run, pair, verdict, reason, comment, queue, at_ms, batch, preferred, reviewer,
                  shown_left, is_blind)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
            )?;
            let at_ms = now_ms();
            let Decision { reason, comment, queue, reviewer, .. } = decision;
            let queue = queue.map(Queue::name);
            let left = decision.shown.map(|shown| shown.left.name());
            let is_blind = decision.shown.is_some_and(|shown| shown.is_blind);
            require_pairs(transaction, key, pairs)?;
            let mut recorded = overwritten(transaction, key, pairs, batch)?;
            let (labels, n_unscored) = model_sides(transaction, key, pairs)?;
            recorded.n_unscored = n_unscored;
            for (pair, label) in pairs.iter().zip(labels) {
                let (verdict, side) = decided(decision, label);
                let name = verdict.name();
                let said = (side.map(Side::name), reviewer);
                insert.execute((
                    key, pair.0, name, reason, comment, queue, at_ms, batch, said.0, said.1, left,
                    is_blind,
                ))?;
                if let Some(single) = &mut recorded.single {
                    (single.verdict, single.preferred) = (verdict, side);
                }
            }
            Ok(recorded)
        })
    }

    /// Gives the decision in force about a pair a reason or a comment; `false` when there is none, or
    /// when it is that of another reviewer.
    ///
    /// # Errors
    /// When there is no such run, or the database cannot be written.
    pub fn amend_verdict(
        &mut self,
        run: &RunId,
        pair: PairId,
        reviewer: Option<&str>,
        [reason, comment]: [Option<&str>; 2],
    ) -> Result<bool, StoreError> {
        self.write_verdicts(run, |transaction, key| {
            let undone = undo::undone(transaction, key)?;
            let Some(id) = undo::in_force(transaction, key, pair, &undone)? else {
                return Ok(false);
            };
            let n = transaction.execute(
                "INSERT INTO verdicts
                 (run, pair, verdict, reason, comment, queue, at_ms, batch, action, preferred,
                  reviewer, shown_left, is_blind)
                 SELECT run, pair, verdict, coalesce(?2, reason), coalesce(?3, comment), queue, ?4,
                        batch, 'amend', preferred, reviewer, shown_left, is_blind
                 FROM verdicts WHERE id = ?1 AND verdict <> 'undo'
                     AND (?5 IS NULL OR reviewer IS NULL OR reviewer = ?5)",
                (id, reason, comment, now_ms(), reviewer),
            )?;
            Ok(n > 0)
        })
    }

    /// Runs a write that is on disk when it returns, because nobody should lose a decision in a
    /// power cut.
    pub(in crate::store) fn write_verdicts<T>(
        &mut self,
        run: &RunId,
        work: impl FnOnce(&Transaction<'_>, i64) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.connection.pragma_update(None, "synchronous", "FULL")?;
        let outcome = self.write(|transaction| {
            let key = keys::run(transaction, run)?;
            work(transaction, key)
        });
        self.connection.pragma_update(None, "synchronous", "NORMAL")?;
        outcome
    }
}

pub(in crate::store) fn verdict_row(
    connection: &Connection,
    run: i64,
    pair: PairId,
) -> Result<Option<VerdictRow>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT verdict, reason, comment, at_ms, reviewer, preferred FROM verdicts WHERE id =
         (SELECT max(id) FROM verdicts WHERE run = ?1 AND pair = ?2)",
    )?;
    let mut rows = statement.query((run, pair.0))?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let verdict = runs::word(row, 0, "verdict")?;
    let found = VerdictRow {
        verdict,
        reason: row.get(1)?,
        comment: row.get(2)?,
        at_ms: row.get(3)?,
        reviewer: row.get(4)?,
        preferred: row.get::<_, Option<String>>(5)?.and_then(|side| side.parse().ok()),
    };
    Ok((verdict != Verdict::Undo).then_some(found))
}

/// Up to this many pairs are looked up one by one; for more, whole columns are read.
const N_SINGLE_MAX: usize = 32;

/// What a decision is about a pair whose latest pseudo-label is this one: the verdict, and the answer
/// that is the better one by it. A pair that the model calls a tie has no label to turn around, so
/// that who names a side there keeps it.
fn decided(decision: Decision<'_>, label: Option<Side>) -> (Verdict, Option<Side>) {
    if let Some(better) = decision.better {
        let is_other = label.is_some_and(|label| label != better);
        return (if is_other { Verdict::Flip } else { Verdict::Keep }, Some(better));
    }
    let side = match decision.verdict {
        Verdict::Keep => label,
        Verdict::Flip => label.map(Side::other),
        Verdict::Veto | Verdict::Undo => None,
    };
    (decision.verdict, side)
}

/// What a decision about these pairs puts itself in the place of.
fn overwritten(
    connection: &Connection,
    run: i64,
    pairs: &[PairId],
    batch: i64,
) -> Result<Recorded, StoreError> {
    if let [pair] = *pairs {
        let before = verdict_row(connection, run, pair)?;
        let n_overwritten = usize::from(before.is_some());
        let (verdict, preferred) = (Verdict::Undo, None);
        let single = Some(RecordedPair { pair, verdict, preferred, before });
        return Ok(Recorded { batch, n_overwritten, n_unscored: 0, single });
    }
    let (verdicts, _) = verdict_set(connection, run, i64::MAX)?;
    let n_overwritten = pairs.iter().filter(|pair| verdicts.get(**pair).is_some()).count();
    Ok(Recorded { batch, n_overwritten, n_unscored: 0, single: None })
}

/// For each pair, the answer that its latest pseudo-label calls the better one; and how many of them no
/// round has scored.
fn model_sides(
    connection: &Connection,
    run: i64,
    pairs: &[PairId],
) -> Result<(Vec<Option<Side>>, usize), StoreError> {
    let mut scores: Vec<Option<PairScore>> = vec![None; pairs.len()];
    // The latest round that scored the pair is used, since a pair with a human label is no longer
    // scored.
    for round in selected_rounds(connection, run)?.into_iter().rev() {
        let missing = pairs.iter().zip(&mut scores).filter(|(_, score)| score.is_none());
        if pairs.len() > N_SINGLE_MAX {
            let columns = columns::read_columns(connection, run, round)?;
            missing.for_each(|(pair, score)| {
                *score = columns.row_of(*pair).map(|row| columns.score(row));
            });
        } else {
            for (pair, score) in missing {
                *score = scored_pair(connection, run, round, *pair)?.map(|scored| scored.score);
            }
        }
    }
    let n_unscored = scores.iter().filter(|score| score.is_none()).count();
    let side = |score: Option<PairScore>| Some(score?.pseudo_label()?.preferred);
    Ok((scores.into_iter().map(side).collect(), n_unscored))
}

/// Writes the oracle's answers of a round as rows, in place of older ones. Rows that already say
/// the same stay, so that later decisions of people still come after them.
pub(in crate::store) fn write_oracle_rows(
    transaction: &Transaction<'_>,
    run: i64,
    round: u32,
    at_ms: i64,
    (queue, answers): (Option<Queue>, &[OracleAnswer]),
) -> Result<(), StoreError> {
    let sql = "SELECT pair, preferred FROM verdicts
               WHERE run = ?1 AND round = ?2 AND source = 'oracle' ORDER BY id";
    let known: Vec<(u32, Option<String>)> = transaction
        .prepare_cached(sql)?
        .query_map((run, round), |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    let is_same = |(known, answer): (&(u32, Option<String>), &OracleAnswer)| {
        known.0 == answer.pair.0 && known.1.as_deref() == Some(answer.preferred.name())
    };
    if known.len() == answers.len() && known.iter().zip(answers).all(is_same) {
        return Ok(());
    }
    let sql = "DELETE FROM verdicts WHERE run = ?1 AND round = ?2 AND source = 'oracle'";
    transaction.prepare_cached(sql)?.execute((run, round))?;
    let batch = undo::next_id(transaction)?;
    let mut insert = transaction.prepare_cached(
        "INSERT INTO verdicts (run, pair, verdict, queue, at_ms, batch, preferred, source, round)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 'oracle', ?8)",
    )?;
    let queue = queue.map(Queue::name);
    for OracleAnswer { pair, verdict, preferred } in answers {
        let (verdict, side) = (verdict.name(), preferred.name());
        insert.execute((run, pair.0, verdict, queue, at_ms, batch, side, round))?;
    }
    Ok(())
}

fn require_pairs(connection: &Connection, run: i64, pairs: &[PairId]) -> Result<(), StoreError> {
    let of = RunPairs::of(connection, run)?;
    // Only a policy's pairs may be missing below the highest number.
    pairs.iter().try_for_each(|pair| of.source_of(connection, *pair).map(drop))
}

#[cfg(test)]
mod tests;
