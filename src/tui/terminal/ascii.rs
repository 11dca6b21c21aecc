//! The last pass over a frame on a terminal without UTF-8: every cell becomes one ASCII character.
//!
//! Views draw one way, with borders, blocks and braille; this pass translates the finished buffer,
//! so no view has to know about it and none can forget it.

use ratatui::buffer::Buffer;

/// Replaces every symbol that is not ASCII.
pub fn to_ascii(buffer: &mut Buffer) {
    for cell in &mut buffer.content {
        let symbol = cell.symbol();
        if symbol.is_ascii() && !symbol.is_empty() {
            continue;
        }
        let first = symbol.chars().next().unwrap_or(' ');
        cell.set_char(ascii_of(first));
    }
}

fn ascii_of(c: char) -> char {
    match c {
        '\u{2800}'..='\u{28ff}' => braille(c as u32 as u8),
        '─' | '–' | '—' | '╌' | '╍' | '┄' | '−' | '▃' | '▄' => '-',
        '│' | '┃' | '╎' | '┊' | '┆' | '╷' | '┤' | '├' | '▏' | '▕' | '▌' => {
            '|'
        }
        '┌' | '┐' | '└' | '┘' | '┬' | '┴' | '┼' | '✓' => '+',
        '▁' | '▂' => '_',
        '▅' | '▆' | '‖' | '━' => '=',
        '┏' | '┓' | '┗' | '┛' | '▇' | '█' | '▉' | '▊' | '▋' | '■' => '#',
        '▎' | '▍' | '▒' => ':',
        '░' | '·' | '•' => '.',
        '●' | '★' => '*',
        '◌' | '○' => 'o',
        '✗' | '×' => 'x',
        '⇄' => '%',
        '⚠' => '!',
        '…' | '±' | '≈' => '~',
        '≥' | '⟩' | '→' | '▶' => '>',
        '≤' | '⟨' | '←' | '♥' | '♡' => '<',
        '↵' | '⏎' => '$',
        '↑' | '▲' => '^',
        '↓' | '▼' => 'v',
        '‘' | '’' => '\'',
        '“' | '”' => '"',
        _ => '?',
    }
}

/// One character with roughly the weight and height of eight dots.
///
/// Bits: 0 1 2 6 are the left column from the top, 3 4 5 7 the right one.
fn braille(bits: u8) -> char {
    let top = bits & 0b0000_1001 != 0;
    let middle = bits & 0b0011_0110 != 0;
    let bottom = bits & 0b1100_0000 != 0;
    match (top, middle, bottom) {
        (false, false, false) => ' ',
        (true, false, false) => '\'',
        (false, false, true) => '.',
        (false, true, false) => '-',
        (true, true, false) => '"',
        (false, true, true) => ',',
        (true, _, true) => ':',
    }
}

#[cfg(test)]
mod tests {
    use ratatui::layout::Rect;
    use ratatui::style::Style;

    use super::*;

    #[test]
    fn everything_becomes_one_column_of_ascii() {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 24, 1));
        buffer.set_string(0, 0, "│●✓ 漢字 ⣀⠉ ▇ ⟨ESC⟩ é x", Style::new());
        to_ascii(&mut buffer);
        let line: String = buffer.content.iter().map(ratatui::buffer::Cell::symbol).collect();
        assert_eq!(line, "|*+ ? ?  .' # <ESC> ? x ");
        assert!(line.is_ascii());
    }
}
