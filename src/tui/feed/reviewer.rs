//! The thread behind the samples screen. It keeps the columns of one round and the list over them,
//! and records decisions in the order of the key presses, so that the next page shows them.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use crate::domain::policy::judging::Matchup;
use crate::domain::policy::veto::RolloutKey;
use crate::domain::preference::PairId;
use crate::domain::review::columns::side_of;
use crate::domain::review::goal::{Progress, pace_ms};
use crate::domain::review::{Choice, Order, Queue, SampleFilter};
use crate::domain::run::{RunId, RunStatus};
use crate::domain::text::clean::clean_line;
use crate::domain::verdict::Verdict;
use crate::store::judging::NewVerdict;
use crate::store::{Access, Decision, Home, ReviewState, RoundReview, Shown, Store, StoreError};

use super::clean::{clean_opinions, clean_sample};
use super::samples::{Find, Found, Judged, Request, SamplesData, Target, Wanted};
use crate::tui::kit::decisions;
use crate::tui::kit::words::with_hint;
use crate::tui::outlet::Outlet;

/// How often the database is asked whether it has changed while the screen is shown.
const POLL: Duration = Duration::from_millis(250);
/// While it is not shown, only requests wake the thread.
const IDLE: Duration = Duration::from_hours(1);

const CHANGED: &str = "the list has changed meanwhile: nothing was decided";

/// Answers requests until the interface is gone; decisions are those of a person of this name.
pub fn serve(home: &Home, name: String, requests: &Receiver<Request>, to: &Outlet<Found>) {
    let mut reviewer = Reviewer::new(home.clone(), name);
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
    /// The person whose decisions are recorded.
    name: String,
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
    /// The rows of a queue in ascending order, to find a pair among them.
    sorted: Vec<u32>,
}

impl Reviewer {
    /// A reviewer that has read nothing.
    pub fn new(home: Home, name: String) -> Self {
        Self {
            home,
            name,
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
            Request::Decide { run, target, verdict, queue, judged } => {
                let pairs = match target {
                    Target::Pairs(pairs) => pairs,
                    Target::Listed(n) => match self.listed(&run) {
                        pairs if pairs.len() == n => pairs,
                        // The list has changed since the person agreed, so nothing is decided.
                        _ => return Some(Found::Refused(CHANGED.to_owned())),
                    },
                };
                self.decide(&run, &pairs, self.decision(verdict, queue, judged))
            }
            Request::FindLike { run, pair } => return Some(self.find_like(run, pair)),
            Request::Amend { run, pair, reason, comment } => {
                self.amend(&run, pair, reason.as_deref(), comment.as_deref())
            }
            Request::VetoRollout { run, key, is_veto } => self.veto_rollout(&run, key, is_veto),
            Request::JudgeGames { run, matchup, verdicts } => {
                self.judge_games(&run, &matchup, &verdicts)
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

    fn decision(
        &self,
        verdict: Verdict,
        queue: Option<Queue>,
        judged: Option<Judged>,
    ) -> Decision<'_> {
        let decision =
            Decision { queue, reviewer: Some(self.name.as_str()), ..Decision::new(verdict) };
        let Some(Judged { choice, left, is_blind }) = judged else { return decision };
        let reason = (choice == Choice::Neither).then_some(decisions::NEITHER);
        let better = choice.side(left);
        let verdict = if better.is_none() { Verdict::Veto } else { verdict };
        Decision { verdict, better, reason, shown: Some(Shown { left, is_blind }), ..decision }
    }

    fn decide(
        &self,
        run: &RunId,
        pairs: &[PairId],
        decision: Decision<'_>,
    ) -> Result<String, StoreError> {
        let mut store = self.writer()?;
        let recorded = store.decide(run, pairs, decision)?;
        let has_ended = store.find_run(&run.to_string())?.status == RunStatus::Finished;
        Ok(decisions::recorded(&recorded, pairs.len(), &decision, has_ended))
    }

    fn amend(
        &self,
        run: &RunId,
        pair: PairId,
        reason: Option<&str>,
        comment: Option<&str>,
    ) -> Result<String, StoreError> {
        let found = self.writer()?.amend_verdict(run, pair, Some(&self.name), [reason, comment])?;
        Ok(match (found, reason) {
            (false, _) => format!("nothing of yours is in force about {pair}"),
            (true, Some(reason)) => format!("{pair}: {reason} · u undoes the decision"),
            (true, None) => format!("the comment on {pair} is kept"),
        })
    }

    fn veto_rollout(
        &self,
        run: &RunId,
        key: RolloutKey,
        is_veto: bool,
    ) -> Result<String, StoreError> {
        self.writer()?.veto_rollout(run, key, is_veto, Some(&self.name))?;
        let pair = PairId(key.pair);
        Ok(match (key.answer, is_veto) {
            (None, true) => {
                format!(
                    "the prompt of {pair} is vetoed: no step that is still to learn uses it · u undoes"
                )
            }
            (None, false) => format!("the prompt of {pair} is back: steps to come may use it"),
            (Some((step, answer)), true) => {
                format!("answer {answer} to {pair} leaves step {step} · u undoes")
            }
            (Some((step, answer)), false) => {
                format!("answer {answer} to {pair} is back in step {step}")
            }
        })
    }

    /// Says nothing of the side that won: the sitting is blind to its end.
    fn judge_games(
        &self,
        run: &RunId,
        matchup: &Matchup,
        verdicts: &[NewVerdict],
    ) -> Result<String, StoreError> {
        self.writer()?.judge_games(run, matchup, &self.name, verdicts)?;
        let is_taken_back = verdicts.last().is_some_and(|it| it.said.is_none());
        let words = if is_taken_back { "taken back: judge it again" } else { "kept" };
        Ok(words.to_owned())
    }

    fn undo(&self, run: &RunId, is_undo: bool) -> Result<String, StoreError> {
        let mut store = self.writer()?;
        let mine = Some(self.name.as_str());
        let batch =
            if is_undo { store.undo_verdict(run, mine)? } else { store.redo_verdict(run, mine)? };
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
            if let Some(review) = &mut self.review {
                review.state = ReviewState::of(Some(&self.name));
            }
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
            let mut sorted = order.queue().map_or_else(Vec::new, |_| rows.clone());
            sorted.sort_unstable();
            List { filter, order, n_refreshed, rows, sorted }
        };
        let data = data(store, review, &list, (wanted, &self.name));
        self.list = Some(list);
        Ok(Found::Data(Box::new(data?)))
    }
}

fn data(
    store: &Store,
    review: &RoundReview,
    list: &List,
    (wanted, name): (&Wanted, &str),
) -> Result<SamplesData, StoreError> {
    let rows = &list.rows;
    let found = find(review, rows, wanted, name);
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
    let panel = &review.state.panel;
    let pairs = shown.iter().map(|row| review.pair(*row));
    let judged = pairs.filter(|pair| panel.get(name, *pair).is_some()).collect();
    let said = rows.get(cursor).map(|row| panel.of_pair(review.pair(*row))).unwrap_or_default();
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
        judged,
        progress: progress(review, list, name),
        said: said.into_iter().map(|(name, judgment)| (clean_line(&name), judgment)).collect(),
        agreements: panel.agreements(),
    })
}

/// The line that is looked for, where it is in the list.
fn find(review: &RoundReview, rows: &[u32], wanted: &Wanted, name: &str) -> Option<usize> {
    let is_open = |row: &u32| {
        let pair = review.pair(*row);
        let is_decided = !wanted.is_second && review.state.verdicts.get(pair).is_some();
        // Outside a queue a decision that was lifted leaves a pair open.
        let is_mine =
            wanted.order.queue().is_some() && review.state.panel.get(name, pair).is_some();
        !is_decided && !is_mine
    };
    match wanted.find? {
        Find::Pair(pair) => {
            let row = review.columns.row_of(pair)?;
            rows.iter().position(|other| *other as usize == row)
        }
        Find::Undecided => {
            Some(rows.iter().position(is_open).unwrap_or(rows.len().saturating_sub(1)))
        }
        Find::OpenFrom(from) => {
            let from = from.min(rows.len());
            rows[from..].iter().position(is_open).map(|at| from + at)
        }
        Find::OpenBefore(to) => rows[..to.min(rows.len())].iter().rposition(is_open),
    }
}

/// How far a reviewer is in a queue; nothing in a list.
fn progress(review: &RoundReview, list: &List, name: &str) -> Progress {
    let mut progress = Progress::default();
    if list.order.queue().is_none() {
        return progress;
    }
    for (pair, judgment) in review.state.panel.judged_by(name) {
        let Some(row) = review.columns.row_of(pair) else { continue };
        if list.sorted.binary_search(&(row as u32)).is_err() {
            continue;
        }
        progress.n_done += 1;
        let label = side_of(review.columns.margin(row));
        if let (Some(mine), Some(its)) = (judgment.preferred, label) {
            progress.n_compared += 1;
            progress.n_against += usize::from(mine != its);
        }
    }
    progress.pace_ms = pace_ms(&review.state.times);
    progress
}

#[cfg(test)]
mod tests;
