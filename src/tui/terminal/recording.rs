//! A recording of what goes to the terminal, as asciicast v2: a line of JSON for the whole, then one
//! for each piece of output and each new size, with the seconds since the beginning.
//!
//! It lies beside the terminal and never in its way: where the file cannot be written any more, it
//! ends with the last whole line, and the interface goes on.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value, json};

use crate::tui::kit::size::Size;

/// The recording of this process; whatever writes to the terminal finds it here, the panic hook too.
static RUNNING: Mutex<Option<Recording>> = Mutex::new(None);

/// How long a recording was, and why it ended before the interface did.
#[derive(Debug)]
pub struct Recorded {
    /// From its beginning to the last piece of output.
    pub length: Duration,
    /// The error that ended it.
    pub failure: Option<io::Error>,
}

/// A file that can lose an unfinished line.
pub trait Lines: Write + Send {
    /// Cuts the file to its first `n` bytes.
    ///
    /// # Errors
    /// Those of the file.
    fn cut_to(&mut self, n: u64) -> io::Result<()>;
}

impl Lines for File {
    fn cut_to(&mut self, n: u64) -> io::Result<()> {
        self.set_len(n)?;
        self.seek(SeekFrom::Start(n)).map(drop)
    }
}

struct Recording {
    /// `None` after an error.
    file: Option<Box<dyn Lines>>,
    /// Bytes of whole lines.
    n_bytes: u64,
    begun: Instant,
    size: Size,
    /// The beginning of a character whose rest is still to come.
    rest: Vec<u8>,
    recorded: Recorded,
}

/// Begins a recording; `command` is what was recorded, and players cut pauses to `idle_limit` seconds.
///
/// # Errors
/// The first line cannot be written.
pub fn begin(
    file: Box<dyn Lines>,
    size: Size,
    command: &str,
    idle_limit: Option<f64>,
) -> io::Result<()> {
    let mut recording = Recording {
        file: Some(file),
        n_bytes: 0,
        begun: Instant::now(),
        size,
        rest: Vec::new(),
        recorded: Recorded { length: Duration::ZERO, failure: None },
    };
    recording.line(&header(size, command, idle_limit));
    if let Some(failure) = recording.recorded.failure {
        return Err(failure);
    }
    *running() = Some(recording);
    Ok(())
}

/// Ends the recording, if there is one.
pub fn end() -> Option<Recorded> {
    running().take().map(|recording| recording.recorded)
}

/// Copies what the terminal was given.
pub fn copy(bytes: &[u8]) {
    if let Some(recording) = running().as_mut() {
        recording.output(bytes);
    }
}

/// Notes the size that the next output is for.
pub fn resize(size: Size) {
    if let Some(recording) = running().as_mut() {
        recording.resize(size);
    }
}

fn running() -> std::sync::MutexGuard<'static, Option<Recording>> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

fn header(size: Size, command: &str, idle_limit: Option<f64>) -> Value {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut header = Map::new();
    for (key, value) in [
        ("version", json!(2)),
        ("width", json!(size.width)),
        ("height", json!(size.height)),
        ("timestamp", json!(now.as_secs())),
        ("command", json!(command)),
        ("title", json!(command)),
        ("env", json!({ "TERM": std::env::var("TERM").unwrap_or_default() })),
    ] {
        header.insert(key.to_owned(), value);
    }
    if let Some(limit) = idle_limit {
        header.insert("idle_time_limit".to_owned(), json!(limit));
    }
    Value::Object(header)
}

impl Recording {
    fn output(&mut self, bytes: &[u8]) {
        self.rest.extend_from_slice(bytes);
        // A write may have ended within a character.
        let n_whole = match std::str::from_utf8(&self.rest) {
            Err(error) if error.error_len().is_none() => error.valid_up_to(),
            _ => self.rest.len(),
        };
        let whole: Vec<u8> = self.rest.drain(..n_whole).collect();
        if !whole.is_empty() {
            self.event("o", &String::from_utf8_lossy(&whole));
        }
    }

    fn resize(&mut self, size: Size) {
        if self.size != size {
            self.size = size;
            self.event("r", &format!("{}x{}", size.width, size.height));
        }
    }

    fn event(&mut self, kind: &str, data: &str) {
        let length = self.begun.elapsed();
        // Microseconds, as other recorders have them.
        let seconds = (length.as_secs_f64() * 1e6).round() / 1e6;
        self.line(&json!([seconds, kind, data]));
        if self.file.is_some() {
            self.recorded.length = length;
        }
    }

    /// Writes a line; after an error there is no other.
    fn line(&mut self, value: &Value) {
        let Some(file) = &mut self.file else { return };
        let line = format!("{value}\n");
        match file.write_all(line.as_bytes()).and_then(|()| file.flush()) {
            Ok(()) => self.n_bytes += line.len() as u64,
            Err(error) => {
                // On a full disk even this may fail; players then stumble over the last line.
                let _ = file.cut_to(self.n_bytes);
                self.recorded.failure = Some(error);
                self.file = None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    /// A disk with room for so many bytes.
    #[derive(Clone)]
    struct Disk {
        held: Arc<Mutex<Vec<u8>>>,
        room: usize,
    }

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut held = self.held.lock().unwrap();
            let n = bytes.len().min(self.room - held.len());
            if n == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            held.extend_from_slice(&bytes[..n]);
            Ok(n)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Lines for Disk {
        fn cut_to(&mut self, n: u64) -> io::Result<()> {
            self.held.lock().unwrap().truncate(n as usize);
            Ok(())
        }
    }

    const SIZE: Size = Size { width: 80, height: 24 };

    fn recording(room: usize) -> (Recording, Disk) {
        let disk = Disk { held: Arc::default(), room };
        let recording = Recording {
            file: Some(Box::new(disk.clone())),
            n_bytes: 0,
            begun: Instant::now(),
            size: SIZE,
            rest: Vec::new(),
            recorded: Recorded { length: Duration::ZERO, failure: None },
        };
        (recording, disk)
    }

    fn lines(disk: &Disk) -> Vec<Value> {
        let text = String::from_utf8(disk.held.lock().unwrap().clone()).unwrap();
        assert!(text.ends_with('\n'), "{text:?}");
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn output_and_sizes_are_events_in_order() {
        let (mut recording, disk) = recording(10_000);
        recording.line(&header(SIZE, "ser", Some(2.5)));
        recording.resize(SIZE);
        let text = "\u{1b}[1H漢\"é".as_bytes();
        // In the middle of the wide character.
        recording.output(&text[..5]);
        recording.output(&text[5..]);
        recording.resize(Size { width: 100, height: 30 });
        recording.output(b"x");
        let lines = lines(&disk);
        assert_eq!((&lines[0]["version"], &lines[0]["idle_time_limit"]), (&json!(2), &json!(2.5)));
        assert_eq!((&lines[0]["width"], &lines[0]["height"]), (&json!(80), &json!(24)));
        let events: Vec<(&str, &str)> = lines[1..]
            .iter()
            .map(|event| (event[1].as_str().unwrap(), event[2].as_str().unwrap()))
            .collect();
        assert_eq!(events, [("o", "\u{1b}[1H"), ("o", "漢\"é"), ("r", "100x30"), ("o", "x")]);
        let times: Vec<f64> = lines[1..].iter().map(|event| event[0].as_f64().unwrap()).collect();
        assert!(times.is_sorted() && times[0] >= 0.0, "{times:?}");
    }

    #[test]
    fn a_full_disk_ends_it_with_a_whole_line() {
        let (mut recording, disk) = recording(60);
        for _ in 0..20 {
            recording.output(b"twelve bytes");
        }
        assert!((1..4).contains(&lines(&disk).len()), "{:?}", lines(&disk));
        let failure = recording.recorded.failure.unwrap();
        assert_eq!(failure.kind(), io::ErrorKind::StorageFull);
        let disk = Disk { held: Arc::default(), room: 10 };
        assert!(
            begin(Box::new(disk.clone()), SIZE, "ser", None).is_err(),
            "not even the first line"
        );
        assert!(disk.held.lock().unwrap().is_empty() && end().is_none());
    }
}
