//! Cells as bytes: the shortest way from what the terminal last did to the cells that changed.
//!
//! ratatui's crossterm backend sets both colors with every change of one and ends each frame with a
//! reset; over ssh most of what a live screen sends would be that. Here the terminal's cursor, colors
//! and attributes are remembered from frame to frame, and only what differs is said. Nobody else
//! writes to the terminal meanwhile: standard error goes to a log.

use std::io::Write;

use ratatui::buffer::{Buffer, Cell};
use ratatui::style::{Color, Modifier};
use unicode_width::UnicodeWidthStr;

/// What the terminal is set to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pen {
    /// Column and row where the next character goes; `None` where terminals may disagree.
    at: Option<(u16, u16)>,
    fg: Color,
    bg: Color,
    attributes: Modifier,
}

impl Pen {
    /// A terminal after a reset, with the cursor anywhere.
    pub const RESET: Self =
        Self { at: None, fg: Color::Reset, bg: Color::Reset, attributes: Modifier::empty() };

    /// Writes changed cells of a screen of `width` columns, given in the order of the screen.
    pub fn write<'a>(
        &mut self,
        width: u16,
        cells: impl Iterator<Item = (u16, u16, &'a Cell)>,
        out: &mut Vec<u8>,
    ) {
        for (x, y, cell) in cells {
            self.go_to(x, y, out);
            self.set(cell, out);
            let symbol = cell.symbol();
            out.extend_from_slice(symbol.as_bytes());
            // Behind the last column, and behind what some terminals draw wider than others, the
            // place of the cursor is not known.
            let is_sure = symbol.chars().count() == 1 && symbol.width() == 1 && x + 1 < width;
            self.at = is_sure.then_some((x + 1, y));
        }
    }

    fn go_to(&mut self, x: u16, y: u16, out: &mut Vec<u8>) {
        match self.at {
            Some(at) if at == (x, y) => {}
            Some((from, row)) if row == y && x > from => {
                let n = x - from;
                let _ = if n == 1 { write!(out, "\x1b[C") } else { write!(out, "\x1b[{n}C") };
            }
            _ if x == 0 => drop(write!(out, "\x1b[{}H", y + 1)),
            _ => drop(write!(out, "\x1b[{};{}H", y + 1, x + 1)),
        }
    }

    /// Sets colors and attributes for a cell. A blank shows its background only.
    fn set(&mut self, cell: &Cell, out: &mut Vec<u8>) {
        let shows_ink = Modifier::REVERSED | Modifier::UNDERLINED | Modifier::CROSSED_OUT;
        let is_blank = cell.symbol() == " " && !cell.modifier.intersects(shows_ink);
        if is_blank && !self.attributes.intersects(shows_ink) {
            if self.bg != cell.bg {
                self.bg = cell.bg;
                let mut codes = Vec::new();
                color_codes(cell.bg, false, &mut codes);
                sgr(&codes, out);
            }
            return;
        }
        let wanted = Self { at: self.at, fg: cell.fg, bg: cell.bg, attributes: cell.modifier };
        if (wanted.fg, wanted.bg, wanted.attributes) == (self.fg, self.bg, self.attributes) {
            return;
        }
        let (mut changes, mut anew) = (Vec::new(), vec![0]);
        self.change_to(&wanted, &mut changes);
        Self::RESET.change_to(&wanted, &mut anew);
        let is_shorter = n_bytes(&anew) < n_bytes(&changes);
        sgr(if is_shorter { &anew } else { &changes }, out);
        *self = wanted;
    }

    /// The codes that lead from here to there.
    fn change_to(&self, wanted: &Self, codes: &mut Vec<u8>) {
        let gone = self.attributes - wanted.attributes;
        let mut new = wanted.attributes - self.attributes;
        let weight = Modifier::BOLD | Modifier::DIM;
        if gone.intersects(weight) {
            // One code ends both.
            codes.push(22);
            new |= wanted.attributes & weight;
        }
        for (attribute, _, off) in ATTRIBUTES {
            if gone.contains(attribute) && !weight.contains(attribute) {
                codes.push(off);
            }
        }
        for (attribute, on, _) in ATTRIBUTES {
            if new.contains(attribute) {
                codes.push(on);
            }
        }
        if self.fg != wanted.fg {
            color_codes(wanted.fg, true, codes);
        }
        if self.bg != wanted.bg {
            color_codes(wanted.bg, false, codes);
        }
    }
}

/// Makes a frame say what a terminal can show: a character of two columns whose second one something
/// else was drawn into, such as the border of a popup, gives way to a blank.
pub fn mend_wide_cells(buffer: &mut Buffer) {
    let width = usize::from(buffer.area.width);
    for lead in 0..buffer.content.len() {
        if !is_wide(&buffer.content[lead]) {
            continue;
        }
        let is_last = (lead + 1).is_multiple_of(width);
        let is_whole = !is_last && buffer.content[lead + 1].symbol().trim().is_empty();
        if is_whole {
            let style = buffer.content[lead].style();
            buffer.content[lead + 1].reset();
            buffer.content[lead + 1].set_style(style);
        } else {
            buffer.content[lead].set_char(' ');
        }
    }
}

/// The cells that have to be drawn to make one frame of another of the same size, in the order of the
/// screen. A terminal that draws over half of a wide character blanks the other half: what was or is
/// under either half is drawn with it, which the difference that ratatui takes does not do.
pub fn changes<'a>(shown: &Buffer, next: &'a Buffer) -> Vec<(u16, u16, &'a Cell)> {
    let width = usize::from(next.area.width);
    let mut out = Vec::new();
    if width == 0 {
        return out;
    }
    let rows = shown.content.chunks(width).zip(next.content.chunks(width));
    for (y, (old, new)) in (0_u16..).zip(rows) {
        let mut is_dirty: Vec<bool> = old.iter().zip(new).map(|(a, b)| a != b).collect();
        if !is_dirty.contains(&true) {
            continue;
        }
        let leads: Vec<usize> =
            (0..width - 1).filter(|x| is_wide(&old[*x]) || is_wide(&new[*x])).collect();
        let mut has_grown = !leads.is_empty();
        while has_grown {
            has_grown = false;
            for x in &leads {
                if is_dirty[*x] != is_dirty[*x + 1] {
                    (is_dirty[*x], is_dirty[*x + 1]) = (true, true);
                    has_grown = true;
                }
            }
        }
        for x in (0..width).filter(|x| is_dirty[*x]) {
            let is_second_half = x > 0 && is_wide(&new[x - 1]);
            if !is_second_half {
                out.push((x as u16, y, &new[x]));
            }
        }
    }
    out
}

fn is_wide(cell: &Cell) -> bool {
    cell.symbol().len() > 1 && cell.symbol().width() > 1
}

/// Attributes with the codes that begin and end them.
const ATTRIBUTES: [(Modifier, u8, u8); 6] = [
    (Modifier::BOLD, 1, 22),
    (Modifier::DIM, 2, 22),
    (Modifier::ITALIC, 3, 23),
    (Modifier::UNDERLINED, 4, 24),
    (Modifier::REVERSED, 7, 27),
    (Modifier::CROSSED_OUT, 9, 29),
];

/// The codes of a color of the ink, or of the background.
fn color_codes(color: Color, is_ink: bool, codes: &mut Vec<u8>) {
    let shift = if is_ink { 0 } else { 10 };
    let named = |code: u8| code + shift;
    match color {
        Color::Reset => codes.push(named(39)),
        Color::Black => codes.push(named(30)),
        Color::Red => codes.push(named(31)),
        Color::Green => codes.push(named(32)),
        Color::Yellow => codes.push(named(33)),
        Color::Blue => codes.push(named(34)),
        Color::Magenta => codes.push(named(35)),
        Color::Cyan => codes.push(named(36)),
        Color::Gray => codes.push(named(37)),
        Color::DarkGray => codes.push(named(90)),
        Color::LightRed => codes.push(named(91)),
        Color::LightGreen => codes.push(named(92)),
        Color::LightYellow => codes.push(named(93)),
        Color::LightBlue => codes.push(named(94)),
        Color::LightMagenta => codes.push(named(95)),
        Color::LightCyan => codes.push(named(96)),
        Color::White => codes.push(named(97)),
        Color::Indexed(index) => codes.extend([named(38), 5, index]),
        Color::Rgb(r, g, b) => codes.extend([named(38), 2, r, g, b]),
    }
}

/// Bytes the codes take with their separators.
fn n_bytes(codes: &[u8]) -> usize {
    codes
        .iter()
        .map(|code| {
            if *code < 10 {
                2
            } else if *code < 100 {
                3
            } else {
                4
            }
        })
        .sum()
}

fn sgr(codes: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b"\x1b[");
    for (i, code) in codes.iter().enumerate() {
        let separator = if i == 0 { "" } else { ";" };
        // A reset is what no code at all means.
        let _ = match (codes, code) {
            ([0], _) => Ok(()),
            _ => write!(out, "{separator}{code}"),
        };
    }
    out.push(b'm');
}

#[cfg(test)]
mod tests {
    use ratatui::layout::Rect;
    use ratatui::style::Style;

    use super::*;

    /// Xorshift: the same buffers at every run.
    struct Random(u64);

    impl Random {
        fn next(&mut self, n: u64) -> usize {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            ((self.0 >> 11) % n) as usize
        }
    }

    const COLORS: [Color; 6] = [
        Color::Reset,
        Color::Indexed(75),
        Color::Indexed(237),
        Color::Rgb(1, 20, 200),
        Color::Cyan,
        Color::DarkGray,
    ];
    const ATTRIBUTES_USED: [Modifier; 5] = [
        Modifier::empty(),
        Modifier::BOLD,
        Modifier::DIM,
        Modifier::REVERSED,
        Modifier::UNDERLINED,
    ];

    fn scribble(random: &mut Random, buffer: &mut Buffer) {
        for _ in 0..random.next(40) {
            let style = Style::new()
                .fg(COLORS[random.next(6)])
                .bg(COLORS[random.next(6)])
                .add_modifier(ATTRIBUTES_USED[random.next(5)] | ATTRIBUTES_USED[random.next(5)]);
            let words = ["x", "  ", "漢", "hello", "⣀⡤⠖", "é", " "][random.next(7)];
            let (x, y) = (random.next(30) as u16, random.next(6) as u16);
            buffer.set_string(x, y, words, style);
        }
    }

    fn vt_color(color: Color) -> vt100::Color {
        match color {
            Color::Indexed(index) => vt100::Color::Idx(index),
            Color::Rgb(r, g, b) => vt100::Color::Rgb(r, g, b),
            Color::Cyan => vt100::Color::Idx(6),
            Color::DarkGray => vt100::Color::Idx(8),
            _ => vt100::Color::Default,
        }
    }

    #[test]
    fn a_terminal_shows_what_the_buffer_holds_frame_after_frame() {
        let mut random = Random(7);
        let area = Rect::new(0, 0, 30, 6);
        for _ in 0..60 {
            let mut screen = vt100::Parser::new(6, 30, 0);
            let mut pen = Pen::RESET;
            let mut shown = Buffer::empty(area);
            for _ in 0..8 {
                let mut next = shown.clone();
                scribble(&mut random, &mut next);
                mend_wide_cells(&mut next);
                let mut out = Vec::new();
                pen.write(30, changes(&shown, &next).into_iter(), &mut out);
                screen.process(&out);
                shown = next;
                assert_same(&shown, screen.screen());
            }
        }
    }

    fn assert_same(buffer: &Buffer, screen: &vt100::Screen) {
        for y in 0..6 {
            let mut x = 0;
            while x < 30 {
                let (cell, seen) = (&buffer[(x, y)], screen.cell(y, x).unwrap());
                let words = if seen.has_contents() { seen.contents() } else { " " };
                assert_eq!(cell.symbol(), words, "{x},{y}");
                let inverse = cell.modifier.contains(Modifier::REVERSED);
                let underline = cell.modifier.contains(Modifier::UNDERLINED);
                assert_eq!(seen.bgcolor(), vt_color(cell.bg), "{x},{y}");
                assert_eq!((seen.inverse(), seen.underline()), (inverse, underline), "{x},{y}");
                if words != " " || inverse || underline {
                    assert_eq!(seen.fgcolor(), vt_color(cell.fg), "{x},{y}");
                    let weight = (seen.bold(), seen.dim());
                    let bold = cell.modifier.contains(Modifier::BOLD);
                    let dim = cell.modifier.contains(Modifier::DIM);
                    // A screen that knows one weight at a time shows the bold one.
                    assert!(weight == (bold, dim) || bold && dim, "{x},{y}: {weight:?}");
                }
                x += words.width().max(1) as u16;
            }
        }
    }

    #[test]
    fn a_border_over_half_a_character_is_drawn() {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 6, 1));
        buffer.set_string(0, 0, "漢字漢", Style::new());
        buffer.set_string(3, 0, "│", Style::new());
        mend_wide_cells(&mut buffer);
        let row: Vec<&str> = buffer.content.iter().map(Cell::symbol).collect();
        assert_eq!(row, ["漢", " ", " ", "│", "漢", " "]);
    }

    #[test]
    fn only_what_differs_is_said() {
        let area = Rect::new(0, 0, 30, 2);
        let (mut pen, mut out) = (Pen::RESET, Vec::new());
        let blue = Style::new().fg(Color::Indexed(75));
        let mut first = Buffer::empty(area);
        first.set_string(0, 0, "ab c", blue);
        pen.write(30, changes(&Buffer::empty(area), &first).into_iter(), &mut out);
        assert_eq!(String::from_utf8_lossy(&out), "\x1b[1H\x1b[38;5;75mab c");
        let mut second = first.clone();
        second.set_string(6, 0, "d", blue);
        second.set_string(0, 1, "e", Style::new());
        out.clear();
        pen.write(30, changes(&first, &second).into_iter(), &mut out);
        assert_eq!(String::from_utf8_lossy(&out), "\x1b[2Cd\x1b[2H\x1b[me");
    }
}
