//! OpenAI's comparisons of summaries (Stiennon et al., 2020): `info`, two `summaries`, `choice`.

use super::texts::{Found, Read, Texts};
use crate::data::error::RecordError;
use crate::data::json::{Json, list, missing, text, wrong_type};
use crate::domain::text::conversation::FlatPair;

pub(super) fn read(record: &Json<'_>, out: &mut Vec<Found>) -> Read {
    let prompt = prompt(record.get("info"), record)?;
    let summaries = list(record, "summaries")?;
    let [first, second] = summaries else {
        return Err(RecordError::WrongCount {
            field: "summaries".into(),
            found: summaries.len(),
            expected: "2".into(),
        });
    };
    let (first, second) = (text(first, "text")?, text(second, "text")?);
    let choice = record.get("choice");
    let (chosen, rejected) = match choice.as_number() {
        Some(0.0) => (first, second),
        Some(1.0) => (second, first),
        _ if choice.is_null() => return Err(missing(record, "choice")),
        _ => return Err(wrong_type("choice", choice, "0 or 1")),
    };
    out.push(Ok(Texts::of(FlatPair::continued(&prompt, [chosen, rejected]))));
    Ok(())
}

/// The text to summarize, as the paper's models read it.
fn prompt(info: &Json<'_>, record: &Json<'_>) -> Result<String, RecordError> {
    if info.is_null() {
        return Err(missing(record, "info"));
    }
    if info.has("article") {
        return Ok(format!("{}\n\nTL;DR:", text(info, "article")?.trim()));
    }
    let post = text(info, "post")?.trim();
    let line = |name: &str, value: &Json<'_>| {
        value.as_text().map_or_else(String::new, |value| format!("{name}: {value}\n"))
    };
    let subreddit = match info.get("subreddit").as_text() {
        Some(subreddit) => format!("SUBREDDIT: r/{subreddit}\n"),
        None => String::new(),
    };
    Ok(format!("{subreddit}{}POST: {post}\n\nTL;DR:", line("TITLE", info.get("title"))))
}

/// Where the text stood.
pub(super) fn slice(record: &Json<'_>) -> Option<String> {
    let info = record.get("info");
    let name = info.get("subreddit").as_text().or_else(|| info.get("site").as_text())?;
    Some(name.to_owned())
}
