//! Prompts and their answers in progress: who is decoded now, and who waits for room.

use super::Sequence;
use super::picks::Draw;
use crate::engine::EngineError;
use crate::engine::cpu::kernel::attention::Heads;
use crate::engine::cpu::kernel::attention::cached::Cached;
use crate::engine::generation::{AnswerPlace, GenerationSettings, Listener};

/// A prompt that was read, and its answers in progress.
#[derive(Debug)]
pub(super) struct Bundle {
    /// Number of the prompt in the call.
    pub prompt: usize,
    /// Tokens that an answer may have.
    pub room: usize,
    /// Keys and values of the prompt.
    pub shared: Cached,
    /// The hidden state of its last token.
    pub hidden: Vec<f32>,
    pub sequences: Vec<Sequence>,
    /// Answers that were started.
    n_started: usize,
}

/// All prompts of a call.
#[derive(Debug)]
pub(super) struct Bundles<'a> {
    pub list: Vec<Bundle>,
    heads: Heads,
    n_layers: usize,
    prompts: &'a [&'a [u32]],
    settings: &'a GenerationSettings,
    /// Prompts that were read.
    n_read: usize,
    /// Runs of answers that have ended, for reuse.
    free: Vec<Cached>,
    /// Bytes of the runs of all bundles.
    n_bytes: u64,
}

impl<'a> Bundles<'a> {
    pub(super) fn new(
        heads: Heads,
        n_layers: usize,
        prompts: &'a [&'a [u32]],
        settings: &'a GenerationSettings,
    ) -> Self {
        let (list, free) = (Vec::new(), Vec::new());
        Self { list, heads, n_layers, prompts, settings, n_read: 0, free, n_bytes: 0 }
    }

    /// Whether an answer is in progress or still to be started.
    pub(super) fn is_unfinished(&self) -> bool {
        self.settings.n_answers > 0 && (self.n_read < self.prompts.len() || !self.list.is_empty())
    }

    /// Answers in progress.
    pub(super) fn n_rows(&self) -> usize {
        self.list.iter().map(|bundle| bundle.sequences.len()).sum()
    }

    /// Bytes of a run.
    fn bytes(&self, capacity: usize) -> u64 {
        Cached::n_bytes(self.heads, self.n_layers, capacity) as u64
    }

    /// Positions that an answer's own run needs: its last token is never read.
    fn own(room: usize) -> usize {
        room.saturating_sub(1).max(1)
    }

    /// Makes places for the prompts that are to be read next: as many as their answers find rows and
    /// memory for, once all answers to earlier prompts have started.
    ///
    /// # Errors
    /// [`EngineError::CacheTooSmall`] when not even one answer has room.
    pub(super) fn admit(&mut self) -> Result<Vec<usize>, EngineError> {
        let GenerationSettings { n_answers, n_at_a_time, cache_bytes, .. } = *self.settings;
        let mut new = Vec::new();
        // What answers that are admitted but not started will take.
        let waiting = |bundle: &Bundle| n_answers - bundle.n_started;
        let mut n_rows = self.n_rows() + self.list.iter().map(waiting).sum::<usize>();
        let own_bytes = |room| self.bytes(Self::own(room));
        let mut n_bytes = self.n_bytes
            + self.list.iter().map(|it| waiting(it) as u64 * own_bytes(it.room)).sum::<u64>();
        let mut made = Vec::new();
        while let Some(tokens) = self.prompts.get(self.n_read + made.len()) {
            let room = self.settings.room(tokens.len())?;
            let (shared, own) = (self.bytes(tokens.len()), own_bytes(room));
            let is_first = self.list.is_empty() && made.is_empty();
            if is_first && shared + own > cache_bytes {
                return Err(EngineError::CacheTooSmall {
                    needed: shared + own,
                    limit: cache_bytes,
                });
            }
            let has_rows = n_rows < n_at_a_time.max(1);
            let fits = n_bytes + shared + own * n_answers as u64 <= cache_bytes;
            if !(is_first || has_rows && fits) {
                break;
            }
            n_rows += n_answers;
            n_bytes += shared + own * n_answers as u64;
            made.push((self.n_read + made.len(), room, tokens.len(), shared));
        }
        for (prompt, room, n_tokens, bytes) in made {
            self.n_bytes += bytes;
            self.n_read += 1;
            new.push(self.list.len());
            self.list.push(Bundle {
                prompt,
                room,
                shared: Cached::new(self.heads, self.n_layers, n_tokens),
                hidden: Vec::new(),
                sequences: Vec::new(),
                n_started: 0,
            });
        }
        Ok(new)
    }

    /// Starts waiting answers as far as there are rows and memory; at least one where none is in
    /// progress.
    pub(super) fn start_answers(&mut self) {
        let GenerationSettings { n_answers, n_at_a_time, cache_bytes, .. } = *self.settings;
        let mut n_rows = self.n_rows();
        for i in 0..self.list.len() {
            while self.list[i].n_started < n_answers {
                let capacity = Self::own(self.list[i].room);
                let bytes = self.bytes(capacity);
                let fits = n_rows < n_at_a_time && self.n_bytes + bytes <= cache_bytes;
                if n_rows > 0 && !fits {
                    return;
                }
                let reusable = self.free.iter().position(|run| run.capacity() >= capacity);
                let mut own = match reusable {
                    Some(index) => self.free.swap_remove(index),
                    None => {
                        // Smaller ones would take memory that nobody counts.
                        self.free.clear();
                        Cached::new(self.heads, self.n_layers, capacity)
                    }
                };
                own.clear();
                self.n_bytes += self.bytes(own.capacity());
                n_rows += 1;
                let bundle = &mut self.list[i];
                bundle.sequences.push(Sequence {
                    answer: bundle.n_started,
                    own,
                    tokens: Vec::new(),
                    log_probabilities: Vec::new(),
                    ending: None,
                });
                bundle.n_started += 1;
            }
        }
    }

    /// The draws of first tokens, with a row of hidden states for each prompt they belong to.
    pub(super) fn first_draws(&self, width: usize) -> (Vec<Draw>, Vec<f32>) {
        let (mut draws, mut hidden) = (Vec::new(), Vec::new());
        for (index, bundle) in self.list.iter().enumerate() {
            let is_new = |(_, sequence): &(usize, &Sequence)| sequence.tokens.is_empty();
            let before = draws.len();
            let row = hidden.len() / width;
            let new = bundle.sequences.iter().enumerate().filter(is_new);
            draws.extend(new.map(|(i, sequence)| draw(index, bundle, (i, sequence), row)));
            if draws.len() > before {
                hidden.extend_from_slice(&bundle.hidden);
            }
        }
        (draws, hidden)
    }

    /// The draws of the tokens after those that were just read, a row for each answer.
    pub(super) fn next_draws(&self) -> Vec<Draw> {
        let mut draws = Vec::new();
        for (index, bundle) in self.list.iter().enumerate() {
            for (i, sequence) in bundle.sequences.iter().enumerate() {
                draws.push(draw(index, bundle, (i, sequence), draws.len()));
            }
        }
        draws
    }

    /// The token that each answer in progress goes on from, and its position.
    pub(super) fn last_tokens(&self) -> (Vec<u32>, Vec<u32>) {
        let of = |bundle: &'_ Bundle| -> Vec<(u32, u32)> {
            let position = |own: &Cached| (bundle.shared.len() + own.len()) as u32;
            let last =
                |it: &Sequence| (it.tokens.last().copied().unwrap_or_default(), position(&it.own));
            bundle.sequences.iter().map(last).collect()
        };
        self.list.iter().flat_map(of).unzip()
    }

    /// Hands out the answers that have ended and forgets prompts that have no others.
    pub(super) fn finish(&mut self, listener: &mut dyn Listener) {
        for bundle in &mut self.list {
            let sequences = std::mem::take(&mut bundle.sequences);
            for sequence in sequences {
                let Some(ending) = sequence.ending else {
                    bundle.sequences.push(sequence);
                    continue;
                };
                let (answer, own) = sequence.into_answer(bundle.prompt, ending);
                let capacity = own.capacity();
                self.n_bytes -= Cached::n_bytes(self.heads, self.n_layers, capacity) as u64;
                self.free.push(own);
                listener.on_answer(answer);
            }
        }
        let n_answers = self.settings.n_answers;
        let is_over = |it: &Bundle| it.sequences.is_empty() && it.n_started == n_answers;
        for bundle in self.list.iter().filter(|bundle| is_over(bundle)) {
            let capacity = bundle.shared.capacity();
            self.n_bytes -= Cached::n_bytes(self.heads, self.n_layers, capacity) as u64;
        }
        self.list.retain(|bundle| !is_over(bundle));
    }
}

fn draw(index: usize, bundle: &Bundle, (i, sequence): (usize, &Sequence), row: usize) -> Draw {
    let place = AnswerPlace { prompt: bundle.prompt, answer: sequence.answer };
    Draw { bundle: index, sequence: i, place, position: sequence.tokens.len(), row }
}
