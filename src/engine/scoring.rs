//! Opening a finished reward model for use: it only scores, and texts are scored one by one.

use std::ops::ControlFlow;
use std::path::Path;

use serde_json::Value;

use super::files::checkpoint::read_checkpoint;
use super::files::peft::Adapter;
use super::files::source::Source;
use super::files::weights::ModelFiles;
use super::open::implementation;
use super::score::score_all;
use super::{
    Backbone, CacheSettings, EncodedPair, EngineError, OpenSettings, PairText, RewardModel,
    WrittenText,
};
use crate::domain::spec::Tuning;
use crate::domain::text::conversation::TextForm;

/// Sequences are cut to this length where neither the person nor the model's files give a limit; it
/// bounds the memory of a batch.
const MAX_TOKENS_DEFAULT: usize = 1024;

/// One prompt and one answer to it.
#[derive(Debug, Clone, Copy)]
pub struct Text<'a> {
    /// How a chat template reads the texts; the first answer is this one.
    pub form: &'a TextForm,
    /// Everything before the answer.
    pub prompt: &'a str,
    pub response: &'a str,
}

/// Token ids of one whole text, after truncation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodedText {
    /// Prompt and answer, special tokens included.
    pub tokens: Vec<u32>,
    /// Where the second segment starts (encoders only; else 0).
    pub answer_start: usize,
    /// Tokens that were cut off.
    pub n_tokens_cut: usize,
}

/// The settings to open a model for scoring, and whether its rewards mean anything.
#[derive(Debug, Clone, PartialEq)]
pub struct UseSettings {
    /// How to open it.
    pub open: OpenSettings,
    /// Whether its files hold a whole reward head; without one rewards mean nothing.
    pub has_reward_head: bool,
}

/// The settings to open the model of a directory, or the embedded one, for scoring. Everything but
/// the head is frozen, so that no memory goes to an optimizer. Texts are cut to `max_tokens`, else
/// to `model_max_length` of `tokenizer_config.json`, else to 1,024 tokens, and never beyond the
/// model's positions.
///
/// # Errors
/// As [`ModelFiles::open`].
pub fn use_settings(
    backbone: &Backbone,
    max_tokens: Option<usize>,
) -> Result<UseSettings, EngineError> {
    let (limit, has_reward_head) = match backbone {
        Backbone::Directory(dir) => {
            let summary = ModelFiles::check(dir)?;
            (summary.max_positions, summary.has_reward_head)
        }
        Backbone::Embedded | Backbone::Mock => {
            (ModelFiles::open(backbone, 16)?.config.max_positions(), false)
        }
    };
    let max_tokens = match max_tokens {
        Some(max_tokens) => max_tokens,
        None => usual_max_tokens(backbone)?.unwrap_or(MAX_TOKENS_DEFAULT).min(limit),
    };
    let open =
        OpenSettings { tuning: Tuning::Head, ..OpenSettings::new(backbone.clone(), max_tokens, 0) };
    Ok(UseSettings { open, has_reward_head })
}

/// Opens a model for scoring, with the weights of a checkpoint if one is given. A trunk that was
/// frozen in training is computed without the rounding that its cache needs, so that rewards equal
/// those of an exported model.
///
/// # Errors
/// As [`super::open()`] and [`read_checkpoint`].
pub fn open_to_score(
    settings: &OpenSettings,
    checkpoint: Option<&Path>,
) -> Result<Box<dyn RewardModel>, EngineError> {
    let trunk_cache = CacheSettings::default();
    let settings = OpenSettings { trunk_cache, ..settings.clone() };
    let mut model = implementation(&settings).open_to_score(&settings)?;
    if let Some(checkpoint) = checkpoint {
        read_checkpoint(checkpoint, model.as_mut())?;
    }
    Ok(model)
}

/// `model_max_length`; transformers writes a huge number where there is no limit.
fn usual_max_tokens(backbone: &Backbone) -> Result<Option<usize>, EngineError> {
    const FILE: &str = "tokenizer_config.json";
    let adapter = Adapter::of(backbone)?;
    let source = Source::of(backbone, adapter.as_ref());
    if !source.has(FILE) {
        return Ok(None);
    }
    let keys: Value = serde_json::from_slice(&source.read(FILE)?)
        .map_err(|error| EngineError::json(source.path(FILE), &error))?;
    let length = keys.get("model_max_length").and_then(Value::as_u64);
    Ok(length.filter(|length| (8..1 << 20).contains(length)).map(|length| length as usize))
}

/// Token ids of texts, in order. Each is cut by itself: oldest prompt tokens first.
///
/// # Errors
/// When the tokenizer refuses a text.
pub fn encode_texts(
    model: &dyn RewardModel,
    texts: &[Text<'_>],
) -> Result<Vec<EncodedText>, EngineError> {
    let doubled: Vec<TextForm> = texts.iter().map(|text| text.form.doubled(0)).collect();
    let pairs: Vec<PairText<'_>> = texts
        .iter()
        .zip(&doubled)
        .map(|(Text { prompt, response, .. }, form)| PairText {
            form,
            prompt,
            response_a: response,
            response_b: response,
        })
        .collect();
    Ok(model.encode(&pairs)?.into_iter().map(EncodedText::of_doubled).collect())
}

/// Token ids of texts that are written already, in order.
///
/// # Errors
/// When the tokenizer refuses a text.
pub fn encode_written(
    model: &dyn RewardModel,
    texts: &[WrittenText<'_>],
) -> Result<Vec<EncodedText>, EngineError> {
    Ok(model.encode_written(texts)?.into_iter().map(EncodedText::of_doubled).collect())
}

impl EncodedText {
    /// The text that stands on both sides of a pair.
    fn of_doubled(pair: EncodedPair) -> Self {
        Self {
            tokens: pair.tokens_a,
            answer_start: pair.answer_start[0],
            // Both sides are the same text, so both lost the same tokens of the answer.
            n_tokens_cut: pair.n_prompt_tokens_cut + pair.n_answer_tokens_cut / 2,
        }
    }
}

/// The reward of each text, in order, in batches of at most `token_budget` tokens.
///
/// # Errors
/// As [`RewardModel::score`].
pub fn score_texts(
    model: &mut dyn RewardModel,
    texts: &[EncodedText],
    token_budget: usize,
) -> Result<Vec<f32>, EngineError> {
    // The engine scores pairs, so two texts of similar length, which share nothing, form a pair.
    let mut order: Vec<usize> = (0..texts.len()).collect();
    order.sort_by_key(|&i| texts[i].tokens.len());
    let sides: Vec<&[usize]> = order.rchunks(2).collect();
    let pairs: Vec<EncodedPair> = sides.iter().map(|sides| side_by_side(texts, sides)).collect();
    let pairs: Vec<&EncodedPair> = pairs.iter().collect();
    let scored = score_all(model, &pairs, token_budget, &mut |_| ControlFlow::Continue(()))?;
    let mut rewards = vec![0.0; texts.len()];
    for (sides, scored) in sides.iter().zip(scored.unwrap_or_default()) {
        for (&i, reward) in sides.iter().zip(scored) {
            rewards[i] = reward;
        }
    }
    Ok(rewards)
}

/// One or two texts as a pair. Beside one that is left over stands its own first token, which costs
/// next to nothing.
fn side_by_side(texts: &[EncodedText], sides: &[usize]) -> EncodedPair {
    let first = &texts[sides[0]];
    let second = sides.get(1).map(|i| &texts[*i]);
    let tokens_b = second.map_or(&first.tokens[..first.tokens.len().min(1)], |text| &text.tokens);
    let start_b = second.map_or(first.answer_start.min(1), |text| text.answer_start);
    EncodedPair {
        tokens_a: first.tokens.clone(),
        tokens_b: tokens_b.to_vec(),
        answer_start: [first.answer_start, start_b],
        ..EncodedPair::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::fixture::{bert_dir, llama_dir};

    #[test]
    fn texts_get_the_rewards_they_have_in_pairs() {
        for dir in [llama_dir(), bert_dir()] {
            let backbone = Backbone::Directory(dir.path().to_owned());
            let settings = use_settings(&backbone, Some(12)).unwrap();
            assert!(!settings.has_reward_head);
            let mut model = open_to_score(&settings.open, None).unwrap();
            let responses = [" sat", " ran away", " on the mat", "", " the dog ran on the mat"];
            let prompt = "the cat";
            let texts =
                responses.map(|response| Text { form: &TextForm::Dialogue, prompt, response });
            let encoded = encode_texts(model.as_ref(), &texts).unwrap();
            let rewards = score_texts(model.as_mut(), &encoded, 9).unwrap();
            for (i, response) in responses.iter().enumerate() {
                let pair = PairText::dialogue(prompt, response, " dog");
                let pair = model.encode(&[pair]).unwrap().remove(0);
                let [expected, _] = model.score(&[&pair]).unwrap()[0];
                assert!((rewards[i] - expected).abs() < 1e-6, "{} {expected}", rewards[i]);
            }
            assert!(score_texts(model.as_mut(), &[], 9).unwrap().is_empty());
            let alone = encoded.iter().map(std::slice::from_ref);
            let alone: Vec<f32> =
                alone.map(|text| score_texts(model.as_mut(), text, 9).unwrap()[0]).collect();
            assert_eq!(alone, rewards, "company changes no bit");
        }
    }

    #[test]
    fn another_device_scores_alike() {
        use crate::domain::spec::Device;
        let embedded = Backbone::Embedded;
        let words = ["the dog ran", "mat", "on the mat the cat sat", "a", "away away away"];
        for backbone in [llama_dir(), bert_dir()]
            .iter()
            .map(|dir| Backbone::Directory(dir.path().to_owned()))
            .chain([embedded])
        {
            let here = use_settings(&backbone, Some(16)).unwrap().open;
            let there = OpenSettings { device: Device::CandleCpu, ..here.clone() };
            let texts: Vec<PairText<'_>> =
                words.iter().map(|it| PairText::dialogue("the cat", it, " sat")).collect();
            let [here, there] = [here, there].map(|settings| {
                let mut model = open_to_score(&settings, None).unwrap();
                let pairs = model.encode(&texts).unwrap();
                let pairs: Vec<&EncodedPair> = pairs.iter().collect();
                let go_on = &mut |_| ControlFlow::Continue(());
                score_all(model.as_mut(), &pairs, 20, go_on).unwrap().unwrap()
            });
            for (here, there) in here.iter().flatten().zip(there.iter().flatten()) {
                assert!((here - there).abs() < 1e-4, "{backbone}: {here} {there}");
            }
        }
    }

    #[test]
    fn a_text_loses_its_oldest_prompt_tokens() {
        let dir = llama_dir();
        let backbone = Backbone::Directory(dir.path().to_owned());
        let model = crate::engine::open(&use_settings(&backbone, Some(6)).unwrap().open).unwrap();
        let text =
            Text { form: &TextForm::Dialogue, prompt: "the cat the dog ran", response: " on mat" };
        let encoded = encode_texts(model.as_ref(), &[text]).unwrap().remove(0);
        assert_eq!((encoded.tokens.len(), encoded.n_tokens_cut), (6, 3));
    }

    #[test]
    fn the_files_say_how_long_a_text_may_be() {
        let dir = llama_dir();
        let backbone = Backbone::Directory(dir.path().to_owned());
        let max_tokens = |length: &str| {
            let keys = format!("{{\"model_max_length\": {length}}}");
            std::fs::write(dir.path().join("tokenizer_config.json"), keys).unwrap();
            use_settings(&backbone, None).unwrap().open.max_tokens
        };
        assert_eq!(max_tokens("24"), 24);
        assert_eq!(max_tokens("1000000000000000019884624838656"), 32, "the model's positions");
        assert_eq!(max_tokens("4096"), 32);
    }
}
