//! The layouts of preference data, one file each: from one record to its pairs.
//!
//! Every reader here is a pure function of a record. Messages, and instructions with replies, become
//! conversations; layouts in which the answer continues the prompt keep their texts as they stand (see
//! `texts`).

mod arena;
mod axolotl;
mod columns;
mod hh;
mod html;
mod llama_factory;
mod messages;
pub(super) mod names;
mod oasst;
mod ranking;
mod recipes;
mod scored;
mod stack_exchange;
mod summarize;
mod swift;
mod texts;
mod told;
mod trl;
mod ultrafeedback;

use std::str::FromStr;

use super::error::{DataError, RecordError};
use super::json::{self, Json};
use super::settings::ReadSettings;
use super::suggestion;
use names::ALIASES;
use ranking::rm_bench;
use texts::Read;

pub(super) use columns::{is_ambiguous, meaning, unexplained_labels, unknown_label};
pub use names::{DatasetFormat, FORMATS};
pub(super) use ranking::reward_bench;
pub(super) use texts::{Found, Said, Texts, is_dialogue};
pub(super) use trl::globals;

impl DatasetFormat {
    /// Reads the value of `data.format`; `auto` is `None`.
    pub fn parse(value: &str) -> Result<Option<Self>, DataError> {
        if value == "auto" { Ok(None) } else { value.parse().map(Some) }
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

/// The prompt of a record; empty where it has none.
pub(super) fn prompt<'r>(record: &'r Json<'_>) -> Result<Said<'r>, RecordError> {
    let asked = match record.get("prompt") {
        Json::Null => Said::NOTHING,
        prompt => Said::read("prompt", prompt)?,
    };
    Ok(match told::system(record) {
        None => asked,
        Some(system) => told::before(&system, asked),
    })
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
    } else if rm_bench::fits(record) {
        F::RmBench
    } else if reward_bench::fits_second(record) {
        F::RewardBench2
    } else if swift::fits(record) {
        F::Swift
    } else if oasst::fits(record) {
        F::Oasst
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

/// The format of a record without `chosen` and `rejected`.
fn other_layout(record: &Json<'_>) -> Result<DatasetFormat, RecordError> {
    if let Some(format) = recipes::detect(record) {
        return Ok(format);
    }
    if arena::fits_turns(record) {
        return Ok(DatasetFormat::Arena);
    }
    if oasst::is_message_row(record) {
        return Err(RecordError::TreeTakenApart);
    }
    if matches!(record.get("data"), Json::Object(_)) && record.has("annotations") {
        return Err(RecordError::LabelStudio);
    }
    if let Some(field) = scored::answers_field(record) {
        return if scored::has_order(record, field) {
            Ok(DatasetFormat::Scored)
        } else {
            Err(RecordError::Unordered { field })
        };
    }
    let keys = record.keys();
    let is_pair = keys.iter().any(|key| key == "chosen" || key == "rejected");
    for field in ["completion", "messages", "response", "conversations", "output"] {
        let is_judged = ["label", "kto_tag"].iter().any(|key| record.has(key));
        let is_alone = field != "output" && suggestion::columns(&keys).is_none();
        if record.has(field) && !is_pair && (is_judged || is_alone) {
            return Err(RecordError::Unpaired { field });
        }
    }
    // A record with one of the two answers is missing the other.
    match ["chosen", "rejected"].map(|key| record.has_key(key)) {
        [false, false] => Err(RecordError::UnknownLayout { available: record.keys() }),
        [true, true] => Ok(DatasetFormat::Trl),
        [has_chosen, _] => {
            Err(json::missing(record, if has_chosen { "rejected" } else { "chosen" }))
        }
    }
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
        F::RmBench => rm_bench::read(record, cap, out),
        F::Swift => swift::read(record, out),
        F::Oasst => oasst::read(record, cap, out),
        F::Arena if arena::fits_turns(record) => arena::read_turns(record, out),
        F::OpenaiPreference
        | F::Torchtune
        | F::LlamaFactoryMessages
        | F::ChosenResponse
        | F::HelpSteer2
        | F::HelpSteer3
        | F::PkuSafeRlhf
        | F::Webgpt
        | F::Shp
        | F::Arena => recipes::read(format, record, cap, out),
        F::Scored => scored::read(record, cap, out),
        F::Ranked => scored::read_ranked(record, cap, out),
        F::Columns => columns::read(record, &settings.columns, cap, out),
    }
}

/// Fields that usually say which part of a data set a record is from.
const SLICES: [&str; 5] = ["slice", "skill", "subset", "source", "topic"];

/// The slice of a record's pairs: what the layout calls it, or the first of the usual fields.
pub(super) fn slice(record: &Json<'_>, format: DatasetFormat, settings: &ReadSettings) -> String {
    let named = match format {
        DatasetFormat::OpenaiSummarize => summarize::slice(record),
        DatasetFormat::StackExchange => stack_exchange::site(record),
        _ => None,
    };
    named.unwrap_or_else(|| {
        let column = slice_column(record, format, settings);
        let label = column.as_ref().and_then(|column| record.get(column).to_label());
        label.unwrap_or_default().into_owned()
    })
}

/// The column that a record's slice is read from; none where the layout makes it of something else.
pub(super) fn slice_column(
    record: &Json<'_>,
    format: DatasetFormat,
    settings: &ReadSettings,
) -> Option<String> {
    let is_made = match format {
        DatasetFormat::OpenaiSummarize => summarize::slice(record).is_some(),
        DatasetFormat::StackExchange => stack_exchange::site(record).is_some(),
        _ => false,
    };
    if is_made {
        return None;
    }
    let usual = || {
        let is_name = |key: &&&str| match record.get(key) {
            Json::Bool(_) => false,
            value => value.to_label().is_some(),
        };
        SLICES.iter().find(is_name).map(|key| (*key).to_owned())
    };
    let named = &settings.columns.slice;
    if !named.is_empty() && record.get(named).to_label().is_some() {
        return Some(named.clone());
    }
    usual()
}

#[cfg(test)]
mod tests;
