//! Walks over JSON text of any length: one value at a time is copied, the rest is passed over by
//! following quotes and brackets.

use std::io::BufRead;

use super::text::{Text, too_long};
use crate::data::bytes::{MAX_RECORD_BYTES, read_error};
use crate::data::error::DataError;
use crate::data::place::Place;

pub(super) struct Values {
    pub(super) text: Text,
    /// The line of the next byte.
    pub(super) line: u64,
    /// The value that was read last.
    pub(super) buffer: Vec<u8>,
}

/// Where the scan of one value is.
#[derive(Default)]
struct Scan {
    depth: u32,
    in_text: bool,
    is_escaped: bool,
}

impl Scan {
    /// Takes one byte; true when it ends the value. A bare number or word ends before the comma or
    /// bracket that follows, which the caller looks at first.
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

impl Values {
    pub(super) fn new(text: Text) -> Self {
        Self { text, line: 1, buffer: Vec::new() }
    }

    /// Copies one value into the buffer; false when the file ends inside.
    pub(super) fn read(&mut self, at: Place) -> Result<bool, DataError> {
        self.buffer.clear();
        self.go(Scan::default(), Some(at))
    }

    /// Passes over one value; false when the file ends inside.
    pub(super) fn skip(&mut self) -> Result<bool, DataError> {
        self.go(Scan::default(), None)
    }

    /// Passes over the rest of a list or object, to behind its closing bracket.
    pub(super) fn skip_rest(&mut self) -> Result<bool, DataError> {
        self.go(Scan { depth: 1, ..Scan::default() }, None)
    }

    fn go(&mut self, mut scan: Scan, copy: Option<Place>) -> Result<bool, DataError> {
        loop {
            let Self { text: Text { path, input, compression }, line, buffer } = self;
            let chunk =
                input.fill_buf().map_err(|error| read_error(path, *line, *compression, error))?;
            if chunk.is_empty() {
                return Ok(false);
            }
            let mut n_taken = 0;
            let mut is_done = false;
            for &byte in chunk {
                let is_bare = scan.depth == 0 && !scan.in_text;
                if is_bare
                    && (matches!(byte, b',' | b']' | b'}' | b':') || byte.is_ascii_whitespace())
                {
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
            if let Some(at) = copy {
                buffer.extend_from_slice(&chunk[..n_taken]);
                if buffer.len() > MAX_RECORD_BYTES {
                    return Err(too_long(path, at, buffer));
                }
            }
            input.consume(n_taken);
            if is_done {
                return Ok(true);
            }
        }
    }

    /// The next byte that is not white space, left where it is; `None` at the end.
    pub(super) fn visible_byte(&mut self) -> Result<Option<u8>, DataError> {
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

    /// Passes over the visible byte that was looked at.
    pub(super) fn take(&mut self) {
        self.text.input.consume(1);
    }

    /// Skips a byte order mark.
    pub(super) fn skip_mark(&mut self) -> Result<(), DataError> {
        let Text { path, input, compression } = &mut self.text;
        let head = input.fill_buf().map_err(|error| read_error(path, 1, *compression, error))?;
        if head.starts_with("\u{feff}".as_bytes()) {
            input.consume("\u{feff}".len());
        }
        Ok(())
    }

    /// The next key of an object whose opening bracket or last value was passed, with its colon;
    /// `None` behind the closing bracket, or where it is no object.
    pub(super) fn next_key(&mut self) -> Result<Option<String>, DataError> {
        let mut byte = self.visible_byte()?;
        if byte == Some(b',') {
            self.take();
            byte = self.visible_byte()?;
        }
        let at = Place::line(self.line);
        if byte != Some(b'"') || !self.read(at)? {
            if byte == Some(b'}') {
                self.take();
            }
            return Ok(None);
        }
        let key = serde_json::from_slice(&self.buffer).ok();
        if self.visible_byte()? != Some(b':') {
            return Ok(None);
        }
        self.take();
        Ok(key)
    }
}
