//! `ser run`: start runs, and watch them to their end if asked.

pub mod attach;
pub mod follow;
pub mod queue;
pub mod reproduce;
pub mod request;
mod told;
pub mod worker;

use super::{CliError, CliResult, Context, is_interactive};
use crate::analysis;
use crate::analysis::RoundChoice;
use crate::cli::print::{print_line, print_table};
use crate::domain::policy::settings::ObjectiveName;
use crate::domain::run::RunId;
use crate::domain::spec::ExperimentSpec;
use crate::launch::{self, Base, Request, presets};
use crate::report::listing::arms;
use crate::report::table::Form;
use crate::spec;
use crate::spec::SpecInput;
use crate::store::Store;
use crate::store::rows::RunRow;
use crate::tui;
use std::path::PathBuf;

use strum::VariantArray;

/// Arguments of `ser run`.
#[derive(Debug, clap::Args)]
pub struct RunArgs {
    /// A file with the keys that differ from the default spec, or the name of a preset
    spec: Option<PathBuf>,
    /// Start from the spec of this run instead: id, unique prefix of an id, or name
    #[arg(long, value_name = "RUN", conflicts_with = "spec")]
    from: Option<String>,
    /// Set a key, for example `train.epochs=3`, or for one of several arms `ser:rounds.max=1` (can be
    /// given again)
    #[arg(long = "set", value_name = "[ARM:]KEY=VALUE")]
    sets: Vec<String>,
    /// Name of the run, or of the experiment where several start; made up otherwise
    #[arg(long)]
    name: Option<String>,
    /// Arm: `ser`, `seed-only`, `full-labels`, `naive`, `confidence`, `ser-paper`, `ser-code` (can
    /// be given again, for a run each)
    #[arg(long = "arm", value_name = "ARM")]
    arms: Vec<String>,
    /// Train a policy: a language model, by the reward model of the run that `--from` names (or of
    /// `--set policy.reward=…`)
    #[arg(long, value_name = "OBJECTIVE", value_parser = objective)]
    policy: Option<ObjectiveName>,
    /// Random seeds, for a run each: `1,2,3`
    #[arg(long, value_name = "N,N", value_delimiter = ',',
          value_parser = clap::value_parser!(u64).range(..=i64::MAX as u64))]
    rng_seeds: Vec<u64>,
    /// Start at once, although no slot is free
    #[arg(long)]
    now: bool,
    #[command(flatten)]
    follow: FollowArgs,
    /// Print the id and return at once
    #[arg(long, conflicts_with_all = ["plain", "json"])]
    detach: bool,
    /// Print the complete spec and start nothing
    #[arg(long, conflicts_with_all = ["plain", "json", "detach"])]
    print_spec: bool,
}

impl RunArgs {
    /// Whether the run is to be watched on its screen.
    pub fn opens_a_screen(&self) -> bool {
        let FollowArgs { plain, json } = self.follow;
        !(plain || json || self.detach || self.print_spec)
    }
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

/// The key that makes a best-of-n run a stage of SFT and nothing else.
const NO_CURVE: &str = "policy.best_of=0";

/// Starts runs that train a language model on the preferred answers of the seed set alone.
///
/// # Errors
/// As [`run`]; with an objective.
pub fn sft(context: &Context, mut args: RunArgs) -> CliResult {
    if let Some(objective) = args.policy {
        let message =
            format!("SFT has no objective, but `--policy {}` names one", objective.name());
        return Err(CliError::input(message)
            .with_hint("`ser run --policy` begins with SFT (`policy.sft.epochs`) by itself"));
    }
    args.policy = Some(ObjectiveName::BestOfN);
    args.sets.insert(0, NO_CURVE.to_owned());
    run(context, &args)
}

/// Starts the runs.
///
/// # Errors
/// When the input is wrong (nothing is left behind), or a followed run fails.
pub fn run(context: &Context, args: &RunArgs) -> CliResult {
    let request = request(context, args)?;
    if args.print_spec {
        return request.specs(context.place())?.iter().try_for_each(print_spec);
    }
    let mut store = context.store_to_write("run")?;
    let launch::Started { experiment, runs } =
        launch::start(context.place(), &mut store, &request)?;
    if args.now {
        for run in &runs {
            start_now(context, &mut store, run)?;
        }
    }
    context.supervisor.start_next(&mut store)?;
    if args.detach {
        return runs.iter().try_for_each(|run| print_line(run.id.as_str()));
    }
    let is_plain = args.follow.plain || args.follow.json || !can_draw(context);
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
        let comparison = analysis::compare_arms(&store, &ids, RoundChoice::Last)?;
        print_table(&arms::table(&comparison), Form::Human, context.ascii)?;
    }
    outcome
}

/// Starts a run beside what is at work. One that was taken over from an earlier launch may have ended.
fn start_now(context: &Context, store: &mut Store, run: &RunRow) -> CliResult {
    if store.run(&run.id)?.row.queue_place.is_some() {
        context.supervisor.start_now(store, &run.id)?;
    }
    Ok(())
}

/// Whether the interface can open. On a terminal that only prints lines the run is followed by lines.
fn can_draw(context: &Context) -> bool {
    if !is_interactive() {
        return false;
    }
    let checked = tui::check_terminal(std::env::var("TERM").ok());
    if let Err(error) = &checked {
        context.say(&format!("{error}; lines follow"));
    }
    checked.is_ok()
}

/// With the comments that say what each key means.
fn print_spec(resolved: &ExperimentSpec) -> CliResult {
    let default = spec::resolve(&SpecInput::default())?;
    let text =
        if *resolved == default { spec::DEFAULT.to_owned() } else { spec::commented(resolved)? };
    print_line(text.trim_end())
}

fn request(context: &Context, args: &RunArgs) -> CliResult<Request> {
    let mut sets = Vec::new();
    let base = match (&args.spec, &args.from) {
        (Some(file), _) => Base::File(presets::spec_file(&context.home, file)?),
        (None, Some(run)) => {
            let store = context.store_to_read()?;
            let run = store.find_run(run)?;
            if let Some(objective) = args.policy {
                sets = launch::policy_sets(&run, &store.spec(&run.id)?, objective);
            }
            Base::Run(run.id)
        }
        (None, None) => Base::Default,
    };
    if let Some(objective) = args.policy.filter(|_| sets.is_empty()) {
        sets.push(format!("policy.objective={}", objective.name()));
    }
    sets.extend(args.sets.iter().cloned());
    Ok(Request {
        base,
        name: args.name.clone(),
        arms: args.arms.clone(),
        rng_seeds: args.rng_seeds.clone(),
        sets,
    })
}

fn objective(word: &str) -> Result<ObjectiveName, String> {
    let names = ObjectiveName::VARIANTS.iter().map(|it| it.name());
    word.replace('-', "_")
        .parse()
        .map_err(|_| format!("not one of {}", names.collect::<Vec<_>>().join(", ")))
}
