//! `ser data`: import, list and check preference data.

use std::io::Write;

use serde::Serialize;

use super::import::{self, ImportSettings};
use super::table::{Cell, Form, FormArgs, Table, number, print_json, print_line, text};
use super::{CliResult, Context, generate, words};
use crate::data::{self, CheckReport, DatasetFormat, ReadSettings, Source};
use crate::domain::clean::clean_line;
use crate::store::rows::DatasetRow;
use crate::store::{Access, Store, StoreError};

/// `ser data …`
#[derive(Debug, clap::Subcommand)]
pub enum DataCommand {
    /// Import a file; the same content is imported once
    Import(ImportArgs),
    /// List what is imported
    List(ListArgs),
    /// Read a file and say what is in it; changes nothing
    Check(CheckArgs),
    /// Make the embedded pairs again
    #[command(hide = true)]
    Generate(generate::GenerateArgs),
}

/// How to read a file.
#[derive(Debug, clap::Args)]
pub struct SourceArgs {
    /// A `.jsonl` or `.jsonl.gz` file, `embedded:train` or `embedded:test`
    source: String,
    /// `hh-rlhf`, `jsonl`, `pocket`, or `auto` to look at the first record
    #[arg(long, default_value = "auto")]
    format: String,
    /// Column whose values never stand on both sides of a split
    #[arg(long, default_value = "prompt", value_name = "COLUMN")]
    group: String,
}

/// Arguments of `ser data import`.
#[derive(Debug, clap::Args)]
pub struct ImportArgs {
    #[command(flatten)]
    source: SourceArgs,
}

/// Arguments of `ser data list`.
#[derive(Debug, clap::Args)]
pub struct ListArgs {
    #[command(flatten)]
    form: FormArgs,
}

/// Arguments of `ser data check`.
#[derive(Debug, clap::Args)]
pub struct CheckArgs {
    #[command(flatten)]
    source: SourceArgs,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

/// Dispatches.
///
/// # Errors
/// Those of the command.
pub fn run(context: &Context, command: &DataCommand) -> CliResult {
    match command {
        DataCommand::Import(args) => import(context, &args.source),
        DataCommand::List(args) => list(context, args.form),
        DataCommand::Check(args) => check(args),
        DataCommand::Generate(args) => generate::run(args),
    }
}

fn import(context: &Context, args: &SourceArgs) -> CliResult {
    let source: Source = args.source.parse()?;
    let mut store = context.store_to_write("data import")?;
    let settings = ImportSettings { format: &args.format, group: &args.group, limit: 0 };
    let imported = import::import(context, &mut store, &[source], &settings)?;
    let DatasetRow { id, n_pairs, n_dropped, source, .. } = &imported.dataset;
    let pairs = words::count(*n_pairs);
    if !imported.is_new {
        return print_line(&clean_line(&format!(
            "data set {id} holds these {pairs} pairs already, imported from `{source}`"
        )));
    }
    print_line(&clean_line(&format!("imported {pairs} pairs of `{source}` as data set {id}")))?;
    if *n_dropped > 0 {
        context.say(&format!(
            "warning: {} records say nothing about preference and were left out; `ser data check` \
             names them",
            words::count(*n_dropped)
        ));
    }
    Ok(())
}

#[derive(Serialize)]
struct DatasetDocument<'a> {
    id: i64,
    source: &'a str,
    format: &'a str,
    grouped_by: &'a str,
    n_pairs: u64,
    n_dropped: u64,
    imported_at: Option<String>,
    fingerprint: &'a str,
}

fn list(context: &Context, form: FormArgs) -> CliResult {
    let datasets = match Store::open(&context.home, Access::ReadOnly) {
        Err(StoreError::Missing { .. }) => Vec::new(),
        store => store?.datasets()?,
    };
    match form.form() {
        Form::Json => print_json(&datasets.iter().map(document).collect::<Vec<_>>()),
        Form::Human if datasets.is_empty() => {
            context.say("there are no data sets yet; `ser run` imports what it needs");
            Ok(())
        }
        form => table(&datasets).print(form, context.ascii),
    }
}

fn document(row: &DatasetRow) -> DatasetDocument<'_> {
    DatasetDocument {
        id: row.id,
        source: &row.source,
        format: &row.format,
        grouped_by: &row.grouped_by,
        n_pairs: row.n_pairs,
        n_dropped: row.n_dropped,
        imported_at: words::timestamp(row.imported_at_ms),
        fingerprint: &row.fingerprint,
    }
}

fn table(datasets: &[DatasetRow]) -> Table {
    let mut table = Table::new(&[
        number("id", "id"),
        text("source", "source"),
        text("format", "format"),
        text("grouped_by", "grouped by"),
        number("n_pairs", "pairs"),
        number("n_dropped", "left out"),
        text("imported_at", "imported"),
    ]);
    for row in datasets {
        table.push(vec![
            Cell::new(row.id),
            Cell::new(&row.source),
            Cell::new(&row.format),
            Cell::new(&row.grouped_by),
            Cell::shown(Some(row.n_pairs), words::count),
            Cell::shown(Some(row.n_dropped), words::count),
            Cell::maybe(words::timestamp(row.imported_at_ms)),
        ]);
    }
    table
}

/// Broken input is an error with its line; what is only unusable is listed, and fine.
fn check(args: &CheckArgs) -> CliResult {
    let source: Source = args.source.source.parse()?;
    let settings = ReadSettings {
        format: DatasetFormat::parse(&args.source.format)?,
        group: import::group_by(&args.source.group),
        ..ReadSettings::default()
    };
    let report = data::check(&source, &settings)?;
    if args.json {
        return print_json(&report);
    }
    let mut out = std::io::stdout().lock();
    for line in report_lines(&report) {
        writeln!(out, "{}", clean_line(&line))?;
    }
    Ok(())
}

fn report_lines(report: &CheckReport) -> Vec<String> {
    let mut lines = vec![
        format!("source         {} ({})", report.source, report.format),
        format!("pairs          {}", words::count(report.n_pairs)),
        format!("groups         {}", words::count(report.n_groups)),
        format!("chosen longer  {}", words::percent(report.chosen_longer)),
    ];
    let lengths = [
        ("prompt", report.prompt_chars),
        ("chosen", report.chosen_chars),
        ("rejected", report.rejected_chars),
    ];
    lines.extend(lengths.map(|(name, l)| {
        let (median, p95, max) = (words::count(l.median), words::count(l.p95), words::count(l.max));
        format!(
            "{name:<13}  {:.0} characters (median {median}, 95th percentile {p95}, longest {max})",
            l.mean
        )
    }));
    let notes = [
        (report.n_duplicates, "equal an earlier pair"),
        (report.n_repeated_prompts, "repeat an earlier prompt"),
        (report.n_fallback, "have dialogues that differ before the last answer"),
        (report.n_label_noise, "carry recorded label noise"),
    ];
    lines.extend(
        notes
            .into_iter()
            .filter(|(n, _)| *n > 0)
            .map(|(n, what)| format!("note           {} pairs {what}", words::count(n))),
    );
    lines.extend(report.dropped.iter().map(|drop| {
        let at: Vec<String> = drop.first_lines.iter().map(u64::to_string).collect();
        let more = if drop.n > at.len() as u64 { ", …" } else { "" };
        format!(
            "warning        {} records left out: {} (line {}{more})",
            words::count(drop.n),
            drop.reason,
            at.join(", ")
        )
    }));
    lines
}
