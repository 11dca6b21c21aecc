//! Choosing the next tokens of several answers, a row of logits each.

use std::cell::Cell;

use crate::engine::EngineError;
use crate::engine::cpu::kernel::Team;
use crate::engine::cpu::kernel::draw::{block_maxima, block_sums, exponentials, highest};
use crate::engine::generation::AnswerPlace;
use crate::engine::generation::sampling::{Loops, Pick, Room, Sampling, pick};

/// The loops over logits, compiled for this processor.
const LOOPS: Loops = Loops { highest, exponentials, block_sums, block_maxima };

thread_local! {
    static ROOM: Cell<Room> = Cell::default();
}

/// A token that is to be chosen.
#[derive(Debug, Clone, Copy)]
pub(super) struct Draw {
    /// Where its answer stands.
    pub bundle: usize,
    pub sequence: usize,
    pub place: AnswerPlace,
    /// Place of the token in its answer.
    pub position: usize,
    /// Row of the hidden states.
    pub row: usize,
}

/// Chooses all tokens on all threads; each depends on its row and its draw alone.
pub(super) fn pick_all<'a>(
    team: &Team,
    draws: &[Draw],
    sampling: &Sampling,
    row: impl Fn(&Draw) -> &'a [f32] + Sync,
    unit: impl Fn(&Draw) -> f64 + Sync,
) -> Vec<Result<Pick, EngineError>> {
    let mut picks: Vec<Result<Pick, EngineError>> =
        draws.iter().map(|_| Ok(Pick::default())).collect();
    team.each_chunk(&mut picks, 1, |index, picked| {
        let draw = &draws[index];
        let mut room = ROOM.take();
        picked[0] = pick(row(draw), sampling, unit(draw), LOOPS, &mut room);
        ROOM.set(room);
    });
    picks
}
