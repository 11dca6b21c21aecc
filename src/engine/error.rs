//! What can go wrong with a model.
//!
//! Every message is one lower-case sentence naming the file, the line where there is one, and the
//! offending value; [`EngineError::hint`] says what to do about it.

use std::path::{Path, PathBuf};

use crate::domain::spec::CHAT_TEMPLATES;
use crate::domain::text::words::bytes;

/// The values of `model_type` that [`ModelConfig::parse`](super::config::ModelConfig::parse) accepts.
const SUPPORTED: &str =
    "llama, mistral, qwen2, qwen3, bert, roberta, xlm-roberta, distilbert, deberta-v2";

/// Why a model cannot be opened, trained, scored with or saved.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// A loss, gradient or reward stopped being a number; nothing was changed by the step.
    #[error("{what} is not finite ({value})")]
    NonFinite {
        /// `loss`, `gradient norm`, `reward` or `log-probability`.
        what: &'static str,
        value: f32,
    },
    /// The run would need more memory than there is.
    #[error(
        "`{backbone}` needs {} of memory to train in micro-batches of {micro_batch_tokens} tokens, \
         but there is {}",
        bytes(*needed),
        bytes(*limit)
    )]
    TooLarge {
        backbone: String,
        /// Bytes that the plan takes.
        needed: u64,
        /// Bytes that there are.
        limit: u64,
        /// Packed tokens of a micro-batch.
        micro_batch_tokens: usize,
        /// A micro-batch that would fit.
        fitting: Option<usize>,
        /// Whether every parameter is trained.
        is_full: bool,
    },
    /// A file could not be read or written.
    #[error("cannot {action} `{}`", path.display())]
    Io {
        /// Such as `read` or `write`.
        action: &'static str,
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The directory lacks a file every model has.
    #[error("`{}` has no `{file}`", dir.display())]
    NotAModel {
        dir: PathBuf,
        file: &'static str,
        /// Weights in a format that runs code when loaded stand there instead.
        has_pickle: bool,
        /// A tokenizer stands there that is not `tokenizer.json`.
        has_sentencepiece: bool,
    },
    /// The reward head stands in a file of its own, as some trainers keep it.
    #[error("`{}` keeps its reward head in `{file}`, which is not read", dir.display())]
    HeadApart { dir: PathBuf, file: &'static str },
    /// A JSON file does not parse.
    #[error("`{}`, line {line}, column {column}: {detail}", path.display())]
    BrokenJson {
        path: PathBuf,
        /// Line, counted from 1.
        line: usize,
        /// Column, counted from 1.
        column: usize,
        /// What the parser said.
        detail: String,
    },
    /// `config.json` lacks a key.
    #[error("`{}` has no `{key}`", path.display())]
    MissingKey { path: PathBuf, key: &'static str },
    /// `config.json` holds a value this program cannot use.
    #[error("`{}` has `{key}` `{value}`, expected {expected}", path.display())]
    BadValue {
        path: PathBuf,
        key: &'static str,
        /// Its value, as JSON without quotes.
        value: String,
        /// What would be accepted.
        expected: String,
    },
    /// The architecture is not one of the supported ones.
    #[error("`{}` has `model_type` `{model_type}`, which is not supported", path.display())]
    UnsupportedArchitecture { path: PathBuf, model_type: String },
    /// A weights file ends before its header says it does.
    #[error("`{}` is cut short: expected {expected} bytes, found {found}", path.display())]
    CutShort {
        path: PathBuf,
        /// Bytes its header announces.
        expected: u64,
        /// Bytes that there are.
        found: u64,
    },
    /// A weights file is damaged or holds something other than floats.
    #[error("`{}` is not a usable weights file: {detail}", path.display())]
    BrokenTensors { path: PathBuf, detail: String },
    /// Tensors are missing, unexpected or have the wrong shape.
    #[error("`{}` does not fit `config.json`: {}", path.display(), problems.join("; "))]
    TensorMismatch {
        path: PathBuf,
        /// Every problem, one entry a tensor.
        problems: Vec<String>,
    },
    /// The classification head has another number of outputs than one.
    #[error("`{}` has `{name}` for {n_labels} labels; a reward model has one", path.display())]
    NotARewardHead { path: PathBuf, name: String, n_labels: usize },
    /// `tokenizer.json` does not load.
    #[error("`{}` is not a usable tokenizer: {detail}", path.display())]
    BrokenTokenizer { path: PathBuf, detail: String },
    /// The tokenizer has tokens that the model has no vectors for.
    #[error(
        "`{}` does not fit the model: its largest token id is {largest}, but the model has {n_rows} \
         embeddings",
        path.display()
    )]
    TooFewEmbeddings {
        path: PathBuf,
        largest: u32,
        /// Rows of the embedding table.
        n_rows: usize,
    },
    /// The tokenizer's class cannot read its `tokenizer.json`.
    #[error("`{}` is not what the tokenizer's class reads: {detail}", path.display())]
    WrongTokenizerClass {
        path: PathBuf,
        /// What does not fit.
        detail: String,
    },
    /// The tokenizer refused a text.
    #[error("cannot tokenize text {position} of the batch: {detail}")]
    Tokenize {
        /// Position of the text in the call, from 0.
        position: usize,
        /// What the tokenizer said.
        detail: String,
    },
    /// A chat template does not work.
    #[error("the chat template of `{}` does not work: {detail}", path.display())]
    BrokenChatTemplate {
        /// Which file, or the name it goes by.
        path: PathBuf,
        /// What is wrong, with the line.
        detail: String,
    },
    /// A model has several named chat templates, and no default one.
    #[error("`{}` has no chat template that is taken by default: {detail}", path.display())]
    NoDefaultChatTemplate {
        /// The model's folder, or the file.
        path: PathBuf,
        /// What there is instead.
        detail: String,
    },
    /// There is no chat template of that name.
    #[error("`model.chat_template` is `{name}`, which is no template and no file")]
    UnknownChatTemplate { name: String },
    /// The chat template refused a conversation.
    #[error("the chat template refuses pair {position} of the batch: {detail}")]
    ConversationRefused {
        /// Position of the pair in the call, from 0.
        position: usize,
        /// What it raised, with the line.
        detail: String,
    },
    /// An encoded pair does not fit the model.
    #[error("pair {position} of the batch has {detail}")]
    BadPair {
        /// Position of the pair in the call, from 0.
        position: usize,
        /// What is wrong with it.
        detail: String,
    },
    /// Prompts with answers do not fit the model.
    #[error("prompt {position} of the batch has {detail}")]
    BadAnswers {
        /// Position of the prompt in the call, from 0.
        position: usize,
        /// What is wrong with it or an answer to it.
        detail: String,
    },
    /// The device does not train language models on their answers.
    #[error("policies are trained on the cpu, not on `{device}`")]
    NoPolicyOn { device: &'static str },
    /// More tokens were asked for than the model has positions.
    #[error("`model.max_tokens` is {max_tokens}, but `{}` has {limit} positions", path.display())]
    TooManyTokens {
        /// The limit asked for.
        max_tokens: usize,
        /// Positions of the model.
        limit: usize,
        /// The file that says so.
        path: PathBuf,
    },
    /// Not even the special tokens and one token of text would fit.
    #[error("`model.max_tokens` is {max_tokens}, but this model needs at least {minimum}")]
    TooFewTokens {
        /// The limit asked for.
        max_tokens: usize,
        /// The smallest that works.
        minimum: usize,
    },
    /// An adapter cannot be put over its base model.
    #[error(transparent)]
    Adapter(#[from] super::AdapterError),
    /// The program was built without the embedded model.
    #[error("the embedded model is not part of this build")]
    NoEmbeddedModel,
    /// A checkpoint is torn, damaged or belongs to another model.
    #[error("checkpoint `{}` is not usable: {detail}", path.display())]
    BrokenCheckpoint { path: PathBuf, detail: String },
    /// The stand-in of the process tests has no files.
    #[error("the mock model has no weights to export")]
    NothingToExport,
    /// A model without low-rank updates was to be written as an adapter.
    #[error("this model has no adapter: all its trained parameters are whole tensors")]
    NoAdapter,
    /// Texts cannot be continued with this model.
    #[error("`{backbone}` cannot continue texts: {detail}")]
    CannotGenerate {
        backbone: String,
        /// Why it is no language model.
        detail: String,
    },
    /// A prompt without a token.
    #[error("a prompt has no tokens")]
    EmptyPrompt,
    /// A token id that the model has no embedding for.
    #[error("token {token} is not among the model's {n_rows}")]
    NoSuchToken {
        token: u32,
        /// Rows of the embedding table.
        n_rows: usize,
    },
    /// A setting of the distribution that tokens are drawn from.
    #[error("`{key}` is `{value}`, expected {expected}")]
    BadSampling { key: &'static str, value: f64, expected: &'static str },
    /// Keys and values of one answer do not fit the memory that they may take.
    #[error("one answer needs {} MiB for keys and values, and may take {} MiB", needed.div_ceil(1 << 20), limit >> 20)]
    CacheTooSmall { needed: u64, limit: u64 },
    /// A prompt leaves no room for an answer.
    #[error("the prompt has {n_tokens} tokens, but the model reads {limit}")]
    PromptTooLong {
        /// Tokens of the prompt, special ones included.
        n_tokens: usize,
        limit: usize,
    },
    /// The device is not part of this build.
    #[error("this program was built without `{device}`")]
    DeviceNotBuilt {
        /// Either `cuda` or `metal`.
        device: &'static str,
    },
    /// The machine has no such device, or it does not work.
    #[error("cannot open device `{device}`: {detail}")]
    DeviceUnavailable {
        /// Either `cuda` or `metal`.
        device: &'static str,
        detail: String,
    },
    /// Candle refused an operation: mostly, the device is out of memory.
    #[error("candle: {detail}")]
    Candle { detail: String },
}

/// What to do about a tokenizer that its class does not read.
const OTHER_CLASS: &str = "name the class that wrote it in `tokenizer_class` of \
                           `tokenizer_config.json`, or save it again with transformers' class of the \
                           model (`BertTokenizer`, `RobertaTokenizer`, …)";
/// What to do about templates that have names.
const NAMED_TEMPLATE: &str = "write the one you mean to a file and choose it with \
     `--set model.chat_template=FILE`; `plain` takes none";
/// What to do about a template that cannot be used.
const OTHER_TEMPLATE: &str = "set `model.chat_template` to another one: `plain` takes every text";

const TRAIN_LESS: &str = "train less (`model.tuning = \"lora\"`), or lower `model.max_tokens`";
const HALF_THE_MEMORY: &str = "keep frozen weights in half the memory \
     (`model.frozen_precision = \"bf16\"`), or lower `model.max_tokens`";
/// What to do about tokens that the model has no vectors for.
const NO_VECTORS: &str = "use the tokenizer of this model; an adapter with new tokens has to be saved \
     with their vectors (`save_embedding_layers=True`)";

/// What to do about a value of a model's settings.
fn not_built_hint(device: &str) -> String {
    format!(
        "set `model.device` to `cpu`, or build with `cargo build --release --features {device}`"
    )
}

fn bad_value_hint(key: &str) -> &'static str {
    match key {
        "rope_scaling" | "rope_parameters" => {
            "use a model with plain, `linear` or `llama3` rotary positions"
        }
        "split_special_tokens" => {
            "set it to `false`: with it TRL and transformers read the end of a text as letters"
        }
        "id2label" => {
            "write the one label there (`{\"0\": \"LABEL_0\"}`) if the head gives rewards"
        }
        _ => "use a model without this variant of the architecture",
    }
}

/// What to do about a directory without a file that every model has.
fn not_a_model_hint(dir: &Path, has_sentencepiece: bool, has_pickle: bool) -> String {
    if has_sentencepiece {
        let dir = dir.display();
        return format!(
            "a SentencePiece model alone is not read: make `tokenizer.json` from it with transformers' \
             `AutoTokenizer.from_pretrained(\"{dir}\").save_pretrained(\"{dir}\")`"
        );
    }
    let hint = if has_pickle {
        "pickled weights are not loaded: convert them to safetensors with transformers' \
         `save_pretrained`"
    } else {
        "a model directory holds `config.json`, `model.safetensors` and `tokenizer.json`"
    };
    hint.to_owned()
}

impl EngineError {
    /// Wraps an input or output error: `EngineError::io("read", path)` for `map_err`.
    pub fn io(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { action, path, source }
    }

    /// Wraps a JSON error with its place.
    pub(crate) fn json(path: impl Into<PathBuf>, error: &serde_json::Error) -> Self {
        // serde_json appends "at line L column C", which the message already says.
        let text = error.to_string();
        let detail = text.rsplit_once(" at line ").map_or(text.as_str(), |(head, _)| head);
        Self::BrokenJson {
            path: path.into(),
            line: error.line(),
            column: error.column(),
            detail: detail.to_owned(),
        }
    }

    /// What the person can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::NonFinite { .. } => "lower `train.learning_rate` or set `train.clip_norm`",
            Self::Io { source, .. } => match source.kind() {
                std::io::ErrorKind::NotFound => "check the path",
                std::io::ErrorKind::StorageFull => "free some disk space, then resume the run",
                _ => return None,
            },
            Self::Tokenize { .. } | Self::Candle { .. } | Self::BadSampling { .. } => return None,
            Self::TooLarge { fitting: Some(tokens), .. } => {
                return Some(format!("`train.micro_batch_tokens = {tokens}` would fit"));
            }
            Self::TooLarge { is_full: true, .. } => TRAIN_LESS,
            Self::TooLarge { .. } => HALF_THE_MEMORY,
            Self::HeadApart { .. } => HEAD_TO_SAVE,
            Self::NotAModel { dir, file, has_pickle, has_sentencepiece } => {
                let is_tokenizer = *file == "tokenizer.json" && *has_sentencepiece;
                return Some(not_a_model_hint(dir, is_tokenizer, *has_pickle));
            }
            Self::BrokenJson { .. } | Self::MissingKey { .. } => {
                "export the model again with transformers' `save_pretrained`"
            }
            Self::BadValue { key, .. } => bad_value_hint(key),
            Self::UnsupportedArchitecture { .. } => {
                return Some(format!("supported architectures: {SUPPORTED}"));
            }
            Self::CutShort { .. } => "copy or download the file again",
            Self::BrokenTensors { .. } => "export the weights again as f32, f16 or bf16",
            Self::TensorMismatch { .. } => {
                "check that `config.json` and the weights come from the same model"
            }
            Self::NotARewardHead { .. } => {
                "use a base model without a classification head, or one trained with `num_labels=1`"
            }
            Self::BrokenTokenizer { .. } => {
                "export the tokenizer again as a fast tokenizer (`tokenizer.json`)"
            }
            Self::TooFewEmbeddings { .. } => NO_VECTORS,
            Self::WrongTokenizerClass { .. } => OTHER_CLASS,
            Self::BrokenChatTemplate { .. } | Self::ConversationRefused { .. } => OTHER_TEMPLATE,
            Self::NoDefaultChatTemplate { .. } => NAMED_TEMPLATE,
            Self::UnknownChatTemplate { .. } => return Some(chat_templates()),
            Self::TooManyTokens { limit, .. } => {
                return Some(format!("set `model.max_tokens` to {limit} or less"));
            }
            Self::TooFewTokens { minimum, .. } => {
                return Some(format!("set `model.max_tokens` to {minimum} or more"));
            }
            Self::BadPair { .. } => "encode the pair with the tokenizer of this model",
            Self::BadAnswers { .. } => {
                "encode prompts and answers with the tokenizer of this model"
            }
            Self::NoPolicyOn { .. } => "set `model.device` to `cpu`",
            Self::DeviceNotBuilt { device } => return Some(not_built_hint(device)),
            Self::DeviceUnavailable { .. } => "check the driver, or set `model.device` to `cpu`",
            Self::Adapter(error) => return Some(error.hint()),
            Self::NoEmbeddedModel => "set `model.backbone` to a model directory",
            Self::NothingToExport => "export a run of another model",
            Self::NoAdapter => NO_ADAPTER,
            Self::CannotGenerate { .. } => "name a decoder with its language head",
            Self::PromptTooLong { .. } => "shorten the prompt",
            Self::EmptyPrompt => "a model continues at least one token; give it some text",
            Self::NoSuchToken { .. } => "the tokenizer and the model do not belong together",
            Self::CacheTooSmall { .. } => "allow more memory, or fewer new tokens",
            Self::BrokenCheckpoint { .. } => {
                "resume from an older checkpoint, or start the run again"
            }
        };
        Some(hint.to_owned())
    }
}

/// What to do with a reward head in a file of its own.
const HEAD_TO_SAVE: &str = "take that file away to begin with a new head, or save the model with one \
    label as `AutoModelForSequenceClassification`";

/// What to do with a model that was trained without low-rank updates.
const NO_ADAPTER: &str = "export it whole (`--format hf`), or train with `model.tuning = \"lora\"`";

/// The chat templates that a spec may name.
fn chat_templates() -> String {
    let names = CHAT_TEMPLATES.map(|name| format!("`{name}`"));
    format!("write one of {}, or a file", names.join(", "))
}
