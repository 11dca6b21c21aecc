//! A confidence histogram: columns of eighth blocks with vertical threshold lines.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

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

/// Counts over `[0.5, 1]` in equal buckets, and how many of each bucket were kept.
pub struct HistogramChart<'a> {
    /// Everything that was counted.
    pub counts: &'a [u32],
    /// The part of it that was kept, by bucket.
    pub kept: &'a [u32],
    /// Everything that was counted a round before, drawn behind as a shade.
    pub ghost: Option<&'a [u32]>,
    pub thresholds: &'a [Threshold],
    /// Columns in which most were kept.
    pub kept_style: Style,
    pub left_style: Style,
    pub axis_style: Style,
}

impl HistogramChart<'_> {
    /// Draws bars and, below them, the axis. Needs at least two rows and ten columns.
    pub fn render(&self, area: Rect, buffer: &mut Buffer) {
        if area.height < 2 || area.width < 10 {
            return;
        }
        let bars = Rect { height: area.height - 1, ..area };
        self.render_bars(bars, buffer);
        for threshold in self.thresholds {
            let x = bars.x + column_of(threshold.at, area.width);
            for y in bars.top()..bars.bottom() {
                if let Some(cell) = buffer.cell_mut((x, y)) {
                    cell.set_char(threshold.symbol).set_style(threshold.style);
                }
            }
        }
        self.render_axis(Rect { y: bars.bottom(), height: 1, ..area }, buffer);
    }

    fn render_bars(&self, area: Rect, buffer: &mut Buffer) {
        const EIGHTHS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
        let width = usize::from(area.width);
        let totals = densities(self.counts, width);
        let kept = densities(self.kept, width);
        let ghost = self.ghost.map(|counts| densities(counts, width)).unwrap_or_default();
        let peak = totals.iter().chain(&ghost).copied().fold(0.0, f64::max);
        if peak <= 0.0 {
            return;
        }
        for (column, total) in ghost.iter().enumerate() {
            // Whole cells: a shade has no eighths.
            let n_rows = (total / peak * f64::from(area.height)).round() as u16;
            for row in 0..n_rows.min(area.height) {
                let position = (area.x + column as u16, area.bottom() - 1 - row);
                if let Some(cell) = buffer.cell_mut(position) {
                    cell.set_char('░').set_style(self.axis_style);
                }
            }
        }
        for (column, total) in totals.iter().enumerate() {
            let full = f64::from(area.height) * 8.0;
            let mut eighths = (total / peak * full).round() as usize;
            if *total > 0.0 {
                // A few pairs are not none.
                eighths = eighths.max(1);
            }
            let style = if kept[column] * 2.0 > *total { self.kept_style } else { self.left_style };
            for row in 0..usize::from(area.height) {
                let level = eighths.saturating_sub(row * 8).min(8);
                let position = (area.x + column as u16, area.bottom() - 1 - row as u16);
                if let Some(cell) = buffer.cell_mut(position).filter(|_| level > 0) {
                    cell.set_char(EIGHTHS[level]).set_style(style);
                }
            }
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

/// Mean count per bucket under each of `n_columns` columns. Buckets are divided where a column
/// ends within one: whole buckets would make every second column look taller.
fn densities(counts: &[u32], n_columns: usize) -> Vec<f64> {
    let per_column = counts.len() as f64 / n_columns.max(1) as f64;
    (0..n_columns)
        .map(|column| {
            let (from, to) = (column as f64 * per_column, (column + 1) as f64 * per_column);
            let buckets = from as usize..(to.ceil() as usize).min(counts.len());
            let sum: f64 = buckets
                .map(|i| {
                    let overlap = to.min(i as f64 + 1.0) - from.max(i as f64);
                    f64::from(counts[i]) * overlap.max(0.0)
                })
                .sum();
            sum / per_column.max(f64::MIN_POSITIVE)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flat_histogram_is_flat_at_any_width() {
        for n_columns in [1, 7, 36, 78, 100, 150] {
            for density in densities(&[5; 100], n_columns) {
                assert!((density - 5.0).abs() < 1e-9, "{n_columns}: {density}");
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
        let mut buffer = Buffer::empty(Rect::new(0, 0, 10, 3));
        let line = Threshold { at: 0.75, style: Style::new(), symbol: '┊' };
        let chart = HistogramChart {
            counts: &counts,
            kept: &[0; 100],
            ghost: None,
            thresholds: &[line],
            kept_style: Style::new(),
            left_style: Style::new(),
            axis_style: Style::new(),
        };
        chart.render(buffer.area, &mut buffer);
        let rows: Vec<String> =
            (0..3).map(|y| (0..10).map(|x| buffer[(x, y)].symbol().to_owned()).collect()).collect();
        assert_eq!(rows, ["     ┊   █", "▁    ┊   █", ".50    1.0"]);
    }
}
