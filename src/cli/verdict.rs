//! `ser veto`, `keep`, `flip`, `undo`, `redo` and `verdicts`: what people decide about pairs.

pub mod annotate;

use super::show::samples;
use super::show::samples::{ListArgs, QueueName};
use super::{CliError, CliResult, Context};
use crate::cli::print::{FormArgs, print_line, print_text};
use crate::domain::preference::PairId;
use crate::domain::review::{Order, Queue};
use crate::domain::run::{RunId, RunStatus};
use crate::domain::text::words;
use crate::domain::verdict::Verdict;
use crate::report::listing::verdicts::Verdicts;
use crate::report::table::Form;
use crate::store::{BatchRow, Decision, Recorded, Store, StoreError};

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

/// Arguments of `ser verdicts`.
#[derive(Debug, clap::Args)]
pub struct ListVerdictsArgs {
    /// Id, unique prefix of an id, or name
    run: String,
    #[command(flatten)]
    form: FormArgs,
}

/// Prints who decided what, how far reviewers agree, and about which pairs they do not.
///
/// # Errors
/// When there is no such run.
pub fn list(context: &Context, args: &ListVerdictsArgs) -> CliResult {
    let store = context.store_to_read()?;
    let run = store.find_run(&args.run)?;
    let verdicts = Verdicts::read(&store, &run.id)?;
    let form = args.form.form();
    if verdicts.is_empty() && form == Form::Human {
        context.say(&format!(
            "nobody has decided about a pair of `{}`; its Samples screen does, and `ser keep`",
            run.name
        ));
        return Ok(());
    }
    print_text(&verdicts.text(form, context.ascii)?)
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
    let reviewer = context.reviewer()?;
    let reviewer = Some(reviewer.as_str());
    let decision = Decision { reason, comment, queue, reviewer, ..Decision::new(verdict) };
    let recorded = store.decide(&run.id, &pairs, decision).map_err(unknown_pair)?;
    let what = match &pairs[..] {
        [pair] => format!("pair {pair}"),
        pairs => format!("{} pairs", words::count(pairs.len() as u64)),
    };
    let before = overwritten(&recorded);
    let unscored = match (recorded.n_unscored, &pairs[..]) {
        (0, _) => String::new(),
        (_, [_]) => "; no round has scored it, so it has no pseudo-label".to_owned(),
        (n, _) => format!("; no round has scored {} of them", words::count(n as u64)),
    };
    let effect = match run.status {
        RunStatus::Finished => "; the run has ended, so nothing trains on them any more",
        RunStatus::Running => "; its worker reads it before the next step",
        _ => "",
    };
    let done = done(verdict);
    // Without the name, `ser undo` would look for decisions of somebody else.
    let as_whom = match context.reviewer.as_deref() {
        None => String::new(),
        Some(name) if name.contains(char::is_whitespace) => format!(" --reviewer '{name}'"),
        Some(name) => format!(" --reviewer {name}"),
    };
    print_line(&format!(
        "{done} {what} of `{}`{before}{unscored}{effect}; take it back with `ser undo {}{as_whom}`",
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

/// What the decision is in the place of, where it is: `: a is better, was vetoed by bob`.
fn overwritten(recorded: &Recorded) -> String {
    let Some(single) = &recorded.single else {
        return match recorded.n_overwritten {
            0 => String::new(),
            1 => ", of which 1 was decided before".to_owned(),
            n => format!(", of which {} were decided before", words::count(n as u64)),
        };
    };
    let side = single.preferred.map(|side| format!(": {} is better", side.name()));
    let before = single.before.as_ref().map(|row| {
        let by = row.reviewer.as_ref().map_or(String::new(), |name| format!(" by {name}"));
        format!(", was {}{by}", done(row.verdict))
    });
    [side, before].into_iter().flatten().collect()
}

type Step = fn(&mut Store, &RunId, Option<&str>) -> Result<Option<BatchRow>, StoreError>;

fn walk(context: &Context, args: &UndoArgs, name: &str, words_of: &str, step: Step) -> CliResult {
    let mut store = context.store_to_write(name)?;
    let run = store.find_run(&args.run)?;
    let reviewer = context.reviewer()?;
    let Some(batch) = step(&mut store, &run.id, Some(&reviewer))? else {
        let message = format!("nothing to {name} in `{}`, for reviewer {reviewer}", run.name);
        return Err(CliError::input(message).with_hint(format!(
            "`ser verdicts {}` lists who decided what; `ser samples {} --filter verdict:any` the pairs",
            run.id, run.id
        )));
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
