//! A reliability diagram: for each bin of confidence the accuracy in it, over the line where both
//! are equal.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::domain::metrics::calibration::ReliabilityBin;
use crate::tui::kit::text;

/// Bins over `[0.5, 1]`.
pub struct ReliabilityChart<'a> {
    /// In order of confidence.
    pub bins: &'a [ReliabilityBin],
    /// Bins that are as right as they are sure, or more.
    pub good: Style,
    /// Bins that are less right than they are sure; a shade says by how much, so that no color has to.
    pub bad: Style,
    /// Axes, labels and the diagonal.
    pub axis: Style,
}

const EIGHTHS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// Columns of the labels at the left.
const N_LABEL: u16 = 4;
/// A bin whose accuracy is this much below its confidence is drawn as over-confident.
const GAP: f64 = 0.05;

impl ReliabilityChart<'_> {
    /// Draws bars from 0 to 1 and the diagonal. Needs at least four rows and twenty columns.
    pub fn render(&self, area: Rect, buffer: &mut Buffer) {
        if area.height < 4 || area.width < 20 || self.bins.is_empty() {
            return;
        }
        let plot = Rect {
            x: area.x + N_LABEL + 1,
            width: area.width - N_LABEL - 1,
            height: area.height - 1,
            ..area
        };
        for (row, label) in [(0, "1.0"), (plot.height / 2, ".50"), (plot.height - 1, "0")] {
            buffer.set_string(area.x, plot.y + row, format!("{label:>3}┤"), self.axis);
        }
        let n_bins = self.bins.len() as u16;
        let width = (plot.width / n_bins).max(1);
        for (i, bin) in self.bins.iter().enumerate() {
            let x = plot.x + i as u16 * width;
            if x + width > plot.right() {
                break;
            }
            self.render_bin(bin, Rect { x, width, ..plot }, buffer);
        }
        let y = plot.bottom();
        buffer.set_string(plot.x - 1, y, "└", self.axis);
        for x in plot.left()..plot.right() {
            buffer.set_string(x, y, "─", self.axis);
        }
        buffer.set_string(plot.x, y, ".50", self.axis);
        let end = plot.x + (n_bins * width).min(plot.width);
        buffer.set_string(end.saturating_sub(3).max(plot.x), y, "1.0", self.axis);
        // Between the two labels, where there is room.
        let room = end.saturating_sub(plot.x + 6);
        let fits = |words: &&str| text::width(words) + 2 <= usize::from(room);
        if let Some(words) =
            ["accuracy by confidence", "confidence"].into_iter().find(|it| fits(it))
        {
            let x = plot.x + 3 + (room - text::width(words) as u16 - 2) / 2;
            buffer.set_string(x, y, format!(" {words} "), self.axis);
        }
    }

    fn render_bin(&self, bin: &ReliabilityBin, area: Rect, buffer: &mut Buffer) {
        if bin.n == 0 {
            return;
        }
        let is_too_sure = is_too_sure(bin);
        let style = if is_too_sure { self.bad } else { self.good };
        let eighths = (bin.accuracy * f64::from(area.height) * 8.0).round() as usize;
        let bars = area.width.saturating_sub(1).max(1);
        for row in 0..area.height {
            let level = eighths.saturating_sub(usize::from(row) * 8).min(8);
            for x in area.x..area.x + bars {
                let position = (x, area.bottom() - 1 - row);
                if let Some(cell) = buffer.cell_mut(position).filter(|_| level > 0) {
                    cell.set_char(EIGHTHS[level]).set_style(style);
                }
            }
        }
        // Where a bin as right as it is sure would end.
        let ideal = ((bin.mean_confidence * f64::from(area.height)) as u16).min(area.height - 1);
        let (rows, symbol, style) = if is_too_sure {
            // From there down to the bar.
            ((eighths.div_ceil(8) as u16).min(ideal)..=ideal, '░', self.bad)
        } else {
            (ideal..=ideal, '┄', self.axis)
        };
        for row in rows {
            for x in area.x..area.x + bars {
                if let Some(cell) = buffer.cell_mut((x, area.bottom() - 1 - row)) {
                    cell.set_char(symbol).set_style(style);
                }
            }
        }
    }
}

/// Whether a bin is less right than it is sure, by so much that it is drawn as such.
pub fn is_too_sure(bin: &ReliabilityBin) -> bool {
    bin.n > 0 && bin.accuracy + GAP < bin.mean_confidence
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bin_is_too_sure_from_a_gap_on() {
        let bin = |n, mean_confidence, accuracy| ReliabilityBin { n, mean_confidence, accuracy };
        assert!(is_too_sure(&bin(1, 0.8, 0.7)));
        assert!(!is_too_sure(&bin(1, 0.8, 0.76)) && !is_too_sure(&bin(0, 0.8, 0.0)));
    }

    #[test]
    fn bars_end_at_the_accuracy_and_the_line_at_the_confidence() {
        let bin = |mean_confidence, accuracy| ReliabilityBin { n: 10, mean_confidence, accuracy };
        let bins = [bin(0.55, 0.5), ReliabilityBin::default(), bin(0.95, 0.25)];
        let mut buffer = Buffer::empty(Rect::new(0, 0, 20, 5));
        let (good, bad, axis) = (Style::new(), Style::new().reversed(), Style::new());
        ReliabilityChart { bins: &bins, good, bad, axis }.render(buffer.area, &mut buffer);
        let column =
            |x: u16| (0..4).map(|y| buffer[(x, y)].symbol().to_owned()).collect::<Vec<_>>();
        assert_eq!(column(5), [" ", "┄", "█", "█"]);
        assert_eq!(column(10), [" ", " ", " ", " "]);
        assert_eq!(column(15), ["░", "░", "░", "█"], "how much too sure it is, in every theme");
        ReliabilityChart { bins: &bins, good, bad, axis }
            .render(Rect::new(0, 0, 3, 2), &mut buffer);
    }
}
