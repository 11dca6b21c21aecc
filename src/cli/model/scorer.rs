//! MODEL of `ser score` and `ser eval`, and who `--reward` and `--gold` name.

use std::time::Duration;

use crate::cli::{CliResult, Context};
use crate::launch::by_name;
use crate::scorer::model::{ModelWanted, OpenModel};
use crate::scorer::trained::RoundWanted;
use crate::scorer::{Scorer, TIME_LIMIT, Wanted};

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

impl RoundArgs {
    /// The round that is meant.
    #[must_use]
    pub fn wanted(self) -> RoundWanted {
        match self.round {
            Some(round) => RoundWanted::Number(round),
            None if self.best => RoundWanted::Best,
            None => RoundWanted::Present,
        }
    }
}

/// How to find and open the model.
#[derive(Debug, Clone, clap::Args)]
pub struct ModelArgs {
    /// A run (id, unique prefix of an id, or name), a model directory, `hf:owner/name[@revision]`, or
    /// `embedded`
    model: String,
    #[command(flatten)]
    round: RoundArgs,
    /// Cut texts to so many tokens [default: what the model was trained with]
    #[arg(long, value_name = "N")]
    max_tokens: Option<usize>,
    /// Threads; 0 takes one a core
    #[arg(long, default_value_t = 0, value_name = "N")]
    threads: usize,
    /// Score with a reward head of random numbers where the model has none (to measure speed)
    #[arg(long)]
    untrained_head: bool,
}

/// Opens the model.
///
/// # Errors
/// When there is none of that name, its files are wrong, or it has no reward head.
pub fn open(context: &Context, args: &ModelArgs) -> CliResult<OpenModel> {
    let mut wanted = ModelWanted {
        name: args.model.clone(),
        dir: None,
        round: args.round.wanted(),
        max_tokens: args.max_tokens,
        n_threads: args.threads,
        untrained_head: args.untrained_head,
    };
    look_up(context, &mut wanted)?;
    Ok(wanted.open(&context.home)?)
}

/// How long a command that scores may take.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct TimeoutArgs {
    /// Wait so long for the next score of a `command:…`, in seconds
    #[arg(long, default_value_t = TIME_LIMIT.as_secs(), value_name = "N",
          value_parser = clap::value_parser!(u64).range(1..=86_400))]
    reward_timeout: u64,
}

impl TimeoutArgs {
    /// Opens who is called so: models, the oracle, or a command.
    ///
    /// # Errors
    /// As [`Wanted::open`], or when a model cannot be brought here.
    pub fn open(self, context: &Context, name: &str, n_threads: usize) -> CliResult<Scorer> {
        let mut wanted = Wanted::read(name, n_threads)?;
        if let Wanted::Models(models) = &mut wanted {
            for model in models {
                look_up(context, model)?;
            }
        }
        let mut scorer = wanted.open(&context.home)?;
        scorer.set_time_limit(Duration::from_secs(self.reward_timeout));
        Ok(scorer)
    }
}

/// Finds the files of a model by its name on the Hub.
fn look_up(context: &Context, wanted: &mut ModelWanted) -> CliResult {
    if wanted.is_remote() {
        wanted.dir = by_name::model(context.place(), &wanted.name)?.dir;
    }
    Ok(())
}
