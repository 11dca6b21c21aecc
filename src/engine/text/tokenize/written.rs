//! Texts that somebody else's chat template has written already, special tokens included, such as the
//! queries of a training loop that asks for rewards.
//!
//! They are read as the conversation would be that they came from. Special tokens that stand at their
//! ends as text are read as such and not added again; what is missing there is added: a model that was
//! trained on whole answers gives its reward at their end, and an answer that was cut has none. A
//! generated answer ends at its end token, and the template's line break after it is missing.

use super::template::Template;
use super::{PairTokenizer, fit, n_tokens_within, non_empty};
use crate::domain::text::conversation::{ASSISTANT_ROLE, Message, TextForm, USER_ROLE};
use crate::engine::text::chat::{ChatTemplate, SpecialTokensBy};
use crate::engine::{EncodedPair, EngineError, PairText, WrittenText};

/// Content that no template contains.
const PROBE: &str = "qZjXw7";

/// What stands around one text.
struct Around<'a> {
    start: &'a [u32],
    /// Its first token is the end token of the text.
    end: &'a [u32],
}

impl PairTokenizer {
    /// Token ids of texts that are written already, each on both sides of a pair. A text that is too
    /// long loses its oldest tokens; where its answer is known and too long by itself, the answer loses
    /// its end.
    ///
    /// # Errors
    /// When the tokenizer refuses a text.
    pub fn encode_written(
        &self,
        texts: &[WrittenText<'_>],
    ) -> Result<Vec<EncodedPair>, EngineError> {
        let tail = self.tail();
        let tail_tokens = self.encode_text(&tail)?.len();
        let marks: Vec<String> = self.special_tokens().collect();
        let answers: Vec<String> =
            texts.iter().map(|text| completed(text.answer, &tail, &marks)).collect();
        let mut encoded = match &self.template {
            Template::Decoder { start, end } => {
                let around = match self.chat_template().map(ChatTemplate::special_tokens) {
                    Some(SpecialTokensBy::Template) => Around { start: &[], end: &[] },
                    Some(SpecialTokensBy::Tokenizer) | None => Around { start, end },
                };
                self.as_one(texts, &answers, &around, tail_tokens)?
            }
            Template::Encoder { start, middle, end, has_types, alone: [before, after] } => {
                let around = Around { start: before, end: after };
                let ones = self.as_one(texts, &answers, &around, tail_tokens)?;
                let pairs: Vec<PairText<'_>> = texts
                    .iter()
                    .zip(&answers)
                    .map(|(text, answer)| doubled(text, answer))
                    .collect();
                let twos = self.encode_encoder(&pairs, [start, middle, end], *has_types)?;
                let choose = |(text, (one, two)): (&WrittenText<'_>, (_, _))| {
                    if text.prompt.is_empty() { one } else { two }
                };
                texts.iter().zip(ones.into_iter().zip(twos)).map(choose).collect()
            }
        };
        self.end_before_padding(&mut encoded);
        Ok(encoded)
    }

    /// What the chat template writes after the last answer; empty without a template.
    fn tail(&self) -> String {
        let Some(chat) = &self.chat_template else { return String::new() };
        let messages = [Message::new(USER_ROLE, PROBE), Message::new(ASSISTANT_ROLE, PROBE)];
        let rendered = chat.render(&messages, "").unwrap_or_default();
        rendered.rsplit_once(PROBE).map_or_else(String::new, |(_, tail)| tail.to_owned())
    }

    /// Each text as one segment.
    fn as_one(
        &self,
        texts: &[WrittenText<'_>],
        answers: &[String],
        around: &Around<'_>,
        tail_tokens: usize,
    ) -> Result<Vec<EncodedPair>, EngineError> {
        let wholes: Vec<String> = texts
            .iter()
            .zip(answers)
            .map(|(text, answer)| [text.prompt, answer].concat())
            .collect();
        let encodings = self.encode_all(wholes.iter().map(String::as_str).collect())?;
        let one = |(text, encoding): (&WrittenText<'_>, &tokenizers::Encoding)| {
            let (ids, mut n_prompt) =
                (encoding.get_ids(), n_tokens_within(encoding, text.prompt.len()));
            let n_started = if ids.starts_with(around.start) { around.start.len() } else { 0 };
            let ids = &ids[n_started..];
            n_prompt = n_prompt.saturating_sub(n_started);
            let ending = &around.end[..around.end.len().min(1)];
            let n_ended = if ids.ends_with(ending) { ending.len() } else { 0 };
            let ids = &ids[..ids.len() - n_ended];
            let (ids, tail) = ids.split_at(ids.len() - tail_tokens.min(ids.len()));
            n_prompt = if text.prompt.is_empty() { ids.len() } else { n_prompt.min(ids.len()) };
            let around_it = around.start.len() + tail.len() + around.end.len();
            let room = self.max_tokens.saturating_sub(around_it);
            let cut = fit(n_prompt, [ids.len() - n_prompt; 2], room);
            let kept = &ids[cut.n_prompt..ids.len() - cut.n_answer[0]];
            let tokens = non_empty([around.start, kept, tail, around.end].concat());
            EncodedPair {
                // There is no second segment.
                answer_start: if self.is_encoder() { [tokens.len(); 2] } else { [0, 0] },
                tokens_a: tokens.clone(),
                tokens_b: tokens,
                n_shared: 0,
                n_prompt_tokens_cut: cut.n_prompt,
                n_answer_tokens_cut: cut.n_answer.iter().sum(),
            }
        };
        Ok(texts.iter().zip(&encodings).map(one).collect())
    }

    fn is_encoder(&self) -> bool {
        matches!(self.template, Template::Encoder { .. })
    }
}

/// The pair of a text as an encoder reads it: prompt and answer as two segments.
fn doubled<'a>(text: &WrittenText<'a>, answer: &'a str) -> PairText<'a> {
    let (form, prompt) = (&TextForm::Plain, text.prompt);
    PairText { form, prompt, response_a: answer, response_b: answer }
}

/// The text with the end that its template writes, of which some may be there: all of it, or what
/// comes before and up to one of the special tokens `marks`.
fn completed(text: &str, tail: &str, marks: &[String]) -> String {
    if text.ends_with(tail) {
        return text.to_owned();
    }
    let written = tail.trim_start();
    let mut ends: Vec<usize> = marks
        .iter()
        .filter(|mark| !mark.is_empty())
        .flat_map(|mark| written.match_indices(mark.as_str()).map(|(at, mark)| at + mark.len()))
        .collect();
    ends.sort_unstable();
    let there = ends.into_iter().rev().find(|end| text.ends_with(&written[..*end]));
    let content = &text[..text.len() - there.unwrap_or_default()];
    [content, tail].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_completed_and_never_doubled() {
        let marks = ["<|im_end|>", "</s>", "<|end|>", "<|eot|>"].map(str::to_owned);
        for (text, tail, expected) in [
            ("a", "", "a"),
            ("a\n", "", "a\n"),
            ("a", "<|im_end|>\n", "a<|im_end|>\n"),
            ("a<|im_end|>", "<|im_end|>\n", "a<|im_end|>\n"),
            ("a<|im_end|>\n", "<|im_end|>\n", "a<|im_end|>\n"),
            ("a</s>", " </s>", "a </s>"),
            ("a </s>", " </s>", "a </s>"),
            ("a<|end|>", "<|end|>\n<|eot|>", "a<|end|>\n<|eot|>"),
            ("a<|end|>\n<|eot|>", "<|end|>\n<|eot|>", "a<|end|>\n<|eot|>"),
            ("if a <", "<|im_end|>\n", "if a <<|im_end|>\n"),
            ("", "<|im_end|>\n", "<|im_end|>\n"),
        ] {
            assert_eq!(completed(text, tail, &marks), expected, "{text:?} {tail:?}");
        }
    }
}
