//! Answers against the training pass, against transformers, and against themselves in other company.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::PathBuf;

use serde::Deserialize;

use super::LanguageModel;
use crate::domain::text::conversation::Message;
use crate::engine::config::{DecoderConfig, ModelConfig};
use crate::engine::cpu::tests::support::{config, fixture, settings};
use crate::engine::files::weights::read_tensors;
use crate::engine::fixture::shared_model;
use crate::engine::generation::sampling::{Filters, Sampling};
use crate::engine::generation::{
    AnswerPlace, Ending, Generated, GenerationSettings, Listener, Reply,
};
use crate::engine::text_model::{PromptText, Stops, TextModel, TextModelSettings};
use crate::engine::{Backbone, CausalLm, EngineError};

const FAMILIES: [&str; 5] = ["llama", "llama3", "mistral", "qwen2", "qwen3"];

/// A fixture's model; its output head, where it has one of its own, is random.
fn model(family: &str, n_threads: usize) -> LanguageModel {
    let ModelConfig::Decoder(config) = config(family) else { panic!("`{family}` is a decoder") };
    let mut model = LanguageModel::random(&config, 1, n_threads).unwrap();
    for (name, tensor) in read_tensors(&fixture(family).join("model.safetensors")).unwrap() {
        model.set(&name, &tensor.values);
    }
    if !config.tied_embeddings {
        let DecoderConfig { vocab_size, hidden_size, .. } = config;
        let head: Vec<f32> =
            (0..vocab_size * hidden_size).map(|i| (i as f32 * 0.37).sin() * 0.3).collect();
        model.set("lm_head.weight", &head);
    }
    model
}

fn prompt(n: usize, key: usize) -> Vec<u32> {
    (0..n).map(|i| ((i * i * 7 + i * 3 + key * 11) % 50) as u32).collect()
}

/// Prompts of lengths on both sides of a window and of a panel.
fn prompts() -> Vec<Vec<u32>> {
    [1, 3, 40, 7, 33].iter().enumerate().map(|(key, n)| prompt(*n, key)).collect()
}

fn generate(
    model: &mut LanguageModel,
    prompts: &[Vec<u32>],
    settings: &GenerationSettings,
) -> Vec<Generated> {
    let prompts: Vec<&[u32]> = prompts.iter().map(Vec::as_slice).collect();
    let mut answers: Vec<Generated> = Vec::new();
    model.generate(&prompts, settings, &mut answers).unwrap();
    answers.sort_by_key(|answer| answer.place);
    answers
}

#[test]
fn log_probabilities_are_those_of_the_training_pass() {
    for family in FAMILIES {
        let mut model = model(family, 2);
        let settings = GenerationSettings { n_answers: 3, ..GenerationSettings::new(14, 64, 9) };
        let prompts = prompts();
        let answers = generate(&mut model, &prompts, &settings);
        assert_eq!(answers.len(), 15);
        for answer in answers {
            let prompt = &prompts[answer.place.prompt];
            assert_eq!((answer.tokens.len(), answer.ending), (14, Ending::Length));
            let whole = [prompt.as_slice(), &answer.tokens].concat();
            let losses = model.row_losses(&[&whole]);
            for (loss, found) in losses[prompt.len() - 1..].iter().zip(&answer.log_probabilities) {
                let ratio = (f64::from(*found) + f64::from(*loss)).exp();
                assert!((ratio - 1.0).abs() < 1e-5, "{family} {:?}: {ratio}", answer.place);
            }
        }
    }
}

#[test]
fn a_step_of_training_changes_the_answers() {
    let mut model = model("llama", 1);
    let prompts = prompts();
    let settings_of = GenerationSettings::new(6, 64, 1);
    let before = generate(&mut model, &prompts, &settings_of);
    model.next_token_step(&prompts, &settings(0.05)).unwrap();
    let after = generate(&mut model, &prompts, &settings_of);
    assert_ne!(before[0].log_probabilities, after[0].log_probabilities);
    let whole = [prompts[0].as_slice(), &after[0].tokens].concat();
    let losses = model.row_losses(&[&whole]);
    assert!((losses[0] + after[0].log_probabilities[0]).abs() < 1e-5);
}

#[test]
fn neither_company_nor_threads_nor_memory_change_an_answer() {
    for family in ["llama", "qwen2"] {
        let filters = Filters { temperature: 0.9, top_k: 30, top_p: 0.97, min_p: 0.001 };
        let settings = GenerationSettings {
            sampling: Sampling::Drawn(filters),
            n_answers: 4,
            ends: vec![3, 17],
            ..GenerationSettings::new(20, 64, 3)
        };
        let prompts = prompts();
        let all = generate(&mut model(family, 1), &prompts, &settings);
        assert!(all.iter().any(|it| it.ending == Ending::EndToken), "some answers end early");
        let tight =
            GenerationSettings { n_at_a_time: 3, cache_bytes: 120 << 10, ..settings.clone() };
        assert!(generate(&mut model(family, 2), &prompts, &tight) == all);
        let mut alone = model(family, 3);
        for (i, prompt) in prompts.iter().enumerate() {
            let settings = GenerationSettings {
                first_prompt: i as u32,
                n_answers: 2,
                n_at_a_time: 1,
                ..settings.clone()
            };
            for answer in generate(&mut alone, std::slice::from_ref(prompt), &settings) {
                let of = AnswerPlace { prompt: i, answer: answer.place.answer };
                let other = all.iter().find(|it| it.place == of).unwrap();
                assert_eq!(answer.tokens, other.tokens);
                assert_eq!(answer.log_probabilities, other.log_probabilities);
            }
        }
    }
}

/// The value that a chi-square of so many degrees exceeds in one of a thousand samples (Wilson and
/// Hilferty 1931).
fn thousandth(degrees: f64) -> f64 {
    let a = 2.0 / (9.0 * degrees);
    degrees * (1.0 - a + 3.09 * a.sqrt()).powi(3)
}

#[test]
fn frequencies_are_those_of_the_distribution() {
    let mut model = model("llama3", 2);
    let prompt = prompt(9, 2);
    let of = |token: u32| [prompt.as_slice(), &[token]].concat();
    let sequences: Vec<Vec<u32>> = (0..50).map(of).collect();
    let references: Vec<&[u32]> = sequences.iter().map(Vec::as_slice).collect();
    let losses = model.row_losses(&references);
    let exact: Vec<f64> = (0..50).map(|i| (-f64::from(losses[i * 10 + 8])).exp()).collect();
    let mut ranked = exact.clone();
    ranked.sort_by(|a, b| b.total_cmp(a));
    let sharpened = |keep: usize, temperature: f64| -> Vec<f64> {
        let weight = |p: &f64| if *p >= ranked[keep - 1] { p.powf(1.0 / temperature) } else { 0.0 };
        let weights: Vec<f64> = exact.iter().map(weight).collect();
        let total: f64 = weights.iter().sum();
        weights.iter().map(|weight| weight / total).collect()
    };
    for (filters, expected) in [
        (Filters::default(), exact.clone()),
        (Filters { temperature: 0.6, ..Filters::default() }, sharpened(50, 0.6)),
        (Filters { temperature: 1.4, top_k: 12, ..Filters::default() }, sharpened(12, 1.4)),
    ] {
        let n = 20_000;
        let settings = GenerationSettings {
            sampling: Sampling::Drawn(filters),
            n_answers: n,
            ..GenerationSettings::new(1, 64, 7)
        };
        let mut counts = [0_u32; 50];
        for answer in generate(&mut model, std::slice::from_ref(&prompt), &settings) {
            counts[answer.tokens[0] as usize] += 1;
        }
        let (mut statistic, mut degrees, mut rest) = (0.0, -1.0, (0.0, 0.0));
        for (count, p) in counts.iter().zip(&expected) {
            let (count, mean) = (f64::from(*count), p * n as f64);
            if mean >= 5.0 {
                statistic += (count - mean).powi(2) / mean;
                degrees += 1.0;
            } else {
                rest = (rest.0 + count, rest.1 + mean);
            }
        }
        if rest.1 > 0.0 {
            statistic += (rest.0 - rest.1).powi(2) / rest.1.max(1.0);
            degrees += 1.0;
        }
        assert!(statistic < thousandth(degrees), "{filters:?}: {statistic} of {degrees}");
    }
}

/// Ends the second answer of every prompt after three tokens.
#[derive(Default)]
struct Impatient {
    answers: Vec<Generated>,
    n_left: usize,
}

impl Listener for Impatient {
    fn on_token(&mut self, place: AnswerPlace, tokens: &[u32]) -> Reply {
        self.n_left = self.n_left.saturating_sub(1);
        match (self.n_left, place.answer, tokens.len()) {
            (0, ..) => Reply::Cancel,
            (_, 1, 3) => Reply::EndAnswer,
            _ => Reply::GoOn,
        }
    }

    fn on_answer(&mut self, answer: Generated) {
        self.answers.push(answer);
    }
}

#[test]
fn answers_end_at_tokens_when_told_to_and_at_their_length() {
    let mut model = model("qwen3", 2);
    let prompt = prompt(5, 1);
    let greedy =
        GenerationSettings { sampling: Sampling::Greedy, ..GenerationSettings::new(8, 64, 1) };
    let first = generate(&mut model, std::slice::from_ref(&prompt), &greedy).remove(0);
    assert_eq!((first.tokens.len(), first.ending), (8, Ending::Length));
    let ends = vec![first.tokens[4], 49];
    let ended = GenerationSettings { ends, ..greedy.clone() };
    let answer = generate(&mut model, std::slice::from_ref(&prompt), &ended).remove(0);
    let n = first.tokens.iter().position(|token| *token == first.tokens[4]).unwrap() + 1;
    assert_eq!((answer.tokens, answer.ending), (first.tokens[..n].to_vec(), Ending::EndToken));
    let short = GenerationSettings { max_tokens: 8, ..greedy.clone() };
    assert_eq!(generate(&mut model, std::slice::from_ref(&prompt), &short)[0].tokens.len(), 3);

    let two = GenerationSettings { n_answers: 2, ..GenerationSettings::new(8, 64, 1) };
    let mut listener = Impatient { n_left: usize::MAX, ..Impatient::default() };
    model.generate(&[&prompt, &[4]], &two, &mut listener).unwrap();
    assert_eq!(listener.answers.len(), 4);
    for Generated { place, tokens, ending, .. } in &listener.answers {
        let expected = if place.answer == 1 { (3, Ending::Stop) } else { (8, Ending::Length) };
        assert_eq!((tokens.len(), *ending), expected);
    }
    let mut listener = Impatient { n_left: 6, ..Impatient::default() };
    model.generate(&[&prompt, &[4]], &two, &mut listener).unwrap();
    assert!(listener.answers.is_empty(), "canceled");
}

#[test]
fn what_cannot_be_answered_is_refused() {
    let mut model = model("llama", 1);
    let mut refusal = |prompt: &[u32], settings: &GenerationSettings| {
        model.generate(&[&[1], prompt], settings, &mut Vec::new()).unwrap_err()
    };
    let settings = GenerationSettings::new(4, 16, 1);
    assert!(matches!(refusal(&[], &settings), EngineError::EmptyPrompt));
    let error = refusal(&[1; 16], &settings);
    assert!(matches!(error, EngineError::PromptTooLong { n_tokens: 16, limit: 16 }), "{error}");
    let error = refusal(&[50], &settings);
    assert!(matches!(error, EngineError::NoSuchToken { token: 50, n_rows: 50 }), "{error}");
    let small = GenerationSettings { cache_bytes: 1024, ..settings.clone() };
    assert!(matches!(refusal(&[1], &small), EngineError::CacheTooSmall { limit: 1024, .. }));
    let filters = Filters { temperature: 0.0, ..Filters::default() };
    let cold = GenerationSettings { sampling: Sampling::Drawn(filters), ..settings };
    let error = refusal(&[1], &cold);
    assert_eq!(error.to_string(), "`temperature` is `0`, expected a number above 0");
}

/// What transformers answers (`make_generation.py`).
#[derive(Deserialize)]
struct Greedy {
    prompt: serde_json::Value,
    ids: Vec<u32>,
    tokens: Vec<u32>,
    text: String,
}

#[derive(Deserialize)]
struct Fixture {
    greedy: BTreeMap<String, Vec<Greedy>>,
}

/// The folder of SmolLM2-135M-Instruct, which `SER_SMOLLM2` names.
fn smollm2() -> Option<PathBuf> {
    match std::env::var_os("SER_SMOLLM2") {
        Some(dir) => Some(PathBuf::from(dir)),
        None => {
            writeln!(std::io::stderr(), "skipped: `SER_SMOLLM2` names no folder").unwrap();
            None
        }
    }
}

#[test]
fn greedy_texts_are_those_of_transformers() {
    let text = std::fs::read_to_string(fixture("generation.json")).unwrap();
    let fixture: Fixture = serde_json::from_str(&text).unwrap();
    let dirs =
        [("stories260K", shared_model("stories260K/hf")), ("SmolLM2-135M-Instruct", smollm2())];
    for (name, dir) in dirs {
        let Some(dir) = dir else { continue };
        let mut model = TextModel::open(&TextModelSettings::new(Backbone::Directory(dir))).unwrap();
        let cases = &fixture.greedy[name];
        assert_eq!(cases.len(), 20);
        let prompts: Vec<Vec<u32>> = cases
            .iter()
            .map(|case| match &case.prompt {
                serde_json::Value::String(text) => model.texts.encode(PromptText::Text(text)),
                messages => {
                    let text = |it: &serde_json::Value| it.as_str().unwrap().to_owned();
                    let message = |it: &serde_json::Value| {
                        Message::new(&text(&it["role"]), &text(&it["content"]))
                    };
                    let messages: Vec<Message> =
                        messages.as_array().unwrap().iter().map(message).collect();
                    let (globals, flat) = ("", "");
                    model.texts.encode(PromptText::Chat { messages: &messages, globals, flat })
                }
            })
            .collect::<Result<_, _>>()
            .unwrap();
        let settings = GenerationSettings {
            sampling: Sampling::Greedy,
            ends: model.defaults.ends.clone(),
            ..GenerationSettings::new(64, model.texts.max_tokens(), 1)
        };
        let references: Vec<&[u32]> = prompts.iter().map(Vec::as_slice).collect();
        let mut answers: Vec<Generated> = Vec::new();
        model.model.generate(&references, &settings, &mut answers).unwrap();
        answers.sort_by_key(|answer| answer.place);
        for ((case, prompt), answer) in cases.iter().zip(&prompts).zip(&answers) {
            assert_eq!(*prompt, case.ids, "{name} {}", case.prompt);
            assert_eq!(answer.tokens, case.tokens, "{name} {}", case.prompt);
            let text = model.texts.answer(answer, &Stops::default()).unwrap();
            assert_eq!(text, case.text, "{name} {}", case.prompt);
        }
    }
}
