//! Draws the policy screen.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::answers::selected;
use super::layout::{n_list_columns, rows};
use super::{Page, Pane, judging, list, reading, signs, small};
use crate::domain::run::RunKind;
use crate::store::rows::RunRow;
use crate::tui::feed::data::RunData;
use crate::tui::feed::policy::PolicyData;
use crate::tui::kit::draw::{mark_focus, put};
use crate::tui::kit::size::SizeClass;
use crate::tui::kit::text;
use crate::tui::panels::empty::why_empty;
use crate::tui::panels::lines::{progress_line, worker_line};
use crate::tui::panels::log::draw_log;
use crate::tui::panels::policy::draw_curve;
use crate::tui::shell::model::Model;

/// Draws the screen between the tabs and the message line.
pub fn draw(model: &Model, area: Rect, buffer: &mut Buffer) {
    let theme = &model.theme;
    let Some(row) = model.current() else {
        let words = "  no run yet · 1 shows the list, n there starts one";
        put(buffer, area, 1, Line::styled(words, theme.dim));
        return;
    };
    if row.kind == RunKind::Ser {
        draw_other_kind(model, row, area, buffer);
        return;
    }
    let data = model.current_data();
    let Some((data, policy)) = data.and_then(|data| Some((data, data.policy.as_ref()?))) else {
        put(buffer, area, 2, Line::styled("  reading the policy …", theme.dim));
        return;
    };
    if model.policy.judging.is_some() {
        judging::view::draw(model, policy, area, buffer);
        return;
    }
    if model.size.class() == SizeClass::Small {
        small::draw(model, row, policy, area, buffer);
        return;
    }
    let width = usize::from(area.width);
    let name = Span::styled(format!(" {}  ", text::cut_name(&row.name, width / 3)), theme.heading);
    let room = width.saturating_sub(name.width() + 1);
    let mut spans = vec![name];
    spans.extend(progress_line(model, row, room).spans);
    put(buffer, area, 0, Line::from(spans));
    let second = Rect { x: area.x + 1, width: area.width - 1, ..area };
    put(buffer, second, 1, worker_line(model, data, width - 2));
    let body = Rect { y: area.y + 2, height: area.height - 2, ..area };
    if model.policy.is_zoomed {
        draw_zoomed(model, data, policy, body, buffer);
        return;
    }
    let [n_answers, n_signs] = rows(model);
    let charts = Rect { height: body.height - n_answers - n_signs, ..body };
    draw_charts(model, data, charts, buffer);
    let middle = Rect { y: charts.bottom(), height: n_signs, ..body };
    draw_middle(model, policy, middle, buffer);
    let below = Rect { y: middle.bottom(), height: n_answers, ..body };
    draw_answers(model, policy, below, buffer);
}

/// What the screen is for, where the run is of the other kind.
fn draw_other_kind(model: &Model, row: &RunRow, area: Rect, buffer: &mut Buffer) {
    let theme = &model.theme;
    let room = usize::from(area.width).saturating_sub(4);
    let name = text::cut_name(&row.name, 40);
    let words = [
        (format!("{name} trains a reward model; a policy is a run of its own."), theme.heading),
        (String::new(), theme.text),
        ("P starts one from it: a language model that is trained to please this reward model.".to_owned(), theme.text),
        (
            "This screen then shows its reward beside the score of a judge (gold), how far it moves from \
             its reference, signs of trouble in plain words, and its answers to read and to veto."
                .to_owned(),
            theme.dim,
        ),
    ];
    let mut lines = Vec::new();
    for (words, style) in words {
        let parts = text::wrap(&words, room.min(96), 6).into_iter();
        let before = lines.len();
        lines.extend(parts.map(|part| Line::styled(part, style)));
        if lines.len() == before {
            lines.push(Line::default());
        }
    }
    let n_policies = model.runs.all().filter(|row| row.kind == RunKind::Policy).count();
    if n_policies > 0 {
        let are = if n_policies == 1 { "1 run is a policy" } else { "runs are policies" };
        let words = if n_policies == 1 { are.to_owned() } else { format!("{n_policies} {are}") };
        lines.push(Line::default());
        lines.push(Line::styled(format!("{words}: Enter in the list (1) opens one."), theme.dim));
    }
    let top = area.height.saturating_sub(lines.len() as u16) / 2;
    let widest = lines.iter().map(Line::width).max().unwrap_or(0) as u16;
    let x = area.x + area.width.saturating_sub(widest) / 2;
    let block = Rect { x, width: area.right() - x, ..area };
    for (row, line) in (top..).zip(lines) {
        put(buffer, block, row, line);
    }
}

fn draw_zoomed(
    model: &Model,
    data: &RunData,
    policy: &PolicyData,
    area: Rect,
    buffer: &mut Buffer,
) {
    match model.policy.pane {
        Pane::List | Pane::Answer => draw_answers(model, policy, area, buffer),
        Pane::Charts => draw_page(model, data, model.policy.page, area, buffer),
        Pane::Signs | Pane::Events => draw_middle(model, policy, area, buffer),
    }
}

/// Two charts beside each other; on a wide terminal all of them.
fn draw_charts(model: &Model, data: &RunData, area: Rect, buffer: &mut Buffer) {
    if model.size.class() != SizeClass::Wide {
        draw_page(model, data, model.policy.page, area, buffer);
        return;
    }
    let n = Page::ALL.len() as u16;
    let width = area.width / n;
    for (i, page) in (0..).zip(Page::ALL) {
        let x = area.x + i * width;
        let width = if i + 1 == n { area.right() - x } else { width };
        let height = area.height / 2;
        let upper = Rect { x, width, height, ..area };
        let lower = Rect { y: upper.bottom(), height: area.height - height, ..upper };
        for (curve, place) in page.curves().into_iter().zip([upper, lower]) {
            draw_curve(model, data, curve, place, buffer);
            if model.policy.pane == Pane::Charts && page == model.policy.page {
                mark_focus(buffer, place, &model.theme);
            }
        }
    }
}

fn draw_page(model: &Model, data: &RunData, page: Page, area: Rect, buffer: &mut Buffer) {
    let width = area.width / 2;
    let left = Rect { width, ..area };
    let right = Rect { x: left.right(), width: area.width - width, ..area };
    for (curve, place) in page.curves().into_iter().zip([left, right]) {
        draw_curve(model, data, curve, place, buffer);
        if model.policy.pane == Pane::Charts {
            mark_focus(buffer, place, &model.theme);
        }
    }
}

/// The signs, and the events where there is room for both or they have the keys.
fn draw_middle(model: &Model, policy: &PolicyData, area: Rect, buffer: &mut Buffer) {
    let pane = model.policy.pane;
    let mark = |buffer: &mut Buffer, area: Rect| {
        buffer.set_string(area.x, area.y, "▌", model.theme.key);
    };
    if model.size.class() == SizeClass::Wide && !model.policy.is_zoomed {
        let left = Rect { width: area.width / 2, ..area };
        let right = Rect { x: left.right() + 1, width: area.width - left.width - 1, ..area };
        signs::draw(model, policy, left, buffer);
        draw_log(model, right, "events", model.policy.log_back, buffer);
        match pane {
            Pane::Signs => mark(buffer, left),
            Pane::Events => mark(buffer, right),
            Pane::List | Pane::Answer | Pane::Charts => {}
        }
        return;
    }
    if pane == Pane::Events {
        draw_log(model, area, "events", model.policy.log_back, buffer);
    } else {
        signs::draw(model, policy, area, buffer);
    }
    if matches!(pane, Pane::Events | Pane::Signs) {
        mark(buffer, area);
    }
}

/// The list of prompts, and the one under the cursor with its answers.
fn draw_answers(model: &Model, policy: &PolicyData, area: Rect, buffer: &mut Buffer) {
    list::draw_title(model, policy, area, buffer);
    let n_slider = u16::from(area.height >= 12);
    let slider = Rect { y: area.y + 1, height: n_slider, ..area };
    list::draw_slider(model, policy, slider, buffer);
    let below =
        Rect { y: slider.bottom(), height: area.height.saturating_sub(1 + n_slider), ..area };
    let Some(shown) = policy.shown.as_ref().filter(|shown| !shown.rollouts.is_empty()) else {
        let words = why_empty(model, list::nothing(&model.policy));
        put(buffer, below, 0, Line::styled(words, model.theme.dim));
        return;
    };
    let n_list = n_list_columns(area.width);
    let left = Rect { width: n_list, ..below };
    list::draw(model, shown, left, buffer);
    if let Some(selected) = selected(model) {
        let x = left.right() + 1;
        let right = Rect { x, width: below.right().saturating_sub(x), ..below };
        reading::draw(model, &selected, right, buffer);
    }
}
