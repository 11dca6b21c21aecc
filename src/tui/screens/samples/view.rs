//! Draws the samples screen: what is listed, the list, and the pair under the cursor.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::domain::review::Order;
use crate::domain::run::RunKind;
use crate::report::never_scores;
use crate::store::SampleLine;

use super::layout::areas;
use super::{Pane, pair, queue_view, words};
use crate::tui::feed::samples::SamplesData;
use crate::tui::kit::decisions;
use crate::tui::kit::draw::{put, put_right};
use crate::tui::kit::text;
use crate::tui::kit::text::{count, share};
use crate::tui::kit::words::expected_error;
use crate::tui::shell::model::Model;

/// Columns of a list that shows the change since the round before.
const WITH_CHANGE: u16 = 22;

/// Draws the screen between the tabs and the message line.
pub fn draw(model: &Model, area: Rect, buffer: &mut Buffer) {
    let theme = &model.theme;
    let samples = &model.samples;
    if let Some(words) = &samples.failure {
        put(buffer, area, 1, Line::styled(format!("  ✗ {words}"), theme.bad));
        put(
            buffer,
            area,
            2,
            Line::styled("  it is tried again as long as this is shown", theme.dim),
        );
        return;
    }
    let Some(data) = samples.current() else {
        for (row, line) in empty_words(model).into_iter().enumerate() {
            put(buffer, area, row as u16 + 1, Line::styled(format!("  {line}"), theme.dim));
        }
        return;
    };
    let areas = areas(model, area);
    if samples.is_queue() {
        queue_view::draw_header(model, data, areas.header, buffer);
        queue_view::draw_last(model, data, areas.last, buffer);
    } else {
        draw_header(model, data, areas.header, buffer);
    }
    if data.n_listed == 0 {
        let below = Rect { y: areas.header.bottom(), height: area.height - 2, ..area };
        draw_nothing(model, data, below, buffer);
        return;
    }
    if samples.is_queue() && samples.judging.shows_guidelines {
        let whole = Rect { x: area.x + 1, width: area.width.saturating_sub(2), ..areas.pair };
        queue_view::draw_guidelines(model, "guidelines · i closes", whole, buffer);
        return;
    }
    if areas.list.width > 0 {
        draw_list(model, data, areas.list, buffer);
    }
    queue_view::draw_guidelines(model, "guidelines", areas.guidelines, buffer);
    if areas.pair.width > 0 {
        let has_list = areas.list.width > 0;
        if has_list {
            for y in areas.pair.top()..areas.pair.bottom() {
                buffer.set_string(areas.pair.x, y, "│", theme.border);
            }
        }
        let shift = if has_list { 2 } else { 1 };
        let inside = Rect {
            x: areas.pair.x + shift,
            width: areas.pair.width.saturating_sub(shift + 1),
            ..areas.pair
        };
        pair::draw(model, data, inside, buffer);
    }
}

fn empty_words(model: &Model) -> Vec<String> {
    let Some(row) = model.current() else {
        return vec!["no run yet · 1 shows the list, n there starts one".to_owned()];
    };
    if !model.samples.has_none {
        return vec!["reading the round …".to_owned()];
    }
    if let Some(never) = never_scores(row) {
        let mut words = vec![format!("{} has scored no pair", row.name), never.to_owned()];
        if row.kind == RunKind::Policy {
            words.push("6 shows its curves and its answers".to_owned());
        }
        return words;
    }
    vec![
        format!("{} has scored no pair yet", row.name),
        "round 1 scores the unlabeled pool after round 0 is trained and evaluated;".to_owned(),
        "this screen shows its pairs as soon as there are any".to_owned(),
    ]
}

/// Why the list is empty, and what fills it.
fn draw_nothing(model: &Model, data: &SamplesData, area: Rect, buffer: &mut Buffer) {
    let theme = &model.theme;
    let round = data.round;
    let filter = &model.samples.filter;
    let what = match model.samples.order.queue() {
        Some(queue) => format!("nothing is left in the {} queue of round {round}", queue.name()),
        None if filter.is_empty() => format!("round {round} scored nothing"),
        None => format!("no pair of round {round} matches {filter}"),
    };
    let is_first = data.rounds.first() == Some(&round);
    let has_change = filter.contains("flipped:") || filter.contains("change");
    let why = if is_first && has_change { "nothing can turn before a second round" } else { "" };
    let how = "/ changes the filter · V other lists · [ ] other rounds";
    for (row, words) in
        (1..).zip([what.as_str(), why, how].iter().filter(|words| !words.is_empty()))
    {
        put(buffer, area, row, Line::styled(format!("  {words}"), theme.dim));
    }
}

/// ` run · round 2 · least confident first  / selected:yes            17 of 412`
fn draw_header(model: &Model, data: &SamplesData, area: Rect, buffer: &mut Buffer) {
    let theme = &model.theme;
    let samples = &model.samples;
    let width = usize::from(area.width);
    let listed = data.n_listed as u64;
    let at = if data.n_listed == 0 { 0 } else { samples.cursor as u64 + 1 };
    let marked = match samples.marked.len() {
        0 => String::new(),
        n => format!("{} marked · ", count(n as u64)),
    };
    let place = format!("{marked}{} of {} ", count(at), count(listed));
    let name = model.current().map_or("", |row| row.name.as_str());
    let name = text::cut(name, width / 4);
    let round = format!("round {}/{}", data.round, data.rounds.last().unwrap_or(&data.round));
    let mut spans = vec![
        Span::styled(format!(" {name} "), theme.heading),
        Span::styled(format!("· {round} · "), theme.text),
        Span::styled(words::order(samples.order), theme.second),
    ];
    if samples.order != Order::Audit {
        for chip in chips(&samples.filter) {
            spans.push(Span::raw(" "));
            spans.push(Span::styled(format!("[{chip}]"), theme.main));
        }
    }
    let line = Line::from(spans);
    let room = width.saturating_sub(text::width(&place) + 1);
    let cut = if line.width() > room { "…" } else { "" };
    let shown = Rect { width: room.saturating_sub(cut.len().min(1)) as u16, ..area };
    put(buffer, shown, 0, line);
    buffer.set_string(shown.right(), area.y, cut, theme.dim);
    put_right(buffer, area, 0, Line::styled(place, theme.strong));
    let [vetoed, kept, flipped] = data.n_decided;
    let reviewed = vetoed + kept + flipped;
    let estimate = words::estimate(data.estimate.as_ref());
    let selected =
        format!("{} of {} selected", count(data.n_selected as u64), count(data.n_scored as u64));
    let run = model.current_data();
    let summary = run.and_then(|run| run.selections().find(|(round, _)| *round == data.round));
    let expected = summary.and_then(|(_, summary)| expected_error(&summary.audit));
    let expected = expected.map_or(String::new(), |words| format!(" · {words}"));
    let short =
        format!(" {reviewed} reviewed (✗{vetoed} ✓{kept} ⇄{flipped}) · {estimate}{expected}");
    if let Some(row) = model.current().filter(|row| row.waits_for_review()) {
        let words = if data.round == row.round {
            format!(" waits for you: p lets round {} go on ", row.round)
        } else {
            format!(" round {} waits for you: ] shows it, p lets it go on ", row.round)
        };
        let room = width.saturating_sub(text::width(&words));
        put(buffer, area, 1, Line::styled(text::cut(&short, room), theme.text));
        put_right(buffer, area, 1, Line::styled(words, theme.warn));
        return;
    }
    put(buffer, area, 1, Line::styled(text::cut(&short, width), theme.text));
    if text::width(&short) + text::width(&selected) + 3 <= width {
        put_right(buffer, area, 1, Line::styled(format!("{selected} "), theme.dim));
    }
}

/// The terms of a filter, one by one.
fn chips(filter: &str) -> Vec<String> {
    crate::domain::review::SampleFilter::parse(filter)
        .map(|filter| filter.terms.iter().map(ToString::to_string).collect())
        .unwrap_or_default()
}

fn draw_list(model: &Model, data: &SamplesData, area: Rect, buffer: &mut Buffer) {
    let theme = &model.theme;
    let samples = &model.samples;
    let is_wide = area.width >= 38;
    let mark = if samples.pane == Pane::List { "▌" } else { " " };
    let head = if samples.is_queue() {
        format!("{mark}       ID")
    } else if is_wide {
        format!("{mark}       ID  CONF    Δ  MARGIN  FLAGS")
    } else {
        format!("{mark}       ID  CONF    Δ")
    };
    let head = text::left(&head, usize::from(area.width)).replace('…', " ");
    put(buffer, area, 0, Line::styled(head, theme.heading));
    let n_rows = area.height.saturating_sub(1);
    for row in 0..n_rows {
        let index = samples.offset + usize::from(row);
        if index >= data.n_listed {
            break;
        }
        let place = Rect { y: area.y + 1 + row, height: 1, ..area };
        match data.line(index) {
            Some(line) if samples.is_queue() => {
                queue_view::draw_line(model, line, index == samples.cursor, place, buffer);
            }
            Some(line) => draw_line(model, line, index, is_wide, place, buffer),
            None => put(buffer, place, 0, Line::styled("        …", theme.dim)),
        }
        if index == samples.cursor {
            buffer.set_style(place, theme.selected);
        }
    }
}

fn draw_line(
    model: &Model,
    line: &SampleLine,
    index: usize,
    is_wide: bool,
    area: Rect,
    buffer: &mut Buffer,
) {
    let theme = &model.theme;
    let samples = &model.samples;
    let in_range = samples
        .range_from
        .is_some_and(|from| (from.min(samples.cursor)..=from.max(samples.cursor)).contains(&index));
    let cursor = if index == samples.cursor { "▌" } else { " " };
    let mark = if samples.marked.contains(&line.pair) || in_range { "+" } else { " " };
    let verdict = match (line.verdict, line.left_out) {
        (None, Some(_)) => "·",
        (verdict, _) => decisions::glyph(verdict),
    };
    let style = match line.verdict {
        Some(_) => theme.strong,
        None if line.left_out.is_some() => theme.dim,
        None => theme.text,
    };
    let mut words_of = format!(
        "{cursor}{verdict}{mark}{} {}",
        text::right(&line.pair.to_string(), 7),
        text::right(&share(Some(line.confidence), 3), 5),
    );
    if area.width >= WITH_CHANGE {
        words_of = format!("{words_of} {}", text::right(&words::change(line.change), 5));
    }
    if is_wide {
        let margin = format!("{:+.2}", line.margin);
        words_of = format!("{words_of} {}  {}", text::right(&margin, 6), words::flags(line));
    }
    put(buffer, area, 0, Line::styled(text::cut(&words_of, usize::from(area.width)), style));
}
