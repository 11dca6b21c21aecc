//! `ser data`: import, list, check, show and remove preference data.

pub mod check;
pub mod data_source;
pub mod generate;
mod pairs;
mod proposal;
mod stored;
mod written;

use super::{CliResult, Context};
use crate::cli::print::{FormArgs, print_json, print_line, print_table};
use crate::domain::text::clean::clean_line;
use crate::domain::text::words;
use crate::hub::Part;
use crate::launch::by_name;
use crate::launch::import;
use crate::report;
use crate::report::table::{Cell, Form, Table, number, text};
use crate::store::rows::DatasetRow;
use crate::store::{Access, Store, StoreError};
use data_source::{GroupArgs, SourceArgs};
use serde::Serialize;

/// `ser data …`
#[derive(Debug, clap::Subcommand)]
pub enum DataCommand {
    /// Import files as one data set; the same content is imported once
    Import(ImportArgs),
    /// List what is imported
    List(ListArgs),
    /// Read files and say what is in them, or propose how to read them; changes nothing
    Check(Box<check::CheckArgs>),
    /// Show pairs of an imported data set, or of a file
    Show(stored::ShowArgs),
    /// Delete imported data sets that no run uses
    Remove(stored::RemoveArgs),
    /// Make the embedded pairs again
    #[command(hide = true)]
    Generate(generate::GenerateArgs),
}

/// Arguments of `ser data import`.
#[derive(Debug, clap::Args)]
pub struct ImportArgs {
    #[command(flatten)]
    source: SourceArgs,
    #[command(flatten)]
    group: GroupArgs,
}

/// Arguments of `ser data list`.
#[derive(Debug, clap::Args)]
pub struct ListArgs {
    #[command(flatten)]
    form: FormArgs,
}

/// Dispatches.
///
/// # Errors
/// Those of the command.
pub fn run(context: &Context, command: &DataCommand) -> CliResult {
    match command {
        DataCommand::Import(args) => import(context, args),
        DataCommand::List(args) => list(context, args.form),
        DataCommand::Check(args) => check::run(context, args),
        DataCommand::Show(args) => stored::show(context, args),
        DataCommand::Remove(args) => stored::remove(context, args),
        DataCommand::Generate(args) => generate::run(args),
    }
}

fn import(context: &Context, args: &ImportArgs) -> CliResult {
    let columns = args.source.columns()?;
    let parts = by_name::parts(context.place(), &args.source.parts(), Part::Train)?.files;
    let mut store = context.store_to_write("data import")?;
    let settings = args.source.settings(&columns, &args.group.group);
    let imported = import::import(context.place(), &mut store, &parts, &settings)?;
    let DatasetRow { id, n_pairs, source, format, .. } = &imported.dataset;
    let pairs = words::count(*n_pairs);
    if !imported.is_new {
        return print_line(&clean_line(&format!(
            "data set {id} holds these {pairs} pairs already, imported from `{source}`"
        )));
    }
    print_line(&clean_line(&format!(
        "imported {pairs} pairs of `{source}` (read as {format}) as data set {id}"
    )))
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
        form => print_table(&table(&datasets), form, context.ascii),
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
        imported_at: report::timestamp(row.imported_at_ms),
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
            Cell::maybe(report::timestamp(row.imported_at_ms)),
        ]);
    }
    table
}
