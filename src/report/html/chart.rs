//! Charts as inline SVG: curves with intervals, confidence histograms, reliability diagrams. Colors
//! come from the page, so that they follow its scheme; strokes and markers differ, too.

use std::fmt::Write as _;

pub use super::element::line as escaped;
use crate::domain::metrics::calibration::ReliabilityBin;
use crate::report::curve::CurvePoint;
use crate::report::scale::{Scale, plain};

/// Units that a chart is wide.
pub const WIDTH: f64 = 560.0;
/// Units that a chart is high.
pub const HEIGHT: f64 = 300.0;
/// Where the vertical axis stands.
pub const LEFT: f64 = 50.0;
const RIGHT: f64 = 546.0;
const TOP: f64 = 30.0;
const BOTTOM: f64 = 262.0;
/// Colors of the page.
const N_COLORS: usize = 8;
const DASHES: [&str; 4] = ["", "7 4", "2 3", "9 3 2 3"];
/// Curves with more points than this are drawn without markers.
const N_MARKED: usize = 40;
/// With more curves than this the bands would cover each other, so only the ends of the intervals
/// are drawn.
const N_BANDS: usize = 3;

/// One curve.
pub struct Series {
    /// Its points, by place on the axis.
    pub points: Vec<CurvePoint>,
    /// Its color, stroke and marker.
    pub style: usize,
}

/// How far the vertical axis goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Range {
    /// As far as the values, which are shares.
    Shares,
    /// From 0 to 1.
    AllShares,
    /// As far as the values.
    Values,
}

/// Draws curves over one axis; `None` when there is no point.
pub fn curves(title: &str, axis: &str, series: &[Series], range: Range) -> Option<String> {
    marked_curves(title, axis, series, range, &[])
}

/// Draws curves like [`curves`], with a vertical line and a word at some places of the axis.
pub fn marked_curves(
    title: &str,
    axis: &str,
    series: &[Series],
    range: Range,
    marks: &[(f64, String)],
) -> Option<String> {
    let points = || series.iter().flat_map(|series| &series.points);
    points().next()?;
    let x = Scale::of(points().map(|point| point.x), LEFT + 8.0, RIGHT - 8.0);
    let ends = points().flat_map(|point| {
        let (low, high) = point.interval.unwrap_or((point.y, point.y));
        [low, high, point.y]
    });
    let fixed: &[f64] = if range == Range::AllShares { &[0.0, 1.0] } else { &[] };
    let y = Scale::of(ends.chain(fixed.iter().copied()), BOTTOM, TOP);
    let mut out = open(title);
    let words = if range == Range::Values { plain } else { share };
    horizontal_ticks(&mut out, &y, words);
    // There is no half round, step or label.
    let is_whole = points().all(|point| point.x.fract() == 0.0);
    for tick in x.ticks().into_iter().filter(|tick| !is_whole || tick.fract() == 0.0) {
        bottom_label(&mut out, x.place(tick), &plain(tick));
    }
    axis_name(&mut out, axis);
    for (at, words) in marks {
        let at = x.place(*at);
        let _ = write!(
            out,
            "<path d=\"M{at:.1} {TOP}V{BOTTOM}\" class=\"grid\" stroke-dasharray=\"3 3\"/>\
             <text x=\"{:.1}\" y=\"{}\">{}</text>",
            at + 3.0,
            TOP + 10.0,
            escaped(words)
        );
    }
    for one in series {
        curve(&mut out, one, &x, &y, series.len() <= N_BANDS);
    }
    Some(close(out))
}

fn curve(
    out: &mut String,
    Series { points, style }: &Series,
    x: &Scale,
    y: &Scale,
    has_band: bool,
) {
    let color = format!("var(--s{})", style % N_COLORS);
    let place = |point: &CurvePoint| (x.place(point.x), y.place(point.y));
    let is_marked = points.len() <= N_MARKED;
    let ends: Vec<(f64, f64, f64)> = points
        .iter()
        .filter_map(|point| {
            let (low, high) = point.interval?;
            Some((x.place(point.x), y.place(low), y.place(high)))
        })
        .collect();
    if is_marked {
        for (x, low, high) in &ends {
            let _ = write!(
                out,
                "<path d=\"M{x:.1} {low:.1}V{high:.1}M{:.1} {low:.1}h8M{:.1} {high:.1}h8\" \
                 stroke=\"{color}\" stroke-opacity=\".55\" fill=\"none\"/>",
                x - 4.0,
                x - 4.0
            );
        }
    }
    if ends.len() > 1 && (has_band || !is_marked) {
        let there = ends.iter().map(|(x, _, high)| format!("{x:.1},{high:.1}"));
        let back = ends.iter().rev().map(|(x, low, _)| format!("{x:.1},{low:.1}"));
        let band: Vec<String> = there.chain(back).collect();
        let _ = write!(
            out,
            "<polygon points=\"{}\" fill=\"{color}\" fill-opacity=\".1\"/>",
            band.join(" ")
        );
    }
    let path: Vec<String> =
        points.iter().map(place).map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
    let _ =
        writeln!(out, "<polyline points=\"{}\" fill=\"none\" {}/>", path.join(" "), stroke(*style));
    for (x, y) in points.iter().filter(|_| is_marked).map(place) {
        let _ = writeln!(out, "{}", marker(*style, x, y));
    }
}

fn stroke(style: usize) -> String {
    let dash = match DASHES[style / N_COLORS % DASHES.len()] {
        "" => String::new(),
        dash => format!(" stroke-dasharray=\"{dash}\""),
    };
    format!("stroke=\"var(--s{})\" stroke-width=\"2\"{dash}", style % N_COLORS)
}

fn marker(style: usize, x: f64, y: f64) -> String {
    let fill = format!("fill=\"var(--s{})\"", style % N_COLORS);
    match style % 4 {
        0 => format!("<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\" {fill}/>"),
        1 => format!("<path d=\"M{x:.1} {:.1}l5 5 -5 5 -5 -5z\" {fill}/>", y - 5.0),
        2 => format!("<path d=\"M{:.1} {:.1}h7v7h-7z\" {fill}/>", x - 3.5, y - 3.5),
        _ => format!("<path d=\"M{x:.1} {:.1}l5 9h-10z\" {fill}/>", y - 5.5),
    }
}

/// The sign of a curve for a legend.
pub fn sign(style: usize) -> String {
    format!(
        "<svg viewBox=\"0 0 34 12\" aria-hidden=\"true\"><path d=\"M0 6H34\" fill=\"none\" {}/>{}</svg>",
        stroke(style),
        marker(style, 17.0, 6.0)
    )
}

/// The sign of a curve, its middle at a height, for a legend inside a picture.
pub fn sign_at(style: usize, x: f64, y: f64) -> String {
    let line = format!("<path d=\"M{x} {y}h34\" fill=\"none\" {}/>", stroke(style));
    line + &marker(style, x + 17.0, y)
}

/// A chart in which there is nothing to draw yet.
pub fn empty(title: &str) -> String {
    let mut out = open(title);
    bottom_label(&mut out, f64::midpoint(LEFT, RIGHT), "no round has a value yet");
    close(out)
}

/// How many pairs had which confidence: all, and of them those selected, in columns over
/// `[0.5, 1]`. `None` without a pair.
pub fn histogram(title: &str, all: &[u64], selected: &[u64]) -> Option<String> {
    let most = all.iter().copied().max().filter(|most| *most > 0)?;
    let y = Scale::of([0.0, most as f64].into_iter(), BOTTOM, TOP);
    let x = Scale::of([0.5, 1.0].into_iter(), LEFT, RIGHT);
    let mut out = open(title);
    horizontal_ticks(&mut out, &y, plain);
    let width = (RIGHT - LEFT) / all.len() as f64;
    for (counts, fill) in [(all, "var(--soft)\" fill-opacity=\".35"), (selected, "var(--s0)")] {
        for (column, n) in counts.iter().enumerate().filter(|(_, n)| **n > 0) {
            let (left, top) = (LEFT + column as f64 * width, y.place(*n as f64));
            let _ = write!(
                out,
                "<rect x=\"{:.2}\" y=\"{top:.1}\" width=\"{:.2}\" height=\"{:.1}\" fill=\"{fill}\"/>",
                left + 0.5,
                (width - 1.0).max(0.5),
                (BOTTOM - top).max(0.7)
            );
        }
    }
    for tick in [0.5, 0.6, 0.7, 0.8, 0.9, 1.0] {
        bottom_label(&mut out, x.place(tick), &share(tick));
    }
    axis_name(&mut out, "pairs by confidence");
    Some(close(out))
}

/// Accuracy against confidence; a bin's area is its share of the pairs. `None` without a pair.
pub fn reliability(title: &str, bins: &[ReliabilityBin]) -> Option<String> {
    let most = bins.iter().map(|bin| bin.n).max().filter(|most| *most > 0)?;
    let lowest = bins.iter().filter(|bin| bin.n > 0).map(|bin| bin.accuracy).fold(0.5, f64::min);
    let x = Scale::of([0.5, 1.0].into_iter(), LEFT, RIGHT);
    let y = Scale::of([(lowest * 10.0).floor() / 10.0, 1.0].into_iter(), BOTTOM, TOP);
    let mut out = open(title);
    horizontal_ticks(&mut out, &y, share);
    for tick in [0.5, 0.6, 0.7, 0.8, 0.9, 1.0] {
        bottom_label(&mut out, x.place(tick), &share(tick));
    }
    let _ = write!(
        out,
        "<path d=\"M{:.1} {:.1}L{:.1} {:.1}\" class=\"axis\" stroke-dasharray=\"4 4\"/>",
        x.place(0.5),
        y.place(0.5),
        x.place(1.0),
        y.place(1.0)
    );
    for bin in bins.iter().filter(|bin| bin.n > 0) {
        let (at, right, ideal) =
            (x.place(bin.mean_confidence), y.place(bin.accuracy), y.place(bin.mean_confidence));
        let radius = 3.0 + 9.0 * (bin.n as f64 / most as f64).sqrt();
        let _ = write!(
            out,
            "<path d=\"M{at:.1} {right:.1}V{ideal:.1}\" stroke=\"var(--s1)\" stroke-width=\"2\"/>\
             <circle cx=\"{at:.1}\" cy=\"{right:.1}\" r=\"{radius:.1}\" fill=\"var(--s0)\" \
             fill-opacity=\".8\"><title>{} pairs, confidence {}, right {}</title></circle>",
            bin.n,
            share(bin.mean_confidence),
            share(bin.accuracy)
        );
    }
    axis_name(&mut out, "accuracy by confidence");
    Some(close(out))
}

fn share(value: f64) -> String {
    let text = format!("{value:.2}");
    text.strip_prefix('0').map_or(text.clone(), str::to_owned)
}

fn open(title: &str) -> String {
    format!(
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\"><title>{0}</title>\
         <text x=\"{LEFT}\" y=\"17\" class=\"title\">{0}</text>",
        escaped(title)
    )
}

fn close(mut out: String) -> String {
    let _ = writeln!(out, "<path d=\"M{LEFT} {TOP}V{BOTTOM}H{RIGHT}\" class=\"axis\"/></svg>");
    out
}

fn horizontal_ticks(out: &mut String, y: &Scale, words: impl Fn(f64) -> String) {
    for tick in y.ticks() {
        let at = y.place(tick);
        let _ = write!(
            out,
            "<path d=\"M{LEFT} {at:.1}H{RIGHT}\" class=\"grid\"/>\
             <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            LEFT - 7.0,
            at + 4.0,
            words(tick)
        );
    }
}

fn bottom_label(out: &mut String, at: f64, words: &str) {
    let _ = write!(
        out,
        "<text x=\"{at:.1}\" y=\"{}\" text-anchor=\"middle\">{words}</text>",
        BOTTOM + 17.0
    );
}

fn axis_name(out: &mut String, name: &str) {
    let _ = write!(
        out,
        "<text x=\"{RIGHT}\" y=\"{}\" text-anchor=\"end\">{}</text>",
        BOTTOM + 34.0,
        escaped(name)
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(x: f64, y: f64) -> CurvePoint {
        CurvePoint { round: 0, x, y, interval: Some((y - 0.1, y + 0.1)) }
    }

    #[test]
    fn charts_are_closed_and_nothing_is_not_a_number() {
        let series = [Series { points: vec![point(0.0, 0.5), point(1.0, 0.6)], style: 9 }];
        let bin = ReliabilityBin { n: 3, mean_confidence: 0.7, accuracy: 0.2 };
        let charts = [
            curves("a < b", "round", &series, Range::Shares),
            curves(
                "one",
                "round",
                &[Series { points: vec![point(2.0, 0.5)], style: 0 }],
                Range::Values,
            ),
            histogram("h", &[4, 0, 2], &[0, 0, 1]),
            reliability("r", &[bin, ReliabilityBin::default()]),
        ];
        for chart in charts.into_iter().flatten() {
            assert!(chart.starts_with("<svg ") && chart.ends_with("</svg>\n"));
            assert_eq!(chart.matches("<svg").count(), chart.matches("</svg>").count());
            assert!(!chart.contains("NaN") && !chart.contains("inf"), "{chart}");
        }
        let chart = curves("a < b", "round", &series, Range::Shares).unwrap();
        assert!(chart.contains("a &lt; b") && chart.contains("stroke-dasharray"));
        assert_eq!(chart.matches("<polygon").count(), 1);
        assert!(curves("x", "round", &[], Range::AllShares).is_none());
        assert!(histogram("x", &[0, 0], &[0, 0]).is_none());
        assert!(reliability("x", &[ReliabilityBin::default()]).is_none());
    }
}
