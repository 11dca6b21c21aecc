//! Questions in SQL that a person asks the database: read only, within bounds, and with errors that
//! name the fault of the question.

use std::time::{Duration, Instant};

use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, ErrorCode};

use super::database::connection::{self, Access};
use super::{Home, StoreError};

/// What the tables are and who writes them, in SQL with comments.
pub const SCHEMA: &str = concat!(
    include_str!("database/schema.sql"),
    "\n",
    include_str!("database/policy.sql"),
    "\n",
    include_str!("database/generated.sql"),
    "\n",
    include_str!("database/judged_games.sql")
);

/// How many instructions of its machine `SQLite` executes between two looks at the clock.
const N_INSTRUCTIONS: i32 = 20_000;

/// `SQLite`'s code for a mistake in the text of a statement, or in a value while it runs.
const SQLITE_ERROR: i32 = 1;

/// A value of a row.
#[derive(Debug, Clone, PartialEq)]
pub enum SqlValue {
    Null,
    Integer(i64),
    Real(f64),
    Text(String),
    /// Bytes that are no text.
    Blob(Vec<u8>),
}

/// The bounds of a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueryLimits {
    /// Rows that are read at most.
    pub n_rows: usize,
    /// How long it may take.
    pub time: Duration,
}

/// What a question found.
#[derive(Debug, Clone, PartialEq)]
pub struct QueryRows {
    /// The names of the columns, as the question gives them.
    pub columns: Vec<String>,
    pub rows: Vec<Vec<SqlValue>>,
    /// Whether there are more rows than were read.
    pub is_capped: bool,
}

/// What is wrong with a question.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Nothing but blanks and comments was given.
    #[error("the query is empty")]
    Empty,
    /// `SQLite` does not understand it.
    #[error("the query is wrong: {message}")]
    Sql {
        /// What `SQLite` says, in one line.
        message: String,
        /// What would be right.
        hint: String,
    },
    /// It would change something, or read another file.
    #[error("a query may only read this database, and this one would {what}")]
    Forbidden { what: String },
    /// Several statements at once.
    #[error("these are several statements, and a query is one")]
    Several,
    /// It takes too long.
    #[error("the query was ended after {seconds} s")]
    TooLong { seconds: u64 },
}

impl QueryError {
    /// What the person can do about it, as one sentence.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Store(error) => return error.hint(),
            Self::Empty => "for example `ser query \"SELECT name, arm FROM runs\"`".to_owned(),
            Self::Sql { hint, .. } => hint.clone(),
            Self::Forbidden { .. } => {
                "begin with SELECT or WITH; `ser tag`, `note`, `veto` and the like change things"
                    .to_owned()
            }
            Self::Several => "ask one after the other".to_owned(),
            Self::TooLong { .. } => {
                "ask for fewer rows with WHERE, or give it longer with `--timeout`".to_owned()
            }
        })
    }
}

/// Asks the database of a home. Nothing is changed: the file is opened for reading, and statements
/// that would write, attach another file or set a pragma are refused before they run.
///
/// # Errors
/// What is wrong with the question, or with the database.
pub fn query(home: &Home, sql: &str, limits: QueryLimits) -> Result<QueryRows, QueryError> {
    let path = home.database();
    let mut connection = connection::open(&path, Access::ReadOnly)?;
    let started = Instant::now();
    let time = limits.time;
    let is_late = move || started.elapsed() >= time;
    connection.progress_handler(N_INSTRUCTIONS, Some(is_late)).map_err(StoreError::from)?;
    connection.authorizer(Some(authorize)).map_err(StoreError::from)?;
    let found = read(&connection, sql, limits.n_rows);
    found.map_err(|error| explain(&connection, error, limits))
}

/// What may be done while a statement is prepared. The connection cannot write anyway; this also keeps
/// it from opening other files, and gives a refusal that is understood.
fn authorize(context: AuthContext<'_>) -> Authorization {
    match context.action {
        AuthAction::Select | AuthAction::Read { .. } | AuthAction::Recursive => {
            Authorization::Allow
        }
        AuthAction::Function { function_name } if function_name != "load_extension" => {
            Authorization::Allow
        }
        // The pragmas behind `pragma_table_info('runs')` and its like.
        AuthAction::Pragma { pragma_name, .. } if READING_PRAGMAS.contains(&pragma_name) => {
            Authorization::Allow
        }
        _ => Authorization::Deny,
    }
}

const READING_PRAGMAS: [&str; 6] =
    ["table_info", "table_xinfo", "table_list", "index_list", "index_info", "foreign_key_list"];

fn read(connection: &Connection, sql: &str, n_rows: usize) -> rusqlite::Result<QueryRows> {
    let mut statement = connection.prepare(sql)?;
    let columns: Vec<String> = statement.column_names().map(str::to_owned).collect();
    let n_columns = columns.len();
    let mut found = QueryRows { columns, rows: Vec::new(), is_capped: false };
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        if found.rows.len() == n_rows {
            found.is_capped = true;
            break;
        }
        let values = (0..n_columns).map(|column| Ok(value(row.get_ref(column)?)));
        found.rows.push(values.collect::<rusqlite::Result<_>>()?);
    }
    Ok(found)
}

fn value(value: ValueRef<'_>) -> SqlValue {
    match value {
        ValueRef::Null => SqlValue::Null,
        ValueRef::Integer(n) => SqlValue::Integer(n),
        ValueRef::Real(x) => SqlValue::Real(x),
        ValueRef::Text(bytes) => SqlValue::Text(String::from_utf8_lossy(bytes).into_owned()),
        ValueRef::Blob(bytes) => SqlValue::Blob(bytes.to_vec()),
    }
}

/// Says what is wrong with the question rather than with the program.
fn explain(connection: &Connection, error: rusqlite::Error, limits: QueryLimits) -> QueryError {
    let message = match &error {
        rusqlite::Error::MultipleStatement => return QueryError::Several,
        rusqlite::Error::Empty => return QueryError::Empty,
        rusqlite::Error::SqlInputError { msg, .. } => msg.clone(),
        rusqlite::Error::SqliteFailure(_, Some(message)) => message.clone(),
        other => other.to_string(),
    };
    let message = message.lines().collect::<Vec<_>>().join(" ");
    match error.sqlite_error_code() {
        Some(ErrorCode::OperationInterrupted) => {
            QueryError::TooLong { seconds: limits.time.as_secs() }
        }
        Some(ErrorCode::AuthorizationForStatementDenied) => {
            QueryError::Forbidden { what: "write, or open another file".to_owned() }
        }
        Some(ErrorCode::ReadOnly) => QueryError::Forbidden { what: "write".to_owned() },
        _ if message.starts_with("not authorized") => {
            QueryError::Forbidden { what: "write, or open another file".to_owned() }
        }
        // SQLite's general error is about the text of the statement.
        _ if is_about_text(&error) => {
            let hint = hint(connection, &message);
            QueryError::Sql { message, hint }
        }
        _ => QueryError::Store(error.into()),
    }
}

fn is_about_text(error: &rusqlite::Error) -> bool {
    match error {
        rusqlite::Error::SqlInputError { .. } => true,
        rusqlite::Error::SqliteFailure(failure, _) => failure.extended_code == SQLITE_ERROR,
        _ => false,
    }
}

/// The tables, or the columns of the table that was meant.
fn hint(connection: &Connection, message: &str) -> String {
    let names = |sql: &str| -> Vec<String> {
        let Ok(mut statement) = connection.prepare(sql) else { return Vec::new() };
        let names = statement.query_map([], |row| row.get(0));
        names.map_or_else(|_| Vec::new(), |names| names.filter_map(Result::ok).collect())
    };
    if let Some(column) = message.strip_prefix("no such column: ") {
        let column = column.rsplit('.').next().unwrap_or(column).split(' ').next().unwrap_or("");
        let all = names(
            "SELECT t.name || '.' || c.name FROM pragma_table_list t, pragma_table_xinfo(t.name) c \
             WHERE t.schema = 'main' AND t.name NOT LIKE 'sqlite_%' ORDER BY 1",
        );
        let is_like = |name: &&String| {
            let own = name.rsplit('.').next().unwrap_or(name);
            strsim::jaro_winkler(own, column) > 0.8
        };
        let like: Vec<&str> = all.iter().filter(is_like).take(6).map(String::as_str).collect();
        if !like.is_empty() {
            return format!("there are {}; `ser query --schema` shows all", like.join(", "));
        }
        return "`ser query --schema` shows every table with its columns".to_owned();
    }
    if message.starts_with("no such table") {
        let tables = names(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' \
             ORDER BY name",
        );
        return format!("tables are {}", tables.join(", "));
    }
    "`ser query --schema` shows the tables; a query looks like SELECT name FROM runs".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing;

    const LIMITS: QueryLimits = QueryLimits { n_rows: 100, time: Duration::from_secs(10) };

    #[test]
    fn a_question_is_answered_with_values_of_their_kind() {
        let mut fixture = testing::store();
        fixture.run("first");
        fixture.run("second");
        let sql = "SELECT name, rng_seed, 0.5 AS half, NULL, x'00ff' FROM runs ORDER BY key";
        let found = query(&fixture.home, sql, LIMITS).unwrap();
        assert_eq!(found.columns[..3], ["name", "rng_seed", "half"]);
        assert_eq!((found.rows.len(), found.is_capped), (2, false));
        assert_eq!(found.rows[1][0], SqlValue::Text("second".to_owned()));
        assert_eq!(found.rows[0][2..4], [SqlValue::Real(0.5), SqlValue::Null]);
        assert_eq!(found.rows[0][4], SqlValue::Blob(vec![0, 255]));
        let one = QueryLimits { n_rows: 1, ..LIMITS };
        let found = query(&fixture.home, sql, one).unwrap();
        assert_eq!((found.rows.len(), found.is_capped), (1, true));
        let exact = QueryLimits { n_rows: 2, ..LIMITS };
        assert!(!query(&fixture.home, sql, exact).unwrap().is_capped);
    }

    #[test]
    fn nothing_can_be_written_or_opened() {
        let mut fixture = testing::store();
        fixture.run("first");
        let other = fixture.home.root().join("other.db");
        let attach = format!("ATTACH '{}' AS o", other.display());
        for sql in [
            "DELETE FROM runs",
            "UPDATE runs SET name = 'x'",
            "INSERT INTO tags VALUES (1, 'x')",
            "CREATE TABLE t (a)",
            "CREATE TEMP TABLE t (a)",
            "DROP TABLE runs",
            "PRAGMA journal_mode = DELETE",
            "PRAGMA user_version = 1",
            "VACUUM INTO 'x.db'",
            "BEGIN IMMEDIATE",
            "WITH a AS (SELECT 1) DELETE FROM runs",
            "SELECT load_extension('x')",
            &attach,
        ] {
            let error = query(&fixture.home, sql, LIMITS).unwrap_err();
            let is_refused = matches!(error, QueryError::Forbidden { .. } | QueryError::Sql { .. });
            assert!(is_refused, "{sql}: {error}");
        }
        assert!(!other.exists());
        assert_eq!(query(&fixture.home, "SELECT 1 FROM runs", LIMITS).unwrap().rows.len(), 1);
    }

    #[test]
    fn a_mistake_is_named_with_what_would_be_right() {
        let fixture = testing::store();
        let ask = |sql: &str| {
            let error = query(&fixture.home, sql, LIMITS).unwrap_err();
            (error.to_string(), error.hint().unwrap())
        };
        let (message, hint) = ask("SELECT * FROM run");
        assert_eq!(message, "the query is wrong: no such table: run");
        assert!(hint.contains("runs") && hint.contains("events"), "{hint}");
        let (message, hint) = ask("SELECT nam FROM runs");
        assert!(message.ends_with("no such column: nam"), "{message}");
        assert!(hint.contains("runs.name"), "{hint}");
        assert!(ask("SELEC 1").0.contains("near \"SELEC\": syntax error"));
        assert_eq!(ask("SELECT 1; SELECT 2").0, QueryError::Several.to_string());
        assert_eq!(ask(" -- nothing").0, "the query is empty");
    }

    #[test]
    fn a_question_without_end_is_ended() {
        let fixture = testing::store();
        let sql = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) \
                   SELECT count(*) FROM n";
        let limits = QueryLimits { time: Duration::from_millis(50), ..LIMITS };
        let error = query(&fixture.home, sql, limits).unwrap_err();
        assert!(matches!(error, QueryError::TooLong { .. }), "{error}");
    }

    #[test]
    fn the_page_of_the_schema_names_every_table() {
        let fixture = testing::store();
        let sql =
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'";
        for row in query(&fixture.home, sql, LIMITS).unwrap().rows {
            let SqlValue::Text(name) = &row[0] else { panic!() };
            assert!(SCHEMA.contains(&format!("CREATE TABLE {name} (")), "{name}");
        }
        let pragma = "SELECT name FROM pragma_table_info('runs')";
        assert!(query(&fixture.home, pragma, LIMITS).unwrap().rows.len() > 10);
    }
}
