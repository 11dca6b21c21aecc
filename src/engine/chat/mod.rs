//! Chat templates: how a conversation is written as the one text that a model reads.
//!
//! A template is Jinja, as Hugging Face models carry it. [`ChatTemplate::resolve`] finds the one that
//! `model.chat_template` names: the model's own (`chat_template.jinja`, else `chat_template` of
//! `tokenizer_config.json`), one of `assets/chat-templates/`, or a file. What a stored prompt says is
//! read back into messages by `turns`.
//!
//! Where the special tokens come from is part of a template: one of a model writes them itself
//! (`apply_chat_template` of transformers adds none), while `hh`, `question-answer` and `alpaca` are
//! plain texts that get what the tokenizer puts around every text.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::EngineError;
use super::manifest::hex;
use super::source::Source;
use crate::domain::dialogue::{Role, Turn};
use crate::domain::spec::{CHAT_TEMPLATES, ChatTemplateRecord};

mod jinja;
#[cfg(test)]
mod tests;

/// The file a model keeps its template in.
pub const OWN_FILE: &str = "chat_template.jinja";
/// Larger templates are refused: real ones are a few kilobytes.
const BYTES_MAX: usize = 1 << 20;

/// The templates that come with the program, and whether they write special tokens themselves.
const NAMED: [(&str, &str, SpecialTokensBy); 7] = [
    ("hh", include_str!("../../../assets/chat-templates/hh.jinja"), SpecialTokensBy::Tokenizer),
    (
        "question-answer",
        include_str!("../../../assets/chat-templates/question-answer.jinja"),
        SpecialTokensBy::Tokenizer,
    ),
    (
        "alpaca",
        include_str!("../../../assets/chat-templates/alpaca.jinja"),
        SpecialTokensBy::Tokenizer,
    ),
    (
        "chatml",
        include_str!("../../../assets/chat-templates/chatml.jinja"),
        SpecialTokensBy::Template,
    ),
    (
        "llama-2",
        include_str!("../../../assets/chat-templates/llama-2.jinja"),
        SpecialTokensBy::Template,
    ),
    (
        "llama-3",
        include_str!("../../../assets/chat-templates/llama-3.jinja"),
        SpecialTokensBy::Template,
    ),
    (
        "zephyr",
        include_str!("../../../assets/chat-templates/zephyr.jinja"),
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

/// A template that has been tried on a conversation.
#[derive(Debug, Clone)]
pub struct ChatTemplate {
    name: String,
    text: String,
    special_tokens: SpecialTokensBy,
    program: jinja::Program,
    /// The template refuses or drops a system message: it stands before the first message instead.
    merges_system: bool,
}

impl ChatTemplate {
    /// The template that `choice` (`model.chat_template`) names for the model of `source`; `None` for
    /// prompt and answer as they stand. `own` is `chat_template` of `tokenizer_config.json`, `tokens`
    /// the special tokens by key (`bos_token`, …).
    ///
    /// # Errors
    /// When there is no such template or file, or it does not work.
    pub fn resolve(
        choice: &str,
        source: &Source<'_>,
        own: Option<&str>,
        tokens: &BTreeMap<String, String>,
    ) -> Result<Option<Self>, EngineError> {
        let (name, path, text, special_tokens) = match choice {
            "plain" => return Ok(None),
            "auto" if source.has(OWN_FILE) => {
                let path = source.path(OWN_FILE);
                let text = utf8(&path, source.read(OWN_FILE)?.into_owned())?;
                ("own", path, text, SpecialTokensBy::Template)
            }
            "auto" => {
                let Some(own) = own else { return Ok(None) };
                let path = source.path("tokenizer_config.json");
                ("own", path, own.to_owned(), SpecialTokensBy::Template)
            }
            name => match NAMED.iter().find(|(known, ..)| *known == name) {
                Some((_, text, by)) => (name, PathBuf::from(name), (*text).to_owned(), *by),
                None => (name, PathBuf::from(name), read(name)?, SpecialTokensBy::Template),
            },
        };
        Self::new(name, &path, text, special_tokens, tokens).map(Some)
    }

    /// Compiles a template and tries it; `path` is for messages.
    fn new(
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
        let mut template =
            Self { name: name.to_owned(), text, special_tokens, program, merges_system: false };
        let turn = |role, content: &str| Turn { role, content: content.to_owned() };
        let probe = [turn(Role::User, "question"), turn(Role::Assistant, "answer")];
        let rendered = template.render(&probe).map_err(broken)?;
        if !(rendered.contains("question") && rendered.contains("answer")) {
            return Err(broken("it leaves out what is said".to_owned()));
        }
        let with_system = [&[turn(Role::System, "told")], &probe[..]].concat();
        template.merges_system =
            !template.render(&with_system).is_ok_and(|rendered| rendered.contains("told"));
        Ok(template)
    }

    /// The conversation as one text.
    ///
    /// # Errors
    /// In words, when the template refuses it (`Conversation roles must alternate`).
    pub fn render(&self, turns: &[Turn]) -> Result<String, String> {
        self.program.render(&self.placed(turns), false)
    }

    /// The conversation up to where the next answer begins.
    ///
    /// # Errors
    /// As [`ChatTemplate::render`].
    pub fn render_prompt(&self, turns: &[Turn]) -> Result<String, String> {
        self.program.render(&self.placed(turns), true)
    }

    /// The turns with the system message where the template takes it.
    fn placed<'a>(&self, turns: &'a [Turn]) -> Vec<(Role, std::borrow::Cow<'a, str>)> {
        let mut placed: Vec<_> =
            turns.iter().map(|turn| (turn.role, turn.content.as_str().into())).collect();
        if self.merges_system
            && let [(Role::System, told), (Role::User, said), ..] = &placed[..]
        {
            let joined = format!("{told}\n\n{said}");
            placed.remove(0);
            placed[0].1 = joined.into();
        }
        placed
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

/// A file given as a template; a name without a folder and an ending is one that is not known.
fn read(name: &str) -> Result<String, EngineError> {
    let path = Path::new(name);
    if !path.is_file() && path.components().count() == 1 && path.extension().is_none() {
        return Err(EngineError::UnknownChatTemplate { name: name.to_owned() });
    }
    let bytes = std::fs::read(path).map_err(EngineError::io("read", path))?;
    utf8(path, bytes)
}

/// What a spec may give, as a hint.
#[must_use]
pub fn choices() -> String {
    let names = CHAT_TEMPLATES.map(|name| format!("`{name}`"));
    format!("write one of {}, or a file", names.join(", "))
}
