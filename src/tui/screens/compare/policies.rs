//! Policies beside each other: gold against what they are trained for, their last evaluations, and who
//! wins how often.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::domain::policy::best_of::Measured;
use crate::domain::policy::record::PolicyEvaluation;
use crate::domain::policy::win::WinRate;
use crate::domain::text::words::percent;
use crate::report::letter;
use crate::report::listing::policy::PolicyReport;

use super::table::{Meaning, TableRow};
use super::{Pane, legend};
use crate::tui::feed::compare::PoliciesData;
use crate::tui::kit::draw::{pane, put, rule};
use crate::tui::kit::text;
use crate::tui::kit::widgets::{LineChart, Point};
use crate::tui::panels::policy::number;
use crate::tui::shell::model::Model;

/// Columns of a rate with its interval, in percent.
const N_RATE: usize = 15;
/// Columns of the name of a row of the matrix.
const N_NAME: usize = 13;
/// More curves than this hide each other behind their intervals.
const N_WITH_INTERVALS: usize = 4;

/// What a policy says in a row of the table, where it says something.
type Cell = Option<(String, Meaning)>;

/// What the chart shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PolicyCurve {
    #[default]
    GoldByReward,
    GoldByDivergence,
    RewardByDivergence,
}

impl PolicyCurve {
    /// The next one.
    pub fn next(self) -> Self {
        match self {
            Self::GoldByReward => Self::GoldByDivergence,
            Self::GoldByDivergence => Self::RewardByDivergence,
            Self::RewardByDivergence => Self::GoldByReward,
        }
    }

    /// What goes up, and what goes to the right.
    fn titles(self) -> [&'static str; 2] {
        match self {
            Self::GoldByReward => ["gold", "by reward"],
            Self::GoldByDivergence => ["gold", "by divergence, nats"],
            Self::RewardByDivergence => ["reward", "by divergence, nats"],
        }
    }

    fn of(self, evaluation: &PolicyEvaluation) -> Option<(f64, Measured)> {
        let divergence = || Some(evaluation.divergence?.mean);
        let (x, y) = match self {
            Self::GoldByReward => (evaluation.proxy?.mean, evaluation.gold?),
            Self::GoldByDivergence => (divergence()?, evaluation.gold?),
            Self::RewardByDivergence => (divergence()?, evaluation.proxy?),
        };
        (x.is_finite() && y.mean.is_finite()).then_some((x, y))
    }
}

/// Draws a curve of every policy, a point for each evaluation in their order.
pub fn draw_curve(
    model: &Model,
    policies: &PoliciesData,
    base: usize,
    shown: PolicyCurve,
    area: Rect,
    buffer: &mut Buffer,
) {
    let reports = &policies.reports;
    let groups: Vec<Vec<usize>> = (0..reports.len()).map(|at| vec![at]).collect();
    let names: Vec<String> = reports.iter().map(|report| report.run.name.clone()).collect();
    let room = usize::from(area.width).saturating_sub(6);
    let legend = legend::words(&groups, &names, Some(base), room);
    let inside = pane(buffer, area, &model.theme, shown.titles(), &legend);
    let shows_intervals = reports.len() <= N_WITH_INTERVALS;
    let points = |at: usize| {
        let found = reports[at].evaluations.iter().filter_map(|row| shown.of(&row.evaluation));
        let point = |(x, measured): (f64, Measured)| Point {
            x,
            y: measured.mean,
            interval: measured.interval.filter(|_| shows_intervals).map(|it| (it.low, it.high)),
        };
        found.map(point).collect::<Vec<Point>>()
    };
    let series = legend::series(model, &groups, Some(base), points);
    let xs = || series.iter().flat_map(|it| &it.points).map(|point| point.x);
    let (low, high) = (xs().fold(f64::MAX, f64::min), xs().fold(f64::MIN, f64::max));
    if low > high {
        let words = " no evaluation has both numbers";
        put(buffer, inside, 0, Line::styled(words, model.theme.dim));
        return;
    }
    let chart = LineChart {
        series: &series,
        marks: &[],
        x_bounds: (low, if high > low { high } else { low + 0.01 }),
        x_whole: false,
        y_label: number,
        axis_style: model.theme.border,
        is_steady: false,
    };
    chart.render(inside, buffer);
}

/// The evaluation that speaks for a policy: that of the weights it has.
fn evaluation(report: &PolicyReport) -> Option<(u32, &PolicyEvaluation)> {
    let step = report.judged_step();
    let found = report.evaluations.iter().find(|row| row.step == step)?;
    Some((step, &found.evaluation))
}

/// The rows of the table: what the evaluations say, and how the policies fare.
pub fn rows(policies: &PoliciesData, base: usize) -> Vec<TableRow> {
    let row = |label: &str, cell: &dyn Fn(usize, &PolicyReport) -> Cell| {
        let none = || (text::NONE.to_owned(), Meaning::Dim);
        let reports = policies.reports.iter().enumerate();
        let cells = reports.map(|(at, report)| cell(at, report).unwrap_or_else(none)).collect();
        TableRow { label: label.to_owned(), cells }
    };
    let of = |value: &'static dyn Fn(&PolicyEvaluation) -> Option<String>| {
        move |_: usize, report: &PolicyReport| Some((value(evaluation(report)?.1)?, Meaning::Plain))
    };
    let rate = |found: Option<WinRate>| {
        let found = found?;
        Some((rate_words(&found, " %"), meaning(&found)))
    };
    let reference = policies.matrix.names.len() - 1;
    vec![
        row("after step", &|_, report| Some((evaluation(report)?.0.to_string(), Meaning::Plain))),
        row("reward", &of(&|it| it.proxy.as_ref().map(measured))),
        row("gold score", &of(&|it| it.gold.as_ref().map(measured))),
        row("divergence", &of(&|it| Some(format!("{} nats", number(it.divergence?.mean))))),
        row("tokens of an answer", &of(&|it| Some(format!("{:.1}", it.length.mean)))),
        row("share cut", &of(&|it| Some(percent(it.clipped_ratio)))),
        row("judge", &|at, _| Some((policies.matrix.judges[at].clone(), Meaning::Plain))),
        row("wins vs base", &|at, _| rate(policies.matrix.rates[at][base])),
        row("wins vs reference", &|at, report| {
            let own = report.outcome.verdict.as_ref().map(|verdict| verdict.win_rate);
            rate(own.or(policies.matrix.rates[at][reference]))
        }),
    ]
}

/// `1.044 [.574,1.515]`
fn measured(measured: &Measured) -> String {
    let mean = number(measured.mean);
    measured.interval.map_or(mean.clone(), |interval| {
        format!("{mean} [{},{}]", number(interval.low), number(interval.high))
    })
}

/// `61 % [49,72] ▲`, the mark only where chance does not explain it.
fn rate_words(found: &WinRate, unit: &str) -> String {
    let share = |value: f64| format!("{:.0}", value * 100.0);
    let interval = found.rate.interval;
    let mark = match meaning(found) {
        Meaning::Better => " ▲",
        Meaning::Worse => " ▼",
        Meaning::Plain | Meaning::Dim => "",
    };
    let (rate, low, high) = (share(found.rate.share), share(interval.low), share(interval.high));
    format!("{rate}{unit} [{low},{high}]{mark}")
}

fn meaning(found: &WinRate) -> Meaning {
    if found.rate.interval.low > 0.5 {
        Meaning::Better
    } else if found.rate.interval.high < 0.5 {
        Meaning::Worse
    } else {
        Meaning::Plain
    }
}

/// Draws how often each policy wins against each, and against its own reference.
pub fn draw_matrix(model: &Model, policies: &PoliciesData, area: Rect, buffer: &mut Buffer) {
    let theme = &model.theme;
    let matrix = &policies.matrix;
    let mark = if model.compare.pane == Pane::Pairs { "▶ " } else { "" };
    rule(
        buffer,
        area,
        0,
        theme,
        &format!("{mark}% of the prompts that the row wins against the column"),
    );
    let n = matrix.names.len();
    let head = |at: usize| if at + 1 == n { "ref".to_owned() } else { letter(at) };
    let room = usize::from(area.width).saturating_sub(N_NAME + 4);
    let n_columns = (room / N_RATE).clamp(1, n);
    // The column under the cursor stays in view.
    let first = (model.compare.column + 1).saturating_sub(n_columns).min(n - n_columns);
    let columns = first..first + n_columns;
    let heads: Vec<String> = columns.clone().map(|at| text::left(&head(at), N_RATE)).collect();
    let heads = format!("  {}  {}", text::left("", N_NAME), heads.join(""));
    put(buffer, area, 1, Line::styled(heads, theme.heading));
    let words = text::wrap(&footnote(policies, n_columns < n), usize::from(area.width) - 2, 3);
    let n_rows = usize::from(area.height.saturating_sub(2)).saturating_sub(words.len());
    let from = (model.compare.column + 1).saturating_sub(n_rows.max(1)).min(n);
    for (y, (row, name)) in (2..).zip(matrix.names.iter().enumerate().skip(from).take(n_rows)) {
        let name =
            text::left(&format!("{} {}", head(row), text::cut_name(name, N_NAME - 2)), N_NAME);
        let style = if row + 1 == n { theme.dim } else { legend::style(theme, row) };
        let mut spans = vec![
            Span::raw(if row == model.compare.column { "▌ " } else { "  " }),
            Span::styled(name, style),
            Span::raw("  "),
        ];
        for rate in &matrix.rates[row][columns.clone()] {
            let (words, style) = match rate {
                Some(rate) => {
                    (rate_words(rate, ""), super::view::meaning_style(theme, meaning(rate)))
                }
                None => (text::NONE.to_owned(), theme.dim),
            };
            spans.push(Span::styled(text::left(&words, N_RATE), style));
        }
        put(buffer, area, y, Line::from(spans));
    }
    let n_words = words.len() as u16;
    for (row, line) in (0..).zip(words) {
        let y = area.height.saturating_sub(n_words) + row;
        put(buffer, area, y, Line::styled(format!(" {line}"), theme.dim));
    }
}

/// How the rates were come by, and what cannot be compared.
fn footnote(policies: &PoliciesData, has_more: bool) -> String {
    let judges = &policies.matrix.judges;
    let differ = judges.iter().any(|judge| *judge != judges[0]);
    let judged = if differ {
        "policies with different judges have no rate: their scores have no common scale".to_owned()
    } else {
        format!("by {}", judges.first().map_or("", String::as_str))
    };
    let more = if has_more { " · h l: other columns" } else { "" };
    format!(
        "{judged} · ties are halves · 95 % over the held-out prompts that both answered · ref: each \
         policy's own reference{more} · ↵ opens the policy"
    )
}
