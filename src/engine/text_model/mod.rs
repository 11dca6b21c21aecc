//! A language model with what turns texts into its tokens and back.

pub mod defaults;

use self::defaults::GenerationDefaults;
use super::generation::{Ending, Generated};
use crate::domain::spec::{Device, Precision};
use crate::domain::text::conversation::{ASSISTANT_ROLE, Message, USER_ROLE};
use crate::engine::files::weights::ModelFiles;
use crate::engine::open::open_language_model;
use crate::engine::text::chat::{ChatTemplate, SpecialTokensBy};
use crate::engine::text::tokenize::PairTokenizer;
use crate::engine::{Backbone, CausalLm, EngineError, OpenSettings};

/// Where a language model comes from, and how it computes.
#[derive(Debug, Clone, PartialEq)]
pub struct TextModelSettings {
    pub backbone: Backbone,
    /// Threads; 0 means one a core. It changes no answer.
    pub n_threads: usize,
    pub precision: Precision,
    pub device: Device,
    /// `model.chat_template` of a spec.
    pub chat_template: String,
}

impl TextModelSettings {
    /// In `f32` on all cores of the processor, with the model's own chat template.
    #[must_use]
    pub fn new(backbone: Backbone) -> Self {
        let (precision, device) = (Precision::F32, Device::Cpu);
        Self { backbone, n_threads: 0, precision, device, chat_template: "auto".to_owned() }
    }
}

/// A language model that is asked in texts.
pub struct TextModel {
    /// Continues tokens.
    pub model: Box<dyn CausalLm>,
    /// Makes tokens of texts and texts of tokens.
    pub texts: Texts,
    /// How its files want it to answer.
    pub defaults: GenerationDefaults,
}

/// What is to be continued.
#[derive(Debug, Clone, Copy)]
pub enum PromptText<'a> {
    /// A text as it stands.
    Text(&'a str),
    /// A conversation, answered in the model's next turn.
    Chat {
        messages: &'a [Message],
        /// What the chat template is given beside the messages, as a JSON object or nothing.
        globals: &'a str,
        /// The conversation as one text, for a model without a chat template.
        flat: &'a str,
    },
}

/// The tokenizer and the chat template of a language model.
#[derive(Debug, Clone)]
pub struct Texts {
    tokenizer: PairTokenizer,
    max_tokens: usize,
    has_space: bool,
}

impl TextModel {
    /// Opens a language model with its tokenizer, its chat template and its defaults.
    ///
    /// # Errors
    /// [`EngineError::CannotGenerate`] when it is no language model; when its files cannot be read, or
    /// the device refuses.
    pub fn open(settings: &TextModelSettings) -> Result<Self, EngineError> {
        let max_tokens = positions(&settings.backbone)?;
        let open = OpenSettings {
            n_threads: settings.n_threads,
            precision: settings.precision,
            device: settings.device,
            chat_template: settings.chat_template.clone(),
            ..OpenSettings::new(settings.backbone.clone(), max_tokens, 0)
        };
        let model = open_language_model(&open)?.map_err(|reason| EngineError::CannotGenerate {
            backbone: settings.backbone.to_string(),
            detail: format!("it {reason}"),
        })?;
        let (texts, defaults) = Texts::open(&open)?;
        Ok(Self { model, texts, defaults })
    }
}

/// Whether a template ends a prompt with the mark of the speaker and puts a space before what is said.
fn writes_a_space(template: &ChatTemplate) -> bool {
    let asked = [Message::new(USER_ROLE, "a"), Message::new(ASSISTANT_ROLE, "b")];
    let of_plain_texts = template.special_tokens() == SpecialTokensBy::Tokenizer;
    let (prompt, whole) = (template.render_prompt(&asked[..1], ""), template.render(&asked, ""));
    let has_space = |(prompt, whole): (String, String)| {
        whole.strip_prefix(prompt.as_str()).is_some_and(|it| it.starts_with(" b"))
    };
    of_plain_texts || prompt.ok().zip(whole.ok()).is_some_and(has_space)
}

/// The positions that a model was made for.
fn positions(backbone: &Backbone) -> Result<usize, EngineError> {
    match backbone {
        Backbone::Directory(dir) => Ok(ModelFiles::check(dir)?.max_positions),
        Backbone::Embedded | Backbone::Mock => {
            Ok(ModelFiles::open(backbone, 16)?.config.max_positions())
        }
    }
}

impl Texts {
    /// Opens tokenizer and chat template of a language model, with how its files want it to answer.
    ///
    /// # Errors
    /// When its files cannot be read.
    pub fn open(settings: &OpenSettings) -> Result<(Self, GenerationDefaults), EngineError> {
        let max_tokens = positions(&settings.backbone)?;
        let files = ModelFiles::open_as(settings)?;
        let mut defaults = GenerationDefaults::read(&files.source())?;
        let tokenizer = files.tokenizer;
        if defaults.ends.is_empty() {
            let end = tokenizer.end_token().and_then(|token| tokenizer.id(&token));
            defaults.ends.extend(end);
        }
        let has_space = tokenizer.chat_template().is_some_and(writes_a_space);
        Ok((Self { tokenizer, max_tokens, has_space }, defaults))
    }

    /// The tokens of a text that goes on where another ended.
    ///
    /// # Errors
    /// When the tokenizer refuses it.
    pub fn tokens(&self, text: &str) -> Result<Vec<u32>, EngineError> {
        self.tokenizer.encode_text(text)
    }

    /// Longest sequence that the model was made for, prompt and answer together.
    #[must_use]
    pub fn max_tokens(&self) -> usize {
        self.max_tokens
    }

    /// The template that conversations are written with, if any.
    #[must_use]
    pub fn chat_template(&self) -> Option<&ChatTemplate> {
        self.tokenizer.chat_template()
    }

    /// The name of a token.
    #[must_use]
    pub fn token(&self, id: u32) -> Option<String> {
        self.tokenizer.token(id)
    }

    /// The tokens of a prompt. A conversation gets what `apply_chat_template` of transformers gives it
    /// with `add_generation_prompt`; every other text begins as the tokenizer begins texts.
    ///
    /// # Errors
    /// When the chat template refuses the conversation, or the tokenizer the text.
    pub fn encode(&self, prompt: PromptText<'_>) -> Result<Vec<u32>, EngineError> {
        let (text, begins) = match (prompt, self.chat_template()) {
            (PromptText::Chat { messages, globals, .. }, Some(chat)) => {
                let refused = |detail| EngineError::ConversationRefused { position: 0, detail };
                let text = chat.render_prompt(messages, globals).map_err(refused)?;
                (text, chat.special_tokens() == SpecialTokensBy::Tokenizer)
            }
            (PromptText::Chat { flat, .. }, None) => (flat.to_owned(), true),
            (PromptText::Text(text), _) => (text.to_owned(), true),
        };
        let tokens = self.tokenizer.encode_text(&text)?;
        Ok(if begins { [self.tokenizer.start(), &tokens].concat() } else { tokens })
    }

    /// The text of tokens, special ones left out.
    ///
    /// # Errors
    /// When an id is unknown to the tokenizer's decoder.
    pub fn decode(&self, tokens: &[u32]) -> Result<String, EngineError> {
        self.tokenizer.decode(tokens)
    }

    /// The text of an answer: special tokens left out, and cut where a stop string begins.
    ///
    /// # Errors
    /// As [`Texts::decode`].
    pub fn answer(&self, answer: &Generated, stops: &Stops) -> Result<String, EngineError> {
        let mut text = self.decode(&answer.tokens)?;
        if answer.ending == Ending::Stop
            && let Some(at) = stops.strings.iter().filter_map(|stop| text.find(stop)).min()
        {
            text.truncate(at);
        }
        Ok(text)
    }

    /// An answer as its message says it, given whether it goes on where the prompt ends: the space that parts
    /// it from the mark of its speaker is none of a message's.
    #[must_use]
    pub fn said(&self, text: String, continues: bool) -> String {
        match text.strip_prefix(' ').filter(|_| !continues && self.answers_with_a_space()) {
            Some(said) => said.to_owned(),
            None => text,
        }
    }

    /// Whether the space that separates a turn from the mark of its speaker is the answer's first
    /// character: templates of plain texts end a prompt with the mark alone.
    #[must_use]
    pub fn answers_with_a_space(&self) -> bool {
        self.has_space
    }
}

/// Texts that end an answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stops {
    strings: Vec<String>,
}

impl Stops {
    /// Texts that end an answer; empty ones are left out.
    #[must_use]
    pub fn new(strings: &[String]) -> Self {
        Self { strings: strings.iter().filter(|it| !it.is_empty()).cloned().collect() }
    }

    /// Whether the answer has come to a stop string with its last token; its text is not searched before
    /// that.
    #[must_use]
    pub fn are_met(&self, texts: &Texts, tokens: &[u32]) -> bool {
        /// Tokens before those of a stop string: a character may take several, and decoders treat the
        /// first token of a text in a way of their own.
        const MARGIN: usize = 8;
        let Some(longest) = self.strings.iter().map(String::len).max() else { return false };
        let tail = &tokens[tokens.len().saturating_sub(longest + MARGIN)..];
        let text = texts.decode(tail).unwrap_or_default();
        self.strings.iter().any(|stop| text.contains(stop))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::fixture::bert_dir;
    use crate::engine::generation::GenerationSettings;
    use crate::engine::generation::sampling::Sampling;

    fn embedded() -> TextModel {
        let settings = TextModelSettings::new(Backbone::Embedded);
        TextModel::open(&TextModelSettings { n_threads: 1, ..settings }).unwrap()
    }

    #[test]
    fn the_embedded_model_answers_a_question() {
        let mut model = embedded();
        let messages = [Message::new(USER_ROLE, "Name a fruit.")];
        let chat = PromptText::Chat { messages: &messages, globals: "", flat: "" };
        let prompt = model.texts.encode(chat).unwrap();
        let text = PromptText::Text("\n\nHuman: Name a fruit.\n\nAssistant:");
        assert_eq!(prompt, model.texts.encode(text).unwrap());
        let settings = GenerationSettings {
            sampling: Sampling::Greedy,
            ends: model.defaults.ends.clone(),
            ..GenerationSettings::new(40, model.texts.max_tokens(), 1)
        };
        let mut answers: Vec<Generated> = Vec::new();
        model.model.generate(&[&prompt], &settings, &mut answers).unwrap();
        assert_eq!(answers[0].ending, Ending::EndToken, "{answers:?}");
        let text = model.texts.answer(&answers[0], &Stops::default()).unwrap();
        assert!(text.starts_with(' ') && text.len() > 3, "{text:?}");
        assert!(model.texts.answers_with_a_space());
    }

    #[test]
    fn stop_strings_are_found_across_tokens_and_cut_off() {
        let model = embedded();
        let texts = &model.texts;
        let tokens = texts.encode(PromptText::Text("one two three four")).unwrap();
        let stops = Stops::new(&["o thr".to_owned(), String::new()]);
        let met: Vec<bool> =
            (1..=tokens.len()).map(|n| stops.are_met(texts, &tokens[..n])).collect();
        let first = met.iter().position(|met| *met).unwrap();
        let text = |n: usize| texts.decode(&tokens[..n]).unwrap();
        assert!(text(first + 1).contains("o thr") && !text(first).contains("o thr"));
        let answer = Generated {
            place: crate::engine::generation::AnswerPlace { prompt: 0, answer: 0 },
            tokens: tokens[..=first].to_vec(),
            log_probabilities: Vec::new(),
            ending: Ending::Stop,
        };
        assert_eq!(texts.answer(&answer, &stops).unwrap(), "one tw");
        assert!(!Stops::default().are_met(texts, &tokens));
    }

    #[test]
    fn an_encoder_answers_nothing() {
        let dir = bert_dir();
        let backbone = Backbone::Directory(dir.path().to_owned());
        let error = TextModel::open(&TextModelSettings::new(backbone)).err().unwrap().to_string();
        let end = "cannot continue texts: it is an encoder, which predicts no next token";
        assert!(error.ends_with(end), "{error}");
    }
}
