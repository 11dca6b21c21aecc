//! One line of text with a cursor: what every prompt and every form field edits.
//!
//! Keys are those of a shell (Ctrl-a, e, b, f, h, d, w, u, k). The cursor moves by what a person
//! sees as one character.

use crossterm::event::{KeyCode, KeyEvent};
use unicode_segmentation::{GraphemeCursor, UnicodeSegmentation};

use crate::domain::text::clean::clean_line;

use super::text::width;
use crate::tui::kit::key::Key;

/// Longest text a field takes, in bytes: a paste of a whole file is a slip.
const N_BYTES_MAX: usize = 4_096;

/// One line of text with a cursor.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Field {
    text: String,
    /// Bytes before the cursor; always at the boundary of a character.
    cursor: usize,
}

impl Field {
    /// A field with a text, the cursor behind it.
    pub fn new(text: &str) -> Self {
        let mut field = Self::default();
        field.insert(text);
        field
    }

    /// What is written in it.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Puts a text in at the cursor: typed, pasted or completed.
    pub fn insert(&mut self, text: &str) {
        let text = clean_line(text);
        if self.text.len() + text.len() <= N_BYTES_MAX {
            self.text.insert_str(self.cursor, &text);
            self.cursor += text.len();
        }
    }

    /// Edits with a key; `false` when it means nothing here.
    pub fn on_key(&mut self, event: &KeyEvent) -> bool {
        let (before, after) = (self.before(), self.after());
        let end = self.text.len();
        match Key::of(event) {
            Some(Key::Char(c)) => self.insert(c.encode_utf8(&mut [0; 4])),
            Some(Key::Code(KeyCode::Backspace) | Key::Ctrl('h')) => self.cut(before, self.cursor),
            Some(Key::Code(KeyCode::Delete) | Key::Ctrl('d')) => self.cut(self.cursor, after),
            Some(Key::Ctrl('w')) => self.cut(self.word_start(), self.cursor),
            Some(Key::Ctrl('u')) => self.cut(0, self.cursor),
            Some(Key::Ctrl('k')) => self.cut(self.cursor, end),
            Some(Key::Code(KeyCode::Left) | Key::Ctrl('b')) => self.cursor = before,
            Some(Key::Code(KeyCode::Right) | Key::Ctrl('f')) => self.cursor = after,
            Some(Key::Code(KeyCode::Home) | Key::Ctrl('a')) => self.cursor = 0,
            Some(Key::Code(KeyCode::End) | Key::Ctrl('e')) => self.cursor = end,
            _ => return false,
        }
        true
    }

    /// What fits in `columns` columns around the cursor, and the column of the cursor in it.
    pub fn window(&self, columns: usize) -> (String, usize) {
        let mut start = 0;
        // The cursor needs a column of its own behind the text.
        while width(&self.text[start..self.cursor]) + 1 > columns {
            let Some(first) = self.text[start..].graphemes(true).next() else { break };
            start += first.len();
        }
        let mut shown = String::new();
        for grapheme in self.text[start..].graphemes(true) {
            if width(&shown) + width(grapheme) > columns {
                break;
            }
            shown.push_str(grapheme);
        }
        (shown, width(&self.text[start..self.cursor]))
    }

    fn cut(&mut self, from: usize, to: usize) {
        self.text.replace_range(from..to, "");
        self.cursor = from;
        // What was apart may have joined into one character.
        while !GraphemeCursor::new(self.cursor, self.text.len(), true)
            .is_boundary(&self.text, 0)
            .unwrap_or(true)
        {
            self.cursor = self.before();
        }
    }

    fn before(&self) -> usize {
        self.text[..self.cursor].grapheme_indices(true).next_back().map_or(0, |(at, _)| at)
    }

    fn after(&self) -> usize {
        let next = self.text[self.cursor..].graphemes(true).next();
        self.cursor + next.map_or(0, str::len)
    }

    fn word_start(&self) -> usize {
        let text = self.text[..self.cursor].trim_end();
        text.rfind(char::is_whitespace)
            .map_or(0, |at| at + text[at..].chars().next().map_or(0, char::len_utf8))
    }
}

#[cfg(test)]
mod tests {
    use crossterm::event::KeyModifiers;

    use super::*;

    fn press(field: &mut Field, keys: &[&str]) {
        for key in keys {
            let (code, modifiers) = match Key::parse(key).unwrap() {
                Key::Char(c) => (KeyCode::Char(c), KeyModifiers::NONE),
                Key::Ctrl(c) => (KeyCode::Char(c), KeyModifiers::CONTROL),
                Key::Alt(c) => (KeyCode::Char(c), KeyModifiers::ALT),
                Key::Code(code) => (code, KeyModifiers::NONE),
            };
            field.on_key(&KeyEvent::new(code, modifiers));
        }
    }

    #[test]
    fn keys_edit_as_in_a_shell() {
        let cases: [(&[&str], &str); 8] = [
            (&["c"], "one twoc"),
            (&["Ctrl-w", "x"], "one x"),
            (&["Ctrl-a", "x"], "xone two"),
            (&["Left", "Left", "Ctrl-k"], "one t"),
            (&["Left", "Ctrl-u"], "o"),
            (&["Home", "Delete", "Ctrl-d"], "e two"),
            (&["Backspace", "Ctrl-h"], "one t"),
            (&["Ctrl-b", "Ctrl-f", "Ctrl-e", "!"], "one two!"),
        ];
        for (keys, text) in cases {
            let mut field = Field::new("one two");
            press(&mut field, keys);
            assert_eq!(field.text(), text, "{keys:?}");
        }
    }

    #[test]
    fn the_cursor_moves_by_what_is_seen() {
        let mut field = Field::new("漢e\u{301}x");
        press(&mut field, &["Left", "Left", "Left", "Left", "y"]);
        assert_eq!(field.text(), "y漢e\u{301}x");
        press(&mut field, &["Delete", "Delete"]);
        assert_eq!(field.text(), "yx");
    }

    #[test]
    fn a_paste_is_text_and_has_an_end() {
        let mut field = Field::default();
        field.insert("rm -rf\n\x1b[2J");
        assert_eq!(field.text(), "rm -rf⏎⟨ESC⟩[2J");
        field.insert(&"x".repeat(100_000));
        assert!(field.text().len() < N_BYTES_MAX);
    }

    #[test]
    fn the_window_holds_the_cursor() {
        let mut field = Field::new("0123456789");
        assert_eq!(field.window(5), ("6789".to_owned(), 4));
        press(&mut field, &["Home"]);
        assert_eq!(field.window(5), ("01234".to_owned(), 0));
        for columns in 0..14 {
            let (shown, at) = Field::new("漢字漢字").window(columns);
            assert!(width(&shown) <= columns && at <= columns);
        }
    }
}
