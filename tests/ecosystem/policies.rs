//! Policies that were trained here, exported, and read by transformers and PEFT.

use std::ops::Range;
use std::path::{Path, PathBuf};

use ser::domain::spec::{LoraSpec, LoraTarget, Loss, Tuning};
use ser::domain::text::conversation::{Message, USER_ROLE};
use ser::engine::export::{PolicyForm, export_policy};
use ser::engine::files::checkpoint::write_checkpoint;
use ser::engine::generation::sampling::Sampling;
use ser::engine::generation::{Generated, GenerationSettings};
use ser::engine::open::open_policy;
use ser::engine::policy::{AnswerScores, AnswerSlopes, AnswersTo, Policy, Speaker};
use ser::engine::text_model::{PromptText, TextModel, TextModelSettings};
use ser::engine::{Backbone, OpenSettings, StepSettings};
use serde_json::{Value, json};

use super::{models, run_script};

const N_TOKENS: usize = 64;
/// Room for the longest prompt and its answer.
const N_POSITIONS: usize = 192;
const ASKED: [&str; 4] = [
    "Name a fruit.",
    "Finn has 4 bags with 9 balloons in each. How many balloons is that?",
    "Once upon a time, there was a little dog",
    "Why?",
];

/// Needs Python (`SER_PYTHON`, else `python3`) with torch, transformers and peft.
#[test]
#[ignore = "trains small policies and loads torch; a minute"]
fn transformers_and_peft_answer_as_the_policy_does() {
    let stories = models().join("stories260K/hf");
    if !stories.join("config.json").is_file() {
        println!("skipped: `{}` is not on this machine", stories.display());
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let cases = place.path().to_owned();
    let run = |step: &str| {
        let arguments =
            [("--step", step.into()), ("--cases", cases.clone()), ("--stories", stories.clone())];
        run_script("check_policies.py", &arguments)
    };
    // Bases of other families, some with an output head of their own.
    if !run("make") {
        return;
    }
    let mut bases = vec![
        ("embedded".to_owned(), Backbone::Embedded),
        ("stories".to_owned(), Backbone::Directory(stories.clone())),
    ];
    for entry in std::fs::read_dir(cases.join("bases")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        bases.push((name, Backbone::Directory(path)));
    }
    let mut list = Vec::new();
    for (name, backbone) in &bases {
        for (tuning_name, tuning) in tunings() {
            let name = format!("{name}-{tuning_name}");
            list.push(case(&cases, &name, backbone, tuning));
        }
    }
    std::fs::write(cases.join("cases.json"), json!(list).to_string()).unwrap();
    assert!(run("check"));
}

fn tunings() -> [(&'static str, Tuning); 3] {
    let targets = vec![LoraTarget::Query, LoraTarget::Value, LoraTarget::Gate, LoraTarget::Down];
    let lora = LoraSpec { rank: 4, alpha: 8.0, dropout: 0.0, targets };
    [("full", Tuning::Full), ("top", Tuning::TopLayers(2)), ("lora", Tuning::Lora(lora))]
}

/// Trains, exports, and says what the policy answers.
fn case(cases: &Path, name: &str, backbone: &Backbone, tuning: Tuning) -> Value {
    let text_settings =
        TextModelSettings { n_threads: 1, ..TextModelSettings::new(backbone.clone()) };
    let base = TextModel::open(&text_settings).unwrap();
    let prompts: Vec<Vec<u32>> = ASKED.iter().map(|asked| encoded(&base, asked)).collect();
    let is_lora = matches!(tuning, Tuning::Lora(_));
    let settings = OpenSettings {
        n_threads: 1,
        tuning,
        ..OpenSettings::new(backbone.clone(), N_POSITIONS, 5)
    };
    let mut policy = open_policy(&settings).unwrap().unwrap();
    train(policy.as_mut(), &prompts, if is_lora { 1e-2 } else { 3e-3 });
    let answers = answers(policy.as_mut(), &prompts, &base.defaults.ends);
    let of: Vec<AnswersTo<'_>> = prompts
        .iter()
        .zip(&answers)
        .map(|(prompt, answer)| AnswersTo { prompt, answers: vec![answer.tokens.as_slice()] })
        .collect();
    let scores = policy.scores(&of, Speaker::Policy).unwrap();
    let before = policy.scores(&of, Speaker::Reference).unwrap();

    write_checkpoint(&cases.join("checkpoints"), name, policy.as_ref(), "{}").unwrap();
    let checkpoint = cases.join("checkpoints").join(name);
    let [model, adapter] = ["model", "adapter"].map(|form| cases.join(name).join(form));
    let export = |dir: &PathBuf, form| {
        std::fs::create_dir_all(dir).unwrap();
        export_policy(&settings, &checkpoint, dir, form).unwrap();
        let backbone = Backbone::Directory(dir.clone());
        let settings = TextModelSettings { n_threads: 1, ..TextModelSettings::new(backbone) };
        let mut found = TextModel::open(&settings).unwrap();
        for (asked, prompt) in ASKED.iter().zip(&prompts) {
            assert_eq!(&encoded(&found, asked), prompt, "{name}");
        }
        let mut again: Vec<Generated> = Vec::new();
        let asked: Vec<&[u32]> = prompts.iter().map(Vec::as_slice).collect();
        let greedy = greedy(&found.defaults.ends);
        found.model.generate(&asked, &greedy, &mut again).unwrap();
        again.sort_by_key(|it| it.place);
        for (again, answer) in again.iter().zip(&answers) {
            assert_eq!(again.tokens, answer.tokens, "{name}: `ser` reads its own export");
        }
    };
    export(&model, PolicyForm::Model);
    if is_lora {
        export(&adapter, PolicyForm::Adapter { place: &adapter });
    }
    let answers: Vec<Value> = (0..ASKED.len())
        .map(|i| {
            json!({
                "asked": ASKED[i], "is_chat": base.texts.chat_template().is_some(),
                "prompt": prompts[i], "answer": answers[i].tokens,
                "log_probs": scores[i].log_probs, "entropies": scores[i].entropies,
                "before": before[i].log_probs,
            })
        })
        .collect();
    json!({
        "name": name, "model": model, "adapter": is_lora.then_some(adapter), "answers": answers,
        "ends": base.defaults.ends,
    })
}

fn encoded(model: &TextModel, asked: &str) -> Vec<u32> {
    let messages = [Message::new(USER_ROLE, asked)];
    let chat = PromptText::Chat { messages: &messages, globals: "", flat: asked };
    model.texts.encode(chat).unwrap()
}

fn greedy(ends: &[u32]) -> GenerationSettings {
    GenerationSettings {
        sampling: Sampling::Greedy,
        ends: ends.to_vec(),
        ..GenerationSettings::new(N_TOKENS, N_POSITIONS, 0)
    }
}

fn answers(policy: &mut dyn Policy, prompts: &[Vec<u32>], ends: &[u32]) -> Vec<Generated> {
    let asked: Vec<&[u32]> = prompts.iter().map(Vec::as_slice).collect();
    let mut answers: Vec<Generated> = Vec::new();
    policy.generate(&asked, &greedy(ends), &mut answers).unwrap();
    answers.sort_by_key(|it| it.place);
    answers
}

/// A few steps away from the backbone: some answers become likelier, others less likely.
fn train(policy: &mut dyn Policy, prompts: &[Vec<u32>], learning_rate: f32) {
    fn slopes(range: Range<usize>, scores: &[AnswerScores]) -> (f64, Vec<AnswerSlopes>) {
        let of = |(i, score): (usize, &AnswerScores)| AnswerSlopes {
            log_probs: vec![if i % 2 == 0 { -0.1 } else { 0.05 }; score.log_probs.len()],
            values: vec![-0.1; score.values.len()],
        };
        (0.0, range.zip(scores).map(of).collect())
    }
    let step = StepSettings {
        loss: Loss::BradleyTerry,
        learning_rate,
        weight_decay: 0.0,
        clip_norm: 1.0,
        dropout: 0.0,
        dropout_key: 0,
    };
    let words: Vec<Vec<u32>> =
        (0..4).map(|i| (0..12).map(|j| 20 + (37 * i + 11 * j) % 400).collect()).collect();
    let batch: Vec<AnswersTo<'_>> = prompts
        .iter()
        .zip(words.chunks(2).cycle())
        .map(|(prompt, words)| AnswersTo {
            prompt,
            answers: words.iter().map(Vec::as_slice).collect(),
        })
        .collect();
    for _ in 0..4 {
        policy.train_step(&batch, &mut slopes, &step).unwrap();
    }
}
