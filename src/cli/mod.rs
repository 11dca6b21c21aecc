//! The command line: one thin file a subcommand.
//!
//! A command reads arguments, calls one or two functions of the modules below it and prints.
//! Results go to standard output, everything said on the way to standard error.

use crate::cli::model::bench;
use crate::cli::model::pretrain;
use crate::cli::run::attach;
use crate::cli::run::queue;
use crate::cli::run::reproduce;
use crate::cli::run::request;
use crate::cli::run::worker;
use crate::cli::show::compare;
use crate::cli::show::policy;
use crate::cli::show::rollouts;
use crate::cli::show::rounds;
use crate::cli::show::runs;
use crate::cli::show::samples;
use crate::cli::verdict::annotate;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

use clap::{ArgAction, Parser, Subcommand, ValueEnum};

use crate::domain::review::reviewer_name;
use crate::domain::verdict::Verdict;
use crate::launch;
use crate::logging;
use crate::store::{Access, Home, Store, StoreError};
use crate::supervisor::Supervisor;
use crate::tui::{Recording, Settings};

mod arguments;
mod config;
mod data;
mod doctor;
mod error;
mod eval;
mod examples;
mod explain;
mod export;
mod generate;
mod model;
mod print;
mod query;
mod record;
mod run;
mod score;
mod serve;
mod shell;
mod show;
mod verdict;

pub use arguments::read;
pub use error::{CliError, CliResult, ErrorKind};

/// Self-Evolved Reward learning in a terminal: start runs, watch them, veto labels, compare.
///
/// Without a command: the interface, on a terminal.
#[derive(Debug, Parser)]
#[command(name = "ser", version, long_version = LONG_VERSION.as_str(), max_term_width = 100)]
pub struct Cli {
    #[command(flatten)]
    global: GlobalArgs,
    #[command(subcommand)]
    command: Option<Command>,
}

/// `--version`: what the program was built for, and with which features.
static LONG_VERSION: LazyLock<String> = LazyLock::new(|| {
    let features = [
        (cfg!(feature = "cuda"), "cuda"),
        (cfg!(feature = "hub"), "hub"),
        (cfg!(feature = "metal"), "metal"),
        (cfg!(feature = "parquet"), "parquet"),
    ];
    let built: Vec<&str> =
        features.into_iter().filter(|(is_built, _)| *is_built).map(|(_, name)| name).collect();
    let built = if built.is_empty() { "none".to_owned() } else { built.join(", ") };
    let (arch, system) = (std::env::consts::ARCH, std::env::consts::OS);
    format!("{}\ntarget: {arch}-{system}\nfeatures: {built}", env!("CARGO_PKG_VERSION"))
});

/// The heading under which every help lists what all commands take.
const EVERYWHERE: &str = "Options of every command";

#[derive(Debug, clap::Args)]
struct GlobalArgs {
    /// Where runs and data are kept [default: `$SER_HOME`, `$XDG_DATA_HOME/ser` or
    /// `~/.local/share/ser`]
    #[arg(long, global = true, help_heading = EVERYWHERE, value_name = "DIR")]
    home: Option<PathBuf>,
    /// Change nothing: look only
    #[arg(long, global = true, help_heading = EVERYWHERE)]
    read_only: bool,
    /// When to use colors
    #[arg(long, global = true, help_heading = EVERYWHERE, value_enum, default_value_t = Color::Auto, value_name = "WHEN")]
    color: Color,
    /// Draw with ASCII characters only
    #[arg(long, global = true, help_heading = EVERYWHERE)]
    ascii: bool,
    /// Draw once a second at most, for thin lines
    #[arg(long, global = true, help_heading = EVERYWHERE)]
    slow: bool,
    /// Give the mouse to the interface from the start (`M` does it later)
    #[arg(long, global = true, help_heading = EVERYWHERE)]
    mouse: bool,
    /// Whose decisions these are [default: `reviewer` in config.toml, `$USER`]
    #[arg(long, global = true, help_heading = EVERYWHERE, value_name = "NAME")]
    reviewer: Option<String>,
    /// Print results and errors only
    #[arg(short, long, global = true, help_heading = EVERYWHERE)]
    quiet: bool,
    /// Write more to the log (twice for everything)
    #[arg(short, long, global = true, help_heading = EVERYWHERE, action = ArgAction::Count)]
    verbose: u8,
}

/// `--color`
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless `NO_COLOR` is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
    /// The sixteen colors of the terminal's palette.
    #[value(name = "16")]
    Ansi16,
    /// The 256-color palette.
    #[value(name = "256")]
    Ansi256,
    /// 24 bits a color.
    True,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start a run (or several: one for each arm and random seed)
    Run(run::RunArgs),
    /// Train a language model on the answers that people preferred in the seed set (SFT)
    Sft(run::RunArgs),
    /// Run the published protocol on data of yours and print the paper's table beside it
    Reproduce(reproduce::ReproduceArgs),
    /// List the runs
    Runs(runs::RunsArgs),
    /// Show one run
    Show(show::ShowArgs),
    /// Show the rounds of a run
    Rounds(rounds::RoundsArgs),
    /// Show what a policy run measured, or which of several policies wins
    Policy(policy::PolicyArgs),
    /// Read the answers of a policy, and take prompts or answers out of its batches
    Rollouts(rollouts::RolloutsArgs),
    /// Compare runs: what they differ in, and whether one is better
    Compare(compare::CompareArgs),
    /// Add tags to a run (`+paper`) or take them off (`-paper`)
    Tag(annotate::TagArgs),
    /// Write or print the note of a run
    Note(annotate::NoteArgs),
    /// Take runs out of the list
    Archive(annotate::ArchiveArgs),
    /// Make a run the baseline that others are measured against
    Star(annotate::StarArgs),
    /// List the pairs a round scored: filtered, ordered, or as a review queue
    Samples(samples::SamplesArgs),
    /// Never train on these pairs
    Veto(verdict::VerdictArgs),
    /// Say that the pseudo-labels of these pairs are right, which makes them human labels
    Keep(verdict::VerdictArgs),
    /// Train on the other answer of these pairs, as a human label
    Flip(verdict::VerdictArgs),
    /// Take the latest veto, keep or flip back
    Undo(verdict::UndoArgs),
    /// Bring back what `ser undo` took back
    Redo(verdict::UndoArgs),
    /// List who decided what, how far reviewers agree, and where they differ
    Verdicts(verdict::ListVerdictsArgs),
    /// Watch a run
    Attach(attach::AttachArgs),
    /// Record the screens while you use them, for `asciinema play` and web pages
    Record(record::RecordArgs),
    /// Hold a run at its next step
    Pause(request::RequestArgs),
    /// Go on with a paused, stopped, failed or interrupted run, or with one that waits for a review
    Resume(request::RequestArgs),
    /// End a run after a checkpoint; `ser resume` goes on from there
    Stop(request::RequestArgs),
    /// Show which runs wait for a slot and for whom, put them in another order, or start one now
    Queue(queue::QueueArgs),
    /// Import and check preference data
    #[command(subcommand)]
    Data(data::DataCommand),
    /// Score texts with a trained reward model: JSON lines in, rewards out
    Score(score::ScoreArgs),
    /// Answer rewards over HTTP, as OpenRLHF asks a remote reward model
    Serve(serve::ServeArgs),
    /// Answer prompts with a language model: JSON lines in, answers out
    Generate(generate::GenerateArgs),
    /// Measure what the best of n answers is worth, by a reward model and by a judge
    BestOf(generate::best_of::BestOfArgs),
    /// Pairs of a language model's own answers, for a reward model to label
    Pairs(generate::pairs::PairsArgs),
    /// Talk with a language model
    Chat(generate::chat::ChatArgs),
    /// Measure how often a reward model ranks pairs as people did
    Eval(eval::EvalArgs),
    /// Write a run's reward model, labels or numbers for other programs, or a report
    Export(export::ExportArgs),
    /// List, check and import models
    #[command(subcommand)]
    Model(model::ModelCommand),
    /// Say what a word or number of a screen, table or spec means
    Explain(explain::ExplainArgs),
    /// Print the config file of the interface: every setting and key with its default
    Config(config::ConfigArgs),
    /// Ask the database in SQL (read only), or print what its tables hold
    Query(query::QueryArgs),
    /// Measure how fast a model trains and scores on this machine
    Bench(bench::BenchArgs),
    /// Check the installation: database, terminal, machine, interrupted runs
    Doctor(doctor::DoctorArgs),
    /// Print completions for a shell
    Completions(shell::CompletionsArgs),
    /// Write manual pages
    Man(shell::ManArgs),
    /// Execute one run in this process (started by the supervisor)
    #[command(hide = true)]
    Worker(worker::WorkerArgs),
    /// Offer the words that go on from a command line (the completions ask this)
    #[command(hide = true)]
    Complete(shell::complete::CompleteArgs),
    /// Make the embedded language model from the embedded texts
    #[command(hide = true)]
    Pretrain(pretrain::PretrainArgs),
}

/// What every command gets.
#[derive(Debug)]
pub struct Context {
    home: Home,
    access: Access,
    color: Color,
    ascii: bool,
    slow: bool,
    mouse: bool,
    quiet: bool,
    n_verbose: u8,
    reviewer: Option<String>,
    /// What the interface is recorded into.
    recording: Option<Recording>,
    /// The supervisor of the whole process: it has to know which workers it has started.
    supervisor: Arc<Supervisor>,
}

impl Context {
    fn new(global: GlobalArgs, recording: Option<Recording>) -> CliResult<Self> {
        let home = Home::resolve(global.home)?;
        check_home(&home)?;
        if !global.read_only {
            update_schema(&home)?;
        }
        Ok(Self {
            supervisor: Arc::new(Supervisor::new(home.clone())),
            home,
            access: if global.read_only { Access::ReadOnly } else { Access::ReadWrite },
            color: global.color,
            ascii: global.ascii,
            slow: global.slow,
            mouse: global.mouse,
            quiet: global.quiet,
            n_verbose: global.verbose,
            reviewer: global.reviewer,
            recording,
        })
    }

    /// Who decides: whom the command line names, else the config file, else the account.
    ///
    /// # Errors
    /// When the name is none, or the config file has a mistake.
    fn reviewer(&self) -> CliResult<String> {
        let of_argument = |name: &str| {
            reviewer_name(name).map_err(|error| {
                CliError::input(error.to_string()).with_hint("name somebody: `--reviewer anna`")
            })
        };
        if let Some(name) = &self.reviewer {
            return of_argument(name);
        }
        if let Some(name) = Settings::load(&self.home)?.reviewer {
            return Ok(name);
        }
        let accounts = ["USER", "LOGNAME"].into_iter().filter_map(|name| std::env::var(name).ok());
        let mut names = accounts.filter_map(|name| reviewer_name(&name).ok());
        Ok(names.next().unwrap_or_else(|| "me".to_owned()))
    }

    /// Opens the store for reading. If the home does not exist, it is not created.
    fn store_to_read(&self) -> CliResult<Store> {
        Ok(Store::open(&self.home, Access::ReadOnly)?)
    }

    /// The store, for a command that writes.
    fn store_to_write(&self, command: &str) -> CliResult<Store> {
        if self.access == Access::ReadOnly {
            return Err(CliError::input(format!(
                "`ser {command}` writes, but `--read-only` is set"
            ))
            .with_hint("leave `--read-only` out"));
        }
        Ok(Store::open(&self.home, Access::ReadWrite)?)
    }

    /// Says something on the way to a result.
    fn say(&self, text: &str) {
        if !self.quiet {
            // A closed standard error must not end the command.
            let _ = writeln!(std::io::stderr(), "{}", crate::domain::text::clean::clean_line(text));
        }
    }
}

impl Context {
    /// Where launches happen, and who hears about them.
    fn place(&self) -> launch::Place<'_> {
        launch::Place { home: &self.home, say: self }
    }
}

impl launch::Say for Context {
    fn say(&self, line: &str) {
        Self::say(self, line);
    }

    fn progress(&self, line: Option<&str>) {
        if self.shows_progress() {
            // Back to the first column, and erase to the end of the line.
            let line = crate::domain::text::clean::clean_line(line.unwrap_or_default());
            let _ = write!(std::io::stderr(), "\r\x1b[K{line}");
        }
    }

    fn shows_progress(&self) -> bool {
        !self.quiet && std::io::stderr().is_terminal()
    }
}

/// Refuses a home that is a file: everything else would say that it is empty.
fn check_home(home: &Home) -> CliResult {
    let root = home.root();
    if root.exists() && !root.is_dir() {
        let message = format!("the home `{}` is a file, not a folder", root.display());
        return Err(CliError::input(message)
            .with_hint("`--home` or `SER_HOME` names the folder that holds runs and data"));
    }
    Ok(())
}

/// Refuses a home of an older version before any command looks at it. Other errors are left to the
/// command that meets them.
fn update_schema(home: &Home) -> CliResult {
    if matches!(Store::open(home, Access::ReadOnly), Err(StoreError::Older { .. })) {
        Store::open(home, Access::ReadWrite)?;
    }
    Ok(())
}

/// Whether standard input and output are both a terminal.
fn is_interactive() -> bool {
    std::io::stdin().is_terminal() && std::io::stdout().is_terminal()
}

/// Runs the command.
///
/// # Errors
/// What to print and which code to end with.
pub fn run(cli: Cli) -> CliResult {
    if let Some(Command::Complete(args)) = &cli.command {
        return shell::complete::run(args);
    }
    let (cli, recording) = record::taken_off(cli)?;
    let context = Context::new(cli.global, recording)?;
    if let Some(Command::Worker(args)) = &cli.command {
        return worker::run(&context, args);
    }
    if context.access == Access::ReadWrite && context.home.root().is_dir() {
        logging::to_file(&context.home.root().join("ser.log"), context.n_verbose);
    }
    match cli.command {
        None if is_interactive() => attach::open_interface(&context, None),
        None => runs::run_without_terminal(&context),
        Some(Command::Run(args)) => run::run(&context, &args),
        Some(Command::Sft(args)) => run::sft(&context, args),
        Some(Command::Reproduce(args)) => reproduce::run(&context, &args),
        Some(Command::Runs(args)) => runs::run(&context, &args),
        Some(Command::Show(args)) => show::run(&context, &args),
        Some(Command::Rounds(args)) => rounds::run(&context, &args),
        Some(Command::Policy(args)) => policy::run(&context, &args),
        Some(Command::Rollouts(args)) => rollouts::run(&context, &args),
        Some(Command::Compare(args)) => compare::run(&context, &args),
        Some(Command::Tag(args)) => annotate::tag(&context, &args),
        Some(Command::Note(args)) => annotate::note(&context, &args),
        Some(Command::Archive(args)) => annotate::archive(&context, &args),
        Some(Command::Star(args)) => annotate::star(&context, &args),
        Some(Command::Samples(args)) => samples::run(&context, &args),
        Some(Command::Veto(args)) => verdict::decide(&context, &args, Verdict::Veto),
        Some(Command::Keep(args)) => verdict::decide(&context, &args, Verdict::Keep),
        Some(Command::Flip(args)) => verdict::decide(&context, &args, Verdict::Flip),
        Some(Command::Undo(args)) => verdict::undo(&context, &args),
        Some(Command::Redo(args)) => verdict::redo(&context, &args),
        Some(Command::Verdicts(args)) => verdict::list(&context, &args),
        Some(Command::Attach(args)) => attach::run(&context, &args),
        Some(Command::Pause(args)) => request::pause(&context, &args),
        Some(Command::Resume(args)) => request::resume(&context, &args),
        Some(Command::Stop(args)) => request::stop(&context, &args),

        Some(Command::Queue(args)) => queue::run(&context, &args),
        Some(Command::Data(command)) => data::run(&context, &command),
        Some(Command::Score(args)) => score::run(&context, &args),
        Some(Command::Serve(args)) => serve::run(&context, &args),
        Some(Command::Generate(args)) => generate::run(&context, &args),
        Some(Command::BestOf(args)) => generate::best_of::run(&context, &args),
        Some(Command::Pairs(args)) => generate::pairs::run(&context, &args),
        Some(Command::Chat(args)) => generate::chat::run(&context, &args),
        Some(Command::Eval(args)) => eval::run(&context, &args),
        Some(Command::Export(args)) => export::run(&context, &args),
        Some(Command::Model(command)) => model::run(&context, &command),
        Some(Command::Explain(args)) => explain::run(&context, &args),
        Some(Command::Config(args)) => config::run(&context, &args),
        Some(Command::Query(args)) => query::run(&context, &args),
        Some(Command::Bench(args)) => bench::run(&context, &args),
        Some(Command::Doctor(args)) => doctor::run(&context, &args),
        Some(Command::Completions(args)) => shell::completions(&args),
        Some(Command::Man(args)) => shell::man(&args),
        Some(Command::Worker(_) | Command::Complete(_) | Command::Record(_)) => Ok(()),
        Some(Command::Pretrain(args)) => pretrain::run(&context, &args),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_arguments_are_consistent() {
        super::Cli::command().debug_assert();
    }
}
