//! The data thread: reads what the current screen needs whenever the database has changed.
//!
//! It has its own read-only connection, so a slow disk never delays a key. The event log is read
//! once and then continued; everything else is small and read again, so that a screen always shows
//! one state of the file.

use std::iter::Peekable;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use crate::analysis::forecast_of;
use crate::domain::run::{RunId, RunKind};
use crate::report::ReportError;
use crate::store::{Access, EventLine, Home, LossCurve, RunRow, Store, StoreError};

use super::clean::clean_row;
use super::compare::CompareReader;
use super::costs::CostReader;
use super::data::{Ghost, Interest, RunData, Snapshot};
use super::policy::PolicyData;
use super::resources::ResourceReader;
use crate::tui::kit::words::with_hint;
use crate::tui::outlet::Outlet;
use crate::tui::terminal::guard::panic_if_asked;

/// How often the database is asked whether it has changed.
const POLL: Duration = Duration::from_millis(250);
/// How often the processes behind running runs are looked at when nothing was written: a killed
/// worker writes nothing.
const LIVENESS: Duration = Duration::from_secs(2);
/// Lines of the event log that are kept in memory.
const N_LOG_LINES: usize = 500;
/// Events read at once to continue the log; a worker writes about a hundred a second.
const N_NEW_EVENTS: usize = 20_000;
/// Points of a loss curve: two for each column of the widest chart.
const N_LOSS_POINTS: usize = 400;
/// Sampled pairs to walk through.
const N_SAMPLED: usize = 24;
/// The order of the sampled pairs is the same in every round, so that a pair can be followed.
const DISPLAY_SEED: u64 = 1;

/// What the data thread says.
#[derive(Debug, Clone, PartialEq)]
pub enum Read {
    /// The database has changed, or something else is wanted of it.
    Snapshot(Box<Snapshot>),
    /// The store could not be read; one line says why.
    Failed(String),
}

/// Reads until the interface is gone.
pub fn watch(home: &Home, interests: &Receiver<Interest>, to: &Outlet<Read>) {
    let mut reader = Reader::new(home.clone());
    let mut wait = POLL;
    loop {
        match interests.recv_timeout(wait) {
            Ok(interest) => {
                // Only the last of several selections in a row is worth reading.
                reader.interest = interests.try_iter().last().unwrap_or(interest);
                reader.is_stale = true;
            }
            Err(RecvTimeoutError::Timeout) => panic_if_asked("data"),
            Err(RecvTimeoutError::Disconnected) => return,
        }
        let read = match reader.poll() {
            Ok(Some(snapshot)) => Read::Snapshot(Box::new(snapshot)),
            Ok(None) => continue,
            Err(error) => {
                reader.store = None;
                Read::Failed(with_hint(&error.to_string(), error.hint()))
            }
        };
        // A database that cannot be read is not asked four times a second.
        wait = if matches!(read, Read::Failed(_)) { LIVENESS } else { POLL };
        if !to.send(read) {
            return;
        }
    }
}

/// Milliseconds since 1970.
pub fn now_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |duration| duration.as_millis() as i64)
}

struct Reader {
    home: Home,
    store: Option<Store>,
    interest: Interest,
    /// The interest changed since the last read.
    is_stale: bool,
    /// Nothing was read through this connection yet.
    is_new: bool,
    /// Every run there is, shared with the model.
    known: Vec<Arc<RunRow>>,
    version: Option<i64>,
    read_at: Option<Instant>,
    has_workers: bool,
    log: Log,
    costs: CostReader,
    loss: LossCurve,
    ghost_loss: LossCurve,
    resources: ResourceReader,
    compare: CompareReader,
}

/// The event log of one run, as far as it was read.
#[derive(Default)]
struct Log {
    run: Option<RunId>,
    seq: u64,
    lines: Vec<EventLine>,
}

impl Reader {
    fn new(home: Home) -> Self {
        Self {
            home,
            store: None,
            interest: Interest::default(),
            is_stale: true,
            is_new: true,
            known: Vec::new(),
            version: None,
            read_at: None,
            has_workers: false,
            log: Log::default(),
            costs: CostReader::default(),
            loss: LossCurve::default(),
            ghost_loss: LossCurve::default(),
            resources: ResourceReader::default(),
            compare: CompareReader::default(),
        }
    }

    /// A snapshot if there is something new to show.
    fn poll(&mut self) -> Result<Option<Snapshot>, ReportError> {
        let store = match self.store.take() {
            Some(store) => store,
            None => match Store::open(&self.home, Access::ReadOnly) {
                // Before the first run there is no database, and looking makes none.
                Err(StoreError::Missing { .. }) => {
                    let is_new = self.read_at.is_none() || self.is_stale;
                    self.read_at = Some(Instant::now());
                    self.is_stale = false;
                    let planned = self.interest.planned.as_ref();
                    let costs = self.interest.costs.then(|| self.costs.first(&self.home, planned));
                    let (at_ms, runs) = (now_ms(), Some(Vec::new()));
                    let empty = Snapshot { at_ms, runs, costs, ..Snapshot::default() };
                    return Ok(is_new.then_some(empty));
                }
                store => {
                    (self.is_stale, self.is_new) = (true, true);
                    store?
                }
            },
        };
        let version = store.data_version()?;
        let is_due = self.has_workers && self.read_at.is_none_or(|at| at.elapsed() >= LIVENESS);
        let has_changed = is_due || self.is_new || self.version != Some(version);
        let snapshot =
            if self.is_stale || has_changed { Some(self.read(&store, has_changed)?) } else { None };
        self.version = Some(version);
        self.store = Some(store);
        Ok(snapshot)
    }

    /// Reads what is wanted. Ten thousand runs are not read again for another row under the cursor,
    /// only where the file `has_changed`.
    fn read(&mut self, store: &Store, has_changed: bool) -> Result<Snapshot, ReportError> {
        let needs_runs = has_changed || self.interest.costs;
        if needs_runs {
            let mut before = std::mem::take(&mut self.known).into_iter().peekable();
            store.each_run(|row| self.known.push(shared_with(&mut before, clean_row(row))))?;
            self.has_workers = self.known.iter().any(|row| row.status.wants_worker());
        }
        let runs = needs_runs.then(|| self.known.clone());
        let wanted = self.interest.run.clone();
        let run = wanted.filter(|id| self.known.iter().any(|row| row.id == *id));
        let run = run.map(|id| self.read_run(store, &id)).transpose()?;
        let wanted = self.interest.ghost.clone();
        let ghost = wanted.filter(|id| self.known.iter().any(|row| row.id == *id));
        let ghost = ghost.map(|id| self.read_ghost(store, id)).transpose()?;
        let planned = self.interest.planned.as_ref();
        let costs = match &runs {
            Some(runs) if self.interest.costs => Some(self.costs.read(store, runs, planned)?),
            _ => None,
        };
        let compare = match &self.interest.compare {
            Some(interest) => {
                let exists = |run: &RunId| self.known.iter().any(|row| row.id == *run);
                self.compare.read(store, interest, exists)?
            }
            None => None,
        };
        (self.is_stale, self.is_new) = (false, false);
        self.read_at = Some(Instant::now());
        Ok(Snapshot { at_ms: now_ms(), runs, run, ghost, costs, compare })
    }

    fn read_ghost(&mut self, store: &Store, run: RunId) -> Result<Ghost, StoreError> {
        let rounds = store.rounds(&run)?;
        let attempt = self.known.iter().find(|row| row.id == run).map_or(0, |row| row.attempt);
        store.continue_loss(&run, attempt, N_LOSS_POINTS, &mut self.ghost_loss)?;
        Ok(Ghost { run, rounds, loss: self.ghost_loss.points().to_vec() })
    }

    fn read_run(&mut self, store: &Store, run: &RunId) -> Result<RunData, StoreError> {
        self.log.read(store, run)?;
        let detail = store.run(run)?;
        let rounds = store.rounds(run)?;
        let selected = rounds.iter().rev().find(|round| round.selection.is_some());
        let (loss, sampled) = if self.interest.live {
            let sampled = selected.map_or(Ok(Vec::new()), |r| {
                store.sampled_pairs(run, r.round, N_SAMPLED, DISPLAY_SEED)
            });
            store.continue_loss(run, detail.row.attempt, N_LOSS_POINTS, &mut self.loss)?;
            (self.loss.points().to_vec(), sampled?)
        } else {
            (Vec::new(), Vec::new())
        };
        let worker = detail.worker.clone().filter(|_| detail.row.status.wants_worker());
        let mut data = RunData::new(detail, rounds, loss, &self.log.lines, sampled);
        data.has_curves = self.interest.live;
        data.loss_stride = self.loss.stride();
        data.resources = worker.and_then(|worker| self.resources.read(&worker));
        if data.detail.row.kind == RunKind::Policy {
            let Interest { answers, judging, .. } = &self.interest;
            data.policy = Some(PolicyData::read(store, run, *answers, judging.as_ref())?);
        }
        if let Some(spec) = &data.spec {
            data.forecast = forecast_of(spec, &data.detail, &data.rounds, &store.phases(run)?);
        }
        Ok(data)
    }
}

/// Shares a row with the previous snapshot if it has not changed: one running run must not make ten
/// thousand rows be built again four times a second. Both lists have the newest run first.
fn shared_with(
    before: &mut Peekable<impl Iterator<Item = Arc<RunRow>>>,
    row: RunRow,
) -> Arc<RunRow> {
    while before.next_if(|known| known.created_at_ms > row.created_at_ms).is_some() {}
    let known = before.next_if(|known| known.id == row.id);
    known.filter(|known| **known == row).unwrap_or_else(|| Arc::new(row))
}

impl Log {
    fn read(&mut self, store: &Store, run: &RunId) -> Result<(), StoreError> {
        if self.run.as_ref() != Some(run) {
            let lines = store.last_log_events(run, N_LOG_LINES)?;
            let seq = lines.last().map_or(0, |line| line.seq);
            *self = Self { run: Some(run.clone()), seq, lines };
        }
        let new = store.events_after(run, self.seq, N_NEW_EVENTS)?;
        self.seq = new.last().map_or(self.seq, |line| line.seq);
        self.lines.extend(new.into_iter().filter(|line| !is_curve(line)));
        let n_old = self.lines.len().saturating_sub(N_LOG_LINES);
        self.lines.drain(..n_old);
        Ok(())
    }
}

/// Whether the event only moves a curve or a bar. The tag comes first in the JSON.
fn is_curve(line: &EventLine) -> bool {
    let rest = line.body.strip_prefix(r#"{"event":""#).unwrap_or_default();
    if rest.starts_with("step_started\"") {
        // As `Store::last_log_events` has it.
        let told = [r#""step":"cross_fit""#, r#""step":"second_view""#];
        return !told.iter().any(|step| rest.contains(step));
    }
    ["train_step_taken\"", "progressed\""].iter().any(|name| rest.starts_with(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::event::RunEvent;
    use crate::domain::phase::Phase;
    use crate::store::testing;

    #[test]
    fn a_missing_database_is_an_empty_list_and_stays_missing() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::new(folder.path().join("nothing"));
        let mut reader = Reader::new(home.clone());
        assert_eq!(reader.poll().unwrap().unwrap().runs, Some(Vec::new()));
        assert!(reader.poll().unwrap().is_none());
        assert!(!home.root().exists());
    }

    #[test]
    fn only_changes_are_read_and_the_log_goes_on() {
        let mut fixture = testing::store();
        let run = fixture.run("first");
        let attempt = fixture.begin(&run);
        let mut reader = Reader::new(fixture.home.clone());
        reader.interest = Interest { run: Some(run.clone()), live: true, ..Interest::default() };
        let warned = |words: &str| RunEvent::Warned { message: words.to_owned() };
        let events = vec![warned("one"), testing::train_step(1, 0.7), warned("two")];
        fixture.apply(&run, attempt, events);
        let first = reader.poll().unwrap().unwrap().run.unwrap();
        let words =
            |data: &RunData| data.log.iter().map(|line| line.text.clone()).collect::<Vec<_>>();
        assert_eq!(words(&first)[first.log.len() - 2..], ["one", "two"]);
        assert_eq!(first.loss.len(), 1);
        assert!(reader.poll().unwrap().is_none(), "nothing changed");
        reader.is_stale = true;
        let moved = reader.poll().unwrap().unwrap();
        assert!(moved.runs.is_none() && moved.run.is_some(), "another row, the same runs");
        let later = crate::store::Attempt { next_seq: attempt.next_seq + 3, ..attempt };
        let events = vec![testing::train_step(2, 0.6), warned("\x1b[2Jthree")];
        fixture.apply(&run, later, events);
        let second = reader.poll().unwrap().unwrap().run.unwrap();
        assert_eq!(words(&second).last().unwrap(), "⟨ESC⟩[2Jthree");
        assert_eq!(second.log.len(), first.log.len() + 1);
    }

    #[test]
    fn rows_that_did_not_change_are_not_made_anew() {
        let mut fixture = testing::store();
        let (first, second) = (fixture.run("first"), fixture.run("second"));
        let mut reader = Reader::new(fixture.home.clone());
        let before = reader.poll().unwrap().unwrap().runs.unwrap();
        let attempt = fixture.begin(&second);
        let warned = RunEvent::Warned { message: "one".to_owned() };
        fixture.apply(&second, attempt, vec![warned]);
        fixture.run("third");
        let after = reader.poll().unwrap().unwrap().runs.unwrap();
        let place =
            |rows: &[Arc<RunRow>], run: &RunId| rows.iter().position(|row| row.id == *run).unwrap();
        assert_eq!((before.len(), after.len()), (2, 3));
        let of = |run| (&before[place(&before, run)], &after[place(&after, run)]);
        let (kept, now) = of(&first);
        assert!(Arc::ptr_eq(kept, now));
        let (kept, now) = of(&second);
        assert!(kept.status != now.status);
    }

    #[test]
    fn curve_events_are_told_by_their_tag() {
        let line = |body: &str| EventLine { seq: 1, attempt: 1, at_ms: 0, body: body.to_owned() };
        let json = serde_json::to_string(&testing::train_step(1, 0.5)).unwrap();
        assert!(is_curve(&line(&json)));
        assert!(!is_curve(&line(r#"{"event":"warned","message":"train_step_taken"}"#)));
        let begun = |step: Phase| RunEvent::StepStarted {
            round: 0,
            step,
            part: 0,
            n_parts: 3,
            n_before: 0,
            n_total: 72,
        };
        let is_curve_at = |step| is_curve(&line(&serde_json::to_string(&begun(step)).unwrap()));
        assert!(is_curve_at(Phase::Train) && is_curve_at(Phase::JudgeFold));
        assert!(!is_curve_at(Phase::CrossFit) && !is_curve_at(Phase::SecondView));
    }
}
