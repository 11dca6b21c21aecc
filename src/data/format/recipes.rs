//! Published layouts that are no more than columns with known names: what [`super::columns`] is told
//! for each.

use std::sync::LazyLock;

use super::names::DatasetFormat as F;
use super::texts::{Found, Read};
use super::{columns, told, trl};
use crate::data::error::RecordError;
use crate::data::json::Json;
use crate::domain::spec::{ColumnsSpec, Names};

/// One layout: the columns it is known by, and what they are.
struct Recipe {
    format: F,
    /// Paths that a record of this layout has.
    known_by: &'static [&'static str],
    columns: ColumnsSpec,
}

/// In the order in which they are tried: the more particular first.
static RECIPES: LazyLock<Vec<Recipe>> = LazyLock::new(|| {
    let labeled = |prompt: &str, [a, b]: [&str; 2], label: &str, values: &[&str]| ColumnsSpec {
        label: one(label),
        values: Names::Many(values.iter().map(|value| (*value).to_owned()).collect()),
        ..ordered(prompt, [a, b])
    };
    let scored = |prompt: &str, answers, scores: [&str; 2]| ColumnsSpec {
        score: Names::Many(scores.map(str::to_owned).to_vec()),
        ..ordered(prompt, answers)
    };
    let recipe = |format, known_by, columns| Recipe { format, known_by, columns };
    vec![
        // OpenAI's preference fine-tuning.
        recipe(
            F::OpenaiPreference,
            &["input.messages", "preferred_output", "non_preferred_output"],
            ordered("input.messages", ["preferred_output", "non_preferred_output"]),
        ),
        recipe(
            F::Torchtune,
            &["chosen_conversations", "rejected_conversations"],
            ordered("", ["chosen_conversations", "rejected_conversations"]),
        ),
        recipe(
            F::LlamaFactoryMessages,
            &["chosen_messages", "rejected_messages"],
            ordered("", ["chosen_messages", "rejected_messages"]),
        ),
        // NeMo Aligner's DPO sets, and Argilla's with an instruction.
        recipe(
            F::ChosenResponse,
            &["prompt", "chosen_response", "rejected_response"],
            ordered("prompt", ["chosen_response", "rejected_response"]),
        ),
        recipe(
            F::ChosenResponse,
            &["instruction", "chosen_response", "rejected_response"],
            ordered("instruction", ["chosen_response", "rejected_response"]),
        ),
        // `preference_strength` is below 0 where the first response is better, above where the second is.
        recipe(
            F::HelpSteer2,
            &["prompt", "response_1", "response_2", "preference_strength"],
            labeled(
                "prompt",
                ["response_1", "response_2"],
                "preference_strength",
                &["<0", ">0", "0"],
            ),
        ),
        recipe(
            F::HelpSteer3,
            &["context", "response1", "response2", "overall_preference"],
            labeled(
                "context",
                ["response1", "response2"],
                "overall_preference",
                &["<0", ">0", "0"],
            ),
        ),
        recipe(
            F::PkuSafeRlhf,
            &["prompt", "response_0", "response_1", "better_response_id"],
            labeled("prompt", ["response_0", "response_1"], "better_response_id", &["0", "1"]),
        ),
        recipe(
            F::Webgpt,
            &["question.full_text", "answer_0", "answer_1", "score_0", "score_1"],
            scored("question.full_text", ["answer_0", "answer_1"], ["score_0", "score_1"]),
        ),
        // Stanford's SHP: `labels` is 1 where the first answer is preferred.
        recipe(
            F::Shp,
            &["history", "human_ref_A", "human_ref_B", "labels"],
            labeled("history", ["human_ref_A", "human_ref_B"], "labels", &["1", "0"]),
        ),
        // Chatbot Arena: two whole conversations and who won.
        recipe(
            F::Arena,
            &["conversation_a", "conversation_b", "winner"],
            labeled("", ["conversation_a", "conversation_b"], "winner", &[]),
        ),
    ]
});

fn one(name: &str) -> Names {
    Names::One(name.to_owned())
}

/// The first answer is the better one.
fn ordered(prompt: &str, [a, b]: [&str; 2]) -> ColumnsSpec {
    ColumnsSpec { prompt: prompt.to_owned(), a: one(a), b: one(b), ..ColumnsSpec::default() }
}

/// The layout that a record has all the columns of.
pub(super) fn detect(record: &Json<'_>) -> Option<F> {
    let has_all = |recipe: &&Recipe| recipe.known_by.iter().all(|path| !record.at(path).is_null());
    RECIPES.iter().find(has_all).map(|recipe| recipe.format)
}

/// Pushes the pairs of a record, with the instructions and the tools that stand beside them.
pub(super) fn read(format: F, record: &Json<'_>, cap: usize, out: &mut Vec<Found>) -> Read {
    let Some(columns) = columns_of(format, record) else {
        return Err(RecordError::UnknownLayout { available: record.keys() });
    };
    let asked = columns::prompt(record, &columns.prompt)?;
    let prompt = match told::system(record) {
        None => asked,
        Some(system) => told::before(&system, asked),
    };
    let n_before = out.len();
    columns::read_to(record, &prompt, columns, cap, out)?;
    // OpenAI's tools stand beside the messages of the question.
    let place = if format == F::OpenaiPreference { record.get("input") } else { record };
    trl::give_globals(place, out.iter_mut().skip(n_before))
}

/// The columns of a layout; of several variants the one that the record has.
fn columns_of(format: F, record: &Json<'_>) -> Option<&'static ColumnsSpec> {
    let mut variants = RECIPES.iter().filter(|recipe| recipe.format == format);
    let has_prompt = |recipe: &&Recipe| !record.at(&recipe.columns.prompt).is_null();
    let fitting = variants.clone().find(has_prompt).or_else(|| variants.next());
    fitting.map(|recipe| &recipe.columns)
}
