//! `ser explain`: what the words and signs of screens and tables mean, every arm, and every key of a spec.

use serde::Serialize;

use crate::cli::print::{print_json, print_line, print_text};
use crate::cli::{CliError, CliResult, Context};
use crate::report::glossary::{self, TERMS, Term};
use crate::report::table::aligned;
use crate::scorer::RUBRIC;
use crate::spec::form::{self, KeyHelp};
use crate::spec::{self, ArmHelp};

/// The word for the rubric of an external judge.
const RUBRIC_WORD: &str = "rubric";

/// Arguments of `ser explain`.
#[derive(Debug, clap::Args)]
pub struct ExplainArgs {
    /// A word or a sign of a screen or table, an arm, a key of a spec, or `rubric` (how an external judge
    /// gives points); without one, all words are listed
    word: Vec<String>,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct TermDocument {
    word: &'static str,
    also: &'static [&'static str],
    is: &'static str,
    good: &'static str,
    from: &'static str,
}

impl From<&'static Term> for TermDocument {
    fn from(term: &'static Term) -> Self {
        let Term { words, is, good, from, .. } = *term;
        Self { word: term.word(), also: words.get(1..).unwrap_or_default(), is, good, from }
    }
}

/// Prints what a word means.
///
/// # Errors
/// When nothing is called so.
pub fn run(_: &Context, args: &ExplainArgs) -> CliResult {
    let wanted = args.word.join(" ");
    let wanted = wanted.trim();
    if wanted.is_empty() {
        return list(TERMS.iter().collect(), args.json);
    }
    if wanted.eq_ignore_ascii_case(RUBRIC_WORD) {
        return print_rubric(args.json);
    }
    if let Some(term) = glossary::find(wanted) {
        return if args.json { list(vec![term], true) } else { print_term(term) };
    }
    if let Some(arm) = spec::about_arm(wanted) {
        return print_arm(wanted, &arm, args.json);
    }
    let keys = form::keys()?;
    if let Some(key) = keys.iter().find(|key| key.key == wanted) {
        return print_key(key, args.json);
    }
    match glossary::search(wanted).as_slice() {
        [] => Err(unknown(wanted, &keys)),
        [term] if !args.json => print_term(term),
        found => list(found.to_vec(), args.json),
    }
}

fn list(terms: Vec<&'static Term>, is_json: bool) -> CliResult {
    if is_json {
        return print_json(&terms.into_iter().map(TermDocument::from).collect::<Vec<_>>());
    }
    let lines: Vec<Vec<String>> =
        terms.iter().map(|term| vec![term.word().to_owned(), term.is.to_owned()]).collect();
    print_line(aligned(&lines, &[false, false]).trim_end())
}

fn print_term(term: &Term) -> CliResult {
    let also = match term.words.get(1..) {
        Some(also) if !also.is_empty() => format!("  (also: {})", also.join(", ")),
        _ => String::new(),
    };
    print_line(&format!("{}{also}", term.word()))?;
    print_line(&format!("  what  {}", term.is))?;
    print_line(&format!("  good  {}", term.good))?;
    print_line(&format!("  from  {}", term.from))
}

fn print_arm(name: &str, arm: &ArmHelp, is_json: bool) -> CliResult {
    if is_json {
        let value = serde_json::json!({ "word": name, "is": arm.about, "sets": arm.sets });
        return print_json(&[value]);
    }
    print_line(&format!("{name}  (an arm)"))?;
    print_line(&format!("  what  {}", arm.about))?;
    print_line(&format!("  sets  {}", arm.sets.join(", ")))?;
    print_line(&format!("  from  `--arm {name}`"))
}

fn print_rubric(is_json: bool) -> CliResult {
    if is_json {
        return print_json(&[serde_json::json!({ "word": RUBRIC_WORD, "is": RUBRIC })]);
    }
    print_text(RUBRIC)
}

fn print_key(key: &KeyHelp, is_json: bool) -> CliResult {
    let mut values = form::values(None)?;
    values.extend(form::values(Some(spec::POLICY))?);
    let default = values.into_iter().find(|(name, _)| *name == key.key);
    let default = default.map_or(String::new(), |(_, value)| value);
    if is_json {
        let value = serde_json::json!({
            "word": key.key, "is": key.help, "values": key.choices, "default": default,
        });
        return print_json(&[value]);
    }
    print_line(&key.key)?;
    print_line(&format!("  what     {}", key.help))?;
    if !key.choices.is_empty() {
        print_line(&format!("  values   {}", key.choices.join(", ")))?;
    }
    print_line(&format!("  default  {default}"))
}

fn unknown(wanted: &str, keys: &[KeyHelp]) -> CliError {
    let known = TERMS.iter().flat_map(|term| term.words).copied().chain(spec::arms());
    let keys = keys.iter().map(|key| key.key.as_str());
    let words = known.map(|word| -> &str { word }).chain(keys);
    let hint = spec::nearest(wanted, words).map_or_else(
        || "`ser explain` lists every word".to_owned(),
        |word| format!("did you mean `{word}`? `ser explain` lists every word"),
    );
    CliError::input(format!("nothing is called `{wanted}`")).with_hint(hint)
}
