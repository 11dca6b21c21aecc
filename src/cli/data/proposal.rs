//! What `ser data check` proposes for a layout that is not known.

use std::cmp::Ordering;
use std::io::stderr;

use super::pairs::{self, Marks};
use crate::cli::CliError;
use crate::data::{Field, Judge, Proposal};
use crate::domain::text::words::count;

/// Unused fields that are told; the others are counted.
const UNUSED_MAX: usize = 12;

/// The error of a source whose columns a person has to name, with the guess below it.
pub fn refusal(error: CliError, proposal: &Proposal, is_ascii: bool) -> CliError {
    let details = lines(proposal, is_ascii);
    let hint = match proposal.question() {
        None => "run the same command with these options, or write them into a spec with `--write \
                 spec.toml`"
            .to_owned(),
        Some(question) if matches!(proposal.judge, Judge::Values(_)) => format!(
            "say which value is for which answer: add `--column {question}`, in the order for a, for \
             b, for neither"
        ),
        Some(question) => format!(
            "say which answer is better: add `--column {question}` if that says it, or `--column \
             label=a` if the first answer always is"
        ),
    };
    CliError { details, ..error.with_hint(hint) }
}

/// The guess: options to paste, the meaning of the labels, pairs, and what is not used.
pub fn lines(proposal: &Proposal, is_ascii: bool) -> Vec<String> {
    let columns = pairs::columns(&stderr());
    let mut lines = vec![format!("guess: {}", proposal.options())];
    lines.extend(judge_line(proposal, is_ascii));
    if proposal.is_part {
        let n = count(proposal.n_records);
        lines.push(format!("       counted in the first {n} records"));
    }
    let marks = if proposal.is_complete() { Marks::Judged } else { Marks::Open };
    lines.extend(pairs::lines(&proposal.pairs, marks, columns, is_ascii));
    lines.extend(unused(proposal));
    lines
}

fn judge_line(proposal: &Proposal, is_ascii: bool) -> Option<String> {
    let arrow = if is_ascii { "->" } else { "→" };
    let line = match &proposal.judge {
        Judge::Said => return None,
        Judge::Names => "the names of the answers say which is better".to_owned(),
        Judge::Score => "the answer with the higher score is the better one".to_owned(),
        Judge::Asked(_) => "which answer is better is not known: nothing is assumed".to_owned(),
        Judge::Values(Field { name, about, .. }) => {
            format!("{name} holds {about}: which value is for which answer is not known")
        }
        Judge::Label(values) => {
            let told = |(value, n, side): &(String, u64, Ordering)| {
                let side = match side {
                    Ordering::Greater => "a",
                    Ordering::Less => "b",
                    Ordering::Equal => "tie",
                };
                format!("{value} {arrow} {side} {}", count(*n))
            };
            let said: Vec<String> = values.iter().map(told).collect();
            format!("({})", said.join(", "))
        }
    };
    Some(format!("       {line}"))
}

/// The fields that nothing would be read from; those that may be the label first, each with the option
/// that would make it one.
fn unused(proposal: &Proposal) -> Vec<String> {
    let asked = match &proposal.judge {
        Judge::Asked(asked) => asked.as_slice(),
        _ => &[],
    };
    let is_asked = |field: &&Field| asked.iter().any(|it| it.name == field.name);
    let mut lines: Vec<String> = asked
        .iter()
        .map(|Field { name, about, .. }| {
            format!("{name} is not used; it holds {about}: --column label={name}?")
        })
        .collect();
    let others = proposal.unused.iter().filter(|field| !is_asked(field));
    lines.extend(fields(others));
    lines
}

/// Fields with what they hold, a line each.
pub fn fields<'f>(fields: impl Iterator<Item = &'f Field>) -> Vec<String> {
    let all: Vec<&Field> = fields.collect();
    let shown = all.iter().take(UNUSED_MAX);
    let mut lines: Vec<String> =
        shown.map(|Field { name, about, .. }| format!("not used       {name}: {about}")).collect();
    if all.len() > UNUSED_MAX {
        lines.push(format!("not used       {} more fields", all.len() - UNUSED_MAX));
    }
    lines
}
