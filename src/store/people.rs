//! The requests that people make to a run's worker. Decisions about its pairs are in `verdicts`.

pub(crate) mod annotations;
pub(crate) mod opinions;
pub(crate) mod replay;
pub(crate) mod review;
pub(crate) mod undo;
pub(crate) mod verdicts;

use super::clock::now_ms;
use super::error::StoreError;
use super::rows::RequestRow;
use super::{Store, keys, runs};
use crate::domain::run::{RequestKind, RunId};
use crate::domain::text::clean::clean_line;

impl Store {
    /// Asks something of a run's worker; returns the request's row.
    ///
    /// # Errors
    /// When there is no such run, or the database cannot be written.
    pub fn add_request(&mut self, run: &RunId, kind: RequestKind) -> Result<i64, StoreError> {
        self.write(|transaction| {
            let key = keys::run(transaction, run)?;
            transaction.execute(
                "INSERT INTO requests (run, kind, at_ms, person) VALUES (?1, ?2, ?3, ?4)",
                (key, kind.name(), now_ms(), login_name()),
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
            let key = keys::run(connection, run)?;
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
                let kind = runs::word(row, 1, "request")?;
                requests.push(RequestRow { id: row.get(0)?, kind });
            }
            Ok(requests)
        })
    }
}

/// The name under which this person is logged in; empty where the system does not tell.
fn login_name() -> String {
    let told = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    clean_line(&told("USER").or_else(|| told("LOGNAME")).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::super::testing;
    use super::*;
    use crate::domain::event::RunEvent;

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
