//! `ser data check --write`: what was read as a spec that `ser run` takes.

use std::path::Path;

use super::data_source::SourceArgs;
use crate::cli::export::Target;
use crate::cli::{CliError, CliResult};
use crate::domain::spec::ColumnsSpec;

/// Checks that nothing is there yet.
///
/// # Errors
/// When the place is taken, or is no place for a file.
pub fn place(path: &Path) -> CliResult<Target> {
    Target::new(path, false).map_err(|error| {
        let error = CliError::from(error);
        let is_there = path.symlink_metadata().is_ok();
        if is_there { error.with_hint("name another file, or remove it yourself") } else { error }
    })
}

/// Writes the spec.
///
/// # Errors
/// When it cannot be written.
pub fn write(target: &Target, text: &str) -> CliResult {
    target.file(|path| {
        std::fs::write(path, text).map_err(|error| CliError::io("write", path, &error))
    })
}

/// The spec: the source and what was said about it.
pub fn text(args: &SourceArgs, group: &str, test: Option<&str>, columns: &ColumnsSpec) -> String {
    let one_or_list = |names: &[&str]| match names {
        [only] => quoted(only),
        several => {
            let several: Vec<String> = several.iter().map(|name| quoted(name)).collect();
            format!("[{}]", several.join(", "))
        }
    };
    let sources: Vec<String> = args.sources().map(absolute).collect();
    let sources: Vec<&str> = sources.iter().map(String::as_str).collect();
    let mut lines = vec![
        "# What `ser data check` read; `ser run` takes this file, and every other key has its default."
            .to_owned(),
        "[data]".to_owned(),
        format!("source = {}", one_or_list(&sources)),
    ];
    if args.format() != "auto" {
        lines.push(format!("format = {}", quoted(args.format())));
    }
    if args.pairs_per_record() != super::data_source::PAIRS_PER_RECORD {
        lines.push(format!("pairs_per_record = {}", args.pairs_per_record()));
    }
    if group != "prompt" {
        lines.push(format!("group = {}", quoted(group)));
    }
    if let Some(test) = test {
        lines.push(format!("test = {}", quoted(&absolute(test))));
    }
    if args.limit() > 0 {
        lines.push(format!("limit = {}", args.limit()));
    }
    let entries = columns.entries();
    if !entries.is_empty() {
        lines.extend([String::new(), "[data.columns]".to_owned()]);
        lines.extend(entries.iter().map(|(key, names)| format!("{key} = {}", one_or_list(names))));
    }
    lines.join("\n") + "\n"
}

/// A path as it is from every directory; other names stay.
fn absolute(source: &str) -> String {
    if !Path::new(source).exists() && !source.contains('/') || source.starts_with("hf:") {
        return source.to_owned();
    }
    std::path::absolute(source).map_or_else(|_| source.to_owned(), |it| it.display().to_string())
}

/// A text on one line in double quotes: JSON writes its escapes as TOML reads them, all but one.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string().replace('\u{7f}', "\\u007f")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_quoted_as_toml_reads_them() {
        for text in ["plain", "{a}\n{b}", "it's \"so\"", "C:\\x", "\u{7}\u{7f}"] {
            let table: toml::Table = toml::from_str(&format!("x = {}", quoted(text))).unwrap();
            assert_eq!(table["x"].as_str(), Some(text));
        }
        assert_eq!(absolute("hf:a/b"), "hf:a/b");
        assert_eq!(absolute("embedded"), "embedded");
        assert!(absolute("a/*.jsonl").starts_with('/'));
    }
}
