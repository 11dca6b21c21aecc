//! Conversations whose template writes their special tokens, cut to the limit.
//!
//! A decoder whose template writes its own special tokens reads exactly what `apply_chat_template`
//! of transformers gives. A pair that is too long loses its oldest text, and the template writes
//! the rest, so the beginning token, the marks around each turn and the end of the answer always
//! stay. The contents of the oldest turns are cut first, equally on both sides, so that a shared
//! prefix stays shared; then the ends of answers.

use rayon::iter::{IndexedParallelIterator, IntoParallelIterator, ParallelIterator};
use rayon::slice::ParallelSlice;
use tokenizers::Encoding;

use super::conversation::{Conversation, refused};
use super::guarded::guarded;
use super::template::Template;
use super::{PairTokenizer, n_shared, non_empty};
use crate::domain::text::conversation::{Content, Message};
use crate::engine::text::chat::{ChatTemplate, SpecialTokensBy};
use crate::engine::{EncodedPair, EngineError, PairText};

/// Cutting and rendering again settles in two or three rounds, since a text can gain or lose a
/// token where it is cut.
const ROUNDS_MAX: usize = 8;
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

    /// The chat template for other programs. It writes every special token itself, so that
    /// `apply_chat_template` of transformers gives the same ids as this tokenizer. `None` without a
    /// chat template. (For encoders it is the text of the template unchanged, since the tokens
    /// around two texts are not a template's to write.)
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

/// A conversation that is being cut to the limit.
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
        // The text that the template itself writes is longer than the limit, so only its end is
        // kept.
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

    /// Cuts up to `n` tokens off the front of what both sides share; returns how many it cut.
    fn cut_prompt(&mut self, n: usize) -> Result<usize, String> {
        let messages = self.conversation.shared.iter_mut();
        cut(self.tokenizer, messages, n, |content, offsets, n| {
            let start = next_boundary(content, offsets[n].0.max(1));
            content.drain(..start);
        })
    }

    /// Cuts up to `n` tokens off the end of one side's answer; returns how many it cut.
    fn cut_answer(&mut self, side: usize, n: usize) -> Result<usize, String> {
        let messages = self.conversation.own[side].iter_mut().rev();
        cut(self.tokenizer, messages, n, |content, offsets, n| {
            content.truncate(previous_boundary(content, offsets[offsets.len() - n].0));
        })
    }
}

/// Cuts up to `n` tokens off texts, in their order; returns how many it cut. `shorten` gets a text
/// that has more, the byte ranges of its tokens, and how many of them to cut.
fn cut<'m>(
    tokenizer: &PairTokenizer,
    messages: impl Iterator<Item = &'m mut Message>,
    n: usize,
    shorten: impl Fn(&mut String, &[(usize, usize)], usize),
) -> Result<usize, String> {
    let mut left = n;
    for message in messages {
        // A content that is not plain text is not cut, because only the template knows how to
        // read it.
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
