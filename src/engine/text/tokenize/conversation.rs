//! Pairs through a chat template.
//!
//! A decoder whose template writes its own special tokens reads exactly what `apply_chat_template` of
//! transformers gives. A pair that is too long loses its oldest text, and the template writes what is
//! left: the beginning token, the marks around each turn and the end of the answer always stand. First
//! go the contents of the oldest turns, the same on both sides, so that a shared prefix stays shared;
//! then the ends of answers.
//!
//! All other models get the rendered text cut in two, where the answer begins, and read it as any
//! prompt and answer.

use rayon::iter::{IndexedParallelIterator, IntoParallelIterator, ParallelIterator};
use rayon::slice::ParallelSlice;
use tokenizers::Encoding;

use super::template::Template;
use super::{EngineError, PairTokenizer, guarded, n_shared, non_empty};
use crate::domain::text::conversation::{
    ASSISTANT_ROLE, Content, Message, SYSTEM_ROLE, TextForm, USER_ROLE,
};
use crate::engine::text::chat::{ChatTemplate, SpecialTokensBy};
use crate::engine::{EncodedPair, PairText};

/// Cutting and writing again settles in two or three rounds: text loses or gains a token where it is
/// cut.
const ROUNDS_MAX: usize = 8;

/// Both conversations of a pair.
struct Conversation {
    /// The messages that both begin with.
    shared: Vec<Message>,
    /// What follows on each side: mostly one answer.
    own: [Vec<Message>; 2],
    /// What the template is given beside them, as JSON.
    globals: String,
}

impl Conversation {
    /// # Errors
    /// In words, when the form does not fit the texts.
    fn of(pair: &PairText<'_>) -> Result<Self, String> {
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

    fn render(&self, template: &ChatTemplate) -> Result<[String; 2], String> {
        let side =
            |own: &Vec<Message>| template.render(&[&self.shared[..], own].concat(), &self.globals);
        Ok([side(&self.own[0])?, side(&self.own[1])?])
    }

    /// Leaves out turns that have lost all their text, as long as a person's turn comes first.
    fn drop_emptied(&mut self) {
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

fn refused(position: usize) -> impl FnOnce(String) -> EngineError {
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

/// The pairs that are conversations, and those that no template touches, each with its place.
pub(super) fn apart<'a>(pairs: &[PairText<'a>]) -> [(Vec<usize>, Vec<PairText<'a>>); 2] {
    let is_whole = |pair: &PairText<'_>| *pair.form == TextForm::Whole;
    [false, true].map(|wanted| {
        let found = pairs.iter().enumerate().filter(|(_, pair)| is_whole(pair) == wanted);
        found.map(|(place, pair)| (place, *pair)).unzip()
    })
}

impl PairTokenizer {
    /// Token ids of pairs in a template that writes its own special tokens (decoders).
    pub(super) fn encode_conversations(
        &self,
        template: &ChatTemplate,
        pairs: &[PairText<'_>],
    ) -> Result<Vec<EncodedPair>, EngineError> {
        let conversations: Vec<(Conversation, [String; 2])> = pairs
            .into_par_iter()
            .enumerate()
            .map(|(position, pair)| {
                let conversation = Conversation::of(pair).map_err(refused(position))?;
                let texts = conversation.render(template).map_err(refused(position))?;
                Ok((conversation, texts))
            })
            .collect::<Result<_, EngineError>>()?;
        let texts = conversations.iter().flat_map(|(_, texts)| texts).map(String::as_str);
        let encodings = self.encode_all(texts.collect())?;
        conversations
            .into_par_iter()
            .zip(encodings.par_chunks_exact(2))
            .enumerate()
            .map(|(position, ((conversation, _), sides))| {
                let ids = [sides[0].get_ids().to_vec(), sides[1].get_ids().to_vec()];
                let fitting = Fitting { tokenizer: self, template, conversation, ids };
                fitting.fit().map_err(refused(position))
            })
            .collect()
    }

    /// The chat template for other programs: it writes every special token itself, so that
    /// `apply_chat_template` of transformers gives the ids that this tokenizer gives. `None` without a
    /// chat template. (An encoder's two texts are no matter of a template: its text is as it is.)
    #[must_use]
    pub fn portable_template(&self) -> Option<String> {
        let chat = self.chat_template.as_ref()?;
        let text = chat.record().text;
        let Template::Decoder { start, end } = &self.template else { return Some(text) };
        if chat.special_tokens() == SpecialTokensBy::Template {
            return Some(text);
        }
        let tokens = |ids: &[u32]| -> String {
            let token = |id: &u32| self.tokenizer.id_to_token(*id).unwrap_or_default();
            let text: String = ids.iter().map(token).collect();
            text.replace('\\', "\\\\").replace('\'', "\\'")
        };
        let (start, end, text) = (tokens(start), tokens(end), text.trim_end());
        Some(format!(
            "{{{{- '{start}' }}}}{text}{{%- if not add_generation_prompt %}}{{{{- '{end}' }}}}{{%- endif %}}"
        ))
    }

    /// Token ids and offsets of one text without special tokens.
    fn encode_part(&self, text: &str) -> Result<Encoding, String> {
        guarded(|| self.tokenizer.encode(text, false))
    }
}

/// A conversation on its way into the limit.
struct Fitting<'a> {
    tokenizer: &'a PairTokenizer,
    template: &'a ChatTemplate,
    conversation: Conversation,
    ids: [Vec<u32>; 2],
}

impl Fitting<'_> {
    fn fit(mut self) -> Result<EncodedPair, String> {
        let limit = self.tokenizer.max_tokens;
        let excess = |ids: &Vec<u32>| ids.len().saturating_sub(limit);
        let (mut n_prompt_tokens_cut, mut n_answer_tokens_cut) = (0, 0);
        for _ in 0..ROUNDS_MAX {
            let [a, b] = [excess(&self.ids[0]), excess(&self.ids[1])];
            if a.max(b) == 0 {
                break;
            }
            let n_cut = self.cut_prompt(a.max(b))?;
            n_prompt_tokens_cut += n_cut;
            if n_cut == 0 {
                let n_cut = self.cut_answer(0, a)? + self.cut_answer(1, b)?;
                n_answer_tokens_cut += n_cut;
                if n_cut == 0 {
                    break;
                }
            }
            self.conversation.drop_emptied();
            let texts = self.conversation.render(self.template)?;
            for (ids, text) in self.ids.iter_mut().zip(&texts) {
                *ids = self.tokenizer.encode_part(text)?.get_ids().to_vec();
            }
        }
        // What the template writes by itself is longer than the limit: its end counts.
        for ids in &mut self.ids {
            let n = excess(ids);
            n_prompt_tokens_cut += n;
            ids.drain(..n);
        }
        let [tokens_a, tokens_b] = self.ids.map(non_empty);
        Ok(EncodedPair {
            n_shared: n_shared(&tokens_a, &tokens_b),
            tokens_a,
            tokens_b,
            answer_start: [0, 0],
            n_prompt_tokens_cut,
            n_answer_tokens_cut,
        })
    }

    /// Takes up to `n` tokens off the front of what both sides share; says how many were there.
    fn cut_prompt(&mut self, n: usize) -> Result<usize, String> {
        let messages = self.conversation.shared.iter_mut();
        cut(self.tokenizer, messages, n, |content, offsets, n| {
            let start = next_boundary(content, offsets[n].0.max(1));
            content.drain(..start);
        })
    }

    /// Takes up to `n` tokens off the end of one side's answer; says how many were there.
    fn cut_answer(&mut self, side: usize, n: usize) -> Result<usize, String> {
        let messages = self.conversation.own[side].iter_mut().rev();
        cut(self.tokenizer, messages, n, |content, offsets, n| {
            content.truncate(previous_boundary(content, offsets[offsets.len() - n].0));
        })
    }
}

/// Takes up to `n` tokens off texts, in order; says how many were there. `shorten` gets a text that has
/// more, the byte ranges of its tokens and how many of them go.
fn cut<'m>(
    tokenizer: &PairTokenizer,
    messages: impl Iterator<Item = &'m mut Message>,
    n: usize,
    shorten: impl Fn(&mut String, &[(usize, usize)], usize),
) -> Result<usize, String> {
    let mut left = n;
    for message in messages {
        // A content that is no text is not cut: what is in it is the template's to read.
        let Content::Text(content) = &mut message.content else { continue };
        if left == 0 {
            break;
        }
        let encoding = tokenizer.encode_part(content)?;
        let n_tokens = encoding.get_ids().len();
        if n_tokens <= left {
            left -= n_tokens;
            content.clear();
        } else {
            shorten(content, encoding.get_offsets(), left);
            left = 0;
        }
    }
    Ok(n - left)
}

/// The first place at or after `at` that is between two characters.
fn next_boundary(text: &str, at: usize) -> usize {
    (at..=text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len())
}

/// The last place at or before `at` that is between two characters.
fn previous_boundary(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}
