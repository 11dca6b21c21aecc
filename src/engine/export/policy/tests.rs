//! A policy that is written answers as it did.

use std::ops::Range;
use std::path::PathBuf;

use serde_json::Value;

use super::*;
use crate::domain::spec::{LoraSpec, LoraTarget};
use crate::domain::text::conversation::{Message, USER_ROLE};
use crate::engine::files::checkpoint::write_checkpoint;
use crate::engine::fixture::{
    bert_dir, llama_config, llama_dir, llama_tokenizer, random_tensors, write_model, write_weights,
};
use crate::engine::generation::sampling::Sampling;
use crate::engine::generation::{Generated, GenerationSettings};
use crate::engine::policy::{AnswerScores, AnswerSlopes, AnswersTo};
use crate::engine::text_model::{PromptText, TextModel, TextModelSettings};
use crate::engine::{RewardModel, StepSettings};

fn lora() -> Tuning {
    let targets = vec![LoraTarget::Query, LoraTarget::Output, LoraTarget::Down];
    Tuning::Lora(LoraSpec { rank: 2, alpha: 8.0, dropout: 0.0, targets })
}

fn settings(backbone: Backbone, tuning: Tuning) -> OpenSettings {
    OpenSettings { n_threads: 1, tuning, ..OpenSettings::new(backbone, 32, 3) }
}

/// Makes the answers likelier, and the values larger.
fn slopes(_: Range<usize>, scores: &[AnswerScores]) -> (f64, Vec<AnswerSlopes>) {
    let of = |score: &AnswerScores| AnswerSlopes {
        log_probs: vec![-1.0; score.log_probs.len()],
        values: vec![-1.0; score.values.len()],
    };
    (0.0, scores.iter().map(of).collect())
}

/// A policy after some steps, and its checkpoint below `parent`.
fn trained(settings: &OpenSettings, parent: &Path) -> (Box<dyn Policy>, PathBuf) {
    let mut policy = open_policy(settings).unwrap().unwrap();
    let step = StepSettings {
        loss: crate::domain::spec::Loss::BradleyTerry,
        learning_rate: 2e-2,
        weight_decay: 0.0,
        clip_norm: 1.0,
        dropout: 0.0,
        dropout_key: 0,
    };
    let prompts = [AnswersTo { prompt: &[1, 4, 5], answers: vec![&[6, 7, 8, 2], &[9, 9]] }];
    for _ in 0..4 {
        policy.train_step(&prompts, &mut slopes, &step).unwrap();
    }
    let policy: Box<dyn Policy> = policy;
    write_checkpoint(parent, "c", policy.as_ref(), "{}").unwrap();
    (policy, parent.join("c"))
}

fn greedy() -> GenerationSettings {
    GenerationSettings { sampling: Sampling::Greedy, ..GenerationSettings::new(12, 32, 0) }
}

fn opened(dir: &Path) -> TextModel {
    let settings = TextModelSettings::new(Backbone::Directory(dir.to_owned()));
    TextModel::open(&TextModelSettings { n_threads: 1, ..settings }).unwrap()
}

/// Largest difference between the log-probabilities of equal answers.
fn difference(policy: &mut dyn Policy, model: &mut TextModel, prompt: &[u32]) -> f32 {
    let (mut here, mut there): (Vec<Generated>, Vec<Generated>) = (Vec::new(), Vec::new());
    policy.generate(&[prompt], &greedy(), &mut here).unwrap();
    model.model.generate(&[prompt], &greedy(), &mut there).unwrap();
    assert_eq!(here[0].tokens, there[0].tokens);
    let pairs = here[0].log_probabilities.iter().zip(&there[0].log_probabilities);
    pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// The tiny decoder with an output head of its own.
fn untied_dir() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let mut config = llama_config();
    config["tie_word_embeddings"] = false.into();
    write_model(dir.path(), &config, &llama_tokenizer(), "model.");
    let mut tensors = random_tensors(&config, "model.");
    let (_, shape, table) = tensors[0].clone();
    let head = table.iter().rev().copied().collect();
    tensors.push(("lm_head.weight".to_owned(), shape, head));
    write_weights(dir.path(), &tensors);
    dir
}

#[test]
fn every_tuning_of_tied_and_untied_heads_comes_back_whole() {
    for base in [llama_dir(), untied_dir()] {
        for tuning in [Tuning::Full, Tuning::TopLayers(1), lora()] {
            let place = tempfile::tempdir().unwrap();
            let settings = settings(Backbone::Directory(base.path().to_owned()), tuning.clone());
            let (mut policy, checkpoint) = trained(&settings, place.path());
            let out = place.path().join("out");
            std::fs::create_dir(&out).unwrap();
            let done = export_policy(&settings, &checkpoint, &out, PolicyForm::Model).unwrap();
            assert_eq!(
                (done.class, done.ends.as_slice()),
                ("LlamaForCausalLM", &["</s>".into()][..])
            );
            let worst = difference(policy.as_mut(), &mut opened(&out), &[1, 4, 5]);
            assert!(worst < 1e-5, "{tuning:?}: {worst}");
            let mut before = opened(base.path());
            let mut first: Vec<Generated> = Vec::new();
            before.model.generate(&[&[1, 4, 5]], &greedy(), &mut first).unwrap();
            let mut now: Vec<Generated> = Vec::new();
            policy.generate(&[&[1, 4, 5]], &greedy(), &mut now).unwrap();
            assert_ne!(first[0].log_probabilities, now[0].log_probabilities, "it was trained");
            assert!(!ModelFiles::check(&out).unwrap().has_reward_head, "no value head");
            let config = json(&out.join("config.json"));
            assert_eq!(
                config["tie_word_embeddings"],
                json(&base.path().join("config.json"))["tie_word_embeddings"]
            );
            assert!(config.get("id2label").is_none());
            let generation = json(&out.join("generation_config.json"));
            assert_eq!(
                (&generation["eos_token_id"], &generation["pad_token_id"]),
                (&2.into(), &2.into())
            );
            if tuning != lora() {
                continue;
            }
            let out = place.path().join("adapter");
            std::fs::create_dir(&out).unwrap();
            let form = PolicyForm::Adapter { place: &out };
            export_policy(&settings, &checkpoint, &out, form).unwrap();
            let worst = difference(policy.as_mut(), &mut opened(&out), &[1, 4, 5]);
            assert!(worst < 1e-5, "adapter: {worst}");
            let keys = json(&out.join("adapter_config.json"));
            assert_eq!(
                (&keys["task_type"], &keys["modules_to_save"]),
                (&"CAUSAL_LM".into(), &Value::Null)
            );
            assert!(!out.join("config.json").exists());
        }
    }
}

#[test]
fn the_embedded_policy_answers_in_texts_as_before() {
    let place = tempfile::tempdir().unwrap();
    let settings = settings(Backbone::Embedded, lora());
    let (_, checkpoint) = trained(&settings, place.path());
    for form in ["model", "adapter"] {
        let out = place.path().join(form);
        std::fs::create_dir(&out).unwrap();
        let of = match form {
            "model" => PolicyForm::Model,
            _ => PolicyForm::Adapter { place: &out },
        };
        export_policy(&settings, &checkpoint, &out, of).unwrap();
        let there = opened(&out);
        let here = TextModel::open(&TextModelSettings::new(Backbone::Embedded)).unwrap();
        let messages = [Message::new(USER_ROLE, "Name a fruit.")];
        let chat = PromptText::Chat { messages: &messages, globals: "", flat: "" };
        assert_eq!(there.texts.encode(chat).unwrap(), here.texts.encode(chat).unwrap());
        assert_eq!(there.defaults.ends, here.defaults.ends);
        assert!(there.texts.answers_with_a_space() && here.texts.answers_with_a_space(), "{form}");
    }
}

#[test]
fn sampling_and_ends_of_the_base_stay() {
    let (base, place) = (llama_dir(), tempfile::tempdir().unwrap());
    let text = r#"{"do_sample": true, "temperature": 0.7, "top_p": 0.8, "eos_token_id": [2, 5]}"#;
    std::fs::write(base.path().join("generation_config.json"), text).unwrap();
    let settings = settings(Backbone::Directory(base.path().to_owned()), Tuning::Full);
    let (_, checkpoint) = trained(&settings, place.path());
    let done = export_policy(&settings, &checkpoint, place.path(), PolicyForm::Model).unwrap();
    assert_eq!(done.ends.len(), 2);
    let [before, after] = [base.path(), place.path()].map(opened);
    assert_eq!(before.defaults.sampling, after.defaults.sampling);
    assert_eq!(before.defaults.ends, after.defaults.ends);
}

#[test]
fn what_is_no_policy_is_refused() {
    let (base, place) = (llama_dir(), tempfile::tempdir().unwrap());
    let backbone = Backbone::Directory(base.path().to_owned());
    let full = settings(backbone, Tuning::Full);
    let (_, checkpoint) = trained(&full, place.path());
    let form = PolicyForm::Adapter { place: place.path() };
    let error = export_policy(&full, &checkpoint, place.path(), form).unwrap_err();
    assert!(matches!(error, EngineError::NoAdapter), "{error}");
    let dir = bert_dir();
    let encoder = settings(Backbone::Directory(dir.path().to_owned()), Tuning::Full);
    let encoder = OpenSettings { max_tokens: 16, ..encoder };
    let error = export_policy(&encoder, &checkpoint, place.path(), PolicyForm::Model).unwrap_err();
    assert!(matches!(error, EngineError::CannotGenerate { .. }), "{error}");
    // A checkpoint of a reward model is another model's.
    let reward: Box<dyn RewardModel> =
        crate::engine::open(&settings(Backbone::Embedded, Tuning::Full)).unwrap();
    write_checkpoint(place.path(), "r", reward.as_ref(), "{}").unwrap();
    let error = export_policy(&full, &place.path().join("r"), place.path(), PolicyForm::Model);
    assert!(matches!(error.unwrap_err(), EngineError::BrokenCheckpoint { .. }));
}
