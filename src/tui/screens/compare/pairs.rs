//! The pairs on which the selected run and the base disagree.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::analysis::{Comparison, Disagreement, DisagreementSplit, Disagreements};
use crate::report::letter;

use super::Pane;
use crate::tui::kit::draw::{put, rule};
use crate::tui::kit::text;
use crate::tui::kit::text::share;
use crate::tui::shell::model::Model;

/// Draws counts and, below them, the pairs, the surest first.
pub fn draw(model: &Model, comparison: &Comparison, area: Rect, buffer: &mut Buffer) {
    let theme = &model.theme;
    let Some(data) = &model.compare.data else { return };
    let has_focus = model.compare.pane == Pane::Pairs;
    let mark = if has_focus { "▶ " } else { "" };
    let Some((index, found)) = &data.beside else {
        rule(buffer, area, 0, theme, "pairs that differ");
        put(buffer, area, 1, Line::styled(" one run agrees with itself", theme.dim));
        return;
    };
    let (base, other) = (letter(comparison.base), letter(*index));
    rule(buffer, area, 0, theme, &format!("{mark}pairs on which {base} and {other} disagree"));
    let width = usize::from(area.width).saturating_sub(1);
    let mut row = 1;
    for words in counts(found, &base, &other) {
        put(buffer, area, row, Line::styled(format!(" {}", text::cut(&words, width)), theme.text));
        row += 1;
    }
    let heads = format!("  {:6}{:>8}  {:>6} {:>6}  PROMPT", "KIND", "PAIR", base, other);
    put(buffer, area, row, Line::styled(text::cut(&heads, width), theme.heading));
    let n_rows = usize::from(area.height.saturating_sub(row + 1));
    let first = (model.compare.pair + 1).saturating_sub(n_rows);
    for (i, pair) in found.pairs.iter().enumerate().skip(first).take(n_rows) {
        row += 1;
        let is_selected = has_focus && i == model.compare.pair;
        put(buffer, area, row, line(pair, is_selected, width));
        if is_selected {
            buffer.set_style(Rect { y: area.y + row, height: 1, ..area }, theme.selected);
        }
    }
}

fn counts(found: &Disagreements, base: &str, other: &str) -> Vec<String> {
    let test = &found.test;
    let mut lines = vec![match test.n {
        0 => "no common test pairs".to_owned(),
        n => format!(
            "test: {} of {}; {base} right on {}, {other} on {}",
            text::count(test.n_disagreements()),
            text::count(n),
            text::count(test.n_only_base),
            text::count(test.n_only_other)
        ),
    }];
    match &found.pool {
        None => lines.push("no common pool pairs".to_owned()),
        Some(pool) => {
            lines.push(format!(
                "pool: {} of {} opposite, {} in both selections",
                text::count(pool.n_opposite),
                text::count(pool.n_common),
                text::count(pool.n_opposite_selected)
            ));
            lines.push(format!(
                "selected by {base} alone {}, by {other} alone {}",
                text::count(pool.n_only_base_selected),
                text::count(pool.n_only_other_selected)
            ));
        }
    }
    lines
}

fn line(pair: &Disagreement, is_selected: bool, width: usize) -> Line<'static> {
    let kind = match pair.split {
        DisagreementSplit::Test => "test",
        DisagreementSplit::Pool => "pool",
    };
    // The label of a pool pair is hidden from whoever may still review it.
    let sure = |opinion: &crate::analysis::Opinion| {
        let mark = match (pair.split, opinion.is_right) {
            (DisagreementSplit::Pool, _) => " ",
            (DisagreementSplit::Test, true) => "✓",
            (DisagreementSplit::Test, false) => "✗",
        };
        format!("{mark}{}", share(Some(opinion.confidence), 3))
    };
    let head = format!(
        "{} {kind:6}{:>8}  {:>6} {:>6}  ",
        if is_selected { "▌" } else { " " },
        pair.pair.to_string(),
        sure(&pair.base),
        sure(&pair.other)
    );
    let room = width.saturating_sub(text::width(&head));
    let prompt = pair.prompt.split_whitespace().collect::<Vec<_>>().join(" ");
    Line::from(vec![Span::raw(head), Span::raw(text::cut(&prompt, room))])
}
