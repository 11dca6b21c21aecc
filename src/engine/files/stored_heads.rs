//! Stored heads against transformers: where they are read, and with which token types.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::checkpoint;
use super::weights::ModelFiles;
use crate::domain::spec::Tuning;
use crate::domain::text::conversation::TextForm;
use crate::engine::export::TrainedModel;
use crate::engine::fixture::fixture_dir;
use crate::engine::score::score_all;
use crate::engine::scoring::{Text, encode_texts, open_to_score, score_texts, use_settings};
use crate::engine::text::tokenize::RewardAt;
use crate::engine::{Backbone, OpenSettings, PairText};

/// `heads/heads.json` (`make_heads.py`).
#[derive(serde::Deserialize)]
struct Document {
    configs: BTreeMap<String, Map<String, Value>>,
    cases: Vec<Case>,
}

#[derive(serde::Deserialize)]
struct Case {
    weights: String,
    tokens: String,
    settings: Map<String, Value>,
    padding: Option<i64>,
    template: Option<String>,
    texts: Vec<[String; 2]>,
    rewards: Vec<f32>,
}

fn document() -> Document {
    let text = std::fs::read(fixture_dir("heads/heads.json")).unwrap();
    serde_json::from_slice(&text).unwrap()
}

impl Case {
    fn write(&self, dir: &Path, configs: &BTreeMap<String, Map<String, Value>>) {
        let mut config = configs[&self.weights].clone();
        config.insert("pad_token_id".into(), json!(self.padding));
        std::fs::write(dir.join("config.json"), json!(config).to_string()).unwrap();
        let tokens = fixture_dir("tokens").join(&self.tokens);
        std::fs::copy(tokens.join("tokenizer.json"), dir.join("tokenizer.json")).unwrap();
        let beside = std::fs::read(tokens.join("tokenizer_config.json")).unwrap();
        let mut beside: Map<String, Value> = serde_json::from_slice(&beside).unwrap();
        beside.extend(self.settings.clone());
        std::fs::write(dir.join("tokenizer_config.json"), json!(beside).to_string()).unwrap();
        let weights = fixture_dir("heads").join(&self.weights);
        std::fs::copy(weights, dir.join("model.safetensors")).unwrap();
        if let Some(template) = &self.template {
            std::fs::write(dir.join("chat_template.jinja"), template).unwrap();
        }
    }

    /// Prompt and answer as the program's own texts.
    fn texts(&self) -> Vec<[String; 2]> {
        let text = |[prompt, answer]: &[String; 2]| match &self.template {
            Some(_) => [format!("\n\nHuman: {prompt}\n\nAssistant:"), format!(" {answer}")],
            None => [prompt.clone(), answer.clone()],
        };
        self.texts.iter().map(text).collect()
    }
}

fn rewards(dir: &Path, texts: &[[String; 2]]) -> Vec<f32> {
    let backbone = Backbone::Directory(dir.to_owned());
    let mut model = open_to_score(&use_settings(&backbone, None).unwrap().open, None).unwrap();
    let texts: Vec<Text<'_>> = texts
        .iter()
        .map(|[prompt, response]| Text { form: &TextForm::Dialogue, prompt, response })
        .collect();
    let encoded = encode_texts(model.as_ref(), &texts).unwrap();
    score_texts(model.as_mut(), &encoded, 1000).unwrap()
}

fn assert_close(found: &[f32], expected: &[f32], at: &str) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() < 1e-4, "{at}: {found} {expected}");
    }
}

#[test]
fn rewards_are_those_of_transformers() {
    let Document { configs, cases } = document();
    for case in &cases {
        let dir = tempfile::tempdir().unwrap();
        case.write(dir.path(), &configs);
        let at =
            format!("{} {:?} {:?} {:?}", case.weights, case.padding, case.template, case.settings);
        assert_close(&rewards(dir.path(), &case.texts()), &case.rewards, &at);
    }
    assert!(cases.len() > 50);
}

/// A pair packs what both sides begin with once, and training reads where scoring does.
#[test]
fn sides_of_a_pair_and_a_trained_model_are_read_at_the_same_token() {
    let Document { configs, cases } = document();
    for case in cases.iter().filter(|case| case.padding == Some(1) || case.padding == Some(222)) {
        let dir = tempfile::tempdir().unwrap();
        case.write(dir.path(), &configs);
        for tuning in [Tuning::Full, Tuning::TopLayers(1), Tuning::Head] {
            let backbone = Backbone::Directory(dir.path().to_owned());
            let settings = OpenSettings { tuning, ..OpenSettings::new(backbone, 120, 0) };
            let mut model = crate::engine::open(&settings).unwrap();
            let [[prompt, a], [_, b], ..] = &case.texts()[..] else { panic!("two texts") };
            let pair = PairText::dialogue(prompt, a, b);
            let pair = model.encode(&[pair]).unwrap().remove(0);
            if model.info().family != "roberta" {
                assert!(pair.n_shared > 3, "{}", pair.n_shared);
            }
            let scored = score_all(model.as_mut(), &[&pair], 1000, &mut |_| {
                std::ops::ControlFlow::Continue(())
            });
            let scored = scored.unwrap().unwrap();
            // A cached trunk is rounded where it is cut.
            let tolerance = if settings.tuning == Tuning::Full { 1e-4 } else { 2e-2 };
            for (found, expected) in scored[0].iter().zip(&case.rewards) {
                assert!((found - expected).abs() < tolerance, "{found} {expected}");
            }
        }
    }
}

#[test]
fn an_export_is_read_at_the_same_token() {
    let Document { configs, cases } = document();
    for case in &cases {
        let (dir, place) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        case.write(dir.path(), &configs);
        let backbone = Backbone::Directory(dir.path().to_owned());
        let settings = OpenSettings { tuning: Tuning::Head, ..OpenSettings::new(backbone, 120, 0) };
        let model = crate::engine::open(&settings).unwrap();
        checkpoint::write_checkpoint(place.path(), "c", model.as_ref(), "{}").unwrap();
        let out = place.path().join("out");
        std::fs::create_dir(&out).unwrap();
        let model = TrainedModel::open(&settings, &place.path().join("c")).unwrap();
        model.write_model(&out).unwrap();
        let at = format!("{} {:?} {:?}", case.weights, case.padding, case.template);
        assert_close(&rewards(&out, &case.texts()), &case.rewards, &at);
        let [before, after] =
            [dir.path(), &out].map(|dir| ModelFiles::check(dir).unwrap().reward_at);
        // A plain text ends in the end token: any other padding reads it at the same place.
        if let (RewardAt::LastBut(_), Some(_)) = (before, &case.template) {
            assert_eq!(after, before, "{at}");
        }
    }
}

#[test]
fn a_padding_id_beyond_the_vocabulary_is_refused() {
    let Document { configs, mut cases } = document();
    let dir = tempfile::tempdir().unwrap();
    let case = &mut cases[0];
    case.padding = Some(332);
    case.write(dir.path(), &configs);
    let error = ModelFiles::check(dir.path()).unwrap_err().to_string();
    assert!(error.contains("`pad_token_id` `332`, expected `null` or a token id below 332"));
}
