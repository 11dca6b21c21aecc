//! Weights and state on disk: saving them, going back to them, and which of them stay.

use std::path::Path;

use crate::domain::event::RunEvent;
use crate::domain::run::StopReason;
use crate::domain::spec::{DropAction, KeepWeights, RoundsSpec};
use crate::domain::teacher::halt::undoes_the_round;
use crate::engine::files::checkpoint;
use crate::store::{RoundRow, best_round};

use super::WorkerError;
use super::reporter::{Reporter, round_of};
use super::resources::Resources;
use super::state::RunState;

/// How many of the newest checkpoints are kept for resuming: the last one, and one to fall back on
/// if it is damaged.
const N_KEPT: usize = 2;

/// Label of the checkpoint that a trained round ends with.
pub const TRAINED: &str = "trained";

fn name_of(number: u64, label: &str) -> String {
    format!("{number:06}-{label}")
}

/// Writes weights and state, so that a worker can go on from here. The events so far are flushed
/// first: a checkpoint must never know more than the history does.
///
/// # Errors
/// When a file or the record cannot be written.
pub fn save(
    state: &mut RunState,
    resources: &Resources<'_>,
    reporter: &mut Reporter<'_>,
    label: &str,
) -> Result<(), WorkerError> {
    reporter.flush()?;
    let saved = &mut state.saved;
    saved.n_checkpoints += 1;
    saved.round_wall_ms += reporter.clock.take_ms();
    let name = name_of(saved.n_checkpoints, label);
    let dir = resources.home.checkpoints(&state.run);
    let json = serde_json::to_string(saved)
        .map_err(|source| WorkerError::State { name: name.clone(), source })?;
    let manifest =
        resources.trust.borrow_mut().write(&dir, &name, resources.model.as_ref(), &json)?;
    reporter.send(RunEvent::CheckpointSaved {
        name,
        round: round_of(saved.ser.pending()),
        global_step: saved.global_step,
        n_bytes: manifest.n_bytes(),
        digest: manifest.weights_digest,
    })?;
    reporter.flush()?;
    let for_use = kept_for_use(&reporter.record.rounds()?, state.spec.rounds.keep_weights, &dir)?;
    let to_go_back = state.saved.trained.values();
    let kept: Vec<&str> = to_go_back.chain(&for_use).map(String::as_str).collect();
    resources.trust.borrow_mut().prune(&dir, N_KEPT, &kept)?;
    Ok(())
}

/// Returns the checkpoints that hold the weights of the rounds the spec keeps, one a round. A
/// checkpoint belongs to a round when it has the digest that the round reported at the end of its
/// training.
fn kept_for_use(
    rounds: &[RoundRow],
    keep: KeepWeights,
    dir: &Path,
) -> Result<Vec<String>, WorkerError> {
    let best = best_round(rounds);
    let is_kept = |round: &&RoundRow| match keep {
        KeepWeights::All => true,
        KeepWeights::Best => Some(round.round) == best,
        KeepWeights::Newest => false,
    };
    let digests = rounds.iter().filter(is_kept).filter_map(|it| it.weights_digest.as_ref());
    let checkpoints = checkpoint::list(dir)?;
    let of = |digest: &String| {
        checkpoints.iter().find(|(_, manifest)| manifest.weights_digest == *digest)
    };
    Ok(digests.filter_map(of).map(|(name, _)| name.clone()).collect())
}

/// Notes that the next checkpoint is that of a trained round, where the run may have to go back to
/// it: to round 0 after the fold models, to the last round when the next one is undone.
pub fn note_trained(state: &mut RunState, round: u32) {
    let needs_zero = state.spec.selection.cross_fits();
    let needs_last = may_undo(&state.spec.rounds);
    let name = name_of(state.saved.n_checkpoints + 1, TRAINED);
    let trained = &mut state.saved.trained;
    trained.insert(round, name);
    trained.retain(|kept, _| (*kept == 0 && needs_zero) || (needs_last && *kept + 1 >= round));
}

fn may_undo(rounds: &RoundsSpec) -> bool {
    rounds.on_drop == DropAction::Rollback
}

/// Goes back to the weights that a round ended with, and to a fresh optimizer.
///
/// # Errors
/// When the checkpoint of the round is missing or damaged.
pub fn restore_round(
    state: &RunState,
    resources: &mut Resources<'_>,
    round: u32,
) -> Result<(), WorkerError> {
    let Some(name) = state.saved.trained.get(&round) else {
        return Err(WorkerError::RoundNotKept { round });
    };
    let dir = resources.home.checkpoints(&state.run).join(name);
    // The state that the checkpoint holds is older than the present one, so only the weights are
    // used.
    resources.trust.get_mut().read(&dir, resources.model.as_mut())?;
    resources.model.reset_optimizer();
    Ok(())
}

/// Undoes the last round where a guard ended the loop after it and the spec asks for that.
///
/// # Errors
/// As [`restore_round`].
pub fn roll_back(
    state: &mut RunState,
    resources: &mut Resources<'_>,
    reporter: &Reporter<'_>,
    reason: StopReason,
) -> Result<(), WorkerError> {
    if !undoes_the_round(reason, &state.spec.rounds) {
        return Ok(());
    }
    let last = state.saved.trained.keys().next_back().copied();
    let Some((from, to)) = last.and_then(|from| Some((from, from.checked_sub(1)?))) else {
        return Ok(());
    };
    restore_round(state, resources, to)?;
    state.saved.trained.remove(&from);
    reporter.send(RunEvent::RolledBack { from, to })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worker::testing::{Bench, spec};

    fn weights(bench: &Bench) -> String {
        bench.resources.model.weights_digest()
    }

    /// Trains a round on the seed set, as far as the weights go, and saves it.
    fn trained(bench: &mut Bench, round: u32) -> String {
        bench.learn(round + 1);
        note_trained(&mut bench.state, round);
        let Bench { state, resources, reporter, .. } = bench;
        save(state, resources, reporter, TRAINED).unwrap();
        weights(bench)
    }

    #[test]
    fn only_rounds_that_may_be_gone_back_to_are_noted() {
        for (folds, on_drop, expected) in [
            (0, DropAction::Ignore, vec![]),
            (3, DropAction::Ignore, vec![0]),
            (0, DropAction::Rollback, vec![2, 3]),
            (3, DropAction::Rollback, vec![0, 2, 3]),
        ] {
            let mut bench = Bench::new(spec(|spec| {
                spec.selection.calibration_folds = folds;
                spec.rounds.on_drop = on_drop;
            }));
            for round in 0..4 {
                note_trained(&mut bench.state, round);
            }
            let noted: Vec<u32> = bench.state.saved.trained.into_keys().collect();
            assert_eq!(noted, expected, "{folds} {on_drop:?}");
        }
    }

    #[test]
    fn a_checkpoint_is_reported_and_holds_the_state() {
        let mut bench = Bench::new(spec(|_| ()));
        bench.state.saved.global_step = 7;
        let digest = trained(&mut bench, 0);
        let events = bench.record.take_events();
        let [RunEvent::CheckpointSaved { name, global_step: 7, digest: told, .. }] = &events[..]
        else {
            panic!("{events:?}")
        };
        assert_eq!((name.as_str(), told), ("000001-trained", &digest));
        let dir = bench.resources.home.checkpoints(&bench.state.run).join(name);
        let json = checkpoint::read_checkpoint(&dir, bench.resources.model.as_mut()).unwrap();
        let read: super::super::state::SavedState = serde_json::from_str(&json).unwrap();
        assert_eq!(read, bench.state.saved);
    }

    #[test]
    fn a_round_is_restored_from_its_own_checkpoint() {
        let mut bench = Bench::new(spec(|spec| spec.rounds.on_drop = DropAction::Rollback));
        let first = trained(&mut bench, 0);
        let second = trained(&mut bench, 1);
        assert_ne!(first, second);
        restore_round(&bench.state, &mut bench.resources, 0).unwrap();
        assert_eq!(weights(&bench), first);
        restore_round(&bench.state, &mut bench.resources, 1).unwrap();
        assert_eq!(weights(&bench), second);
        let error = restore_round(&bench.state, &mut bench.resources, 2).unwrap_err();
        assert!(matches!(error, WorkerError::RoundNotKept { round: 2 }), "{error}");
    }

    #[test]
    fn a_round_is_undone_only_where_the_spec_asks() {
        for (on_drop, reason, is_undone) in [
            (DropAction::Rollback, StopReason::ValidationDropped, true),
            (DropAction::Rollback, StopReason::RoundLimit, false),
            (DropAction::Stop, StopReason::ValidationDropped, false),
        ] {
            let mut bench = Bench::new(spec(|spec| spec.rounds.on_drop = on_drop));
            let first = trained(&mut bench, 0);
            trained(&mut bench, 1);
            bench.record.take_events();
            let Bench { state, resources, reporter, .. } = &mut bench;
            roll_back(state, resources, reporter, reason).unwrap();
            assert_eq!(weights(&bench) == first, is_undone, "{on_drop:?} {reason:?}");
            let events = bench.record.take_events();
            assert_eq!(events.len(), usize::from(is_undone), "{events:?}");
        }
    }

    #[test]
    fn round_0_has_none_to_go_back_to() {
        let mut bench = Bench::new(spec(|spec| spec.rounds.on_drop = DropAction::Rollback));
        let first = trained(&mut bench, 0);
        let Bench { state, resources, reporter, .. } = &mut bench;
        roll_back(state, resources, reporter, StopReason::ValidationDropped).unwrap();
        assert_eq!(weights(&bench), first);
    }
}
