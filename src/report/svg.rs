//! The curves of a comparison as an SVG: hues of Okabe and Ito, and strokes and markers that stay
//! apart in print and for every color vision.

use std::fmt::Write as _;

use super::curve::{CurveAxis, CurveMetric, CurvePoint, curve};
use super::scale::{Scale, plain};
use super::words::{letter, share};
use crate::analysis::Comparison;
use crate::domain::text::clean::clean_line;

const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 480.0;
const LEFT: f64 = 64.0;
const TOP: f64 = 36.0;
const PLOT_WIDTH: f64 = 560.0;
const PLOT_HEIGHT: f64 = 384.0;
const COLORS: [&str; 8] =
    ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#B8A800"];
/// The dash patterns, one after the other once all eight hues are used.
const DASHES: [&str; 4] = ["", "7 4", "2 3", "9 3 2 3"];
const MARKERS: [&str; 4] = ["●", "◆", "▪", "▲"];
/// Most entries that the legend has room for.
const N_LEGEND: usize = 24;

/// Draws every curve that has a point.
#[must_use]
pub fn comparison_svg(comparison: &Comparison, metric: CurveMetric, axis: CurveAxis) -> String {
    let curves: Vec<Vec<CurvePoint>> =
        comparison.runs.iter().map(|run| curve(run, metric, axis)).collect();
    let points = || curves.iter().flatten();
    let x = Scale::of(points().map(|point| point.x), LEFT, LEFT + PLOT_WIDTH);
    let y = Scale::of(points().map(|point| point.y), TOP + PLOT_HEIGHT, TOP);
    let mut out = String::new();
    let _ = write!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#ffffff\"/>\n\
         <text x=\"{LEFT}\" y=\"22\" font-size=\"14\">{} {}</text>\n",
        metric.words(),
        axis.words(metric)
    );
    axes(&mut out, &x, &y, metric);
    for (index, points) in curves.iter().enumerate() {
        line(&mut out, index, points, &x, &y);
    }
    for (row, (index, run)) in comparison.runs.iter().enumerate().take(N_LEGEND).enumerate() {
        let (top, left) = (TOP + 8.0 + row as f64 * 16.0, LEFT + PLOT_WIDTH + 20.0);
        let base = if index == comparison.base { " (base)" } else { "" };
        let _ = writeln!(
            out,
            "<line x1=\"{left}\" y1=\"{top}\" x2=\"{}\" y2=\"{top}\" {}/>\
             <text x=\"{}\" y=\"{}\">{} {} {}{base}</text>",
            left + 28.0,
            stroke(index),
            left + 34.0,
            top + 4.0,
            marker(index),
            letter(index),
            escaped(&clean_line(&run.row.name))
        );
    }
    out.push_str("</svg>\n");
    out
}

fn axes(out: &mut String, x: &Scale, y: &Scale, metric: CurveMetric) {
    let (bottom, right) = (TOP + PLOT_HEIGHT, LEFT + PLOT_WIDTH);
    let _ = writeln!(
        out,
        "<path d=\"M{LEFT} {TOP}V{bottom}H{right}\" fill=\"none\" stroke=\"#444444\"/>"
    );
    for tick in x.ticks() {
        let at = x.place(tick);
        let _ = writeln!(
            out,
            "<text x=\"{at:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
            bottom + 18.0,
            plain(tick)
        );
    }
    for tick in y.ticks() {
        let at = y.place(tick);
        let words = if metric == CurveMetric::Loss { format!("{tick:.3}") } else { share(tick) };
        let _ = writeln!(
            out,
            "<path d=\"M{LEFT} {at:.1}H{right}\" stroke=\"#dddddd\"/>\
             <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{words}</text>",
            LEFT - 6.0,
            at + 4.0
        );
    }
}

fn line(out: &mut String, index: usize, points: &[CurvePoint], x: &Scale, y: &Scale) {
    let places: Vec<(f64, f64)> =
        points.iter().map(|point| (x.place(point.x), y.place(point.y))).collect();
    let path: Vec<String> = places.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
    let _ =
        writeln!(out, "<polyline points=\"{}\" fill=\"none\" {}/>", path.join(" "), stroke(index));
    // A long series is drawn as a line, a short one with a marker on each point.
    if points.len() <= 40 {
        for (x, y) in places {
            let color = COLORS[index % COLORS.len()];
            let _ = writeln!(
                out,
                "<text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\" font-size=\"10\" fill=\"{color}\">{}</text>",
                y + 3.5,
                marker(index)
            );
        }
    }
}

fn stroke(index: usize) -> String {
    let color = COLORS[index % COLORS.len()];
    let dash = match DASHES[index % DASHES.len()] {
        "" => String::new(),
        dash => format!(" stroke-dasharray=\"{dash}\""),
    };
    format!("stroke=\"{color}\" stroke-width=\"2\"{dash}")
}

fn marker(index: usize) -> &'static str {
    MARKERS[(index / DASHES.len() + index) % MARKERS.len()]
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
