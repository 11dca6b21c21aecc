//! A JSON array that is never held whole: its elements are cut out one by one by following quotes
//! and brackets, and only one is in memory at a time.

use std::io::BufRead;

use super::super::bytes::{MAX_RECORD_BYTES, read_error};
use super::super::place::Unit;
use super::{DataError, Json, Place, Text, parse, too_long, utf8};

pub(in super::super) struct ArrayReader {
    text: Text,
    /// The line of the next byte.
    line: u64,
    /// Elements so far.
    n_elements: u64,
    state: State,
    buffer: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Start,
    Inside,
    Ended,
}

/// Where the scan of one element is.
#[derive(Default)]
struct Scan {
    depth: u32,
    in_text: bool,
    is_escaped: bool,
}

impl Scan {
    /// Takes one byte; true when it ends the element. A bare number or word ends before the comma
    /// or bracket that follows, which the caller looks at first.
    fn ends_with(&mut self, byte: u8) -> bool {
        if self.in_text {
            match byte {
                _ if self.is_escaped => self.is_escaped = false,
                b'\\' => self.is_escaped = true,
                b'"' => self.in_text = false,
                _ => {}
            }
            return !self.in_text && self.depth == 0;
        }
        match byte {
            b'"' => self.in_text = true,
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' => self.depth = self.depth.saturating_sub(1),
            _ => return false,
        }
        !self.in_text && self.depth == 0
    }
}

impl ArrayReader {
    pub(super) fn new(text: Text) -> Self {
        Self { text, line: 1, n_elements: 0, state: State::Start, buffer: Vec::new() }
    }

    pub(super) fn next(&mut self) -> Result<Option<(Place, Json<'_>)>, DataError> {
        if self.state == State::Ended || !self.find_element()? {
            return Ok(None);
        }
        self.n_elements += 1;
        let at = Place { unit: Unit::Element, number: self.n_elements, line: self.line };
        self.read_element(at)?;
        let text = utf8(&self.text.path, at, &self.buffer)?;
        parse(&self.text.path, at, text)
    }

    /// Goes to the first byte of the next element; false after the closing bracket.
    fn find_element(&mut self) -> Result<bool, DataError> {
        if self.state == State::Start {
            self.skip_mark()?;
            // The first byte decided that this is an array.
            self.visible_byte()?;
            self.take();
            self.state = State::Inside;
        }
        let mut needs_comma = self.n_elements > 0;
        let mut had_comma = false;
        loop {
            match self.visible_byte()? {
                None => return Err(self.broken(self.ended())),
                Some(b']') if had_comma => {
                    return Err(self.broken("a comma before the closing bracket".into()));
                }
                Some(b']') => {
                    self.take();
                    self.state = State::Ended;
                    return match self.visible_byte()? {
                        None => Ok(false),
                        Some(_) => Err(self.broken("text after the closing bracket".into())),
                    };
                }
                Some(b',') if needs_comma => {
                    self.take();
                    (needs_comma, had_comma) = (false, true);
                }
                Some(_) if needs_comma => {
                    let detail = format!("no comma after element {}", self.n_elements);
                    return Err(self.broken(detail));
                }
                Some(_) => return Ok(true),
            }
        }
    }

    fn ended(&self) -> String {
        format!("ends after element {} without a closing bracket", self.n_elements)
    }

    /// Copies one element into the buffer.
    fn read_element(&mut self, at: Place) -> Result<(), DataError> {
        self.buffer.clear();
        let mut scan = Scan::default();
        loop {
            let Self { text: Text { path, input, compression }, line, buffer, .. } = self;
            let chunk =
                input.fill_buf().map_err(|error| read_error(path, *line, *compression, error))?;
            if chunk.is_empty() {
                let detail = format!("ends inside element {}", at.number);
                return Err(self.broken(detail));
            }
            let mut n_taken = 0;
            let mut is_done = false;
            for &byte in chunk {
                let is_bare = scan.depth == 0 && !scan.in_text;
                if is_bare && (matches!(byte, b',' | b']') || byte.is_ascii_whitespace()) {
                    is_done = true;
                    break;
                }
                n_taken += 1;
                *line += u64::from(byte == b'\n');
                if scan.ends_with(byte) {
                    is_done = true;
                    break;
                }
            }
            buffer.extend_from_slice(&chunk[..n_taken]);
            input.consume(n_taken);
            if buffer.len() > MAX_RECORD_BYTES {
                return Err(too_long(path, at, buffer));
            }
            if is_done {
                return Ok(());
            }
        }
    }

    /// The next byte that is not white space, left where it is; `None` at the end.
    fn visible_byte(&mut self) -> Result<Option<u8>, DataError> {
        loop {
            let Text { path, input, compression } = &mut self.text;
            let chunk = input
                .fill_buf()
                .map_err(|error| read_error(path, self.line, *compression, error))?;
            if chunk.is_empty() {
                return Ok(None);
            }
            let n_space = chunk.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
            let breaks = chunk[..n_space].split(|byte| *byte == b'\n').count() - 1;
            self.line += breaks as u64;
            let found = chunk.get(n_space).copied();
            input.consume(n_space);
            if found.is_some() {
                return Ok(found);
            }
        }
    }

    fn take(&mut self) {
        self.text.input.consume(1);
    }

    /// Skips a byte order mark.
    fn skip_mark(&mut self) -> Result<(), DataError> {
        let Text { path, input, compression } = &mut self.text;
        let head = input.fill_buf().map_err(|error| read_error(path, 1, *compression, error))?;
        if head.starts_with("\u{feff}".as_bytes()) {
            input.consume("\u{feff}".len());
        }
        Ok(())
    }

    fn broken(&self, detail: String) -> DataError {
        DataError::BrokenArray { path: self.text.path.clone(), line: self.line, detail }
    }
}
