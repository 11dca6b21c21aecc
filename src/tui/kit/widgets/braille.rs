//! A canvas of braille dots: two columns and four rows of dots in every cell.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

/// Dots with one style a cell; the last style drawn into a cell holds.
pub struct Braille {
    width: usize,
    height: usize,
    cells: Vec<(u8, Style)>,
}

/// Bit of a dot by row and column within its cell.
const BITS: [[u8; 2]; 4] = [[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]];

impl Braille {
    /// An empty canvas of `width` x `height` cells.
    pub fn new(width: u16, height: u16) -> Self {
        let (width, height) = (usize::from(width), usize::from(height));
        Self { width, height, cells: vec![(0, Style::new()); width * height] }
    }

    /// Dots from left to right.
    pub fn n_columns(&self) -> usize {
        self.width * 2
    }

    /// Dots from top to bottom.
    pub fn n_rows(&self) -> usize {
        self.height * 4
    }

    /// Sets a dot; outside the canvas nothing happens.
    pub fn dot(&mut self, x: isize, y: isize, style: Style) {
        let (Ok(x), Ok(y)) = (usize::try_from(x), usize::try_from(y)) else { return };
        if x >= self.n_columns() || y >= self.n_rows() {
            return;
        }
        let cell = &mut self.cells[(y / 4) * self.width + x / 2];
        cell.0 |= BITS[y % 4][x % 2];
        cell.1 = style;
    }

    /// Draws a straight line of dots, each kept when `keep` says so for its column.
    pub fn line(
        &mut self,
        from: (f64, f64),
        to: (f64, f64),
        style: Style,
        keep: impl Fn(isize) -> bool,
    ) {
        let (dx, dy) = (to.0 - from.0, to.1 - from.1);
        let n_steps = dx.abs().max(dy.abs()).ceil().clamp(1.0, 4096.0) as usize;
        for i in 0..=n_steps {
            let share = i as f64 / n_steps as f64;
            let x = (from.0 + dx * share).round() as isize;
            let y = (from.1 + dy * share).round() as isize;
            if keep(x) {
                self.dot(x, y, style);
            }
        }
    }

    /// Copies the cells that hold a dot into the buffer.
    pub fn render(&self, area: Rect, buffer: &mut Buffer) {
        for row in 0..self.height.min(usize::from(area.height)) {
            for column in 0..self.width.min(usize::from(area.width)) {
                let (bits, style) = self.cells[row * self.width + column];
                let position = (area.x + column as u16, area.y + row as u16);
                if let Some(cell) = buffer.cell_mut(position).filter(|_| bits != 0) {
                    let symbol = char::from_u32(0x2800 + u32::from(bits)).unwrap_or(' ');
                    cell.set_char(symbol).set_style(style);
                }
            }
        }
    }
}
