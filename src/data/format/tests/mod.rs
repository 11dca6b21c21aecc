//! Every layout by a record of its true shape, with what is wrong in the variants that are, and the
//! real files where they are beside the checkout.

mod columns;
mod layouts;
mod published;
mod real;
mod refused;

use super::*;
use crate::data::testing::write;
use crate::data::{SourceItem, open};

/// What a record gives: `prompt|chosen|rejected`, with `\n\n` as `¶`, or the reason there is no
/// pair.
fn pairs(record: &str) -> Vec<String> {
    pairs_as(record, &ReadSettings::default())
}

fn pairs_as(record: &str, settings: &ReadSettings) -> Vec<String> {
    let record = record.replace('\n', " ");
    let dir = tempfile::tempdir().unwrap();
    let file = write(dir.path(), "x.jsonl", record.as_bytes());
    let reader = open(&file, settings).unwrap_or_else(|error| panic!("{error}"));
    reader
        .map(Result::unwrap)
        .map(|item| match item {
            SourceItem::Pair(found) => {
                let pair = found.pair;
                [pair.prompt, pair.chosen, pair.rejected].join("|").replace("\n\n", "¶")
            }
            SourceItem::Dropped { reason, .. } => reason.to_string(),
        })
        .collect()
}

fn format_of(record: &str) -> DatasetFormat {
    detect(&Json::parse(record).unwrap()).unwrap()
}

/// The message about a record, without the file.
fn refusal(record: &str, settings: &ReadSettings) -> String {
    let record = record.replace('\n', " ");
    let message = crate::data::testing::error_of("x.jsonl", record.as_bytes(), settings);
    message.replace("`x.jsonl`: line 1: ", "")
}

fn forced(format: DatasetFormat) -> ReadSettings {
    ReadSettings { format: Some(format), ..ReadSettings::default() }
}
