//! Lines over a common pair of axes, in braille, with interval whiskers.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::braille::Braille;
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

/// A chart. Later series are drawn over earlier ones.
pub struct LineChart<'a> {
    pub series: &'a [Series],
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
        self.render_lines(plot, &scale, buffer);
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
        for series in self.series {
            let (Some(label), Some(last)) = (&series.label, series.points.last()) else { continue };
            let width = text::width(label) as u16;
            // Beside the last point where there is room, else on it.
            let x = plot.x + (x_of(last.x) / 2.0).round().max(0.0) as u16 + 1;
            let x = x.min(plot.right().saturating_sub(width));
            let y = plot.y + (y_of(last.y) / 4.0).max(0.0) as u16;
            buffer.set_string(x, y.min(plot.bottom() - 1), label, series.style);
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
                format!("{tick:.0}")
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
        // A flat line stands in the middle rather than on an edge.
        let pad = if high - low < 1e-9 { (high.abs() * 0.05).max(0.01) } else { 0.0 };
        Some(Scale::over(low - pad, high + pad, n_rows))
    }
}

struct Scale {
    low: f64,
    high: f64,
    ticks: Vec<f64>,
}

impl Scale {
    /// The values themselves bound the range; ticks are round numbers inside it.
    fn over(low: f64, high: f64, n_rows: u16) -> Self {
        let n_ticks = f64::from((n_rows / 3).clamp(1, 5));
        let mut step = nice_step((high - low) / n_ticks);
        let inside = |step: f64| {
            let first = (low / step - 1e-9).ceil() as i64;
            let last = (high / step + 1e-9).floor() as i64;
            (first..=last).take(24).map(|i| i as f64 * step).collect::<Vec<_>>()
        };
        let mut ticks = inside(step);
        // One step down the 1-2-5 ladder at a time, until two labels say what the scale is.
        for _ in 0..6 {
            if ticks.len() >= 2 || n_rows <= 3 {
                break;
            }
            step = nice_step(step / 2.6);
            ticks = inside(step);
        }
        Self { low, high, ticks }
    }

    /// The row of a value, counted from the top of `n_rows` rows.
    fn row(&self, value: f64, n_rows: f64) -> f64 {
        (self.high - value) / (self.high - self.low) * (n_rows - 1.0)
    }
}

/// The smallest of 1, 2, 5 times a power of ten that is at least `raw`.
fn nice_step(raw: f64) -> f64 {
    if !raw.is_finite() || raw <= 0.0 {
        return 1.0;
    }
    let power = 10_f64.powf(raw.log10().floor());
    let factor = [1.0, 2.0, 5.0].into_iter().find(|factor| factor * power >= raw * (1.0 - 1e-9));
    factor.unwrap_or(10.0) * power
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(series: &[Series], width: u16, height: u16) -> Vec<String> {
        let mut buffer = Buffer::empty(Rect::new(0, 0, width, height));
        let chart = LineChart {
            series,
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
    fn ticks_are_round_numbers() {
        assert_eq!([0.3, 1.0, 1.1, 3.0, 7.0].map(nice_step), [0.5, 1.0, 2.0, 5.0, 10.0]);
        let scale = Scale::over(0.663, 0.731, 12);
        let labels: Vec<String> =
            scale.ticks.iter().map(|tick| text::share(Some(*tick), 2)).collect();
        assert_eq!(labels, [".68", ".70", ".72"]);
    }

    #[test]
    fn a_rising_line_rises() {
        let drawn = rows(&[series(&[0.60, 0.64, 0.66, 0.70])], 24, 6);
        assert!(drawn[0].trim_end().ends_with(|c| ('\u{2800}'..='\u{28ff}').contains(&c)));
        assert!(drawn[5].contains('0') && drawn[5].contains('3'), "{drawn:?}");
        assert!(drawn.iter().any(|row| row.contains(".70┤")), "{drawn:?}");
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
