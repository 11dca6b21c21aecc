//! `ser run`: start runs, and watch them to their end if asked.

pub mod arms;
pub mod attach;
pub mod follow;
pub mod reproduce;
pub mod request;
pub mod worker;

use super::launch::LaunchPlan;
use super::table::{Form, print_line};
use super::{CliError, CliResult, Context, is_interactive, launch};
use crate::analysis;
use crate::analysis::RoundChoice;
use crate::domain::run::RunId;
use crate::domain::spec::{ExperimentSpec, NONE};
use crate::spec;
use crate::spec::SpecInput;
use crate::supervisor::Supervisor;
use std::path::PathBuf;

/// Arguments of `ser run`.
#[derive(Debug, clap::Args)]
pub struct RunArgs {
    /// A file with the keys that differ from the default spec
    spec: Option<PathBuf>,
    /// Start from the spec of this run instead: id, unique prefix of an id, or name
    #[arg(long, value_name = "RUN", conflicts_with = "spec")]
    from: Option<String>,
    /// Set a key, for example `train.epochs=3` (can be given again)
    #[arg(long = "set", value_name = "KEY=VALUE")]
    sets: Vec<String>,
    /// Name of the run, or of the experiment where several start; made up otherwise
    #[arg(long)]
    name: Option<String>,
    /// Recipe: `ser`, `seed-only`, `full-labels`, `naive`, `confidence`, `ser-paper`, `ser-code` (can
    /// be given again, for a run each)
    #[arg(long = "arm", value_name = "ARM")]
    arms: Vec<String>,
    /// Random seeds, for a run each: `1,2,3`
    #[arg(long, value_name = "N,N", value_delimiter = ',',
          value_parser = clap::value_parser!(u64).range(..=i64::MAX as u64))]
    rng_seeds: Vec<u64>,
    #[command(flatten)]
    follow: FollowArgs,
    /// Print the id and return at once
    #[arg(long, conflicts_with_all = ["plain", "json"])]
    detach: bool,
    /// Print the complete spec and start nothing
    #[arg(long, conflicts_with_all = ["plain", "json", "detach"])]
    print_spec: bool,
}

/// How to follow without the interface.
#[derive(Debug, Clone, Copy, clap::Args)]
struct FollowArgs {
    /// Print progress lines instead of opening the interface
    #[arg(long)]
    plain: bool,
    /// Follow to the end, then print what `ser show --json` prints
    #[arg(long)]
    json: bool,
}

/// Starts the runs.
///
/// # Errors
/// When the input is wrong (nothing is left behind), or a followed run fails.
pub fn run(context: &Context, args: &RunArgs) -> CliResult {
    let specs = specs(context, args)?;
    if args.print_spec {
        return specs.iter().try_for_each(print_spec);
    }
    let mut store = context.store_to_write("run")?;
    let name = args.name.as_deref();
    let experiment = match name {
        _ if specs.len() == 1 => None,
        Some(name) => Some(name.to_owned()),
        None => Some(store.unused_experiment_name()?),
    };
    let plan = LaunchPlan {
        name: name.filter(|_| experiment.is_none()),
        experiment: experiment.as_deref(),
        reuses_runs: false,
    };
    let runs = launch::launch(context, &mut store, &specs, plan)?;
    Supervisor::new(context.home.clone()).start_next(&mut store)?;
    if args.detach {
        return runs.iter().try_for_each(|run| print_line(run.id.as_str()));
    }
    let is_plain = args.follow.plain || args.follow.json || !is_interactive();
    if !is_plain {
        drop(store);
        let first = runs.into_iter().next().map(|run| run.id);
        return attach::open_interface(context, first);
    }
    let output = if args.follow.json { follow::Output::Json } else { follow::Output::Lines };
    let outcome = follow::all_to_the_end(context, &store, &runs, output);
    if let (Some(experiment), follow::Output::Lines) = (&experiment, output)
        && !outcome.as_ref().is_err_and(|error| error.kind == super::ErrorKind::Interrupted)
    {
        print_line(&format!("\nexperiment `{experiment}`"))?;
        let ids: Vec<RunId> = runs.iter().map(|run| run.id.clone()).collect();
        arms::table(&analysis::compare_arms(&store, &ids, RoundChoice::Last)?)
            .print(Form::Human, context.ascii)?;
    }
    outcome
}

/// The default keeps the comments that say what each key means.
fn print_spec(resolved: &ExperimentSpec) -> CliResult {
    let default = spec::resolve(&SpecInput::default())?;
    let text =
        if *resolved == default { spec::DEFAULT.to_owned() } else { spec::to_toml(resolved)? };
    print_line(text.trim_end())
}

/// One spec for each arm and random seed.
fn specs(context: &Context, args: &RunArgs) -> CliResult<Vec<ExperimentSpec>> {
    let from = args.from.as_ref().map(|run| -> CliResult<PathBuf> {
        let row = context.store_to_read()?.find_run(run)?;
        Ok(context.home.run_dir(&row.id).join("spec.toml"))
    });
    let from = from.transpose()?;
    let file = args.spec.as_deref().or(from.as_deref());
    let mut seen = std::collections::BTreeSet::new();
    if let Some(twice) = args.rng_seeds.iter().find(|rng_seed| !seen.insert(**rng_seed)) {
        return Err(CliError::input(format!("`--rng-seeds` holds {twice} twice"))
            .with_hint("the same random seed gives the same run"));
    }
    let arms: Vec<&str> = args.arms.iter().map(String::as_str).collect();
    let base = SpecInput { file, arm: None, sets: &args.sets, rng_seed: None };
    specs_of(base, &arms, &args.rng_seeds)
}

/// One spec for each random seed and arm: the arms of a seed stand together, so that they can share
/// their first round, and those that match the steps of others come last.
pub fn specs_of(
    base: SpecInput<'_>,
    arms: &[&str],
    rng_seeds: &[u64],
) -> CliResult<Vec<ExperimentSpec>> {
    let mut specs = Vec::new();
    for rng_seed in or_none(rng_seeds.iter().copied()) {
        let mut of_seed = Vec::new();
        for arm in or_none(arms.iter().copied()) {
            of_seed.push(spec::resolve(&SpecInput { arm, rng_seed, ..base })?);
        }
        of_seed.sort_by_key(|spec: &ExperimentSpec| spec.train.match_steps != NONE);
        specs.extend(of_seed);
    }
    Ok(specs)
}

/// Each value, or once `None` when there is none.
fn or_none<T>(values: impl Iterator<Item = T>) -> Vec<Option<T>> {
    let values: Vec<_> = values.map(Some).collect();
    if values.is_empty() { vec![None] } else { values }
}
