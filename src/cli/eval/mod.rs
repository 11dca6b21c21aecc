//! `ser eval MODEL DATASET`: how often a reward model ranks pairs as people did.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::PathBuf;

use serde_json::{Map, Value, json};

use super::data::data_source::SourceArgs;
use super::export::Target;
use super::model::scorer;
use super::model::scorer::ModelArgs;
use super::{CliError, CliResult, Context};
use crate::cli::print::{FormArgs, print_json, print_line, print_table};
use crate::data::{BadPairPolicy, MixtureReader, SourceItem};
use crate::domain::metrics::Evaluation;
use crate::domain::metrics::reward_bench::section_scores;
use crate::domain::preference::PreferencePair;
use crate::domain::source::data_files::Part;
use crate::domain::text::words;
use crate::engine::PairText;
use crate::engine::score::score_all;
use crate::launch::by_name;
use crate::launch::import::{self, ImportSettings};
use crate::report;
use crate::report::table::{Cell, Column, Form, Table, number, text};
use crate::scorer::model::OpenModel;

mod best_of;

/// Pairs in memory at one time.
const PAIRS_AT_ONCE: usize = 2048;
/// Tokens computed together: enough to fill the cores, few enough to bound the memory.
const SCORE_TOKENS: usize = 8192;

/// Arguments of `ser eval`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "The results of RewardBench 1 (a `subset` of its own for every pair) are summed \
    up by section, and those of RewardBench 2 (lists of right and wrong answers) by its own rules.\n\n\
    Examples:\n  ser eval my-run test.jsonl --by topic\n  \
    ser eval my-run 'held-out/*.parquet' hf:allenai/reward-bench\n  ser eval ./exported embedded:test --json"
)]
pub struct EvalArgs {
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    source: SourceArgs,
    /// A line for each value of this column [default: the slice that the layout has]
    #[arg(long, value_name = "COLUMN")]
    by: Option<String>,
    /// Also write a results file as `RewardBench` does
    #[arg(long, value_name = "FILE")]
    rewardbench_out: Option<PathBuf>,
    #[command(flatten)]
    form: FormArgs,
}

/// Margins by slice, in the order in which slices come.
#[derive(Default)]
struct Margins {
    all: Vec<f64>,
    by_slice: BTreeMap<String, Vec<f64>>,
    n_cut: u64,
    n_dropped: u64,
}

/// Evaluates and prints.
///
/// # Errors
/// When the model or the data set cannot be used.
pub fn run(context: &Context, args: &EvalArgs) -> CliResult {
    if let Some(path) = &args.rewardbench_out {
        // Told before the work, not after it.
        Target::new(path, false)?;
    }
    let columns = args.source.columns()?;
    let group = args.by.as_deref().unwrap_or("prompt");
    let settings = ImportSettings { part: Part::Test, ..args.source.settings(&columns, group) };
    let read = settings.read(BadPairPolicy::Drop)?;
    let sources = by_name::parts(context.place(), &args.source.parts(), Part::Test)?.files;
    let parts = import::find_parts(context.place(), &sources, &read)?;
    if let Some(files) = best_of::files(&parts) {
        return best_of::run(context, args, &files);
    }
    let mut scorer = scorer::open(context, &args.model)?;
    let mut margins = Margins::default();
    let mut pairs = Vec::with_capacity(PAIRS_AT_ONCE);
    for item in MixtureReader::new(parts, read) {
        match item? {
            SourceItem::Pair(found) => pairs.push(found.pair),
            SourceItem::Dropped { .. } => margins.n_dropped += 1,
        }
        if pairs.len() == PAIRS_AT_ONCE {
            score(&mut scorer, &pairs, args.by.is_some(), &mut margins)?;
            pairs.clear();
        }
    }
    score(&mut scorer, &pairs, args.by.is_some(), &mut margins)?;
    print(context, args, &scorer, &margins)
}

fn score(
    scorer: &mut OpenModel,
    pairs: &[PreferencePair],
    by_group: bool,
    margins: &mut Margins,
) -> CliResult {
    let texts: Vec<PairText<'_>> = pairs.iter().map(PairText::preferred_first).collect();
    let encoded = scorer.model.encode(&texts)?;
    margins.n_cut += encoded.iter().filter(|pair| pair.is_truncated()).count() as u64;
    let encoded: Vec<_> = encoded.iter().collect();
    let scored = score_all(scorer.model.as_mut(), &encoded, SCORE_TOKENS, &mut |_| {
        ControlFlow::Continue(())
    })?;
    for (pair, [chosen, rejected]) in pairs.iter().zip(scored.unwrap_or_default()) {
        let margin = f64::from(chosen) - f64::from(rejected);
        margins.all.push(margin);
        let slice = if by_group { &pair.group } else { &pair.slice };
        if !slice.is_empty() {
            margins.by_slice.entry(slice.clone()).or_default().push(margin);
        }
    }
    Ok(())
}

fn columns() -> [Column; 7] {
    [
        text("slice", "slice"),
        number("n", "pairs"),
        number("accuracy", "accuracy [95 %]"),
        number("ties", "ties"),
        number("ece", "ECE"),
        number("brier", "Brier"),
        number("mean_margin", "margin"),
    ]
}

fn row(name: &str, it: &Evaluation, form: Form) -> Vec<Cell> {
    let fixed = |value: f64| Cell::shown(Some(value), |value| format!("{value:.4}"));
    let mut row = vec![
        Cell::new(name),
        Cell::shown(Some(it.n), words::count),
        Cell::both(Some(report::accuracy(it)), Some(it.accuracy.to_string())),
        Cell::shown(Some(it.n_ties), words::count),
        fixed(it.ece),
        fixed(it.brier),
        fixed(it.mean_margin),
    ];
    if form == Form::Csv {
        row.extend([it.ci_low, it.ci_high, it.nll].map(Cell::new));
    }
    row
}

fn print(context: &Context, args: &EvalArgs, scorer: &OpenModel, margins: &Margins) -> CliResult {
    let Some(all) = Evaluation::from_margins(&margins.all) else {
        return Err(CliError::input(format!("`{}` holds no usable pair", args.source.names()))
            .with_hint("`ser data check` says why"));
    };
    let slices: Vec<(&str, Evaluation)> = margins
        .by_slice
        .iter()
        .filter_map(|(name, it)| Some((name.as_str(), Evaluation::from_margins(it)?)))
        .collect();
    let accuracy: BTreeMap<String, f64> =
        slices.iter().map(|(name, it)| ((*name).to_owned(), it.accuracy)).collect();
    let sections = if accuracy.is_empty() { Vec::new() } else { section_scores(&accuracy) };
    if let Some(path) = &args.rewardbench_out {
        let accuracy = if accuracy.is_empty() {
            BTreeMap::from([("all".to_owned(), all.accuracy)])
        } else {
            accuracy
        };
        write_results(path, scorer, &accuracy)?;
    }
    let form = args.form.form();
    if form == Form::Json {
        return print_json(&document(args, scorer, margins, &all, &slices, &sections));
    }
    let mut columns = columns().to_vec();
    if form == Form::Csv {
        columns.extend([number("ci_low", ""), number("ci_high", ""), number("nll", "")]);
    }
    let mut table = Table::new(&columns);
    table.push(row("all", &all, form));
    for (name, evaluation) in &slices {
        table.push(row(name, evaluation, form));
    }
    print_table(&table, form, context.ascii)?;
    if form == Form::Human {
        print_sections(&sections)?;
    }
    let max_tokens = scorer.model.info().max_tokens;
    context.say(&format!(
        "{}: {} pairs; {} cut to {max_tokens} tokens; {} records left out",
        scorer.name,
        words::count(all.n),
        words::count(margins.n_cut),
        words::count(margins.n_dropped)
    ));
    Ok(())
}

fn print_sections(sections: &[(&'static str, f64)]) -> CliResult {
    for (name, score) in sections {
        print_line(&format!("RewardBench {name}: {}", words::percent(*score)))?;
    }
    if sections.len() == 4 {
        let mean = sections.iter().map(|(_, score)| score).sum::<f64>() / 4.0;
        print_line(&format!("RewardBench score: {}", words::percent(mean)))?;
    }
    Ok(())
}

fn document(
    args: &EvalArgs,
    scorer: &OpenModel,
    margins: &Margins,
    all: &Evaluation,
    slices: &[(&str, Evaluation)],
    sections: &[(&'static str, f64)],
) -> Value {
    let slices: Map<String, Value> =
        slices.iter().map(|(name, it)| ((*name).to_owned(), json!(it))).collect();
    let sections: Map<String, Value> =
        sections.iter().map(|(name, score)| ((*name).to_owned(), json!(score))).collect();
    json!({
        "schema": 1, "model": scorer.name, "dataset": args.source.names(),
        "max_tokens": scorer.model.info().max_tokens,
        "n_truncated": margins.n_cut, "n_dropped": margins.n_dropped,
        "all": all, "slices": slices, "rewardbench_sections": sections,
    })
}

/// The file that `RewardBench` writes for a model: the accuracy of each subset beside what the model
/// is.
fn write_results(
    path: &std::path::Path,
    scorer: &OpenModel,
    accuracy: &BTreeMap<String, f64>,
) -> CliResult {
    let mut keys: Map<String, Value> =
        accuracy.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    let template = scorer.model.info().chat_template.as_ref();
    keys.insert("model".into(), json!(scorer.name));
    keys.insert("model_type".into(), json!("Seq. Classifier"));
    keys.insert("chat_template".into(), json!(template.map_or("plain", |it| &it.name)));
    let text = serde_json::to_string_pretty(&keys)? + "\n";
    Target::new(path, false)?.file(|path| {
        std::fs::write(path, text).map_err(|error| CliError::io("write", path, &error))
    })
}
