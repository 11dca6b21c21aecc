//! How transformers 5 reads a `tokenizer.json`, which depends on the tokenizer's class.
//!
//! `AutoTokenizer` reads the whole file only for the plain class. Classes with a name of their own take
//! vocabulary and merges from it and build the rest anew, from keys of `tokenizer_config.json` and
//! defaults in their code: `do_lower_case` of a `BertTokenizer` counts, whatever the file's normalizer
//! says. `add_bos_token` and `add_eos_token` count for no class once there is a `tokenizer.json`: its
//! post-processor decides. (Measured with transformers 5.24: `tests/fixtures/engine/make_classes.py`.)

use serde_json::{Map, Value, json};
use tokenizers::{AddedToken, Tokenizer};

use super::guarded::guarded;
use super::rebuilt::Parts;
use super::special_tokens::{SpecialTokens, splits_special_tokens};
use crate::engine::config::{DecoderFamily, EncoderFamily, ModelConfig};

/// The parts of a `tokenizer.json` that the class is chosen by.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
struct Outline {
    pre_tokenizer: Value,
    decoder: Value,
    model: Kind,
}

/// The kind of a vocabulary, read without the vocabulary itself, which may be large.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
struct Kind {
    #[serde(rename = "type")]
    name: String,
}

/// Classes of transformers 5.24 that build their tokenizers in ways of their own, which are not known
/// here; without the `Tokenizer` that ends each name.
const BUILT_OTHERWISE: [&str; 53] = [
    "Albert",
    "Bart",
    "Barthez",
    "BertGeneration",
    "BigBird",
    "Blenderbot",
    "BlenderbotSmall",
    "CLIP",
    "CTRL",
    "Camembert",
    "CodeGen",
    "CodeLlama",
    "Cohere",
    "ConvBert",
    "Cpm",
    "DPRQuestionEncoder",
    "Deberta",
    "FNet",
    "Funnel",
    "GPTNeoX",
    "GPTNeoXJapanese",
    "GPTSw3",
    "Gemma",
    "Herbert",
    "LED",
    "LayoutLMv2",
    "LayoutLMv3",
    "LayoutXLM",
    "Luke",
    "Lxmert",
    "M2M100",
    "MBart",
    "MBart50",
    "MPNet",
    "MarkupLM",
    "Mvp",
    "Nllb",
    "OpenAIGPT",
    "Parakeet",
    "Pegasus",
    "Qwen3_5",
    "Reformer",
    "RemBert",
    "RoFormer",
    "SeamlessM4T",
    "Siglip2",
    "Splinter",
    "SqueezeBert",
    "T5",
    "Udop",
    "Whisper",
    "XGLM",
    "XLNet",
];

/// A class of transformers 5 that loads a `tokenizer.json`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::EnumString, strum::IntoStaticStr)]
pub enum TokenizerClass {
    /// The file as it is: `TokenizersBackend`, once `PreTrainedTokenizerFast`.
    #[strum(serialize = "TokenizersBackend", serialize = "PreTrainedTokenizer")]
    Plain,
    /// A class name that this program does not know; it is read as the plain class.
    Unknown,
    #[strum(
        to_string = "BertTokenizer",
        serialize = "ElectraTokenizer",
        serialize = "LayoutLMTokenizer",
        serialize = "MobileBertTokenizer"
    )]
    Bert,
    #[strum(serialize = "DistilBertTokenizer")]
    DistilBert,
    #[strum(serialize = "RobertaTokenizer")]
    Roberta,
    #[strum(serialize = "XLMRobertaTokenizer")]
    XlmRoberta,
    #[strum(serialize = "DebertaV2Tokenizer")]
    DebertaV2,
    #[strum(serialize = "Qwen2Tokenizer")]
    Qwen2,
    #[strum(serialize = "LlamaTokenizer")]
    Llama,
    #[strum(serialize = "GPT2Tokenizer")]
    Gpt2,
}

impl TokenizerClass {
    /// The class that `AutoTokenizer` picks for a model: mostly the one that `tokenizer_class` names.
    fn of(config: &ModelConfig, named: Option<&str>, bytes: &[u8]) -> Self {
        let outline = || serde_json::from_slice::<Outline>(bytes).unwrap_or_default();
        let named = named.map(|name| name.strip_suffix("Fast").unwrap_or(name));
        match config {
            ModelConfig::Decoder(config) if config.family == DecoderFamily::Mistral => {
                return Self::Plain;
            }
            // The class of Qwen2, whatever its files name, since too many of them name a wrong one.
            ModelConfig::Decoder(config) if config.family == DecoderFamily::Qwen2 => {
                return Self::Qwen2;
            }
            _ => {}
        }
        match named {
            Some("LlamaTokenizer") if is_byte_level(&outline()) => Self::Plain,
            Some(name) => name.parse().unwrap_or(Self::Unknown),
            None => Self::of_family(config, outline),
        }
    }

    /// Where no class is named.
    fn of_family(config: &ModelConfig, outline: impl Fn() -> Outline) -> Self {
        match config {
            ModelConfig::Decoder(config) => match config.family {
                DecoderFamily::Llama | DecoderFamily::Mistral => Self::Plain,
                DecoderFamily::Qwen2 | DecoderFamily::Qwen3 => Self::Qwen2,
            },
            ModelConfig::Encoder(config) => match config.family {
                EncoderFamily::Bert | EncoderFamily::DistilBert => Self::Bert,
                EncoderFamily::DebertaV2 => Self::DebertaV2,
                EncoderFamily::Roberta if outline().model.name == "Unigram" => Self::XlmRoberta,
                EncoderFamily::Roberta => Self::Roberta,
            },
        }
    }

    /// Its name there; none for the plain one and the unknown.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        (!matches!(self, Self::Plain | Self::Unknown)).then(|| self.into())
    }

    /// Whether the class gives two texts different token types: as `model_input_names` says, else
    /// by a default of the class.
    pub(super) fn gives_token_types(self, special: &SpecialTokens) -> bool {
        match special.settings.get("model_input_names").and_then(Value::as_array) {
            Some(names) => names.iter().any(|name| name == "token_type_ids"),
            None => matches!(self, Self::Bert | Self::DebertaV2),
        }
    }

    /// The end token where the files name none.
    pub(super) fn end_token(self) -> Option<&'static str> {
        match self {
            Self::Qwen2 | Self::Gpt2 => Some("<|endoftext|>"),
            Self::Llama => Some("</s>"),
            _ => None,
        }
    }

    /// The kind of vocabulary it reads.
    fn model(self) -> Option<&'static str> {
        match self {
            Self::Plain | Self::Unknown => None,
            Self::Bert | Self::DistilBert => Some("WordPiece"),
            Self::Roberta | Self::Qwen2 | Self::Llama | Self::Gpt2 => Some("BPE"),
            Self::XlmRoberta | Self::DebertaV2 => Some("Unigram"),
        }
    }

    /// Replaces parts of the file by what the class builds.
    ///
    /// # Errors
    /// In words, when the file's vocabulary is not of the class's kind or lacks a special token.
    fn rebuild(self, tokenizer: &mut Value, special: &SpecialTokens) -> Result<(), String> {
        let (Some(name), Some(model)) = (self.name(), self.model()) else { return Ok(()) };
        if let Some(found) = tokenizer["model"]["type"].as_str().filter(|found| *found != model) {
            return Err(format!("its model is `{found}`, but `{name}` reads `{model}`"));
        }
        let parts = Parts { special, tokenizer };
        let rebuilt = match self {
            Self::Plain | Self::Unknown => return Ok(()),
            Self::Bert | Self::DistilBert => parts.bert()?,
            Self::Roberta => parts.roberta()?,
            Self::XlmRoberta => parts.xlm_roberta()?,
            Self::DebertaV2 => parts.deberta()?,
            Self::Qwen2 => parts.qwen2(),
            Self::Llama => parts.llama(),
            Self::Gpt2 => parts.gpt2(),
        };
        rebuilt.put_into(tokenizer);
        if special.settings.contains_key("added_tokens_decoder") {
            tokenizer["added_tokens"] = json!([]);
        }
        Ok(())
    }
}

/// Whether words are split into bytes, by the pre-tokenizer or the decoder.
fn is_byte_level(outline: &Outline) -> bool {
    let is_one = |part: &Value| {
        let listed = ["pretokenizers", "decoders"].map(|key| part[key].as_array());
        let all = listed.into_iter().flatten().flatten().chain([part]);
        all.into_iter().any(|part| part["type"] == "ByteLevel")
    };
    is_one(&outline.pre_tokenizer) || is_one(&outline.decoder)
}

/// Why a tokenizer cannot be loaded.
pub(super) enum Refusal {
    /// The file itself is damaged.
    Broken(String),
    /// The class that its files name cannot read it.
    Class(String),
    /// A key of `tokenizer_config.json` splits the token that a decoder's text has to end with.
    SplitEnd,
}

/// Loads the bytes of a `tokenizer.json` as transformers does.
pub(super) fn load(
    bytes: &[u8],
    special: &SpecialTokens,
    config: &ModelConfig,
) -> Result<(Tokenizer, TokenizerClass), Refusal> {
    let named = special.settings.get("tokenizer_class").and_then(Value::as_str);
    let class = TokenizerClass::of(config, named, bytes);
    let stem = named.map(|name| name.strip_suffix("Fast").unwrap_or(name));
    let stem = stem.and_then(|name| name.strip_suffix("Tokenizer"));
    if class == TokenizerClass::Unknown && stem.is_some_and(|it| BUILT_OTHERWISE.contains(&it)) {
        let name = named.unwrap_or_default();
        return Err(Refusal::Class(format!(
            "`tokenizer_class` is `{name}`, which transformers builds in a way that is not known here"
        )));
    }
    let parsed = |bytes: &[u8]| guarded(|| Tokenizer::from_bytes(bytes)).map_err(Refusal::Broken);
    let mut tokenizer = if class.name().is_some() {
        let said: Value =
            serde_json::from_slice(bytes).map_err(|error| Refusal::Broken(error.to_string()))?;
        let mut built = said.clone();
        class.rebuild(&mut built, special).map_err(Refusal::Class)?;
        // If nothing was replaced, the file is parsed as it is: writing and reading a large one
        // again is slow.
        if built == said { parsed(bytes)? } else { parsed(built.to_string().as_bytes())? }
    } else {
        parsed(bytes)?
    };
    add_tokens(&mut tokenizer, special).map_err(Refusal::Broken)?;
    Ok((tokenizer, class))
}

/// Tokens that `tokenizer_config.json` adds to those of `tokenizer.json`, or gives other properties,
/// in the order of transformers: `added_tokens_decoder` by id, the named ones (`pad_token`, …) and
/// `extra_special_tokens`. A named token that the vocabulary lacks is left out: no text has it.
///
/// # Errors
/// In words, when an entry is not a token.
fn add_tokens(tokenizer: &mut Tokenizer, special: &SpecialTokens) -> Result<(), String> {
    let listed = special.settings.get("added_tokens_decoder").and_then(Value::as_object);
    let mut listed: Vec<(u32, AddedToken)> = listed
        .into_iter()
        .flatten()
        .map(|(id, token)| {
            let no_token = || format!("`added_tokens_decoder` has `{id}`: {token}");
            Ok((id.parse().map_err(|_| no_token())?, added_token(token).ok_or_else(no_token)?))
        })
        .collect::<Result<_, String>>()?;
    listed.sort_by_key(|(id, _)| *id);
    let mut tokens: Vec<AddedToken> = listed.into_iter().map(|(_, token)| token).collect();
    let names = |tokens: &[AddedToken], token: &str| tokens.iter().any(|it| it.content == token);
    let known: Vec<AddedToken> = tokenizer.get_added_tokens_decoder().into_values().collect();
    for token in special.all.values() {
        if !names(&known, token) && !names(&tokens, token) && tokenizer.token_to_id(token).is_some()
        {
            tokens.push(AddedToken::from(token.as_str(), true));
        }
    }
    for token in extra_tokens(&special.settings) {
        if !names(&known, &token.content) && !names(&tokens, &token.content) {
            tokens.push(token);
        }
    }
    tokenizer.add_tokens(tokens).map_err(|error| error.to_string())?;
    tokenizer.set_encode_special_tokens(splits_special_tokens(special));
    Ok(())
}

/// `extra_special_tokens`, once `additional_special_tokens`.
fn extra_tokens(settings: &Map<String, Value>) -> Vec<AddedToken> {
    let list = |key: &str| settings.get(key).and_then(Value::as_array).filter(|it| !it.is_empty());
    let listed = list("extra_special_tokens").or_else(|| list("additional_special_tokens"));
    let token = |value: &Value| match value.as_str() {
        Some(content) => Some(AddedToken::from(content, true)),
        None => added_token(value).map(|token| token.special(true)),
    };
    listed.into_iter().flatten().filter_map(token).collect()
}

fn added_token(value: &Value) -> Option<AddedToken> {
    let flag = |key: &str| value.get(key).and_then(Value::as_bool);
    let special = flag("special").unwrap_or(false);
    let token = AddedToken::from(value.get("content")?.as_str()?, special)
        .single_word(flag("single_word").unwrap_or(false))
        .lstrip(flag("lstrip").unwrap_or(false))
        .rstrip(flag("rstrip").unwrap_or(false));
    Some(token.normalized(flag("normalized").unwrap_or(!special)))
}
