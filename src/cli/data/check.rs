//! `ser data check`: what is in a data set, what is wrong with it, and whether that is too much.

use std::io::{Write, stdout};
use std::path::PathBuf;

use super::data_source::{GroupArgs, SourceArgs};
use super::pairs::{self, Marks};
use super::{proposal, written};
use crate::cli::model::THE_DAY;
use crate::cli::print::print_json;
use crate::cli::{CliError, CliResult, Context};
use crate::data::{
    self, BadPairPolicy, CheckReport, CheckSettings, PairTokens, ReadSettings, TokenCounter,
};
use crate::domain::preference::PreferencePair;
use crate::domain::source::data_files::Part;
use crate::domain::spec::{Amount, ColumnsSpec, SourcePart};
use crate::domain::split::SplitRule;
use crate::domain::text::clean::clean_line;
use crate::domain::text::words;
use crate::engine::files::weights::ModelFiles;
use crate::engine::text::chat::ChatTemplate;
use crate::engine::{Backbone, PairText};
use crate::launch::import::Telling;
use crate::launch::{LaunchError, by_name, import};

mod lines;

/// Arguments of `ser data check`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit code 0 when no finding has a share above --max-share, 1 when one has, \
                        2 when the input is broken or its columns have to be named: then a mapping is \
                        proposed, with pairs read by it."
)]
pub struct CheckArgs {
    #[command(flatten)]
    source: SourceArgs,
    #[command(flatten)]
    group: GroupArgs,
    /// A separate test source; without it the report divides the data as `ser run` does
    #[arg(long, value_name = "SOURCE")]
    test: Option<String>,
    /// Count tokens with the tokenizer of this model, a folder [default: the embedded model, whose
    /// truncation is told and not judged]
    #[arg(long, value_name = "MODEL")]
    model: Option<String>,
    /// The limit of the model, in tokens, as `model.max_tokens`
    #[arg(long, default_value_t = 256, value_name = "N")]
    max_tokens: usize,
    /// Share of the pairs from which on a finding makes the exit code 1
    #[arg(long, default_value_t = 0.01, value_name = "SHARE")]
    max_share: f64,
    /// Write what was read, or what is proposed, as a spec for `ser run`
    #[arg(long, value_name = "SPEC")]
    write: Option<PathBuf>,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

/// Reads, reports and judges.
///
/// # Errors
/// Broken input (2), or a finding above the limit (1).
pub fn run(context: &Context, args: &CheckArgs) -> CliResult {
    let place = args.write.as_deref().map(written::place).transpose()?;
    if place.is_some() && args.source.sources().any(|name| name == "-") {
        return Err(CliError::input("`--write` makes a spec for a file, and `-` is none")
            .with_hint("write standard input into a file first"));
    }
    let mut columns = args.source.columns()?;
    let sources = by_name::parts(context.place(), &args.source.parts(), Part::Train)?.files;
    let mut settings = settings(args, &columns)?;
    let parts = match import::find_parts(context.place(), &sources, &settings.read) {
        Err(LaunchError::Data(error)) if error.proposal().is_some() => {
            let Some(proposal) = error.proposal() else { return Err(error.into()) };
            if place.is_none() || !proposal.is_complete() {
                let proposal = proposal.clone();
                return Err(proposal::refusal(error.into(), &proposal, context.ascii));
            }
            // The person asked for the guess to be written, so it is what is checked.
            context.say(&error.to_string());
            for line in proposal::lines(proposal, context.ascii) {
                context.say(&line);
            }
            columns = proposal.columns.clone();
            settings.read.columns.clone_from(&columns);
            import::find_parts(context.place(), &sources, &settings.read)?
        }
        parts => parts?,
    };
    import::say_understanding(context.place(), &parts, &settings.read, Telling::Columns)?;
    let test = match &args.test {
        Some(test) => {
            let test = [SourcePart::whole(test.as_str())];
            let read = ReadSettings { part: Part::Test, ..settings.read.clone() };
            Some(import::find_parts(context.place(), &test, &read)?)
        }
        None => None,
    };
    let model = args.model.as_deref().unwrap_or("embedded");
    let files = ModelFiles::open(&Backbone::named(model), args.max_tokens)?;
    let mut count = |pairs: &[PreferencePair]| count_tokens(&files, pairs);
    let counter: TokenCounter<'_, CliError> = &mut count;
    let report = data::check(parts, test, &settings, Some(counter))?;
    // Before the report, whose reader may go away (`| head`).
    if let Some(place) = &place {
        let text = written::text(&args.source, &args.group.group, args.test.as_deref(), &columns);
        written::write(place, &text)?;
    }
    print(context, args, &report, &files)?;
    if let Some(path) = &args.write {
        context.say(&format!("wrote `{0}`: `ser run {0}` starts with it", path.display()));
    }
    judge(&report, args)
}

fn settings(args: &CheckArgs, columns: &ColumnsSpec) -> CliResult<CheckSettings> {
    let model = args.model.as_deref().map(|model| format!("`{model}`"));
    Ok(CheckSettings {
        read: args.source.settings(columns, &args.group.group).read(BadPairPolicy::Drop)?,
        // As in the default spec.
        split: SplitRule {
            rng_seed: args.source.rng_seed(),
            seed_labels: Amount::Share(0.15),
            validation_share: 0.2,
            test_share: 0.2,
        },
        max_share: args.max_share,
        is_model_named: model.is_some(),
        model: model.unwrap_or_else(|| "the embedded model".to_owned()),
        max_tokens: args.max_tokens as u64,
    })
}

fn print(
    context: &Context,
    args: &CheckArgs,
    report: &CheckReport,
    files: &ModelFiles,
) -> CliResult {
    if args.json {
        return print_json(report);
    }
    let columns = pairs::columns(&stdout());
    let mut out = stdout().lock();
    let template = files.tokenizer.chat_template();
    if template.is_some_and(ChatTemplate::prints_the_day) {
        writeln!(out, "chat template  {THE_DAY}")?;
    }
    let mut lines = lines::report(report, args.test.is_some(), context.ascii);
    lines.extend(pairs::lines(&report.pairs, Marks::Judged, columns, context.ascii));
    lines.extend(proposal::fields(report.unused.iter()));
    for line in lines {
        writeln!(out, "{}", clean_line(&line))?;
    }
    Ok(())
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
    let is_named = |finding: &&data::Finding| finding.is_over && !finding.examples.is_empty();
    let names_records = report.findings.iter().any(|finding| is_named(&finding))
        || !report.leakage.examples.is_empty()
        || report.dropped.iter().any(|dropped| !dropped.reason.is_expected());
    let advice = "allow more with `--max-share`";
    Err(CliError::failure(format!(
        "`{}`: more than {limit} of the data is questionable: {}",
        report.source,
        over.join("; ")
    ))
    .with_hint(if names_records {
        format!("look at the named records, or {advice}")
    } else {
        advice.to_owned()
    }))
}
