//! The layouts of preference data, one file each: from one record to its pairs.
//!
//! Every reader here is a pure function of a record. Prompts and answers that are instructions and
//! replies are written in the plain dialogue template (`\n\nHuman: …\n\nAssistant: …`); layouts in
//! which the answer continues the prompt keep their texts as they stand.

mod axolotl;
mod columns;
mod hh;
mod html;
mod llama_factory;
mod messages;
mod ranking;
mod reward_bench;
mod scored;
mod stack_exchange;
mod summarize;
mod trl;
mod ultrafeedback;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::error::{DataError, RecordError};
use super::json::Json;
use super::reader::DropReason;
use super::settings::ReadSettings;

pub use hh::{ASSISTANT, HUMAN};
pub(super) use reward_bench::best_of;

/// How records are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DatasetFormat {
    /// `chosen` and `rejected` are whole dialogues, `\n\nHuman: …\n\nAssistant: …`.
    HhRlhf,
    /// `prompt, chosen, rejected` as TRL and OpenRLHF read them; the prompt may be implicit.
    #[serde(alias = "jsonl")]
    Trl,
    /// The layout of the embedded set: explicit prompts, `skill`, `fault`, `label_noise`.
    Pocket,
    /// UltraFeedback, paired by the mean of its four ratings.
    UltraFeedback,
    /// UltraFeedback, paired by its overall score.
    UltraFeedbackOverall,
    /// UltraFeedback as two whole conversations with their scores.
    UltraFeedbackBinarized,
    /// The comparisons of OpenAI's summaries.
    OpenaiSummarize,
    /// Questions with voted answers.
    StackExchange,
    /// A question with a better and a worse answer.
    StackExchangePaired,
    /// LLaMA-Factory's ranking sets, in Alpaca and ShareGPT style.
    LlamaFactory,
    /// Axolotl's `input, chosen, rejected`.
    Axolotl,
    /// `RewardBench` 1: an instruction and two answers.
    RewardBench,
    /// `RewardBench` 2: an instruction, right answers and wrong ones.
    RewardBench2,
    /// A prompt and answers with scores or ranks.
    Scored,
    /// A prompt and answers, the best first.
    Ranked,
    /// What `data.columns` says.
    Columns,
}

/// Names, formats and what they are, in the order of the help text.
pub const FORMATS: [(&str, DatasetFormat, &str); 16] = [
    ("hh-rlhf", DatasetFormat::HhRlhf, "two whole dialogues, Human: and Assistant:"),
    ("trl", DatasetFormat::Trl, "prompt (may be implicit), chosen, rejected; text or messages"),
    ("ultrafeedback", DatasetFormat::UltraFeedback, "rated completions, by their mean rating"),
    ("ultrafeedback-overall", DatasetFormat::UltraFeedbackOverall, "the same by overall_score"),
    (
        "ultrafeedback-binarized",
        DatasetFormat::UltraFeedbackBinarized,
        "two conversations, score_chosen, score_rejected",
    ),
    ("openai-summarize", DatasetFormat::OpenaiSummarize, "info, summaries, choice"),
    ("stack-exchange", DatasetFormat::StackExchange, "question, answers with pm_score, in HTML"),
    (
        "stack-exchange-paired",
        DatasetFormat::StackExchangePaired,
        "question, response_j (better), response_k",
    ),
    (
        "llama-factory",
        DatasetFormat::LlamaFactory,
        "instruction or conversations, chosen, rejected",
    ),
    ("axolotl", DatasetFormat::Axolotl, "input, chosen, rejected"),
    ("reward-bench", DatasetFormat::RewardBench, "prompt, chosen, rejected, subset"),
    ("reward-bench-2", DatasetFormat::RewardBench2, "prompt, lists of right and wrong answers"),
    ("scored", DatasetFormat::Scored, "a prompt and answers with scores or ranks"),
    ("ranked", DatasetFormat::Ranked, "a prompt and answers, the best first"),
    ("columns", DatasetFormat::Columns, "any other, by data.columns"),
    ("pocket", DatasetFormat::Pocket, "the embedded set"),
];

/// Other names people know these layouts by.
const ALIASES: [(&str, DatasetFormat); 2] =
    [("jsonl", DatasetFormat::Trl), ("openrlhf", DatasetFormat::Trl)];

impl DatasetFormat {
    /// Reads the value of `data.format`; `auto` is `None`.
    pub fn parse(value: &str) -> Result<Option<Self>, DataError> {
        if value == "auto" { Ok(None) } else { value.parse().map(Some) }
    }

    /// Whether a pair that says nothing about preference is a mistake in such a file. HH-RLHF
    /// itself holds some, and where pairs are made of ratings ties are normal.
    pub(super) fn is_strict(self) -> bool {
        matches!(self, Self::Trl | Self::Pocket)
    }
}

impl FromStr for DatasetFormat {
    type Err = DataError;

    fn from_str(value: &str) -> Result<Self, DataError> {
        let known = FORMATS.iter().map(|(name, format, _)| (*name, *format)).chain(ALIASES);
        let found = known.into_iter().find(|(name, _)| *name == value);
        found
            .map(|(_, format)| format)
            .ok_or_else(|| DataError::UnknownFormat { value: value.into() })
    }
}

impl fmt::Display for DatasetFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = FORMATS.iter().find(|(_, format, _)| format == self).map(|(name, ..)| *name);
        f.write_str(name.unwrap_or_default())
    }
}

/// The three texts of a pair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Texts {
    pub(super) prompt: String,
    pub(super) chosen: String,
    pub(super) rejected: String,
    /// The prompts of the two dialogues differed, so their common prefix became the prompt.
    pub(super) fallback: bool,
}

/// The texts, or why there is no pair.
pub(super) type Found = Result<Texts, DropReason>;

/// What a reader of one layout returns besides the pairs it pushes.
pub(super) type Read = Result<(), RecordError>;

impl Texts {
    /// An instruction and two replies in the plain dialogue template; without an instruction the
    /// texts as they stand.
    pub(super) fn dialogue(prompt: &str, chosen: &str, rejected: &str) -> Self {
        if prompt.trim().is_empty() {
            let [chosen, rejected] = [chosen, rejected].map(str::to_owned);
            return Self { prompt: String::new(), chosen, rejected, fallback: false };
        }
        Self {
            prompt: as_dialogue(prompt),
            chosen: as_reply(chosen),
            rejected: as_reply(rejected),
            fallback: false,
        }
    }

    /// Refuses a pair that says nothing about preference.
    fn usable(self) -> Found {
        if self.chosen.trim().is_empty() && self.rejected.trim().is_empty() {
            Err(DropReason::EmptyResponses)
        } else if self.chosen == self.rejected {
            Err(DropReason::IdenticalResponses)
        } else {
            Ok(self)
        }
    }
}

/// An instruction as a prompt that a reply follows; a prompt that is a dialogue already stays.
fn as_dialogue(prompt: &str) -> String {
    if prompt.trim_end().ends_with(ASSISTANT) {
        return prompt.trim_end().to_owned();
    }
    format!("{HUMAN} {}{ASSISTANT}", prompt.trim())
}

fn as_reply(answer: &str) -> String {
    format!(" {}", answer.trim())
}

/// Which layout a record has.
pub(super) fn detect(record: &Json<'_>) -> Result<DatasetFormat, RecordError> {
    use DatasetFormat as F;
    let has = |key: &str| record.has(key);
    let is_text = |key: &str| record.get(key).as_text().is_some();
    let is_list = |key: &str| record.get(key).as_list().is_some();
    let is_pair = has("chosen") && has("rejected");
    let format = if ultrafeedback::fits(record) {
        F::UltraFeedback
    } else if is_list("summaries") && has("choice") {
        F::OpenaiSummarize
    } else if stack_exchange::fits(record) {
        F::StackExchange
    } else if is_text("response_j") && is_text("response_k") {
        F::StackExchangePaired
    } else if llama_factory::fits(record) {
        F::LlamaFactory
    } else if reward_bench::fits_second(record) {
        F::RewardBench2
    } else if is_pair && reward_bench::fits_first(record) {
        F::RewardBench
    } else if is_pair && is_text("input") && !has("prompt") {
        F::Axolotl
    } else if trl::fits_hh(record) {
        F::HhRlhf
    } else if is_pair && ["prompt", "skill", "fault"].iter().all(|key| is_text(key)) {
        F::Pocket
    } else if is_pair && has("score_chosen") && has("score_rejected") {
        F::UltraFeedbackBinarized
    } else if is_pair {
        F::Trl
    } else {
        return other_layout(record);
    };
    Ok(format)
}

/// What a record without `chosen` and `rejected` is.
fn other_layout(record: &Json<'_>) -> Result<DatasetFormat, RecordError> {
    if let Some(field) = scored::answers_field(record) {
        return if scored::has_order(record, field) {
            Ok(DatasetFormat::Scored)
        } else {
            Err(RecordError::Unordered { field })
        };
    }
    for field in ["completion", "messages"] {
        if record.has(field) && record.has("label") {
            return Err(RecordError::Unpaired { field });
        }
    }
    // A record with one of the usual fields lacks the others.
    if ["prompt", "chosen", "rejected"].iter().any(|key| record.has(key)) {
        return Ok(DatasetFormat::Trl);
    }
    Err(RecordError::UnknownLayout { available: record.keys() })
}

/// Pushes the pairs of a record.
pub(super) fn read(
    record: &Json<'_>,
    format: DatasetFormat,
    settings: &ReadSettings,
    out: &mut Vec<Found>,
) -> Read {
    use DatasetFormat as F;
    let cap = settings.pairs_per_record as usize;
    match format {
        F::HhRlhf => trl::read_hh(record, out),
        F::Trl | F::Pocket | F::UltraFeedbackBinarized => trl::read(record, out),
        F::UltraFeedback => ultrafeedback::read(record, ultrafeedback::By::MeanRating, cap, out),
        F::UltraFeedbackOverall => {
            ultrafeedback::read(record, ultrafeedback::By::Overall, cap, out)
        }
        F::OpenaiSummarize => summarize::read(record, out),
        F::StackExchange => stack_exchange::read(record, cap, out),
        F::StackExchangePaired => stack_exchange::read_paired(record, out),
        F::LlamaFactory => llama_factory::read(record, cap, out),
        F::Axolotl => axolotl::read(record, out),
        F::RewardBench => reward_bench::read_first(record, out),
        F::RewardBench2 => reward_bench::read_second(record, cap, out),
        F::Scored => scored::read(record, cap, out),
        F::Ranked => scored::read_ranked(record, cap, out),
        F::Columns => columns::read(record, &settings.columns, cap, out),
    }
}

/// The slice of a record's pairs: what the layout calls it, or the first of the usual fields.
pub(super) fn slice(record: &Json<'_>, format: DatasetFormat, settings: &ReadSettings) -> String {
    let named = match format {
        DatasetFormat::OpenaiSummarize => summarize::slice(record),
        DatasetFormat::StackExchange => stack_exchange::site(record),
        _ if !settings.columns.slice.is_empty() => {
            record.get(&settings.columns.slice).to_label().map(std::borrow::Cow::into_owned)
        }
        _ => None,
    };
    named.unwrap_or_else(|| {
        ["slice", "skill", "subset", "source", "topic"]
            .iter()
            .find_map(|key| match record.get(key) {
                Json::Bool(_) => None,
                value => value.to_label(),
            })
            .unwrap_or_default()
            .into_owned()
    })
}

/// A field that must be a text.
fn text<'r>(record: &'r Json<'_>, field: &str) -> Result<&'r str, RecordError> {
    match record.get(field) {
        Json::Text(text) => Ok(text),
        Json::Null => Err(missing(record, field)),
        other => Err(wrong_type(field, other, "a text")),
    }
}

/// A text that may be left out.
fn optional_text<'r>(record: &'r Json<'_>, field: &str) -> Result<&'r str, RecordError> {
    if record.has(field) { text(record, field) } else { Ok("") }
}

/// A field that must be a list.
fn list<'r, 'a>(record: &'r Json<'a>, field: &str) -> Result<&'r [Json<'a>], RecordError> {
    match record.get(field) {
        Json::List(list) => Ok(list),
        Json::Null => Err(missing(record, field)),
        other => Err(wrong_type(field, other, "a list")),
    }
}

/// A list of texts.
fn texts<'r>(record: &'r Json<'_>, field: &str) -> Result<Vec<&'r str>, RecordError> {
    let entries = list(record, field)?.iter().enumerate();
    entries
        .map(|(i, entry)| {
            entry.as_text().ok_or_else(|| wrong_type(&format!("{field}[{i}]"), entry, "a text"))
        })
        .collect()
}

fn missing(record: &Json<'_>, field: &str) -> RecordError {
    if record.has_key(field) && record.get(field).is_null() {
        return RecordError::Null { field: field.to_owned(), found: record.get(field).describe() };
    }
    RecordError::MissingField { field: field.to_owned(), available: record.keys() }
}

fn wrong_type(field: &str, found: &Json<'_>, expected: &'static str) -> RecordError {
    RecordError::WrongType { field: field.to_owned(), found: found.describe(), expected }
}

#[cfg(test)]
mod tests;
