//! The bytes of a terminal as inputs: keys, pastes, the mouse, and what the terminal reports.
//!
//! crossterm 0.29 reads keys too, but keeps an answer such as `CSI ? 997 ; 1 n` (the theme of the
//! terminal) as the beginning of something longer and swallows every key after it. The sequences are
//! those of ECMA-48 and of xterm (ctlseqs); a lone `ESC` at the end of what has arrived is the key.

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::input::{Input, MouseKind};

const ESC: u8 = 0x1b;
/// Longest paste; what is longer is cut.
const N_PASTE_MAX: usize = 1 << 20;
/// Longest sequence that is waited for; a longer one is none.
const N_SEQUENCE_MAX: usize = 64;
const PASTE_BEGINS: &[u8] = b"\x1b[200~";
const PASTE_ENDS: &[u8] = b"\x1b[201~";

/// Bytes that have arrived and are not understood to their end yet.
#[derive(Debug, Default)]
pub struct Parser {
    waiting: Vec<u8>,
}

/// What stands at the beginning of some bytes.
enum Found {
    /// So many bytes, which mean this or nothing.
    Bytes(usize, Option<Input>),
    /// The beginning of something longer.
    Incomplete,
}

impl Parser {
    /// Takes bytes as they arrive and hands out what they mean.
    pub fn take(&mut self, bytes: &[u8], mut out: impl FnMut(Input)) {
        self.waiting.extend_from_slice(bytes);
        let mut at = 0;
        while at < self.waiting.len() {
            match first(&self.waiting[at..]) {
                Found::Bytes(n, input) => {
                    at += n.max(1);
                    if let Some(input) = input {
                        out(input);
                    }
                }
                Found::Incomplete => break,
            }
        }
        self.waiting.drain(..at);
    }
}

fn first(bytes: &[u8]) -> Found {
    match bytes {
        [] | [ESC, b'O'] => Found::Incomplete,
        // Alone it is the key, and twice it was pressed twice.
        [ESC] | [ESC, ESC, ..] => found(1, KeyCode::Esc, KeyModifiers::NONE),
        [ESC, b'[', ..] => csi(bytes),
        [ESC, b'O', c, ..] => Found::Bytes(3, letter(*c).map(|code| key(code, KeyModifiers::NONE))),
        [ESC, rest @ ..] => match character(rest) {
            Found::Bytes(n, Some(Input::Key(mut event))) => {
                event.modifiers |= KeyModifiers::ALT;
                Found::Bytes(n + 1, Some(Input::Key(event)))
            }
            Found::Bytes(n, other) => Found::Bytes(n + 1, other),
            Found::Incomplete => Found::Incomplete,
        },
        _ => character(bytes),
    }
}

fn key(code: KeyCode, modifiers: KeyModifiers) -> Input {
    Input::Key(KeyEvent::new(code, modifiers))
}

/// So many bytes that are a key.
fn found(n: usize, code: KeyCode, modifiers: KeyModifiers) -> Found {
    Found::Bytes(n, Some(key(code, modifiers)))
}

/// A control character, or a character of UTF-8.
fn character(bytes: &[u8]) -> Found {
    let Some(byte) = bytes.first().copied() else { return Found::Incomplete };
    let ctrl = |c: u8| key(KeyCode::Char(char::from(c)), KeyModifiers::CONTROL);
    let input = match byte {
        b'\r' => key(KeyCode::Enter, KeyModifiers::NONE),
        b'\t' => key(KeyCode::Tab, KeyModifiers::NONE),
        0x7f => key(KeyCode::Backspace, KeyModifiers::NONE),
        0 => ctrl(b' '),
        0x01..=0x1a => ctrl(byte - 1 + b'a'),
        // `Ctrl-\` to `Ctrl-_`, which terminals send as Ctrl-4 to Ctrl-7.
        0x1c..=0x1f => ctrl(byte - 0x1c + b'4'),
        _ => return utf8(bytes),
    };
    Found::Bytes(1, Some(input))
}

fn utf8(bytes: &[u8]) -> Found {
    let n = match bytes[0] {
        0x00..=0x7f => 1,
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf4 => 4,
        _ => return Found::Bytes(1, None),
    };
    let Some(slice) = bytes.get(..n) else {
        let is_start = bytes[1..].iter().all(|byte| (0x80..0xc0).contains(byte));
        return if is_start { Found::Incomplete } else { Found::Bytes(1, None) };
    };
    let Some(c) = std::str::from_utf8(slice).ok().and_then(|text| text.chars().next()) else {
        return Found::Bytes(1, None);
    };
    let shift = if c.is_uppercase() { KeyModifiers::SHIFT } else { KeyModifiers::NONE };
    found(n, KeyCode::Char(c), shift)
}

/// A control sequence: `ESC [`, parameters, and the letter that says what they are.
fn csi(bytes: &[u8]) -> Found {
    if bytes.starts_with(PASTE_BEGINS) {
        return paste(bytes);
    }
    // The function keys of the Linux console: `ESC [ [ A`.
    if let [_, _, b'[', rest @ ..] = bytes {
        return match rest {
            [] => Found::Incomplete,
            [c @ b'A'..=b'E', ..] => found(4, KeyCode::F(c - b'A' + 1), KeyModifiers::NONE),
            _ => Found::Bytes(3, None),
        };
    }
    let body = &bytes[2..];
    let n_parameters = body.iter().take_while(|byte| (0x20..0x40).contains(*byte)).count();
    let Some(last) = body.get(n_parameters).copied() else {
        let is_long = bytes.len() > N_SEQUENCE_MAX;
        return if is_long { Found::Bytes(bytes.len(), None) } else { Found::Incomplete };
    };
    let n = 2 + n_parameters + 1;
    // The mouse of terminals that know no decimal reports: three bytes follow.
    if last == b'M' && n_parameters == 0 {
        return match bytes.get(n..n + 3) {
            None => Found::Incomplete,
            Some(report) => {
                let [button, x, y] =
                    [report[0], report[1], report[2]].map(|b| b.saturating_sub(32));
                Found::Bytes(n + 3, mouse(u16::from(button), u16::from(x), u16::from(y)))
            }
        };
    }
    // Anything but a letter ends what was no sequence.
    if !(0x40..0x7f).contains(&last) {
        return Found::Bytes(n - 1, None);
    }
    let parameters = std::str::from_utf8(&body[..n_parameters]).unwrap_or_default();
    Found::Bytes(n, sequence(parameters, last))
}

fn sequence(parameters: &str, last: u8) -> Option<Input> {
    if let Some(report) = parameters.strip_prefix('<') {
        let mut numbers = report.split(';').map(|it| it.parse().ok());
        let (button, x, y) = (numbers.next()??, numbers.next()??, numbers.next()??);
        return if last == b'M' { mouse(button, x, y) } else { None };
    }
    if let Some(report) = parameters.strip_prefix('?') {
        return match (report, last) {
            ("997;1", b'n') => Some(Input::Background { is_dark: true }),
            ("997;2", b'n') => Some(Input::Background { is_dark: false }),
            _ => None,
        };
    }
    let mut parts = parameters.split(';');
    let number = parts.next().unwrap_or_default();
    let second = parts.next().unwrap_or_default();
    let (mask, kind) = second.split_once(':').unwrap_or((second, ""));
    let modifiers = modifiers(mask.parse().unwrap_or(1));
    let code = match last {
        b'~' => numbered(number.parse().ok()?)?,
        b'u' => unicode(number.split(':').next()?.parse().ok()?)?,
        b'Z' => return Some(key(KeyCode::BackTab, KeyModifiers::SHIFT)),
        letter_byte => letter(letter_byte)?,
    };
    let mut event = KeyEvent::new(code, modifiers);
    if kind == "3" {
        event.kind = KeyEventKind::Release;
    }
    Some(Input::Key(event))
}

/// The letter at the end of `ESC O` and of sequences of cursor and function keys.
fn letter(byte: u8) -> Option<KeyCode> {
    Some(match byte {
        b'A' => KeyCode::Up,
        b'B' => KeyCode::Down,
        b'C' => KeyCode::Right,
        b'D' => KeyCode::Left,
        b'F' => KeyCode::End,
        b'H' => KeyCode::Home,
        b'M' => KeyCode::Enter,
        b'P'..=b'S' => KeyCode::F(byte - b'P' + 1),
        _ => return None,
    })
}

fn numbered(number: u8) -> Option<KeyCode> {
    Some(match number {
        1 | 7 => KeyCode::Home,
        2 => KeyCode::Insert,
        3 => KeyCode::Delete,
        4 | 8 => KeyCode::End,
        5 => KeyCode::PageUp,
        6 => KeyCode::PageDown,
        11..=15 => KeyCode::F(number - 10),
        17..=21 => KeyCode::F(number - 11),
        23..=24 => KeyCode::F(number - 12),
        _ => return None,
    })
}

fn unicode(code: u32) -> Option<KeyCode> {
    Some(match code {
        9 => KeyCode::Tab,
        13 => KeyCode::Enter,
        27 => KeyCode::Esc,
        127 => KeyCode::Backspace,
        other => KeyCode::Char(char::from_u32(other).filter(|c| !c.is_control())?),
    })
}

/// One more than the sum of 1 (shift), 2 (alt) and 4 (control).
fn modifiers(mask: u8) -> KeyModifiers {
    let mask = mask.saturating_sub(1);
    let mut modifiers = KeyModifiers::NONE;
    for (bit, modifier) in
        [(1, KeyModifiers::SHIFT), (2, KeyModifiers::ALT), (4, KeyModifiers::CONTROL)]
    {
        if mask & bit != 0 {
            modifiers |= modifier;
        }
    }
    modifiers
}

/// A click or a turn of the wheel, at a place counted from 1. Movement, other buttons and releases
/// mean nothing here.
fn mouse(button: u16, x: u16, y: u16) -> Option<Input> {
    let kind = match button {
        0 => MouseKind::Click,
        64 => MouseKind::WheelUp,
        65 => MouseKind::WheelDown,
        _ => return None,
    };
    Some(Input::Mouse { kind, x: x.saturating_sub(1), y: y.saturating_sub(1) })
}

fn paste(bytes: &[u8]) -> Found {
    let body = &bytes[PASTE_BEGINS.len()..];
    let end = body.windows(PASTE_ENDS.len()).position(|window| window == PASTE_ENDS);
    let Some(end) = end else {
        // Without an end the keys of a person would be text for ever.
        let is_long = body.len() > N_PASTE_MAX;
        return if is_long { Found::Bytes(bytes.len(), None) } else { Found::Incomplete };
    };
    let text = String::from_utf8_lossy(&body[..end]).into_owned();
    Found::Bytes(PASTE_BEGINS.len() + end + PASTE_ENDS.len(), Some(Input::Pasted(text)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::kit::key::Key;

    fn inputs(pieces: &[&[u8]]) -> Vec<Input> {
        let (mut parser, mut out) = (Parser::default(), Vec::new());
        for piece in pieces {
            parser.take(piece, |input| out.push(input));
        }
        out
    }

    fn keys(pieces: &[&[u8]]) -> Vec<String> {
        let key = |input| match input {
            Input::Key(event) => Key::of(&event).map_or("–".to_owned(), Key::name),
            other => format!("{other:?}"),
        };
        inputs(pieces).into_iter().map(key).collect()
    }

    #[test]
    fn keys_are_those_that_terminals_send() {
        let cases: [(&[u8], &[&str]); 20] = [
            (b"jG?", &["j", "G", "?"]),
            ("äß界".as_bytes(), &["ä", "ß", "界"]),
            (b"\r\t\x7f", &["Enter", "Tab", "Backspace"]),
            (b"\x03\x12\x0c\n", &["Ctrl-c", "Ctrl-r", "Ctrl-l", "Ctrl-j"]),
            (b"\x1c", &["Ctrl-\\"]),
            (b"\x1b", &["Esc"]),
            (b"\x1b\x1b", &["Esc", "Esc"]),
            (b"\x1b1", &["Alt-1"]),
            (b"\x1b[A\x1b[B\x1bOC\x1bOD", &["Up", "Down", "Right", "Left"]),
            (b"\x1b[H\x1b[F\x1bOH\x1b[1~\x1b[4~", &["Home", "End", "Home", "Home", "End"]),
            (b"\x1b[5~\x1b[6~\x1b[3~", &["PageUp", "PageDown", "Delete"]),
            (b"\x1bOP\x1b[12~\x1b[15~\x1b[24~\x1b[[A", &["F1", "F2", "F5", "F12", "F1"]),
            (b"\x1b[Z", &["Shift-Tab"]),
            (b"\x1b[1;5A", &["Up"]),
            (b"\x1b[97;5u\x1b[13u", &["Ctrl-a", "Enter"]),
            (b"\x1b[97;1:3u", &["–"]),
            (b"\x1b[I\x1b[Oq", &["q"]),
            (b"\x1b[?62;4c\x1b[?1;2;3uj", &["j"]),
            (b"\xff\xc3(j", &["(", "j"]),
            (b"\x1b[1\x01j", &["Ctrl-a", "j"]),
        ];
        for (bytes, expected) in &cases {
            assert_eq!(keys(&[bytes]), *expected, "{:?}", String::from_utf8_lossy(bytes));
        }
    }

    #[test]
    fn the_theme_of_the_terminal_is_no_key_and_swallows_none() {
        let found = inputs(&[b"j\x1b[?997;1nk", b"\x1b[?997;", b"2n", b"l"]);
        let is_key = |input: &Input| matches!(input, Input::Key(_));
        assert_eq!(found.iter().filter(|input| is_key(input)).count(), 3);
        assert_eq!(found[1], Input::Background { is_dark: true });
        assert_eq!(found[3], Input::Background { is_dark: false });
    }

    #[test]
    fn what_arrives_in_pieces_is_put_together() {
        assert_eq!(keys(&[b"\x1b[", b"A", b"\xc3", b"\xa4"]), ["Up", "ä"]);
        let click = Input::Mouse { kind: MouseKind::Click, x: 49, y: 0 };
        assert_eq!(inputs(&[b"\x1b[<0;5", b"0;1M\x1b[<0;50;1m"]), std::slice::from_ref(&click));
        assert_eq!(inputs(&[b"\x1b[M R!"]), [click]);
        let pasted = Input::Pasted("q\x03x\ny".to_owned());
        assert_eq!(inputs(&[b"\x1b[200~q\x03x", b"\ny\x1b[20", b"1~"]), [pasted]);
        // A lone escape is the key, even when the rest of an arrow comes late.
        assert_eq!(keys(&[b"\x1b", b"[A"]), ["Esc", "[", "A"]);
    }
}
