//! The confidences of the latest selection as a histogram.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;

use super::empty::why_empty;
use super::preview::{Preview, preview};
use crate::domain::event::SelectionSummary;
use crate::domain::selection::confidence_floor;
use crate::domain::selection::learning_status::LearningStatus;
use crate::domain::spec::RuleName;
use crate::domain::told::learning_status;
use crate::report::never_scores;
use crate::tui::feed::data::RunData;
use crate::tui::kit::draw::{pane, put};
use crate::tui::kit::text;
use crate::tui::kit::text::share;
use crate::tui::kit::theme::{Theme, ThemeName};
use crate::tui::kit::widgets::{HistogramChart, Threshold};
use crate::tui::kit::words;
use crate::tui::shell::model::{Model, Screen};

/// The confidence histogram of the latest selection with the floors of both learning statuses.
pub fn draw_histogram(model: &Model, data: &RunData, area: Rect, buffer: &mut Buffer) {
    let theme = &model.theme;
    let Some((round, summary)) = data.selection() else {
        let inside = pane(buffer, area, theme, ["confidence", ""], "");
        let is_over = never_scores(&data.detail.row).is_some();
        let first = why_empty(model, if is_over { "no selection:" } else { "no selection yet:" });
        let words = if is_over {
            [first.as_str(), " no round scored", " the pool"]
        } else {
            [first.as_str(), " round 1 scores the pool", " with the model of round 0"]
        };
        for (row, words) in words.into_iter().enumerate() {
            put(buffer, inside, row as u16, Line::styled(words, theme.dim));
        }
        return;
    };
    let behind = model.shown_ghost().and_then(|ghost| Some((ghost, ghost.selection()?)));
    let [title, right] = titles(model, data, (round, summary), area.width);
    let footer = selection_footer(summary, area.width);
    let inside = pane(buffer, area, theme, [&title, &right], &footer);
    let ghost = behind.map(|(_, found)| found).or_else(|| data.selections().nth(1));
    let bars = Rect { height: inside.height.saturating_sub(1), ..inside };
    let mut thresholds = thresholds(theme, data, summary);
    let rule = data.spec.as_ref().map(|spec| &spec.selection);
    let floor = rule.and_then(|rule| summary.confidence_floor(rule));
    let live = model.live.as_ref().filter(|_| model.screen == Screen::Live);
    let preview = live.and_then(|live| live.preview).map(|at| preview(summary, at, floor));
    if let Some(preview) = &preview {
        thresholds.insert(0, Threshold { at: preview.at, style: theme.key, symbol: '╎' });
    }
    let chart = HistogramChart {
        counts: summary.histogram.counts(),
        kept: summary.selected_histogram.counts(),
        ghost: ghost.map(|(_, before)| before.histogram.counts()),
        thresholds: &thresholds,
        kept_style: theme.main,
        left_style: theme.dim,
        is_shaded: theme.name == ThemeName::Mono,
        axis_style: theme.border,
    };
    chart.render(bars, buffer);
    let median = share(summary.histogram.median(), 2);
    let certificate = summary.audit.certificate.as_ref();
    let line = match (floor, &preview) {
        (_, None) if certificate.is_some() => certificate.map_or(String::new(), words::certificate),
        (_, Some(preview)) => preview_words(preview),
        (Some(floor), None) => {
            format!("selected from {} up · median {median}", share(Some(floor), 3))
        }
        (None, None) => format!("nothing was selected · median {median}"),
    };
    let style = if preview.is_some() { theme.key } else { theme.dim };
    put(buffer, inside, inside.height.saturating_sub(1), Line::styled(line, style));
}

/// What the bars count, and which selection it is: as much of the second as leaves room for the first.
fn titles(
    model: &Model,
    data: &RunData,
    (round, summary): (u32, &SelectionSummary),
    width: u16,
) -> [String; 2] {
    let is_narrow = width < 60;
    let named = |round: u32| if is_narrow { format!("r{round}") } else { format!("round {round}") };
    let behind = model.shown_ghost().and_then(|ghost| Some((ghost, ghost.selection()?)));
    let shade = match behind {
        Some((_, (round, _))) if is_narrow => format!(" · g {} ░", named(round)),
        Some((ghost, (round, _))) => {
            let name = model.row(&ghost.run).map_or("", |row| row.name.as_str());
            format!(" · {} {} ░", text::cut(name, usize::from(width / 3)), named(round))
        }
        None => data
            .selections()
            .nth(1)
            .filter(|_| width >= 50)
            .map_or(String::new(), |(before, _)| format!(" · {} ░", named(before))),
    };
    let status = learning_status(summary.learning_status);
    let status = status.map_or_else(String::new, |status| format!(" · {status}"));
    // On a narrow screen the legend comes before the status.
    let status = if is_narrow && behind.is_some() { String::new() } else { status };
    let right = format!("{}{shade}{status}", named(round));
    let room = usize::from(width).saturating_sub(8 + text::width(&right));
    let ways = ["pairs by confidence".to_owned(), "confidence".to_owned()];
    [text::first_that_fits(&ways, room).to_owned(), right]
}

/// `preview .755: 44 210 pairs this sure (+9 310) · Esc ends it`
fn preview_words(preview: &Preview) -> String {
    let more = match preview.n_more {
        None => String::new(),
        Some(n) => {
            let sign = if n < 0 { '−' } else { '+' };
            format!(" ({sign}{})", text::count(n.unsigned_abs()))
        }
    };
    let at = share(Some(preview.at), 3);
    format!("preview {at}: {} as sure{more}", text::count(preview.n_above))
}

fn selection_footer(summary: &SelectionSummary, width: u16) -> String {
    let (kept, scored) = (summary.n_selected, summary.n_scored);
    let coverage = share(summary.coverage, 2);
    let bound = words::error_bound(summary);
    let precision = share(summary.pseudo_label_precision, 3);
    let from = if width >= 84 { " by hidden labels" } else { " (hidden)" };
    let from = summary.pseudo_label_precision.map_or("", |_| from);
    if width >= 60 {
        format!(
            "selected {} of {} · coverage {coverage} · precision {precision}{from}{bound}",
            text::count(kept),
            text::count(scored)
        )
    } else {
        let (kept, scored) = (text::short_count(kept), text::short_count(scored));
        format!("{kept} of {scored} · prec {precision}{from}")
    }
}

/// The floor in force as a heavy line; under the rule with two statuses that of the other one as a
/// light line.
fn thresholds(theme: &Theme, data: &RunData, summary: &SelectionSummary) -> Vec<Threshold> {
    let Some(spec) = &data.spec else { return Vec::new() };
    let rule = &spec.selection;
    let in_force = summary.confidence_floor(rule);
    let heavy = in_force.map(|at| Threshold { at, style: theme.warn, symbol: '┃' });
    let others = [LearningStatus::Status1, LearningStatus::Status2]
        .into_iter()
        .filter(|status| {
            rule.rule == RuleName::LearningStatus && *status != summary.learning_status
        })
        .filter_map(|status| confidence_floor(rule, status))
        .map(|at| Threshold { at, style: theme.dim, symbol: '┊' });
    heavy.into_iter().chain(others).collect()
}
