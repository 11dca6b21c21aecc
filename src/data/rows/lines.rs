//! JSON lines: one record a line, in one reused buffer.

use std::io::{BufRead, Read};

use super::text::{Text, parse, too_long, utf8};
use crate::data::bytes::{MAX_RECORD_BYTES, read_error};
use crate::data::error::DataError;
use crate::data::json::Json;
use crate::data::place::Place;

pub(in super::super) struct LineReader {
    text: Text,
    line: u64,
    buffer: Vec<u8>,
}

impl LineReader {
    pub(super) fn new(text: Text) -> Self {
        Self { text, line: 0, buffer: Vec::new() }
    }

    pub(super) fn next(&mut self) -> Result<Option<(Place, Json<'_>)>, DataError> {
        loop {
            self.buffer.clear();
            self.line += 1;
            if !self.fill()? {
                return Ok(None);
            }
            if !self.buffer.iter().all(u8::is_ascii_whitespace) {
                break;
            }
        }
        while matches!(self.buffer.last(), Some(b'\n' | b'\r')) {
            self.buffer.pop();
        }
        let (path, at) = (&self.text.path, Place::line(self.line));
        let text = utf8(path, at, &self.buffer)?;
        let text = if self.line == 1 { text.trim_start_matches('\u{feff}') } else { text };
        parse(path, at, text)
    }

    /// Reads to the next line end; false when nothing was left. A line over the cap is refused
    /// after the cap, so no line is ever held whole that is longer.
    fn fill(&mut self) -> Result<bool, DataError> {
        let Text { path, input, compression } = &mut self.text;
        let n_read = input
            .take(MAX_RECORD_BYTES as u64 + 1)
            .read_until(b'\n', &mut self.buffer)
            .map_err(|error| read_error(path, self.line, *compression, error))?;
        if self.buffer.len() > MAX_RECORD_BYTES {
            return Err(too_long(path, Place::line(self.line), &self.buffer));
        }
        Ok(n_read > 0)
    }
}
