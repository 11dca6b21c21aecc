//! What stands beside exported weights: a README for people and a record for programs.

use serde_json::{Value, json};

use super::parity::Example;
use crate::domain::spec::ExperimentSpec;
use crate::domain::text::clean::clean_line;
use crate::domain::text::words;
use crate::engine::export::MARKER;
use crate::engine::export::{Exported, InputForm};
use crate::report;
use crate::report::EvaluationDocument;
use crate::scorer::trained::TrainedRound;

/// What was written, beside what it is.
#[derive(Debug, Clone, Copy)]
pub struct Contents {
    /// An adapter, not a whole model.
    pub is_adapter: bool,
    /// A chat template lies there: the model has read conversations that it wrote.
    pub has_template: bool,
}

/// Where the model comes from, for programs.
pub fn marker(found: &TrainedRound, exported: &Exported, contents: Contents) -> Value {
    let TrainedRound { run, spec, row, .. } = found;
    json!({
        "schema": 1,
        "program": concat!("ser ", env!("CARGO_PKG_VERSION")),
        "format": if contents.is_adapter { "peft" } else { "hf" },
        "run": {"id": run.id, "name": run.name, "arm": &*run.arm, "rng_seed": run.rng_seed},
        "round": row.round,
        "weights_digest": row.weights_digest,
        "validation": row.validation.as_ref().map(EvaluationDocument::from),
        "test": row.test.as_ref().map(EvaluationDocument::from),
        "class": exported.class,
        "n_parameters": exported.n_parameters,
        "max_tokens": exported.max_tokens,
        "pad_token": exported.padding,
        "has_chat_template": contents.has_template,
        "text": match &exported.text {
            InputForm::Whole { .. } if contents.has_template => json!({"form": "chat template"}),
            InputForm::Whole { end } => json!({"form": "prompt + response + end", "end": end}),
            InputForm::Two => json!({"form": "prompt, response"}),
        },
        "spec": without_folders(spec),
    })
}

/// The spec with names of files in place of paths, which are those of one machine.
fn without_folders(spec: &ExperimentSpec) -> ExperimentSpec {
    let mut spec = spec.clone();
    spec.data.source = spec.data.source.map(file_name);
    for path in [&mut spec.data.test, &mut spec.model.backbone, &mut spec.model.chat_template] {
        *path = file_name(path);
    }
    spec
}

/// The last part of a path; names on the Hub stay as they are.
fn file_name(path: &str) -> String {
    if path.starts_with("hf:") {
        return path.to_owned();
    }
    let name = path.trim_end_matches('/').rsplit('/').next();
    name.unwrap_or(path).to_owned()
}

/// The model card.
pub fn readme(
    found: &TrainedRound,
    exported: &Exported,
    contents: Contents,
    examples: &[Example],
) -> String {
    let TrainedRound { run, spec, row, .. } = found;
    let (library, kind) = if contents.is_adapter {
        ("peft", "`LoRA` adapter")
    } else {
        ("transformers", "reward model")
    };
    let name = clean_line(&run.name);
    let accuracy = match &row.test {
        Some(test) => format!(
            "It ranks {} of {} test pairs as people did (95 % Wilson interval in brackets).",
            report::accuracy(test),
            words::count(test.n)
        ),
        None => "It has not been tested.".to_owned(),
    };
    let padding = exported.padding.as_deref();
    let but = padding.map(|it| format!(" that is not `{it}`")).unwrap_or_default();
    format!(
        "---\nlibrary_name: {library}\npipeline_tag: text-classification\ntags:\n- reward-model\n\
         - self-evolved-reward\n---\n\n# {name}, round {round}\n\nA {kind} trained by `ser` \
         (Self-Evolved Reward learning) on `{data}`, from `{backbone}`. {accuracy}\n\n\
         ```python\n{code}```\n\n{parity}{text} The longest sequence in training had {max} tokens; longer \
         prompts lost their oldest ones.\n\n`{marker}` holds the whole spec and the digest of the \
         weights.\n",
        round = row.round,
        data = clean_line(&spec.data.source.map(file_name).to_string()),
        backbone = clean_line(&file_name(&spec.model.backbone)),
        code = code(exported, contents),
        parity = parity(examples, contents),
        text = match &exported.text {
            InputForm::Whole { .. } if contents.has_template => format!(
                "The model reads the conversation as its chat template writes it and gives the reward \
                 at the last token{but}."
            ),
            InputForm::Whole { end: Some(end) } if exported.padding.as_ref() == Some(end) => format!(
                "The model reads one text, prompt and response without anything between them, ended \
                 with `{end}`, and gives the reward at the last token{but}."
            ),
            InputForm::Whole { end: Some(end) } => format!(
                "The model reads one text, prompt and response without anything between them, and \
                 gives the reward at the `{end}` that ends it."
            ),
            InputForm::Whole { end: None } =>
                "The model reads one text and gives the reward at its last token.".to_owned(),
            InputForm::Two if contents.has_template =>
                "The model reads two texts: the conversation as its chat template writes it, cut where \
                 the response begins."
                    .to_owned(),
            InputForm::Two => "The model reads prompt and response as two texts.".to_owned(),
        },
        max = exported.max_tokens,
        marker = MARKER,
    )
}

fn code(exported: &Exported, contents: Contents) -> String {
    let (import, load) = if contents.is_adapter {
        (
            "from peft import AutoPeftModelForSequenceClassification\n\
             from transformers import AutoTokenizer\n",
            "model = AutoPeftModelForSequenceClassification.from_pretrained(path, num_labels=1).eval()\n\
             model.config.pad_token_id = tokenizer.pad_token_id\n",
        )
    } else {
        (
            "from transformers import AutoModelForSequenceClassification, AutoTokenizer\n",
            "model = AutoModelForSequenceClassification.from_pretrained(path).eval()\n",
        )
    };
    let inputs = match &exported.text {
        InputForm::Whole { .. } if contents.has_template => {
            "tokenizer.apply_chat_template(prompt + response, return_dict=True, return_tensors=\"pt\")"
        }
        InputForm::Whole { end: Some(_) } => {
            "tokenizer(prompt + response + tokenizer.eos_token, return_tensors=\"pt\")"
        }
        InputForm::Whole { end: None } => "tokenizer(prompt + response, return_tensors=\"pt\")",
        InputForm::Two => "tokenizer(prompt, response, return_tensors=\"pt\")",
    };
    let is_one = matches!(exported.text, InputForm::Whole { .. });
    let kind = if contents.has_template && is_one { "lists of messages" } else { "texts" };
    format!(
        "{import}\npath = \".\"  # this directory\ntokenizer = AutoTokenizer.from_pretrained(path)\n{load}\n\
         def reward(prompt, response):  # {kind}\n    inputs = {inputs}\n    \
         return model(**inputs).logits[0, 0].item()\n"
    )
}

/// Pairs of the test data with their rewards, to be compared with what the code above gives.
fn parity(examples: &[Example], contents: Contents) -> String {
    if examples.is_empty() {
        return String::new();
    }
    let line = |Example { prompt, chosen, rejected, rewards: [a, b] }: &Example| {
        format!(
            "    {{\"prompt\": {prompt}, \"chosen\": {chosen}, \"rejected\": {rejected}, \
             \"rewards\": [{a:.4}, {b:.4}]}},\n"
        )
    };
    let lines: String = examples.iter().map(line).collect();
    let kind = if contents.is_adapter { " and PEFT" } else { "" };
    format!(
        "These test pairs have these rewards, here and in transformers{kind}:\n\n\
         ```python\npairs = [\n{lines}]\nfor pair in pairs:\n    \
         print([reward(pair[\"prompt\"], pair[side]) for side in (\"chosen\", \"rejected\")], \
         pair[\"rewards\"])\n```\n\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_the_machine_become_names() {
        for (path, name) in [
            ("/home/ada/data/pairs.jsonl", "pairs.jsonl"),
            ("embedded", "embedded"),
            ("models/mini/", "mini"),
            ("hf:owner/name@main/train", "hf:owner/name@main/train"),
        ] {
            assert_eq!(file_name(path), name);
        }
    }
}
