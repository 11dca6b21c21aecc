//! MODEL of `ser score` and `ser eval`: a run, a model directory, or `embedded`.

use std::path::{Path, PathBuf};

use super::trained::{self, RoundArgs};
use crate::cli::{CliError, CliResult, Context};
use crate::domain::source::hub_name::HubName;
use crate::engine::scoring::{UseSettings, open_to_score, use_settings};
use crate::engine::{Backbone, OpenSettings, RewardModel};
use crate::launch::by_name;

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

impl ModelArgs {
    /// The present weights of the model of this name, or those of a round where the name is `RUN:ROUND`.
    #[must_use]
    pub fn named(name: &str, threads: usize) -> Self {
        let of_round =
            name.rsplit_once(':').and_then(|(run, round)| Some((run, round.parse().ok()?)));
        let (model, round) = of_round.map_or((name, None), |(run, round)| (run, Some(round)));
        let (model, round) = (model.to_owned(), RoundArgs { round, best: false });
        Self { model, round, max_tokens: None, threads, untrained_head: false }
    }
}

/// A model that is open.
pub struct Scorer {
    /// What it is, in words.
    pub name: String,
    /// The model.
    pub model: Box<dyn RewardModel>,
}

/// Opens the model.
///
/// # Errors
/// When there is none of that name, its files are wrong, or it has no reward head.
pub fn open(context: &Context, args: &ModelArgs) -> CliResult<Scorer> {
    if HubName::is_meant(&args.model)
        && let Some(dir) = by_name::model(context.place(), &args.model)?.dir
    {
        return open_files(args, &Backbone::Directory(dir));
    }
    match directory(&args.model) {
        Some(backbone) => open_files(args, &backbone),
        None => open_run(context, args),
    }
}

/// The model's files, when the name means files.
fn directory(name: &str) -> Option<Backbone> {
    if name == "embedded" {
        return Some(Backbone::Embedded);
    }
    let dir = Path::new(name);
    let has = |file: &str| dir.join(file).is_file();
    let is_path = name.contains(std::path::MAIN_SEPARATOR) || name == "." || name == "..";
    (is_path || has("config.json") || has("adapter_config.json"))
        .then(|| Backbone::Directory(PathBuf::from(name)))
}

fn open_files(args: &ModelArgs, backbone: &Backbone) -> CliResult<Scorer> {
    if args.round.best || args.round.round.is_some() {
        return Err(CliError::input(format!("`{}` is a model, which has no rounds", args.model))
            .with_hint("leave `--round` and `--best` out, or name a run"));
    }
    let UseSettings { open, has_reward_head } = use_settings(backbone, args.max_tokens)?;
    if !has_reward_head && !args.untrained_head {
        return Err(CliError::input(format!("`{}` has no reward head", args.model)).with_hint(
            "train one (`ser run`) and name the run; `--untrained-head` takes a random one",
        ));
    }
    let model = open_to_score(&OpenSettings { n_threads: args.threads, ..open }, None)?;
    Ok(Scorer { name: args.model.clone(), model })
}

fn open_run(context: &Context, args: &ModelArgs) -> CliResult<Scorer> {
    let store = context.store_to_read().map_err(|error| nothing_named(args, error))?;
    let found = trained::find(context, &store, &args.model, args.round)
        .map_err(|error| nothing_named(args, error))?;
    let settings = OpenSettings::of_spec(&found.spec);
    let settings = OpenSettings {
        n_threads: args.threads,
        max_tokens: args.max_tokens.unwrap_or(settings.max_tokens),
        ..settings
    };
    let model = open_to_score(&settings, Some(&found.checkpoint))?;
    Ok(Scorer { name: format!("round {} of `{}`", found.row.round, found.run.name), model })
}

/// The error for a name that is no run: it may have been meant as a directory.
fn nothing_named(args: &ModelArgs, error: CliError) -> CliError {
    if Path::new(&args.model).is_dir() {
        let message = format!("`{}` holds no `config.json` and is no run", args.model);
        return CliError::input(message).with_hint(
            "a model directory holds `config.json`, `model.safetensors`, `tokenizer.json`",
        );
    }
    let neither = format!("there is no run and no model folder `{}`", args.model);
    let is_unknown = error.message == format!("there is no run `{}`", args.model);
    CliError { message: if is_unknown { neither } else { error.message }, ..error }
}
