//! Rows of the store with texts that cannot reach the terminal as commands, and that are no longer
//! than a screen can show.

use std::sync::Arc;

use crate::domain::text::clean::{clean_line, clean_text};
use crate::store::rows::{RunRow, SampledPair};
use crate::store::{PairOpinions, SampleLine};

/// Longest text of a sampled pair that a screen keeps, in characters.
const N_CHARS_MAX: usize = 8_000;

/// A row whose texts cannot reach the terminal as commands.
pub fn clean_row(mut row: RunRow) -> RunRow {
    row.name = clean_line(&row.name);
    row.failure = row.failure.as_deref().map(clean_line);
    let shared = [&mut row.arm, &mut row.facts.backbone, &mut row.facts.source];
    for text in shared.into_iter().chain(&mut row.experiment) {
        let clean = clean_line(text);
        // Rows go on sharing what was clean before.
        if clean != **text {
            *text = clean.into();
        }
    }
    let note = clean_line(&row.annotation.note);
    if note != row.annotation.note {
        Arc::make_mut(&mut row.annotation).note = note;
    }
    row
}

/// A pair whose texts are safe to show.
pub fn clean_pair(mut pair: SampledPair) -> SampledPair {
    for text in [&mut pair.prompt, &mut pair.response_a, &mut pair.response_b] {
        *text = clean_text(&shortened(text));
    }
    pair
}

/// A text without its middle when it is too long for any screen: the end of a prompt and the
/// beginning of an answer are what a person reads.
pub fn shortened(text: &str) -> String {
    let n_chars = text.chars().count();
    if n_chars <= N_CHARS_MAX {
        return text.to_owned();
    }
    let head: String = text.chars().take(N_CHARS_MAX / 2).collect();
    let tail: String = text.chars().skip(n_chars - N_CHARS_MAX / 2).collect();
    format!("{head}\n…\n{tail}")
}

/// A line whose texts are safe to show.
pub fn clean_sample(mut line: SampleLine) -> SampleLine {
    line.slice = clean_line(&line.slice);
    line.reason = line.reason.as_deref().map(clean_line);
    line
}

/// A pair whose texts are safe to show.
pub fn clean_opinions(mut pair: PairOpinions) -> PairOpinions {
    pair.sample = clean_pair(pair.sample);
    pair.slice = clean_line(&pair.slice);
    for other in &mut pair.others {
        other.name = clean_line(&other.name);
    }
    if let Some(verdict) = &mut pair.verdict {
        verdict.reason = verdict.reason.as_deref().map(clean_line);
        verdict.comment = verdict.comment.as_deref().map(clean_line);
    }
    pair
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_keep_both_ends() {
        let text = format!("begin{}end", "x".repeat(1_000_000));
        let short = shortened(&text);
        assert!(short.chars().count() <= N_CHARS_MAX + 3);
        assert!(short.starts_with("begin") && short.ends_with("end"));
    }
}
