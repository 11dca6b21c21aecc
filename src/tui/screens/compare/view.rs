//! Draws the compare screen: curves above, the table below; from 160 columns on histograms and
//! the pairs that differ stand beside them.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use crate::analysis::{Comparison, RoundChoice};
use crate::report::letter;

use super::layout::n_curve_rows;
use super::policies::{self, PolicyCurve};
use super::table::{self, Meaning};
use super::{Pane, arms, chart, legend, pairs};
use crate::tui::kit::draw::put;
use crate::tui::kit::size::SizeClass;
use crate::tui::kit::text;
use crate::tui::kit::theme::Theme;
use crate::tui::kit::words::Condition;
use crate::tui::shell::model::Model;

/// Columns of the pane with the pairs.
const N_PAIRS_COLUMNS: u16 = 62;
/// Columns of the pane with the histograms.
const N_HISTOGRAM_COLUMNS: u16 = 62;
/// Columns of the labels of the table.
const N_LABEL_COLUMNS: usize = 22;
/// Columns of a run in the table, at least and at most.
const N_RUN_COLUMNS: (usize, usize) = (19, 32);

/// Draws the screen between the tabs and the message line.
pub fn draw(model: &Model, area: Rect, buffer: &mut Buffer) {
    let theme = &model.theme;
    let compare = &model.compare;
    if compare.runs.is_empty() {
        let lines = [
            "  nothing to compare yet",
            "",
            "  1 shows the runs: mark some with Space, then press c",
            "  b there pins the baseline ★ that the others are measured against",
        ];
        for (row, words) in lines.into_iter().enumerate() {
            put(buffer, area, row as u16 + 1, Line::styled(words, theme.dim));
        }
        return;
    }
    let Some(data) = &compare.data else {
        put(buffer, area, 1, Line::styled("  reading the runs …", theme.dim));
        return;
    };
    let comparison = &data.comparison;
    put(buffer, area, 0, head(model, comparison, usize::from(area.width)));
    let body = Rect { y: area.y + 1, height: area.height - 1, ..area };
    match model.size.class() {
        SizeClass::Wide => draw_wide(model, comparison, body, buffer),
        SizeClass::Standard => draw_standard(model, comparison, body, buffer),
        _ => draw_lower(model, comparison, body, buffer),
    }
}

fn draw_wide(model: &Model, comparison: &Comparison, area: Rect, buffer: &mut Buffer) {
    if model.compare.is_zoomed {
        draw_zoomed(model, comparison, area, buffer);
        return;
    }
    let upper = Rect { height: n_curve_rows(model).min(area.height), ..area };
    let curves = Rect { width: upper.width - N_HISTOGRAM_COLUMNS, ..upper };
    draw_curves(model, comparison, curves, buffer);
    let histograms = Rect { x: curves.right(), width: N_HISTOGRAM_COLUMNS, ..upper };
    match model.compare.policies() {
        Some(policies) => {
            let next = model.compare.policy_curve.next();
            policies::draw_curve(model, policies, comparison.base, next, histograms, buffer);
        }
        None => chart::draw_histograms(model, comparison, histograms, buffer),
    }
    let lower = Rect { y: upper.bottom(), height: area.height - upper.height, ..area };
    if model.compare.pane == Pane::Arms {
        arms::draw(model, lower, buffer);
        return;
    }
    let left = Rect { width: lower.width - N_PAIRS_COLUMNS - 1, ..lower };
    draw_table(model, comparison, left, buffer);
    for y in lower.top()..lower.bottom() {
        buffer.set_string(left.right(), y, "│", model.theme.border);
    }
    let right = Rect { x: left.right() + 1, width: N_PAIRS_COLUMNS, ..lower };
    draw_pairs(model, comparison, right, buffer);
}

/// The pairs that differ; of policies, who wins how often.
fn draw_pairs(model: &Model, comparison: &Comparison, area: Rect, buffer: &mut Buffer) {
    match model.compare.policies() {
        Some(policies) => policies::draw_matrix(model, policies, area, buffer),
        None => pairs::draw(model, comparison, area, buffer),
    }
}

fn draw_standard(model: &Model, comparison: &Comparison, area: Rect, buffer: &mut Buffer) {
    if model.compare.is_zoomed {
        draw_zoomed(model, comparison, area, buffer);
        return;
    }
    let upper = Rect { height: n_curve_rows(model).min(area.height), ..area };
    draw_curves(model, comparison, upper, buffer);
    let lower = Rect { y: upper.bottom(), height: area.height - upper.height, ..area };
    draw_lower(model, comparison, lower, buffer);
}

/// The pane with the cursor on the whole screen; with the cursor in the table, the chart.
fn draw_zoomed(model: &Model, comparison: &Comparison, area: Rect, buffer: &mut Buffer) {
    match model.compare.pane {
        Pane::Table => draw_curves(model, comparison, area, buffer),
        Pane::Pairs => draw_pairs(model, comparison, area, buffer),
        Pane::Arms => arms::draw(model, area, buffer),
    }
}

/// The pane with the cursor: there is room for one.
fn draw_lower(model: &Model, comparison: &Comparison, area: Rect, buffer: &mut Buffer) {
    match model.compare.pane {
        Pane::Table => draw_table(model, comparison, area, buffer),
        Pane::Pairs => draw_pairs(model, comparison, area, buffer),
        Pane::Arms => arms::draw(model, area, buffer),
    }
}

/// The curves of the runs, or of the arms where those are looked at.
fn draw_curves(model: &Model, comparison: &Comparison, area: Rect, buffer: &mut Buffer) {
    if let Some(policies) = model.compare.policies() {
        let shown: PolicyCurve = model.compare.policy_curve;
        policies::draw_curve(model, policies, comparison.base, shown, area, buffer);
        return;
    }
    let arms = model.compare.data.as_ref().and_then(|data| data.arms.as_ref());
    match arms.filter(|_| model.compare.pane == Pane::Arms) {
        Some(arms) => arms::draw_curves(model, arms, area, buffer),
        None => chart::draw(model, comparison, area, buffer),
    }
}

/// What is compared, and how.
fn head(model: &Model, comparison: &Comparison, width: usize) -> Line<'static> {
    let theme = &model.theme;
    let compare = &model.compare;
    let n_different = comparison.settings.iter().filter(|row| row.is_different).count();
    let n_settings = comparison.settings.len();
    let rounds = match comparison.rounds {
        RoundChoice::Last => "last round",
        RoundChoice::Best => "best round by validation",
    };
    let base = &comparison.runs[comparison.base].row.name;
    let shown = if compare.shows_all {
        "all settings".to_owned()
    } else {
        format!("{n_different} of {n_settings} settings differ")
    };
    let base = format!("base {} {}", letter(comparison.base), text::cut(base, 24));
    let n_runs = comparison.runs.len();
    let parts = match compare.policies() {
        Some(_) => vec![
            format!("{n_runs} policies"),
            base,
            "evaluations on held-out prompts, 95 %".to_owned(),
            "Tab: who wins".to_owned(),
            shown,
        ],
        None => {
            vec![format!("{n_runs} runs"), base, footnote(comparison), rounds.to_owned(), shown]
        }
    };
    let mut words = format!(" {}", parts[0]);
    for part in &parts[1..] {
        let next = format!("{words} · {part}");
        // What does not fit is left out; what comes after it may.
        if text::width(&next) <= width {
            words = next;
        }
    }
    Line::styled(words, theme.dim)
}

/// How many pairs stand behind the intervals.
fn footnote(comparison: &Comparison) -> String {
    let pairs = || comparison.outcomes.iter().flatten().map(|outcomes| outcomes.n);
    match (pairs().min(), pairs().max()) {
        (Some(min), Some(max)) if min == max => {
            format!("{} test pairs, Holm, ns: p≥.05", text::count(min))
        }
        (Some(min), Some(max)) => {
            format!("{} to {} test pairs, Holm, ns: p≥.05", text::count(min), text::count(max))
        }
        _ => "no common test pairs".to_owned(),
    }
}

fn draw_table(model: &Model, comparison: &Comparison, area: Rect, buffer: &mut Buffer) {
    let theme = &model.theme;
    let compare = &model.compare;
    let columns = shown_columns(model, comparison, usize::from(area.width));
    let room = usize::from(area.width).saturating_sub(N_LABEL_COLUMNS);
    let n_columns = (room / columns.len().max(1)).clamp(N_RUN_COLUMNS.0, N_RUN_COLUMNS.1);
    let has_focus = compare.pane == Pane::Table;
    let n_hidden = comparison.runs.len() - columns.len();
    let field =
        if n_hidden == 0 { "  FIELD".to_owned() } else { format!("  FIELD   {n_hidden} more →") };
    let mut heads = vec![Span::styled(text::left(&field, N_LABEL_COLUMNS), theme.heading)];
    for index in &columns {
        let run = &comparison.runs[*index];
        let condition = Condition::of(&run.row);
        let live =
            if condition.keeps_going() { format!(" {}", condition.glyph()) } else { String::new() };
        let base = if *index == comparison.base { " (base)" } else { "" };
        let room = n_columns - 2 - text::width(base) - text::width(&live);
        let name = text::cut(&format!("{} {}", letter(*index), run.row.name), room);
        let mut style = legend::style(theme, *index);
        if *index == compare.column {
            style = style.patch(theme.selected);
        }
        heads.push(Span::styled(text::left(&format!("{name}{base}{live}"), n_columns - 1), style));
        heads.push(Span::raw(" "));
    }
    put(buffer, area, 0, Line::from(heads));
    let rows = table::rows(compare, comparison);
    let n_rows = usize::from(area.height.saturating_sub(1));
    let first = (compare.row + 1).saturating_sub(n_rows);
    for (y, (index, row)) in rows.iter().enumerate().skip(first).take(n_rows).enumerate() {
        let is_selected = has_focus && index == compare.row;
        let mark = if is_selected { "▌ " } else { "  " };
        let label = text::left(&format!("{mark}{}", row.label), N_LABEL_COLUMNS - 1);
        let mut spans = vec![Span::styled(format!("{label} "), theme.strong)];
        for column in &columns {
            let (words, meaning) = &row.cells[*column];
            spans.push(Span::styled(
                text::left(words, n_columns - 1),
                meaning_style(theme, *meaning),
            ));
            spans.push(Span::raw(" "));
        }
        put(buffer, area, y as u16 + 1, Line::from(spans));
        if is_selected {
            buffer.set_style(Rect { y: area.y + y as u16 + 1, height: 1, ..area }, theme.selected);
        }
    }
}

/// The style of a cell.
pub fn meaning_style(theme: &Theme, meaning: Meaning) -> Style {
    match meaning {
        Meaning::Plain => theme.text,
        Meaning::Better => theme.good,
        Meaning::Worse => theme.bad,
        Meaning::Dim => theme.dim,
    }
}

/// The base stays at the left; the others scroll so that the selected one is shown.
fn shown_columns(model: &Model, comparison: &Comparison, width: usize) -> Vec<usize> {
    let room = (width.saturating_sub(N_LABEL_COLUMNS) / N_RUN_COLUMNS.0).max(1);
    let others: Vec<usize> =
        (0..comparison.runs.len()).filter(|index| *index != comparison.base).collect();
    let selected = others.iter().position(|index| *index == model.compare.column).unwrap_or(0);
    let n_others = room.saturating_sub(1);
    let first = (selected + 1).saturating_sub(n_others);
    let mut columns = vec![comparison.base];
    columns.extend(others.into_iter().skip(first).take(n_others));
    columns
}
