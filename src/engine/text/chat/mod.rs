//! Chat templates: how a conversation is written as the one text that a model reads.
//!
//! A template is Jinja, as Hugging Face models carry it. [`ChatTemplate::resolve`] finds the one that
//! `model.chat_template` names: the model's own (`chat_template.jinja` and
//! `additional_chat_templates/`, else `chat_template` of `tokenizer_config.json`), one of `assets/chat-templates/`, or a file. What a stored prompt says is
//! read back into messages by `turns`.
//!
//! Special tokens are written either by the template or by the tokenizer. The template of a model
//! writes them itself (`apply_chat_template` of transformers adds none), while `hh`,
//! `question-answer` and `alpaca` are plain texts, to which the tokenizer adds what it adds to
//! every text.
//!
//! Messages are written exactly as the template writes them, with one exception: where a template
//! has no place for tool calls, a message that holds nothing else is given them as text (name and
//! arguments as JSON), so that no answer is empty.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::domain::spec::ChatTemplateRecord;
use crate::domain::text::conversation::{ASSISTANT_ROLE, Content, Message, SYSTEM_ROLE, USER_ROLE};
use crate::engine::EngineError;
use crate::engine::files::manifest::hex;
use crate::engine::files::source::Source;

mod jinja;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

/// The file a model keeps its template in.
pub const OWN_FILE: &str = "chat_template.jinja";
/// The folder of a model's templates that have other names than [`DEFAULT`].
pub const NAMED_FOLDER: &str = "additional_chat_templates";
/// The name of the template that is used when none is named.
pub const DEFAULT: &str = "default";
/// The name of the template for conversations with tools.
pub const TOOL_USE: &str = "tool_use";
/// The file in which image processors keep their template; no tokenizer reads it.
const OF_PROCESSOR: &str = "chat_template.json";
/// A function name that no template writes by itself; it is searched for in the text to find out
/// whether a template writes tool calls.
const CALLED: &str = "probe_of_calls";
/// The fields of a message that calls [`CALLED`].
const CALL_PROBE: &str = r#"{"tool_calls":[{"type":"function","id":"123456789","function":{"name":"probe_of_calls","arguments":{}}}]}"#;
/// Larger templates are refused: real ones are a few kilobytes.
const BYTES_MAX: usize = 1 << 20;

/// The templates that come with the program, and whether they write special tokens themselves.
const NAMED: [(&str, &str, SpecialTokensBy); 7] = [
    ("hh", include_str!("../../../../assets/chat-templates/hh.jinja"), SpecialTokensBy::Tokenizer),
    (
        "question-answer",
        include_str!("../../../../assets/chat-templates/question-answer.jinja"),
        SpecialTokensBy::Tokenizer,
    ),
    (
        "alpaca",
        include_str!("../../../../assets/chat-templates/alpaca.jinja"),
        SpecialTokensBy::Tokenizer,
    ),
    (
        "chatml",
        include_str!("../../../../assets/chat-templates/chatml.jinja"),
        SpecialTokensBy::Template,
    ),
    (
        "llama-2",
        include_str!("../../../../assets/chat-templates/llama-2.jinja"),
        SpecialTokensBy::Template,
    ),
    (
        "llama-3",
        include_str!("../../../../assets/chat-templates/llama-3.jinja"),
        SpecialTokensBy::Template,
    ),
    (
        "zephyr",
        include_str!("../../../../assets/chat-templates/zephyr.jinja"),
        SpecialTokensBy::Template,
    ),
];

/// Who puts special tokens around a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpecialTokensBy {
    /// The tokenizer, as around every other text.
    Tokenizer,
    /// The template writes them; the tokenizer adds none.
    Template,
}

/// A compiled chat template that has rendered a test conversation.
#[derive(Debug, Clone)]
pub struct ChatTemplate {
    name: String,
    text: String,
    special_tokens: SpecialTokensBy,
    program: jinja::Program,
    /// The template for conversations with tools, where the model has one.
    with_tools: Option<Box<ChatTemplate>>,
    /// Whether it writes the tool calls of a message.
    writes_tool_calls: bool,
}

impl ChatTemplate {
    /// The template that `choice` (`model.chat_template`) names for the model of `source`; `None` for
    /// prompt and answer as they stand. `own` is `chat_template` of `tokenizer_config.json` by name,
    /// `tokens` the special tokens by key (`bos_token`, …).
    ///
    /// # Errors
    /// When there is no such template or file, it does not work, or the model has several and none that
    /// is taken without a name.
    pub fn resolve(
        choice: &str,
        source: &Source<'_>,
        own: Option<&BTreeMap<String, String>>,
        tokens: &BTreeMap<String, String>,
    ) -> Result<Option<Self>, EngineError> {
        // The embedded model was made from dialogues in this layout.
        let is_embedded = matches!(source, Source::Embedded);
        let choice = if choice == "auto" && is_embedded { "hh" } else { choice };
        let (path, text, special_tokens) = match choice {
            "plain" => return Ok(None),
            "auto" => return Self::own(source, own, tokens),
            name => match NAMED.iter().find(|(known, ..)| *known == name) {
                Some((_, text, by)) => (PathBuf::from(name), (*text).to_owned(), *by),
                None => (PathBuf::from(name), read(name)?, SpecialTokensBy::Template),
            },
        };
        Self::new(choice, &path, text, special_tokens, tokens).map(Some)
    }

    /// The model's own template, found as transformers 5 does: template files take precedence over
    /// `tokenizer_config.json`; of several named templates `default` is used, and `tool_use` for
    /// conversations with tools.
    fn own(
        source: &Source<'_>,
        own: Option<&BTreeMap<String, String>>,
        tokens: &BTreeMap<String, String>,
    ) -> Result<Option<Self>, EngineError> {
        let mut named = BTreeMap::new();
        if source.has(OWN_FILE) {
            let path = source.path(OWN_FILE);
            let text = utf8(&path, source.read(OWN_FILE)?.into_owned())?;
            named.insert(DEFAULT.to_owned(), (path, text));
        }
        for (name, path) in source.list(NAMED_FOLDER, ".jinja")? {
            let bytes = std::fs::read(&path).map_err(EngineError::io("read", &path))?;
            let text = utf8(&path, bytes)?;
            named.insert(name, (path, text));
        }
        let mut path = source.path(NAMED_FOLDER);
        if let (true, Some(own)) = (named.is_empty(), own) {
            path = source.path("tokenizer_config.json");
            let texts = own.iter().map(|(name, text)| (name.clone(), (path.clone(), text.clone())));
            named = texts.collect();
        } else if named.is_empty() && source.has(OF_PROCESSOR) {
            let detail = "the model's tokenizer does not read this file".to_owned();
            return Err(EngineError::NoDefaultChatTemplate {
                path: source.path(OF_PROCESSOR),
                detail,
            });
        } else if named.is_empty() {
            return Ok(None);
        }
        let Some((path, text)) = named.remove(DEFAULT) else {
            let names: Vec<String> = named.keys().map(|name| format!("`{name}`")).collect();
            let names = if names.is_empty() { "no template".to_owned() } else { names.join(", ") };
            let detail = format!("there is {names}");
            return Err(EngineError::NoDefaultChatTemplate { path, detail });
        };
        let by = SpecialTokensBy::Template;
        let mut template = Self::new("own", &path, text, by, tokens)?;
        if let Some((path, text)) = named.remove(TOOL_USE) {
            // The template for tools is tried with the first conversation that has tools.
            let with_tools = Self::compiled("own", &path, text, by, tokens)?;
            template.with_tools = Some(Box::new(with_tools));
        }
        Ok(Some(template))
    }

    /// Compiles a template; `path` is for messages.
    fn compiled(
        name: &str,
        path: &Path,
        text: String,
        special_tokens: SpecialTokensBy,
        tokens: &BTreeMap<String, String>,
    ) -> Result<Self, EngineError> {
        let broken =
            |detail: String| EngineError::BrokenChatTemplate { path: path.to_owned(), detail };
        if text.len() > BYTES_MAX {
            return Err(broken(format!("{} bytes are more than 1 MiB", text.len())));
        }
        let program = jinja::Program::new(&text, tokens).map_err(broken)?;
        let (name, with_tools, writes_tool_calls) = (name.to_owned(), None, true);
        Ok(Self { name, text, special_tokens, program, with_tools, writes_tool_calls })
    }

    /// Compiles a template and tries it; `path` is for messages.
    fn new(
        name: &str,
        path: &Path,
        text: String,
        special_tokens: SpecialTokensBy,
        tokens: &BTreeMap<String, String>,
    ) -> Result<Self, EngineError> {
        let mut template = Self::compiled(name, path, text, special_tokens, tokens)?;
        let broken =
            |detail: String| EngineError::BrokenChatTemplate { path: path.to_owned(), detail };
        let question = Message::new(USER_ROLE, "question");
        let answer = Message::new(ASSISTANT_ROLE, "answer");
        let rendered = template.render(&[question.clone(), answer.clone()], "").map_err(broken)?;
        if !(rendered.contains("question") && rendered.contains("answer")) {
            return Err(broken("it leaves out what is said".to_owned()));
        }
        let call = Message { fields: CALL_PROBE.to_owned(), ..answer };
        let rendered = template.render(&[question, call], "");
        template.writes_tool_calls = rendered.is_ok_and(|text| text.contains(CALLED));
        Ok(template)
    }

    /// The conversation as one text; `globals` is what the template is given beside the messages, as
    /// a JSON object (`tools`, …) or nothing.
    ///
    /// # Errors
    /// In words, when the template refuses it (`Conversation roles must alternate`).
    pub fn render(&self, messages: &[Message], globals: &str) -> Result<String, String> {
        let template = self.of(globals);
        template.program.render(&template.with_calls(messages), globals, false)
    }

    /// The conversation up to where the next answer begins.
    ///
    /// # Errors
    /// As [`ChatTemplate::render`].
    pub fn render_prompt(&self, messages: &[Message], globals: &str) -> Result<String, String> {
        let template = self.of(globals);
        template.program.render(&template.with_calls(messages), globals, true)
    }

    /// The template for these globals.
    fn of(&self, globals: &str) -> &Self {
        match &self.with_tools {
            Some(with_tools) if jinja::has_tools(globals) => with_tools,
            _ => self,
        }
    }

    /// Whether the template writes the current day. Here that is always 26 Jul 2024, so that a
    /// reward does not depend on the day.
    #[must_use]
    pub fn prints_the_day(&self) -> bool {
        let told = Message::new(SYSTEM_ROLE, "told");
        let asked = [Message::new(USER_ROLE, "question"), Message::new(ASSISTANT_ROLE, "answer")];
        let prints = |messages: &[Message]| self.program.prints_the_day(messages);
        prints(&asked) || prints(&[&[told], &asked[..]].concat())
    }

    /// The text of the template for conversations with tools, where the model has one.
    #[must_use]
    pub fn tool_use(&self) -> Option<&str> {
        self.with_tools.as_ref().map(|template| template.text.as_str())
    }

    /// The messages. Those that only call tools get the calls as text if the template does not
    /// write them.
    fn with_calls<'a>(&self, messages: &'a [Message]) -> Cow<'a, [Message]> {
        let is_mute = |message: &Message| {
            message.text().trim().is_empty() && !message.tool_calls().is_empty()
        };
        if self.writes_tool_calls || !messages.iter().any(is_mute) {
            return Cow::Borrowed(messages);
        }
        let mut messages = messages.to_vec();
        for message in messages.iter_mut().filter(|message| is_mute(message)) {
            message.content = Content::Text(message.tool_calls());
        }
        Cow::Owned(messages)
    }

    /// Who puts special tokens around the text.
    #[must_use]
    pub fn special_tokens(&self) -> SpecialTokensBy {
        self.special_tokens
    }

    /// What a run and an export keep of it.
    #[must_use]
    pub fn record(&self) -> ChatTemplateRecord {
        ChatTemplateRecord {
            name: self.name.clone(),
            digest: hex(&Sha256::digest(self.text.as_bytes())),
            text: self.text.clone(),
        }
    }
}

fn utf8(path: &Path, bytes: Vec<u8>) -> Result<String, EngineError> {
    String::from_utf8(bytes).map_err(|_| EngineError::BrokenChatTemplate {
        path: path.to_owned(),
        detail: "it is not UTF-8".to_owned(),
    })
}

/// Reads a template from a file. A name without a folder and an ending is not a file, but an
/// unknown name.
fn read(name: &str) -> Result<String, EngineError> {
    let path = Path::new(name);
    if !path.is_file() && path.components().count() == 1 && path.extension().is_none() {
        return Err(EngineError::UnknownChatTemplate { name: name.to_owned() });
    }
    let bytes = std::fs::read(path).map_err(EngineError::io("read", path))?;
    utf8(path, bytes)
}
