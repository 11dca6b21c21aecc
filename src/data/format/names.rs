//! The layouts by name.

use std::fmt;

use serde::{Deserialize, Serialize};

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
    /// RM-Bench: right answers and wrong ones, each in three styles.
    RmBench,
    /// OpenAI's preference fine-tuning.
    OpenaiPreference,
    /// torchtune's two whole conversations.
    Torchtune,
    /// LLaMA-Factory's two whole conversations.
    LlamaFactoryMessages,
    /// ms-swift: a conversation, and another answer to it.
    Swift,
    /// A prompt or instruction with `chosen_response` and `rejected_response`.
    ChosenResponse,
    /// `HelpSteer2`'s preferences, by their strength.
    #[serde(rename = "helpsteer2")]
    HelpSteer2,
    /// `HelpSteer3`'s preferences, by their strength.
    #[serde(rename = "helpsteer3")]
    HelpSteer3,
    /// PKU-SafeRLHF, by which answer is better.
    PkuSafeRlhf,
    /// `WebGPT`'s comparisons.
    Webgpt,
    /// Stanford's SHP.
    Shp,
    /// Chatbot Arena's two conversations and their winner.
    Arena,
    /// Open Assistant's conversation trees.
    Oasst,
    /// A prompt and answers with scores or ranks.
    Scored,
    /// A prompt and answers, the best first.
    Ranked,
    /// What `data.columns` says.
    Columns,
}

/// Names, formats and what they are, in the order of the help text.
pub const FORMATS: [(&str, DatasetFormat, &str); 29] = [
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
    ("rm-bench", DatasetFormat::RmBench, "prompt, three right and three wrong answers"),
    (
        "openai-preference",
        DatasetFormat::OpenaiPreference,
        "input.messages, preferred_output, non_preferred_output",
    ),
    ("torchtune", DatasetFormat::Torchtune, "chosen_conversations, rejected_conversations"),
    (
        "llama-factory-messages",
        DatasetFormat::LlamaFactoryMessages,
        "chosen_messages, rejected_messages",
    ),
    ("swift", DatasetFormat::Swift, "messages, and rejected_response or rejected_messages"),
    (
        "chosen-response",
        DatasetFormat::ChosenResponse,
        "prompt or instruction, chosen_response, rejected_response (NeMo, Argilla)",
    ),
    ("helpsteer2", DatasetFormat::HelpSteer2, "prompt, two responses, preference_strength"),
    ("helpsteer3", DatasetFormat::HelpSteer3, "context, two responses, overall_preference"),
    ("pku-safe-rlhf", DatasetFormat::PkuSafeRlhf, "prompt, two responses, better_response_id"),
    ("webgpt", DatasetFormat::Webgpt, "question.full_text, two answers, two scores"),
    ("shp", DatasetFormat::Shp, "history, human_ref_A, human_ref_B, labels"),
    ("arena", DatasetFormat::Arena, "conversation_a, conversation_b, winner"),
    ("oasst", DatasetFormat::Oasst, "conversation trees with ranked replies"),
    ("scored", DatasetFormat::Scored, "a prompt and answers with scores or ranks"),
    ("ranked", DatasetFormat::Ranked, "a prompt and answers, the best first"),
    ("columns", DatasetFormat::Columns, "any other, by data.columns"),
    ("pocket", DatasetFormat::Pocket, "the embedded set"),
];

/// Other names people know these layouts by.
pub(super) const ALIASES: [(&str, DatasetFormat); 2] =
    [("jsonl", DatasetFormat::Trl), ("openrlhf", DatasetFormat::Trl)];

impl DatasetFormat {
    /// Whether a pair without a preference is a mistake in files of this format. HH-RLHF itself
    /// contains some, and where pairs are made of ratings, ties are normal.
    pub(in crate::data) fn is_strict(self) -> bool {
        matches!(self, Self::Trl | Self::Pocket)
    }
}

impl fmt::Display for DatasetFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = FORMATS.iter().find(|(_, format, _)| format == self).map(|(name, ..)| *name);
        f.write_str(name.unwrap_or_default())
    }
}
