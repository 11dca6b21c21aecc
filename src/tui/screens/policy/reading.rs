//! The selected prompt and its answers: one of them in full, with another beside it.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Line;

use crate::domain::policy::record::RolloutAnswer;

use super::Pane;
use super::answers::{Selected, beside, trimmed};
use crate::tui::kit::diff::word_diff;
use crate::tui::kit::draw::{draw_lines, n_visible, put, rule};
use crate::tui::kit::text;
use crate::tui::shell::model::Model;

/// Lines of a text that are wrapped at most.
const N_LINES_MAX: usize = 2_000;
/// From so many rows on, the answers stand in a table above their texts.
const N_FULL: u16 = 12;
/// From so many columns on, two texts stand side by side.
const N_SIDE_BY_SIDE: u16 = 84;

/// Draws prompt, answers and texts.
pub fn draw(model: &Model, selected: &Selected<'_>, area: Rect, buffer: &mut Buffer) {
    let rollout = selected.rollout;
    let Some(answer) = rollout.answers.get(selected.answer) else {
        put(buffer, area, 0, Line::styled("no answer", model.theme.dim));
        return;
    };
    if area.height < N_FULL {
        draw_short(model, selected, answer, area, buffer);
        return;
    }
    let veto = if rollout.is_prompt_vetoed { " · vetoed" } else { "" };
    let lines = text::wrap(trimmed(&rollout.prompt), usize::from(area.width), N_LINES_MAX);
    // The last thing that was said is what the answers answer.
    let n_prompt = (lines.len() as u16).min(area.height / 5).max(1);
    let prompt = Rect { height: n_prompt + 1, ..area };
    rule(buffer, prompt, 0, &model.theme, &format!("prompt {}{veto}", rollout.pair));
    let last = &lines[lines.len().saturating_sub(usize::from(n_prompt))..];
    draw_lines(last, |_| model.theme.text, prompt, buffer);
    let n_answers = (rollout.answers.len() as u16 + 1).min(area.height / 3);
    let table = Rect { y: prompt.bottom(), height: n_answers, ..area };
    draw_table(model, selected, table, buffer);
    let texts = Rect {
        y: table.bottom(),
        height: area.height.saturating_sub(prompt.height + table.height),
        ..area
    };
    draw_texts(model, selected, answer, texts, buffer);
}

/// Where there is little room: the question and the answer, one below the other.
fn draw_short(
    model: &Model,
    selected: &Selected<'_>,
    answer: &RolloutAnswer,
    area: Rect,
    buffer: &mut Buffer,
) {
    let theme = &model.theme;
    let width = usize::from(area.width);
    let question = super::answers::question(&selected.rollout.prompt);
    put(buffer, area, 0, Line::styled(text::cut(&question, width), theme.strong));
    let n = selected.rollout.answers.len();
    let head = format!("answer {} of {n} · {}", selected.answer, facts(answer));
    put(buffer, area, 1, Line::styled(text::cut(&head, width), theme.dim));
    let n_rows = usize::from(area.height.saturating_sub(2));
    let lines = text::wrap(answer.text.trim(), width, N_LINES_MAX);
    let from = model.policy.scrolled.min(lines.len().saturating_sub(1));
    let below = Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area };
    draw_lines(&lines[from..], |_| theme.text, below, buffer);
    if n_rows > 0 && answer.text.trim().is_empty() {
        put(buffer, area, 2, Line::styled("(empty)", theme.dim));
    }
}

/// `reward +1.23 · gold 0.60 · advantage +0.41 · 31 tokens · ended`
fn facts(answer: &RolloutAnswer) -> String {
    let mut parts = Vec::new();
    parts.extend(answer.reward.map(|it| format!("reward {it:+.2}")));
    parts.extend(answer.gold.map(|it| format!("gold {it:.2}")));
    parts.extend(answer.advantage.map(|it| format!("advantage {it:+.2}")));
    parts.push(format!("{} tokens", answer.n_tokens));
    parts.push(end_word(answer).to_owned());
    parts.join(" · ")
}

/// ` · +1.23 · gold 0.60 · 31 tokens`
fn short_facts(answer: &RolloutAnswer) -> String {
    let reward = answer.reward.map_or(String::new(), |it| format!(" · {it:+.2}"));
    let gold = answer.gold.map_or(String::new(), |it| format!(" · gold {it:.2}"));
    format!("{reward}{gold} · {} tokens", answer.n_tokens)
}

fn end_word(answer: &RolloutAnswer) -> &'static str {
    if answer.has_end { "ended" } else { "cut" }
}

fn draw_table(model: &Model, selected: &Selected<'_>, area: Rect, buffer: &mut Buffer) {
    let theme = &model.theme;
    let rollout = selected.rollout;
    let heads = "   #  REWARD  GOLD    ADV  NATS TOKENS  END";
    put(buffer, area, 0, Line::styled(text::cut(heads, usize::from(area.width)), theme.heading));
    let n_rows = usize::from(area.height.saturating_sub(1));
    let first = (selected.answer + 1).saturating_sub(n_rows);
    let number = |value: Option<f64>, width, signed: bool| {
        let words = match value {
            Some(value) if signed => format!("{value:+.2}"),
            Some(value) => format!("{value:.2}"),
            None => text::NONE.to_owned(),
        };
        text::right(&words, width)
    };
    for (row, (at, answer)) in
        (1..).zip(rollout.answers.iter().enumerate().skip(first).take(n_rows))
    {
        let is_vetoed = rollout.vetoed.get(at).copied().unwrap_or(false) || answer.is_vetoed;
        let begin = answer.text.split_whitespace().collect::<Vec<_>>().join(" ");
        let words = format!(
            "{}{}{} {} {} {} {} {}  {}  {begin}",
            if at == selected.answer { "▌" } else { " " },
            if is_vetoed { "✗" } else { " " },
            text::right(&at.to_string(), 2),
            number(answer.reward, 7, true),
            number(answer.gold, 5, false),
            number(answer.advantage, 6, true),
            number(answer.divergence, 5, false),
            text::right(&answer.n_tokens.to_string(), 6),
            text::left(end_word(answer), 5),
        );
        let style = if is_vetoed { theme.dim } else { theme.text };
        let words = text::cut(&words, usize::from(area.width));
        put(buffer, area, row, Line::styled(words, style));
        if at == selected.answer {
            let place = Rect { y: area.y + row, height: 1, ..area };
            buffer.set_style(place, theme.selected);
        }
    }
}

/// The answer that is read, and another one beside it or below it; words that both have are dim.
fn draw_texts(
    model: &Model,
    selected: &Selected<'_>,
    answer: &RolloutAnswer,
    area: Rect,
    buffer: &mut Buffer,
) {
    let mark = if model.policy.pane == Pane::Answer { "▌" } else { "" };
    // The table above says what it came to.
    let title = format!("{mark}answer {}", selected.answer);
    let Some((name, other)) = beside(&model.policy, selected) else {
        draw_text(model, &title, &answer.text, &[], area, buffer);
        return;
    };
    let (left, right) = if area.width >= N_SIDE_BY_SIDE {
        let width = area.width / 2;
        let left = Rect { width: width - 1, ..area };
        (left, Rect { x: area.x + width, width: area.width - width, ..area })
    } else {
        let height = area.height.div_ceil(2);
        let left = Rect { height, ..area };
        (left, Rect { y: left.bottom(), height: area.height - height, ..area })
    };
    let diff = word_diff(answer.text.trim(), other.text.trim());
    let is_mixed = |flags: &[bool]| flags.contains(&true) && flags.contains(&false);
    // All dim or all bright says nothing.
    let shows = is_mixed(&diff.a) || is_mixed(&diff.b);
    let [a, b] = if shows { [diff.a, diff.b] } else { [Vec::new(), Vec::new()] };
    draw_text(model, &title, &answer.text, &a, left, buffer);
    let is_same = answer.text.trim() == other.text.trim();
    let same = if is_same { " · the same words" } else { "" };
    let title = format!("{name}{same}{}", short_facts(other));
    draw_text(model, &title, &other.text, &b, right, buffer);
}

fn draw_text(
    model: &Model,
    title: &str,
    words: &str,
    is_shared: &[bool],
    area: Rect,
    buffer: &mut Buffer,
) {
    let theme = &model.theme;
    if area.height == 0 {
        return;
    }
    rule(buffer, area, 0, theme, title);
    let words = words.trim();
    if words.is_empty() {
        put(buffer, area, 1, Line::styled("(empty)", theme.dim));
        return;
    }
    let room = usize::from(area.width.saturating_sub(1));
    let lines = text::wrap(words, room, N_LINES_MAX);
    let from = model.policy.scrolled.min(lines.len().saturating_sub(1));
    let n_before: usize = lines[..from].iter().map(|line| n_visible(line)).sum();
    let style = |at: usize| -> Style {
        let is_shared = is_shared.get(n_before + at).copied().unwrap_or(false);
        if is_shared { theme.dim } else { theme.text }
    };
    draw_lines(&lines[from..], style, area, buffer);
}
