//! The sampled pair: what the model read, what it prefers, and whether that became a label.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use crate::domain::preference::Side;
use crate::domain::verdict::Verdict;
use crate::store::rows::SampledPair;

use super::Live;
use crate::tui::feed::data::{RunData, preferred_side, score_of};
use crate::tui::kit::draw::{pane, put};
use crate::tui::kit::text;
use crate::tui::kit::text::share;
use crate::tui::kit::words;
use crate::tui::panels::empty::why_empty;
use crate::tui::shell::model::Model;

/// Draws the pair in a box: answers one below the other, or side by side from 120 columns.
pub fn draw(model: &Model, live: &Live, data: &RunData, area: Rect, buffer: &mut Buffer) {
    let theme = &model.theme;
    let Some(pair) = data.sampled.get(live.pair) else {
        let inside = pane(buffer, area, theme, ["sampled pair", ""], "");
        put(
            buffer,
            inside,
            0,
            Line::styled(why_empty(model, "no pair of the pool was scored yet"), theme.dim),
        );
        return;
    };
    let fate = match pair.verdict {
        Some(Verdict::Veto) => "vetoed",
        Some(Verdict::Keep) => "kept",
        Some(Verdict::Flip) => "flipped",
        Some(Verdict::Undo) | None => pair.left_out.map_or("selected", words::left_out),
    };
    let title =
        format!("pair {} of {} · {} · {fate}", live.pair + 1, data.sampled.len(), pair.pair);
    let inside = pane(buffer, area, theme, [&title, &score_words(pair)], "");
    if inside.is_empty() || inside.width < 20 {
        return;
    }
    let inside = Rect { x: inside.x + 1, width: inside.width - 1, ..inside };
    let wide = inside.width >= 120;
    let n_prompt = if wide { (inside.height / 4).max(1) } else { (inside.height / 5).max(1) };
    let prompt = Rect { height: n_prompt, ..inside };
    draw_text(prompt, "PROMPT ", theme.heading, &prompt_lines(pair, prompt), theme.text, buffer);
    let answers = Rect { y: prompt.bottom(), height: inside.height - n_prompt, ..inside };
    let (first, second) = if wide {
        let width = answers.width / 2;
        let left = Rect { width: width - 1, ..answers };
        (left, Rect { x: answers.x + width, width: answers.width - width, ..answers })
    } else {
        let height = answers.height.div_ceil(2);
        let top = Rect { height, ..answers };
        (top, Rect { y: top.bottom(), height: answers.height - height, ..answers })
    };
    draw_answer(model, live, pair, Side::A, first, buffer);
    draw_answer(model, live, pair, Side::B, second, buffer);
}

/// `confidence .831 (was .771) · margin +1.59`
fn score_words(pair: &SampledPair) -> String {
    let score = score_of(pair);
    let mut out = format!("confidence {}", share(Some(score.confidence()), 3));
    if let Some(previous) = pair.previous_confidence {
        // Of the side that is preferred now: below one half where the model has changed its mind.
        out = format!("{out} (was {})", share(Some(previous), 3));
    }
    let origin = pair.origin.as_ref().map_or_else(String::new, |it| format!(" · from {it}"));
    format!("{out} · margin {:+.2}{origin}", score.margin())
}

fn draw_answer(
    model: &Model,
    live: &Live,
    pair: &SampledPair,
    side: Side,
    area: Rect,
    buffer: &mut Buffer,
) {
    let theme = &model.theme;
    let (letter, answer) = match side {
        Side::A => ('A', &pair.response_a),
        Side::B => ('B', &pair.response_b),
    };
    let (mark, style) = match preferred_side(pair) {
        Some(preferred) if preferred == side => ('✓', theme.good),
        Some(_) => ('✗', theme.dim),
        None => ('=', theme.dim),
    };
    // As wide as nothing, so that both answers begin in one column whether it is shown or not.
    let gold = if live.shows_gold && pair.gold == Some(side) { "★  " } else { "   " };
    let label = format!("{letter} {mark} {gold}");
    let room = usize::from(area.width).saturating_sub(text::width(&label) + 1);
    let lines = text::wrap(answer.trim(), room, usize::from(area.height));
    draw_text(area, &label, style, &lines, theme.text, buffer);
}

fn draw_text(
    area: Rect,
    label: &str,
    label_style: Style,
    lines: &[String],
    style: Style,
    buffer: &mut Buffer,
) {
    let indent = " ".repeat(text::width(label));
    for row in 0..area.height {
        let head = if row == 0 { label } else { &indent };
        let body = lines.get(usize::from(row)).map_or("", String::as_str);
        let line = Line::from(vec![
            Span::styled(head.to_owned(), label_style),
            Span::styled(body.to_owned(), style),
        ]);
        put(buffer, area, row, line);
    }
}

/// The end of the prompt: the last thing the person said is what the answers answer.
fn prompt_lines(pair: &SampledPair, area: Rect) -> Vec<String> {
    let room = usize::from(area.width).saturating_sub("PROMPT ".len() + 1);
    let prompt = pair.prompt.trim();
    let prompt = prompt.strip_suffix("Assistant:").unwrap_or(prompt).trim();
    let is_dialogue = prompt.contains("Assistant:");
    let prompt = prompt.strip_prefix("Human:").filter(|_| !is_dialogue).unwrap_or(prompt).trim();
    let mut lines = text::wrap(prompt, room, 2_000);
    lines.retain(|line| !line.is_empty());
    let n_rows = usize::from(area.height);
    if lines.len() > n_rows {
        lines.drain(..lines.len() - n_rows);
        if let Some(first) = lines.first_mut() {
            *first = text::cut(&format!("… {first}"), room);
        }
    }
    lines
}
