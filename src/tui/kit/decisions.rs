//! What decisions about pairs are called, on the screen that makes them and in the answers of the
//! thread that records them.

use crate::domain::preference::Side;
use crate::domain::verdict::Verdict;
use crate::store::{BatchRow, Decision, Recorded, RecordedPair, Shown};

use super::text::count;

/// Reasons that a digit gives a decision.
pub const REASONS: [&str; 9] = [
    "both bad",
    "both fine",
    "wrong side",
    "unsafe",
    "off topic",
    "too close",
    "broken text",
    "duplicate",
    "other",
];

/// The reason of a pair of which neither answer is better.
pub const NEITHER: &str = "neither is better";

/// What is said of a decision about a run that trains on nothing any more.
const ENDED: &str = " · the run has ended, so nothing trains on it";

/// The column that shows a decision without color.
pub fn glyph(verdict: Option<Verdict>) -> &'static str {
    match verdict {
        Some(Verdict::Veto) => "✗",
        Some(Verdict::Keep) => "✓",
        Some(Verdict::Flip) => "⇄",
        Some(Verdict::Undo) | None => " ",
    }
}

/// A decision as done.
pub fn done(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Veto => "vetoed",
        Verdict::Keep => "kept",
        Verdict::Flip => "flipped",
        Verdict::Undo => "undecided",
    }
}

/// What a batch decided: `vetoed 68021`, `kept 412 pairs`.
pub fn batch(row: &BatchRow) -> String {
    match row.n_pairs {
        1 => format!("{} {}", done(row.verdict), row.pair),
        n => format!("{} {} pairs", done(row.verdict), count(n)),
    }
}

/// What was recorded: what became of the pair and which side that is, what was there before, and how
/// to go on; after the end of a run that nothing trains on it.
pub fn recorded(
    recorded: &Recorded,
    n_pairs: usize,
    decision: &Decision<'_>,
    has_ended: bool,
) -> String {
    let ended = if has_ended { ENDED } else { "" };
    let Some(RecordedPair { pair, verdict, preferred, before }) = &recorded.single else {
        let before = match recorded.n_overwritten {
            0 => String::new(),
            1 => " · 1 was decided before".to_owned(),
            n => format!(" · {} were decided before", count(n as u64)),
        };
        let done = done(decision.verdict);
        return format!("{done} {n_pairs} pairs{before}{ended} · u undoes all of them");
    };
    let mut words =
        format!("{} {pair}: {}", done(*verdict), side(*verdict, *preferred, decision.shown));
    if let Some(before) = before {
        let other = before.reviewer.as_deref().filter(|name| Some(*name) != decision.reviewer);
        let by = other.map_or_else(String::new, |name| format!(" by {name}"));
        words = format!("{words} · was {}{by}", done(before.verdict));
    }
    words.push_str(ended);
    let asks = *verdict != Verdict::Keep && decision.queue.is_none();
    if asks {
        let [first, second, third] = [REASONS[0], REASONS[1], REASONS[2]];
        words = format!("{words} · 1-9 says why: 1 {first} 2 {second} 3 {third} …");
    }
    words + " · u undoes"
}

/// Which side a decision is for: of a pair that was judged by where its answers stood, where that
/// was, and the letter that lists give the answer.
fn side(verdict: Verdict, preferred: Option<Side>, shown: Option<Shown>) -> &'static str {
    let is_left = shown.zip(preferred).map(|(shown, side)| shown.left == side);
    match (verdict, preferred) {
        (Verdict::Keep | Verdict::Flip, Some(side)) => match (is_left, side) {
            (None, Side::A) => "A is better",
            (None, Side::B) => "B is better",
            (Some(true), Side::A) => "left (A) is better",
            (Some(true), Side::B) => "left (B) is better",
            (Some(false), Side::A) => "right (A) is better",
            (Some(false), Side::B) => "right (B) is better",
        },
        (Verdict::Keep | Verdict::Flip, None) => "the model prefers neither",
        (Verdict::Veto | Verdict::Undo, _) => "no label",
    }
}
