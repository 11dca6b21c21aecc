//! The state of a queue beside the list.

use std::collections::BTreeSet;

use crate::domain::preference::{PairId, Side};
use crate::domain::review::Choice;
use crate::domain::review::goal::N_GOAL;
use crate::domain::verdict::Verdict;

/// What judging needs to know beside the list.
#[derive(Debug, Clone, PartialEq)]
pub struct Judging {
    /// The person whose judgments these are.
    pub reviewer: String,
    /// What the person in charge wants reviewers to keep in mind; empty where nothing is written.
    pub guidelines: String,
    /// Pairs to judge at a time.
    pub step: usize,
    /// Whether the model's side is shown before a person has judged.
    pub shows_model: bool,
    /// Whether a pair is open until this reviewer has judged it, whatever others said of it.
    pub is_second: bool,
    /// Whether the cursor has just moved on by itself: a key that goes down would skip a pair.
    pub has_stepped: bool,
    /// Whether the guidelines stand in the place of the pair.
    pub shows_guidelines: bool,
    /// Pairs whose model's side was on the screen before they were judged.
    pub seen: BTreeSet<PairId>,
    /// What was judged last.
    pub last: Option<Last>,
    /// The filter of the list that the queue was opened from.
    pub filter_before: String,
}

impl Default for Judging {
    fn default() -> Self {
        Self {
            reviewer: String::new(),
            guidelines: String::new(),
            step: N_GOAL,
            shows_model: false,
            is_second: false,
            has_stepped: false,
            shows_guidelines: false,
            seen: BTreeSet::new(),
            last: None,
            filter_before: String::new(),
        }
    }
}

/// A judgment that was just made.
#[derive(Debug, Clone, PartialEq)]
pub struct Last {
    pub pair: PairId,
    pub choice: Choice,
    /// The answer that stood on the left.
    pub left: Side,
    /// The answer that the model prefers; `None` for a tie.
    pub model: Option<Side>,
    pub confidence: f64,
    /// What was decided before.
    pub was: Option<Verdict>,
    /// What other reviewers said of it, in words.
    pub others: Option<String>,
}
