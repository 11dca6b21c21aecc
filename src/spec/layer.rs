//! One layer of a spec: assignments of dotted keys, each with the place it was written.
//!
//! A spec is put together from layers (the default, an arm, a file, `--set`), so that every message
//! about a value can say where the value came from, down to the line.

use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use super::error::{SpecError, SpecResult, refuse};
use crate::domain::spec::unescape;

/// A spec is a page of text; anything longer is another file given by mistake.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// Longest value repeated in a message, in characters.
const WRITTEN_CHARS_MAX: usize = 60;

/// Where a value was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// `assets/default.toml`
    Default,
    Arm(String),
    File {
        /// As the person named it.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
    },
    /// A flag, with its argument.
    Flag(String),
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Default => f.write_str("the default spec"),
            Self::Arm(name) => write!(f, "arm `{name}`"),
            Self::File { path, line } => write!(f, "`{}` line {line}", path.display()),
            Self::Flag(text) => write!(f, "`{text}`"),
        }
    }
}

/// One value for one key.
#[derive(Debug, Clone, PartialEq)]
pub struct Assignment {
    /// Dotted, such as `train.learning_rate`.
    pub key: String,
    /// What it is set to.
    pub value: toml::Value,
    /// The value as it was written, shortened, for messages.
    pub written: String,
    pub origin: Origin,
    /// The one arm that `--set ARM:key=value` speaks to; the others leave it out.
    pub arm: Option<String>,
}

/// Reads a spec file.
///
/// # Errors
/// When it cannot be read or is not TOML; the message names file and line.
pub fn read_file(path: &Path) -> SpecResult<Vec<Assignment>> {
    let metadata = std::fs::metadata(path).map_err(|error| unreadable(path, error))?;
    if !metadata.is_file() || metadata.len() > FILE_BYTES_MAX {
        return Err(
            refuse(format!("`{}` is not a spec file", path.display())).with_hint(data_hint(path))
        );
    }
    let bytes = std::fs::read(path).map_err(|error| unreadable(path, error))?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let line = line_of(error.as_bytes(), error.utf8_error().valid_up_to());
        refuse(format!("`{}` line {line} is not UTF-8", path.display())).with_hint(data_hint(path))
    })?;
    parse(&text, |line| Origin::File { path: path.to_owned(), line })
}

fn unreadable(path: &Path, source: std::io::Error) -> SpecError {
    SpecError::File { path: path.to_owned(), source }
}

/// The hint for a spec of data given where a spec of a run was expected, a likely slip.
fn data_hint(path: &Path) -> String {
    format!(
        "a spec is a TOML file of settings; to train on a data file, write \
         `ser run --set data.source={}`",
        path.display()
    )
}

/// The assignments of a TOML text; `origin` turns a line number into a place.
///
/// # Errors
/// When the text is not TOML.
pub fn parse(text: &str, origin: impl Fn(usize) -> Origin) -> SpecResult<Vec<Assignment>> {
    let syntax_error = |error: &toml::de::Error| {
        let start = error.span().map_or(0, |span| span.start);
        let place = origin(line_of(text.as_bytes(), start));
        let detail = error.message().lines().collect::<Vec<_>>().join(", ");
        let error = refuse(format!("{place} is not TOML: {detail}"));
        match &place {
            Origin::File { path, .. } if path.extension().is_none_or(|name| name != "toml") => {
                error.with_hint(data_hint(path))
            }
            _ => error.with_hint("write `key = value`, with texts in double quotes"),
        }
    };
    let values: toml::Table = toml::from_str(text).map_err(|error| syntax_error(&error))?;
    let spans = DeTable::parse(text).map_err(|error| syntax_error(&error))?;
    let mut assignments = Vec::new();
    let mut walk = Walk { text, origin: &origin, out: &mut assignments };
    walk.table("", &values, spans.get_ref());
    // TOML tables are iterated by name; sorting by line reports the first mistake of the file
    // first.
    assignments.sort_by_key(|assignment| match assignment.origin {
        Origin::File { line, .. } => line,
        _ => 0,
    });
    Ok(assignments)
}

/// Parses `key=value` or `ARM:key=value`: the value as TOML, and what is not TOML as a bare text.
///
/// # Errors
/// When there is no `=` or no key.
pub fn parse_set(argument: &str) -> SpecResult<Assignment> {
    let malformed = || {
        refuse(format!("`--set {argument}` is not `key=value`"))
            .with_hint("write for example `--set train.epochs=3`")
    };
    let (key, written) = argument.split_once('=').ok_or_else(malformed)?;
    let (key, written) = (key.trim(), written.trim());
    let (arm, key) = match key.split_once(':') {
        Some((arm, key)) => (Some(arm.to_owned()), key),
        None => (None, key),
    };
    if key.is_empty() || arm.as_deref() == Some("") {
        return Err(malformed());
    }
    let value = toml::from_str::<toml::Table>(&format!("value = {written}"))
        .ok()
        .filter(|table| table.len() == 1)
        .and_then(|mut table| table.remove("value"))
        .map_or_else(|| bare(key, written), Ok)?;
    Ok(Assignment {
        key: key.to_owned(),
        value,
        written: shorten(written),
        origin: Origin::Flag(format!("--set {argument}")),
        arm,
    })
}

/// A text without quotes. A template of columns may hold line ends, which a shell gives as escapes; in
/// other keys a backslash is itself, as in paths.
fn bare(key: &str, written: &str) -> SpecResult<toml::Value> {
    let is_template = key == "data.columns.prompt" && written.contains('{');
    let text = if is_template { unescape(written) } else { Ok(written.to_owned()) };
    text.map(toml::Value::String).map_err(|escape| {
        refuse(format!(
            "`{key}` has `{escape}` in `{}`, an escape that TOML has not",
            shorten(written)
        ))
        .with_hint("a line end is `\\n`, a backslash `\\\\`")
    })
}

struct Walk<'a, F> {
    text: &'a str,
    origin: &'a F,
    out: &'a mut Vec<Assignment>,
}

impl<F: Fn(usize) -> Origin> Walk<'_, F> {
    fn table(&mut self, prefix: &str, values: &toml::Table, spans: &DeTable<'_>) {
        for (name, value) in values {
            let key = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
            let Some((span_key, span_value)) = spans.get_key_value(name.as_str()) else { continue };
            match (value, span_value.get_ref()) {
                (toml::Value::Table(values), DeValue::Table(spans)) if !values.is_empty() => {
                    self.table(&key, values, spans);
                }
                _ => self.out.push(Assignment {
                    key,
                    value: value.clone(),
                    written: shorten(self.slice(span_value.span())),
                    origin: (self.origin)(line_of(self.text.as_bytes(), span_key.span().start)),
                    arm: None,
                }),
            }
        }
    }

    fn slice(&self, span: Range<usize>) -> &str {
        self.text.get(span).unwrap_or_default()
    }
}

/// The line of a byte offset, counted from 1.
fn line_of(text: &[u8], offset: usize) -> usize {
    text[..offset.min(text.len())].split(|byte| *byte == b'\n').count()
}

fn shorten(text: &str) -> String {
    if text.chars().count() <= WRITTEN_CHARS_MAX {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(WRITTEN_CHARS_MAX).collect();
    short.push('…');
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> SpecResult<Vec<Assignment>> {
        parse(text, |line| Origin::File { path: "x.toml".into(), line })
    }

    #[test]
    fn every_leaf_knows_its_line_and_spelling() {
        let text = "rng_seed = 7\n\n[train]\n# slow\nlearning_rate = 1e-3\ndata.x = [1,\n 2]\n";
        let found: Vec<_> = file(text)
            .unwrap()
            .into_iter()
            .map(|a| (a.key, a.written, a.origin.to_string()))
            .collect();
        let expect = |key: &str, written: &str, line: usize| {
            (key.to_owned(), written.to_owned(), format!("`x.toml` line {line}"))
        };
        assert_eq!(
            found,
            [
                expect("rng_seed", "7", 1),
                expect("train.learning_rate", "1e-3", 5),
                expect("train.data.x", "[1,\n 2]", 6),
            ]
        );
    }

    #[test]
    fn a_syntax_error_names_its_line() {
        let error = file("a = 1\nb = \n").unwrap_err();
        assert!(error.to_string().starts_with("`x.toml` line 2 is not TOML: "), "{error}");
    }

    #[test]
    fn set_takes_toml_and_bare_words() {
        let value = |argument: &str| parse_set(argument).unwrap().value;
        assert_eq!(value("a.b=3"), toml::Value::Integer(3));
        assert_eq!(value("a = 1e-3"), toml::Value::Float(1e-3));
        assert_eq!(value("a=true"), toml::Value::Boolean(true));
        assert_eq!(value("a=linear"), toml::Value::String("linear".into()));
        assert_eq!(value("a=../x=y.jsonl"), toml::Value::String("../x=y.jsonl".into()));
        assert_eq!(value("a=\"3\""), toml::Value::String("3".into()));
        assert!(value("a=[\"x\", \"y\"]").is_array());
        assert!(value("a=1\nb=2").is_str());
        assert_eq!(
            value(r"data.columns.prompt={instruction}\n{input}"),
            toml::Value::String("{instruction}\n{input}".into())
        );
        assert_eq!(value(r"data.source=C:\new"), toml::Value::String(r"C:\new".into()));
        let error = parse_set(r"data.columns.prompt={a}\q{b}").unwrap_err();
        assert!(error.to_string().contains(r"has `\q` in `{a}\q{b}`"), "{error}");
        assert!(parse_set("train.epochs").is_err());
        assert!(parse_set("=3").is_err());
        assert!(parse_set(":a=3").is_err() && parse_set("ser:=3").is_err());
        let set = parse_set("seed-only:a.b=x:y").unwrap();
        assert_eq!((set.arm.as_deref(), set.key.as_str()), (Some("seed-only"), "a.b"));
        assert_eq!(set.value, toml::Value::String("x:y".into()));
    }
}
