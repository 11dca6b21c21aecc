//! `--format parquet`: rows as columns, one group of rows in memory at a time.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use parquet::basic::Compression;
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;
use serde_json::Value;

use super::super::{CliError, CliResult};
use super::rows::{Cell, Source, What};
use crate::domain::text::conversation::{Content, Message};

/// Rows of a group.
const ROWS_AT_ONCE: usize = 8192;

/// What a column holds; any cell may be empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    /// A list of structs of `role` and `content`, as `datasets` has conversations.
    Messages,
    Count,
    Flag,
    Number,
}

impl Kind {
    fn of(column: &str, is_conversational: bool) -> Self {
        match column {
            "prompt" | "chosen" | "rejected" if is_conversational => Self::Messages,
            "round" | "pair" | "step" | "evaluation" | "answer" | "n_tokens" => Self::Count,
            "selected" | "correct" | "blind" | "in_force" | "ended" | "vetoed" => Self::Flag,
            "response" | "prompt" | "chosen" | "rejected" | "run" | "verdict" | "reviewer"
            | "left_out" | "split" | "metric" | "origin" => Self::Text,
            _ => Self::Number,
        }
    }

    /// A field of a message type.
    fn field(self, column: &str) -> String {
        match self {
            Self::Text => format!("optional binary {column} (STRING);"),
            Self::Messages => format!(
                "optional group {column} (LIST) {{ repeated group list {{ optional group element {{ \
                 optional binary role (STRING); optional binary content (STRING); }} }} }}"
            ),
            Self::Count => format!("optional int64 {column};"),
            Self::Flag => format!("optional boolean {column};"),
            Self::Number => format!("optional double {column};"),
        }
    }
}

/// Writes the rows of a run; returns how many they are.
///
/// # Errors
/// When the store cannot be read or the file cannot be written.
pub fn write(source: &Source<'_>, what: What, path: &Path) -> CliResult<u64> {
    let failed = |error: &ParquetError| {
        CliError::input(format!("cannot write `{}`: {error}", path.display()))
            .with_hint("check the path and its permissions")
    };
    // Rollouts have their prompts as texts.
    let is_conversational = source.is_conversational() && what != What::Rollouts;
    let kind = |column: &&str| Kind::of(column, is_conversational);
    let kinds: Vec<Kind> = what.columns().iter().map(kind).collect();
    let file = File::create(path).map_err(|error| CliError::io("write", path, &error))?;
    let mut writer = open(file, what, &kinds).map_err(|error| failed(&error))?;
    let (mut rows, mut n) = (Vec::new(), 0);
    source.each(what, &mut |row| {
        n += 1;
        row.iter().try_for_each(fits)?;
        rows.push(row.to_vec());
        if rows.len() == ROWS_AT_ONCE {
            write_group(&mut writer, &kinds, &rows).map_err(|error| failed(&error))?;
            rows.clear();
        }
        Ok(())
    })?;
    if !rows.is_empty() {
        write_group(&mut writer, &kinds, &rows).map_err(|error| failed(&error))?;
    }
    writer.close().map_err(|error| failed(&error))?;
    Ok(n)
}

/// A column of messages has a role and a text for each, and no place for more.
fn fits(cell: &Cell) -> CliResult {
    let Cell::Messages(messages) = cell else { return Ok(()) };
    let is_bare = |it: &Message| it.fields.is_empty() && matches!(it.content, Content::Text(_));
    match messages.iter().find(|message| !is_bare(message)) {
        None => Ok(()),
        Some(message) => Err(CliError::input(format!(
            "a message holds more than a text, which a Parquet column of messages has no place for: \
             `{}`",
            message.to_json()
        ))
        .with_hint("`--format jsonl` keeps every field")),
    }
}

fn open(
    file: File,
    what: What,
    kinds: &[Kind],
) -> Result<SerializedFileWriter<File>, ParquetError> {
    let fields = what.columns().iter().zip(kinds).map(|(column, kind)| kind.field(column));
    let schema = format!("message rows {{ {} }}", fields.collect::<Vec<_>>().join(" "));
    let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
    let schema = Arc::new(parse_message_type(&schema)?);
    SerializedFileWriter::new(file, schema, Arc::new(properties))
}

fn write_group(
    writer: &mut SerializedFileWriter<File>,
    kinds: &[Kind],
    rows: &[Vec<Cell>],
) -> Result<(), ParquetError> {
    let mut group = writer.next_row_group()?;
    for (at, kind) in kinds.iter().enumerate() {
        if *kind == Kind::Messages {
            let roles = |message: &Message| ByteArray::from(message.role.as_str());
            write_messages(&mut group, rows, at, roles)?;
            write_messages(&mut group, rows, at, |message| ByteArray::from(message.text()))?;
            continue;
        }
        let Some(mut column) = group.next_column()? else { break };
        let cells = || {
            rows.iter().map(|row| match &row[at] {
                Cell::Plain(value) => value,
                Cell::Messages(_) => &Value::Null,
            })
        };
        // 1 where there is a value, 0 where the cell is empty.
        let levels: Vec<i16> = cells().map(|cell| i16::from(!cell.is_null())).collect();
        let levels = Some(levels.as_slice());
        match kind {
            Kind::Text | Kind::Messages => {
                let values: Vec<ByteArray> =
                    cells().filter_map(Value::as_str).map(ByteArray::from).collect();
                column.typed::<ByteArrayType>().write_batch(&values, levels, None)?;
            }
            Kind::Count => {
                let values: Vec<i64> = cells().filter_map(Value::as_i64).collect();
                column.typed::<Int64Type>().write_batch(&values, levels, None)?;
            }
            Kind::Flag => {
                let values: Vec<bool> = cells().filter_map(Value::as_bool).collect();
                column.typed::<BoolType>().write_batch(&values, levels, None)?;
            }
            Kind::Number => {
                let values: Vec<f64> = cells().filter_map(Value::as_f64).collect();
                column.typed::<DoubleType>().write_batch(&values, levels, None)?;
            }
        }
        column.close()?;
    }
    group.close()?;
    Ok(())
}

/// One field of every message of a column.
fn write_messages(
    group: &mut SerializedRowGroupWriter<'_, File>,
    rows: &[Vec<Cell>],
    at: usize,
    field: impl Fn(&Message) -> ByteArray,
) -> Result<(), ParquetError> {
    let Some(mut column) = group.next_column()? else { return Ok(()) };
    let (mut values, mut definitions, mut repetitions) = (Vec::new(), Vec::new(), Vec::new());
    for row in rows {
        let messages = match &row[at] {
            Cell::Messages(messages) => messages.as_slice(),
            Cell::Plain(_) => &[],
        };
        // Defined as far as the column (1), an entry of its list (2, 3) and the field itself (4).
        if messages.is_empty() {
            definitions.push(1);
            repetitions.push(0);
        }
        for (i, message) in messages.iter().enumerate() {
            values.push(field(message));
            definitions.push(4);
            repetitions.push(i16::from(i > 0));
        }
    }
    let levels = (Some(definitions.as_slice()), Some(repetitions.as_slice()));
    column.typed::<ByteArrayType>().write_batch(&values, levels.0, levels.1)?;
    column.close()
}
