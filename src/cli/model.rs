//! `ser model`: list, check and import models.

pub mod bench;
pub mod pretrain;
pub mod scorer;

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{CliError, CliResult, Context};
use crate::cli::print::{FormArgs, print_json, print_line, print_table};
use crate::domain::source::hub_name::{HubName, cache_root};
use crate::domain::text::clean::clean_line;
use crate::domain::text::words;
use crate::engine::Backbone;
use crate::engine::files::weights::{ModelFiles, ModelSummary};
use crate::engine::text::tokenize::{RewardAt, TokenizerClass};
use crate::hub;
use crate::launch::by_name;
use crate::report::table::{Cell, Form, Table, number, text};
use crate::store::Access;

/// What is said of a chat template that writes what day it is.
pub const THE_DAY: &str = "writes the day (`strftime_now`), which is always 26 Jul 2024 here: no reward depends on the day it is computed";

/// `ser model …`
#[derive(Debug, clap::Subcommand)]
pub enum ModelCommand {
    /// List the models on this machine: embedded, imported, and those of the Hub's cache
    List(ListArgs),
    /// Look at a model without reading its weights; one of the Hub is fetched
    Check(CheckArgs),
    /// Fetch a model of the Hub, or copy a folder so that nothing changes under a run
    Import(ImportArgs),
}

/// Arguments of `ser model list`.
#[derive(Debug, clap::Args)]
pub struct ListArgs {
    #[command(flatten)]
    form: FormArgs,
}

/// Arguments of `ser model check`.
#[derive(Debug, clap::Args)]
pub struct CheckArgs {
    /// `embedded`, a folder, the name of an imported model, or `hf:owner/name[@revision]`
    model: String,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

/// Arguments of `ser model import`.
#[derive(Debug, clap::Args)]
pub struct ImportArgs {
    /// A folder, or `hf:owner/name[@revision]`
    model: String,
    /// What to call the copy of a folder; its own name otherwise
    #[arg(long)]
    name: Option<String>,
}

/// A model, for people and programs.
#[derive(Debug, Serialize)]
struct Document {
    /// As `model.backbone` takes it.
    name: String,
    family: Option<String>,
    n_parameters: Option<u64>,
    max_tokens: Option<usize>,
    vocab_size: Option<usize>,
    hidden_size: Option<usize>,
    n_layers: Option<usize>,
    has_reward_head: Option<bool>,
    has_chat_template: Option<bool>,
    /// Where the reward is read, in words.
    reward_at: Option<String>,
    /// How `tokenizer.json` is read, in words.
    tokenizer: Option<String>,
    /// Whether that template writes what day it is.
    prints_the_day: Option<bool>,
    n_bytes: u64,
    path: Option<PathBuf>,
    /// Why it cannot be used.
    problem: Option<String>,
}

/// Dispatches.
///
/// # Errors
/// Those of the command.
pub fn run(context: &Context, command: &ModelCommand) -> CliResult {
    match command {
        ModelCommand::List(args) => list(context, args.form),
        ModelCommand::Check(args) => check(context, args),
        ModelCommand::Import(args) => import(context, args),
    }
}

fn list(context: &Context, form: FormArgs) -> CliResult {
    let mut found = vec![look("embedded".into(), None)];
    let mut imported: Vec<PathBuf> = folders(&context.home.models());
    imported.sort();
    for dir in imported {
        let name = dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
        found.push(look(name, Some(dir)));
    }
    let cache = cache_root(|key| std::env::var_os(key));
    for (name, dir) in hub::cached_models(&cache) {
        found.push(look(name.to_string(), Some(dir)));
    }
    match form.form() {
        Form::Json => print_json(&found),
        form => print_table(&table(&found), form, context.ascii),
    }
}

fn folders(parent: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(parent).into_iter().flatten().flatten();
    // A name with a point before it is a copy that is not whole.
    let is_hidden = |name: &std::ffi::OsStr| name.as_encoded_bytes().starts_with(b".");
    let is_shown =
        |path: &PathBuf| path.is_dir() && path.file_name().is_some_and(|n| !is_hidden(n));
    entries.map(|entry| entry.path()).filter(is_shown).collect()
}

fn summary(dir: Option<&Path>) -> CliResult<ModelSummary> {
    Ok(match dir {
        Some(dir) => ModelFiles::check(dir)?,
        None => ModelFiles::open(&Backbone::Embedded, 8)?.summary(),
    })
}

fn look(name: String, path: Option<PathBuf>) -> Document {
    let (summary, problem) = match summary(path.as_deref()) {
        Ok(summary) => (Some(summary), None),
        Err(error) => (None, Some(error.message)),
    };
    let of = summary.as_ref();
    let n_bytes = path.as_deref().map_or(0, |dir| {
        let files = std::fs::read_dir(dir).into_iter().flatten().flatten();
        // Follows links, which is what a snapshot is made of.
        files.filter_map(|file| std::fs::metadata(file.path()).ok()).map(|file| file.len()).sum()
    });
    Document {
        name,
        family: of.map(|s| s.family.clone()),
        n_parameters: of.map(|s| s.n_parameters),
        max_tokens: of.map(|s| s.max_positions),
        vocab_size: of.map(|s| s.vocab_size),
        hidden_size: of.map(|s| s.hidden_size),
        n_layers: of.map(|s| s.n_layers),
        has_reward_head: of.map(|s| s.has_reward_head),
        has_chat_template: of.map(|s| s.has_chat_template),
        reward_at: of.map(reward_at),
        tokenizer: of.map(tokenizer),
        prints_the_day: of.map(|s| s.prints_the_day),
        n_bytes,
        path,
        problem,
    }
}

/// Where the reward of a text is read.
fn reward_at(model: &ModelSummary) -> String {
    match (&model.reward_at, model.has_reward_head) {
        (RewardAt::First, _) => "at the first token".to_owned(),
        (RewardAt::LastBut(id), _) => {
            let token = model.padding.as_deref().unwrap_or_default();
            format!(
                "at the last token that is not `{token}` (`pad_token_id` {id}), as transformers does"
            )
        }
        (RewardAt::Last, true) => {
            "at the last token (no `pad_token_id`), as transformers does with one text".to_owned()
        }
        (RewardAt::Last, false) => match &model.end {
            Some(end) => format!("at the last token, a plain text's end `{end}`: a new head"),
            None => "at the last token: a new head".to_owned(),
        },
    }
}

/// How the tokenizer's files are read.
fn tokenizer(model: &ModelSummary) -> String {
    let class = model.tokenizer_class;
    let read = match class.name() {
        Some(name) => format!("as `{name}` of transformers 5"),
        None if class == TokenizerClass::Unknown => {
            "`tokenizer.json` as it is; its class is not known here".to_owned()
        }
        None => "`tokenizer.json` as it is".to_owned(),
    };
    match model.reward_at {
        RewardAt::First if model.has_token_types => format!("{read}, with token types"),
        RewardAt::First => format!("{read}, without token types"),
        RewardAt::Last | RewardAt::LastBut(_) => read,
    }
}

fn yes(value: bool) -> String {
    if value { "yes" } else { "no" }.to_owned()
}

fn table(models: &[Document]) -> Table {
    let mut table = Table::new(&[
        text("name", "name"),
        text("family", "family"),
        number("n_parameters", "parameters"),
        number("max_tokens", "tokens"),
        text("has_reward_head", "head"),
        text("has_chat_template", "template"),
        number("n_bytes", "size"),
        text("problem", "problem"),
    ]);
    for model in models {
        table.push(vec![
            Cell::new(&model.name),
            Cell::maybe(model.family.as_ref()),
            Cell::shown(model.n_parameters, words::count),
            Cell::shown(model.max_tokens, |n| words::count(n as u64)),
            Cell::maybe(model.has_reward_head.map(yes)),
            Cell::maybe(model.has_chat_template.map(yes)),
            Cell::shown((model.n_bytes > 0).then_some(model.n_bytes), words::bytes),
            Cell::maybe(model.problem.as_ref()),
        ]);
    }
    table
}

fn check(context: &Context, args: &CheckArgs) -> CliResult {
    let model = by_name::model(context.place(), &args.model)?;
    if model.name == "mock" {
        return Err(CliError::input("`mock` is a stand-in for tests without files"));
    }
    // The first problem is the answer, with its hint.
    summary(model.dir.as_deref())?;
    let found = look(model.name, model.dir);
    if args.json {
        return print_json(&found);
    }
    let template = match found.prints_the_day {
        Some(true) => format!("yes; {THE_DAY}"),
        _ => yes(found.has_chat_template.unwrap_or_default()),
    };
    let count = |n: Option<usize>| words::count(n.unwrap_or_default() as u64);
    let lines = [
        ("model", found.name.clone()),
        ("family", found.family.clone().unwrap_or_default()),
        ("parameters", words::count(found.n_parameters.unwrap_or_default())),
        ("shape", format!("{} blocks of {}", count(found.n_layers), count(found.hidden_size))),
        ("vocabulary", count(found.vocab_size)),
        ("longest text", format!("{} tokens", count(found.max_tokens))),
        ("reward head", yes(found.has_reward_head.unwrap_or_default())),
        ("reward read", found.reward_at.clone().unwrap_or_default()),
        ("tokenizer", found.tokenizer.clone().unwrap_or_default()),
        ("chat template", template),
    ];
    for (name, value) in lines {
        print_line(&clean_line(&format!("{name:<14} {value}")))?;
    }
    if let Some(path) = &found.path {
        print_line(&clean_line(&format!("{:<14} {}", "files", path.display())))?;
    }
    Ok(())
}

fn import(context: &Context, args: &ImportArgs) -> CliResult {
    if context.access == Access::ReadOnly {
        return Err(CliError::input("`ser model import` writes, but `--read-only` is set")
            .with_hint("leave `--read-only` out"));
    }
    let model = by_name::model(context.place(), &args.model)?;
    let Some(dir) = &model.dir else {
        return Err(CliError::input(format!("`{}` is part of the program", model.name))
            .with_hint(format!("use it as it is: `--set model.backbone={}`", model.name)));
    };
    summary(Some(dir))?;
    if HubName::is_meant(&args.model) {
        if args.name.is_some() {
            return Err(CliError::input(
                "`--name` is for folders; a model of the Hub has its name",
            ));
        }
        print_line(&clean_line(&format!("`{}` lies in `{}`", model.name, dir.display())))?;
        context.say(&format!("use it with `--set model.backbone={}`", model.name));
        return Ok(());
    }
    let own = std::path::absolute(dir).ok().and_then(|dir| Some(dir.file_name()?.to_owned()));
    let name = args.name.clone().or_else(|| own?.into_string().ok()).unwrap_or_default();
    let is_fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.is_empty()
        || name.starts_with(['.', '-'])
        || !name.chars().all(is_fine)
        || matches!(name.as_str(), "embedded" | "mock")
    {
        return Err(CliError::input(format!("`{name}` is no name for a model"))
            .with_hint("give one of letters, digits, `-`, `_` and `.` with `--name`"));
    }
    copy(context, dir, &name)?;
    print_line(&clean_line(&format!("imported `{}` as `{name}`", dir.display())))?;
    context.say(&format!("use it with `--set model.backbone={name}`"));
    Ok(())
}

/// Copies what a model is opened from, under a name that only a whole copy gets.
fn copy(context: &Context, dir: &Path, name: &str) -> CliResult {
    let models = context.home.models();
    let target = models.join(name);
    if target.exists() {
        return Err(CliError::input(format!("there is a model named `{name}` already"))
            .with_hint("give another name with `--name`, or take the old one away"));
    }
    let aside = models.join(format!(".{name}.{}", std::process::id()));
    let copied = copy_files(dir, &aside).and_then(|()| {
        summary(Some(&aside))?;
        std::fs::rename(&aside, &target).map_err(|error| CliError::io("write", &target, &error))
    });
    if copied.is_err() {
        // The first error is the one to tell.
        let _ = std::fs::remove_dir_all(&aside);
    }
    copied
}

fn copy_files(from: &Path, to: &Path) -> CliResult {
    std::fs::create_dir_all(to).map_err(|error| CliError::io("create", to, &error))?;
    let entries = std::fs::read_dir(from).map_err(|error| CliError::io("read", from, &error))?;
    for entry in entries.flatten() {
        let path = entry.path();
        let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
        if !path.is_file() || !matches!(ending, "json" | "jinja" | "safetensors") {
            continue;
        }
        let target = to.join(entry.file_name());
        std::fs::copy(&path, &target).map_err(|error| CliError::io("copy", &path, &error))?;
    }
    Ok(())
}
