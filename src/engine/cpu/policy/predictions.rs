//! Which tokens the rows of a micro-batch predict, and what becomes of their logits.

use std::ops::Range;

use crate::engine::cpu::kernel::cross_entropy::{Chosen, Normalizer, chosen_gradient, normalize};
use crate::engine::cpu::kernel::vector::math::fit;
use crate::engine::cpu::kernel::{Linear, Write};
use crate::engine::cpu::micro_batch::{cut, running_sums};
use crate::engine::cpu::network::Transformer;
use crate::engine::cpu::network::context::Context;
use crate::engine::cpu::network::workspace::Workspace;
use crate::engine::policy::{AnswerScores, AnswerSlopes, AnswersTo};

/// Rows whose logits are in memory at a time where those of a prompt's answers are too many to keep.
const LOGIT_ROWS: usize = 128;
/// Bytes of logits that are kept until the objective has said its slopes. Beyond them logits are
/// computed a second time, which costs the product of the output head again.
pub(super) const KEPT_BYTES: usize = 128 << 20;

/// Runs of neighboring prompts whose logits, of at most so many rows, are kept together; a prompt with
/// more stands alone.
pub(super) fn groups(prompts: &[AnswersTo<'_>], kept_rows: usize) -> Vec<Range<usize>> {
    cut(prompts.iter().map(n_rows_of), kept_rows)
}

/// How many hidden states are read for the answers to a prompt.
fn n_rows_of(AnswersTo { answers, .. }: &AnswersTo<'_>) -> usize {
    1 + answers.iter().map(|answer| answer.len().saturating_sub(1)).sum::<usize>()
}

/// The logits of some rows of the hidden states: `[rows, vocabulary]`.
fn logits<'a>(
    network: &Transformer,
    cx: Context<'_>,
    rows: Range<usize>,
    hidden: &[f32],
    buffer: &'a mut Vec<f32>,
) -> &'a mut [f32] {
    let linear = Linear { input: network.width(), output: network.vocab_size() };
    let hidden = &hidden[rows.start * linear.input..rows.end * linear.input];
    let logits = fit(buffer, rows.len() * linear.output);
    let weight = cx.weights.matrix(network.output_head());
    linear.forward(cx.on, rows.len(), Write::Replace, logits, hidden, weight);
    logits
}

/// The tokens that the read rows of a group of prompts predict. A row at the end of a prompt predicts the
/// first token of every answer to it, every other row one token.
#[derive(Default)]
pub(super) struct Predictions {
    /// The first of its rows among those of the micro-batch.
    first_row: usize,
    /// Rows whose logits may be kept.
    kept_rows: usize,
    /// For each row, where its first entry of `chosen` stands; one more at the end.
    starts: Vec<usize>,
    chosen: Vec<Chosen>,
    /// The row of each entry of `chosen`.
    rows: Vec<usize>,
    /// Where each entry of `chosen` stands in the answers' tokens, all answers in order.
    places: Vec<usize>,
    /// Tokens of each answer.
    pub(super) lengths: Vec<usize>,
    normalizers: Vec<Normalizer>,
    log_probs: Vec<f32>,
}

impl Predictions {
    /// In the order of [`crate::engine::cpu::batch::Batch::answers`]; `first_row` is the first of these
    /// prompts' rows among those that are read.
    pub(super) fn of(prompts: &[AnswersTo<'_>], first_row: usize, kept_rows: usize) -> Self {
        let mut all = Self { first_row, kept_rows, ..Self::default() };
        let mut place = 0;
        for AnswersTo { answers, .. } in prompts {
            let firsts = running_sums(&answers.iter().map(|it| it.len()).collect::<Vec<_>>());
            let firsts: Vec<usize> = firsts.into_iter().map(|it| place + it as usize).collect();
            all.starts.push(all.chosen.len());
            for (answer, first) in answers.iter().zip(&firsts) {
                if let Some(token) = answer.first() {
                    all.push(*token, *first);
                }
            }
            for (answer, first) in answers.iter().zip(&firsts) {
                for (i, token) in answer.iter().enumerate().skip(1) {
                    all.starts.push(all.chosen.len());
                    all.push(*token, first + i);
                }
                all.lengths.push(answer.len());
                place += answer.len();
            }
        }
        all.normalizers.resize(all.starts.len(), Normalizer::default());
        all.log_probs.resize(all.chosen.len(), 0.0);
        all.starts.push(all.chosen.len());
        all
    }

    /// Adds a token that the newest row predicts.
    fn push(&mut self, token: u32, place: usize) {
        self.chosen.push(Chosen { token, slope: 0.0 });
        self.rows.push(self.starts.len() - 1);
        self.places.push(place);
    }

    /// Its rows among those of the micro-batch.
    pub(super) fn rows(&self) -> Range<usize> {
        self.first_row..self.first_row + self.normalizers.len()
    }

    /// The runs of its own rows whose logits are in memory at a time; a single one if they are kept.
    fn chunks(&self) -> impl Iterator<Item = Range<usize>> + use<> {
        let n = self.normalizers.len();
        let length = if self.are_kept() { n.max(1) } else { LOGIT_ROWS };
        (0..n).step_by(length).map(move |start| start..n.min(start + length))
    }

    fn are_kept(&self) -> bool {
        self.normalizers.len() <= self.kept_rows
    }

    /// Computes log-probabilities and entropies from `work.hidden`.
    pub(super) fn read(&mut self, network: &Transformer, cx: Context<'_>, work: &mut Workspace) {
        let n_tokens = network.vocab_size();
        for rows in self.chunks() {
            let place = self.first_row + rows.start..self.first_row + rows.end;
            let logits = logits(network, cx, place, &work.hidden, &mut work.logits);
            let normalizers = &mut self.normalizers[rows.clone()];
            normalize(cx.team(), logits, normalizers);
            for i in self.starts[rows.start]..self.starts[rows.end] {
                let row = self.rows[i] - rows.start;
                let logit = logits[row * n_tokens + self.chosen[i].token as usize];
                self.log_probs[i] = logit - normalizers[row].log_sum;
            }
        }
    }

    /// What was read, by answer; `values` holds one for each of its rows.
    pub(super) fn scores(&self, values: &[f32]) -> Vec<AnswerScores> {
        let n = self.places.len();
        let first = self.places.iter().min().copied().unwrap_or(0);
        let mut all = vec![(0.0, 0.0, 0.0); n];
        for i in 0..n {
            let row = self.rows[i];
            all[self.places[i] - first] =
                (self.log_probs[i], self.normalizers[row].entropy, values[row]);
        }
        let mut rest = all.as_slice();
        let of_answer = |n: &usize| {
            let (own, after) = rest.split_at(*n);
            rest = after;
            AnswerScores {
                log_probs: own.iter().map(|it| it.0).collect(),
                entropies: own.iter().map(|it| it.1).collect(),
                values: own.iter().map(|it| it.2).collect(),
            }
        };
        self.lengths.iter().map(of_answer).collect()
    }

    /// Takes the slopes of the answers: those by values go to `dvalues`, one for each of its rows.
    pub(super) fn take(&mut self, slopes: &[AnswerSlopes], dvalues: &mut [f32]) {
        let by_log_prob: Vec<f32> =
            slopes.iter().flat_map(|it| it.log_probs.iter().copied()).collect();
        let by_value: Vec<f32> = slopes.iter().flat_map(|it| it.values.iter().copied()).collect();
        dvalues.fill(0.0);
        for (i, place) in self.places.iter().enumerate() {
            self.chosen[i].slope = by_log_prob.get(*place).copied().unwrap_or(0.0);
            dvalues[self.rows[i]] += by_value.get(*place).copied().unwrap_or(0.0);
        }
    }

    /// Writes the gradient of its hidden states and adds that of the output head, right after
    /// [`Predictions::read`] and [`Predictions::take`].
    pub(super) fn backward(
        &mut self,
        network: &Transformer,
        cx: Context<'_>,
        gradient: &mut [f32],
        work: &mut Workspace,
    ) {
        let slot = network.output_head();
        let linear = Linear { input: network.width(), output: network.vocab_size() };
        let are_kept = self.are_kept();
        for rows in self.chunks() {
            let place = self.first_row + rows.start..self.first_row + rows.end;
            let range = place.start * linear.input..place.end * linear.input;
            let logits = if are_kept {
                &mut work.logits[..rows.len() * linear.output]
            } else {
                logits(network, cx, place, &work.hidden, &mut work.logits)
            };
            let (starts, chosen) = (&self.starts[rows.start..], &self.chosen);
            let of_row = |row: usize| &chosen[starts[row]..starts[row + 1]];
            chosen_gradient(cx.team(), logits, &mut self.normalizers[rows.clone()], of_row);
            let dhidden = &mut work.dhidden[range.clone()];
            let weight = cx.weights.matrix(slot);
            linear.input_gradient(cx.on, rows.len(), Write::Replace, dhidden, logits, weight);
            if let Some(dmatrix) = slot.gradient(gradient) {
                linear.weight_gradient(cx.on, rows.len(), dmatrix, logits, &work.hidden[range]);
            }
        }
    }
}
