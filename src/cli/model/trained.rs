//! The weights of a run's finished rounds, as far as its checkpoints still hold them.

use std::path::PathBuf;

use crate::cli::{CliError, CliResult, Context};
use crate::domain::spec::ExperimentSpec;
use crate::engine::files::checkpoint;
use crate::store::{RoundRow, RunRow, Store, best_round};

/// Which round of a run is meant.
#[derive(Debug, Clone, Copy, Default, clap::Args)]
pub struct RoundArgs {
    /// Take the weights of this round [default: those the run has at present]
    #[arg(long, value_name = "N", conflicts_with = "best")]
    pub round: Option<u32>,
    /// Take the round with the best validation accuracy
    #[arg(long)]
    pub best: bool,
}

/// A round of a run whose weights are there.
#[derive(Debug)]
pub struct TrainedRound {
    /// The run.
    pub run: RunRow,
    /// Its spec.
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
pub fn find(
    context: &Context,
    store: &Store,
    run: &str,
    args: RoundArgs,
) -> CliResult<TrainedRound> {
    let run = store.find_run(run)?;
    let rounds = store.rounds(&run.id)?;
    let dir = context.home.checkpoints(&run.id);
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
    let wanted = if args.best { best_round(&rounds) } else { args.round };
    let (name, id) = (&run.name, &run.id);
    if let Some(round) = wanted.filter(|wanted| rounds.iter().all(|row| row.round != *wanted)) {
        let hint = format!("`ser rounds {id}` lists the rounds");
        return Err(CliError::input(format!("`{name}` has no round {round}")).with_hint(hint));
    }
    let mut numbers: Vec<u32> = kept.iter().map(|(row, _)| row.round).collect();
    numbers.sort_unstable();
    let numbers: Vec<String> = numbers.iter().map(u32::to_string).collect();
    let found = match wanted {
        None => kept.into_iter().next(),
        Some(wanted) => kept.into_iter().find(|(row, _)| row.round == wanted),
    };
    let Some((row, checkpoint)) = found else {
        return Err(match wanted {
            Some(round) if !numbers.is_empty() => {
                let numbers = numbers.join(", ");
                let message = format!("the weights of round {round} of `{name}` are not kept");
                CliError::input(message).with_hint(format!(
                    "kept: round {numbers}; `rounds.keep_weights = \"all\"` keeps every round of a run"
                ))
            }
            _ => CliError::input(format!("`{name}` holds no weights of a finished round"))
                .with_hint(format!("`ser attach {id}` shows how far it is")),
        });
    };
    let spec = store.spec(&run.id)?;
    Ok(TrainedRound { run, spec, row, checkpoint })
}
