//! Frames out: two buffers, their difference, and one `write(2)` for it.
//!
//! A frame is bracketed by DEC 2026 (synchronized output), so that a terminal shows it whole;
//! terminals that do not know the mode ignore it. A frame in which nothing changed writes nothing
//! at all, where ratatui's own loop writes 25 bytes: over ssh an idle screen should be silent.

use std::io::{self, Write};

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::ascii::to_ascii;
use super::encode::{Pen, changes, mend_wide_cells};
use super::recording;
use crate::tui::kit::size::Size;

const BEGIN: &[u8] = b"\x1b[?2026h";
const END: &[u8] = b"\x1b[?2026l";
const CLEAR: &[u8] = b"\x1b[0m\x1b[2J";

/// Writes frames to a terminal.
pub struct FrameWriter<W> {
    out: W,
    /// What the terminal shows; `None` when that is unknown.
    shown: Option<Buffer>,
    /// What the terminal is set to.
    pen: Pen,
    is_ascii: bool,
    /// What goes out with the next frame, in the same write: modes and copies.
    queued: Vec<u8>,
}

impl<W: Write> FrameWriter<W> {
    /// A writer that knows nothing of what the terminal shows.
    pub fn new(out: W, is_ascii: bool) -> Self {
        Self { out, shown: None, pen: Pen::RESET, is_ascii, queued: Vec::new() }
    }

    /// Forgets what the terminal shows: the next frame clears it and draws everything.
    pub fn forget(&mut self) {
        self.shown = None;
    }

    /// Sends bytes that are no cells with the next frame.
    pub fn queue(&mut self, bytes: &[u8]) {
        self.queued.extend_from_slice(bytes);
    }

    /// Draws a frame of this size; returns the bytes written.
    ///
    /// # Errors
    /// The terminal cannot be written to, most often because it is gone.
    pub fn draw(&mut self, size: Size, view: impl FnOnce(&mut Buffer)) -> io::Result<usize> {
        let area = Rect::new(0, 0, size.width, size.height);
        let mut next = Buffer::empty(area);
        view(&mut next);
        mend_wide_cells(&mut next);
        if self.is_ascii {
            to_ascii(&mut next);
        }
        let mut bytes = std::mem::take(&mut self.queued);
        let n_queued = bytes.len();
        bytes.extend_from_slice(BEGIN);
        let n_before = bytes.len();
        let previous = match self.shown.take() {
            Some(shown) if shown.area == area => shown,
            _ => {
                bytes.extend_from_slice(CLEAR);
                self.pen = Pen::RESET;
                Buffer::empty(area)
            }
        };
        recording::resize(size);
        self.pen.write(size.width, changes(&previous, &next).into_iter(), &mut bytes);
        self.shown = Some(next);
        if bytes.len() == n_before {
            // No cell has changed: only what was queued goes out, most often nothing.
            bytes.truncate(n_queued);
        } else {
            bytes.extend_from_slice(END);
        }
        if bytes.is_empty() {
            return Ok(0);
        }
        self.send(&bytes)?;
        Ok(bytes.len())
    }

    /// One `write(2)`; more only when the terminal takes less than a frame at a time.
    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let result = self.out.write_all(bytes);
        if result.is_err() {
            self.shown = None;
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use ratatui::style::{Modifier, Style};

    use super::*;

    /// Remembers every single write.
    #[derive(Default)]
    struct Writes(Vec<Vec<u8>>);

    impl Write for &mut Writes {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.push(bytes.to_vec());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    const SIZE: Size = Size { width: 20, height: 3 };

    #[test]
    fn one_bracketed_write_a_frame_and_none_without_a_change() {
        let mut writes = Writes::default();
        let mut frames = FrameWriter::new(&mut writes, false);
        let draw = |words: &'static str| {
            move |buffer: &mut Buffer| {
                buffer.set_string(0, 0, words, Style::new().add_modifier(Modifier::BOLD));
            }
        };
        assert!(frames.draw(SIZE, draw("hello")).unwrap() > 0);
        assert_eq!(frames.draw(SIZE, draw("hello")).unwrap(), 0);
        assert!(frames.draw(SIZE, draw("help!")).unwrap() > 0);
        frames.forget();
        frames.draw(SIZE, draw("help!")).unwrap();
        assert_eq!(writes.0.len(), 3, "one write for each frame that changed something");
        for bytes in &writes.0 {
            assert!(bytes.starts_with(BEGIN) && bytes.ends_with(END));
            let text = String::from_utf8_lossy(bytes);
            assert_eq!(text.matches("?2026h").count(), 1);
            assert_eq!(text.matches("?2026l").count(), 1);
        }
        let second = String::from_utf8_lossy(&writes.0[1]);
        assert!(second.contains("p!") && !second.contains("he"), "{second:?}");
        assert!(String::from_utf8_lossy(&writes.0[2]).contains("\x1b[2J"));
    }

    #[test]
    fn a_new_size_draws_everything_again() {
        let mut writes = Writes::default();
        let mut frames = FrameWriter::new(&mut writes, true);
        let draw = |buffer: &mut Buffer| buffer.set_string(0, 0, "│漢", Style::new());
        frames.draw(SIZE, draw).unwrap();
        frames.draw(Size { width: 30, height: 4 }, draw).unwrap();
        assert_eq!(writes.0.len(), 2);
        assert!(writes.0.iter().all(|bytes| bytes.is_ascii()));
        assert!(String::from_utf8_lossy(&writes.0[1]).contains("|?"));
    }
}
