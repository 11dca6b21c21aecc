//! The parts that transformers' tokenizer classes build themselves instead of reading them from
//! `tokenizer.json`: their `__init__` (`models/*/tokenization_*.py`, 5.24) as the JSON of the same
//! parts.

use serde_json::{Map, Value, json};

use super::special_tokens::SpecialTokens;

/// The pattern by which Qwen2 splits words before byte pairs are merged.
const QWEN2_WORDS: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// What a class builds.
pub(super) struct Rebuilt {
    normalizer: Value,
    pre_tokenizer: Value,
    /// The post-processor; `None` keeps the one in the file.
    post_processor: Option<Value>,
    /// Keys of `model`.
    options: Map<String, Value>,
}

impl Rebuilt {
    /// Replaces the parts of the file.
    pub fn put_into(self, tokenizer: &mut Value) {
        tokenizer["normalizer"] = self.normalizer;
        tokenizer["pre_tokenizer"] = self.pre_tokenizer;
        if let Some(post_processor) = self.post_processor {
            tokenizer["post_processor"] = post_processor;
        }
        if let Some(model) = tokenizer["model"].as_object_mut() {
            model.extend(self.options);
        }
    }
}

/// What it builds from.
pub(super) struct Parts<'a> {
    pub special: &'a SpecialTokens,
    /// The whole `tokenizer.json`.
    pub tokenizer: &'a Value,
}

impl Parts<'_> {
    fn setting(&self, key: &str) -> Option<&Value> {
        self.special.settings.get(key).filter(|value| !value.is_null())
    }

    fn flag(&self, key: &str, default: bool) -> bool {
        self.setting(key).and_then(Value::as_bool).unwrap_or(default)
    }

    fn token(&self, key: &str, default: &str) -> String {
        self.special.all.get(key).cloned().unwrap_or_else(|| default.to_owned())
    }

    /// A special token of two texts, with its id.
    fn with_id(&self, key: &str, default: &str) -> Result<(String, u64), String> {
        let token = self.token(key, default);
        let id = self.id(&token).ok_or_else(|| format!("it has no `{token}` token"))?;
        Ok((token, id))
    }

    fn id(&self, token: &str) -> Option<u64> {
        let added = self.tokenizer["added_tokens"].as_array().into_iter().flatten();
        let added = added.filter(|it| it["content"] == token).find_map(|it| it["id"].as_u64());
        added.or_else(|| match &self.tokenizer["model"]["vocab"] {
            Value::Object(ids) => ids.get(token)?.as_u64(),
            Value::Array(pieces) => {
                pieces.iter().position(|piece| piece[0] == token).map(|id| id as u64)
            }
            _ => None,
        })
    }

    /// What `BertTokenizer` builds around the vocabulary.
    pub fn bert(&self) -> Result<Rebuilt, String> {
        Ok(Rebuilt {
            normalizer: json!({
                "type": "BertNormalizer", "clean_text": true,
                "handle_chinese_chars": self.flag("tokenize_chinese_chars", true),
                "strip_accents": self.setting("strip_accents"),
                "lowercase": self.flag("do_lower_case", true)
            }),
            pre_tokenizer: json!({"type": "BertPreTokenizer"}),
            post_processor: Some(self.classed(1)?),
            options: object(json!({
                "unk_token": self.token("unk_token", "[UNK]"),
                "continuing_subword_prefix": "##", "max_input_chars_per_word": 100
            })),
        })
    }

    /// What `RobertaTokenizer` builds around the vocabulary.
    pub fn roberta(&self) -> Result<Rebuilt, String> {
        let add_prefix_space = self.flag("add_prefix_space", false);
        let (separator, class) =
            (self.with_id("sep_token", "</s>")?, self.with_id("cls_token", "<s>")?);
        Ok(Rebuilt {
            normalizer: Value::Null,
            pre_tokenizer: byte_level(add_prefix_space, true),
            post_processor: Some(json!({
                "type": "RobertaProcessing", "sep": separator, "cls": class,
                "trim_offsets": self.flag("trim_offsets", true),
                "add_prefix_space": add_prefix_space
            })),
            options: byte_pairs(),
        })
    }

    /// What `XLMRobertaTokenizer` builds around the vocabulary.
    pub fn xlm_roberta(&self) -> Result<Rebuilt, String> {
        let (begin, end) = (self.with_id("bos_token", "<s>")?, self.with_id("eos_token", "</s>")?);
        let [first, last] = [&begin, &end].map(|(token, _)| special_piece(token, 0));
        let text = |which| text_piece(which, 0);
        let pair = json!([first, text("A"), last, last, text("B"), last]);
        let scheme = if self.flag("add_prefix_space", true) { "always" } else { "never" };
        let charsmap = precompiled(&self.tokenizer["normalizer"]).unwrap_or(Value::Null);
        Ok(Rebuilt {
            normalizer: charsmap,
            pre_tokenizer: json!({"type": "Sequence", "pretokenizers": [
                {"type": "WhitespaceSplit"}, metaspace(scheme, true)
            ]}),
            post_processor: Some(template(&json!([first, text("A"), last]), &pair, &[begin, end])),
            options: object(json!({"unk_id": 3, "byte_fallback": false})),
        })
    }

    /// What `DebertaV2Tokenizer` builds around the vocabulary.
    pub fn deberta(&self) -> Result<Rebuilt, String> {
        let mut normalizers = vec![
            json!({"type": "Replace", "pattern": {"Regex": r"\s{2,}|[\n\r\t]"}, "content": " "}),
            json!({"type": "NFC"}),
            json!({"type": "Strip", "strip_left": false, "strip_right": true}),
        ];
        if self.flag("do_lower_case", false) {
            normalizers.insert(0, json!({"type": "Lowercase"}));
        }
        let scheme = if self.flag("add_prefix_space", true) { "always" } else { "first" };
        let mut pre_tokenizers = vec![metaspace(scheme, true)];
        if self.flag("split_by_punct", false) {
            pre_tokenizers.insert(0, json!({"type": "Punctuation", "behavior": "Isolated"}));
        }
        let unknown = self.token("unk_token", "[UNK]");
        let pieces = self.tokenizer["model"]["vocab"].as_array();
        let unknown = pieces.and_then(|pieces| {
            let is_it = |piece: &Value| piece[0] == *unknown && piece[1].as_f64() == Some(0.0);
            pieces.iter().position(is_it)
        });
        let given = self.setting("unk_id").and_then(Value::as_u64);
        let unknown = unknown.map(|id| id as u64).or(given).unwrap_or(1);
        Ok(Rebuilt {
            normalizer: json!({"type": "Sequence", "normalizers": normalizers}),
            pre_tokenizer: json!({"type": "Sequence", "pretokenizers": pre_tokenizers}),
            post_processor: Some(self.classed(1)?),
            options: object(json!({"unk_id": unknown, "byte_fallback": false})),
        })
    }

    /// What `Qwen2Tokenizer` builds around the vocabulary.
    pub fn qwen2(&self) -> Rebuilt {
        let split = json!({
            "type": "Split", "pattern": {"Regex": QWEN2_WORDS}, "behavior": "Isolated",
            "invert": false
        });
        let bytes = byte_level(self.flag("add_prefix_space", false), false);
        Rebuilt {
            normalizer: json!({"type": "NFC"}),
            pre_tokenizer: json!({"type": "Sequence", "pretokenizers": [split, bytes]}),
            post_processor: None,
            options: byte_pairs(),
        }
    }

    /// What `LlamaTokenizer` builds around the vocabulary.
    pub fn llama(&self) -> Rebuilt {
        let scheme = match (self.flag("add_prefix_space", true), self.flag("legacy", false)) {
            (true, true) => "always",
            (true, false) => "first",
            (false, _) => "never",
        };
        Rebuilt {
            normalizer: Value::Null,
            pre_tokenizer: metaspace(scheme, false),
            post_processor: None,
            options: object(json!({"fuse_unk": true, "byte_fallback": true})),
        }
    }

    /// What `GPT2Tokenizer` builds around the vocabulary.
    pub fn gpt2(&self) -> Rebuilt {
        Rebuilt {
            normalizer: Value::Null,
            pre_tokenizer: byte_level(self.flag("add_prefix_space", false), true),
            post_processor: None,
            options: byte_pairs(),
        }
    }

    /// `[CLS] A [SEP] B [SEP]`, the second text and its end with the token type `second`.
    fn classed(&self, second: u32) -> Result<Value, String> {
        let (class, separator) =
            (self.with_id("cls_token", "[CLS]")?, self.with_id("sep_token", "[SEP]")?);
        let (first, last) = (special_piece(&class.0, 0), special_piece(&separator.0, 0));
        let single = json!([first, text_piece("A", 0), last]);
        let end = special_piece(&separator.0, second);
        let pair = json!([first, text_piece("A", 0), last, text_piece("B", second), end]);
        Ok(template(&single, &pair, &[class, separator]))
    }
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(keys) => keys,
        _ => Map::new(),
    }
}

fn byte_level(add_prefix_space: bool, use_regex: bool) -> Value {
    json!({
        "type": "ByteLevel", "add_prefix_space": add_prefix_space, "trim_offsets": true,
        "use_regex": use_regex
    })
}

fn metaspace(prepend_scheme: &str, split: bool) -> Value {
    json!({
        "type": "Metaspace", "replacement": "▁", "prepend_scheme": prepend_scheme, "split": split
    })
}

/// How the classes of byte-level pairs set up their model.
fn byte_pairs() -> Map<String, Value> {
    object(json!({
        "dropout": null, "unk_token": null, "continuing_subword_prefix": "",
        "end_of_word_suffix": "", "fuse_unk": false, "byte_fallback": false,
        "ignore_merges": false
    }))
}

fn special_piece(token: &str, kind: u32) -> Value {
    json!({"SpecialToken": {"id": token, "type_id": kind}})
}

fn text_piece(which: &str, kind: u32) -> Value {
    json!({"Sequence": {"id": which, "type_id": kind}})
}

fn template(single: &Value, pair: &Value, tokens: &[(String, u64)]) -> Value {
    let named = tokens
        .iter()
        .map(|(token, id)| (token.clone(), json!({"id": token, "ids": [id], "tokens": [token]})));
    let special_tokens: Map<String, Value> = named.collect();
    json!({
        "type": "TemplateProcessing", "single": single, "pair": pair,
        "special_tokens": special_tokens
    })
}

/// The first normalizer that is a table of SentencePiece.
fn precompiled(normalizer: &Value) -> Option<Value> {
    if normalizer["type"] == "Sequence" {
        return normalizer["normalizers"].as_array()?.iter().find_map(precompiled);
    }
    (normalizer["type"] == "Precompiled").then(|| normalizer.clone())
}
