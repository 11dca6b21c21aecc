//! Packs pairs or sequences into one row per token, without padding.
//!
//! For a causal model the shared prefix of a pair is packed once:
//! `[prefix | rest of a | rest of b]`, with the positions of `b` restarting where the prefix ends
//! and a hole in its attention over the rest of `a` (engine notes, "shared prefix"). A prompt with
//! several answers is packed likewise, with a branch for each of them.

use super::kernel::attention::{Block, Pattern};
use crate::engine::config::position_rows;
use crate::engine::{AnswersTo, EncodedPair};

/// The rows that send queries in an attention layer: all rows of the batch, or only those whose
/// hidden state is read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Queries {
    /// Whether these are all rows of the batch, in order.
    pub covers_all: bool,
    /// Who asks whom.
    pub blocks: Vec<Block>,
    /// Place of each query within its block.
    pub places: Vec<u32>,
    /// Row of each query in the packed batch.
    pub rows: Vec<u32>,
    /// Position of each query in its own sequence.
    pub positions: Vec<u32>,
    /// Number of each query's token in the whole batch, which keys its dropout mask.
    pub numbers: Vec<u32>,
}

impl Queries {
    /// How many rows ask.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Which keys each row of the batch may attend to.
    #[must_use]
    pub fn pattern(&self) -> Pattern<'_> {
        Pattern { blocks: &self.blocks, places: &self.places }
    }
}

/// A packed batch, or one micro-batch of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    /// Token id of each row.
    pub tokens: Vec<u32>,
    /// Token type of each row (encoders; 0 for decoders).
    pub token_types: Vec<u32>,
    pub all: Queries,
    /// The rows whose hidden state becomes a reward: `[a, b]` of each pair, or one row for an
    /// answer that stands alone.
    pub pooled: Queries,
}

impl Batch {
    /// Rows of the batch.
    #[must_use]
    pub fn n_rows(&self) -> usize {
        self.tokens.len()
    }

    /// Packs pairs for a decoder; the reward is read at the last token of each side.
    /// `first_number` is the number of the first token in the whole batch.
    #[must_use]
    pub fn causal(pairs: &[&EncodedPair], first_number: u32) -> Self {
        let mut batch = Self::default();
        for pair in pairs {
            let (n_a, n_b) = (pair.tokens_a.len(), pair.tokens_b.len());
            let n_shared = pair.n_shared.min(n_a.min(n_b).saturating_sub(1));
            if n_shared == 0 {
                batch.push_run(&pair.tokens_a, 0..n_a as u32, &[], first_number);
                batch.pool_from_last_block(&[n_a - 1]);
                batch.push_run(&pair.tokens_b, 0..n_b as u32, &[], first_number);
                batch.pool_from_last_block(&[n_b - 1]);
            } else {
                let tokens = pair.tokens_a.iter().chain(&pair.tokens_b[n_shared..]);
                let positions = (0..n_a as u32).chain(n_shared as u32..n_b as u32);
                batch.push_run(tokens, positions, &[n_shared, n_a], first_number);
                batch.pool_from_last_block(&[n_a - 1, n_a + n_b - n_shared - 1]);
            }
        }
        batch.token_types.resize(batch.tokens.len(), 0);
        batch
    }

    /// Packs pairs for an encoder; the reward is read at the first token of each side.
    /// `has_types`: answers have token type 1 (else all tokens have type 0). Positions count from
    /// `first_position`. An empty side, of an answer that stands alone, is left out.
    #[must_use]
    pub fn bidirectional(
        pairs: &[&EncodedPair],
        first_number: u32,
        has_types: bool,
        first_position: usize,
    ) -> Self {
        let mut batch = Self::default();
        for pair in pairs {
            for (tokens, start) in
                [(&pair.tokens_a, pair.answer_start[0]), (&pair.tokens_b, pair.answer_start[1])]
            {
                if tokens.is_empty() {
                    continue;
                }
                batch.push_run(tokens, position_rows(tokens, first_position), &[], first_number);
                batch.pool_from_last_block(&[0]);
                batch
                    .token_types
                    .extend((0..tokens.len()).map(|i| u32::from(has_types && i >= start)));
            }
        }
        batch
    }

    /// Packs each prompt once with all answers to it. The hidden state is read wherever a token of an
    /// answer is predicted: at the last token of a prompt, for the first tokens of all its answers,
    /// and at every token of an answer but its last.
    #[must_use]
    pub fn answers(prompts: &[AnswersTo<'_>], first_number: u32) -> Self {
        let mut batch = Self::default();
        for AnswersTo { prompt, answers } in prompts {
            let n_prompt = prompt.len();
            let mut branches = Vec::with_capacity(answers.len());
            let mut places = vec![n_prompt - 1];
            let mut start = n_prompt;
            for answer in answers {
                branches.push(start);
                places.extend(start..(start + answer.len()).saturating_sub(1).max(start));
                start += answer.len();
            }
            let tokens = prompt.iter().chain(answers.iter().copied().flatten());
            let behind = |answer: &&[u32]| n_prompt as u32..(n_prompt + answer.len()) as u32;
            let positions = (0..n_prompt as u32).chain(answers.iter().flat_map(behind));
            batch.push_run(tokens, positions, &branches, first_number);
            batch.pool_from_last_block(&places);
        }
        batch.token_types.resize(batch.tokens.len(), 0);
        batch
    }

    /// Packs plain sequences for next-token prediction; nothing is pooled.
    #[must_use]
    pub fn sequences(sequences: &[&[u32]], first_number: u32) -> Self {
        let mut batch = Self::default();
        for tokens in sequences {
            batch.push_run(*tokens, 0..tokens.len() as u32, &[], first_number);
        }
        batch.token_types.resize(batch.tokens.len(), 0);
        batch
    }

    /// Packs plain sequences of which only the last rows are read.
    #[must_use]
    pub fn prompts(prompts: &[&[u32]]) -> Self {
        let mut batch = Self::default();
        for tokens in prompts {
            batch.push_run(*tokens, 0..tokens.len() as u32, &[], 0);
            batch.pool_from_last_block(&[tokens.len() - 1]);
        }
        batch.token_types.resize(batch.tokens.len(), 0);
        batch
    }

    /// One token of each of several sequences, at these positions; who attends to whom is not said.
    #[must_use]
    pub fn steps(tokens: Vec<u32>, positions: Vec<u32>) -> Self {
        let n = tokens.len();
        let rows: Vec<u32> = (0..n as u32).collect();
        let all = Queries {
            covers_all: true,
            numbers: rows.clone(),
            rows,
            positions,
            ..Queries::default()
        };
        Self { token_types: vec![0; n], tokens, pooled: all.clone(), all }
    }

    fn push_run<'a>(
        &mut self,
        tokens: impl IntoIterator<Item = &'a u32>,
        positions: impl IntoIterator<Item = u32>,
        branches: &[usize],
        first_number: u32,
    ) {
        self.all.covers_all = true;
        let start = self.tokens.len();
        self.tokens.extend(tokens);
        let end = self.tokens.len();
        self.all.blocks.push(Block {
            queries: start..end,
            keys: start..end,
            branches: branches.to_vec(),
        });
        self.all.places.extend(0..(end - start) as u32);
        self.all.rows.extend(start as u32..end as u32);
        self.all.positions.extend(positions);
        self.all.numbers.extend((start as u32..end as u32).map(|row| first_number + row));
    }

    /// Marks rows of the block that was pushed last as pooled.
    fn pool_from_last_block(&mut self, places: &[usize]) {
        let Some(block) = self.all.blocks.last().cloned() else { return };
        let first = self.pooled.rows.len();
        for place in places {
            let row = block.keys.start + place;
            self.pooled.places.push(*place as u32);
            self.pooled.rows.push(row as u32);
            self.pooled.positions.push(self.all.positions[row]);
            self.pooled.numbers.push(self.all.numbers[row]);
        }
        let queries = first..self.pooled.rows.len();
        self.pooled.blocks.push(Block { queries, ..block });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(a: &[u32], b: &[u32], n_shared: usize, answer_start: [usize; 2]) -> EncodedPair {
        EncodedPair {
            tokens_a: a.to_vec(),
            tokens_b: b.to_vec(),
            n_shared,
            answer_start,
            ..EncodedPair::default()
        }
    }

    #[test]
    fn a_shared_prefix_is_packed_once() {
        let first = pair(&[1, 2, 3, 4], &[1, 2, 5], 2, [0, 0]);
        let second = pair(&[7], &[8, 9], 0, [0, 0]);
        let batch = Batch::causal(&[&first, &second], 100);
        assert_eq!(batch.tokens, [1, 2, 3, 4, 5, 7, 8, 9]);
        assert_eq!(batch.all.positions, [0, 1, 2, 3, 2, 0, 0, 1]);
        assert_eq!(batch.all.numbers, [100, 101, 102, 103, 104, 105, 106, 107]);
        assert_eq!(batch.all.blocks[0], Block { queries: 0..5, keys: 0..5, branches: vec![2, 4] });
        assert_eq!(batch.pooled.rows, [3, 4, 5, 7]);
        assert_eq!(batch.pooled.places, [3, 4, 0, 1]);
    }

    #[test]
    fn a_prompt_is_packed_once_with_all_its_answers() {
        let one = AnswersTo { prompt: &[1, 2], answers: vec![&[3, 4, 5], &[], &[6], &[7, 8]] };
        let two = AnswersTo { prompt: &[9], answers: vec![&[3]] };
        let batch = Batch::answers(&[one, two], 10);
        assert_eq!(batch.tokens, [1, 2, 3, 4, 5, 6, 7, 8, 9, 3]);
        assert_eq!(batch.all.positions, [0, 1, 2, 3, 4, 2, 2, 3, 0, 1]);
        let branches = vec![2, 5, 5, 6];
        assert_eq!(batch.all.blocks[0], Block { queries: 0..8, keys: 0..8, branches });
        // The prompt's last token, the first two of the first answer, the first of the last; then the
        // other prompt's.
        assert_eq!(batch.pooled.rows, [1, 2, 3, 6, 8]);
        assert_eq!(batch.pooled.places, [1, 2, 3, 6, 0]);
        assert_eq!(batch.pooled.positions, [1, 2, 3, 2, 0]);
    }

    #[test]
    fn an_encoder_reads_first_tokens_and_marks_answers() {
        // 1 is the padding of a model whose positions start at 2: it takes none of its own.
        let one = pair(&[7, 2, 3], &[7, 1, 5], 0, [2, 2]);
        let batch = Batch::bidirectional(&[&one], 0, true, 2);
        assert_eq!(batch.all.positions, [2, 3, 4, 2, 1, 3]);
        assert_eq!(Batch::bidirectional(&[&one], 0, true, 0).all.positions, [0, 1, 2, 0, 1, 2]);
        assert_eq!(batch.tokens, [7, 2, 3, 7, 1, 5]);
        assert_eq!(batch.token_types, [0, 0, 1, 0, 0, 1]);
        assert_eq!(batch.pooled.rows, [0, 3]);
        assert_eq!(batch.pooled.blocks.len(), 2);
    }
}
