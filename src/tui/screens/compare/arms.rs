//! The runs arm by arm: what a recipe comes to, whatever its seed.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::analysis::{ArmComparison, ArmRow, MeanOverSeeds};
use crate::domain::stats::Interval;
use crate::report::{coinciding, letter, signed};

use super::legend;
use crate::tui::kit::draw::{pane, put};
use crate::tui::kit::text;
use crate::tui::kit::text::{count, duration, share};
use crate::tui::kit::widgets::{LineChart, Point};
use crate::tui::shell::model::Model;

/// More intervals than this hide the lines.
const N_WITH_INTERVALS: usize = 4;
/// Of fewer seeds an interval over seeds is as high as the chart.
const N_SEEDS_MIN: usize = 3;
/// Columns of the name of an arm, at least and at most.
const N_NAME_COLUMNS: (usize, usize) = (12, 40);
/// Columns that the name leaves to seeds, accuracy and difference.
const N_FIRST_COLUMNS: usize = 58;
/// The columns behind the name: head and width. What does not fit is left out from the end.
const COLUMNS: [(&str, usize); 7] = [
    ("SEEDS", 5),
    ("TEST  95% OVER SEEDS", 20),
    ("VS BASE  95% PAIRED", 22),
    ("P HOLM", 6),
    ("GAP CLOSED", 15),
    ("LABELS", 7),
    ("TIME", 7),
];

/// Draws the table of the arms with a line below that says how the numbers were come by.
pub fn draw(model: &Model, area: Rect, buffer: &mut Buffer) {
    let theme = &model.theme;
    let Some(arms) = model.compare.data.as_ref().and_then(|data| data.arms.as_ref()) else {
        put(buffer, area, 0, Line::styled("  reading the arms …", theme.dim));
        return;
    };
    let width = usize::from(area.width);
    let longest = arms.arms.iter().map(|arm| text::width(&name(arm))).max().unwrap_or(0);
    let most = width.saturating_sub(N_FIRST_COLUMNS).clamp(N_NAME_COLUMNS.0, N_NAME_COLUMNS.1);
    let n_name = longest.clamp(N_NAME_COLUMNS.0, most);
    let shown = n_columns_shown(width, n_name);
    let heads = COLUMNS[..shown].iter().map(|(head, n)| text::left(head, *n));
    let heads: Vec<String> = [text::left("ARM", n_name)].into_iter().chain(heads).collect();
    let head = format!("     {}", heads.join("  "));
    put(buffer, area, 0, Line::styled(head, theme.heading));
    let words = text::wrap(&footnote(arms), width.saturating_sub(3), 2);
    let n_rows = usize::from(area.height).saturating_sub(2 + words.len());
    let first = (model.compare.arm + 1).saturating_sub(n_rows.max(1));
    for (row, (index, arm)) in arms.arms.iter().enumerate().skip(first).take(n_rows).enumerate() {
        let y = row as u16 + 1;
        let mark = if index == model.compare.arm { "▌" } else { " " };
        let cells = cells(arms, index).into_iter().zip(COLUMNS).take(shown);
        let cells: Vec<String> = cells.map(|(cell, (_, n))| text::left(&cell, n)).collect();
        let line = Line::from(vec![
            Span::raw(mark),
            Span::styled(format!("{:>2}  ", letter(index)), legend::style(theme, index)),
            Span::styled(text::left(&name(arm), n_name), theme.strong),
            Span::styled(format!("  {}", cells.join("  ")), theme.text),
        ]);
        put(buffer, area, y, line);
        if index == model.compare.arm {
            buffer.set_style(Rect { y: area.y + y, height: 1, ..area }, theme.selected);
        }
    }
    let n_words = words.len() as u16;
    for (row, line) in (0..).zip(words) {
        let y = area.height.saturating_sub(n_words) + row;
        put(buffer, area, y, Line::styled(format!("  {line}"), theme.dim));
    }
}

/// Draws mean test accuracy by round, each arm with its letter.
pub fn draw_curves(model: &Model, arms: &ArmComparison, area: Rect, buffer: &mut Buffer) {
    let theme = &model.theme;
    let names: Vec<String> = arms.arms.iter().map(name).collect();
    let base = arms.arms.iter().position(|arm| arm.arm == arms.base);
    let curves: Vec<_> = arms.arms.iter().map(arm_curve).collect();
    let groups = coinciding(&curves, base.unwrap_or(0));
    let room = usize::from(area.width).saturating_sub(6);
    let legend = legend::words(&groups, &names, base, room);
    let titles = ["test accuracy, mean over seeds", "by round"];
    let inside = pane(buffer, area, theme, titles, &legend);
    let shows_intervals = groups.len() <= N_WITH_INTERVALS
        && arms.arms.iter().all(|arm| arm.runs.len() >= N_SEEDS_MIN);
    let points = |index: usize| {
        let mut points = curves[index].clone();
        for point in points.iter_mut().filter(|_| !shows_intervals) {
            point.interval = None;
        }
        points
    };
    let series = legend::series(model, &groups, base, points);
    if series.iter().all(|series| series.points.is_empty()) {
        put(buffer, inside, 0, Line::styled(" no run was tested yet", theme.dim));
        return;
    }
    let chart = LineChart {
        series: &series,
        marks: &[],
        x_bounds: (0.0, f64::from(arms.n_rounds.saturating_sub(1).max(1))),
        x_whole: true,
        y_label: |value| share(Some(value), 3),
        axis_style: theme.border,
        is_steady: false,
    };
    chart.render(inside, buffer);
}

fn arm_curve(arm: &ArmRow) -> Vec<Point> {
    let means = (0..).zip(&arm.by_round);
    let known = means.filter_map(|(round, mean)| Some((round, (*mean)?)));
    known
        .map(|(round, (y, interval))| Point {
            x: f64::from(round),
            y,
            interval: interval.map(|i| (i.low, i.high)),
        })
        .collect()
}

fn n_columns_shown(width: usize, n_name: usize) -> usize {
    let mut room = width.saturating_sub(6 + n_name);
    let fits = |(_, n): &&(&str, usize)| {
        let fits = n + 2 <= room;
        room = room.saturating_sub(n + 2);
        fits
    };
    COLUMNS.iter().take_while(fits).count()
}

/// The recipe with what of data and model is its own.
fn name(arm: &ArmRow) -> String {
    format!("{} {}", arm.arm, arm.setting).trim_end().to_owned()
}

fn cells(arms: &ArmComparison, index: usize) -> [String; 7] {
    let arm = &arms.arms[index];
    let base = arms.arms.iter().position(|arm| arm.arm == arms.base);
    let seeds = match arm.n_untested {
        0 => arm.runs.len().to_string(),
        n => format!("{}+{n}", arm.runs.len()),
    };
    let difference = match &arm.difference {
        None if Some(index) == base => "base".to_owned(),
        None => text::NONE.to_owned(),
        Some(found) => match found.over_seeds {
            Some(over) => {
                let Interval { low, high } = over.interval;
                format!("{} [{},{}]", signed(over.difference), signed(low), signed(high))
            }
            None => signed(found.pooled.difference),
        },
    };
    let p = arm.difference.as_ref().and_then(|found| found.p_holm.or(found.pooled_p_holm));
    let gap = arm.gap_closed.as_ref().and_then(|gap| Some((gap.share?, gap.interval?)));
    let gap = gap.map(|(part, interval)| {
        let [part, low, high] = [part, interval.low, interval.high].map(|v| share(Some(v), 2));
        format!("{part} [{low},{high}]")
    });
    let none = || text::NONE.to_owned();
    [
        seeds,
        arm.accuracy.map_or_else(none, accuracy),
        difference,
        p.map_or_else(none, |p| if p < 0.001 { "<.001".to_owned() } else { share(Some(p), 3) }),
        gap.unwrap_or_else(none),
        arm.n_labels_spent.map_or_else(none, |n| count(n.round() as u64)),
        arm.wall_s.map_or_else(none, |s| duration((s * 1000.0) as u64)),
    ]
}

/// `.7203 [.7101,.7305]`
fn accuracy((mean, interval): MeanOverSeeds) -> String {
    let mean = share(Some(mean), 4);
    interval.map_or(mean.clone(), |Interval { low, high }| {
        format!("{mean} [{},{}]", share(Some(low), 4), share(Some(high), 4))
    })
}

fn footnote(arms: &ArmComparison) -> String {
    let has_seeds = arms.arms.iter().any(|arm| arm.runs.len() > 1);
    let p = if has_seeds {
        "p of the paired t test over common seeds"
    } else {
        "one seed an arm: p of the exact McNemar test over all pairs"
    };
    format!(
        "beside {} · {p}, Holm's adjustment for {} arms · ↵ marks the runs of an arm",
        arms.base,
        arms.arms.len().saturating_sub(1)
    )
}
