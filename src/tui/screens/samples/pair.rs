//! Draws the pair under the cursor: what was asked, both answers, and what was thought of it.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::domain::preference::Side;
use crate::domain::stats::bradley_terry::sigmoid;
use crate::store::{PairOpinions, SampledPair};

use super::layout::{lines_of, prompt_text, texts};
use super::{Pane, queue_words, words};
use crate::tui::feed::data::preferred_side;
use crate::tui::feed::samples::SamplesData;
use crate::tui::kit::diff::word_diff;
use crate::tui::kit::draw::{draw_lines, n_visible, put, rule};
use crate::tui::kit::text;
use crate::tui::kit::text::share;
use crate::tui::kit::widgets::{LineChart, Point, Series, Stroke, TrendScale, trend};
use crate::tui::shell::model::Model;

/// Draws the pair; until it is read, only its number.
pub fn draw(model: &Model, data: &SamplesData, area: Rect, buffer: &mut Buffer) {
    let theme = &model.theme;
    let Some(line) = data.line(model.samples.cursor) else { return };
    let pair = data.pair.as_deref().filter(|pair| pair.sample.pair == line.pair);
    let Some(pair) = pair else {
        put(buffer, area, 0, Line::styled(line.pair.to_string(), theme.heading));
        return;
    };
    put(buffer, area, 0, head(model, data, pair, usize::from(area.width)));
    let below = Rect { y: area.y + 1, height: area.height.saturating_sub(1), ..area };
    if model.samples.is_zoomed && model.samples.pane != Pane::List && !model.samples.is_queue() {
        draw_zoomed(model, pair, below, buffer);
        return;
    }
    let texts = texts(model, pair, below);
    draw_prompt(model, pair, texts.prompt, buffer);
    draw_answers(model, pair, [texts.a, texts.b], buffer);
    if texts.chart.height > 0 {
        draw_chart(model, pair, texts.chart, buffer);
    }
    if texts.why.height > 0 {
        draw_why(model, pair, data.floor, texts.why, buffer);
    }
}

/// `9772 confidence .831 ▲.06 · model says A`
fn head(model: &Model, data: &SamplesData, pair: &PairOpinions, width: usize) -> Line<'static> {
    let theme = &model.theme;
    let sample = &pair.sample;
    if model.samples.hides(sample.pair) {
        let slice = text::cut(&pair.slice, width.saturating_sub(12));
        return Line::from(vec![
            Span::styled(format!("{} ", sample.pair), theme.heading),
            Span::styled(slice, theme.dim),
        ]);
    }
    let confidence = words::confidence(pair);
    let change = sample.previous_confidence.map(|before| confidence - signed(before));
    let change = change.map(|change| words::change(Some(change))).filter(|it| it != "=");
    let change = change.map(|change| format!(" {change}"));
    let change = change.unwrap_or_default();
    let says = preferred_side(sample).map_or("a tie", words::letter);
    let who = if sample.origin.is_some() { "judge" } else { "human" };
    let gold = match sample.gold.filter(|_| model.samples.shows_gold) {
        Some(side) => format!(" · {who} says {}", words::letter(side)),
        None => String::new(),
    };
    let origin = sample.origin.as_ref().map_or_else(String::new, |it| format!(" · from {it}"));
    let slice = if pair.slice.is_empty() { String::new() } else { format!(" · {}", pair.slice) };
    let others = match queue_words::others(&model.samples, data, sample.pair) {
        Some(others) if model.samples.is_queue() => format!(" · {others}"),
        _ => String::new(),
    };
    let words_of = format!(
        "confidence {}{change} · model says {says}{gold}{others}{origin}{slice}",
        share(Some(confidence), 3),
    );
    let number = format!("{} ", sample.pair);
    let room = width.saturating_sub(text::width(&number));
    Line::from(vec![
        Span::styled(number, theme.heading),
        Span::styled(text::cut(&words_of, room), theme.text),
    ])
}

/// The probability of the present preference that a signed confidence means.
fn signed(confidence: f64) -> f64 {
    if confidence < 0.0 { 1.0 + confidence } else { confidence }
}

fn draw_zoomed(model: &Model, pair: &PairOpinions, area: Rect, buffer: &mut Buffer) {
    match model.samples.pane {
        Pane::A => draw_answer(model, pair, Side::A, area, buffer),
        Pane::B => draw_answer(model, pair, Side::B, area, buffer),
        _ => draw_prompt(model, pair, area, buffer),
    }
}

fn draw_prompt(model: &Model, pair: &PairOpinions, area: Rect, buffer: &mut Buffer) {
    let has_keys = model.samples.pane == Pane::Prompt;
    title(model, buffer, area, has_keys, "prompt");
    let lines = lines_of(model, prompt_text(pair), area.width);
    let n_rows = usize::from(area.height.saturating_sub(1));
    // The last thing a person said is what the answers answer.
    let end = lines.len().saturating_sub(n_rows);
    let from = if has_keys { model.samples.scrolled[0].min(lines.len()) } else { end };
    draw_lines(&lines[from..], |_| model.theme.text, area, buffer);
}

fn draw_answers(model: &Model, pair: &PairOpinions, areas: [Rect; 2], buffer: &mut Buffer) {
    draw_answer(model, pair, Side::A, areas[0], buffer);
    draw_answer(model, pair, Side::B, areas[1], buffer);
}

fn draw_answer(model: &Model, pair: &PairOpinions, side: Side, area: Rect, buffer: &mut Buffer) {
    let theme = &model.theme;
    let sample = &pair.sample;
    let (answer, reward, pane, at) = match side {
        Side::A => (&sample.response_a, sample.reward_a, Pane::A, 1),
        Side::B => (&sample.response_b, sample.reward_b, Pane::B, 2),
    };
    let (glyph, says) = match preferred_side(sample) {
        Some(preferred) if preferred == side => ("✓", "preferred"),
        Some(_) => ("✗", "rejected"),
        None => ("=", "as good"),
    };
    let gold = match &sample.origin {
        _ if !model.samples.shows_gold || sample.gold != Some(side) => "",
        Some(_) => " · ★ label of the judge",
        None => " · ★ human label",
    };
    let says = format!("{glyph} {says} · reward {reward:+.2}{gold}");
    let is_left = side == model.samples.left(sample.pair);
    let words_of = if model.samples.hides(sample.pair) {
        if is_left { "1 left" } else { "2 right" }.to_owned()
    } else if model.samples.is_queue() {
        let place = if is_left { 1 } else { 2 };
        format!("{place} = {} {says}", words::letter(side))
    } else {
        format!("{} {says}", words::letter(side))
    };
    title(model, buffer, area, model.samples.pane == pane, &words_of);
    let lines = lines_of(model, answer, area.width);
    let from = model.samples.scrolled[at].min(lines.len().saturating_sub(1));
    let flags = shared(model, sample, side);
    let n_before: usize = lines[..from].iter().map(|line| n_visible(line)).sum();
    let style = |index: usize| {
        let is_shared = flags.get(n_before + index).copied().unwrap_or(false);
        if is_shared { theme.dim } else { theme.text }
    };
    draw_lines(&lines[from..], style, area, buffer);
}

/// For each visible character of an answer, whether the other answer has its word too. Answers that
/// share everything or nothing are not compared: all dim or all bright says nothing.
fn shared(model: &Model, sample: &SampledPair, side: Side) -> Vec<bool> {
    // Where lines are cut, characters cannot be counted through them.
    if !model.samples.has_diff || model.samples.cuts_lines {
        return Vec::new();
    }
    let diff = word_diff(sample.response_a.trim(), sample.response_b.trim());
    let is_mixed = |flags: &[bool]| flags.contains(&true) && flags.contains(&false);
    if !(is_mixed(&diff.a) || is_mixed(&diff.b)) {
        return Vec::new();
    }
    match side {
        Side::A => diff.a,
        Side::B => diff.b,
    }
}

fn title(model: &Model, buffer: &mut Buffer, area: Rect, has_keys: bool, words_of: &str) {
    if area.height == 0 {
        return;
    }
    let words_of = if has_keys { format!("▌{words_of}") } else { words_of.to_owned() };
    rule(buffer, area, 0, &model.theme, &words_of);
}

fn draw_why(
    model: &Model,
    pair: &PairOpinions,
    floor: Option<f64>,
    area: Rect,
    buffer: &mut Buffer,
) {
    let theme = &model.theme;
    title(model, buffer, area, false, "why it is here");
    let confidences: Vec<Option<f64>> =
        pair.rounds.iter().map(|opinion| Some(sigmoid(opinion.margin.abs()))).collect();
    let trend = trend(
        &confidences,
        confidences.len(),
        confidences.len().min(24),
        TrendScale::of([0.5, 1.0]),
    );
    let by_round: Vec<String> = pair
        .rounds
        .iter()
        .map(|o| {
            format!(
                "{} {}{}",
                o.round,
                share(Some(sigmoid(o.margin.abs())), 2),
                words::side(o.margin)
            )
        })
        .collect();
    let rounds =
        format!("rounds {trend} {} · {}", by_round.join("  "), words::history(pair, floor));
    let me = &model.samples.judging.reviewer;
    let decision = words::decision(pair, me, model.samples.is_queue());
    let lines = [decision, words::why(pair, floor), rounds, words::others(pair)];
    let room = usize::from(area.height.saturating_sub(1));
    let mut row = 1;
    for (i, line) in lines.iter().enumerate() {
        // Each has a line; what is left over is for the first that need more.
        let n_after = lines.len() - 1 - i;
        let n_lines = (room + 1).saturating_sub(row + n_after).max(1);
        let style = if i == 0 && pair.verdict.is_some() { theme.strong } else { theme.text };
        for part in text::wrap(line, usize::from(area.width), n_lines) {
            put(buffer, area, row as u16, Line::styled(part, style));
            row += 1;
        }
    }
}

/// The probability that A is better, by round.
fn draw_chart(model: &Model, pair: &PairOpinions, area: Rect, buffer: &mut Buffer) {
    let theme = &model.theme;
    title(model, buffer, area, false, "probability that A is better, by round");
    let points = pair.rounds.iter().map(|opinion| Point {
        x: f64::from(opinion.round),
        y: sigmoid(opinion.margin),
        interval: None,
    });
    let points: Vec<Point> = points.collect();
    let (first, last) = (points[0].x, points[points.len() - 1].x);
    let half = [first, last].map(|x| Point { x, y: 0.5, interval: None }).to_vec();
    let series =
        |points, stroke, style| Series { points, stroke, style, whiskers: style, label: None };
    let chart = LineChart {
        series: &[
            series(half, Stroke::Dashed, theme.dim),
            series(points, Stroke::Solid, theme.main),
        ],
        marks: &[],
        x_bounds: (first, last),
        x_whole: true,
        y_label: |value| share(Some(value), 2),
        axis_style: theme.dim,
        is_steady: false,
    };
    chart.render(Rect { y: area.y + 1, height: area.height - 1, ..area }, buffer);
}
