//! What decisions about pairs are called, on the screen that makes them and in the answers of the
//! thread that records them.

use crate::domain::verdict::Verdict;
use crate::store::BatchRow;

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
