//! A second sink, for tests: events as two plain files: a line of JSON each, and the columns beside them.
//!
//! ```text
//! NAME.jsonl     {"run":"r1","attempt":1,"seq":7,"at_ms":0,"event":{...},"columns":[0,437]}
//! NAME.columns   the columns of all events, one after the other, as `columns.rs` describes them
//! ```
//!
//! `columns` gives the place of the event's columns in the second file and their length in bytes;
//! events without columns lack the key. Columns are written before the line that names them, so a
//! complete line can be trusted. A last line without a line end was cut off by the death of its
//! writer and is ignored.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::domain::event::{EventRecord, RunEvent};
use crate::domain::run::RunId;
use crate::store::error::StoreError;
use crate::store::events::columns::{BrokenColumns, check, margins, scores};
use crate::store::events::parts;
use crate::store::events::sink::EventSink;
use crate::store::events::stored::StoredEvent;
use crate::store::{Store, keys};

/// A line of the first file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line<'a> {
    run: RunId,
    attempt: u32,
    seq: u64,
    at_ms: i64,
    #[serde(borrow)]
    event: &'a RawValue,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    columns: Option<(u64, u64)>,
}

/// Keeps events in two files, for a worker that cannot reach the database.
#[derive(Debug)]
pub(super) struct JsonLinesSink {
    path: PathBuf,
    lines: File,
    columns: File,
    n_column_bytes: u64,
}

impl JsonLinesSink {
    /// Makes the two files; `path` is that of the lines.
    ///
    /// # Errors
    /// When one of them exists or cannot be made.
    pub(super) fn create(path: &Path) -> Result<Self, StoreError> {
        let create = |path: &Path| File::create_new(path).map_err(io(path));
        let (lines, columns) = (create(path)?, create(&columns_path(path))?);
        Ok(Self { path: path.to_owned(), lines, columns, n_column_bytes: 0 })
    }
}

impl EventSink for JsonLinesSink {
    fn append(&mut self, records: &[EventRecord]) -> Result<(), StoreError> {
        let (mut lines, mut bytes) = (Vec::new(), Vec::new());
        for record in records {
            let StoredEvent { run, attempt, seq, at_ms, body, columns } = StoredEvent::of(record)?;
            let at = self.n_column_bytes + bytes.len() as u64;
            let columns = columns.map(|columns| {
                bytes.extend_from_slice(&columns);
                (at, columns.len() as u64)
            });
            let what = format!("event {seq} of `{run}`");
            let json = |source| StoreError::Json { what, source };
            let written = serde_json::from_str::<&RawValue>(&body).and_then(|event| {
                serde_json::to_writer(
                    &mut lines,
                    &Line { run, attempt, seq, at_ms, event, columns },
                )
            });
            written.map_err(json)?;
            lines.push(b'\n');
        }
        self.columns.write_all(&bytes).map_err(io(&columns_path(&self.path)))?;
        self.n_column_bytes += bytes.len() as u64;
        self.lines.write_all(&lines).map_err(io(&self.path))
    }

    /// Does nothing, because nobody else writes to these files.
    fn heartbeat(&mut self) -> Result<(), StoreError> {
        Ok(())
    }
}

/// Reads events that a [`JsonLinesSink`] kept; `path` is that of the lines.
///
/// # Errors
/// With the line that cannot be read, or whose columns cannot.
pub(super) fn read_lines(path: &Path) -> Result<Vec<StoredEvent>, StoreError> {
    let open = |path: &Path| File::open(path).map_err(io(path));
    let (mut lines, mut columns) = (BufReader::new(open(path)?), open(&columns_path(path))?);
    let (mut text, mut events) = (String::new(), Vec::new());
    loop {
        text.clear();
        lines.read_line(&mut text).map_err(io(path))?;
        if !text.ends_with('\n') {
            return Ok(events);
        }
        let number = events.len() + 1;
        let line: Line<'_> = serde_json::from_str(&text).map_err(|source| StoreError::Json {
            what: format!("line {number} of `{}`", path.display()),
            source,
        })?;
        let beside = line.columns.map(|(at, n)| column_bytes(&mut columns, at, n));
        let beside = beside.transpose().map_err(io(&columns_path(path)))?;
        events.push(StoredEvent {
            run: line.run,
            attempt: line.attempt,
            seq: line.seq,
            at_ms: line.at_ms,
            body: line.event.get().to_owned(),
            columns: beside,
        });
    }
}

fn column_bytes(file: &mut File, at: u64, n: u64) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(at))?;
    // A file that ends too early is found when the columns are parsed.
    file.take(n).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn columns_path(lines: &Path) -> PathBuf {
    lines.with_extension("columns")
}

fn io(path: &Path) -> impl FnOnce(std::io::Error) -> StoreError + use<> {
    let path = path.to_owned();
    |source| StoreError::Io { path, source }
}

impl StoredEvent {
    /// Reads the whole event.
    ///
    /// # Errors
    /// When the line or the columns are not what [`StoredEvent::of`] makes.
    pub(super) fn record(&self) -> Result<EventRecord, StoreError> {
        let Self { ref run, attempt, seq, at_ms, ref columns, .. } = *self;
        let mut event = self.parse()?;
        attach(&mut event, columns.as_deref())
            .map_err(|source| StoreError::BrokenColumns { seq, source })?;
        Ok(EventRecord { run: run.clone(), attempt, seq, at_ms, event })
    }
}

/// Puts the columns that were stored beside an event's line back into it.
pub(in crate::store::events) fn attach(
    event: &mut RunEvent,
    columns: Option<&[u8]>,
) -> Result<(), BrokenColumns> {
    check(event, columns)?;
    let Some(bytes) = columns else { return Ok(()) };
    if let RunEvent::SelectionMade { pairs, .. } = event {
        *pairs = scores(bytes)?;
    } else if let RunEvent::Evaluated { margins: all, .. } = event {
        *all = margins(bytes)?;
    }
    Ok(())
}

impl Store {
    /// An event with its columns as they are stored; `None` where there is none of this number.
    ///
    /// # Errors
    /// When there is no such run.
    pub(super) fn stored_event(
        &self,
        run: &RunId,
        seq: u64,
    ) -> Result<Option<StoredEvent>, StoreError> {
        self.read(|connection| {
            let key = keys::run(connection, run)?;
            let sql = "SELECT attempt, at_ms, body FROM events WHERE run = ?1 AND seq = ?2";
            let mut statement = connection.prepare_cached(sql)?;
            let mut rows = statement.query((key, seq as i64))?;
            let Some(row) = rows.next()? else { return Ok(None) };
            Ok(Some(StoredEvent {
                run: run.clone(),
                attempt: row.get(0)?,
                seq,
                at_ms: row.get(1)?,
                body: row.get(2)?,
                columns: parts::read(connection, key, seq)?,
            }))
        })
    }
}
