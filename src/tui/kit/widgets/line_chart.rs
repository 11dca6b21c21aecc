//! Lines over a common pair of axes, in braille, with interval whiskers.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::braille::Braille;
use super::scale::{Scale, nice_step};
use crate::tui::kit::text;

/// One value with, optionally, the interval around it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// Place on the horizontal axis.
    pub x: f64,
    pub y: f64,
    /// Ends of its interval.
    pub interval: Option<(f64, f64)>,
}

/// How a line is told apart without colors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stroke {
    Solid,
    Dashed,
    /// With as much gap as line.
    Dotted,
    /// Long and short by turns.
    DashDotted,
}

impl Stroke {
    /// Whether a column of dots belongs to the line.
    fn keeps(self, x: isize) -> bool {
        match self {
            Self::Solid => true,
            Self::Dashed => x.rem_euclid(5) < 3,
            Self::Dotted => x.rem_euclid(4) < 2,
            Self::DashDotted => !matches!(x.rem_euclid(10), 4 | 5 | 8 | 9),
        }
    }
}

/// One line of a chart.
pub struct Series {
    /// In the order of `x`.
    pub points: Vec<Point>,
    /// How it is drawn.
    pub stroke: Stroke,
    /// Style of the line.
    pub style: Style,
    /// Style of its whiskers.
    pub whiskers: Style,
    /// Letters at the end of the line.
    pub label: Option<String>,
}

/// A place on the horizontal axis at which something begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// The place, in the unit of the axis.
    pub at: u64,
    /// Letters beside its line.
    pub label: String,
}

/// A chart. Later series are drawn over earlier ones.
pub struct LineChart<'a> {
    pub series: &'a [Series],
    /// Vertical lines behind the series.
    pub marks: &'a [Mark],
    /// Ends of the horizontal axis.
    pub x_bounds: (f64, f64),
    /// Whole numbers only on the horizontal axis.
    pub x_whole: bool,
    /// Words for a value on the vertical axis.
    pub y_label: fn(f64) -> String,
    /// Style of axes and labels.
    pub axis_style: Style,
    /// The axes end at round numbers, so that a curve that grows seldom moves what is drawn already.
    pub is_steady: bool,
}

impl LineChart<'_> {
    /// Draws axes and lines. Needs at least three rows and sixteen columns.
    pub fn render(&self, area: Rect, buffer: &mut Buffer) {
        let Some(scale) = self.y_scale(area.height.saturating_sub(1)) else { return };
        if area.height < 3 || area.width < 16 {
            return;
        }
        let labels: Vec<String> = scale.ticks.iter().map(|tick| (self.y_label)(*tick)).collect();
        let margin = labels.iter().map(|label| text::width(label)).max().unwrap_or(0) as u16 + 1;
        let plot = Rect {
            x: area.x + margin,
            width: area.width - margin,
            height: area.height - 1,
            ..area
        };
        for y in plot.top()..plot.bottom() {
            buffer.set_string(plot.x - 1, y, "│", self.axis_style);
        }
        for (tick, label) in scale.ticks.iter().zip(&labels) {
            let row = scale.row(*tick, f64::from(plot.height)).min(f64::from(plot.height) - 1.0);
            let y = plot.y + row.max(0.0) as u16;
            let label = format!("{}┤", text::right(label, usize::from(margin) - 1));
            buffer.set_string(area.x, y, label, self.axis_style);
        }
        self.render_x_axis(plot, buffer);
        for mark in self.marks {
            if let Some(x) = self.mark_column(mark, plot) {
                for y in plot.top()..plot.bottom() {
                    buffer.set_string(x, y, "┊", self.axis_style);
                }
            }
        }
        self.render_lines(plot, &scale, buffer);
        self.render_mark_labels(plot, buffer);
    }

    /// Where the line of a mark stands, if its place is on the axis.
    fn mark_column(&self, mark: &Mark, plot: Rect) -> Option<u16> {
        let (low, high) = self.x_bounds();
        let share = (mark.at as f64 - low) / (high - low);
        let is_on_axis = (0.0..=1.0).contains(&share);
        is_on_axis.then(|| plot.x + (share * f64::from(plot.width - 1)).round() as u16)
    }

    /// Over the lines, which would leave half a word of them.
    fn render_mark_labels(&self, plot: Rect, buffer: &mut Buffer) {
        let mut free_from = plot.x;
        for mark in self.marks {
            let Some(x) = self.mark_column(mark, plot).filter(|x| *x >= free_from) else {
                continue;
            };
            let width = text::width(&mark.label) as u16;
            if x + 1 + width <= plot.right() {
                buffer.set_string(x + 1, plot.y, &mark.label, self.axis_style);
                free_from = x + 1 + width;
            }
        }
    }

    fn render_lines(&self, plot: Rect, scale: &Scale, buffer: &mut Buffer) {
        let mut canvas = Braille::new(plot.width, plot.height);
        let (n_columns, n_rows) = (canvas.n_columns() as f64, canvas.n_rows() as f64);
        let (low, high) = self.x_bounds();
        let x_of = |x: f64| {
            let share = if high > low { (x - low) / (high - low) } else { 0.0 };
            share * (n_columns - 1.0)
        };
        let y_of = |y: f64| scale.row(y, n_rows).min(n_rows - 1.0);
        for series in self.series {
            for point in &series.points {
                let Some((from, to)) = point.interval else { continue };
                let x = x_of(point.x).round() as isize;
                let (top, bottom) = (y_of(to).round() as isize, y_of(from).round() as isize);
                for y in (top..=bottom).step_by(2) {
                    canvas.dot(x, y, series.whiskers);
                }
            }
        }
        for series in self.series {
            let keep = |x: isize| series.stroke.keeps(x);
            for pair in series.points.windows(2) {
                let [a, b] = [pair[0], pair[1]];
                canvas.line((x_of(a.x), y_of(a.y)), (x_of(b.x), y_of(b.y)), series.style, keep);
            }
            if series.points.len() < 24 {
                for point in &series.points {
                    let x = x_of(point.x).round() as isize;
                    let y = y_of(point.y).round() as isize;
                    for (dx, dy) in [(0, 0), (1, 0), (-1, 0), (0, 1), (0, -1)] {
                        canvas.dot(x + dx, y + dy, series.style);
                    }
                }
            }
        }
        canvas.render(plot, buffer);
        let cell_of = |point: &Point| {
            let x = plot.x + (x_of(point.x) / 2.0).round().max(0.0) as u16;
            let y = plot.y + (y_of(point.y) / 4.0).max(0.0) as u16;
            (x.min(plot.right() - 1), y.min(plot.bottom() - 1))
        };
        // Beside the axis a few dots are not seen.
        for series in self.series {
            if let [only] = series.points.as_slice() {
                let (x, y) = cell_of(only);
                buffer.set_string(x, y, "●", series.style);
            }
        }
        let mut taken: Vec<Rect> = Vec::new();
        for series in self.series {
            let (Some(label), Some(last)) = (&series.label, series.points.last()) else { continue };
            let place = label_place(plot, cell_of(last), text::width(label) as u16, &taken);
            buffer.set_string(place.x, place.y, label, series.style);
            taken.push(place);
        }
    }

    fn render_x_axis(&self, plot: Rect, buffer: &mut Buffer) {
        let y = plot.bottom();
        buffer.set_string(plot.x - 1, y, "└", self.axis_style);
        for x in plot.left()..plot.right() {
            buffer.set_string(x, y, "─", self.axis_style);
        }
        let (low, high) = self.x_bounds();
        let n_labels = (plot.width / 6).max(1);
        let mut step = nice_step((high - low) / f64::from(n_labels));
        if self.x_whole {
            step = step.max(1.0).ceil();
        }
        let mut free_from = plot.x;
        let mut tick = (low / step).ceil() * step;
        for _ in 0..=n_labels * 2 {
            if tick > high + step * 1e-9 {
                break;
            }
            let label = if tick >= 10_000.0 {
                text::short_count(tick as u64)
            } else {
                // A step of less than one needs its digits, else two labels would be equal.
                format!("{tick:.*}", (-step.log10().floor()).clamp(0.0, 3.0) as usize)
            };
            let width = text::width(&label) as u16;
            let share = if high > low { (tick - low) / (high - low) } else { 0.0 };
            let x = plot.x + (share * f64::from(plot.width - 1)).round() as u16;
            let x = x.min(plot.right().saturating_sub(width));
            if x >= free_from {
                buffer.set_string(x, y, label, self.axis_style);
                free_from = x + width + 1;
            }
            tick += step;
        }
    }

    fn x_bounds(&self) -> (f64, f64) {
        let (low, high) = self.x_bounds;
        if !self.is_steady || high <= low {
            return (low, high);
        }
        let step = nice_step((high - low) / 8.0);
        (low, low + ((high - low) / step).ceil() * step)
    }

    /// The vertical range with its ticks; `None` when there is nothing to show.
    fn y_scale(&self, n_rows: u16) -> Option<Scale> {
        let values = self.series.iter().flat_map(|series| &series.points).flat_map(|point| {
            let (low, high) = point.interval.unwrap_or((point.y, point.y));
            [low, point.y, high]
        });
        let finite = values.filter(|value| value.is_finite());
        let (low, high) =
            finite.fold((f64::MAX, f64::MIN), |(low, high), v| (low.min(v), high.max(v)));
        if low > high {
            return None;
        }
        if self.is_steady && high - low > 1e-9 {
            let step = nice_step((high - low) / 8.0);
            let (low, high) = ((low / step).floor() * step, (high / step).ceil() * step);
            return Some(Scale::over(low, high, n_rows));
        }
        // A flat line stands in the middle rather than on an edge; one at 0 stands on it, since what is
        // never negative has no room below.
        let pad = if high - low < 1e-9 { (high.abs() * 0.05).max(0.01) } else { 0.0 };
        let below = if low == 0.0 { 0.0 } else { pad };
        Some(Scale::over(low - below, high + pad, n_rows))
    }
}

/// Where the letters of a curve go: beside its last point where there is room, else on it; where other
/// letters stand already, a row above or below them.
fn label_place(plot: Rect, (x, y): (u16, u16), width: u16, taken: &[Rect]) -> Rect {
    let x = (x + 1).min(plot.right().saturating_sub(width));
    let rows = [y, y.saturating_sub(1).max(plot.y), (y + 1).min(plot.bottom() - 1)];
    let places = rows.map(|y| Rect { x, y, width, height: 1 });
    let is_free = |place: &&Rect| !taken.iter().any(|it| it.intersects(**place));
    *places.iter().find(is_free).unwrap_or(&places[0])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(series: &[Series], width: u16, height: u16) -> Vec<String> {
        let mut buffer = Buffer::empty(Rect::new(0, 0, width, height));
        let chart = LineChart {
            series,
            marks: &[],
            x_bounds: (0.0, 3.0),
            x_whole: true,
            y_label: |value| text::share(Some(value), 2),
            axis_style: Style::new(),
            is_steady: false,
        };
        chart.render(buffer.area, &mut buffer);
        (0..height)
            .map(|y| (0..width).map(|x| buffer[(x, y)].symbol().to_owned()).collect())
            .collect()
    }

    fn series(values: &[f64]) -> Series {
        let points = values.iter().enumerate();
        Series {
            points: points.map(|(x, y)| Point { x: x as f64, y: *y, interval: None }).collect(),
            stroke: Stroke::Solid,
            style: Style::new(),
            whiskers: Style::new(),
            label: None,
        }
    }

    #[test]
    fn a_rising_line_rises() {
        let drawn = rows(&[series(&[0.60, 0.64, 0.66, 0.70])], 24, 6);
        assert!(drawn[0].trim_end().ends_with(|c| ('\u{2800}'..='\u{28ff}').contains(&c)));
        assert!(drawn[5].contains('0') && drawn[5].contains('3'), "{drawn:?}");
        assert!(drawn.iter().any(|row| row.contains(".70┤")), "{drawn:?}");
    }

    #[test]
    fn marks_stand_behind_the_lines_and_letters_beside_each_other() {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 24, 6));
        let mut both = [series(&[0.60, 0.60, 0.60, 0.60]), series(&[0.60, 0.70, 0.70, 0.601])];
        for (series, label) in both.iter_mut().zip(["A", "B"]) {
            series.label = Some(label.to_owned());
        }
        let mark = |at, label: &str| Mark { at, label: label.to_owned() };
        let chart = LineChart {
            series: &both,
            marks: &[mark(1, "r1"), mark(2, "r2"), mark(9, "r9")],
            x_bounds: (0.0, 3.0),
            x_whole: true,
            y_label: |value| text::share(Some(value), 2),
            axis_style: Style::new(),
            is_steady: false,
        };
        chart.render(buffer.area, &mut buffer);
        let rows: Vec<String> =
            (0..6).map(|y| (0..24).map(|x| buffer[(x, y)].symbol().to_owned()).collect()).collect();
        assert!(rows[2].matches('┊').count() == 2, "a mark outside is not drawn: {rows:#?}");
        let all = rows.join("\n");
        assert!(all.contains("r2") && !all.contains("r9"), "{rows:#?}");
        assert!(all.contains('A') && all.contains('B'), "no letter hides another: {rows:#?}");
    }

    #[test]
    fn one_point_is_seen_beside_the_axis() {
        let drawn = rows(&[series(&[0.6])], 24, 6);
        assert!(drawn.iter().any(|row| row.contains('●')), "{drawn:#?}");
    }

    #[test]
    fn labels_of_small_steps_differ() {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 40, 4));
        let drawn = series(&[0.60, 0.70]);
        let chart = LineChart {
            series: &[drawn],
            marks: &[],
            x_bounds: (0.0, 1.0),
            x_whole: false,
            y_label: |value| text::share(Some(value), 2),
            axis_style: Style::new(),
            is_steady: false,
        };
        chart.render(buffer.area, &mut buffer);
        let axis: String = (0..40).map(|x| buffer[(x, 3)].symbol().to_owned()).collect();
        assert!(axis.contains("0.2") && axis.contains("0.8") && axis.contains("1.0"), "{axis}");
    }

    #[test]
    fn odd_data_does_not_break_it() {
        for values in [vec![], vec![0.5], vec![f64::NAN, 0.5], vec![0.5, 0.5], vec![1e9, -1e9]] {
            for (width, height) in [(1, 1), (16, 3), (24, 6), (200, 60)] {
                rows(&[series(&values)], width, height);
            }
        }
    }
}
