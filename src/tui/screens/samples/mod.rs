//! The samples screen: the pairs a run scored, and what a person decides about them.
//!
//! A list can hold a million pairs. The screen knows the lines around its cursor and the pair under
//! it; a thread of its own ([`crate::tui::feed::reviewer`]) keeps the columns of the round and answers
//! with both. The same thread records decisions.

pub mod command;
pub mod judging;
pub mod keys;
pub mod layout;
mod marks;
pub mod open;
mod pair;
#[cfg(test)]
mod pictures;
mod popups;
pub mod queue;
mod queue_view;
mod queue_words;
pub mod refuse;
#[cfg(test)]
mod tests;
pub mod update;
pub mod view;
mod words;

use std::collections::BTreeSet;

use crate::domain::preference::PairId;
use crate::domain::review::Order;
use crate::domain::run::RunId;
use crate::domain::selection::LeftOut;
use crate::domain::verdict::Verdict;
use crate::tui::feed::samples::{Find, SamplesData, Wanted};

use judging::Judging;

/// Where the moving keys go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Pane {
    #[default]
    List,
    Prompt,
    A,
    B,
}

impl Pane {
    /// All of them, in the order of the Tab key.
    pub const ALL: [Self; 4] = [Self::List, Self::Prompt, Self::A, Self::B];
}

/// What a line of text on this screen is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SamplesPrompt {
    /// A comment on the decision about a pair.
    Comment(PairId),
    /// A pair to go to.
    GoTo,
}

/// A decision about one pair, made here or on the live screen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decided {
    pub run: RunId,
    pub pair: PairId,
}

/// The state of the screen.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Samples {
    /// The run whose pairs are shown.
    pub run: Option<RunId>,
    /// The round; `None` takes the latest, which is then kept.
    pub round: Option<u32>,
    /// The filter as typed; one that cannot be read is never put here.
    pub filter: String,
    /// The order of the list.
    pub order: Order,
    /// How often the list was to be read again.
    pub n_refreshed: u32,
    /// Where to go in the next list: a pair, or the first one to be done.
    pub find: Option<Find>,
    /// Index of the selected pair in the list.
    pub cursor: usize,
    /// Lines scrolled off the top.
    pub offset: usize,
    /// Which pane has the keys.
    pub pane: Pane,
    /// Lines scrolled off the top of prompt and answers.
    pub scrolled: [usize; 3],
    /// Whether lines of the texts are cut at the edge of their pane, not wrapped.
    pub cuts_lines: bool,
    /// Columns of cut lines scrolled off to the left.
    pub n_left: usize,
    /// Whether the pane with the keys has the whole screen.
    pub is_zoomed: bool,
    /// Whether words that both answers share are drawn dim.
    pub has_diff: bool,
    /// Whether the human label is shown. Never kept: it would bias the next decision.
    pub shows_gold: bool,
    /// Pairs marked for the next decision.
    pub marked: BTreeSet<PairId>,
    /// Where a range began.
    pub range_from: Option<usize>,
    /// The latest decision about one pair: a reason or a comment can follow it.
    pub decided: Option<Decided>,
    /// Whether the next digit is its reason.
    pub takes_reason: bool,
    /// What was read last.
    pub data: Option<Box<SamplesData>>,
    /// Whether the run is known to have scored nothing yet.
    pub has_none: bool,
    /// Why nothing can be shown.
    pub failure: Option<String>,
    /// Lists with a name from the config file: name and filter.
    pub views: Vec<(String, String)>,
    /// What the reviewer was asked for last.
    pub asked: Option<Wanted>,
    /// What judging the pairs of a queue needs.
    pub judging: Judging,
}

impl Samples {
    /// The data, when they are of the run that is shown.
    pub fn current(&self) -> Option<&SamplesData> {
        self.data.as_deref().filter(|data| Some(&data.run) == self.run.as_ref())
    }

    /// The pair under the cursor.
    pub fn selected(&self) -> Option<PairId> {
        let data = self.current()?;
        data.line(self.cursor).map(|line| line.pair)
    }

    /// Why the pair under the cursor was left out, if it was.
    pub fn fate(&self) -> Option<LeftOut> {
        self.current()?.line(self.cursor)?.left_out
    }

    /// The pairs of the next decision: the marked ones, or the one under the cursor.
    pub fn targets(&self) -> Vec<PairId> {
        if self.marked.is_empty() {
            self.selected().into_iter().collect()
        } else {
            self.marked.iter().copied().collect()
        }
    }

    /// The pair a comment is about: the one just decided, or a decided one under the cursor.
    pub fn comment_on(&self) -> Option<PairId> {
        let line = self.current()?.line(self.cursor)?;
        let decided = self.decided.as_ref().filter(|it| Some(&it.run) == self.run.as_ref());
        // In a queue the cursor has gone on, perhaps to a pair that somebody else has judged.
        let is_here =
            if self.is_queue() { self.is_judged(line.pair) } else { line.verdict.is_some() };
        if is_here { Some(line.pair) } else { decided.map(|it| it.pair) }
    }

    /// Puts the cursor on another line.
    fn go(&mut self, to: usize) {
        self.judging.has_stepped = false;
        if to != self.cursor {
            self.cursor = to;
            self.scrolled = [0; 3];
            self.n_left = 0;
            self.shows_gold = false;
        }
    }

    /// Notes that a person has decided about one pair, here or on the live screen: the next digit is
    /// the reason, unless nothing is wrong with the pair.
    pub fn note_decision(&mut self, run: RunId, pair: PairId, verdict: Verdict) {
        self.takes_reason = verdict != Verdict::Keep;
        self.decided = Some(Decided { run, pair });
    }
}
