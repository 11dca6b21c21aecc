//! `ser query`: questions in SQL about everything that the database holds.

use std::time::Duration;

use serde_json::{Map, Number, Value};

use crate::cli::print::{print_json, print_text};
use crate::cli::{CliError, CliResult, Context, ErrorKind};
use crate::domain::text::words;
use crate::report::table::aligned;
use crate::store::{QueryError, QueryLimits, QueryRows, SCHEMA, SqlValue, query};

/// Rows that are read where nothing else is asked for.
const N_ROWS: u32 = 1000;
/// Characters of a text in a table for people.
const N_CHARS_SHOWN: usize = 60;

/// Arguments of `ser query`.
#[derive(Debug, clap::Args)]
pub struct QueryArgs {
    /// One SELECT statement
    #[arg(required_unless_present = "schema")]
    sql: Option<String>,
    /// Print what the tables hold, with examples, and ask nothing
    #[arg(long, conflicts_with_all = ["sql", "json", "csv"])]
    schema: bool,
    /// Print one JSON document: an object for each row
    #[arg(long)]
    json: bool,
    /// Print comma-separated values
    #[arg(long, conflicts_with = "json")]
    csv: bool,
    /// Read at most so many rows; 0 reads all
    #[arg(long, value_name = "N", default_value_t = N_ROWS)]
    limit: u32,
    /// Give up after so many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 30,
          value_parser = clap::value_parser!(u64).range(1..=86_400))]
    timeout: u64,
}

/// What stands above the tables on the page of the schema.
const PREFACE: &str = "\
-- The database of a home, which `ser query 'SELECT …'` reads and never changes. Times are
-- milliseconds since 1970: datetime(created_at_ms / 1000, 'unixepoch'). Columns that hold JSON are
-- taken apart with ->>: test ->> '$.accuracy'.
--
--   runs and their test accuracy by round
--     SELECT r.name, o.round, o.test ->> '$.accuracy' AS test
--     FROM rounds o JOIN runs r ON r.key = o.run ORDER BY r.name, o.round
--   what people decided
--     SELECT r.name, v.pair, v.verdict, v.reason FROM verdicts v JOIN runs r ON r.key = v.run
--   the pairs of a data set (key = dataset * 4294967296 + pair)
--     SELECT key % 4294967296 AS pair, prompt FROM pair_texts WHERE key / 4294967296 = 1 LIMIT 5
--   a setting of every run
--     SELECT r.name, s.spec ->> '$.train.learning_rate' AS lr
--     FROM run_specs s JOIN runs r ON r.key = s.run

";

impl From<QueryError> for CliError {
    fn from(error: QueryError) -> Self {
        match error {
            QueryError::Store(error) => error.into(),
            QueryError::TooLong { .. } => {
                Self::from_error(ErrorKind::Failure, &error, error.hint())
            }
            error => {
                let hint = error.hint();
                Self::from_error(ErrorKind::Input, &error, hint)
            }
        }
    }
}

/// Asks the database.
///
/// # Errors
/// When the query is wrong, would change something or takes too long.
pub fn run(context: &Context, args: &QueryArgs) -> CliResult {
    let Some(sql) = &args.sql else {
        return print_text(&format!("{PREFACE}{SCHEMA}"));
    };
    let n_rows = if args.limit == 0 { usize::MAX } else { args.limit as usize };
    let limits = QueryLimits { n_rows, time: Duration::from_secs(args.timeout) };
    let found = query(&context.home, sql, limits)?;
    if args.json {
        print_json(&objects(&found))?;
    } else if args.csv {
        print_text(&csv(&found)?)?;
    } else {
        print_text(&table(&found, context.ascii))?;
    }
    if found.is_capped {
        context.say(&format!(
            "these are the first {} rows; `--limit N` reads more, `--limit 0` all",
            words::count(found.rows.len() as u64)
        ));
    }
    Ok(())
}

/// An object for each row; of two columns with one name the second gets a number.
fn objects(found: &QueryRows) -> Vec<Value> {
    let mut names: Vec<String> = Vec::new();
    for column in &found.columns {
        let n = found.columns[..names.len()].iter().filter(|it| *it == column).count();
        names.push(if n == 0 { column.clone() } else { format!("{column}_{}", n + 1) });
    }
    let object = |row: &Vec<SqlValue>| {
        let pairs = names.iter().cloned().zip(row.iter().map(json));
        Value::Object(pairs.collect::<Map<String, Value>>())
    };
    found.rows.iter().map(object).collect()
}

fn json(value: &SqlValue) -> Value {
    match value {
        SqlValue::Null => Value::Null,
        SqlValue::Integer(n) => Value::from(*n),
        // JSON has no infinity.
        SqlValue::Real(x) => Number::from_f64(*x).map_or(Value::Null, Value::Number),
        SqlValue::Text(text) => Value::from(text.as_str()),
        SqlValue::Blob(bytes) => Value::from(hex(bytes)),
    }
}

fn csv(found: &QueryRows) -> CliResult<String> {
    let mut writer = csv::WriterBuilder::new().from_writer(Vec::new());
    let wrong = |error: &dyn std::fmt::Display| CliError::failure(format!("no CSV: {error}"));
    writer.write_record(&found.columns).map_err(|error| wrong(&error))?;
    for row in &found.rows {
        let cells = row.iter().map(|value| match value {
            SqlValue::Null => String::new(),
            SqlValue::Integer(n) => n.to_string(),
            SqlValue::Real(x) => x.to_string(),
            SqlValue::Text(text) => text.clone(),
            SqlValue::Blob(bytes) => hex(bytes),
        });
        writer.write_record(cells).map_err(|error| wrong(&error))?;
    }
    let bytes = writer.into_inner().map_err(|error| wrong(&error))?;
    String::from_utf8(bytes).map_err(|error| wrong(&error))
}

fn table(found: &QueryRows, is_ascii: bool) -> String {
    let none = if is_ascii { "-" } else { "–" };
    let mut lines = vec![found.columns.clone()];
    for row in &found.rows {
        let cells = row.iter().map(|value| match value {
            SqlValue::Null => none.to_owned(),
            SqlValue::Integer(n) => n.to_string(),
            SqlValue::Real(x) => x.to_string(),
            SqlValue::Text(text) => shortened(text),
            SqlValue::Blob(bytes) => format!("{} bytes", words::count(bytes.len() as u64)),
        });
        lines.push(cells.collect());
    }
    let is_number = |column: usize| {
        let numbers = found.rows.iter().filter(|row| row[column] != SqlValue::Null);
        let is = |value: &SqlValue| matches!(value, SqlValue::Integer(_) | SqlValue::Real(_));
        numbers.clone().count() > 0 && numbers.clone().all(|row| is(&row[column]))
    };
    let numbers: Vec<bool> = (0..found.columns.len()).map(is_number).collect();
    aligned(&lines, &numbers)
}

/// The text on one line; `--json` and `--csv` have all of it.
fn shortened(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let cut: String = line.chars().take(N_CHARS_SHOWN).collect();
    if cut.len() < line.len() { format!("{cut}…") } else { line }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found() -> QueryRows {
        let row = vec![
            SqlValue::Text("a, \"b\"\nc".to_owned()),
            SqlValue::Integer(12),
            SqlValue::Null,
            SqlValue::Blob(vec![1, 255]),
        ];
        let columns = ["name", "n", "n", "bytes"].map(str::to_owned).to_vec();
        QueryRows { columns, rows: vec![row], is_capped: false }
    }

    #[test]
    fn rows_are_written_in_each_form() {
        let found = found();
        let table = table(&found, false);
        assert_eq!(table, "name       n  n  bytes\na, \"b\" c  12  –  2 bytes\n");
        assert_eq!(csv(&found).unwrap(), "name,n,n,bytes\n\"a, \"\"b\"\"\nc\",12,,01ff\n");
        let object = &objects(&found)[0];
        assert_eq!((&object["n"], &object["n_2"]), (&Value::from(12), &Value::Null));
        assert_eq!(object["name"], "a, \"b\"\nc");
    }
}
