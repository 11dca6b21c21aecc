//! `ser show RUN`: one run with its spec and rounds.

pub mod compare;
mod events;
pub mod policy;
pub mod rollouts;
pub mod rounds;
pub mod runs;
pub mod samples;

use super::{CliResult, Context};
use crate::cli::print::{print_json, print_line, print_text};
use crate::domain::run::RunKind;
use crate::domain::text::clean::clean_line;
use crate::domain::text::words;
use crate::domain::told;
use crate::report::listing::policy::PolicyReport;
use crate::report::listing::rounds as round_list;
use crate::report::table::Form;
use crate::report::{ShowDocument, status, timestamp};
use crate::spec;
use crate::store::best_round;
use crate::store::rows::{RoundRow, RunDetail};

/// Arguments of `ser show`.
#[derive(Debug, clap::Args)]
pub struct ShowArgs {
    /// Id, unique prefix of an id, or name
    run: String,
    /// Print one JSON document (`"schema": 1`)
    #[arg(long)]
    json: bool,
    /// With `--json`: print the events instead, one JSON object a line as they come, until the run
    /// ends
    #[arg(long, requires = "json")]
    follow: bool,
}

/// Prints a run.
///
/// # Errors
/// When there is no such run.
pub fn run(context: &Context, args: &ShowArgs) -> CliResult {
    let store = context.store_to_read()?;
    let run = store.run(&store.find_run(&args.run)?.id)?;
    if args.follow {
        return events::follow(&store, &run.row.id);
    }
    if args.json {
        return print_json(&ShowDocument::read(&store, &run)?);
    }
    if run.row.kind == RunKind::Policy {
        for (name, value) in facts(&run, &[]) {
            print_line(&format!("{name:<12}  {}", clean_line(&value)))?;
        }
        print_line("")?;
        return policy::print(context, &PolicyReport::read(&store, run.row)?);
    }
    let rounds = store.rounds(&run.row.id)?;
    for (name, value) in facts(&run, &rounds) {
        print_line(&format!("{name:<12}  {}", clean_line(&value)))?;
    }
    if !rounds.is_empty() {
        print_line("")?;
        print_text(&round_list::table(&rounds, Form::Human).text(Form::Human, context.ascii))?;
    }
    Ok(())
}

/// The keys in which a run left the recipe that its arm is named after.
fn changed(run: &RunDetail) -> Option<String> {
    let spec = serde_json::from_str(&run.spec_json).ok()?;
    let changes = spec::changes(&spec).ok()?;
    let words: Vec<String> = changes
        .iter()
        .map(|it| format!("{} is {} (arm: {})", it.key, it.value, it.recipe))
        .collect();
    (!words.is_empty()).then(|| words.join(", "))
}

fn facts(run: &RunDetail, rounds: &[RoundRow]) -> Vec<(&'static str, String)> {
    let row = &run.row;
    let mut facts = vec![
        ("run", format!("{} ({})", row.name, row.id)),
        ("status", status_line(run)),
        ("arm", format!("{}, random seed {}", row.arm, row.rng_seed)),
    ];
    facts.extend(changed(run).map(|changes| ("changed", changes)));
    facts.extend(timestamp(row.created_at_ms).map(|time| ("created", time)));
    facts.extend(row.finished_at_ms.and_then(timestamp).map(|time| ("finished", time)));
    facts.extend(run.model.clone().map(|model| ("model", model)));
    facts.extend(run.sizes.map(|sizes| {
        let parts = [
            ("seed set", sizes.n_seed_set),
            ("validation", sizes.n_validation),
            ("unlabeled pool", sizes.n_unlabeled_pool),
            ("test", sizes.n_test),
        ];
        let parts = parts.map(|(name, n)| format!("{name} {}", words::count(n)));
        ("data", parts.join(", "))
    }));
    facts.extend(run.encoding.map(|encoding| {
        let share = if encoding.n_pairs == 0 {
            String::new()
        } else {
            format!(" ({})", words::percent(encoding.n_truncated as f64 / encoding.n_pairs as f64))
        };
        let n_truncated = words::count(encoding.n_truncated);
        ("tokens", format!("{}, {n_truncated} pairs cut{share}", words::count(encoding.n_tokens)))
    }));
    if row.n_vetoed > 0 {
        facts.push(("vetoed", words::count(row.n_vetoed)));
    }
    facts.extend(run.checkpoint.clone().map(|name| ("checkpoint", name)));
    facts.extend(
        best_round(rounds).map(|n| ("best round", format!("{n} (by validation accuracy)"))),
    );
    facts
}

/// `finished (all rounds done)`, `failed: …`, `running, round 1: train 120 of 400`
fn status_line(run: &RunDetail) -> String {
    let row = &run.row;
    if row.waits_for_review() {
        let (round, name) = (row.round, &row.name);
        return format!("round {round} waits for your review: `ser resume {name}` lets it go on");
    }
    let status = match row.stop_reason {
        Some(reason) => format!("{} ({})", status(row), told::stop_reason(reason)),
        None => status(row).to_owned(),
    };
    if let Some(failure) = &row.failure {
        format!("{status}: {failure}")
    } else if row.status.wants_worker()
        && let Some(progress) = &row.progress
    {
        let (done, total) = (words::count(progress.n_done), words::count(progress.n_total));
        let place = told::place(progress.step, progress.round);
        format!("{status}, {place}: {} {done} of {total}", progress.words())
    } else {
        status
    }
}
