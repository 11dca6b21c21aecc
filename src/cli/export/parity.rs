//! Three pairs of the data with their rewards, for the model card: whoever loads the export can see
//! that it gives the same.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::cli::CliResult;
use crate::domain::preference::{PairId, PreferencePair};
use crate::domain::spec::Device;
use crate::domain::split::{SplitRule, split};
use crate::domain::text::conversation::{Message, TextForm};
use crate::engine::OpenSettings;
use crate::engine::export::{Exported, InputForm};
use crate::engine::scoring::{Text, encode_texts, open_to_score, score_texts};
use crate::scorer::trained::TrainedRound;
use crate::store::Store;

/// Pairs that are looked at.
const N_SEARCHED: usize = 200;
/// Pairs that are shown.
const N_SHOWN: usize = 3;
/// Characters of a text that is still shown whole.
const CHARS_MAX: usize = 1_000;
/// Tokens computed together.
const SCORE_TOKENS: usize = 8192;

/// A pair as the code of the card takes it, with the rewards of its two answers.
pub struct Example {
    /// A text or a list of messages, in JSON, which Python reads as its own.
    pub prompt: String,
    pub chosen: String,
    pub rejected: String,
    pub rewards: [f32; 2],
}

/// The shortest of the first test pairs that the model reads whole, with their rewards. There are none
/// where a pair cannot be written as the card's code takes it.
///
/// # Errors
/// When the model cannot be opened, or the data set cannot be read.
pub fn examples(
    store: &Store,
    found: &TrainedRound,
    exported: &Exported,
    has_template: bool,
) -> CliResult<Vec<Example>> {
    let mut pairs: Vec<(PreferencePair, [String; 3])> = test_pairs(store, found)?
        .into_iter()
        .filter_map(|pair| {
            let written = written(&pair, exported, has_template)?;
            Some((pair, written))
        })
        .collect();
    let n_chars = |pair: &PreferencePair| {
        [&pair.prompt, &pair.chosen, &pair.rejected]
            .map(|text| text.chars().count())
            .iter()
            .sum::<usize>()
    };
    // A fence within a text would end the code of the card.
    let has_fence = |pair: &PreferencePair| {
        [&pair.prompt, &pair.chosen, &pair.rejected].iter().any(|text| text.contains("```"))
    };
    pairs.retain(|(pair, _)| n_chars(pair) <= CHARS_MAX && !has_fence(pair));
    pairs.sort_by_key(|(pair, _)| n_chars(pair));
    pairs.truncate(N_SHOWN);
    if pairs.is_empty() {
        return Ok(Vec::new());
    }
    let settings = OpenSettings { device: Device::Cpu, ..OpenSettings::of_spec(&found.spec) };
    let mut model = open_to_score(&settings, Some(&found.checkpoint))?;
    let swapped: Vec<TextForm> = pairs.iter().map(|(pair, _)| pair.form.swapped()).collect();
    let texts: Vec<Text<'_>> = pairs
        .iter()
        .zip(&swapped)
        .flat_map(|((pair, _), swapped)| {
            let sides = [(&pair.form, &pair.chosen), (swapped, &pair.rejected)];
            sides.map(|(form, response)| Text { form, prompt: &pair.prompt, response })
        })
        .collect();
    let encoded = encode_texts(model.as_ref(), &texts)?;
    let is_whole: Vec<bool> = encoded.iter().map(|text| text.n_tokens_cut == 0).collect();
    let rewards = score_texts(model.as_mut(), &encoded, SCORE_TOKENS)?;
    let shown = pairs.into_iter().zip(rewards.chunks_exact(2)).zip(is_whole.chunks_exact(2));
    Ok(shown
        .filter(|(_, is_whole)| is_whole.iter().all(|it| *it))
        .map(|(((_, [prompt, chosen, rejected]), rewards), _)| Example {
            prompt,
            chosen,
            rejected,
            rewards: [rewards[0], rewards[1]],
        })
        .collect())
}

/// The first test pairs of a run.
fn test_pairs(store: &Store, found: &TrainedRound) -> CliResult<Vec<PreferencePair>> {
    let run = store.run(&found.run.id)?;
    let (dataset, ids) = match run.test_dataset {
        Some(test) => {
            let n = store.group_hashes(test)?.len();
            (test, (0..n as u32).map(PairId).take(N_SEARCHED).collect::<Vec<_>>())
        }
        None => {
            let groups = store.group_hashes(run.dataset)?;
            let rule = SplitRule::of_spec(&found.spec);
            let parts = split(&groups, None::<&BTreeSet<u64>>, &rule).unwrap_or_default();
            (run.dataset, parts.test.into_iter().take(N_SEARCHED).collect())
        }
    };
    Ok(store.preference_pairs(dataset, &ids)?)
}

/// Prompt and answers as the code of the card takes them; nothing where it could not.
fn written(pair: &PreferencePair, exported: &Exported, has_template: bool) -> Option<[String; 3]> {
    let PreferencePair { prompt, chosen, rejected, form, .. } = pair;
    let is_two = exported.text == InputForm::Two;
    if is_two && has_template {
        return None;
    }
    if !has_template {
        // A model of two texts reads a text without a prompt as one.
        let texts = [prompt, chosen, rejected].map(|text| Value::from(text.as_str()).to_string());
        return (!(is_two && *form == TextForm::Whole)).then_some(texts);
    }
    if !form.globals().is_empty() {
        return None;
    }
    let [asked, better] = form.parts(prompt, chosen, 0)?;
    let [_, worse] = form.parts(prompt, rejected, 1)?;
    let messages = |messages: &[Message]| -> Option<String> {
        let is_plain = |it: &Message| it.fields.is_empty() && it.is_text();
        let all: Vec<String> = messages.iter().map(Message::to_json).collect();
        messages.iter().all(is_plain).then(|| format!("[{}]", all.join(", ")))
    };
    Some([messages(&asked)?, messages(&better)?, messages(&worse)?])
}
