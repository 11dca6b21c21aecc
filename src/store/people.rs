//! What people write about a run: verdicts and requests, both append-only.

use rusqlite::Connection;

use super::clock::now_ms;
use super::error::StoreError;
use super::rows::RequestRow;
use super::{Store, runs};
use crate::domain::preference::PairId;
use crate::domain::run::{RequestKind, RunId};
use crate::domain::verdict::{Verdict, VerdictSet};

impl Store {
    /// Asks something of a run's worker; returns the request's row.
    ///
    /// # Errors
    /// When there is no such run, or the database cannot be written.
    pub fn add_request(&mut self, run: &RunId, kind: RequestKind) -> Result<i64, StoreError> {
        self.write(|transaction| {
            let key = runs::key(transaction, run)?;
            transaction.execute(
                "INSERT INTO requests (run, kind, at_ms) VALUES (?1, ?2, ?3)",
                (key, kind.name(), now_ms()),
            )?;
            Ok(transaction.last_insert_rowid())
        })
    }

    /// Requests after the last one that a `request_read` event names, the oldest first. What was
    /// asked of an earlier attempt is void: a run that is resumed must not stop for an old reason.
    ///
    /// # Errors
    /// When there is no such run.
    pub fn unread_requests(&self, run: &RunId) -> Result<Vec<RequestRow>, StoreError> {
        self.read(|connection| {
            let key = runs::key(connection, run)?;
            let mut statement = connection.prepare_cached(
                "SELECT id, kind FROM requests WHERE run = ?1
                 AND id > (SELECT last_request_read FROM run_states WHERE run = ?1)
                 AND id > coalesce(
                     (SELECT last_request_before FROM heartbeats WHERE run = ?1), 0)
                 ORDER BY id",
            )?;
            let mut rows = statement.query([key])?;
            let mut requests = Vec::new();
            while let Some(row) = rows.next()? {
                let kind = runs::word(row, 1, "request", RequestKind::from_name)?;
                requests.push(RequestRow { id: row.get(0)?, kind });
            }
            Ok(requests)
        })
    }

    /// Records a decision about a pair; returns the verdict's row.
    ///
    /// # Errors
    /// When there is no such run, or its data set has no such pair.
    pub fn add_verdict(
        &mut self,
        run: &RunId,
        pair: PairId,
        verdict: Verdict,
        reason: Option<&str>,
    ) -> Result<i64, StoreError> {
        self.write(|transaction| {
            let key = runs::key(transaction, run)?;
            require_pair(transaction, key, pair)?;
            transaction.execute(
                "INSERT INTO verdicts (run, pair, verdict, reason, at_ms)
                 VALUES (?1, ?2, ?3, ?4, ?5)",
                (key, pair.0, verdict.name(), reason, now_ms()),
            )?;
            Ok(transaction.last_insert_rowid())
        })
    }

    /// The verdicts in force, of all rows or of the rows up to one, and the last row's id (0 for
    /// none).
    ///
    /// # Errors
    /// When there is no such run.
    pub fn verdicts(
        &self,
        run: &RunId,
        up_to: Option<i64>,
    ) -> Result<(VerdictSet, i64), StoreError> {
        self.read(|connection| {
            let key = runs::key(connection, run)?;
            verdict_set(connection, key, up_to.unwrap_or(i64::MAX))
        })
    }

    /// The pair of the newest verdict that is not undone, for undoing it.
    ///
    /// # Errors
    /// When there is no such run.
    pub fn latest_verdict(&self, run: &RunId) -> Result<Option<(PairId, Verdict)>, StoreError> {
        self.read(|connection| {
            let key = runs::key(connection, run)?;
            let mut statement = connection.prepare_cached(
                "SELECT pair, verdict FROM (
                     SELECT pair, verdict, max(id) AS newest FROM verdicts
                     WHERE run = ?1 GROUP BY pair)
                 WHERE verdict <> 'undo' ORDER BY newest DESC LIMIT 1",
            )?;
            let mut rows = statement.query([key])?;
            let Some(row) = rows.next()? else { return Ok(None) };
            let verdict = runs::word(row, 1, "verdict", verdict_from_name)?;
            Ok(Some((PairId(row.get(0)?), verdict)))
        })
    }
}

pub(super) fn verdict_set(
    connection: &Connection,
    run: i64,
    up_to: i64,
) -> Result<(VerdictSet, i64), StoreError> {
    let sql = "SELECT id, pair, verdict FROM verdicts WHERE run = ?1 AND id <= ?2 ORDER BY id";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query((run, up_to))?;
    let mut verdicts = VerdictSet::default();
    let mut last = 0;
    while let Some(row) = rows.next()? {
        last = row.get(0)?;
        verdicts.record(PairId(row.get(1)?), runs::word(row, 2, "verdict", verdict_from_name)?);
    }
    Ok((verdicts, last))
}

fn verdict_from_name(name: &str) -> Option<Verdict> {
    [Verdict::Veto, Verdict::Keep, Verdict::Flip, Verdict::Undo]
        .into_iter()
        .find(|verdict| verdict.name() == name)
}

fn require_pair(connection: &Connection, run: i64, pair: PairId) -> Result<(), StoreError> {
    let sql = "SELECT dataset, n_pairs FROM runs JOIN datasets ON datasets.key = runs.dataset
               WHERE runs.key = ?1";
    let (dataset, n_pairs): (i64, i64) =
        connection.prepare_cached(sql)?.query_row([run], |row| Ok((row.get(0)?, row.get(1)?)))?;
    if i64::from(pair.0) < n_pairs {
        Ok(())
    } else {
        Err(StoreError::UnknownPair { dataset, pair: pair.0 })
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing;
    use super::*;
    use crate::domain::event::RunEvent;

    #[test]
    fn verdicts_are_replayed_up_to_a_row() {
        let mut fixture = testing::store();
        let run = fixture.run("a");
        let store = &mut fixture.store;
        assert_eq!(store.verdicts(&run, None).unwrap(), (VerdictSet::default(), 0));
        let veto = store.add_verdict(&run, PairId(1), Verdict::Veto, Some("wrong")).unwrap();
        let flip = store.add_verdict(&run, PairId(2), Verdict::Flip, None).unwrap();
        assert_eq!(store.find_run("a").unwrap().n_vetoed, 1);
        assert_eq!(store.latest_verdict(&run).unwrap(), Some((PairId(2), Verdict::Flip)));
        let undo = store.add_verdict(&run, PairId(1), Verdict::Undo, None).unwrap();
        let (all, last) = store.verdicts(&run, None).unwrap();
        assert_eq!((all.get(PairId(1)), last), (None, undo));
        let (early, last) = store.verdicts(&run, Some(veto)).unwrap();
        assert_eq!((early.get(PairId(1)), early.len(), last), (Some(Verdict::Veto), 1, veto));
        assert!(flip < undo);
        assert_eq!(store.find_run("a").unwrap().n_vetoed, 0);
        assert_eq!(store.runs().unwrap()[0].n_vetoed, 0);
        let error = store.add_verdict(&run, PairId(999), Verdict::Veto, None).unwrap_err();
        assert!(matches!(error, StoreError::UnknownPair { pair: 999, .. }), "{error}");
    }

    #[test]
    fn requests_stay_unread_until_an_event_says_so() {
        let mut fixture = testing::store();
        let run = fixture.run("a");
        let attempt = fixture.begin(&run);
        let pause = fixture.store.add_request(&run, RequestKind::Pause).unwrap();
        let stop = fixture.store.add_request(&run, RequestKind::Stop).unwrap();
        let unread = fixture.store.unread_requests(&run).unwrap();
        assert_eq!(unread.iter().map(|request| request.id).collect::<Vec<_>>(), [pause, stop]);
        let event = RunEvent::RequestRead { request_id: pause, kind: RequestKind::Pause };
        fixture.apply(&run, attempt, vec![event]);
        let unread = fixture.store.unread_requests(&run).unwrap();
        assert_eq!(unread, [RequestRow { id: stop, kind: RequestKind::Stop }]);
    }
}
