//! The selected run beside the list, or in the lines below it.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::domain::run::RunKind;
use crate::store::rows::RunRow;
use crate::tui::feed::data::RunData;
use crate::tui::kit::draw::put;
use crate::tui::kit::text;
use crate::tui::kit::text::share;
use crate::tui::kit::widgets::{TrendScale, trend};
use crate::tui::kit::words;
use crate::tui::panels::accuracy::draw_accuracy;
use crate::tui::panels::confidence::draw_histogram;
use crate::tui::panels::lines::{progress_line, worker_line};
use crate::tui::panels::policy::{Curve, draw_curve, latest_words};
use crate::tui::shell::model::Model;

/// The selected run beside the list on a wide terminal.
pub fn draw_side(model: &Model, area: Rect, buffer: &mut Buffer) {
    let theme = &model.theme;
    let Some(row) = model.current() else { return };
    let width = usize::from(area.width);
    put(buffer, area, 0, Line::styled(text::cut(&row.name, width), theme.heading));
    put(buffer, area, 1, progress_line(model, row, width));
    put(buffer, area, 2, identity_line(model, row, width));
    let Some(data) = model.current_data() else { return };
    put(buffer, area, 3, worker_line(model, data, width));
    put(buffer, area, 4, kept_line(model, row, width));
    let half = area.height.saturating_sub(6) / 2;
    let chart = Rect { y: area.y + 6, height: half, ..area };
    if row.kind == RunKind::Policy {
        draw_curve(model, data, Curve::Reward, chart, buffer);
        draw_curve(model, data, Curve::Gold, Rect { y: chart.bottom(), ..chart }, buffer);
        return;
    }
    draw_accuracy(model, &data.rounds, row.rounds_max, chart, buffer);
    let chart = Rect { y: chart.bottom(), ..chart };
    draw_histogram(model, data, chart, buffer);
}

/// Recipe, seed, model and data in one line.
pub fn identity_line(model: &Model, row: &RunRow, width: usize) -> Line<'static> {
    let mut parts = vec![row.arm.to_string(), format!("random seed {}", row.rng_seed)];
    parts.extend(row.experiment.as_ref().map(|name| format!("experiment {name}")));
    if row.attempt > 1 {
        parts.push(format!("attempt {}", row.attempt));
    }
    if let Some(data) = model.current_data() {
        parts.extend(data.detail.model.clone());
    }
    parts.push(row.id.to_string());
    Line::styled(text::cut(&parts.join(" · "), width), model.theme.dim)
}

/// The latest selection of the current run in one line; of a policy its latest evaluation.
pub fn selection_line(model: &Model, width: usize) -> Line<'static> {
    let theme = &model.theme;
    if let Some(policy) = model.current_data().and_then(|data| data.policy.as_ref()) {
        let latest = latest_words(policy);
        let words = latest.unwrap_or_else(|| "no evaluation on held-out prompts yet".to_owned());
        return Line::styled(text::cut(&words, width), theme.text);
    }
    let Some((round, summary)) = model.current_data().and_then(RunData::selection) else {
        return Line::styled("no selection yet", theme.dim);
    };
    // A divisor of the number of buckets, so that every block stands for as many of them.
    let columns = summary.histogram.columns(10);
    let peak = columns.iter().copied().max().unwrap_or(0).max(1);
    let levels: Vec<Option<f64>> = columns.iter().map(|n| Some(*n as f64 / peak as f64)).collect();
    let blocks = trend(&levels, 10, 10, TrendScale::of([0.0, 1.0]));
    let head = "confidence .5 ";
    let words_of = format!(
        " 1.0 · round {round} · selected {} of {} · precision {}{}",
        text::short_count(summary.n_selected),
        text::short_count(summary.n_scored),
        share(summary.pseudo_label_precision, 3),
        words::error_bound(summary)
    );
    let room = width.saturating_sub(text::width(head) + text::width(&blocks));
    Line::from(vec![
        Span::raw(head),
        Span::styled(blocks, theme.main),
        Span::raw(text::cut(&words_of, room)),
    ])
}

/// What a person keeps about the run, and what its spec says otherwise than the baseline's.
pub fn kept_line(model: &Model, row: &RunRow, width: usize) -> Line<'static> {
    let theme = &model.theme;
    let mut parts = Vec::new();
    if row.annotation.is_archived {
        parts.push("archived".to_owned());
    }
    if !row.annotation.tags.is_empty() {
        parts.push(format!("tags {}", row.annotation.tags.join(" ")));
    }
    if !row.annotation.note.is_empty() {
        parts.push(format!("note {}", row.annotation.note));
    }
    let baseline = model.runs.baseline().filter(|base| base.id != row.id);
    if let Some(base) = baseline {
        let differing = facts_that_differ(row, base);
        if !differing.is_empty() {
            parts.push(format!("differs from ★: {}", differing.join(" · ")));
        }
    }
    Line::styled(text::cut(&parts.join("   "), width), theme.dim)
}

fn facts_that_differ(row: &RunRow, base: &RunRow) -> Vec<String> {
    let facts = |row: &RunRow| {
        let own =
            [("rng", row.rng_seed.to_string()), (units(row.kind), row.rounds_max.to_string())];
        [("arm", row.arm.to_string())].into_iter().chain(words::facts(row)).chain(own)
    };
    let pairs = facts(row).zip(facts(base));
    let differing = pairs.filter(|((_, value), (_, other))| value != other);
    differing.map(|((name, value), (_, other))| format!("{name} {value} ({other})")).collect()
}

/// What a run of a kind counts, as a column of facts calls it.
fn units(kind: RunKind) -> &'static str {
    match kind {
        RunKind::Ser => "rounds",
        RunKind::Policy => "steps",
    }
}
