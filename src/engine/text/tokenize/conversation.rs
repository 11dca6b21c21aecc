//! Pairs as conversations, and as texts that a chat template writes.
//!
//! Models that get their special tokens from the tokenizer get the rendered text cut in two, where
//! the answer begins, and read it as any prompt and answer.

use rayon::iter::{IndexedParallelIterator, IntoParallelIterator, ParallelIterator};

use crate::domain::text::conversation::{
    ASSISTANT_ROLE, Message, SYSTEM_ROLE, TextForm, USER_ROLE,
};
use crate::engine::text::chat::ChatTemplate;
use crate::engine::{EngineError, PairText};

/// Both conversations of a pair.
pub(super) struct Conversation {
    /// The messages that both begin with.
    pub(super) shared: Vec<Message>,
    /// What follows on each side: mostly one answer.
    pub(super) own: [Vec<Message>; 2],
    /// What the template is given beside them, as JSON.
    pub(super) globals: String,
}

impl Conversation {
    /// # Errors
    /// In words, when the form does not fit the texts.
    pub(super) fn of(pair: &PairText<'_>) -> Result<Self, String> {
        let read = |answer, which| {
            let messages = pair.form.messages(pair.prompt, answer, which);
            messages.ok_or_else(|| "its messages do not lie within its texts".to_owned())
        };
        let (mut a, mut b) = (read(pair.response_a, 0)?, read(pair.response_b, 1)?);
        let equal = a.iter().zip(&b).take_while(|(a, b)| a == b).count();
        let n = equal.min(a.len().saturating_sub(1)).min(b.len().saturating_sub(1));
        let own = [a.split_off(n), b.split_off(n)];
        Ok(Self { shared: a, own, globals: pair.form.globals().to_owned() })
    }

    pub(super) fn render(&self, template: &ChatTemplate) -> Result<[String; 2], String> {
        let side =
            |own: &Vec<Message>| template.render(&[&self.shared[..], own].concat(), &self.globals);
        Ok([side(&self.own[0])?, side(&self.own[1])?])
    }

    /// Leaves out turns that have lost all their text, as long as a person's turn comes first.
    pub(super) fn drop_emptied(&mut self) {
        let is_empty = |message: &Message, role| {
            message.role == role && message.text().is_empty() && message.fields.is_empty()
        };
        if self.shared.len() > 1 && is_empty(&self.shared[0], SYSTEM_ROLE) {
            self.shared.remove(0);
        }
        let is_system = |message: &Message| message.role == SYSTEM_ROLE;
        let first = usize::from(self.shared.first().is_some_and(is_system));
        while self.shared.len() > first + 2
            && is_empty(&self.shared[first], USER_ROLE)
            && is_empty(&self.shared[first + 1], ASSISTANT_ROLE)
        {
            self.shared.drain(first..first + 2);
        }
    }
}

/// Prompt and answers of a pair as a template writes them, for models that get their special tokens
/// from the tokenizer.
pub(super) struct Rendered {
    /// Both whole texts; they begin with the same `prompt_bytes` bytes.
    texts: [String; 2],
    prompt_bytes: usize,
}

impl Rendered {
    /// # Errors
    /// In words, when the template refuses the conversation.
    fn of(pair: &PairText<'_>, template: &ChatTemplate) -> Result<Self, String> {
        let conversation = Conversation::of(pair)?;
        let texts = conversation.render(template)?;
        // A template that raises without an answer has no prompt of its own.
        let prompt = template.render_prompt(&conversation.shared, &conversation.globals);
        let prompt = prompt.unwrap_or_default();
        let prompt_bytes = if texts.iter().all(|text| text.starts_with(&prompt)) {
            prompt.len()
        } else {
            let [a, b] = &texts;
            a.chars().zip(b.chars()).take_while(|(a, b)| a == b).map(|(a, _)| a.len_utf8()).sum()
        };
        Ok(Self { texts, prompt_bytes })
    }

    /// The texts as a pair.
    pub(super) fn as_pair(&self) -> PairText<'_> {
        let [a, b] = &self.texts;
        PairText {
            form: &TextForm::Plain,
            prompt: &a[..self.prompt_bytes],
            response_a: &a[self.prompt_bytes..],
            response_b: &b[self.prompt_bytes..],
        }
    }
}

pub(super) fn refused(position: usize) -> impl FnOnce(String) -> EngineError {
    move |detail| EngineError::ConversationRefused { position, detail }
}

/// Every pair as the template writes it.
///
/// # Errors
/// When the template refuses one.
pub(super) fn render(
    template: &ChatTemplate,
    pairs: &[PairText<'_>],
) -> Result<Vec<Rendered>, EngineError> {
    let render = |(position, pair)| Rendered::of(pair, template).map_err(refused(position));
    pairs.into_par_iter().enumerate().map(render).collect()
}

/// Separates the pairs that are conversations from those that no template touches, each with its
/// index.
pub(super) fn apart<'a>(pairs: &[PairText<'a>]) -> [(Vec<usize>, Vec<PairText<'a>>); 2] {
    let is_whole = |pair: &PairText<'_>| *pair.form == TextForm::Whole;
    [false, true].map(|wanted| {
        let found = pairs.iter().enumerate().filter(|(_, pair)| is_whole(pair) == wanted);
        found.map(|(place, pair)| (place, *pair)).unzip()
    })
}
