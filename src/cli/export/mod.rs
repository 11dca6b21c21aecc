//! `ser export RUN`: a run's model, labels and numbers for other programs, and a report to show.

use std::path::PathBuf;

use clap::ValueEnum;

use super::model::scorer::RoundArgs;
use super::{CliError, CliResult, Context};
use crate::analysis::RoundChoice;
use crate::domain::run::RunKind;
use crate::report::ImageForm;
use picture::Chart;
use rows::What;
use table::Form;

mod card;
mod model;
mod page;
mod parity;
#[cfg(feature = "parquet")]
mod parquet;
mod picture;
mod policy;
mod rows;
mod table;

pub use crate::launch::target::Target;

/// Arguments of `ser export`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  ser export my-run --format hf -o reward-model\n  \
    ser export my-run --format jsonl --what labels -o labels.jsonl\n  \
    ser export ser-1 full-1 --format html -o report.html\n  \
    ser export my-run --format png --chart loss -o loss.png\n  \
    ser export my-policy --format parquet --what rollouts -o rollouts.parquet")]
pub struct ExportArgs {
    /// Id, unique prefix of an id, or name; several for a report or picture that compares them
    #[arg(required = true, num_args = 1.., value_name = "RUN")]
    runs: Vec<String>,
    /// What to write
    #[arg(long, value_enum, value_name = "FORMAT")]
    format: Format,
    /// Where: a directory for `hf` and `peft`, else a file
    #[arg(short, long, value_name = "OUT")]
    out: PathBuf,
    #[command(flatten)]
    round: RoundArgs,
    /// Which rows a table has [default: labels; of a policy run: rollouts]
    #[arg(long, value_enum, value_name = "WHAT")]
    what: Option<What>,
    /// Which chart a picture shows [default: accuracy]
    #[arg(long, value_enum, value_name = "CHART")]
    chart: Option<Chart>,
    /// Sampled pairs in the report of one run
    #[arg(long, value_name = "N", default_value_t = 12,
          value_parser = clap::value_parser!(u16).range(0..=500))]
    pairs: u16,
    /// Replace what an earlier export left there
    #[arg(long)]
    force: bool,
}

/// `--format`
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// The reward model as a directory for transformers, low-rank updates merged
    Hf,
    /// The low-rank updates and the head as an adapter for PEFT
    Peft,
    /// Rows as comma-separated values
    Csv,
    /// Rows as JSON lines; pseudo-labels in the layout of TRL
    Jsonl,
    /// Rows as columns
    #[cfg(feature = "parquet")]
    Parquet,
    /// A report in one HTML file
    Html,
    /// A chart as a picture of shapes and texts
    Svg,
    /// A chart as a picture of pixels
    Png,
}

/// Writes an export.
///
/// # Errors
/// When there is no such run or round, something is in the way, or a file cannot be written.
pub fn run(context: &Context, args: &ExportArgs) -> CliResult {
    let rows = args.format.rows();
    if args.what.is_some() && rows.is_none() {
        return Err(CliError::input("`--what` chooses the rows of a table, such as `csv`")
            .with_hint("leave it out"));
    }
    let image = args.format.image();
    if args.chart.is_some() && image.is_none() {
        return Err(CliError::input("`--chart` chooses what a picture shows")
            .with_hint("leave it out, or write a picture with `--format svg` or `--format png`"));
    }
    if image.is_some() && (args.round.round.is_some() || args.round.best) {
        return Err(CliError::input("a picture has all rounds")
            .with_hint("leave `--round` and `--best` out"));
    }
    let target = Target::new(&args.out, args.force)?;
    let store = context.store_to_read()?;
    if let Some(form) = image {
        let chart = (args.chart.unwrap_or(Chart::Accuracy), form);
        return picture::export(context, &store, &args.runs, chart, &target);
    }
    if args.format == Format::Html {
        if args.round.round.is_some() {
            return Err(CliError::input("a report has all rounds")
                .with_hint("leave `--round` out; `--best` lets the best round speak for a run"));
        }
        let rounds = if args.round.best { RoundChoice::Best } else { RoundChoice::Last };
        return page::export(context, &store, &args.runs, rounds, args.pairs.into(), &target);
    }
    let [run] = args.runs.as_slice() else {
        return Err(CliError::input("only a report or a picture takes more than one run")
            .with_hint("export them one by one"));
    };
    let Some(form) = rows else {
        let is_adapter = args.format == Format::Peft;
        let found = store.find_run(run)?;
        if found.kind == RunKind::Policy {
            return policy::export(context, &store, &found, &target, is_adapter);
        }
        return model::export(context, &store, run, args.round, &target, is_adapter);
    };
    if args.round.best {
        return Err(CliError::input("`--best` chooses among weights, not among rows")
            .with_hint("name the round with `--round`"));
    }
    let what = (args.what, form);
    table::export(context, &store, (run, args.round.round), what, &target)
}

impl Format {
    /// How rows are written, for a format of rows.
    fn rows(self) -> Option<Form> {
        match self {
            Self::Csv => Some(Form::Csv),
            Self::Jsonl => Some(Form::Jsonl),
            #[cfg(feature = "parquet")]
            Self::Parquet => Some(Form::Parquet),
            Self::Hf | Self::Peft | Self::Html | Self::Svg | Self::Png => None,
        }
    }

    /// Which kind of picture it is, for a picture.
    fn image(self) -> Option<ImageForm> {
        match self {
            Self::Svg => Some(ImageForm::Svg),
            Self::Png => Some(ImageForm::Png),
            _ => None,
        }
    }
}

/// Says what was written.
fn say_done(context: &Context, target: &Target, what: &str) {
    context.say(&format!("{what} written to `{}`", target.place().display()));
}
