//! Draws the runs list, and the selected run beside or below it.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::store::rows::RunRow;

use super::layout::{n_details_columns, n_list_rows};
use super::side::{draw_side, identity_line, kept_line, selection_line};
use crate::tui::kit::draw::{condition_style, put, put_right, rule};
use crate::tui::kit::size::SizeClass;
use crate::tui::kit::text;
use crate::tui::kit::text::NONE;
use crate::tui::kit::widgets::{TrendScale, trend};
use crate::tui::kit::words;
use crate::tui::kit::words::Condition;
use crate::tui::panels::lines::progress_line;
use crate::tui::panels::log::{draw_log, log_words};
use crate::tui::shell::model::Model;

/// Draws the list and what belongs to the selected run.
pub fn draw(model: &Model, area: Rect, buffer: &mut Buffer) {
    if model.runs.all().next().is_none() {
        draw_empty(model, area, buffer);
        return;
    }
    let class = model.size.class();
    let n_rows = n_list_rows(model.size) as u16 + 2;
    let mut list = Rect { height: n_rows.min(area.height), ..area };
    if class == SizeClass::Wide {
        let n_details = n_details_columns(model);
        list.width -= n_details + 1;
        let side = Rect { x: list.right() + 1, width: n_details, ..list };
        draw_side(model, side, buffer);
        for y in list.top()..list.bottom() {
            buffer.set_string(list.right(), y, "│", model.theme.border);
        }
    }
    draw_list(model, list, buffer);
    let below = Rect { y: list.bottom(), height: area.bottom() - list.bottom(), ..area };
    match class {
        SizeClass::Wide => draw_log(model, below, "events", 0, buffer),
        SizeClass::Standard => draw_strip(model, below, buffer),
        _ => {}
    }
}

fn draw_empty(model: &Model, area: Rect, buffer: &mut Buffer) {
    let theme = &model.theme;
    if !model.runs.is_loaded {
        put(buffer, area, 1, Line::styled("  reading the runs …", theme.dim));
        return;
    }
    let lines = [
        ("  no runs yet", theme.heading),
        ("", theme.text),
        ("  press Enter to start the embedded experiment, or n for the form:", theme.text),
        (
            "  its model and its preference pairs come with ser; it runs in the background",
            theme.dim,
        ),
        ("", theme.text),
        ("  with your own pairs: leave with q and start", theme.text),
        ("    ser run --set data.source=pairs.jsonl", theme.key),
        ("  the run keeps going when this screen closes; `ser` returns to it", theme.dim),
    ];
    for (row, (words, style)) in lines.into_iter().enumerate() {
        put(buffer, area, row as u16 + 1, Line::styled(words, style));
    }
}

fn draw_list(model: &Model, area: Rect, buffer: &mut Buffer) {
    let theme = &model.theme;
    let runs = &model.runs;
    let columns = Columns::of(model.size.class(), usize::from(area.width));
    draw_counts(model, area, buffer);
    put(buffer, area, 1, Line::styled(columns.heads(), theme.heading));
    if runs.rows.is_empty() {
        let words = "  no run matches the filter · / changes it, Esc takes it off";
        put(buffer, area, 3, Line::styled(words, theme.dim));
    }
    let range = runs.range();
    let scale = runs.scale;
    let baseline = runs.baseline();
    let shown = runs.rows.iter().enumerate().skip(runs.offset);
    for (i, (index, row)) in shown.take(usize::from(area.height) - 2).enumerate() {
        let y = i as u16 + 2;
        let is_selected = index == runs.cursor;
        let is_marked = runs.marked.contains(&row.id)
            || range.as_ref().is_some_and(|range| range.contains(&index));
        let marks = (is_selected, is_marked);
        let line = columns.line(model, row, baseline, scale, marks);
        put(buffer, area, y, line);
        if is_selected {
            // As far as the name: over ssh a whole row for every move is twice the bytes.
            let width = (columns.name as u16 + 3).min(area.width);
            buffer.set_style(Rect { y: area.y + y, height: 1, width, ..area }, theme.selected);
        }
    }
}

/// The filter at the left, and how many runs there are at the right.
fn draw_counts(model: &Model, area: Rect, buffer: &mut Buffer) {
    let theme = &model.theme;
    let runs = &model.runs;
    let n_archived = runs.hidden.iter().filter(|row| row.annotation.is_archived).count();
    let n_all = runs.rows.len() + runs.hidden.len();
    let noun = if n_all == 1 { "run" } else { "runs" };
    let mut parts = vec![match runs.rows.len() {
        n if n == n_all => format!("{n} {noun}"),
        n => format!("{n} of {n_all} {noun}"),
    }];
    if n_archived > 0 {
        parts.push(format!("{n_archived} archived"));
    }
    if !runs.marked.is_empty() {
        parts.push(format!("{} marked", runs.marked.len()));
    }
    let turned = if runs.is_reversed { ", turned round" } else { "" };
    parts.push(format!("{}{turned}", runs.sort.words()));
    let counts = format!("{} ", parts.join(" · "));
    let room = usize::from(area.width).saturating_sub(text::width(&counts) + 1);
    if !runs.filter_text.trim().is_empty() {
        let filter = format!(" / {}", runs.filter_text);
        put(buffer, area, 0, Line::styled(text::cut(&filter, room), theme.key));
    }
    put_right(buffer, area, 0, Line::styled(counts, theme.dim));
}

/// Columns of the round, or of the step of a policy.
const N_ROUND: usize = 5;

/// Which columns are shown, and how wide the name is.
struct Columns {
    class: SizeClass,
    name: usize,
    trend: usize,
}

impl Columns {
    fn of(class: SizeClass, width: usize) -> Self {
        let trend = if class == SizeClass::Wide { 8 } else { 6 };
        let mut columns = Self { class, name: 0, trend };
        // Everything but the name has a fixed width.
        columns.name = width.saturating_sub(text::width(&columns.heads())).clamp(4, 40);
        columns
    }

    fn heads(&self) -> String {
        let name = text::left("NAME", self.name);
        let state = text::left("  STATE", self.n_state());
        let mut out = format!("   {name} {state} {}", text::right("ROUND", N_ROUND));
        out.push_str("   TEST  ±95%");
        out.push_str(" vs base");
        if self.class >= SizeClass::Standard {
            out = format!("{out} {}SELECTED VETO", text::left("TREND", self.trend));
        }
        if self.class == SizeClass::Wide {
            out.push_str("    τ     LR  RNG");
        }
        if self.class >= SizeClass::Standard {
            out.push_str("  AGE");
        }
        out
    }

    /// Columns of the state: glyph and word.
    fn n_state(&self) -> usize {
        if self.class == SizeClass::Wide { 13 } else { 9 }
    }

    fn line(
        &self,
        model: &Model,
        row: &RunRow,
        baseline: Option<&RunRow>,
        scale: Option<TrendScale>,
        (is_selected, is_marked): (bool, bool),
    ) -> Line<'static> {
        let theme = &model.theme;
        let condition = Condition::of(row);
        // The one long word would push every other column aside.
        let word = match condition {
            Condition::Interrupted if self.class < SizeClass::Wide => "lost",
            condition => condition.word(),
        };
        let state = format!("{} {word}", condition.glyph());
        let round = match condition {
            // A run that was queued again has been somewhere.
            Condition::Queued if row.test_accuracy.is_empty() => format!("–/{}", row.rounds_max),
            _ => format!("{}/{}", row.round, row.rounds_max),
        };
        // Steps are many: where both numbers have no room, the first one tells more.
        let round = if text::width(&round) > N_ROUND { row.round.to_string() } else { round };
        let test = row.latest_test.as_ref();
        let half = test.map(words::half_interval);
        let name_style = if row.annotation.is_archived { theme.dim } else { theme.strong };
        let mut spans = vec![
            Span::raw(if is_selected { "▌" } else { " " }),
            Span::styled(if is_marked { "+" } else { " " }, theme.key),
            Span::styled(if row.annotation.is_baseline { "★" } else { " " }, theme.warn),
            Span::styled(text::left(&text::cut_name(&row.name, self.name), self.name), name_style),
            Span::raw(" "),
            Span::styled(text::left(&state, self.n_state()), condition_style(theme, condition)),
            Span::raw(format!(" {}", text::right(&round, N_ROUND))),
            Span::raw(text::right(&text::share(test.map(|e| e.accuracy), 4), 7)),
            Span::styled(text::right(&text::share(half, 3), 6), theme.dim),
            self.distance(model, row, baseline),
        ];
        if self.class >= SizeClass::Standard {
            let n_rounds = row.rounds_max as usize + 1;
            let blocks = trend(&row.test_accuracy, n_rounds, self.trend, scale);
            let kept = row.n_selected.map_or(NONE.to_owned(), text::short_count);
            let vetoed =
                if row.n_vetoed == 0 { NONE.to_owned() } else { text::short_count(row.n_vetoed) };
            spans.push(Span::styled(format!(" {blocks}"), theme.main));
            spans.push(Span::raw(text::right(&kept, 8)));
            spans.push(Span::raw(text::right(&vetoed, 5)));
        }
        if self.class == SizeClass::Wide {
            let rate = row.facts.learning_rate.map_or(NONE.to_owned(), |rate| format!("{rate:e}"));
            spans.push(Span::raw(text::right(&text::share(row.facts.high_threshold, 2), 5)));
            spans.push(Span::raw(text::right(&rate, 7)));
            spans.push(Span::raw(text::right(&row.rng_seed.to_string(), 5)));
        }
        if self.class >= SizeClass::Standard {
            let age = text::coarse_age(row.created_at_ms, model.now_ms);
            spans.push(Span::styled(text::right(&age, 5), theme.dim));
        }
        Line::from(spans)
    }

    /// How far from the baseline: `~` where the two were not tested on the same pairs.
    fn distance(&self, model: &Model, row: &RunRow, baseline: Option<&RunRow>) -> Span<'static> {
        let theme = &model.theme;
        let (width, digits) = (8, if self.class == SizeClass::Wide { 4 } else { 3 });
        let Some(base) = baseline else {
            return Span::styled(text::right(NONE, width), theme.dim);
        };
        if base.id == row.id {
            return Span::styled(text::right("★", width), theme.warn);
        }
        let Some(distance) = row.distance_to(base) else {
            return Span::styled(text::right(NONE, width), theme.dim);
        };
        let other_pairs = row.facts.is_test_split && row.rng_seed != base.rng_seed;
        let about = if other_pairs { "~" } else { "" };
        let sign = if distance > 0.0 { "+" } else { "" };
        let words = format!("{about}{sign}{}", text::share(Some(distance), digits));
        Span::raw(text::right(&words, width))
    }
}

fn draw_strip(model: &Model, area: Rect, buffer: &mut Buffer) {
    let Some(row) = model.current() else { return };
    let theme = &model.theme;
    rule(buffer, area, 0, theme, &row.name);
    let inside = Rect { x: area.x + 1, width: area.width - 2, ..area };
    put(buffer, inside, 1, identity_line(model, row, usize::from(inside.width)));
    put(buffer, inside, 2, progress_line(model, row, usize::from(inside.width)));
    put(buffer, inside, 3, selection_line(model, usize::from(inside.width)));
    let last = model.current_data().and_then(|data| data.log.last());
    if let Some(line) = last {
        put(buffer, inside, 4, log_words(model, line, usize::from(inside.width)));
    }
    put(buffer, inside, 5, kept_line(model, row, usize::from(inside.width)));
}
