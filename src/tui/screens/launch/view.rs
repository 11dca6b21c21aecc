//! Draws the launch screen: the form, and what it would come to.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::estimate::estimate;
use super::layout::{N_BELOW_ROWS, N_SIDE_COLUMNS};
use super::{FormRow, Launch};
use crate::tui::kit::draw::{pane, put, put_right, rule};
use crate::tui::kit::size::SizeClass;
use crate::tui::kit::text;
use crate::tui::kit::text::NONE;
use crate::tui::kit::words::short_size;
use crate::tui::shell::model::Model;

/// Columns of the names of rows.
const N_LABEL: usize = 26;
/// Draws the screen between the tabs and the message line.
pub fn draw(model: &Model, area: Rect, buffer: &mut Buffer) {
    let launch = &model.launch;
    put(buffer, area, 0, head(model, usize::from(area.width)));
    if launch.is_waiting {
        put(buffer, area, 2, Line::styled("  reading the spec of the run …", model.theme.dim));
        return;
    }
    let body = Rect { y: area.y + 1, height: area.height - 1, ..area };
    match model.size.class() {
        SizeClass::Wide => {
            let form = Rect { width: body.width - N_SIDE_COLUMNS, ..body };
            let n_changed = launch.rows.iter().filter(|row| row.is_changed()).count();
            let changed = format!("{n_changed} changed, marked *");
            let inside = pane(buffer, form, &model.theme, ["spec", &changed], "");
            draw_form(model, inside, buffer);
            let side = Rect { x: form.right(), width: N_SIDE_COLUMNS, ..body };
            draw_side(model, side, buffer);
        }
        SizeClass::Standard => {
            let form = Rect { height: body.height - N_BELOW_ROWS, ..body };
            draw_form(model, form, buffer);
            let below = Rect { y: form.bottom(), height: N_BELOW_ROWS, ..body };
            draw_below(model, below, buffer);
        }
        _ => {
            let form = Rect { height: body.height - 1, ..body };
            draw_form(model, form, buffer);
            let words = estimate_words(launch).0;
            let line = Line::styled(format!(" {words}"), model.theme.dim);
            put(buffer, Rect { y: form.bottom(), height: 1, ..body }, 0, line);
        }
    }
}

fn head(model: &Model, width: usize) -> Line<'static> {
    let launch = &model.launch;
    let from = match &launch.from {
        // A preset has a name and is no run.
        None if !launch.from_name.is_empty() => launch.from_name.clone(),
        None => "the default experiment".to_owned(),
        Some(run) if launch.from_name.is_empty() => run.to_string(),
        Some(_) => launch.from_name.clone(),
    };
    let runs = match launch.n_runs() {
        1 => String::new(),
        n => format!(" · {n} runs in turn"),
    };
    let words = format!(" new run from {from}{runs}");
    let style = model.theme.heading;
    Line::styled(text::cut(&words, width), style)
}

fn draw_form(model: &Model, area: Rect, buffer: &mut Buffer) {
    let launch = &model.launch;
    let n_rows = usize::from(area.height);
    // A window that shrank shows the selected row all the same.
    let offset = launch.offset.max((launch.cursor + 1).saturating_sub(n_rows));
    let n_more = launch.rows.len().saturating_sub(offset + n_rows);
    let more =
        if n_more > 0 && n_rows > 1 { format!("  {n_more} more ↓ ") } else { String::new() };
    for (i, row) in launch.rows.iter().enumerate().skip(offset).take(n_rows) {
        let y = (i - offset) as u16;
        let is_selected = i == launch.cursor;
        let is_last = i + 1 == offset + n_rows;
        let beside = if is_last { text::width(&more) } else { 0 };
        let widths = (usize::from(area.width), beside);
        put(buffer, area, y, row_line(model, row, is_selected, widths));
        if is_selected {
            buffer.set_style(Rect { y: area.y + y, height: 1, ..area }, model.theme.selected);
        }
    }
    put_right(buffer, area, area.height.saturating_sub(1), Line::styled(more, model.theme.dim));
}

/// A row in so many columns, the last of which are for something else.
fn row_line(
    model: &Model,
    row: &FormRow,
    is_selected: bool,
    (width, beside): (usize, usize),
) -> Line<'static> {
    let theme = &model.theme;
    let mark = if row.is_changed() { " *" } else { "  " };
    let label = text::left(&format!("{}{mark}", row.label()), N_LABEL);
    let n_value = (width / 4).clamp(12, 28);
    let value = if row.value.is_empty() { NONE } else { &row.value };
    let (note, style) = match (&row.problem, row.is_changed()) {
        (Some(problem), _) => (format!("✗ {problem}"), theme.bad),
        (None, true) => {
            (format!("was {}", if row.before.is_empty() { NONE } else { &row.before }), theme.warn)
        }
        (None, false) => (row.help.clone(), theme.dim),
    };
    let room = width.saturating_sub(N_LABEL + n_value + 5 + beside);
    Line::from(vec![
        Span::raw(if is_selected { "▌ " } else { "  " }),
        Span::styled(label, if row.is_changed() { theme.strong } else { theme.text }),
        Span::styled(format!(" {} ", text::left(value, n_value)), theme.main),
        Span::styled(text::cut(&note, room), style),
    ])
}

/// Time and disk in words; the second line says what that rests on.
fn estimate_words(launch: &Launch) -> (String, String) {
    let Some(Ok(spec)) = &launch.checked else {
        return (format!("time {NONE} · memory {NONE} · disk {NONE}"), String::new());
    };
    let free = launch.n_free.map_or(NONE.to_owned(), short_size);
    if spec.policy.is_some() {
        let words = format!("time and memory of a policy are not estimated · disk {free} free");
        return (words, "its first steps show how long one takes (6)".to_owned());
    }
    let memory = memory_words(launch);
    let Some(found) = estimate(spec, &launch.past) else {
        let words = format!("time {NONE} · memory {memory} · disk {NONE} of {free} free");
        return (words, "no finished run of this model on these pairs to judge by".to_owned());
    };
    let [least, likely, most] = found.wall_ms.map(text::duration);
    let n_runs = launch.n_runs() as u64;
    let all = match n_runs {
        1 => String::new(),
        n => format!(", all {n} in {}", text::duration(found.wall_ms[1] * n)),
    };
    let words = format!(
        "time {likely} ({least}–{most}){all} · memory {memory} · disk {} of {free}",
        short_size(found.n_bytes * n_runs)
    );
    let noun = if found.n_runs == 1 { "run" } else { "runs" };
    let basis = format!(
        "from {} finished {noun} of this model on these pairs; least if the loop ends early",
        found.n_runs
    );
    (words, basis)
}

/// What a run needs at its peak, and what there is.
fn memory_words(launch: &Launch) -> String {
    let Some(need) = launch.memory else { return NONE.to_owned() };
    let total = need.n_total.map_or(String::new(), |total| format!(" of {}", short_size(total)));
    format!("{}{total}", short_size(need.n_bytes))
}

/// What is wrong, or what the selected row means: in two lines where there is room for it.
fn check_lines(model: &Model, width: usize, n_lines: usize) -> Vec<Line<'static>> {
    let theme = &model.theme;
    let row = model.launch.rows.get(model.launch.cursor);
    let (words, style) = match model.launch.problem() {
        Some(problem) => (format!("✗ {problem}"), theme.bad),
        None => (row.map_or(String::new(), |row| row.help.clone()), theme.text),
    };
    let lines = text::wrap(&words, width, n_lines).into_iter();
    lines.map(|line| Line::styled(line, style)).collect()
}

fn draw_below(model: &Model, area: Rect, buffer: &mut Buffer) {
    let theme = &model.theme;
    let inside = Rect { x: area.x + 1, width: area.width - 2, ..area };
    let width = usize::from(inside.width);
    rule(buffer, area, 0, theme, "what it comes to");
    let command = text::wrap(&model.launch.command(), width, 2);
    let mut lines = check_lines(model, width, 3 - command.len().min(2));
    let (words, basis) = estimate_words(&model.launch);
    lines.push(Line::styled(text::cut(&words, width), theme.text));
    let basis = model.launch.dry_run.as_ref().map_or(basis, |dry| format!("dry run: {dry}"));
    lines.push(Line::styled(text::cut(&basis, width), theme.dim));
    lines.extend(command.into_iter().map(|line| Line::styled(line, theme.key)));
    for (row, line) in (1..).zip(lines) {
        put(buffer, inside, row, line);
    }
}

fn draw_side(model: &Model, area: Rect, buffer: &mut Buffer) {
    let theme = &model.theme;
    let launch = &model.launch;
    let width = usize::from(area.width).saturating_sub(4);
    let mut y = area.y;
    let mut block = |title: &str, right: &str, height: u16, lines: Vec<Line<'static>>| {
        let height = height.min(area.bottom().saturating_sub(y));
        let rect = Rect { y, height, ..area };
        if height < 3 {
            return;
        }
        let inside = pane(buffer, rect, theme, [title, right], "");
        let inside = Rect { x: inside.x + 1, width: inside.width - 1, ..inside };
        for (row, line) in lines.into_iter().enumerate() {
            put(buffer, inside, row as u16, line);
        }
        y += height;
    };
    let row = launch.rows.get(launch.cursor);
    let mut about: Vec<Line<'static>> = Vec::new();
    if let Some(row) = row {
        about.push(Line::styled(row.label().to_owned(), theme.heading));
        about.extend(text::wrap(&row.help, width, 4).into_iter().map(Line::from));
        if !row.choices.is_empty() {
            about.push(Line::styled(row.choices.join(" · "), theme.dim));
        }
    }
    block("this row", "", 8, about);
    let check = match launch.problem() {
        Some(problem) => {
            let lines = text::wrap(&format!("✗ {problem}"), width, 3).into_iter();
            lines.map(|line| Line::styled(line, theme.bad)).collect()
        }
        None => vec![Line::styled("✓ the settings fit · D tries data and model", theme.good)],
    };
    block("check", "", 5, check);
    let (words, basis) = estimate_words(launch);
    let mut lines: Vec<Line<'static>> =
        words.split(" · ").map(|part| Line::from(part.to_owned())).collect();
    lines.extend(text::wrap(&basis, width, 2).into_iter().map(|l| Line::styled(l, theme.dim)));
    block("estimate", "", 8, lines);
    let changed = launch.rows.iter().filter(|row| row.is_changed());
    let changed: Vec<Line<'static>> = changed
        .map(|row| {
            let words = format!("{}  {} → {}", row.label(), row.before, row.value);
            Line::styled(text::cut(&words, width), theme.text)
        })
        .collect();
    block("changed", "r resets a row · R all", (changed.len() as u16 + 2).clamp(3, 10), changed);
    let command = text::wrap(&launch.command(), width, 6).into_iter();
    let command = command.map(|line| Line::styled(line, theme.key)).collect();
    block("the same from a shell", "y copies", 8, command);
    let dry = launch.dry_run.clone();
    let dry = dry.unwrap_or_else(|| "200 pairs, one round, nothing is kept".to_owned());
    let dry = text::wrap(&dry, width, 3).into_iter().map(Line::from).collect();
    block("dry run", "D", 5, dry);
}
