//! `ser score MODEL [FILE]`: rewards for JSON lines.

use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::time::Instant;

use serde_json::json;

use super::model::scorer;
use super::model::scorer::ModelArgs;
use super::{CliError, CliResult, Context};
use crate::domain::text::words;
use crate::engine::scoring::{EncodedText, Text, encode_texts, score_texts};
use crate::scorer::model::OpenModel;
use record::Record;

pub mod lines;
mod record;

use lines::{Line, Lines};

/// Records scored together: enough to fill batches of even length, few enough for a short memory.
const RECORDS_AT_ONCE: usize = 1024;
/// Tokens computed together: enough to fill the cores, few enough to bound the memory.
const SCORE_TOKENS: usize = 8192;
/// Bad lines told one by one.
const N_TOLD: u64 = 5;

/// Arguments of `ser score`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Each line is an object with `prompt` and `response`, `responses` (a list), or \
    `response_a` and `response_b`; a pair in any layout that `ser data check` knows; a whole \
    conversation as `messages`; or a `text`, which is read as it stands. Prompts and answers are texts, \
    or lists of messages. Results come in the order of the input, as soon as there are some.\n\n\
    Examples:\n  ser score my-run < answers.jsonl > rewards.jsonl\n  ser score ./exported --full pairs.jsonl"
)]
pub struct ScoreArgs {
    #[command(flatten)]
    model: ModelArgs,
    /// JSON lines; `-` reads standard input
    #[arg(default_value = "-")]
    file: PathBuf,
    /// Give each record back with its rewards added, not the rewards alone
    #[arg(long)]
    full: bool,
    /// Go on after a line that cannot be used; its result is its `error`
    #[arg(long)]
    skip_bad: bool,
}

/// What has been done.
#[derive(Default)]
struct Count {
    texts: u64,
    cut: u64,
    bad: u64,
}

/// Scores the lines.
///
/// # Errors
/// When the model cannot be opened; at the first line that cannot be used, unless `--skip-bad`.
pub fn run(context: &Context, args: &ScoreArgs) -> CliResult {
    let lines = Lines::open(&args.file)?;
    let mut scorer = scorer::open(context, &args.model)?;
    let begin = Instant::now();
    let mut out = BufWriter::new(std::io::stdout().lock());
    let mut count = Count::default();
    loop {
        let taken = lines.take(RECORDS_AT_ONCE);
        let taken = taken.map_err(|error| CliError::io("read", &args.file, &error))?;
        if taken.is_empty() {
            break;
        }
        let written = score_lines(context, args, &mut scorer, taken, &mut count, &mut out);
        // What was scored before a bad line is told before the error.
        out.flush()?;
        written?;
    }
    let Count { texts, cut, bad } = count;
    let rate = words::rate(texts, begin.elapsed().as_millis() as u64)
        .map_or_else(String::new, |rate| format!(", {} a second", words::count(rate)));
    let max_tokens = scorer.model.info().max_tokens;
    context.say(&format!(
        "{}: {} texts{rate}; {} cut to {max_tokens} tokens; {} lines left out",
        scorer.name,
        words::count(texts),
        words::count(cut),
        words::count(bad)
    ));
    Ok(())
}

/// Scores some lines and writes their results, in order, up to the first that cannot be used.
fn score_lines(
    context: &Context,
    args: &ScoreArgs,
    scorer: &mut OpenModel,
    lines: Vec<Line>,
    count: &mut Count,
    out: &mut impl Write,
) -> CliResult {
    let mut failure = None;
    let mut records: Vec<(u64, Result<Record, String>)> = Vec::with_capacity(lines.len());
    for Line { number, text } in lines {
        let read = |text: String| Record::parse(&text, args.full);
        let record = text.map_err(|reason| (reason, String::new())).and_then(read);
        if let Err((reason, hint)) = &record {
            let place = format!("`{}`: line {number}: {reason}", args.file.display());
            if !args.skip_bad {
                let hints = [hint.as_str(), "`--skip-bad` goes on after it"];
                let hint: Vec<&str> = hints.into_iter().filter(|hint| !hint.is_empty()).collect();
                failure = Some(CliError::input(place).with_hint(hint.join("; ")));
                break;
            }
            count.bad += 1;
            if count.bad <= N_TOLD {
                context.say(&format!("left out: {place}"));
            }
        }
        records.push((number, record.map_err(|(reason, _)| reason)));
    }
    let texts: Vec<Text<'_>> = records
        .iter()
        .filter_map(|(_, record)| record.as_ref().ok())
        .flat_map(Record::answers)
        .map(|it| Text { form: &it.form, prompt: &it.prompt, response: &it.text })
        .collect();
    let encoded = encode_texts(scorer.model.as_ref(), &texts)?;
    let rewards = score_texts(scorer.model.as_mut(), &encoded, SCORE_TOKENS)?;
    count.texts += texts.len() as u64;
    count.cut += encoded.iter().filter(|text| text.n_tokens_cut > 0).count() as u64;
    write_results(records, &encoded, &rewards, args.full, out)?;
    failure.map_or(Ok(()), Err)
}

fn write_results(
    records: Vec<(u64, Result<Record, String>)>,
    encoded: &[EncodedText],
    rewards: &[f32],
    is_full: bool,
    out: &mut impl Write,
) -> CliResult {
    let mut at = 0;
    for (number, record) in records {
        let result = match record {
            Ok(record) => {
                let own = at..at + record.answers().len();
                at = own.end;
                let is_cut = encoded[own.clone()].iter().any(|text| text.n_tokens_cut > 0);
                record.result(number, &rewards[own], is_cut, is_full)
            }
            Err(reason) => json!({"line": number, "error": reason}),
        };
        writeln!(out, "{result}")?;
    }
    Ok(())
}
