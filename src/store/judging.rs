//! What people say of a policy's answers, blind: append-only rows, of which the newest of a person about a
//! game holds. No run reads them.

use std::collections::BTreeMap;

use rusqlite::Connection;

use super::clock::now_ms;
use super::error::StoreError;
use super::runs::word;
use super::{Store, keys};
use crate::domain::policy::judging::{Matchup, Said};
use crate::domain::preference::PairId;
use crate::domain::run::RunId;

/// A verdict in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JudgedGame {
    pub matchup: Matchup,
    pub pair: PairId,
    pub said: Said,
    /// Whether the policy's answer stood on the left.
    pub is_left: bool,
    pub reviewer: String,
}

/// Something to be said of a game, or taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewVerdict {
    pub pair: PairId,
    /// `None` takes back what this person said last.
    pub said: Option<Said>,
    /// Whether the policy's answer stood on the left.
    pub is_left: bool,
}

/// Another policy that was asked prompts of the same source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opponent {
    pub run: RunId,
    pub name: String,
    /// The evaluation whose weights it has, or had last.
    pub step: u32,
}

/// What takes a verdict back.
const UNDO: &str = "undo";

impl Store {
    /// Records what a person says of some games. The rows are on disk when this returns.
    ///
    /// # Errors
    /// When there is no such run, or the database cannot be written.
    pub fn judge_games(
        &mut self,
        run: &RunId,
        matchup: &Matchup,
        reviewer: &str,
        verdicts: &[NewVerdict],
    ) -> Result<(), StoreError> {
        self.write_verdicts(run, |transaction, key| {
            let other = matchup.other.as_ref().map(|it| keys::run(transaction, it)).transpose()?;
            let mut insert = transaction.prepare_cached(
                "INSERT INTO judged_games
                 (run, step, other, other_step, pair, verdict, is_left, reviewer, at_ms)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            )?;
            let at_ms = now_ms();
            let Matchup { step, other_step, .. } = matchup;
            for NewVerdict { pair, said, is_left } in verdicts {
                let verdict = said.map_or(UNDO, Said::name);
                let row = (key, step, other, other_step, pair.0, verdict, is_left, reviewer, at_ms);
                insert.execute(row)?;
            }
            Ok(())
        })
    }

    /// The verdicts in force on a policy's games, in the order in which they were given.
    ///
    /// # Errors
    /// When there is no such run.
    pub fn judged_games(&self, run: &RunId) -> Result<Vec<JudgedGame>, StoreError> {
        let sql = "SELECT step, others.id, other_step, pair, verdict, is_left, reviewer
                   FROM judged_games LEFT JOIN runs AS others ON others.key = other
                   WHERE run = ?1 ORDER BY judged_games.id";
        self.read(|connection| {
            let key = keys::run(connection, run)?;
            if !has_table(connection)? {
                return Ok(Vec::new());
            }
            let mut statement = connection.prepare_cached(sql)?;
            let mut rows = statement.query([key])?;
            // By game and person, with the place in the order of the rows.
            let mut found = BTreeMap::new();
            let mut n_rows = 0_usize;
            while let Some(row) = rows.next()? {
                n_rows += 1;
                let other = row.get::<_, Option<String>>(1)?.map(RunId);
                let matchup = Matchup { step: row.get(0)?, other, other_step: row.get(2)? };
                let (pair, reviewer): (u32, String) = (row.get(3)?, row.get(6)?);
                let game = (matchup.clone(), pair, reviewer.clone());
                if row.get::<_, String>(4)? == UNDO {
                    found.remove(&game);
                    continue;
                }
                let (said, is_left) = (word(row, 4, "verdict")?, row.get(5)?);
                let judged = JudgedGame { matchup, pair: PairId(pair), said, is_left, reviewer };
                found.insert(game, (n_rows, judged));
            }
            let mut found: Vec<(usize, JudgedGame)> = found.into_values().collect();
            found.sort_by_key(|(place, _)| *place);
            Ok(found.into_iter().map(|(_, judged)| judged).collect())
        })
    }

    /// The other policies that were evaluated on prompts of the same source, the newest first.
    ///
    /// # Errors
    /// When there is no such run.
    pub fn opponents(&self, run: &RunId) -> Result<Vec<Opponent>, StoreError> {
        let sql = "SELECT runs.id, runs.name, coalesce(policy_outcomes.restored_to, max(step))
                   FROM policy_evaluations
                   JOIN runs ON runs.key = policy_evaluations.run
                   LEFT JOIN policy_outcomes ON policy_outcomes.run = runs.key
                   WHERE runs.key <> ?1 AND coalesce(runs.test_dataset, runs.dataset) =
                       (SELECT coalesce(test_dataset, dataset) FROM runs WHERE key = ?1)
                   GROUP BY runs.key ORDER BY runs.key DESC";
        self.read(|connection| {
            let key = keys::run(connection, run)?;
            let mut statement = connection.prepare_cached(sql)?;
            let mut rows = statement.query([key])?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                let run = RunId(row.get(0)?);
                found.push(Opponent { run, name: row.get(1)?, step: row.get(2)? });
            }
            Ok(found)
        })
    }
}

/// Whether the file has the table: one of an earlier schema that is only read may not.
fn has_table(connection: &Connection) -> Result<bool, StoreError> {
    let sql = "SELECT count(*) > 0 FROM sqlite_schema WHERE name = 'judged_games'";
    Ok(connection.prepare_cached(sql)?.query_row([], |row| row.get(0))?)
}

#[cfg(test)]
mod tests {
    use super::super::testing;
    use super::*;

    #[test]
    fn the_newest_verdict_of_a_person_on_a_game_holds() {
        let mut fixture = testing::store();
        let (run, other) = (fixture.run("policy"), fixture.run("other"));
        let reference = Matchup { step: 20, other: None, other_step: 0 };
        let against = Matchup { other: Some(other.clone()), other_step: 10, ..reference.clone() };
        let new = |pair, said| NewVerdict { pair: PairId(pair), said, is_left: true };
        let store = &mut fixture.store;
        let mut say = |matchup: &Matchup, who: &str, pair, said| {
            store.judge_games(&run, matchup, who, &[new(pair, said)]).unwrap();
        };
        say(&reference, "anna", 3, Some(Said::Win));
        say(&reference, "bob", 3, Some(Said::Tie));
        say(&against, "anna", 3, Some(Said::Loss));
        say(&reference, "anna", 4, Some(Said::Skip));
        say(&reference, "anna", 3, None);
        say(&reference, "anna", 4, Some(Said::Win));
        let found = fixture.store.judged_games(&run).unwrap();
        let seen: Vec<_> = found
            .iter()
            .map(|it| (&it.matchup, it.reviewer.as_str(), it.pair.0, it.said))
            .collect();
        assert_eq!(
            seen,
            [
                (&reference, "bob", 3, Said::Tie),
                (&against, "anna", 3, Said::Loss),
                (&reference, "anna", 4, Said::Win)
            ]
        );
        assert_eq!(fixture.store.judged_games(&other).unwrap(), []);
        assert!(fixture.store.opponents(&run).unwrap().is_empty(), "none was evaluated");
        let unknown = Matchup { other: Some(RunId::from_bits(9)), ..against };
        assert!(fixture.store.judge_games(&run, &unknown, "anna", &[]).is_err());
    }
}
