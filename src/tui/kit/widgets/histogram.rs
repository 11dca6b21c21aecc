//! A confidence histogram: columns of eighth blocks with vertical threshold lines.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::scale::Scale;
use crate::tui::kit::text;

/// A vertical line in the histogram.
#[derive(Debug, Clone, PartialEq)]
pub struct Threshold {
    /// Confidence at which it stands.
    pub at: f64,
    /// How it is drawn.
    pub style: Style,
    /// `┃` or `┊`.
    pub symbol: char,
}

/// Counts over `[0.5, 1]` in equal buckets, and how many of each bucket were kept: the kept ones in
/// front of all.
pub struct HistogramChart<'a> {
    /// Everything that was counted.
    pub counts: &'a [u32],
    /// The part of it that was kept, by bucket.
    pub kept: &'a [u32],
    /// Everything that was counted a round before, drawn behind as a shade.
    pub ghost: Option<&'a [u32]>,
    pub thresholds: &'a [Threshold],
    /// The layer in front.
    pub kept_style: Style,
    /// The layer behind it: what was counted and not kept.
    pub left_style: Style,
    /// The layer behind is shaded, since no color tells it from the one in front.
    pub is_shaded: bool,
    pub axis_style: Style,
}

const EIGHTHS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// Columns of a count and of its axis.
const N_MARGIN: u16 = 5;
/// Where fewer columns are left to the bars, no counts are told.
const N_BARS_MIN: u16 = 16;

/// How high each column is, in counts; buckets are divided between columns.
struct Columns {
    all: Vec<f64>,
    kept: Vec<f64>,
    ghost: Vec<f64>,
    /// The highest of them.
    peak: f64,
}

impl HistogramChart<'_> {
    /// Draws bars, the axis of confidences below them, and how many a bar counts at their left. Needs
    /// at least two rows and ten columns.
    pub fn render(&self, area: Rect, buffer: &mut Buffer) {
        if area.height < 2 || area.width < 10 {
            return;
        }
        let n_rows = area.height - 1;
        let margin = if area.width < N_BARS_MIN + N_MARGIN { 0 } else { N_MARGIN };
        let bars = Rect { x: area.x + margin, width: area.width - margin, height: n_rows, ..area };
        let columns = self.columns(bars.width);
        if margin > 0 {
            self.render_counts(Rect { width: margin, ..area }, &columns, buffer);
        }
        self.render_bars(bars, &columns, buffer);
        for threshold in self.thresholds {
            let x = bars.x + column_of(threshold.at, bars.width);
            for y in bars.top()..bars.bottom() {
                if let Some(cell) = buffer.cell_mut((x, y)) {
                    cell.set_char(threshold.symbol).set_style(threshold.style);
                }
            }
        }
        self.render_axis(Rect { y: bars.bottom(), height: 1, ..bars }, buffer);
    }

    fn columns(&self, n_columns: u16) -> Columns {
        let of = |counts| per_column(counts, usize::from(n_columns));
        let (all, kept) = (of(self.counts), of(self.kept));
        let ghost = self.ghost.map(of).unwrap_or_default();
        let peak = all.iter().chain(&ghost).copied().fold(0.0, f64::max);
        Columns { all, kept, ghost, peak }
    }

    fn render_counts(&self, area: Rect, columns: &Columns, buffer: &mut Buffer) {
        let bottom = area.bottom() - 1;
        for y in area.top()..bottom {
            buffer.set_string(area.right() - 1, y, "│", self.axis_style);
        }
        for (row, label) in labels(columns, area.height - 1) {
            let label = format!("{}┤", text::right(&label, usize::from(area.width) - 1));
            buffer.set_string(area.x, bottom - 1 - row, label, self.axis_style);
        }
    }

    fn render_bars(&self, area: Rect, columns: &Columns, buffer: &mut Buffer) {
        if columns.peak <= 0.0 {
            return;
        }
        for (column, total) in columns.ghost.iter().enumerate() {
            // Whole cells: a shade has no eighths.
            let n_rows = (total / columns.peak * f64::from(area.height)).round() as u16;
            for row in 0..n_rows.min(area.height) {
                let position = (area.x + column as u16, area.bottom() - 1 - row);
                if let Some(cell) = buffer.cell_mut(position) {
                    cell.set_char('░').set_style(self.axis_style);
                }
            }
        }
        let eighths_of = |n: f64| {
            let eighths = (n / columns.peak * f64::from(area.height) * 8.0).round() as usize;
            // A few pairs are not none.
            eighths.max(usize::from(n > 0.0))
        };
        for (column, (all, kept)) in columns.all.iter().zip(&columns.kept).enumerate() {
            let (all, kept) = (eighths_of(*all), eighths_of(*kept));
            for row in 0..usize::from(area.height) {
                let level = |eighths: usize| eighths.saturating_sub(row * 8).min(8);
                let position = (area.x + column as u16, area.bottom() - 1 - row as u16);
                if let Some((symbol, style)) = self.bar_cell(level(all), level(kept), row == 0)
                    && let Some(cell) = buffer.cell_mut(position)
                {
                    cell.set_char(symbol).set_style(style);
                }
            }
        }
    }

    /// A cell of a bar that is filled to `all` eighths, `kept` of them by the layer in front.
    fn bar_cell(&self, all: usize, kept: usize, is_lowest: bool) -> Option<(char, Style)> {
        match (all, kept) {
            (0, _) => None,
            // A shade has no eighths; the lowest row keeps them, so that a few pairs are seen.
            (_, 0) if self.is_shaded && all >= 4 => Some(('▒', self.left_style)),
            (_, 0) if self.is_shaded && !is_lowest => None,
            (_, 0) => Some((EIGHTHS[all], self.left_style)),
            (8, 1..8) => {
                let behind =
                    self.left_style.fg.map_or(Style::new(), |color| Style::new().bg(color));
                Some((EIGHTHS[kept], self.kept_style.patch(behind)))
            }
            // Both end in this cell, which has room for two colors only: the larger part has it.
            _ if kept * 2 > all => Some((EIGHTHS[all.max(kept)], self.kept_style)),
            _ => Some((EIGHTHS[all], self.left_style)),
        }
    }

    fn render_axis(&self, area: Rect, buffer: &mut Buffer) {
        let mut put = |x: u16, label: &str, style: Style| {
            let width = text::width(label) as u16;
            let x = x.min((area.width).saturating_sub(width));
            buffer.set_stringn(area.x + x, area.y, label, usize::from(area.width - x), style);
        };
        put(0, ".50", self.axis_style);
        put(area.width, "1.0", self.axis_style);
        let mut free_from = 4;
        for threshold in self.thresholds {
            let label = text::share(Some(threshold.at), 2);
            let x = column_of(threshold.at, area.width).saturating_sub(1);
            if x >= free_from && x + 3 < area.width.saturating_sub(3) {
                put(x, &label, threshold.style);
                free_from = x + 4;
            }
        }
    }
}

fn column_of(confidence: f64, width: u16) -> u16 {
    let share = ((confidence - 0.5) * 2.0).clamp(0.0, 1.0);
    ((share * f64::from(width)) as u16).min(width.saturating_sub(1))
}

/// Rows, counted from the lowest, with the round counts that bars reach there.
fn labels(columns: &Columns, n_rows: u16) -> Vec<(u16, String)> {
    if columns.peak < 1.0 {
        return Vec::new();
    }
    let ticks = Scale::over(0.0, columns.peak, n_rows).ticks.into_iter();
    let whole = ticks.filter(|tick| *tick >= 1.0 && tick.fract() == 0.0);
    let row = |tick: f64| (tick / columns.peak * f64::from(n_rows)).ceil() as u16 - 1;
    // Round numbers: the digit behind the point is one only where it is not 0.
    let label = |tick: f64| text::short_count(tick as u64).replace(".0", "");
    whole.map(|tick| (row(tick).min(n_rows - 1), label(tick))).collect()
}

/// How many lie under each of `n_columns` columns. Buckets are divided where a column ends within one:
/// whole buckets would make every second column look taller.
fn per_column(counts: &[u32], n_columns: usize) -> Vec<f64> {
    let n_buckets = counts.len() as f64 / n_columns.max(1) as f64;
    (0..n_columns)
        .map(|column| {
            let (from, to) = (column as f64 * n_buckets, (column + 1) as f64 * n_buckets);
            let buckets = from as usize..(to.ceil() as usize).min(counts.len());
            let parts = buckets.map(|i| {
                let overlap = to.min(i as f64 + 1.0) - from.max(i as f64);
                f64::from(counts[i]) * overlap.max(0.0)
            });
            parts.sum()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(chart: &HistogramChart<'_>, width: u16, height: u16) -> (Buffer, Vec<String>) {
        let mut buffer = Buffer::empty(Rect::new(0, 0, width, height));
        chart.render(buffer.area, &mut buffer);
        let row = |y| (0..width).map(|x| buffer[(x, y)].symbol().to_owned()).collect();
        let rows = (0..height).map(row).collect();
        (buffer, rows)
    }

    const PLAIN: HistogramChart<'static> = HistogramChart {
        counts: &[0; 100],
        kept: &[0; 100],
        ghost: None,
        thresholds: &[],
        kept_style: Style::new(),
        left_style: Style::new(),
        is_shaded: false,
        axis_style: Style::new(),
    };

    #[test]
    fn a_flat_histogram_is_flat_at_any_width_and_loses_no_count() {
        for n_columns in [1, 7, 36, 78, 100, 150] {
            let columns = per_column(&[5; 100], n_columns);
            assert!((columns.iter().sum::<f64>() - 500.0).abs() < 1e-6, "{n_columns}");
            for count in columns {
                assert!((count - 500.0 / n_columns as f64).abs() < 1e-9, "{n_columns}: {count}");
            }
        }
    }

    #[test]
    fn thresholds_land_in_their_column() {
        assert_eq!(column_of(0.5, 40), 0);
        assert_eq!(column_of(0.75, 40), 20);
        assert_eq!(column_of(1.0, 40), 39);
    }

    #[test]
    fn bars_are_eighths_and_few_is_not_none() {
        let mut counts = vec![0; 100];
        counts[99] = 1000;
        counts[0] = 1;
        let line = Threshold { at: 0.75, style: Style::new(), symbol: '┊' };
        let chart = HistogramChart { counts: &counts, thresholds: &[line], ..PLAIN };
        assert_eq!(drawn(&chart, 10, 3).1, ["     ┊   █", "▁    ┊   █", ".50    1.0"]);
    }

    #[test]
    fn kept_pairs_stand_in_front_of_all_of_them() {
        use ratatui::style::Color::{Blue, Gray};
        let (kept_style, left_style) = (Style::new().fg(Blue), Style::new().fg(Gray));
        // Half of each column was kept, and its upper end lies within a cell.
        let chart = HistogramChart {
            counts: &[80; 100],
            kept: &[35; 100],
            kept_style,
            left_style,
            ..PLAIN
        };
        let (buffer, rows) = drawn(&chart, 10, 5);
        assert_eq!(rows[0], "██████████");
        assert_eq!([buffer[(0, 0)].fg, buffer[(0, 3)].fg], [Gray, Blue]);
        assert_eq!(
            (buffer[(0, 2)].symbol(), buffer[(0, 2)].fg, buffer[(0, 2)].bg),
            ("▆", Blue, Gray)
        );
        // Without colors the layer behind is another mark.
        let chart = HistogramChart { is_shaded: true, kept_style: Style::new(), ..chart };
        let (_, rows) = drawn(&chart, 10, 5);
        assert_eq!(rows[..4], ["▒▒▒▒▒▒▒▒▒▒", "▒▒▒▒▒▒▒▒▒▒", "▆▆▆▆▆▆▆▆▆▆", "██████████"]);
    }

    #[test]
    fn counts_stand_where_bars_reach_them() {
        // Forty columns beside the labels, so that each holds two and a half buckets.
        let chart = HistogramChart { counts: &[16; 100], ..PLAIN };
        let (_, rows) = drawn(&chart, 45, 9);
        let full = "█".repeat(40);
        let label = |row: usize| rows[row].split(['┤', '│']).next().unwrap().trim().to_owned();
        assert_eq!(rows[0], format!("  40┤{full}"), "{rows:#?}");
        assert_eq!(["20", ""].map(str::to_owned), [label(4), label(3)], "{rows:#?}");
        assert!(rows[8].starts_with("     .50"), "{rows:#?}");
        for (width, height) in [(10, 2), (21, 3), (24, 4), (200, 60)] {
            drawn(&chart, width, height);
            drawn(&PLAIN, width, height);
        }
    }
}
