//! Texts continued on the processor.
//!
//! A prompt is read once, by the packed pass that training uses, for all of its answers; what its
//! tokens say to later ones (keys and values) is kept. Then all answers in progress are decoded
//! together, one token each at a time, so that a weight is read from memory once for all of them.
//! An answer that ends makes room for the next one.
//!
//! The result for a row of a product or of attention depends on no other row, and a draw on its place
//! alone, so an answer does not depend on what else is decoded, nor on threads.

use std::ops::ControlFlow;

mod bundles;
mod picks;
#[cfg(test)]
mod tests;

use self::bundles::{Bundle, Bundles};
use self::picks::{Draw, pick_all};
use super::batch::Batch;
use super::kernel::Write;
use super::kernel::attention::cached::{Cached, Group, attend};
use super::kernel::vector::math::fit;
use super::language_model::LanguageModel;
use super::micro_batch::cut;
use super::network::context::{Maker, Pass};
use super::packed_weights::PackedWeights;
use super::trainer::Trainer;
use crate::engine::EngineError;
use crate::engine::generation::sampling::Pick;
use crate::engine::generation::{AnswerPlace, Ending, Generated, GenerationSettings, Listener};

/// Rows whose logits are in memory at a time.
const LOGIT_ROWS: usize = 128;

/// An answer in progress.
#[derive(Debug)]
struct Sequence {
    answer: usize,
    own: Cached,
    tokens: Vec<u32>,
    log_probabilities: Vec<f32>,
    ending: Option<Ending>,
}

/// What generation needs of a model beside its trainer.
pub(super) struct Generation<'a> {
    trainer: &'a mut Trainer,
    packed: &'a PackedWeights,
    settings: &'a GenerationSettings,
    prompts: &'a [&'a [u32]],
}

impl LanguageModel {
    /// Answers prompts.
    pub(super) fn answer_prompts(
        &mut self,
        prompts: &[&[u32]],
        settings: &GenerationSettings,
        listener: &mut dyn Listener,
    ) -> Result<(), EngineError> {
        settings.check()?;
        let mut longest = 0;
        for prompt in prompts {
            longest = longest.max(prompt.len() + settings.room(prompt.len())?);
        }
        self.check_tokens(prompts)?;
        let (trainer, packed) = self.packed();
        trainer.network.reserve_positions(longest);
        Generation { trainer, packed, settings, prompts }.run(listener)
    }
}

impl Generation<'_> {
    fn run(&mut self, listener: &mut dyn Listener) -> Result<(), EngineError> {
        let heads = self.trainer.network.heads(0);
        let mut bundles =
            Bundles::new(heads, self.trainer.network.n_blocks(), self.prompts, self.settings);
        while bundles.is_unfinished() {
            let new = bundles.admit()?;
            if !new.is_empty() {
                self.read(&mut bundles, &new);
            }
            bundles.start_answers();
            // The first tokens of new answers, then the next ones of all.
            let (draws, hidden) = bundles.first_draws(self.trainer.network.width());
            if !draws.is_empty() {
                let picks = self.pick(&hidden, &draws)?;
                if self.take(&mut bundles, &draws, &picks, listener).is_break() {
                    return Ok(());
                }
            }
            bundles.finish(listener);
            if bundles.n_rows() > 0 {
                let (draws, hidden) = self.step(&mut bundles);
                let picks = self.pick(&hidden, &draws)?;
                if self.take(&mut bundles, &draws, &picks, listener).is_break() {
                    return Ok(());
                }
                bundles.finish(listener);
            }
        }
        Ok(())
    }

    /// Reads new prompts: fills their runs and their hidden states.
    fn read(&mut self, bundles: &mut Bundles<'_>, new: &[usize]) {
        let (prompts, packed) = (self.prompts, self.packed);
        let rows = self.trainer.micro_batch_rows();
        let tokens = |index: &usize| prompts[bundles.list[*index].prompt];
        let runs = cut(new.iter().map(|index| tokens(index).len()), rows);
        let batches: Vec<(&[usize], Batch)> = runs
            .into_iter()
            .map(|run| {
                let new = &new[run];
                (new, Batch::prompts(&new.iter().map(tokens).collect::<Vec<_>>()))
            })
            .collect();
        let bundles = &mut bundles.list;
        self.trainer.run(|network, maker, _, work| {
            let weights = maker.weights.with_packed(packed);
            for (new, batch) in &batches {
                let cx =
                    Maker { weights, ..maker }.context(batch, Pass::scoring().attending_exactly());
                network.read(cx, work, &mut |layer, keys_values| {
                    let width = network.heads(layer).key_value_width();
                    for (index, block) in new.iter().zip(&batch.all.blocks) {
                        let run = &mut bundles[*index].shared;
                        for (place, row) in block.keys.clone().enumerate() {
                            run.write(layer, place, &keys_values[row * width..][..width]);
                        }
                    }
                });
                let width = network.width();
                for (i, index) in new.iter().enumerate() {
                    let bundle = &mut bundles[*index];
                    bundle.shared.advance(prompts[bundle.prompt].len());
                    bundle.hidden = work.hidden[i * width..][..width].to_vec();
                }
            }
        });
    }

    /// Decodes one token of every answer in progress: what is to be drawn next, and from which hidden
    /// states.
    fn step(&mut self, bundles: &mut Bundles<'_>) -> (Vec<Draw>, Vec<f32>) {
        let (tokens, positions) = bundles.last_tokens();
        let batch = Batch::steps(tokens, positions);
        let packed = self.packed;
        let list = &mut bundles.list;
        let hidden = self.trainer.run(|network, maker, _, work| {
            let maker = Maker { weights: maker.weights.with_packed(packed), ..maker };
            let cx = maker.context(&batch, Pass::scoring());
            network.step(cx, work, &mut |layer, queries, keys_values, output| {
                let heads = network.heads(layer);
                let rows = keys_values.chunks_exact(heads.key_value_width());
                let sequences = list.iter_mut().flat_map(|bundle| &mut bundle.sequences);
                for (sequence, row) in sequences.zip(rows) {
                    sequence.own.write(layer, 0, row);
                }
                attend(cx.on, heads, layer, &groups(list), queries, output);
            });
            work.hidden[..batch.n_rows() * network.width()].to_vec()
        });
        for sequence in bundles.list.iter_mut().flat_map(|bundle| &mut bundle.sequences) {
            sequence.own.advance(1);
        }
        (bundles.next_draws(), hidden)
    }

    /// Chooses a token for each draw.
    fn pick(&mut self, hidden: &[f32], draws: &[Draw]) -> Result<Vec<Pick>, EngineError> {
        let (settings, packed) = (self.settings, self.packed);
        let unit = |draw: &Draw| settings.draws(draw.place).unit(draw.position as u64);
        self.trainer.run(|network, maker, _, work| {
            let (width, n_tokens) = (network.width(), network.vocab_size());
            let head = packed.get(network.output_head());
            let mut picks = Vec::with_capacity(draws.len());
            let mut rest = draws;
            for (i, hidden) in hidden.chunks(LOGIT_ROWS * width).enumerate() {
                let rows = hidden.len() / width;
                let logits = fit(&mut work.logits, rows * n_tokens);
                if let Some(head) = head {
                    head.forward(maker.on, rows, Write::Replace, logits, hidden);
                }
                // Draws come in the order of their rows.
                let end = (i + 1) * LOGIT_ROWS;
                let (now, later) = rest.split_at(rest.partition_point(|draw| draw.row < end));
                rest = later;
                let row = |draw: &Draw| &logits[(draw.row % LOGIT_ROWS) * n_tokens..][..n_tokens];
                let found = pick_all(maker.on.team, now, &settings.sampling, row, unit);
                for pick in found {
                    picks.push(pick?);
                }
            }
            Ok(picks)
        })
    }

    /// Adds the chosen tokens to their answers and marks those that have ended.
    fn take(
        &self,
        bundles: &mut Bundles<'_>,
        draws: &[Draw],
        picks: &[Pick],
        listener: &mut dyn Listener,
    ) -> ControlFlow<()> {
        for (draw, pick) in draws.iter().zip(picks) {
            let Bundle { room, sequences, .. } = &mut bundles.list[draw.bundle];
            let sequence = &mut sequences[draw.sequence];
            sequence.tokens.push(pick.token);
            sequence.log_probabilities.push(pick.log_probability);
            let reply = listener.on_token(draw.place, &sequence.tokens);
            match self.settings.ending(reply, &sequence.tokens, *room) {
                Some(ending) => sequence.ending = ending,
                None => return ControlFlow::Break(()),
            }
        }
        ControlFlow::Continue(())
    }
}

/// Who shares what, in the order of the rows.
fn groups(bundles: &[Bundle]) -> Vec<Group<'_>> {
    let mut first_row = 0;
    let mut groups = Vec::with_capacity(bundles.len());
    for bundle in bundles.iter().filter(|bundle| !bundle.sequences.is_empty()) {
        let own: Vec<&Cached> = bundle.sequences.iter().map(|sequence| &sequence.own).collect();
        let n = own.len();
        groups.push(Group { shared: &bundle.shared, own, first_row });
        first_row += n;
    }
    groups
}

impl Sequence {
    /// The finished answer.
    fn into_answer(self, prompt: usize, ending: Ending) -> (Generated, Cached) {
        let place = AnswerPlace { prompt, answer: self.answer };
        let Self { own, tokens, log_probabilities, .. } = self;
        (Generated { place, tokens, log_probabilities, ending }, own)
    }
}
