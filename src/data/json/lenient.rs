//! JSON with the words that Python's `json` writes bare: `NaN`, `Infinity`, `-Infinity`.
//!
//! A record is read a second time like this, and only when strict reading failed.

use serde::de::IgnoredAny;

use super::value::{Json, Key};

/// The words, longest first where one begins like another.
const WORDS: [(&str, f64); 3] =
    [("NaN", f64::NAN), ("-Infinity", f64::NEG_INFINITY), ("Infinity", f64::INFINITY)];

/// A text with bare words, or the error of strict reading if that is not about such a word.
pub(super) fn read(text: &str, error: serde_json::Error) -> Result<Json<'_>, serde_json::Error> {
    let Some(blanked) = blanked(text) else { return Err(error) };
    // What else is wrong stands at the same place in a text with zeros in place of the words.
    serde_json::from_str::<IgnoredAny>(&blanked)?;
    let mut reader = Reader { text, at: 0, depth: 0 };
    reader.value().ok_or(error)
}

/// The text with a zero and spaces in place of every bare word; `None` when there is none.
fn blanked(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let mut blanked = String::new();
    let (mut copied, mut at) = (0, 0);
    while at < bytes.len() {
        match bytes[at] {
            b'"' => at = end_of_text(bytes, at)?,
            b'N' | b'I' | b'-' => match word(&text[at..]) {
                Some((word, _)) => {
                    blanked.push_str(&text[copied..at]);
                    blanked.push('0');
                    blanked.extend(std::iter::repeat_n(' ', word.len() - 1));
                    at += word.len();
                    copied = at;
                }
                None => at += 1,
            },
            _ => at += 1,
        }
    }
    blanked.push_str(&text[copied..]);
    (copied > 0).then_some(blanked)
}

fn word(text: &str) -> Option<(&'static str, f64)> {
    let (word, number) = WORDS.into_iter().find(|(word, _)| text.starts_with(word))?;
    let next = text.as_bytes().get(word.len());
    next.is_none_or(|byte| !byte.is_ascii_alphanumeric()).then_some((word, number))
}

/// Behind the closing quote of the text that begins at `start`.
fn end_of_text(bytes: &[u8], start: usize) -> Option<usize> {
    let mut at = start + 1;
    loop {
        match bytes.get(at)? {
            b'\\' => at += 2,
            b'"' => return Some(at + 1),
            _ => at += 1,
        }
    }
}

/// Brackets inside brackets that the strict reader allows.
const MAX_DEPTH: usize = 127;

/// Goes through a text whose brackets are known to fit.
struct Reader<'a> {
    text: &'a str,
    at: usize,
    /// Brackets around the next byte.
    depth: usize,
}

impl<'a> Reader<'a> {
    fn value(&mut self) -> Option<Json<'a>> {
        if self.depth > MAX_DEPTH {
            return None;
        }
        self.depth += 1;
        let value = match self.next()? {
            b'{' => {
                let mut entries = Vec::new();
                while self.is_inside(b'}')? {
                    let key = self.leaf()?;
                    let Key(key) = serde_json::from_str(key).ok()?;
                    self.next().filter(|byte| *byte == b':')?;
                    self.at += 1;
                    entries.push((key, self.value()?));
                }
                Some(Json::Object(entries))
            }
            b'[' => {
                let mut list = Vec::new();
                while self.is_inside(b']')? {
                    list.push(self.value()?);
                }
                Some(Json::List(list))
            }
            _ => {
                let leaf = self.leaf()?;
                match word(leaf) {
                    Some((_, number)) => Some(Json::NotFinite(number)),
                    None => serde_json::from_str(leaf).ok(),
                }
            }
        };
        self.depth -= 1;
        value
    }

    /// Passes the opening bracket or a comma; false behind the closing bracket.
    fn is_inside(&mut self, closing: u8) -> Option<bool> {
        let byte = self.next()?;
        let is_over = byte == closing || {
            self.at += 1;
            matches!(byte, b'{' | b'[') && self.next()? == closing
        };
        self.at += usize::from(is_over);
        Some(!is_over)
    }

    /// A text, number or word.
    fn leaf(&mut self) -> Option<&'a str> {
        let first = self.next()?;
        let (start, bytes) = (self.at, self.text.as_bytes());
        self.at = match first {
            b'"' => end_of_text(bytes, start)?,
            _ => {
                let is_end = |byte: &u8| {
                    matches!(byte, b',' | b']' | b'}' | b':') || byte.is_ascii_whitespace()
                };
                bytes[start..].iter().position(is_end).map_or(bytes.len(), |n| start + n)
            }
        };
        self.text.get(start..self.at)
    }

    /// The next byte that is not white space, left where it is.
    fn next(&mut self) -> Option<u8> {
        let rest = &self.text.as_bytes()[self.at.min(self.text.len())..];
        let n_space = rest.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        self.at += n_space;
        rest.get(n_space).copied()
    }
}
