//! Pads the sides of some pairs to one width.

use candle_core::{Device, Result, Tensor};

use crate::engine::EncodedPair;
use crate::engine::config::{ModelConfig, position_rows};

/// How the sequences of a model family are laid out.
#[derive(Debug, Clone, Copy)]
pub struct Reading {
    /// Whether tokens see only those before them and the reward is read at the last one; otherwise
    /// they see all tokens, and it is read at the first.
    pub is_causal: bool,
    /// Answers have token type 1.
    pub has_segments: bool,
}

impl Reading {
    /// How a model of this configuration reads a sequence.
    #[must_use]
    pub fn of(config: &ModelConfig) -> Self {
        match config {
            ModelConfig::Decoder(_) => Self { is_causal: true, has_segments: false },
            ModelConfig::Encoder(config) => {
                Self { is_causal: false, has_segments: config.has_segments() }
            }
        }
    }
}

/// The sides of some pairs, a then b of each, padded to the longest.
#[derive(Debug)]
pub struct Padded {
    /// Sequences, two a pair.
    pub n_sequences: usize,
    /// Positions of each.
    pub width: usize,
    /// Tokens before padding.
    pub lengths: Vec<usize>,
    /// Token ids, `[n_sequences * width]`.
    pub tokens: Vec<u32>,
    /// Token types, likewise.
    pub types: Vec<u32>,
    /// Number of each token in the whole batch, which keys its dropout mask.
    pub numbers: Vec<u32>,
    /// Row of the token each reward is read at.
    pub pooled: Vec<u32>,
}

impl Padded {
    /// Pads pairs. Beside each pair stands the number of its first token in the whole batch.
    #[must_use]
    pub fn new(pairs: &[(&EncodedPair, u32)], reading: Reading) -> Self {
        let sides = |pair: &EncodedPair| pair.tokens_a.len().max(pair.tokens_b.len());
        let width = pairs.iter().map(|(pair, _)| sides(pair)).max();
        let mut batch = Self::empty(2 * pairs.len(), width.unwrap_or_default());
        for (pair, first) in pairs {
            let n_a = pair.tokens_a.len();
            let n_shared = n_shared(pair, reading);
            // In the packed form of `cpu` the own tokens of b follow those of a, so their numbers
            // do too.
            let number_b = |i: usize| if i < n_shared { i } else { n_a + i - n_shared };
            batch.push(&pair.tokens_a, pair.answer_start[0], reading, |i| *first + i as u32);
            batch.push(&pair.tokens_b, pair.answer_start[1], reading, |i| {
                *first + number_b(i) as u32
            });
        }
        batch
    }

    /// Pads sequences of a causal model, each with the number of its first token in the whole batch.
    #[must_use]
    pub fn sequences(sequences: &[(&[u32], u32)]) -> Self {
        let width = sequences.iter().map(|(tokens, _)| tokens.len()).max();
        let mut batch = Self::empty(sequences.len(), width.unwrap_or_default());
        for (tokens, first) in sequences {
            batch.push(tokens, 0, Reading { is_causal: true, has_segments: false }, |i| {
                *first + i as u32
            });
        }
        batch
    }

    fn empty(n_sequences: usize, width: usize) -> Self {
        let width = width.max(1);
        let n_rows = n_sequences * width;
        Self {
            n_sequences,
            width,
            lengths: Vec::with_capacity(n_sequences),
            tokens: vec![0; n_rows],
            types: vec![0; n_rows],
            numbers: vec![0; n_rows],
            pooled: Vec::with_capacity(n_sequences),
        }
    }

    fn push(
        &mut self,
        tokens: &[u32],
        answer_start: usize,
        reading: Reading,
        number: impl Fn(usize) -> u32,
    ) {
        let start = self.lengths.len() * self.width;
        self.tokens[start..start + tokens.len()].copy_from_slice(tokens);
        for i in 0..tokens.len() {
            self.types[start + i] = u32::from(reading.has_segments && i >= answer_start);
            self.numbers[start + i] = number(i);
        }
        let read = if reading.is_causal { tokens.len().saturating_sub(1) } else { 0 };
        self.pooled.push((start + read) as u32);
        self.lengths.push(tokens.len());
    }

    /// The position of each row, from `first` on.
    #[must_use]
    pub fn positions(&self, first: usize) -> Vec<u32> {
        let sequences = self.tokens.chunks(self.width);
        sequences.flat_map(|tokens| position_rows(tokens, first)).collect()
    }

    /// What a causal model adds to attention scores, `[width, width]`: 0 where a row sees the key,
    /// negative infinity elsewhere. A row sees itself and earlier positions, within a window of so
    /// many.
    pub fn causal_mask(&self, window: Option<usize>, device: &Device) -> Result<Tensor> {
        let (n, window) = (self.width, window.unwrap_or(usize::MAX));
        let sees = |row: usize, key: usize| key <= row && row - key < window;
        let values = (0..n * n).map(|i| hide_unless(sees(i / n, i % n))).collect::<Vec<f32>>();
        Tensor::from_vec(values, (n, n), device)
    }

    /// What a bidirectional model adds to attention scores, `[sequences, 1, 1, width]`: negative
    /// infinity at padding, 0 elsewhere.
    pub fn padding_mask(&self, device: &Device) -> Result<Tensor> {
        let values: Vec<f32> = self
            .lengths
            .iter()
            .flat_map(|length| (0..self.width).map(move |key| hide_unless(key < *length)))
            .collect();
        Tensor::from_vec(values, (self.n_sequences, 1, 1, self.width), device)
    }
}

fn hide_unless(is_seen: bool) -> f32 {
    if is_seen { 0.0 } else { f32::NEG_INFINITY }
}

/// Cuts items of so many sequences each into micro-batches: items of similar width together, each
/// micro-batch within `budget` padded tokens unless one item alone is larger.
#[must_use]
pub fn cut(widths: &[usize], n_sequences: usize, budget: usize) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..widths.len()).collect();
    order.sort_by_key(|&i| widths[i]);
    let mut batches: Vec<Vec<usize>> = Vec::new();
    for i in order {
        // Items are sorted by width, so the new one is the widest of its micro-batch.
        let fits = |batch: &&mut Vec<_>| n_sequences * (batch.len() + 1) * widths[i] <= budget;
        match batches.last_mut().filter(fits) {
            Some(batch) => batch.push(i),
            None => batches.push(vec![i]),
        }
    }
    batches
}

/// Number of leading tokens that both sides share. It is less than the length of either side, so
/// each keeps a token of its own.
fn n_shared(pair: &EncodedPair, reading: Reading) -> usize {
    let shortest = pair.tokens_a.len().min(pair.tokens_b.len());
    if reading.is_causal { pair.n_shared.min(shortest.saturating_sub(1)) } else { 0 }
}

/// Rows of a pair in a packed batch, by which the numbers of the pairs after it grow.
#[must_use]
pub fn n_numbers(pair: &EncodedPair, reading: Reading) -> usize {
    pair.n_tokens() - n_shared(pair, reading)
}

/// The reason why a model cannot read a pair, as a sentence; `None` where it can.
#[must_use]
pub fn problem(config: &ModelConfig, pair: &EncodedPair) -> Option<String> {
    // Rotary positions are computed for any position; no table limits them.
    let n_positions = if config.is_causal() { usize::MAX } else { config.max_positions() };
    let vocabulary = config.vocab_size();
    for tokens in [&pair.tokens_a, &pair.tokens_b] {
        if tokens.is_empty() {
            return Some("a side without tokens".to_owned());
        }
        if tokens.len() > n_positions {
            return Some(format!("{} tokens, more than {n_positions} positions", tokens.len()));
        }
        if let Some(token) = tokens.iter().find(|token| **token as usize >= vocabulary) {
            return Some(format!("token `{token}`, but the vocabulary has {vocabulary}"));
        }
    }
    let n_shared = pair.n_shared.min(pair.tokens_a.len()).min(pair.tokens_b.len());
    let is_shared = pair.tokens_a[..n_shared] == pair.tokens_b[..n_shared];
    (!is_shared).then(|| "a shared prefix that differs".to_owned())
}
/// A list of token ids or of rows as a tensor of one dimension.
pub fn ids(ids: &[u32], device: &Device) -> Result<Tensor> {
    Tensor::from_slice(ids, ids.len(), device)
}
