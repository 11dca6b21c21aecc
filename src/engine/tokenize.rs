//! From the texts of a pair to token ids, with one truncation rule for both sides.
//!
//! A decoder reads `[BOS] prompt answer [EOS]` as one text, tokenized whole; an encoder reads
//! `[CLS] prompt [SEP] answer [SEP]`, its two texts tokenized apart. Which special tokens stand
//! where is asked of the tokenizer's own post-processor; its truncation and padding settings are
//! switched off. What does not fit is cut by `fit`: oldest prompt tokens first, the same number
//! on both sides, so that a shared prefix stays shared; the end of an answer only when the answer
//! alone is too long.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use tokenizers::{Encoding, InputSequence, Tokenizer};

use super::config::{DecoderConfig, ModelConfig};
use super::{EncodedPair, EngineError, PairText};

/// Larger files are refused before they are parsed.
const MAX_TOKENIZER_BYTES: usize = 64 << 20;

/// The model's tokenizer together with the special tokens around a pair.
#[derive(Debug, Clone)]
pub struct PairTokenizer {
    tokenizer: Tokenizer,
    template: Template,
    max_tokens: usize,
}

/// Special tokens around the texts.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Template {
    /// One text: `start`, prompt and answer, `end`.
    Decoder { start: Vec<u32>, end: Vec<u32> },
    /// Two texts: `start`, prompt, `middle`, answer, `end`.
    Encoder { start: Vec<u32>, middle: Vec<u32>, end: Vec<u32> },
}

impl Template {
    fn n_special(&self) -> usize {
        match self {
            Self::Decoder { start, end } => start.len() + end.len(),
            Self::Encoder { start, middle, end } => start.len() + middle.len() + end.len(),
        }
    }
}

impl PairTokenizer {
    /// Parses the bytes of a `tokenizer.json`. `path` is for messages.
    ///
    /// # Errors
    /// When the tokenizer is damaged, knows more tokens than the model, lacks the special tokens
    /// of an encoder, or `max_tokens` leaves no room for text.
    pub fn parse(
        path: &Path,
        bytes: &[u8],
        config: &ModelConfig,
        max_tokens: usize,
    ) -> Result<Self, EngineError> {
        let broken =
            |detail: String| EngineError::BrokenTokenizer { path: path.to_owned(), detail };
        if bytes.len() > MAX_TOKENIZER_BYTES {
            return Err(broken(format!("{} bytes are more than 64 MiB", bytes.len())));
        }
        let parsed = guarded(|| Tokenizer::from_bytes(bytes));
        let mut tokenizer = parsed.map_err(broken)?;
        tokenizer.with_padding(None);
        tokenizer.with_truncation(None).map_err(|error| broken(error.to_string()))?;
        let largest = tokenizer.get_vocab(true).into_values().max().unwrap_or(0);
        if largest as usize >= config.vocab_size() {
            return Err(broken(format!(
                "its largest token id is {largest}, but the model has {} embeddings",
                config.vocab_size()
            )));
        }
        let template = match config {
            ModelConfig::Decoder(config) => decoder_template(&tokenizer, config),
            ModelConfig::Encoder(_) => encoder_template(&tokenizer),
        };
        let template = template.map_err(broken)?;
        let minimum = template.n_special() + 1;
        if max_tokens < minimum {
            return Err(EngineError::TooFewTokens { max_tokens, minimum });
        }
        Ok(Self { tokenizer, template, max_tokens })
    }

    /// Token ids of many pairs, in order, none longer than the limit. Texts are tokenized in
    /// parallel.
    ///
    /// # Errors
    /// When the tokenizer refuses a text.
    pub fn encode(&self, pairs: &[PairText<'_>]) -> Result<Vec<EncodedPair>, EngineError> {
        match &self.template {
            Template::Decoder { start, end } => self.encode_decoder(pairs, start, end),
            Template::Encoder { start, middle, end } => {
                self.encode_encoder(pairs, start, middle, end)
            }
        }
    }

    /// Token ids of one text without special tokens, for language modelling.
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
                // A token across the border is the answer's: the two sides may differ there.
                let n_prompt = sides
                    .iter()
                    .map(|side| n_tokens_within(side, pair.prompt.len()))
                    .min()
                    .unwrap_or_default();
                let ids = [sides[0].get_ids(), sides[1].get_ids()];
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
        start: &[u32],
        middle: &[u32],
        end: &[u32],
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
                let answer_start = start.len() + prompt.len() + middle.len();
                EncodedPair {
                    tokens_a: side(0),
                    tokens_b: side(1),
                    n_shared: 0,
                    answer_start: [answer_start, answer_start],
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

/// Length of the common prefix, short of the whole of either side: each keeps a token of its own,
/// the one its reward is read at.
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

/// A model without special tokens still needs one position to read the reward of an empty text.
fn non_empty(tokens: Vec<u32>) -> Vec<u32> {
    if tokens.is_empty() { vec![0] } else { tokens }
}

/// What the tokenizer puts around one text, completed by `config.json`.
fn decoder_template(tokenizer: &Tokenizer, config: &DecoderConfig) -> Result<Template, String> {
    let probe = guarded(|| tokenizer.encode("a", true))?;
    let [mut start, _, mut end] = special_runs(&probe, 1);
    if let Some(bos) = config.bos_token_id.filter(|bos| !start.contains(bos)) {
        start.insert(0, bos);
    }
    if let Some(eos) = config.eos_token_id.filter(|eos| !end.contains(eos)) {
        end.push(eos);
    }
    Ok(Template::Decoder { start, end })
}

/// What the tokenizer puts around two texts; `[CLS]` and `[SEP]` when it has no post-processor.
fn encoder_template(tokenizer: &Tokenizer) -> Result<Template, String> {
    let probe = guarded(|| tokenizer.encode(("a", "a"), true))?;
    let [start, middle, end] = special_runs(&probe, 2);
    if !start.is_empty() && !middle.is_empty() {
        return Ok(Template::Encoder { start, middle, end });
    }
    let id = |token: &str| tokenizer.token_to_id(token).ok_or(format!("it has no `{token}` token"));
    let (cls, sep) = (id("[CLS]")?, id("[SEP]")?);
    Ok(Template::Encoder { start: vec![cls], middle: vec![sep], end: vec![sep] })
}

/// The special tokens before, between and after the `n_texts` texts of an encoding.
fn special_runs(encoding: &Encoding, n_texts: usize) -> [Vec<u32>; 3] {
    let mut runs = [Vec::new(), Vec::new(), Vec::new()];
    let (mut run, mut was_text) = (0, false);
    let mask = encoding.get_special_tokens_mask();
    for (&id, &is_special) in encoding.get_ids().iter().zip(mask) {
        if is_special == 1 {
            if was_text {
                run = if run + 1 == n_texts { 2 } else { run + 1 };
            }
            runs[run].push(id);
        }
        was_text = is_special == 0;
    }
    runs
}

/// Runs a call of the tokenizers crate. It is known to panic on some damaged files; a panic
/// becomes an error like its others.
fn guarded<T>(call: impl FnOnce() -> tokenizers::Result<T>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(result) => result.map_err(|error| error.to_string()),
        Err(_) => Err("the tokenizer panicked".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Backbone;
    use crate::engine::fixture::{
        bert_dir, llama_config, llama_dir, llama_tokenizer, shared_model,
    };
    use crate::engine::weights::ModelFiles;

    // Ids of the tiny decoder's words: the 3, cat 4, dog 5, sat 6, ran 7, on 8, mat 9, away 10;
    // the tiny encoder's are one higher.

    fn open(dir: &Path, max_tokens: usize) -> PairTokenizer {
        ModelFiles::open(&Backbone::Directory(dir.to_owned()), max_tokens).unwrap().tokenizer
    }

    fn encode(tokenizer: &PairTokenizer, prompt: &str, a: &str, b: &str) -> EncodedPair {
        let pair = PairText { prompt, response_a: a, response_b: b };
        tokenizer.encode(&[pair]).unwrap().remove(0)
    }

    #[test]
    fn a_decoder_reads_one_text_and_shares_its_prefix() {
        let tokenizer = open(llama_dir().path(), 16);
        let pair = encode(&tokenizer, "the cat", " sat on", " sat away");
        assert_eq!(pair.tokens_a, [1, 3, 4, 6, 8, 2]);
        assert_eq!(pair.tokens_b, [1, 3, 4, 6, 10, 2]);
        assert_eq!((pair.n_shared, pair.answer_start), (4, [0, 0]));
        assert!(!pair.is_truncated());
    }

    #[test]
    fn each_side_keeps_a_token_of_its_own() {
        let tokenizer = open(llama_dir().path(), 16);
        let same = encode(&tokenizer, "the", " cat", " cat");
        assert_eq!((same.tokens_a.len(), same.n_shared), (4, 3));
        let nothing = encode(&tokenizer, "", "", "");
        assert_eq!((nothing.tokens_a.as_slice(), nothing.n_shared), ([1, 2].as_slice(), 1));
        let prefix = encode(&tokenizer, "the", "", " cat");
        assert_eq!((prefix.tokens_a.as_slice(), prefix.n_shared), ([1, 3, 2].as_slice(), 2));
    }

    #[test]
    fn oldest_prompt_tokens_go_first_and_equally() {
        let tokenizer = open(llama_dir().path(), 6);
        let pair = encode(&tokenizer, "the cat sat on", " mat", " mat away");
        // 4 of prompt and 2 of the longer answer into 4 places between <s> and </s>.
        assert_eq!(pair.tokens_a, [1, 6, 8, 9, 2]);
        assert_eq!(pair.tokens_b, [1, 6, 8, 9, 10, 2]);
        assert_eq!((pair.n_shared, pair.n_prompt_tokens_cut, pair.n_answer_tokens_cut), (4, 2, 0));
    }

    #[test]
    fn an_answer_that_is_too_long_alone_loses_its_end() {
        let tokenizer = open(llama_dir().path(), 5);
        let pair = encode(&tokenizer, "the cat", " sat on the mat away", " ran");
        assert_eq!(pair.tokens_a, [1, 6, 8, 3, 2]);
        assert_eq!(pair.tokens_b, [1, 7, 2]);
        assert_eq!((pair.n_shared, pair.n_prompt_tokens_cut, pair.n_answer_tokens_cut), (1, 2, 2));
        let both = encode(&tokenizer, "", "the cat sat on", "the the the the the");
        assert_eq!((both.tokens_a.len(), both.n_answer_tokens_cut), (5, 3));
    }

    #[test]
    fn an_encoder_reads_two_segments() {
        let tokenizer = open(bert_dir().path(), 24);
        let pair = encode(&tokenizer, "the cat", "sat on", "ran");
        assert_eq!(pair.tokens_a, [2, 4, 5, 3, 7, 9, 3]);
        assert_eq!(pair.tokens_b, [2, 4, 5, 3, 8, 3]);
        assert_eq!((pair.answer_start, pair.n_shared), ([4, 4], 0));
        let empty = encode(&tokenizer, "", "", "cat");
        assert_eq!(empty.tokens_a, [2, 3, 3]);
        assert_eq!(
            (empty.tokens_b.as_slice(), empty.answer_start),
            ([2, 3, 5, 3].as_slice(), [2, 2])
        );
        // The fixture's own settings would cut to 3 and pad to 16.
        assert_eq!(encode(&tokenizer, &"the ".repeat(17), "cat", "dog").tokens_a.len(), 21);
    }

    #[test]
    fn an_encoder_follows_the_same_truncation_rule() {
        let tokenizer = open(bert_dir().path(), 7);
        let pair = encode(&tokenizer, "the cat dog", "sat on", "ran");
        assert_eq!(pair.tokens_a, [2, 5, 6, 3, 7, 9, 3]);
        assert_eq!(pair.tokens_b, [2, 5, 6, 3, 8, 3]);
        assert_eq!((pair.n_prompt_tokens_cut, pair.n_answer_tokens_cut), (1, 0));
        let pair = encode(&tokenizer, "the cat dog", "sat on the mat away away", "ran");
        assert_eq!(pair.tokens_a, [2, 3, 7, 9, 4, 10, 3]);
        assert_eq!(pair.answer_start, [2, 2]);
        assert_eq!((pair.n_prompt_tokens_cut, pair.n_answer_tokens_cut), (3, 2));
    }

    #[test]
    fn special_tokens_come_from_the_tokenizer_or_the_configuration_but_once() {
        let parse = |tokenizer: &serde_json::Value| {
            let config = llama_config().to_string();
            let config = ModelConfig::parse(Path::new("config.json"), config.as_bytes()).unwrap();
            let bytes = tokenizer.to_string();
            PairTokenizer::parse(Path::new("tokenizer.json"), bytes.as_bytes(), &config, 16)
        };
        let mut tokenizer = llama_tokenizer();
        let expected = Template::Decoder { start: vec![1], end: vec![2] };
        assert_eq!(parse(&tokenizer).unwrap().template, expected);
        tokenizer["post_processor"] = serde_json::Value::Null;
        assert_eq!(parse(&tokenizer).unwrap().template, expected);
        tokenizer["model"]["vocab"]["zebra"] = 11.into();
        let error = parse(&tokenizer).unwrap_err().to_string();
        assert!(
            error.contains("largest token id is 11") && error.contains("11 embeddings"),
            "{error}"
        );
    }

    #[test]
    fn batches_keep_their_order() {
        let tokenizer = open(llama_dir().path(), 16);
        let prompts: Vec<String> = (0..200).map(|i| "the ".repeat(i % 7)).collect();
        let pairs: Vec<PairText<'_>> = prompts
            .iter()
            .map(|prompt| PairText { prompt, response_a: "cat", response_b: "dog" })
            .collect();
        for (i, pair) in tokenizer.encode(&pairs).unwrap().iter().enumerate() {
            assert_eq!(pair.tokens_a.len(), 3 + i % 7);
        }
    }

    #[test]
    fn the_rule_keeps_its_promises_at_every_size() {
        for n_prompt in 0..6 {
            for a in 0..6 {
                for b in 0..6 {
                    for room in 1..8 {
                        let cut = fit(n_prompt, [a, b], room);
                        let kept =
                            |n: usize, i: usize| n_prompt - cut.n_prompt + n - cut.n_answer[i];
                        let longest = kept(a, 0).max(kept(b, 1));
                        assert!(longest <= room);
                        assert_eq!(longest, room.min(n_prompt + a.max(b)), "nothing is wasted");
                        let keeps_prompt = cut.n_prompt < n_prompt;
                        assert!(!keeps_prompt || cut.n_answer == [0, 0]);
                    }
                }
            }
        }
    }

    #[test]
    fn real_tokenizers_count_bytes_and_share_prompts() {
        let prompt = "\n\nHuman: Où est le café — 猫は?\n\nAssistant:";
        let (a, b) = (" It is on the corner.", " I do not know, sorry.");
        if let Some(dir) = shared_model("stories260K/hf") {
            let tokenizer = open(&dir, 512);
            let pair = encode(&tokenizer, prompt, a, b);
            assert_eq!((pair.tokens_a[0], pair.tokens_a.last()), (1, Some(&2)));
            assert_eq!(pair.tokens_a.iter().filter(|&&id| id == 1).count(), 1);
            let alone = tokenizer.encode_text(prompt).unwrap();
            assert!(pair.n_shared + 2 >= alone.len(), "{} of {}", pair.n_shared, alone.len());
            let text = tokenizer.decode(&pair.tokens_b).unwrap();
            assert_eq!(text.trim_start(), format!("{prompt}{b}").trim_start());
            let cut = encode(&open(&dir, 40), prompt, a, b);
            assert_eq!(cut.tokens_a.len().max(cut.tokens_b.len()), 40);
            let n_cut = cut.n_prompt_tokens_cut;
            assert_eq!(cut.tokens_a[1..], pair.tokens_a[1 + n_cut..]);
            assert_eq!(cut.tokens_b[1..], pair.tokens_b[1 + n_cut..]);
        }
        if let Some(dir) = shared_model("all-MiniLM-L6-v2") {
            let pair = encode(&open(&dir, 256), prompt, a, b);
            let start = pair.answer_start[0];
            // "it is on the corner ." of bert-base-uncased.
            assert_eq!(pair.tokens_a[start..], [2009, 2003, 2006, 1996, 3420, 1012, 102]);
            assert_eq!((pair.tokens_a[0], pair.tokens_a[start - 1]), (101, 102));
        }
    }
}
