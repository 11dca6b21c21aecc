//! `--format csv`, `jsonl` and `parquet`: rows to a file, one at a time.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use serde_json::Value;

use super::super::{CliError, CliResult, Context};
use super::rows::{Cell, Source, What};
use super::{Target, say_done};
use crate::domain::text::words;
use crate::store::Store;

/// How a row is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Comma-separated values (RFC 4180) under a line of names.
    Csv,
    /// A JSON object a line.
    Jsonl,
    /// Columns in one binary file.
    #[cfg(feature = "parquet")]
    Parquet,
}

/// Writes the rows of a run.
///
/// # Errors
/// When there is no such run or round, or the file cannot be written.
pub fn export(
    context: &Context,
    store: &Store,
    (run, round): (&str, Option<u32>),
    (what, form): (Option<What>, Form),
    target: &Target,
) -> CliResult {
    let source = Source::open(store, run, round)?;
    let what = source.what(what)?;
    let n = target.file(|path| match form {
        #[cfg(feature = "parquet")]
        Form::Parquet => super::parquet::write(&source, what, path),
        form => write(&source, what, form, path),
    })?;
    if form == Form::Csv
        && matches!(what, What::Labels | What::HumanLabels)
        && source.is_conversational()
    {
        context.say("note: messages are JSON in the cells, which TRL reads as plain texts; `--format jsonl` keeps them lists");
    }
    let n = words::count(n);
    say_done(context, target, &format!("`{}`: {n} rows", source.name()));
    Ok(())
}

fn write(source: &Source<'_>, what: What, form: Form, path: &Path) -> CliResult<u64> {
    let failed = |error: &io::Error| CliError::io("write", path, error);
    let file = File::create(path).map_err(|error| failed(&error))?;
    let mut out = BufWriter::new(file);
    let columns = what.columns();
    if form == Form::Csv {
        writeln!(out, "{}", columns.join(",")).map_err(|error| failed(&error))?;
    }
    let mut n = 0;
    source.each(what, &mut |row| {
        n += 1;
        let line = if form == Form::Csv {
            row.iter().map(csv_field).collect::<Vec<_>>().join(",")
        } else {
            let keys = columns.iter().zip(row);
            let entries = keys.map(|(key, cell)| format!("\"{key}\":{}", cell.to_json()));
            format!("{{{}}}", entries.collect::<Vec<_>>().join(","))
        };
        writeln!(out, "{line}").map_err(|error| failed(&error))
    })?;
    let file = out.into_inner().map_err(|error| failed(error.error()))?;
    file.sync_all().map_err(|error| failed(&error))?;
    Ok(n)
}

/// Quoted where RFC 4180 asks for it; what does not exist is empty, a conversation is its JSON.
fn csv_field(cell: &Cell) -> String {
    let text = match cell {
        Cell::Plain(Value::Null) => return String::new(),
        Cell::Plain(Value::String(text)) => text.clone(),
        other => other.to_json(),
    };
    if text.contains(['"', ',', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text
    }
}
