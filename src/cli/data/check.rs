//! `ser data check`: what is in a data set, what is wrong with it, and whether that is too much.

use std::io::Write;

use super::data_source::{GroupArgs, SourceArgs};
use crate::cli::model::THE_DAY;
use crate::cli::print::print_json;
use crate::cli::{CliError, CliResult, Context};
use crate::data::{
    self, BadPairPolicy, CheckReport, CheckSettings, PairTokens, ReadSettings, TokenCounter,
    TokenReport,
};
use crate::domain::preference::PreferencePair;
use crate::domain::source::data_files::Part;
use crate::domain::spec::{Amount, SourcePart};
use crate::domain::split::SplitRule;
use crate::domain::text::clean::clean_line;
use crate::domain::text::words;
use crate::engine::files::weights::ModelFiles;
use crate::engine::text::chat::ChatTemplate;
use crate::engine::{Backbone, PairText};
use crate::launch::{by_name, import};

/// Arguments of `ser data check`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit code 0 when no finding has a share above --max-share, 1 when one has, \
                        2 when the input is broken."
)]
pub struct CheckArgs {
    #[command(flatten)]
    source: SourceArgs,
    #[command(flatten)]
    group: GroupArgs,
    /// A separate test source; without it the report divides the data as `ser run` does
    #[arg(long, value_name = "SOURCE")]
    test: Option<String>,
    /// Count tokens with the tokenizer of this model: `embedded`, or a folder
    #[arg(long, value_name = "MODEL")]
    model: Option<String>,
    /// The limit of the model, in tokens
    #[arg(long, default_value_t = 256, value_name = "N", requires = "model")]
    max_tokens: usize,
    /// Share of the pairs from which on a finding makes the exit code 1
    #[arg(long, default_value_t = 0.01, value_name = "SHARE")]
    max_share: f64,
    /// Divide the data as a run with this random seed does
    #[arg(long, default_value_t = 1, value_name = "SEED")]
    rng_seed: u64,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

/// Reads, reports and judges.
///
/// # Errors
/// Broken input (2), or a finding above the limit (1).
pub fn run(context: &Context, args: &CheckArgs) -> CliResult {
    let columns = args.source.columns()?;
    let settings = CheckSettings {
        read: args.source.settings(&columns, &args.group.group).read(BadPairPolicy::Drop)?,
        // As in the default spec.
        split: SplitRule {
            rng_seed: args.rng_seed,
            seed_labels: Amount::Share(0.15),
            validation_share: 0.2,
            test_share: 0.2,
        },
        max_share: args.max_share,
    };
    let sources = by_name::parts(context.place(), &args.source.parts(), Part::Train)?.files;
    let parts = import::find_parts(context.place(), &sources, &settings.read)?;
    import::say_understanding(context.place(), &parts, &settings.read)?;
    let test = match &args.test {
        Some(test) => {
            let test = [SourcePart::whole(test.as_str())];
            let read = ReadSettings { part: Part::Test, ..settings.read.clone() };
            Some(import::find_parts(context.place(), &test, &read)?)
        }
        None => None,
    };
    let tokenizer =
        args.model.as_deref().map(|model| tokenizer(model, args.max_tokens)).transpose()?;
    let mut count = |pairs: &[PreferencePair]| match &tokenizer {
        Some(files) => count_tokens(files, pairs),
        None => Ok(Vec::new()),
    };
    let counter: Option<TokenCounter<'_, CliError>> =
        if tokenizer.is_some() { Some(&mut count) } else { None };
    let report = data::check(parts, test, &settings, counter)?;
    if args.json {
        print_json(&report)?;
    } else {
        let mut out = std::io::stdout().lock();
        let template = tokenizer.as_ref().and_then(|files| files.tokenizer.chat_template());
        if template.is_some_and(ChatTemplate::prints_the_day) {
            writeln!(out, "chat template  {THE_DAY}")?;
        }
        for line in report_lines(&report, args, context.ascii) {
            writeln!(out, "{}", clean_line(&line))?;
        }
    }
    judge(&report, args)
}

fn tokenizer(model: &str, max_tokens: usize) -> CliResult<ModelFiles> {
    Ok(ModelFiles::open(&Backbone::named(model), max_tokens)?)
}

fn count_tokens(files: &ModelFiles, pairs: &[PreferencePair]) -> CliResult<Vec<PairTokens>> {
    let texts: Vec<PairText<'_>> = pairs.iter().map(PairText::preferred_first).collect();
    let encoded = files.tokenizer.encode(&texts)?;
    Ok(encoded
        .iter()
        .map(|pair| {
            let kept = pair.tokens_a.len().max(pair.tokens_b.len());
            let n_cut = pair.n_prompt_tokens_cut + pair.n_answer_tokens_cut;
            PairTokens {
                n_tokens: (kept + n_cut) as u64,
                is_truncated: n_cut > 0,
                is_answer_truncated: pair.n_answer_tokens_cut > 0,
            }
        })
        .collect())
}

fn judge(report: &CheckReport, args: &CheckArgs) -> CliResult {
    let over: Vec<String> = report
        .findings
        .iter()
        .filter(|finding| finding.is_over)
        .map(|finding| format!("{} {}", words::percent(finding.share), finding.what))
        .collect();
    if over.is_empty() {
        return Ok(());
    }
    let limit = words::percent(args.max_share);
    Err(CliError::failure(format!(
        "`{}`: more than {limit} of the data is questionable: {}",
        report.source,
        over.join("; ")
    ))
    .with_hint("look at the named records, or allow more with `--max-share`"))
}

fn report_lines(report: &CheckReport, args: &CheckArgs, ascii: bool) -> Vec<String> {
    let mut lines = vec![
        format!("source         {} ({})", report.source, report.format),
        format!("pairs          {}", words::count(report.n_pairs)),
        format!("groups         {}", words::count(report.n_groups)),
    ];
    if let Some(splits) = report.splits {
        let own = if args.test.is_some() { "test source" } else { "test" };
        lines.push(format!(
            "split          seed set {}, validation {}, unlabeled pool {}, {own} {}",
            words::count(splits.seed_set),
            words::count(splits.validation),
            words::count(splits.unlabeled_pool),
            words::count(splits.test)
        ));
    }
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
    lines.extend(bias_line(report));
    lines.extend(script_line(report));
    if let Some(tokens) = &report.tokens {
        token_lines(tokens, args, ascii, &mut lines);
    }
    note_lines(report, &mut lines);
    finding_lines(report, &mut lines);
    lines
}

fn bias_line(report: &CheckReport) -> Option<String> {
    let bias = report.length_bias;
    (bias.n_longer + bias.n_shorter > 0).then(|| {
        format!(
            "length bias    the longer answer is chosen in {} [{:.1}, {:.1}] of {} pairs of unequal length",
            words::percent(bias.share),
            bias.ci_low * 100.0,
            bias.ci_high * 100.0,
            words::count(bias.n_longer + bias.n_shorter)
        )
    })
}

fn script_line(report: &CheckReport) -> Option<String> {
    /// Scripts that are listed; `…` stands for the others.
    const SHOWN: usize = 6;
    let shown = report.scripts.iter().take(SHOWN);
    let shown: Vec<String> =
        shown.map(|s| format!("{} {}", s.script, words::percent(s.share))).collect();
    let more = if report.scripts.len() > SHOWN { ", …" } else { "" };
    (!shown.is_empty()).then(|| format!("scripts        {}{more}", shown.join(", ")))
}

fn token_lines(tokens: &TokenReport, args: &CheckArgs, ascii: bool, lines: &mut Vec<String>) {
    /// Columns of the longest bar of a histogram.
    const BAR_COLUMNS: f64 = 40.0;
    let l = tokens.lengths;
    lines.push(format!(
        "tokens         {:.0} (median {}, 95th percentile {}, longest {}); at {} tokens {} pairs lose \
         text, {} of an answer",
        l.mean,
        words::count(l.median),
        words::count(l.p95),
        words::count(l.max),
        words::count(args.max_tokens as u64),
        words::count(tokens.n_truncated),
        words::count(tokens.n_answers_truncated)
    ));
    let most = tokens.histogram.iter().map(|(_, n)| *n).max().unwrap_or(1).max(1);
    let mark = if ascii { "#" } else { "█" };
    for (below, n) in &tokens.histogram {
        let columns = (*n as f64 / most as f64 * BAR_COLUMNS).ceil() as usize;
        let (below, shown) = (words::count(*below), words::count(*n));
        lines.push(format!("  below {below:>7}  {shown:>9}  {}", mark.repeat(columns)));
    }
}

fn note_lines(report: &CheckReport, lines: &mut Vec<String>) {
    let left_out = report.splits.map_or(0, |splits| splits.left_out);
    let notes = [
        (report.n_repeated_prompts, "repeat an earlier prompt"),
        (report.n_fallback, "have dialogues that differ before the last answer"),
        (report.n_label_noise, "carry recorded label noise"),
        (report.n_margins, "carry a margin, which is not used"),
        (left_out, "stand in the test source too, and a run leaves them out of training"),
    ];
    let notes = notes.into_iter().filter(|(n, _)| *n > 0);
    lines.extend(notes.map(|(n, what)| format!("note           {} pairs {what}", words::count(n))));
    if report.leakage.n_not_compared > 0 {
        let n = words::count(report.leakage.n_not_compared);
        lines.push(format!("note           {n} prompts are not compared across splits"));
    }
    lines.extend(report.dropped.iter().map(|drop| {
        let at: Vec<String> = drop.first_lines.iter().map(u64::to_string).collect();
        let more = if drop.n > at.len() as u64 { ", …" } else { "" };
        format!(
            "left out       {} pairs: {} (record {}{more})",
            words::count(drop.n),
            drop.reason,
            at.join(", ")
        )
    }));
}

fn finding_lines(report: &CheckReport, lines: &mut Vec<String>) {
    for finding in &report.findings {
        let word = if finding.is_over { "warning" } else { "finding" };
        lines.push(format!(
            "{word:<13}  {} of {} ({}) {}",
            words::count(finding.n),
            words::count(finding.of),
            words::percent(finding.share),
            finding.what
        ));
    }
    lines.extend(report.leakage.examples.iter().map(|example| {
        format!(
            "  near         record {} of the test part is {:.2} similar to record {}",
            example.test_record, example.similarity, example.train_record
        )
    }));
}
