//! The curves of a policy: what its steps and the evaluations on held-out prompts measured.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;

use super::empty::why_empty;
use crate::domain::policy::best_of::Measured;
use crate::domain::policy::metric::{Metrics, PolicyMetric as M};
use crate::domain::policy::record::PolicyEvaluation;
use crate::tui::feed::data::RunData;
use crate::tui::feed::policy::PolicyData;
use crate::tui::kit::draw::{pane, put};
use crate::tui::kit::text;
use crate::tui::kit::widgets::{LineChart, Mark, Point, Series, Stroke};
use crate::tui::shell::model::Model;

/// What a chart shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Curve {
    Reward,
    /// The judge's score.
    Gold,
    RewardByDivergence,
    GoldByDivergence,
    Divergence,
    Entropy,
    /// Tokens of an answer.
    Length,
    /// Share of the answers that were cut.
    Cut,
}

impl Curve {
    /// The title, the most telling first.
    fn titles(self) -> [&'static str; 2] {
        match self {
            Self::Reward => ["reward by step", "reward"],
            Self::Gold => ["gold by step", "gold"],
            Self::RewardByDivergence => ["reward by divergence, nats", "reward by nats"],
            Self::GoldByDivergence => ["gold by divergence, nats", "gold by nats"],
            Self::Divergence => ["divergence by step, nats", "divergence"],
            Self::Entropy => ["entropy of a token by step, nats", "entropy"],
            Self::Length => ["tokens of an answer by step", "tokens"],
            Self::Cut => ["share of answers cut by step", "share cut"],
        }
    }

    fn is_by_divergence(self) -> bool {
        matches!(self, Self::RewardByDivergence | Self::GoldByDivergence)
    }

    /// What a step measured.
    fn of_step(self, metrics: &Metrics) -> Option<f64> {
        let of = |metric: M| metrics.get(&metric).copied();
        match self {
            Self::Reward => of(M::Reward),
            Self::Gold => of(M::GoldMean),
            // A step tells its divergence from the policy before it, not what the reward costs.
            Self::RewardByDivergence | Self::GoldByDivergence => None,
            Self::Divergence => of(M::ObjectiveKl).or(of(M::Kl)),
            Self::Entropy => of(M::Entropy).or(of(M::PolicyEntropy)),
            Self::Length => of(M::MeanLength),
            Self::Cut => of(M::ClippedRatio),
        }
    }

    /// What an evaluation measured.
    fn of_evaluation(self, evaluation: &PolicyEvaluation) -> Option<Measured> {
        match self {
            Self::Reward | Self::RewardByDivergence => evaluation.proxy,
            Self::Gold | Self::GoldByDivergence => evaluation.gold,
            Self::Divergence => evaluation.divergence,
            Self::Entropy => None,
            Self::Length => Some(evaluation.length),
            Self::Cut => Some(Measured { mean: evaluation.clipped_ratio, interval: None }),
        }
    }
}

/// Draws a curve in a box: steps as a line, evaluations with their 95 % intervals.
pub fn draw_curve(model: &Model, data: &RunData, curve: Curve, area: Rect, buffer: &mut Buffer) {
    let theme = &model.theme;
    let Some(policy) = &data.policy else { return };
    let steps = of_steps(policy, curve);
    let held_out = of_evaluations(policy, curve);
    let best_of = best_of(policy, curve);
    let room = usize::from(area.width).saturating_sub(4);
    let [title, short] = curve.titles();
    let title = if text::width(title) <= room { title } else { short };
    let footer = footer(curve, [&steps, &held_out, &best_of], room);
    let inside = pane(buffer, area, theme, [title, &judge_words(data, curve)], &footer);
    if steps.is_empty() && held_out.is_empty() {
        let words = why_empty(model, missing(data, curve));
        put(buffer, inside, 0, Line::styled(words, theme.dim));
        return;
    }
    let last = |points: &[Point]| points.iter().map(|point| point.x).fold(0.0, f64::max);
    let end = if curve.is_by_divergence() {
        // Below that, the labels of the axis would all be 0.
        last(&held_out).max(last(&best_of)).max(0.01)
    } else {
        f64::from(data.detail.row.rounds_max.max(1)).max(last(&steps)).max(last(&held_out))
    };
    let series = |points, stroke, style, label: Option<&str>| Series {
        points,
        stroke,
        style,
        whiskers: theme.dim,
        label: label.map(str::to_owned),
    };
    let chart = LineChart {
        series: &[
            series(best_of, Stroke::Dotted, theme.warn, Some("n")),
            series(steps, Stroke::Solid, theme.main, None),
            series(held_out, Stroke::Dashed, theme.second, None),
        ],
        marks: &if curve.is_by_divergence() { Vec::new() } else { marks(policy) },
        x_bounds: (0.0, end),
        x_whole: !curve.is_by_divergence(),
        y_label: number,
        axis_style: theme.border,
        is_steady: false,
    };
    chart.render(inside, buffer);
}

fn of_steps(policy: &PolicyData, curve: Curve) -> Vec<Point> {
    let point = |step: u32, metrics: &Metrics| {
        let y = curve.of_step(metrics).filter(|y| y.is_finite())?;
        Some(Point { x: f64::from(step), y, interval: None })
    };
    policy.steps.iter().filter_map(|row| point(row.step, &row.metrics)).collect()
}

fn of_evaluations(policy: &PolicyData, curve: Curve) -> Vec<Point> {
    let rows = policy.evaluations.iter();
    let points = rows.filter_map(|row| {
        let measured = curve.of_evaluation(&row.evaluation)?;
        let x = if curve.is_by_divergence() {
            // Estimated from samples, it can lie a little below 0.
            row.evaluation.divergence?.mean.max(0.0)
        } else {
            f64::from(row.step)
        };
        let interval = measured.interval.map(|interval| (interval.low, interval.high));
        Some(Point { x, y: measured.mean, interval })
    });
    points.filter(|point| point.x.is_finite() && point.y.is_finite()).collect()
}

/// What the best of n answers of the reference would bring at the same divergence.
fn best_of(policy: &PolicyData, curve: Curve) -> Vec<Point> {
    let points = policy.outcome.best_of.iter().filter_map(|point| {
        let y = match curve {
            Curve::RewardByDivergence => point.proxy.mean,
            Curve::GoldByDivergence => point.gold?.mean,
            Curve::Reward
            | Curve::Gold
            | Curve::Divergence
            | Curve::Entropy
            | Curve::Length
            | Curve::Cut => return None,
        };
        Some(Point { x: point.kl, y, interval: None })
    });
    points.collect()
}

/// Where a sign was seen first, and the step whose weights were taken again.
fn marks(policy: &PolicyData) -> Vec<Mark> {
    let mark = |at: u32, label: &str| Mark { at: u64::from(at), label: label.to_owned() };
    let signs = policy.signs.iter().map(|sign| mark(sign.first_step, "!"));
    let restored = policy.outcome.restored_to.map(|step| mark(step, "back"));
    let mut marks: Vec<Mark> = signs.chain(restored).collect();
    marks.sort_by_key(|mark| mark.at);
    marks.dedup();
    marks
}

/// `━ steps 0.97  ╍ held-out 1.04 (0.57 to 1.52)`, as much as fits.
fn footer(curve: Curve, [steps, held_out, best_of]: [&[Point]; 3], room: usize) -> String {
    let value = |points: &[Point]| points.last().map(|point| number(point.y));
    let step = value(steps).map(|y| format!("━ steps {y}"));
    let name = if curve.is_by_divergence() { "policy" } else { "held-out" };
    let held = value(held_out).map(|y| format!("╍ {name} {y}"));
    let interval = held_out.last().and_then(|point| point.interval);
    let long = held
        .as_ref()
        .zip(interval)
        .map(|(held, (low, high))| format!("{held} ({} to {})", number(low), number(high)));
    let best = (!best_of.is_empty()).then(|| "┈ best of n".to_owned());
    let join = |parts: [Option<String>; 3]| {
        parts.into_iter().flatten().collect::<Vec<String>>().join("  ")
    };
    let ways = [
        join([step.clone(), long.clone(), best.clone()]),
        join([step.clone(), held.clone(), best]),
        join([step, held.clone(), None]),
        held.unwrap_or_default(),
    ];
    text::first_that_fits(&ways, room).to_owned()
}

/// Who gives the score, at the right of the title.
fn judge_words(data: &RunData, curve: Curve) -> String {
    let policy = data.spec.as_ref().and_then(|spec| spec.policy.as_deref());
    let Some(policy) = policy else { return String::new() };
    match curve {
        Curve::Reward | Curve::RewardByDivergence => policy.reward.clone(),
        Curve::Gold | Curve::GoldByDivergence => policy.gold.clone(),
        Curve::Divergence | Curve::Entropy | Curve::Length | Curve::Cut => String::new(),
    }
}

/// Why there is no curve.
fn missing(data: &RunData, curve: Curve) -> &'static str {
    let policy = data.spec.as_ref().and_then(|spec| spec.policy.as_deref());
    let has_no = |name: fn(&crate::domain::policy::settings::PolicySpec) -> &str| {
        policy.is_some_and(|policy| name(policy) == "none")
    };
    match curve {
        Curve::Reward | Curve::RewardByDivergence if has_no(|it| &it.reward) => "no reward model",
        Curve::Gold | Curve::GoldByDivergence if has_no(|it| &it.gold) => {
            "no judge: `policy.gold` is none"
        }
        Curve::RewardByDivergence | Curve::GoldByDivergence => "no evaluation with both yet",
        Curve::Entropy => "measured with sampled steps",
        Curve::Reward | Curve::Gold | Curve::Divergence | Curve::Length | Curve::Cut => {
            "nothing was measured yet"
        }
    }
}

/// A number with as many digits as tell something at its size.
pub fn number(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        size if size < 0.000_95 => format!("{value:.0e}"),
        size if size < 0.1 => format!("{value:.3}"),
        size if size < 100.0 => format!("{value:.2}"),
        _ => format!("{value:.0}"),
    }
}

/// `after step 20: reward 1.04 · gold 0.50 · divergence 0.12 nats · 11 tokens · 0 % cut`
pub fn latest_words(policy: &PolicyData) -> Option<String> {
    let row = policy.evaluations.last()?;
    let evaluation = &row.evaluation;
    let mut parts = Vec::new();
    parts.extend(evaluation.proxy.map(|it| format!("reward {}", number(it.mean))));
    parts.extend(evaluation.gold.map(|it| format!("gold {}", number(it.mean))));
    parts.extend(evaluation.divergence.map(|it| format!("divergence {} nats", number(it.mean))));
    parts.push(format!("{:.0} tokens", evaluation.length.mean));
    parts.push(format!("{:.0} % cut", evaluation.clipped_ratio * 100.0));
    let when =
        if row.step == 0 { "the reference".to_owned() } else { format!("after step {}", row.step) };
    Some(format!("{when}: {}", parts.join(" · ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_what_tells_something() {
        let cases =
            [(0.0, "0"), (-4e-7, "-4e-7"), (0.012, "0.012"), (1.044, "1.04"), (123.4, "123")];
        for (value, want) in cases {
            assert_eq!(number(value), want);
        }
    }
}
