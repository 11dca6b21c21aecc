//! `ser veto`, `keep`, `flip`, `undo` and `redo`: what a person decides about pairs.

pub mod annotate;

use super::show::samples;
use super::show::samples::{ListArgs, QueueName};
use super::{CliError, CliResult, Context};
use crate::cli::print::print_line;
use crate::domain::preference::PairId;
use crate::domain::review::{Order, Queue};
use crate::domain::run::{RunId, RunStatus};
use crate::domain::text::words;
use crate::domain::verdict::Verdict;
use crate::store::{BatchRow, Decision, Store, StoreError};

/// Arguments of the three.
#[derive(Debug, clap::Args)]
pub struct VerdictArgs {
    /// Id, unique prefix of an id, or name
    run: String,
    /// Numbers of pairs, as `ser samples` prints them
    #[arg(required_unless_present = "filter", conflicts_with = "filter", value_name = "PAIR")]
    pairs: Vec<u32>,
    #[command(flatten)]
    list: ListArgs,
    /// Why, in a word
    #[arg(long, value_name = "REASON")]
    reason: Option<String>,
    /// Why, in a sentence
    #[arg(long, value_name = "TEXT")]
    comment: Option<String>,
    /// The queue in which the pairs were listed: only what is judged in the audit counts for the
    /// estimated precision
    #[arg(long, value_enum, conflicts_with = "filter", value_name = "QUEUE")]
    queue: Option<QueueName>,
}

/// Arguments of `ser undo` and `ser redo`.
#[derive(Debug, clap::Args)]
pub struct UndoArgs {
    /// Id, unique prefix of an id, or name
    run: String,
}

/// Records one decision about all the pairs.
///
/// # Errors
/// When there is no such run or pair, or no pair passes the filter.
pub fn decide(context: &Context, args: &VerdictArgs, verdict: Verdict) -> CliResult {
    let mut store = context.store_to_write(verdict.name())?;
    let run = store.find_run(&args.run)?;
    let pairs: Vec<PairId> = if args.pairs.is_empty() {
        let listed = samples::list(&store, &args.run, &args.list, Order::Pair)?;
        let columns = &listed.review.columns;
        listed.rows.iter().map(|row| PairId(columns.pairs[*row as usize])).collect()
    } else {
        args.pairs.iter().copied().map(PairId).collect()
    };
    if pairs.is_empty() {
        return Err(CliError::input("no pair passes the filter")
            .with_hint(format!("`ser samples {} --filter …` lists what does", run.id)));
    }
    let queue = args.queue.map(|queue| match queue {
        QueueName::Audit => Queue::Audit,
        QueueName::Teach => Queue::Teach,
    });
    let (reason, comment) = (args.reason.as_deref(), args.comment.as_deref());
    let decision = Decision { verdict, reason, comment, queue };
    store.decide(&run.id, &pairs, decision).map_err(unknown_pair)?;
    let what = match &pairs[..] {
        [pair] => format!("pair {pair}"),
        pairs => format!("{} pairs", words::count(pairs.len() as u64)),
    };
    let effect = match run.status {
        RunStatus::Finished => "; the run has ended, so nothing trains on them any more",
        RunStatus::Running => "; its worker reads it before the next step",
        _ => "",
    };
    let done = done(verdict);
    print_line(&format!(
        "{done} {what} of `{}`{effect}; take it back with `ser undo {}`",
        run.name, run.id
    ))
}

/// Takes the latest decision back.
///
/// # Errors
/// When there is no such run, or nothing to undo.
pub fn undo(context: &Context, args: &UndoArgs) -> CliResult {
    walk(context, args, "undo", "took back", Store::undo_verdict)
}

/// Brings back what was taken back.
///
/// # Errors
/// When there is no such run, or nothing to redo.
pub fn redo(context: &Context, args: &UndoArgs) -> CliResult {
    walk(context, args, "redo", "brought back", Store::redo_verdict)
}

type Step = fn(&mut Store, &RunId) -> Result<Option<BatchRow>, StoreError>;

fn walk(context: &Context, args: &UndoArgs, name: &str, words_of: &str, step: Step) -> CliResult {
    let mut store = context.store_to_write(name)?;
    let run = store.find_run(&args.run)?;
    let Some(batch) = step(&mut store, &run.id)? else {
        return Err(CliError::input(format!("nothing to {name} in `{}`", run.name)).with_hint(
            format!("`ser samples {} --filter verdict:any` lists the decisions", run.id),
        ));
    };
    let what = match batch.n_pairs {
        1 => format!("pair {}", batch.pair),
        n => format!("{} pairs", words::count(n)),
    };
    print_line(&format!("{words_of}: {} {what} of `{}`", done(batch.verdict), run.name))
}

fn done(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Veto => "vetoed",
        Verdict::Keep => "kept",
        Verdict::Flip => "flipped",
        Verdict::Undo => "undecided",
    }
}

fn unknown_pair(error: StoreError) -> CliError {
    match error {
        StoreError::UnknownPair { .. } => CliError::input(error.to_string())
            .with_hint("`ser samples RUN` prints the numbers of its pairs"),
        error => error.into(),
    }
}
