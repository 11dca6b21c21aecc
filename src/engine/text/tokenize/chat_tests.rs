//! Conversations: ids against transformers, and what is cut when they are too long.

use serde::Deserialize;
use serde_json::{Value, json};

use super::*;
use crate::engine::WrittenText;
use crate::engine::files::source::Source;
use crate::engine::fixture::{fixture_dir, llama_dir};

/// One tokenizer and template of `chat.json`.
#[derive(Deserialize)]
struct Case {
    dir: String,
    is_shared: bool,
    config: Value,
    choice: String,
    tokens: Value,
    answers: [String; 2],
    pairs: Vec<Stored>,
}

#[derive(Deserialize)]
struct Stored {
    prompt: String,
    sides: [Side; 2],
}

#[derive(Deserialize)]
struct Side {
    rendered: String,
    ids: Vec<u32>,
}

fn cases() -> Vec<Case> {
    let text = std::fs::read_to_string(fixture_dir("chat.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// The tokenizer of a case, where its files are.
fn open(case: &Case, max_tokens: usize) -> Option<PairTokenizer> {
    let dir = if case.is_shared {
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared")).join(&case.dir)
    } else {
        fixture_dir(&case.dir)
    };
    let Ok(bytes) = std::fs::read(dir.join("tokenizer.json")) else {
        println!("left out: no `{}`", dir.display());
        return None;
    };
    let config = serde_json::to_vec(&case.config).unwrap();
    let config = ModelConfig::parse(Path::new("config.json"), &config).unwrap();
    let beside = std::fs::read(dir.join("tokenizer_config.json")).unwrap_or_else(|_| b"{}".into());
    let beside = serde_json::from_slice(&beside).unwrap();
    let special = SpecialTokens::of(&[case.tokens.as_object().unwrap().clone(), beside]);
    let mut tokenizer = PairTokenizer::parse(&dir, &bytes, &special, &config, max_tokens).unwrap();
    let source = Source::Directory(&dir);
    let own = special.chat_templates.as_ref();
    let choice = match case.choice.as_str() {
        path if path.contains("/chat/") => {
            format!("{}/{path}", env!("CARGO_MANIFEST_DIR"))
        }
        name => name.to_owned(),
    };
    tokenizer.chat_template = ChatTemplate::resolve(&choice, &source, own, &special.all).unwrap();
    Some(tokenizer)
}

fn encode(tokenizer: &PairTokenizer, prompt: &str, answers: &[String; 2]) -> EncodedPair {
    let pair = PairText::dialogue(prompt, &answers[0], &answers[1]);
    tokenizer.encode(&[pair]).unwrap().remove(0)
}

/// Texts and ids of transformers' `apply_chat_template` (`make_chat.py`).
#[test]
fn conversations_are_those_of_transformers() {
    let mut n_checked = 0;
    for case in &cases() {
        let Some(tokenizer) = open(case, 4096) else { continue };
        let template = tokenizer.chat_template().unwrap();
        for stored in &case.pairs {
            let pair = encode(&tokenizer, &stored.prompt, &case.answers);
            let sides = [(&pair.tokens_a, 0), (&pair.tokens_b, 1)];
            for (ids, i) in sides {
                let at = format!("{} {} {:?}", case.dir, case.choice, stored.prompt);
                let turns =
                    crate::domain::text::dialogue::messages(&stored.prompt, &case.answers[i]);
                assert_eq!(template.render(&turns, "").unwrap(), stored.sides[i].rendered, "{at}");
                assert_eq!(*ids, stored.sides[i].ids, "{at}");
                n_checked += 1;
            }
            let is_encoder = pair.answer_start[0] > 0;
            let common = pair.tokens_a.iter().zip(&pair.tokens_b).take_while(|(a, b)| a == b);
            assert_eq!(pair.n_shared, if is_encoder { 0 } else { common.count() });
            assert!(!pair.is_truncated());
        }
    }
    assert!(n_checked >= 6 * 8, "the tiny tokenizers are always there: {n_checked}");
}

/// The token ids of a text that is written already.
fn written(tokenizer: &PairTokenizer, prompt: &str, answer: &str) -> Vec<u32> {
    let text = WrittenText { prompt, answer };
    tokenizer.encode_written(&[text]).unwrap().remove(0).tokens_a
}

/// What transformers' `apply_chat_template` writes, and what a policy makes of its prompt: its answer
/// ends at the end token, and everything after that is missing.
#[test]
fn a_text_that_a_template_wrote_is_read_as_its_conversation() {
    let mut n_checked = 0;
    for case in cases().iter().filter(|case| case.config["model_type"] != "bert") {
        let Some(tokenizer) = open(case, 4096) else { continue };
        let portable = tokenizer.portable_template().unwrap();
        for side in case.pairs.iter().flat_map(|stored| &stored.sides) {
            let at = format!("{} {} {:?}", case.dir, case.choice, side.rendered);
            assert_eq!(written(&tokenizer, "", &side.rendered), side.ids, "{at}");
            let half = side.rendered.char_indices().nth(side.rendered.chars().count() / 2);
            let (prompt, answer) = side.rendered.split_at(half.map_or(0, |(at, _)| at));
            assert_eq!(written(&tokenizer, prompt, answer), side.ids, "{at}");
            let as_generated = side.rendered.trim_end_matches('\n');
            assert_eq!(
                written(&tokenizer, prompt, &as_generated[prompt.len()..]),
                side.ids,
                "{at}"
            );
            // The special tokens that a portable template writes are text in a query.
            if portable != tokenizer.chat_template().unwrap().record().text {
                let tokens = |ids: &[u32]| -> String {
                    ids.iter().map(|id| tokenizer.token(*id).unwrap()).collect()
                };
                let end = tokenizer.end_token().unwrap();
                let whole = [&tokens(tokenizer.start()), side.rendered.as_str(), &end].concat();
                assert_eq!(written(&tokenizer, "", &whole), side.ids, "{at}");
            }
            n_checked += 1;
        }
    }
    assert!(n_checked >= 6 * 4, "{n_checked}");
}

#[test]
fn a_written_text_loses_its_oldest_tokens_and_keeps_its_end() {
    let case = cases().into_iter().find(|case| case.choice == "chatml").unwrap();
    let (whole, small) = (open(&case, 4096).unwrap(), open(&case, 40).unwrap());
    let prompt = "<|im_start|>user\nzero one two three four five six seven<|im_end|>\n<|im_start|>assistant\n";
    for answer in ["It is so.<|im_end|>", "It is so."] {
        let (all, kept) = (written(&whole, prompt, answer), written(&small, prompt, answer));
        assert!(all.len() > 40 && kept.len() == 40);
        assert_eq!(kept, all[all.len() - 40..]);
        assert_eq!(written(&small, "", &[prompt, answer].concat()), kept);
    }
    let long = "word ".repeat(80);
    let (all, kept) = (written(&whole, prompt, &long), written(&small, prompt, &long));
    assert_eq!(kept.len(), 40);
    let n_end = 2;
    assert_eq!(kept[40 - n_end..], all[all.len() - n_end..], "`<|im_end|>` and a line break");
    let n_prompt = whole.encode_text(prompt).unwrap().len();
    assert_eq!(kept[..20], all[n_prompt..n_prompt + 20], "the answer's beginning stays");
}

#[test]
fn an_encoder_reads_a_written_text_in_two_where_its_prompt_is_known() {
    for case in cases().iter().filter(|case| case.config["model_type"] == "bert") {
        let Some(mut tokenizer) = open(case, 4096) else { continue };
        tokenizer.chat_template = None;
        let two = encode(&tokenizer, "a question", &["an answer".into(), "an answer".into()]);
        assert_eq!(written(&tokenizer, "a question", "an answer"), two.tokens_a);
        let text = WrittenText { prompt: "", answer: "a question an answer" };
        let one = tokenizer.encode_written(&[text]).unwrap().remove(0);
        assert_eq!(one.answer_start[0], one.tokens_a.len());
        assert_eq!(one.tokens_a.len() + 1, two.tokens_a.len());
    }
}

#[test]
fn a_template_for_other_programs_writes_the_special_tokens_itself() {
    let dir = tempfile::tempdir().unwrap();
    let mut n_checked = 0;
    for case in cases().iter().filter(|case| case.config["model_type"] != "bert") {
        let Some(tokenizer) = open(case, 4096) else { continue };
        let path = dir.path().join("portable.jinja");
        std::fs::write(&path, tokenizer.portable_template().unwrap()).unwrap();
        let mut other = open(case, 4096).unwrap();
        let (source, tokens) = (
            Source::Directory(dir.path()),
            SpecialTokens::of(&[case.tokens.as_object().unwrap().clone()]).all,
        );
        other.chat_template =
            ChatTemplate::resolve(path.to_str().unwrap(), &source, None, &tokens).unwrap();
        for stored in &case.pairs {
            let pair = encode(&other, &stored.prompt, &case.answers);
            let ids = [&stored.sides[0].ids, &stored.sides[1].ids];
            assert_eq!([&pair.tokens_a, &pair.tokens_b], ids, "{} {}", case.dir, case.choice);
            n_checked += 1;
        }
    }
    assert!(n_checked >= 6 * 4, "{n_checked}");
}

#[test]
fn a_long_conversation_loses_its_oldest_text_and_no_mark() {
    let case = cases().into_iter().find(|case| case.choice == "chatml").unwrap();
    let (whole, small) = (open(&case, 4096).unwrap(), open(&case, 90).unwrap());
    let prompt = "\n\nHuman: zero one two\n\nAssistant: three four\n\nHuman: five six seven eight nine \
                  ten eleven twelve\n\nAssistant:";
    let answers = ["It is so.".to_owned(), "It is not so, I am sorry.".to_owned()];
    let (long, cut) = (encode(&whole, prompt, &answers), encode(&small, prompt, &answers));
    assert!(long.tokens_b.len() > 90 && !long.is_truncated());
    assert!((80..=90).contains(&cut.tokens_b.len()), "{}", cut.tokens_b.len());
    assert!(cut.n_prompt_tokens_cut > 0 && cut.n_answer_tokens_cut == 0);
    // `<|im_start|>` is 1 and `<|im_end|>` is 2: a person's turn comes first, and each turn ends.
    for (ids, all) in [(&cut.tokens_a, &long.tokens_a), (&cut.tokens_b, &long.tokens_b)] {
        let count = |id| ids.iter().filter(|found| **found == id).count();
        assert_eq!((ids[0], count(1)), (1, count(2)));
        assert_eq!(ids[..5], all[..5], "`<|im_start|>user` and what follows it");
        let tail = ids.len() - 20;
        assert_eq!(ids[tail..], all[all.len() - 20..]);
    }
    let text = small.tokenizer.decode(&cut.tokens_b, false).unwrap();
    assert!(text.starts_with("<|im_start|>user\n") && text.contains("ten eleven twelve"), "{text}");
    assert!(
        text.ends_with("<|im_start|>assistant\nIt is not so, I am sorry.<|im_end|>\n"),
        "{text}"
    );
    assert_eq!(cut.tokens_a[..cut.n_shared], cut.tokens_b[..cut.n_shared]);
    assert!(cut.n_shared > 10);
}

#[test]
fn an_answer_that_is_too_long_alone_keeps_its_end_mark() {
    let case = cases().into_iter().find(|case| case.choice == "chatml").unwrap();
    let tokenizer = open(&case, 60).unwrap();
    let answers = ["word ".repeat(80), "short".to_owned()];
    let pair = encode(&tokenizer, "\n\nHuman: a question of some length\n\nAssistant:", &answers);
    assert!((50..=60).contains(&pair.tokens_a.len()), "{}", pair.tokens_a.len());
    let text = tokenizer.tokenizer.decode(&pair.tokens_a, false).unwrap();
    assert!(
        text.starts_with("<|im_start|>user\n<|im_end|>\n<|im_start|>assistant\nword"),
        "{text}"
    );
    assert!(text.ends_with("<|im_end|>\n"), "{text}");
    assert!(pair.n_answer_tokens_cut > 0 && pair.n_prompt_tokens_cut > 0);
    // Less room than the marks need: the limit holds all the same.
    let tiny = encode(&open(&case, 8).unwrap(), "q", &answers);
    assert_eq!((tiny.tokens_a.len(), tiny.tokens_b.len()), (8, 8));
}

#[test]
fn every_cut_fits_and_shares() {
    let case = cases().into_iter().find(|case| case.choice.contains("/chat/")).unwrap();
    for max_tokens in [24, 40, 64, 100, 160] {
        let tokenizer = open(&case, max_tokens).unwrap();
        for stored in &case.pairs {
            let pair = encode(&tokenizer, &stored.prompt, &case.answers);
            for (ids, i) in [(&pair.tokens_a, 0), (&pair.tokens_b, 1)] {
                assert!(!ids.is_empty() && ids.len() <= max_tokens);
                assert!(ids.len() == stored.sides[i].ids.len() || pair.is_truncated());
            }
            assert_eq!(pair.tokens_a[..pair.n_shared], pair.tokens_b[..pair.n_shared]);
        }
    }
}

#[test]
fn a_refused_conversation_names_its_pair() {
    let dir = llama_dir();
    let template = "{% if messages[0].role != 'user' %}{{ raise_exception('a person speaks first') }}\
                    {% endif %}{% for m in messages %}{{ m.content }}{% endfor %}";
    let config = json!({"chat_template": [{"name": "tools", "template": "x"},
                                          {"name": "default", "template": template}]});
    std::fs::write(dir.path().join("tokenizer_config.json"), config.to_string()).unwrap();
    let backbone = crate::engine::Backbone::Directory(dir.path().to_owned());
    let settings = crate::engine::OpenSettings::new(backbone, 16, 1);
    let found = chat_template(&settings).unwrap().unwrap().record();
    assert_eq!((found.name.as_str(), found.text.as_str()), ("own", template));
    let files = crate::engine::files::weights::ModelFiles::open_as(&settings).unwrap();
    let pair = |prompt| PairText::dialogue(prompt, "cat", "dog");
    let pairs = [pair("the"), pair("\n\nAssistant: the\n\nHuman: cat\n\nAssistant:")];
    let error = files.tokenizer.encode(&pairs).unwrap_err();
    assert!(error.to_string().contains("pair 1 of the batch"), "{error}");
    assert!(error.to_string().contains("a person speaks first"), "{error}");
}
