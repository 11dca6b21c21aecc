//! Lines of a file or of standard input, read ahead by a thread of their own within a bound.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};

use super::super::{CliError, CliResult};
use crate::data::MAX_RECORD_BYTES;

/// Lines that wait to be scored.
const N_AHEAD: usize = 2048;
/// Bytes of lines that are taken at a time.
const BYTES_AT_ONCE: usize = 4 << 20;

/// One line with its number from 1, or why it cannot be used.
#[derive(Debug)]
pub struct Line {
    /// Its number.
    pub number: u64,
    /// Its text.
    pub text: Result<String, String>,
}

/// Lines on their way.
pub struct Lines {
    receiver: Receiver<io::Result<Line>>,
}

impl Lines {
    /// Opens a file, or standard input for `-`.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn open(path: &Path) -> CliResult<Self> {
        let input: Box<dyn Read + Send> = if path == Path::new("-") {
            Box::new(io::stdin())
        } else {
            Box::new(File::open(path).map_err(|error| CliError::io("read", path, &error))?)
        };
        let (sender, receiver) = sync_channel(N_AHEAD);
        std::thread::spawn(move || {
            let mut input = BufReader::with_capacity(1 << 16, input);
            let mut number = 0;
            // Ends at the end of the input, or when nobody takes lines any more.
            while let Some(line) = next(&mut input, &mut number).transpose() {
                let is_last = line.is_err();
                if sender.send(line).is_err() || is_last {
                    break;
                }
            }
        });
        Ok(Self { receiver })
    }

    /// The lines that are there, up to `n_max` of them, waiting for the first; none at the end.
    ///
    /// # Errors
    /// When the input cannot be read.
    pub fn take(&self, n_max: usize) -> io::Result<Vec<Line>> {
        let mut lines = Vec::new();
        let mut n_bytes = 0;
        let Ok(first) = self.receiver.recv() else { return Ok(lines) };
        let mut next = Some(first?);
        while let Some(line) = next {
            n_bytes += line.text.as_ref().map_or(0, String::len);
            lines.push(line);
            if lines.len() == n_max || n_bytes > BYTES_AT_ONCE {
                break;
            }
            next = match self.receiver.try_recv() {
                Ok(line) => Some(line?),
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => None,
            };
        }
        Ok(lines)
    }
}

/// The next line that is not blank.
fn next(input: &mut impl BufRead, number: &mut u64) -> io::Result<Option<Line>> {
    loop {
        let mut bytes = Vec::new();
        *number += 1;
        if input.take(MAX_RECORD_BYTES as u64 + 1).read_until(b'\n', &mut bytes)? == 0 {
            return Ok(None);
        }
        let number = *number;
        if bytes.len() > MAX_RECORD_BYTES {
            // The rest of it is no line of its own.
            skip_line(input)?;
            let text = Err(format!("the line is longer than {} MiB", MAX_RECORD_BYTES >> 20));
            return Ok(Some(Line { number, text }));
        }
        if bytes.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let text = String::from_utf8(bytes)
            .map_err(|error| format!("byte {} is not UTF-8", error.utf8_error().valid_up_to() + 1));
        return Ok(Some(Line { number, text }));
    }
}

fn skip_line(input: &mut impl BufRead) -> io::Result<()> {
    loop {
        let (n, is_end) = {
            let buffer = input.fill_buf()?;
            match buffer.iter().position(|byte| *byte == b'\n') {
                Some(at) => (at + 1, true),
                None => (buffer.len(), buffer.is_empty()),
            }
        };
        input.consume(n);
        if is_end {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_numbered_and_bad_ones_do_not_end_the_input() {
        let mut input: Vec<u8> = b"one\n\n \n".to_vec();
        input.extend(b"\xff\n");
        input.extend(std::iter::repeat_n(b'x', MAX_RECORD_BYTES + 5));
        input.extend(b"\nlast");
        let (mut input, mut number) = (io::Cursor::new(input), 0);
        let mut found = Vec::new();
        while let Some(line) = next(&mut input, &mut number).unwrap() {
            found.push((line.number, line.text));
        }
        assert_eq!(found[0], (1, Ok("one\n".to_owned())));
        assert_eq!(found[1], (4, Err("byte 1 is not UTF-8".to_owned())));
        assert_eq!(found[2], (5, Err("the line is longer than 16 MiB".to_owned())));
        assert_eq!(found[3], (6, Ok("last".to_owned())));
        assert_eq!(found.len(), 4);
    }
}
