//! The weights of a run's finished rounds, as far as its checkpoints still hold them.

use std::path::PathBuf;

use super::ScorerError;
use crate::domain::run::RunKind;
use crate::domain::spec::ExperimentSpec;
use crate::engine::files::checkpoint;
use crate::store::{RoundRow, RunRow, Store, best_round};

/// Which round of a run is meant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum RoundWanted {
    /// The one whose weights the run has at present.
    #[default]
    Present,
    Number(u32),
    /// The one with the best validation accuracy.
    Best,
    /// The models of the folds of its seed set, several in place of one.
    Folds,
}

/// A round of a run whose weights are there.
#[derive(Debug)]
pub struct TrainedRound {
    pub run: RunRow,
    pub spec: ExperimentSpec,
    /// The round, with its metrics.
    pub row: RoundRow,
    /// The checkpoint that holds the weights.
    pub checkpoint: PathBuf,
}

/// Finds the weights of a round. A checkpoint holds a round's weights when their digest is the one
/// that the round reported at the end of its training.
///
/// # Errors
/// When there is no such run or round, or its weights are not kept any more.
pub fn find(store: &Store, run: &str, wanted: RoundWanted) -> Result<TrainedRound, ScorerError> {
    let run = store.find_run(run)?;
    if run.kind == RunKind::Policy {
        return Err(ScorerError::IsPolicy { run: run.name, id: run.id });
    }
    let rounds = store.rounds(&run.id)?;
    let dir = store.home().checkpoints(&run.id);
    let checkpoints = checkpoint::list(&dir)?;
    // The newest first: after a rollback the weights in use are those of an earlier round.
    let round_of =
        |digest: &String| rounds.iter().find(|round| round.weights_digest.as_ref() == Some(digest));
    let mut kept: Vec<(RoundRow, PathBuf)> = Vec::new();
    for (name, manifest) in &checkpoints {
        if let Some(round) = round_of(&manifest.weights_digest)
            && kept.iter().all(|(known, _)| known.round != round.round)
        {
            kept.push((round.clone(), dir.join(name)));
        }
    }
    let wanted = match wanted {
        RoundWanted::Folds => return Err(ScorerError::Several { run: run.name }),
        RoundWanted::Present => None,
        RoundWanted::Number(round) => Some(round),
        RoundWanted::Best => best_round(&rounds),
    };
    if let Some(round) = wanted.filter(|wanted| rounds.iter().all(|row| row.round != *wanted)) {
        return Err(ScorerError::NoRound { run: run.name, id: run.id, round });
    }
    let mut numbers: Vec<u32> = kept.iter().map(|(row, _)| row.round).collect();
    numbers.sort_unstable();
    let found = match wanted {
        None => kept.into_iter().next(),
        Some(wanted) => kept.into_iter().find(|(row, _)| row.round == wanted),
    };
    let Some((row, checkpoint)) = found else {
        return Err(match wanted {
            Some(round) if !numbers.is_empty() => {
                ScorerError::NotKept { run: run.name, round, kept: numbers }
            }
            _ => ScorerError::NoWeights { run: run.name, id: run.id },
        });
    };
    let spec = store.spec(&run.id)?;
    Ok(TrainedRound { run, spec, row, checkpoint })
}

/// Fold models of a run whose weights are kept.
#[derive(Debug)]
pub struct FoldModels {
    pub run: RunRow,
    pub spec: ExperimentSpec,
    /// The folder of each, in the order of the folds.
    pub checkpoints: Vec<PathBuf>,
}

/// Finds the fold models of a run. None of them is of a run that has not been through all of its folds.
///
/// # Errors
/// When there is no such run, or its fold models are not kept.
pub fn find_folds(store: &Store, run: &str) -> Result<FoldModels, ScorerError> {
    let run = store.find_run(run)?;
    let spec = store.spec(&run.id)?;
    let dir = store.home().fold_models(&run.id);
    let mut names: Vec<String> =
        checkpoint::list(&dir)?.into_iter().map(|(name, _)| name).collect();
    names.sort_unstable();
    if names.len() < (spec.selection.calibration_folds as usize).max(1) {
        return Err(ScorerError::NoFolds {
            run: run.name,
            are_kept: spec.selection.keep_fold_models,
        });
    }
    let checkpoints = names.iter().map(|name| dir.join(name)).collect();
    Ok(FoldModels { run, spec, checkpoints })
}
