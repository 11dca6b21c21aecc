//! Template, truncation and sharing, on tiny and on real tokenizers.

use serde_json::{Value, json};

use super::*;
use crate::engine::Backbone;
use crate::engine::config::EncoderConfig;
use crate::engine::files::weights::ModelFiles;
use crate::engine::fixture::{
    bert_dir, bert_tokenizer, fixture_dir, llama_config, llama_dir, llama_tokenizer, shared_model,
};

// Ids of the tiny decoder's words: the 3, cat 4, dog 5, sat 6, ran 7, on 8, mat 9, away 10;
// the tiny encoder's are one higher.

fn open(dir: &Path, max_tokens: usize) -> PairTokenizer {
    ModelFiles::open(&Backbone::Directory(dir.to_owned()), max_tokens).unwrap().tokenizer
}

fn encode(tokenizer: &PairTokenizer, prompt: &str, a: &str, b: &str) -> EncodedPair {
    let pair = PairText::dialogue(prompt, a, b);
    tokenizer.encode(&[pair]).unwrap().remove(0)
}

#[test]
fn a_decoder_reads_one_text_and_shares_its_prefix() {
    let tokenizer = open(llama_dir().path(), 16);
    let pair = encode(&tokenizer, "the cat", " sat on", " sat away");
    assert_eq!(pair.tokens_a, [1, 3, 4, 6, 8, 2]);
    assert_eq!(pair.tokens_b, [1, 3, 4, 6, 10, 2]);
    assert_eq!((pair.n_shared, pair.answer_start), (4, [0, 0]));
    assert!(!pair.is_truncated());
}

#[test]
fn each_side_keeps_a_token_of_its_own() {
    let tokenizer = open(llama_dir().path(), 16);
    let same = encode(&tokenizer, "the", " cat", " cat");
    assert_eq!((same.tokens_a.len(), same.n_shared), (4, 3));
    let nothing = encode(&tokenizer, "", "", "");
    assert_eq!((nothing.tokens_a.as_slice(), nothing.n_shared), ([1, 2].as_slice(), 1));
    let prefix = encode(&tokenizer, "the", "", " cat");
    assert_eq!((prefix.tokens_a.as_slice(), prefix.n_shared), ([1, 3, 2].as_slice(), 2));
}

#[test]
fn oldest_prompt_tokens_go_first_and_equally() {
    let tokenizer = open(llama_dir().path(), 6);
    let pair = encode(&tokenizer, "the cat sat on", " mat", " mat away");
    // 4 of prompt and 2 of the longer answer into 4 places between <s> and </s>.
    assert_eq!(pair.tokens_a, [1, 6, 8, 9, 2]);
    assert_eq!(pair.tokens_b, [1, 6, 8, 9, 10, 2]);
    assert_eq!((pair.n_shared, pair.n_prompt_tokens_cut, pair.n_answer_tokens_cut), (4, 2, 0));
}

#[test]
fn an_answer_that_is_too_long_alone_loses_its_end() {
    let tokenizer = open(llama_dir().path(), 5);
    let pair = encode(&tokenizer, "the cat", " sat on the mat away", " ran");
    assert_eq!(pair.tokens_a, [1, 6, 8, 3, 2]);
    assert_eq!(pair.tokens_b, [1, 7, 2]);
    assert_eq!((pair.n_shared, pair.n_prompt_tokens_cut, pair.n_answer_tokens_cut), (1, 2, 2));
    let both = encode(&tokenizer, "", "the cat sat on", "the the the the the");
    assert_eq!((both.tokens_a.len(), both.n_answer_tokens_cut), (5, 3));
}

#[test]
fn an_encoder_reads_two_segments() {
    let tokenizer = open(bert_dir().path(), 24);
    let pair = encode(&tokenizer, "the cat", "sat on", "ran");
    assert_eq!(pair.tokens_a, [2, 4, 5, 3, 7, 9, 3]);
    assert_eq!(pair.tokens_b, [2, 4, 5, 3, 8, 3]);
    assert_eq!((pair.answer_start, pair.n_shared), ([4, 4], 0));
    let empty = encode(&tokenizer, "", "", "cat");
    assert_eq!(empty.tokens_a, [2, 3, 3]);
    assert_eq!((empty.tokens_b.as_slice(), empty.answer_start), ([2, 3, 5, 3].as_slice(), [2, 2]));
    // The fixture's own settings would cut to 3 and pad to 16.
    assert_eq!(encode(&tokenizer, &"the ".repeat(17), "cat", "dog").tokens_a.len(), 21);
}

#[test]
fn an_encoder_follows_the_same_truncation_rule() {
    let tokenizer = open(bert_dir().path(), 7);
    let pair = encode(&tokenizer, "the cat dog", "sat on", "ran");
    assert_eq!(pair.tokens_a, [2, 5, 6, 3, 7, 9, 3]);
    assert_eq!(pair.tokens_b, [2, 5, 6, 3, 8, 3]);
    assert_eq!((pair.n_prompt_tokens_cut, pair.n_answer_tokens_cut), (1, 0));
    let pair = encode(&tokenizer, "the cat dog", "sat on the mat away away", "ran");
    assert_eq!(pair.tokens_a, [2, 3, 7, 9, 4, 10, 3]);
    assert_eq!(pair.answer_start, [2, 2]);
    assert_eq!((pair.n_prompt_tokens_cut, pair.n_answer_tokens_cut), (3, 2));
}

#[test]
fn special_tokens_come_from_the_files_that_say_so_but_once() {
    let parse = |tokenizer: &Value, special: &Value| {
        let config = llama_config().to_string();
        let config = ModelConfig::parse(Path::new("config.json"), config.as_bytes()).unwrap();
        let bytes = tokenizer.to_string();
        let special = SpecialTokens::of(&[special.as_object().unwrap().clone()]);
        PairTokenizer::parse(Path::new("tokenizer.json"), bytes.as_bytes(), &special, &config, 16)
    };
    let template = |tokenizer: &Value, special: &Value| parse(tokenizer, special).unwrap().template;
    let expected = |start: &[u32], end| Template::Decoder { start: start.to_vec(), end: vec![end] };
    let mut tokenizer = llama_tokenizer();
    let nothing = json!({});
    let asks = json!({"add_bos_token": true, "bos_token": {"content": "<s>", "lstrip": false}});
    for special in [&nothing, &asks, &json!({"add_bos_token": false, "bos_token": "<s>"})] {
        assert_eq!(template(&tokenizer, special), expected(&[1], 2));
    }
    // The post-processor alone decides, in transformers 5 too.
    tokenizer["post_processor"] = Value::Null;
    for special in [&nothing, &asks, &json!({"add_eos_token": true, "eos_token": "</s>"})] {
        assert_eq!(template(&tokenizer, special), expected(&[], 2));
    }
    assert_eq!(template(&tokenizer, &json!({"eos_token": "<unk>"})), expected(&[], 0));
    let error = parse(&tokenizer, &json!({"eos_token": "<eos>"})).unwrap_err().to_string();
    assert!(error.contains("it has no `<eos>` token"), "{error}");
    tokenizer["model"]["vocab"]["zebra"] = 11.into();
    let error = parse(&tokenizer, &nothing).unwrap_err().to_string();
    assert!(error.contains("largest token id is 11") && error.contains("11 embeddings"), "{error}");
}

#[test]
fn an_answer_that_ends_already_does_not_end_twice() {
    let tokenizer = open(llama_dir().path(), 16);
    let pair = encode(&tokenizer, "the cat", " sat </s>", " ran");
    assert_eq!(
        (pair.tokens_a.as_slice(), pair.tokens_b.as_slice()),
        ([1, 3, 4, 6, 2].as_slice(), [1, 3, 4, 7, 2].as_slice())
    );
    // The prompt's own end stays.
    let pair = encode(&tokenizer, "the </s>", "", " </s>");
    assert_eq!(
        (pair.tokens_a.as_slice(), pair.tokens_b.as_slice()),
        ([1, 3, 2, 2].as_slice(), [1, 3, 2, 2].as_slice())
    );
}

#[test]
fn an_encoder_without_a_post_processor_gets_the_tokens_of_its_class() {
    let mut tokenizer = bert_tokenizer();
    tokenizer["post_processor"] = Value::Null;
    let parse = |special: Value| {
        let config = ModelConfig::Encoder(EncoderConfig::default());
        let special = SpecialTokens::of(&[special.as_object().unwrap().clone()]);
        let bytes = tokenizer.to_string();
        PairTokenizer::parse(Path::new("tokenizer.json"), bytes.as_bytes(), &special, &config, 16)
    };
    let around = |separator: u32| Template::Encoder {
        start: vec![2],
        middle: vec![separator],
        end: vec![separator],
        has_types: true,
        alone: [vec![2], vec![separator]],
    };
    let expected = around(3);
    assert_eq!(parse(json!({})).unwrap().template, expected);
    let named = json!({"tokenizer_class": "BertTokenizerFast", "sep_token": "[PAD]"});
    assert_eq!(parse(named).unwrap().template, around(0));
    let error = parse(json!({"tokenizer_class": "PreTrainedTokenizerFast"})).unwrap_err();
    assert!(error.to_string().contains("no special tokens around two texts"), "{error}");
    let error = parse(json!({"tokenizer_class": "RobertaTokenizer"})).unwrap_err();
    assert!(
        error.to_string().contains("its model is `WordPiece`, but `RobertaTokenizer` reads `BPE`")
    );
    assert!(error.hint().unwrap().contains("`tokenizer_class`"));
    let error = parse(json!({"cls_token": "[START]"})).unwrap_err().to_string();
    assert!(error.contains("it has no `[START]` token"), "{error}");
}

/// Ids of transformers' own tokenizers (`make_tokens.py`), special tokens included.
#[test]
fn ids_are_those_of_transformers() {
    let text = std::fs::read_to_string(fixture_dir("tokens/ids.json")).unwrap();
    let cases: Vec<Case> = serde_json::from_str(&text).unwrap();
    let mut n_checked = 0;
    for case in &cases {
        let dir = if case.is_shared {
            Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared")).join(&case.dir)
        } else {
            fixture_dir(&case.dir)
        };
        let Ok(bytes) = std::fs::read(dir.join("tokenizer.json")) else { continue };
        let beside = std::fs::read(dir.join("tokenizer_config.json"));
        let beside: Vec<_> = beside.iter().map(|it| serde_json::from_slice(it).unwrap()).collect();
        let config = serde_json::to_vec(&case.config).unwrap();
        let config = ModelConfig::parse(Path::new("config.json"), &config).unwrap();
        let special = SpecialTokens::of(&beside);
        let tokenizer = PairTokenizer::parse(&dir, &bytes, &special, &config, 512).unwrap();
        for [prompt, answer, other] in &case.texts {
            let pair = encode(&tokenizer, prompt, answer, other);
            for (actual, text) in [(&pair.tokens_a, answer), (&pair.tokens_b, other)] {
                assert_eq!(*actual, case.ids[&format!("{prompt}|{text}")], "{} {text:?}", case.dir);
                n_checked += 1;
            }
        }
    }
    assert!(n_checked >= 4 * 8, "the tiny tokenizers are always there");
}

/// One tokenizer of `ids.json`.
#[derive(serde::Deserialize)]
struct Case {
    dir: String,
    is_shared: bool,
    config: Value,
    texts: Vec<[String; 3]>,
    ids: std::collections::BTreeMap<String, Vec<u32>>,
}

/// What transformers makes of a `tokenizer.json` by class and setting (`make_classes.py`).
#[test]
fn classes_and_settings_count_as_in_transformers() {
    let text = std::fs::read_to_string(fixture_dir("tokens/classes.json")).unwrap();
    let document: Classes = serde_json::from_str(&text).unwrap();
    for case in &document.cases {
        let dir = fixture_dir(&case.dir);
        let bytes = std::fs::read(dir.join("tokenizer.json")).unwrap();
        let beside = std::fs::read(dir.join("tokenizer_config.json")).unwrap();
        let mut beside: serde_json::Map<String, Value> = serde_json::from_slice(&beside).unwrap();
        beside.extend(case.settings.clone());
        let config = serde_json::to_vec(&case.config).unwrap();
        let config = ModelConfig::parse(Path::new("config.json"), &config).unwrap();
        let special = SpecialTokens::of(&[beside]);
        let parsed = PairTokenizer::parse(&dir, &bytes, &special, &config, 512);
        if config.is_causal() && case.settings.contains_key("split_special_tokens") {
            let refused = parsed.unwrap_err().to_string();
            assert!(refused.contains("`split_special_tokens`"), "{refused}");
            continue;
        }
        let tokenizer = parsed.unwrap();
        let at = format!("{} {} {:?}", case.dir, config.family(), case.settings);
        let class = tokenizer.class().name().unwrap_or("TokenizersBackend");
        assert_eq!(class, case.class_name, "{at}");
        let mut sides = case.sides.iter();
        for [prompt, answer, other] in &document.texts {
            let pair = encode(&tokenizer, prompt, answer, other);
            let ours =
                [(pair.tokens_a, pair.answer_start[0]), (pair.tokens_b, pair.answer_start[1])];
            for (ids, start) in ours {
                let side = sides.next().unwrap();
                assert_eq!(ids, side.ids, "{at}");
                let has_segments = !config.is_causal();
                let types: Vec<u32> = (0..ids.len()).map(|i| u32::from(i >= start)).collect();
                let theirs = side.types.clone().unwrap_or_else(|| vec![0; ids.len()]);
                assert!(
                    !has_segments || case.is_distilbert() || types == theirs,
                    "{at}: {types:?}"
                );
            }
        }
    }
    assert!(document.cases.len() > 50);
}

#[test]
fn a_class_that_is_built_otherwise_is_refused_and_a_name_of_ones_own_is_not() {
    let config = ModelConfig::Decoder(llama());
    let parse = |class: &str| {
        let keys = json!({"tokenizer_class": class});
        let special = SpecialTokens::of(&[keys.as_object().unwrap().clone()]);
        let bytes = llama_tokenizer().to_string();
        PairTokenizer::parse(Path::new("tokenizer.json"), bytes.as_bytes(), &special, &config, 16)
    };
    let error = parse("CodeLlamaTokenizerFast").unwrap_err();
    assert!(error.to_string().contains("`CodeLlamaTokenizerFast`"), "{error}");
    assert!(error.hint().is_some());
    assert!(parse("MyOwnTokenizer").is_ok() && parse("PreTrainedTokenizerFast").is_ok());
}

fn llama() -> crate::engine::config::DecoderConfig {
    let text = llama_config().to_string();
    match ModelConfig::parse(Path::new("config.json"), text.as_bytes()).unwrap() {
        ModelConfig::Decoder(config) => config,
        ModelConfig::Encoder(_) => panic!("a decoder"),
    }
}

/// `classes.json`.
#[derive(serde::Deserialize)]
struct Classes {
    texts: Vec<[String; 3]>,
    cases: Vec<ClassCase>,
}

#[derive(serde::Deserialize)]
struct ClassCase {
    dir: String,
    config: Value,
    settings: serde_json::Map<String, Value>,
    class_name: String,
    sides: Vec<ClassSide>,
}

impl ClassCase {
    /// Its model has no table of types, whatever the tokenizer gives.
    fn is_distilbert(&self) -> bool {
        self.config["model_type"] == "distilbert"
    }
}

#[derive(serde::Deserialize)]
struct ClassSide {
    ids: Vec<u32>,
    types: Option<Vec<u32>>,
}

#[test]
fn batches_keep_their_order() {
    let tokenizer = open(llama_dir().path(), 16);
    let prompts: Vec<String> = (0..200).map(|i| "the ".repeat(i % 7)).collect();
    let pairs: Vec<PairText<'_>> =
        prompts.iter().map(|prompt| PairText::dialogue(prompt, "cat", "dog")).collect();
    for (i, pair) in tokenizer.encode(&pairs).unwrap().iter().enumerate() {
        assert_eq!(pair.tokens_a.len(), 3 + i % 7);
    }
}

#[test]
fn the_rule_keeps_its_promises_at_every_size() {
    for n_prompt in 0..6 {
        for a in 0..6 {
            for b in 0..6 {
                for room in 1..8 {
                    let cut = fit(n_prompt, [a, b], room);
                    let kept = |n: usize, i: usize| n_prompt - cut.n_prompt + n - cut.n_answer[i];
                    let longest = kept(a, 0).max(kept(b, 1));
                    assert!(longest <= room);
                    assert_eq!(longest, room.min(n_prompt + a.max(b)), "nothing is wasted");
                    let keeps_prompt = cut.n_prompt < n_prompt;
                    assert!(!keeps_prompt || cut.n_answer == [0, 0]);
                }
            }
        }
    }
}

#[test]
fn real_tokenizers_count_bytes_and_share_prompts() {
    let prompt = "\n\nHuman: Où est le café — 猫は?\n\nAssistant:";
    let (a, b) = (" It is on the corner.", " I do not know, sorry.");
    if let Some(dir) = shared_model("stories260K/hf") {
        let tokenizer = open(&dir, 512);
        let pair = encode(&tokenizer, prompt, a, b);
        assert_eq!((pair.tokens_a[0], pair.tokens_a.last()), (1, Some(&2)));
        assert_eq!(pair.tokens_a.iter().filter(|&&id| id == 1).count(), 1);
        let alone = tokenizer.encode_text(prompt).unwrap();
        assert!(pair.n_shared + 2 >= alone.len(), "{} of {}", pair.n_shared, alone.len());
        let text = tokenizer.decode(&pair.tokens_b).unwrap();
        assert_eq!(text.trim_start(), format!("{prompt}{b}").trim_start());
        let cut = encode(&open(&dir, 40), prompt, a, b);
        assert_eq!(cut.tokens_a.len().max(cut.tokens_b.len()), 40);
        let n_cut = cut.n_prompt_tokens_cut;
        assert_eq!(cut.tokens_a[1..], pair.tokens_a[1 + n_cut..]);
        assert_eq!(cut.tokens_b[1..], pair.tokens_b[1 + n_cut..]);
    }
    if let Some(dir) = shared_model("all-MiniLM-L6-v2") {
        let pair = encode(&open(&dir, 256), prompt, a, b);
        let start = pair.answer_start[0];
        // "it is on the corner ." of bert-base-uncased.
        assert_eq!(pair.tokens_a[start..], [2009, 2003, 2006, 1996, 3420, 1012, 102]);
        assert_eq!((pair.tokens_a[0], pair.tokens_a[start - 1]), (101, 102));
    }
}

#[test]
fn a_whole_text_is_one_segment_of_an_encoder() {
    let dir = bert_dir();
    let backbone = Backbone::Directory(dir.path().to_owned());
    let files = ModelFiles::open(&backbone, 16).unwrap();
    let pair = |form| PairText { form, prompt: "the ", response_a: "cat", response_b: "dog sat" };
    let pairs = [pair(&TextForm::Whole), pair(&TextForm::Plain)];
    let [whole, two] = &files.tokenizer.encode(&pairs).unwrap()[..] else { panic!("two pairs") };
    // `[CLS]` is 2 and `[SEP]` is 3.
    let count = |tokens: &[u32]| tokens.iter().filter(|id| **id == 3).count();
    assert_eq!((count(&whole.tokens_a), count(&two.tokens_a)), (1, 2));
    assert_eq!((whole.tokens_a.len(), whole.tokens_b.len()), (4, 5));
    assert_eq!(whole.answer_start, [4, 5], "no token has type 1");
    assert!(two.answer_start[0] < two.tokens_a.len());
}
