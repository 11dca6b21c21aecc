//! What the model thought of one pair round by round, what other runs thought of it, and what
//! people decided.

use rusqlite::Connection;

use super::verdicts::{VerdictRow, verdict_row};
use crate::domain::preference::{PairId, chosen_side};
use crate::domain::pseudo_label::PairScore;
use crate::domain::run::RunId;
use crate::domain::selection::LeftOut;
use crate::store::error::StoreError;
use crate::store::events::parts::scored_pair;
use crate::store::pairs::generated::RunPairs;
use crate::store::rounds::selected_rounds;
use crate::store::rows::SampledPair;
use crate::store::{Store, keys};

/// How many other runs are asked, the newest first.
const N_RUNS: usize = 8;

/// What the model thought of a pair before one round's training.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RoundOpinion {
    pub round: u32,
    /// The difference `reward_a - reward_b`.
    pub margin: f64,
    /// `None` where the pair was selected.
    pub left_out: Option<LeftOut>,
}

/// What another run thought of a pair.
#[derive(Debug, Clone, PartialEq)]
pub struct RunOpinion {
    pub run: RunId,
    pub name: String,
    /// Its latest round that scored the pair.
    pub round: u32,
    /// `reward_a - reward_b`, brought to the presentation of the run that asks.
    pub margin: f64,
    /// Whether it selected the pair in that round or before.
    pub is_selected: bool,
}

/// A pair with everything that was thought of it.
#[derive(Debug, Clone, PartialEq)]
pub struct PairOpinions {
    pub sample: SampledPair,
    /// The slice of the data set it is from.
    pub slice: String,
    /// Every round that scored it, in order.
    pub rounds: Vec<RoundOpinion>,
    /// Other runs on the same data.
    pub others: Vec<RunOpinion>,
    /// The decision in force.
    pub verdict: Option<VerdictRow>,
}

impl Store {
    /// One scored pair of a round with its history; `None` when the round did not score it.
    ///
    /// # Errors
    /// When there is no such run or pair.
    pub fn pair_opinions(
        &self,
        run: &RunId,
        round: u32,
        id: PairId,
    ) -> Result<Option<PairOpinions>, StoreError> {
        self.read(|connection| {
            let key = keys::run(connection, run)?;
            let Some(scored) = scored_pair(connection, key, round, id)? else { return Ok(None) };
            let pairs = RunPairs::of(connection, key)?;
            let rng_seed = pairs.rng_seed;
            let stored = pairs.pair(connection, id)?;
            let texts = stored.to_candidate(rng_seed, id);
            let rounds = opinions_by_round(connection, key, id)?;
            let before = rounds.iter().find(|opinion| opinion.round + 1 == round);
            let verdict = verdict_row(connection, key, id)?;
            let margin = scored.score.margin();
            let sample = SampledPair {
                pair: id,
                round,
                prompt: texts.prompt,
                response_a: texts.response_a,
                response_b: texts.response_b,
                reward_a: scored.score.reward_a,
                reward_b: scored.score.reward_b,
                left_out: scored.left_out,
                verdict: verdict.as_ref().map(|row| row.verdict),
                gold: pairs.is_labeled(connection, id)?.then(|| chosen_side(rng_seed, id)),
                origin: pairs.origin(connection, id)?,
                previous_confidence: before.map(|before| signed_confidence(before.margin, margin)),
            };
            // Another run has another pair under the number of a policy's.
            let others = if pairs.is_generated(id) {
                Vec::new()
            } else {
                other_runs(connection, key, pairs.dataset, rng_seed, id)?
            };
            Ok(Some(PairOpinions { sample, slice: stored.slice, rounds, others, verdict }))
        })
    }
}

/// Keys, ids, names and random seeds of other runs on a data set, the newest first.
pub(in crate::store) fn runs_on(
    connection: &Connection,
    dataset: i64,
    except: i64,
    n: usize,
) -> Result<Vec<(i64, RunId, String, u64)>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT key, id, name, rng_seed FROM runs
         WHERE dataset = ?1 AND key <> ?2 ORDER BY key DESC LIMIT ?3",
    )?;
    let mut rows = statement.query((dataset, except, n as i64))?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push((row.get(0)?, RunId(row.get(1)?), row.get(2)?, row.get::<_, i64>(3)? as u64));
    }
    Ok(found)
}

fn opinions_by_round(
    connection: &Connection,
    run: i64,
    id: PairId,
) -> Result<Vec<RoundOpinion>, StoreError> {
    let mut opinions = Vec::new();
    for round in selected_rounds(connection, run)? {
        if let Some(scored) = scored_pair(connection, run, round, id)? {
            let margin = scored.score.margin();
            opinions.push(RoundOpinion { round, margin, left_out: scored.left_out });
        }
    }
    Ok(opinions)
}

fn other_runs(
    connection: &Connection,
    run: i64,
    dataset: i64,
    rng_seed: u64,
    id: PairId,
) -> Result<Vec<RunOpinion>, StoreError> {
    let mut found = Vec::new();
    for (key, other, name, other_seed) in runs_on(connection, dataset, run, N_RUNS)? {
        let opinions = opinions_by_round(connection, key, id)?;
        let Some(last) = opinions.last() else { continue };
        // Each run shuffles which answer is shown as `a`.
        let is_same = chosen_side(other_seed, id) == chosen_side(rng_seed, id);
        let margin = if is_same { last.margin } else { -last.margin };
        let is_selected = opinions.iter().any(|opinion| opinion.left_out.is_none());
        found.push(RunOpinion { run: other, name, round: last.round, margin, is_selected });
    }
    Ok(found)
}

/// The confidence in the round before, with a minus sign where that round preferred the other
/// answer.
pub(in crate::store) fn signed_confidence(before: f64, now: f64) -> f64 {
    let pair = PairId(0);
    let score = PairScore { pair, reward_a: before as f32, reward_b: 0.0 };
    if (before > 0.0) == (now > 0.0) { score.confidence() } else { -score.confidence() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::verdict::Verdict;
    use crate::store::{Decision, testing};

    #[test]
    fn a_pair_knows_its_rounds_and_what_other_runs_think() {
        let mut fixture = testing::store();
        let (mine, other) = (fixture.run("mine"), fixture.run("other"));
        let third = fixture.run("third");
        let attempt = fixture.begin(&mine);
        let events = vec![testing::selection_made(1, 30), testing::selection_made(2, 30)];
        fixture.apply(&mine, attempt, events);
        let attempt = fixture.begin(&other);
        fixture.apply(&other, attempt, vec![testing::selection_made(1, 30)]);
        fixture.begin(&third);
        fixture
            .store
            .decide(
                &mine,
                &[PairId(6)],
                Decision { reason: Some("wrong way"), ..Decision::new(Verdict::Flip) },
            )
            .unwrap();
        let found = fixture.store.pair_opinions(&mine, 2, PairId(6)).unwrap().unwrap();
        assert_eq!(found.rounds.iter().map(|o| o.round).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(found.slice, "slice 2");
        assert_eq!(found.verdict.unwrap().reason.as_deref(), Some("wrong way"));
        assert_eq!(found.sample.verdict, Some(Verdict::Flip));
        assert!(found.sample.previous_confidence.unwrap() > 0.5);
        let [opinion] = &found.others[..] else { panic!("{:?}", found.others) };
        assert_eq!((opinion.name.as_str(), opinion.round), ("other", 1));
        assert!(opinion.is_selected, "even pairs are selected");
        // All runs of the fixture have one random seed, so one presentation.
        assert!((opinion.margin - found.rounds[0].margin).abs() < 1e-6);
        assert_eq!(fixture.store.pair_opinions(&mine, 2, PairId(35)).unwrap(), None);
    }
}
