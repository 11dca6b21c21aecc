//! `ser bench`: how fast a model trains and scores here, and where the time goes.

use std::path::PathBuf;
use std::time::Duration;

use crate::cli::print::print_line;
use crate::cli::{CliError, CliResult, Context};
use crate::data::{BadPairPolicy, MixtureReader, SourceItem};
use crate::domain::preference::PreferencePair;
use crate::domain::spec::ExperimentSpec;
use crate::domain::text::words;
use crate::engine::measure::{MeasureSettings, Measurement, PassCost, measure};
use crate::engine::{OpenSettings, PairText};
use crate::launch::import;
use crate::launch::import::ImportSettings;
use crate::spec;
use crate::spec::SpecInput;

/// Arguments of `ser bench`.
#[derive(Debug, clap::Args)]
pub struct BenchArgs {
    /// The model: `embedded`, or a folder with `config.json` (short for `--set model.backbone=…`)
    model: Option<String>,
    /// A spec file; the model, data, precision and tuning it names are measured
    #[arg(long, value_name = "SPEC.toml")]
    spec: Option<PathBuf>,
    /// Set a key, for example `train.precision=bf16` (can be given again)
    #[arg(long = "set", value_name = "KEY=VALUE")]
    sets: Vec<String>,
    /// Pairs to go over, the first ones of the data source
    #[arg(long, default_value_t = 256, value_name = "N",
          value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pairs: u64,
    /// Threads; 0 takes one a core
    #[arg(long, default_value_t = 0, value_name = "N")]
    threads: usize,
    /// Seconds of training, and of scoring
    #[arg(long, default_value_t = 5.0, value_name = "S")]
    seconds: f64,
    /// Print the figures as JSON
    #[arg(long)]
    json: bool,
}

/// Measures and prints.
///
/// # Errors
/// When the spec, the model or the data is wrong.
pub fn run(context: &Context, args: &BenchArgs) -> CliResult {
    if !(args.seconds > 0.0 && args.seconds <= 3600.0) {
        return Err(CliError::input(format!("`--seconds` is {}", args.seconds))
            .with_hint("give a number above 0 and at most 3600"));
    }
    let mut sets = Vec::new();
    sets.extend(args.model.iter().map(|model| format!("model.backbone={model}")));
    sets.extend(args.sets.iter().cloned());
    let spec = spec::resolve(&SpecInput {
        file: args.spec.as_deref(),
        sets: &sets,
        ..SpecInput::default()
    })?;
    let pairs = read(context, &spec, args.pairs)?;
    let texts: Vec<PairText<'_>> = pairs.iter().map(PairText::preferred_first).collect();
    let settings = OpenSettings { n_threads: args.threads, ..OpenSettings::of_spec(&spec) };
    context.say(&format!("{} pairs of {}", words::count(texts.len() as u64), spec.data.source));
    let what = MeasureSettings {
        batch_pairs: spec.train.batch_pairs as usize,
        dropout: spec.train.dropout,
        duration: Duration::from_secs_f64(args.seconds),
    };
    let measurement = measure(&settings, &texts, what)?;
    if args.json {
        return print_line(&json(&measurement).to_string());
    }
    print(&measurement)
}

fn read(context: &Context, spec: &ExperimentSpec, limit: u64) -> CliResult<Vec<PreferencePair>> {
    let settings = ImportSettings { limit, ..ImportSettings::of_spec(spec) };
    let settings = settings.read(BadPairPolicy::Drop)?;
    let parts = import::find_parts(context.place(), &spec.data.source.parts(), &settings)?;
    let mut pairs = Vec::new();
    for item in MixtureReader::new(parts, settings) {
        if let SourceItem::Pair(pair) = item? {
            pairs.push(pair.pair);
        }
    }
    Ok(pairs)
}

fn print(measurement: &Measurement) -> CliResult {
    let info = &measurement.info;
    print_line(&format!(
        "{}, {} parameters, {}, {}",
        info.family,
        words::count(info.n_parameters),
        info.precision,
        info.device
    ))?;
    if let Some(peak) = measurement.peak_operations_per_s {
        print_line(&format!("best products: {:.0} GFLOP/s", peak / 1e9))?;
    }
    for (name, pass) in [("training", &measurement.training), ("scoring", &measurement.scoring)] {
        print_pass(name, pass, measurement.peak_operations_per_s)?;
    }
    Ok(())
}

fn print_pass(name: &str, pass: &PassCost, peak: Option<f64>) -> CliResult {
    let a_second = |n: u64| words::count((n as f64 / pass.seconds).round() as u64);
    print_line("")?;
    print_line(&format!(
        "{name}: {:.1} pairs/s, {} tokens/s ({} computed)",
        pass.n_pairs as f64 / pass.seconds,
        a_second(pass.n_tokens),
        a_second(pass.n_packed_tokens)
    ))?;
    if pass.kernels.is_empty() {
        return Ok(());
    }
    let rate = pass.operations_per_s();
    let share = peak.map_or_else(String::new, |peak| {
        format!(", {} of the best products", words::percent(rate / peak))
    });
    print_line(&format!("  {:.0} GFLOP/s over the whole pass{share}", rate / 1e9))?;
    print_line(&format!(
        "  {:<20} {:>7} {:>9} {:>8} {:>8}",
        "kernel", "calls", "ms", "share", "GFLOP/s"
    ))?;
    let mut counted = 0.0;
    for usage in &pass.kernels {
        let seconds = usage.nanoseconds as f64 / 1e9;
        counted += seconds;
        let gflops = if usage.operations == 0 {
            "-".to_owned()
        } else {
            format!("{:.0}", usage.operations as f64 / seconds / 1e9)
        };
        print_line(&format!(
            "  {:<20} {:>7} {:>9.1} {:>8} {gflops:>8}",
            usage.name,
            words::count(usage.n_calls),
            1000.0 * seconds,
            words::percent(seconds / pass.seconds)
        ))?;
    }
    let rest = (pass.seconds - counted).max(0.0);
    print_line(&format!(
        "  {:<20} {:>7} {:>9.1} {:>8} {:>8}",
        "between kernels",
        "",
        1000.0 * rest,
        words::percent(rest / pass.seconds),
        "-"
    ))
}

fn json(measurement: &Measurement) -> serde_json::Value {
    let pass = |pass: &PassCost| {
        let kernels: Vec<_> = pass
            .kernels
            .iter()
            .map(|usage| {
                serde_json::json!({
                    "name": usage.name, "calls": usage.n_calls,
                    "seconds": usage.nanoseconds as f64 / 1e9, "operations": usage.operations,
                })
            })
            .collect();
        serde_json::json!({
            "seconds": pass.seconds, "pairs": pass.n_pairs, "tokens": pass.n_tokens,
            "tokens_computed": pass.n_packed_tokens,
            "operations_per_s": pass.operations_per_s(), "kernels": kernels,
        })
    };
    let info = &measurement.info;
    serde_json::json!({
        "schema": 1,
        "model": {
            "family": info.family, "parameters": info.n_parameters, "precision": info.precision,
            "device": info.device, "max_tokens": info.max_tokens,
        },
        "pairs": measurement.n_pairs,
        "peak_operations_per_s": measurement.peak_operations_per_s,
        "training": pass(&measurement.training),
        "scoring": pass(&measurement.scoring),
    })
}
