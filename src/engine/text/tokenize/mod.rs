//! From the texts of a pair to token ids, with one truncation rule for both sides.
//!
//! A decoder reads prompt and answer as one text, tokenized whole; an encoder reads them as two,
//! tokenized apart. Which special tokens stand around them: see [`template`]. With a chat template the
//! texts are conversations first: see `conversation`. The tokenizer's own truncation and padding
//! settings are switched off. What does not fit is cut by `fit`: oldest prompt tokens first, the same
//! number on both sides, so that a shared prefix stays shared; the end of an answer only when the
//! answer alone is too long.

use std::path::Path;

use tokenizers::{AddedToken, Encoding, InputSequence, Tokenizer};

use self::class::Refusal;
use self::conversation::Rendered;
use self::guarded::guarded;
use self::template::Template;
use super::chat::{ChatTemplate, SpecialTokensBy};
use crate::domain::text::conversation::TextForm;
use crate::engine::config::ModelConfig;
use crate::engine::{EncodedPair, EngineError, PairText};

#[cfg(test)]
mod chat_tests;
mod class;
mod conversation;
pub(in crate::engine) mod files;
mod fitting;
mod guarded;
mod rebuilt;
mod special_tokens;
pub mod template;
#[cfg(test)]
mod tests;
mod written;

pub use self::class::TokenizerClass;
pub use self::files::chat_template;
pub use self::special_tokens::SpecialTokens;

/// Larger files are refused before they are parsed.
const MAX_TOKENIZER_BYTES: usize = 64 << 20;

/// The model's tokenizer together with the special tokens around a pair.
#[derive(Debug, Clone)]
pub struct PairTokenizer {
    tokenizer: Tokenizer,
    class: TokenizerClass,
    template: Template,
    chat_template: Option<ChatTemplate>,
    reward_at: RewardAt,
    padding: Option<u32>,
    max_tokens: usize,
}

/// The token of a text that its reward is read at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RewardAt {
    First,
    /// The last token. It is used for a decoder's new head, and for one whose configuration names
    /// no padding.
    Last,
    /// The last token that differs from this one, or the first token where all are equal to it (a
    /// decoder's stored head). It is where the sequence classification of transformers reads, whose
    /// `pad_token_id` may be the end token or any other that a text contains.
    LastBut(u32),
}

impl PairTokenizer {
    /// Parses the bytes of a `tokenizer.json`; `special` is what stands beside it. `path` is for
    /// messages.
    ///
    /// # Errors
    /// When the tokenizer is damaged, knows more tokens than the model, lacks the special tokens
    /// of an encoder, or `max_tokens` leaves no room for text.
    pub fn parse(
        path: &Path,
        bytes: &[u8],
        special: &SpecialTokens,
        config: &ModelConfig,
        max_tokens: usize,
    ) -> Result<Self, EngineError> {
        let broken =
            |detail: String| EngineError::BrokenTokenizer { path: path.to_owned(), detail };
        if bytes.len() > MAX_TOKENIZER_BYTES {
            return Err(broken(format!("{} bytes are more than 64 MiB", bytes.len())));
        }
        let refused = |refusal: Refusal| match refusal {
            Refusal::Broken(detail) => broken(detail),
            Refusal::Class(detail) => {
                EngineError::WrongTokenizerClass { path: path.to_owned(), detail }
            }
            Refusal::SplitEnd => EngineError::BadValue {
                path: path.with_file_name("tokenizer_config.json"),
                key: "split_special_tokens",
                value: "true".to_owned(),
                expected: "`false`, as a text could not end with its end token".to_owned(),
            },
        };
        let (mut tokenizer, class) = class::load(bytes, special, config).map_err(refused)?;
        tokenizer.with_padding(None);
        tokenizer.with_truncation(None).map_err(|error| broken(error.to_string()))?;
        let largest = tokenizer.get_vocab(true).into_values().max().unwrap_or(0);
        if largest as usize >= config.vocab_size() {
            let (path, n_rows) = (path.to_owned(), config.vocab_size());
            return Err(EngineError::TooFewEmbeddings { path, largest, n_rows });
        }
        let template = Template::of(&tokenizer, class, special, config).map_err(refused)?;
        let minimum = template.n_special() + 1;
        if max_tokens < minimum {
            return Err(EngineError::TooFewTokens { max_tokens, minimum });
        }
        let reward_at = if config.is_causal() { RewardAt::Last } else { RewardAt::First };
        let padding = special.padding.as_ref().and_then(|token| tokenizer.token_to_id(token));
        let chat_template = None;
        Ok(Self { tokenizer, class, template, chat_template, reward_at, padding, max_tokens })
    }

    /// Reads the rewards of a decoder with a stored head where transformers does.
    pub(in crate::engine) fn skip_padding(&mut self, padding: Option<u32>) {
        self.reward_at = padding.map_or(RewardAt::Last, RewardAt::LastBut);
    }

    /// Where rewards are read.
    #[must_use]
    pub fn reward_at(&self) -> RewardAt {
        self.reward_at
    }

    /// The token that its files name for padding.
    #[must_use]
    pub fn padding(&self) -> Option<u32> {
        self.padding
    }

    /// Whether every text ends in a token other than `id`. This is known of a decoder's plain text,
    /// cut or not, and not of texts that a chat template ends.
    #[must_use]
    pub fn always_ends_otherwise(&self, id: u32) -> bool {
        let Template::Decoder { end, .. } = &self.template else { return false };
        self.chat_template.is_none() && end.last().is_some_and(|last| *last != id)
    }

    /// Whether an answer has another token type than its prompt.
    #[must_use]
    pub fn has_token_types(&self) -> bool {
        matches!(self.template, Template::Encoder { has_types: true, .. })
    }

    /// How transformers loads it.
    #[must_use]
    pub fn class(&self) -> TokenizerClass {
        self.class
    }

    /// Token ids of many pairs, in order, none longer than the limit and, in a decoder, each up to the
    /// token that its reward is read at: no later one has a say. Texts are tokenized in parallel.
    ///
    /// # Errors
    /// When the tokenizer refuses a text, or the chat template a conversation.
    pub fn encode(&self, pairs: &[PairText<'_>]) -> Result<Vec<EncodedPair>, EngineError> {
        let mut encoded = self.encode_whole(pairs)?;
        self.end_before_padding(&mut encoded);
        Ok(encoded)
    }

    /// Takes off what follows the token that a reward is read at.
    fn end_before_padding(&self, encoded: &mut [EncodedPair]) {
        let RewardAt::LastBut(padding) = self.reward_at else { return };
        for pair in encoded {
            for tokens in [&mut pair.tokens_a, &mut pair.tokens_b] {
                let last = tokens.iter().rposition(|id| *id != padding).unwrap_or_default();
                tokens.truncate(last + 1);
            }
            pair.n_shared = n_shared(&pair.tokens_a, &pair.tokens_b);
        }
    }

    fn encode_whole(&self, pairs: &[PairText<'_>]) -> Result<Vec<EncodedPair>, EngineError> {
        let is_decoder = matches!(self.template, Template::Decoder { .. });
        let has_whole = pairs.iter().any(|pair| *pair.form == TextForm::Whole);
        let encode = |pairs: &[PairText<'_>]| match &self.chat_template {
            Some(chat) => self.encode_with(chat, pairs),
            None => self.encode_texts(pairs),
        };
        // A decoder without a template reads everything as one text.
        if !has_whole || (is_decoder && self.chat_template.is_none()) {
            return encode(pairs);
        }
        let [(places, conversations), (whole_places, wholes)] = conversation::apart(pairs);
        let mut encoded = vec![EncodedPair::default(); pairs.len()];
        let conversations = encode(&conversations)?;
        let wholes = self.encode_alone(&wholes)?;
        let found = places.into_iter().chain(whole_places);
        for (place, pair) in found.zip(conversations.into_iter().chain(wholes)) {
            encoded[place] = pair;
        }
        Ok(encoded)
    }

    /// As the template writes the conversations.
    fn encode_with(
        &self,
        chat: &ChatTemplate,
        pairs: &[PairText<'_>],
    ) -> Result<Vec<EncodedPair>, EngineError> {
        let writes_its_own = chat.special_tokens() == SpecialTokensBy::Template;
        if writes_its_own && matches!(self.template, Template::Decoder { .. }) {
            return self.encode_conversations(chat, pairs);
        }
        let rendered = conversation::render(chat, pairs)?;
        self.encode_texts(&rendered.iter().map(Rendered::as_pair).collect::<Vec<_>>())
    }

    /// The template that conversations are written with, if any.
    #[must_use]
    pub fn chat_template(&self) -> Option<&ChatTemplate> {
        self.chat_template.as_ref()
    }

    fn encode_texts(&self, pairs: &[PairText<'_>]) -> Result<Vec<EncodedPair>, EngineError> {
        match &self.template {
            Template::Decoder { start, end } => self.encode_decoder(pairs, start, end),
            Template::Encoder { start, middle, end, has_types, .. } => {
                self.encode_encoder(pairs, [start, middle, end], *has_types)
            }
        }
    }

    /// Prompt and answer as one text, also for models that otherwise read two.
    fn encode_alone(&self, pairs: &[PairText<'_>]) -> Result<Vec<EncodedPair>, EngineError> {
        let Template::Encoder { alone: [start, end], .. } = &self.template else {
            return self.encode_texts(pairs);
        };
        let mut encoded = self.encode_decoder(pairs, start, end)?;
        for pair in &mut encoded {
            pair.n_shared = 0;
            // There is no second segment.
            pair.answer_start = [pair.tokens_a.len(), pair.tokens_b.len()];
        }
        Ok(encoded)
    }

    /// Token ids of one text without special tokens, for language modeling.
    ///
    /// # Errors
    /// When the tokenizer refuses the text.
    pub fn encode_text(&self, text: &str) -> Result<Vec<u32>, EngineError> {
        let encoding = guarded(|| self.tokenizer.encode(text, false))
            .map_err(|detail| EngineError::Tokenize { position: 0, detail })?;
        Ok(encoding.get_ids().to_vec())
    }

    /// The text of token ids, special tokens left out.
    ///
    /// # Errors
    /// When an id is unknown to the tokenizer's decoder.
    pub fn decode(&self, ids: &[u32]) -> Result<String, EngineError> {
        guarded(|| self.tokenizer.decode(ids, true))
            .map_err(|detail| EngineError::Tokenize { position: 0, detail })
    }

    /// The id of a token.
    #[must_use]
    pub fn id(&self, token: &str) -> Option<u32> {
        self.tokenizer.token_to_id(token)
    }

    /// The token of an id.
    #[must_use]
    pub fn token(&self, id: u32) -> Option<String> {
        self.tokenizer.id_to_token(id)
    }

    /// The id that the first of some names gets that no token has, were it added to the vocabulary.
    #[must_use]
    pub fn new_token(&self, names: &[&str]) -> Option<(u32, String)> {
        let name = names.iter().find(|name| self.id(name).is_none())?;
        let mut tokenizer = self.tokenizer.clone();
        tokenizer.add_special_tokens([AddedToken::from(*name, true)]).ok()?;
        Some((tokenizer.token_to_id(name)?, (*name).to_owned()))
    }

    /// The special tokens that were added to the vocabulary, by id.
    pub fn special_tokens(&self) -> impl Iterator<Item = String> {
        let mut added: Vec<_> = self.tokenizer.get_added_tokens_decoder().into_iter().collect();
        added.sort_by_key(|(id, _)| *id);
        added.into_iter().filter(|(_, token)| token.special).map(|(_, token)| token.content)
    }

    /// The tokens before a decoder's text.
    #[must_use]
    pub fn start(&self) -> &[u32] {
        match &self.template {
            Template::Decoder { start, .. } => start,
            Template::Encoder { .. } => &[],
        }
    }

    /// The token that a decoder's plain text ends with.
    #[must_use]
    pub fn end_token(&self) -> Option<String> {
        match &self.template {
            Template::Decoder { end, .. } => end.first().and_then(|id| self.token(*id)),
            Template::Encoder { .. } => None,
        }
    }

    fn encode_decoder(
        &self,
        pairs: &[PairText<'_>],
        start: &[u32],
        end: &[u32],
    ) -> Result<Vec<EncodedPair>, EngineError> {
        let texts: Vec<String> = pairs
            .iter()
            .flat_map(|pair| [pair.response_a, pair.response_b].map(|r| [pair.prompt, r].concat()))
            .collect();
        let encodings = self.encode_all(texts.iter().map(String::as_str).collect())?;
        let room = self.max_tokens - start.len() - end.len();
        let sides = encodings.chunks_exact(2);
        Ok(pairs
            .iter()
            .zip(sides)
            .map(|(pair, sides)| {
                // A token that spans the border between prompt and answer belongs to the answer,
                // because the two sides may differ there.
                let n_prompt = sides
                    .iter()
                    .map(|side| n_tokens_within(side, pair.prompt.len()))
                    .min()
                    .unwrap_or_default();
                // A text that already ends in the end token does not get another one.
                let ids = [&sides[0], &sides[1]].map(|side| {
                    let ids = side.get_ids();
                    let is_ended = !end.is_empty() && ids[n_prompt..].ends_with(&end[..1]);
                    &ids[..ids.len() - usize::from(is_ended)]
                });
                let cut = fit(n_prompt, ids.map(|ids| ids.len() - n_prompt), room);
                let side = |i: usize| {
                    let kept = &ids[i][cut.n_prompt..ids[i].len() - cut.n_answer[i]];
                    non_empty([start, kept, end].concat())
                };
                let (tokens_a, tokens_b) = (side(0), side(1));
                EncodedPair {
                    n_shared: n_shared(&tokens_a, &tokens_b),
                    tokens_a,
                    tokens_b,
                    answer_start: [0, 0],
                    n_prompt_tokens_cut: cut.n_prompt,
                    n_answer_tokens_cut: cut.n_answer.iter().sum(),
                }
            })
            .collect())
    }

    fn encode_encoder(
        &self,
        pairs: &[PairText<'_>],
        [start, middle, end]: [&[u32]; 3],
        has_types: bool,
    ) -> Result<Vec<EncodedPair>, EngineError> {
        let texts: Vec<&str> =
            pairs.iter().flat_map(|pair| [pair.prompt, pair.response_a, pair.response_b]).collect();
        let encodings = self.encode_all(texts)?;
        let room = self.max_tokens - self.template.n_special();
        Ok(encodings
            .chunks_exact(3)
            .map(|texts| {
                let prompt = texts[0].get_ids();
                let answers = [texts[1].get_ids(), texts[2].get_ids()];
                let cut = fit(prompt.len(), answers.map(<[u32]>::len), room);
                let prompt = &prompt[cut.n_prompt..];
                let side = |i: usize| {
                    let answer = &answers[i][..answers[i].len() - cut.n_answer[i]];
                    [start, prompt, middle, answer, end].concat()
                };
                let (tokens_a, tokens_b) = (side(0), side(1));
                let answer_start = if has_types {
                    [start.len() + prompt.len() + middle.len(); 2]
                } else {
                    [tokens_a.len(), tokens_b.len()]
                };
                EncodedPair {
                    tokens_a,
                    tokens_b,
                    n_shared: 0,
                    answer_start,
                    n_prompt_tokens_cut: cut.n_prompt,
                    n_answer_tokens_cut: cut.n_answer.iter().sum(),
                }
            })
            .collect())
    }

    /// Encodes texts in parallel without special tokens. On an error they are tried one by one, to
    /// name the text.
    fn encode_all(&self, texts: Vec<&str>) -> Result<Vec<Encoding>, EngineError> {
        let inputs = texts.iter().map(|text| InputSequence::from(*text)).collect();
        if let Ok(encodings) =
            guarded(|| self.tokenizer.encode_batch::<InputSequence>(inputs, false))
        {
            return Ok(encodings);
        }
        let encode = |(position, text): (usize, &str)| {
            guarded(|| self.tokenizer.encode(text, false))
                .map_err(|detail| EngineError::Tokenize { position, detail })
        };
        texts.into_iter().enumerate().map(encode).collect()
    }
}

/// How much to cut from a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Cut {
    /// Prompt tokens from the front, on both sides.
    n_prompt: usize,
    /// Answer tokens from the end of each side.
    n_answer: [usize; 2],
}

/// The truncation rule: `room` tokens for a prompt of `n_prompt` and answers of `n_answer`.
fn fit(n_prompt: usize, n_answer: [usize; 2], room: usize) -> Cut {
    let longest = n_prompt + n_answer[0].max(n_answer[1]);
    Cut {
        n_prompt: longest.saturating_sub(room).min(n_prompt),
        n_answer: n_answer.map(|n| n.saturating_sub(room)),
    }
}

/// Length of the common prefix, short of the whole of either side, so that each side keeps a token
/// of its own at which its reward is read.
fn n_shared(a: &[u32], b: &[u32]) -> usize {
    let common = a.iter().zip(b).take_while(|(a, b)| a == b).count();
    common.min(a.len().min(b.len()).saturating_sub(1))
}

/// How many leading tokens end within the first `n_bytes` bytes of the text.
fn n_tokens_within(encoding: &Encoding, n_bytes: usize) -> usize {
    if n_bytes == 0 {
        return 0;
    }
    encoding.get_offsets().iter().take_while(|(_, end)| *end <= n_bytes).count()
}

/// A model without special tokens needs one position even for an empty text, so that there is a
/// reward to read.
fn non_empty(tokens: Vec<u32>) -> Vec<u32> {
    if tokens.is_empty() { vec![0] } else { tokens }
}
