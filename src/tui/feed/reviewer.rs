//! The thread behind the samples screen. It keeps the columns of one round and the list over them,
//! and records decisions in the order of the key presses, so that the next page shows them.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use crate::domain::preference::PairId;
use crate::domain::review::{Order, SampleFilter};
use crate::domain::run::RunId;
use crate::domain::verdict::Verdict;
use crate::store::{Access, Decision, Home, RoundReview, Store, StoreError};

use super::clean::{clean_opinions, clean_sample};
use super::samples::{Find, Found, Request, SamplesData, Target, Wanted};
use crate::tui::kit::decisions;
use crate::tui::kit::words::with_hint;
use crate::tui::outlet::Outlet;

/// How often the database is asked whether it has changed while the screen is shown.
const POLL: Duration = Duration::from_millis(250);
/// While it is not shown, only requests wake the thread.
const IDLE: Duration = Duration::from_hours(1);

const CHANGED: &str = "the list has changed meanwhile: nothing was decided";

/// Answers requests until the interface is gone.
pub fn serve(home: &Home, requests: &Receiver<Request>, to: &Outlet<Found>) {
    let mut reviewer = Reviewer::new(home.clone());
    loop {
        let wait = if reviewer.wanted.is_some() { POLL } else { IDLE };
        let mut is_asked = false;
        match requests.recv_timeout(wait) {
            Ok(first) => {
                for request in std::iter::once(first).chain(requests.try_iter()) {
                    is_asked = true;
                    let Some(answer) = reviewer.take(request) else { continue };
                    if !to.send(answer) {
                        return;
                    }
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        let Some(found) = reviewer.poll(is_asked) else { continue };
        if !to.send(found) {
            return;
        }
    }
}

/// Keeps what is shown of a round, and writes decisions.
pub struct Reviewer {
    home: Home,
    store: Option<Store>,
    wanted: Option<Wanted>,
    version: Option<i64>,
    review: Option<RoundReview>,
    list: Option<List>,
    /// What was sent last: the same is not sent again.
    sent: Option<Found>,
}

/// A list over the columns. It does not change while a person works through it, since rows must not
/// jump when they are decided.
struct List {
    filter: String,
    order: Order,
    n_refreshed: u32,
    rows: Vec<u32>,
}

impl Reviewer {
    /// A reviewer that has read nothing.
    pub fn new(home: Home) -> Self {
        Self {
            home,
            store: None,
            wanted: None,
            version: None,
            review: None,
            list: None,
            sent: None,
        }
    }

    /// Does a request; what a person should be told of it.
    pub fn take(&mut self, request: Request) -> Option<Found> {
        let outcome = match request {
            Request::Show(wanted) => {
                self.wanted = Some(wanted);
                return None;
            }
            Request::Hide => {
                self.wanted = None;
                self.sent = None;
                return None;
            }
            Request::Decide { run, target, verdict, queue } => {
                let pairs = match target {
                    Target::Pairs(pairs) => pairs,
                    Target::Listed(n) => match self.listed(&run) {
                        pairs if pairs.len() == n => pairs,
                        // The list has changed since the person agreed, so nothing is decided.
                        _ => return Some(Found::Refused(CHANGED.to_owned())),
                    },
                };
                let decision = Decision { queue, ..Decision::new(verdict) };
                self.decide(&run, &pairs, decision)
            }
            Request::FindLike { run, pair } => return Some(self.find_like(run, pair)),
            Request::Amend { run, pair, reason, comment } => {
                self.amend(&run, pair, reason.as_deref(), comment.as_deref())
            }
            Request::Undo(run) => self.undo(&run, true),
            Request::Redo(run) => self.undo(&run, false),
        };
        // The next page shows the decision, or that it was not made.
        self.sent = None;
        Some(match outcome {
            Ok(words) => Found::Recorded(words),
            Err(error) => Found::Refused(with_hint(&error.to_string(), error.hint())),
        })
    }

    fn writer(&self) -> Result<Store, StoreError> {
        Store::open(&self.home, Access::ReadWrite)
    }

    fn decide(
        &self,
        run: &RunId,
        pairs: &[PairId],
        decision: Decision<'_>,
    ) -> Result<String, StoreError> {
        self.writer()?.decide(run, pairs, decision)?;
        let done = decisions::done(decision.verdict);
        Ok(match pairs {
            [pair] if decision.verdict == Verdict::Keep => format!("{done} {pair} · u undoes"),
            [pair] => format!(
                "{done} {pair} · 1-9 says why: 1 {} 2 {} 3 {} … · u undoes",
                decisions::REASONS[0],
                decisions::REASONS[1],
                decisions::REASONS[2]
            ),
            _ => format!("{done} {} pairs · u undoes all of them", pairs.len()),
        })
    }

    fn amend(
        &self,
        run: &RunId,
        pair: PairId,
        reason: Option<&str>,
        comment: Option<&str>,
    ) -> Result<String, StoreError> {
        let found = self.writer()?.amend_verdict(run, pair, reason, comment)?;
        Ok(match (found, reason) {
            (false, _) => format!("nothing is decided about {pair}"),
            (true, Some(reason)) => format!("{pair}: {reason} · u undoes the decision"),
            (true, None) => format!("the comment on {pair} is kept"),
        })
    }

    fn undo(&self, run: &RunId, is_undo: bool) -> Result<String, StoreError> {
        let mut store = self.writer()?;
        let batch = if is_undo { store.undo_verdict(run)? } else { store.redo_verdict(run)? };
        Ok(match (batch, is_undo) {
            (Some(batch), true) => {
                format!("took back: {} · Ctrl-r redoes", decisions::batch(&batch))
            }
            (Some(batch), false) => format!("again: {} · u undoes", decisions::batch(&batch)),
            (None, true) => "nothing to undo".to_owned(),
            (None, false) => "nothing to redo".to_owned(),
        })
    }

    /// The near-duplicates of a pair that the round shown has scored too.
    fn find_like(&self, run: RunId, pair: PairId) -> Found {
        let Some(review) = self.review.as_ref().filter(|review| review.run == run) else {
            return Found::Refused("the pairs of this run are still being read".to_owned());
        };
        let found = Store::open(&self.home, Access::ReadOnly)
            .and_then(|store| store.scored_like(review, pair));
        match found {
            Ok(found) => Found::Like { run, pair, found },
            Err(error) => Found::Refused(with_hint(&error.to_string(), error.hint())),
        }
    }

    /// The pairs of the list, as it is shown.
    pub fn listed(&self, run: &RunId) -> Vec<PairId> {
        match (&self.review, &self.list) {
            (Some(review), Some(list)) if review.run == *run => {
                list.rows.iter().map(|row| review.pair(*row)).collect()
            }
            _ => Vec::new(),
        }
    }

    /// What there is to show, when it is something else than before.
    pub fn poll(&mut self, is_asked: bool) -> Option<Found> {
        let wanted = self.wanted.clone()?;
        let found = match self.read(&wanted, is_asked) {
            Ok(found) => found?,
            Err(error) => {
                self.store = None;
                self.review = None;
                Found::Failed(with_hint(&error.to_string(), error.hint()))
            }
        };
        if self.sent.as_ref() == Some(&found) {
            return None;
        }
        self.sent = Some(found.clone());
        Some(found)
    }

    fn read(&mut self, wanted: &Wanted, is_asked: bool) -> Result<Option<Found>, StoreError> {
        let store = match self.store.take() {
            Some(store) => store,
            None => Store::open(&self.home, Access::ReadOnly)?,
        };
        let version = store.data_version()?;
        let has_changed = self.version != Some(version);
        if !has_changed && !is_asked && self.sent.is_some() {
            self.store = Some(store);
            return Ok(None);
        }
        let outcome = self.read_from(&store, wanted, has_changed);
        self.version = Some(version);
        self.store = Some(store);
        outcome.map(Some)
    }

    fn read_from(
        &mut self,
        store: &Store,
        wanted: &Wanted,
        has_changed: bool,
    ) -> Result<Found, StoreError> {
        let is_fitting = |review: &RoundReview| {
            review.run == wanted.run && wanted.round.is_none_or(|round| round == review.round)
        };
        let keeps = match &self.review {
            Some(review) if is_fitting(review) => !has_changed || !store.is_outdated(review)?,
            _ => false,
        };
        if !keeps {
            self.list = None;
            self.review = store.round_review(&wanted.run, wanted.round)?;
        }
        let Some(review) = &mut self.review else {
            return Ok(Found::Nothing(wanted.run.clone()));
        };
        store.refresh_review(&wanted.run, &mut review.state)?;
        let is_same = |list: &List| {
            list.filter == wanted.filter
                && list.order == wanted.order
                && list.n_refreshed == wanted.n_refreshed
        };
        let list = if let Some(list) = self.list.take().filter(is_same) {
            list
        } else {
            // Only filters that can be read get here.
            let filter = SampleFilter::parse(&wanted.filter).unwrap_or_default();
            let rows = store.review_rows(review, &filter, wanted.order)?;
            let Wanted { filter, order, n_refreshed, .. } = wanted.clone();
            List { filter, order, n_refreshed, rows }
        };
        let data = data(store, review, &list, wanted);
        self.list = Some(list);
        Ok(Found::Data(Box::new(data?)))
    }
}

fn data(
    store: &Store,
    review: &RoundReview,
    list: &List,
    wanted: &Wanted,
) -> Result<SamplesData, StoreError> {
    let rows = &list.rows;
    let found = match wanted.find {
        None | Some(Find::OpenFrom(_) | Find::OpenBefore(_)) => None,
        Some(Find::Pair(pair)) => {
            let row = review.columns.row_of(pair);
            row.and_then(|row| rows.iter().position(|other| *other as usize == row))
        }
        Some(Find::Undecided) => Some(review.audit_position().min(rows.len().saturating_sub(1))),
    };
    let is_open = |row: &u32| review.state.verdicts.get(review.pair(*row)).is_none();
    let found = match wanted.find {
        Some(Find::OpenFrom(from)) => {
            let from = from.min(rows.len());
            rows[from..].iter().position(is_open).map(|at| from + at)
        }
        Some(Find::OpenBefore(to)) => rows[..to.min(rows.len())].iter().rposition(is_open),
        _ => found,
    };
    let cursor = found.unwrap_or(wanted.cursor).min(rows.len().saturating_sub(1));
    let first = match found {
        Some(found) => found.saturating_sub(wanted.n / 2),
        None => wanted.first.min(rows.len()),
    };
    let shown = &rows[first..(first + wanted.n).min(rows.len())];
    let lines = store.sample_lines(review, shown)?.into_iter().map(clean_sample).collect();
    let pair = match rows.get(cursor) {
        Some(row) => store.pair_opinions(&review.run, review.round, review.pair(*row))?,
        None => None,
    };
    let count = |verdict| review.state.verdicts.count(verdict);
    Ok(SamplesData {
        run: review.run.clone(),
        round: review.round,
        rounds: review.rounds.clone(),
        wanted: wanted.clone(),
        n_scored: review.columns.len(),
        n_selected: review.n_selected(),
        n_listed: rows.len(),
        first,
        lines,
        found,
        pair: pair.map(|pair| Box::new(clean_opinions(pair))),
        floor: review.floor,
        n_decided: [Verdict::Veto, Verdict::Keep, Verdict::Flip].map(count),
        estimate: review.precision(),
        undo: review.state.undo.clone(),
        redo: review.state.redo.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::review::Queue;
    use crate::store::testing;

    struct World {
        fixture: testing::Fixture,
        run: RunId,
        reviewer: Reviewer,
    }

    fn world() -> World {
        let mut fixture = testing::store();
        let run = fixture.run("a");
        let reviewer = Reviewer::new(fixture.home.clone());
        World { fixture, run, reviewer }
    }

    fn wanted(run: &RunId) -> Wanted {
        Wanted {
            run: run.clone(),
            round: None,
            filter: String::new(),
            order: Order::LeastConfident,
            n_refreshed: 0,
            first: 0,
            n: 10,
            cursor: 0,
            find: None,
        }
    }

    impl World {
        fn show(&mut self, wanted: Wanted) -> Option<Found> {
            self.reviewer.take(Request::Show(wanted));
            self.reviewer.poll(true)
        }

        fn data(&mut self, wanted: Wanted) -> SamplesData {
            match self.show(wanted) {
                Some(Found::Data(data)) => *data,
                other => panic!("{other:?}"),
            }
        }

        fn decide(&mut self, target: Target, verdict: Verdict, queue: Option<Queue>) -> String {
            let run = self.run.clone();
            match self.reviewer.take(Request::Decide { run, target, verdict, queue }) {
                Some(Found::Recorded(words)) => words,
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn a_run_without_scores_says_so_until_it_has_some() {
        let mut world = world();
        let run = world.run.clone();
        assert_eq!(world.show(wanted(&run)), Some(Found::Nothing(run.clone())));
        assert_eq!(world.reviewer.poll(false), None, "nothing changed");
        let attempt = world.fixture.begin(&run);
        world.fixture.apply(&run, attempt, vec![testing::selection_made(1, 30)]);
        let Some(Found::Data(data)) = world.reviewer.poll(false) else { panic!() };
        assert_eq!((data.round, data.n_scored, data.n_listed), (1, 30, 30));
        assert_eq!(data.lines.len(), 10);
        assert_eq!(data.pair.unwrap().sample.pair, data.lines[0].pair);
    }

    #[test]
    fn decisions_are_on_the_disk_and_shown_while_the_list_stays() {
        let mut world = world();
        let run = world.run.clone();
        let attempt = world.fixture.begin(&run);
        world.fixture.apply(&run, attempt, vec![testing::selection_made(1, 30)]);
        let open = Wanted { filter: "verdict:none".to_owned(), ..wanted(&run) };
        let first = world.data(open.clone()).lines[0].pair;
        let words = world.decide(Target::Pairs(vec![first]), Verdict::Veto, None);
        assert!(words.starts_with("vetoed 0 · 1-9 says why"), "{words}");
        // Another connection has it at once.
        let (verdicts, _) = world.fixture.store.verdicts(&run, None).unwrap();
        assert_eq!(verdicts.get(first), Some(Verdict::Veto));
        let data = world.data(open.clone());
        assert_eq!((data.n_listed, data.lines[0].verdict), (30, Some(Verdict::Veto)));
        assert_eq!(data.undo.as_ref().unwrap().pair, first);
        let again = Wanted { n_refreshed: 1, ..open.clone() };
        assert_eq!(world.data(again).n_listed, 29, "asked for, the filter is applied again");
        let words = world.decide(Target::Listed(29), Verdict::Keep, None);
        assert_eq!(words, "kept 29 pairs · u undoes all of them");
        let stale = Target::Listed(30);
        let request = Request::Decide {
            run: run.clone(),
            target: stale,
            verdict: Verdict::Veto,
            queue: None,
        };
        assert_eq!(world.reviewer.take(request), Some(Found::Refused(CHANGED.to_owned())));
        let Some(Found::Recorded(words)) = world.reviewer.take(Request::Undo(run.clone())) else {
            panic!()
        };
        assert_eq!(words, "took back: kept 29 pairs · Ctrl-r redoes");
        let (verdicts, _) = world.fixture.store.verdicts(&run, None).unwrap();
        assert_eq!((verdicts.n_vetoed(), verdicts.count(Verdict::Keep)), (1, 0));
    }

    #[test]
    fn near_duplicates_are_those_of_the_round() {
        let mut world = world();
        let run = world.run.clone();
        let like = |world: &mut World, pair| {
            let run = world.run.clone();
            world.reviewer.take(Request::FindLike { run, pair: PairId(pair) })
        };
        assert!(matches!(like(&mut world, 3), Some(Found::Refused(_))), "nothing was read yet");
        let attempt = world.fixture.begin(&run);
        world.fixture.apply(&run, attempt, vec![testing::selection_made(1, 30)]);
        world.data(wanted(&run));
        let Some(Found::Like { pair, found, .. }) = like(&mut world, 3) else { panic!() };
        assert_eq!((pair, found), (PairId(3), Vec::new()), "the texts of the fixture differ");
        let filtered = Wanted { filter: "like:3".to_owned(), ..wanted(&run) };
        assert_eq!(world.data(filtered).n_listed, 1, "the pair itself");
    }

    #[test]
    fn pairs_are_found_and_a_new_round_does_not_take_the_list_away() {
        let mut world = world();
        let run = world.run.clone();
        let attempt = world.fixture.begin(&run);
        world.fixture.apply(&run, attempt, vec![testing::selection_made(1, 30)]);
        let find = |pair| Wanted { find: Some(Find::Pair(PairId(pair))), ..wanted(&run) };
        let data = world.data(find(17));
        assert_eq!(data.found, Some(17), "pairs are sorted by their number here");
        assert_eq!(data.pair.unwrap().sample.pair, PairId(17));
        assert_eq!(world.data(find(35)).found, None);
        let kept = Wanted { round: Some(1), ..wanted(&run) };
        world.data(kept);
        let later = crate::store::Attempt { next_seq: 2, ..attempt };
        world.fixture.apply(&run, later, vec![testing::selection_made(2, 30)]);
        let Some(Found::Data(data)) = world.reviewer.poll(false) else { panic!() };
        assert_eq!((data.round, &data.rounds[..]), (1, &[1, 2][..]));
    }

    #[test]
    fn a_missing_database_is_an_error_with_a_hint_and_is_tried_again() {
        let folder = tempfile::tempdir().unwrap();
        let mut reviewer = Reviewer::new(Home::new(folder.path().join("nothing")));
        reviewer.take(Request::Show(wanted(&RunId::from_bits(1))));
        let Some(Found::Failed(words)) = reviewer.poll(true) else { panic!() };
        assert!(words.contains("there is no database"), "{words}");
        assert_eq!(reviewer.poll(false), None, "said once");
    }
}
