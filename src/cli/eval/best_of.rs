//! `RewardBench` 2: a prompt, right answers, wrong answers; the best reward should be a right one.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::super::score::{Line, Lines};
use super::super::scorer::{self, Scorer};
use super::super::table::{Cell, Form, Table, number, print_json, text};
use super::super::{CliError, CliResult, Context, words};
use super::{EvalArgs, SCORE_TOKENS, write_results};
use crate::data::{ASSISTANT, DatasetFormat, HUMAN, Part, Source};
use crate::domain::reward_bench::{TiedPrompt, best_of_credit, ties_score};
use crate::engine::scoring::{Text, encode_texts, score_texts};

/// Prompts in memory at one time.
const PROMPTS_AT_ONCE: usize = 256;
/// The subset with rules of its own.
const TIES: &str = "Ties";

/// A record; other fields are passed over.
#[derive(Deserialize)]
struct Prompt {
    #[serde(default)]
    id: Value,
    #[serde(rename = "prompt")]
    question: String,
    chosen: Vec<String>,
    rejected: Vec<String>,
    #[serde(default)]
    subset: String,
}

/// Credits of the prompts of a subset, and the prompts of the ties.
#[derive(Default)]
struct Results {
    credits: BTreeMap<String, Vec<f64>>,
    ties: Vec<TiedPrompt>,
    n_cut: u64,
}

/// The files, when all of them are JSON lines with lists of right and wrong answers.
///
/// # Errors
/// When a file cannot be read.
pub fn files(parts: &[Part]) -> CliResult<Option<Vec<PathBuf>>> {
    let mut paths = Vec::new();
    for (source, format) in parts.iter().flat_map(|part| &part.files) {
        match source {
            Source::File(path) if *format == DatasetFormat::RewardBench2 && fits(path)? => {
                paths.push(path.clone());
            }
            _ => return Ok(None),
        }
    }
    Ok(Some(paths))
}

/// Whether the first line of a file is such a record.
fn fits(path: &Path) -> CliResult<bool> {
    // Only a regular file can be read twice.
    if !path.is_file() {
        return Ok(false);
    }
    let lines = Lines::open(path)?;
    let first = lines.take(1).map_err(|error| CliError::io("read", path, &error))?;
    Ok(first.first().and_then(|line| line.text.as_ref().ok()).is_some_and(|text| {
        serde_json::from_str::<Prompt>(text).is_ok_and(|it| !it.chosen.is_empty())
    }))
}

/// Evaluates and prints.
///
/// # Errors
/// When the model cannot be used, or a record is not one of these.
pub fn run(context: &Context, args: &EvalArgs, files: &[PathBuf]) -> CliResult {
    if args.by.is_some() {
        return Err(
            CliError::input("`RewardBench` 2 is told by its subsets").with_hint("leave `--by` out")
        );
    }
    let mut scorer = scorer::open(context, &args.model)?;
    let mut results = Results::default();
    let limit = args.source.limit();
    let mut n_left = if limit == 0 { u64::MAX } else { limit };
    for path in files {
        let lines = Lines::open(path)?;
        while n_left > 0 {
            let n = PROMPTS_AT_ONCE.min(usize::try_from(n_left).unwrap_or(usize::MAX));
            let taken = lines.take(n).map_err(|error| CliError::io("read", path, &error))?;
            if taken.is_empty() {
                break;
            }
            n_left -= taken.len() as u64;
            let prompts = taken.into_iter().map(|line| parse(path, line));
            score(&mut scorer, &prompts.collect::<CliResult<Vec<_>>>()?, &mut results)?;
        }
    }
    print(context, args, &scorer, &results)
}

fn parse(path: &Path, Line { number, text }: Line) -> CliResult<Prompt> {
    let wrong = |reason: String| {
        CliError::input(format!("`{}`, line {number}: {reason}", path.display()))
            .with_hint("a record has `prompt`, and `chosen` and `rejected` as lists of texts")
    };
    let prompt: Prompt = serde_json::from_str(&text.map_err(wrong)?).map_err(|error| {
        let text = error.to_string();
        wrong(text.rsplit_once(" at line ").map_or(text.as_str(), |(head, _)| head).to_owned())
    })?;
    if prompt.chosen.is_empty() || prompt.rejected.is_empty() {
        return Err(wrong("`chosen` or `rejected` is empty".to_owned()));
    }
    Ok(prompt)
}

fn score(scorer: &mut Scorer, prompts: &[Prompt], results: &mut Results) -> CliResult {
    let whole: Vec<(String, Vec<String>)> = prompts
        .iter()
        .map(|it| {
            let answers = it.chosen.iter().chain(&it.rejected);
            (
                format!("{HUMAN} {}{ASSISTANT}", it.question.trim()),
                answers.map(|answer| format!(" {}", answer.trim())).collect(),
            )
        })
        .collect();
    let texts: Vec<Text<'_>> = whole
        .iter()
        .flat_map(|(prompt, answers)| answers.iter().map(|response| Text { prompt, response }))
        .collect();
    let encoded = encode_texts(scorer.model.as_ref(), &texts)?;
    results.n_cut += encoded.iter().filter(|text| text.n_tokens_cut > 0).count() as u64;
    let rewards = score_texts(scorer.model.as_mut(), &encoded, SCORE_TOKENS)?;
    let mut rest = rewards.as_slice();
    for (prompt, (_, answers)) in prompts.iter().zip(&whole) {
        let (own, after) = rest.split_at(answers.len());
        rest = after;
        let (n_correct, id) = (prompt.chosen.len(), prompt.id.as_str().unwrap_or_default());
        match TiedPrompt::parse_id(id) {
            Some((kind, number)) if prompt.subset == TIES => {
                results.ties.push(TiedPrompt { kind, number, rewards: own.to_vec(), n_correct });
            }
            _ => {
                let credits = results.credits.entry(prompt.subset.clone()).or_default();
                credits.push(best_of_credit(own, n_correct));
            }
        }
    }
    Ok(())
}

fn print(context: &Context, args: &EvalArgs, scorer: &Scorer, results: &Results) -> CliResult {
    let mean = |credits: &Vec<f64>| credits.iter().sum::<f64>() / credits.len() as f64;
    let mut scores: BTreeMap<String, (usize, f64)> = results
        .credits
        .iter()
        .map(|(name, credits)| (name.clone(), (credits.len(), mean(credits))))
        .collect();
    if let Some(score) = ties_score(&results.ties) {
        scores.insert(TIES.to_owned(), (results.ties.len(), score));
    }
    let average = scores.values().map(|(_, score)| score).sum::<f64>() / scores.len() as f64;
    if let Some(path) = &args.rewardbench_out {
        let plain = scores.iter().map(|(name, (_, score))| (name.clone(), *score)).collect();
        write_results(path, scorer, &plain)?;
    }
    let form = args.form.form();
    if form == Form::Json {
        let subsets: Map<String, Value> = scores
            .iter()
            .map(|(name, (n, score))| (name.clone(), json!({"n": n, "score": score})))
            .collect();
        return print_json(&json!({
            "schema": 1, "model": scorer.name, "dataset": args.source.names(),
            "max_tokens": scorer.model.info().max_tokens, "n_truncated": results.n_cut,
            "subsets": subsets, "score": average,
        }));
    }
    let columns = [text("subset", "subset"), number("n", "prompts"), number("score", "score")];
    let mut table = Table::new(&columns);
    for (name, (n, score)) in &scores {
        let n = Cell::shown(Some(*n as u64), words::count);
        table.push(vec![Cell::new(name), n, Cell::shown(Some(*score), words::percent)]);
    }
    let all = Cell::maybe(None::<u64>);
    table.push(vec![Cell::new("RewardBench 2"), all, Cell::shown(Some(average), words::percent)]);
    table.print(form, context.ascii)?;
    let max_tokens = scorer.model.info().max_tokens;
    context.say(&format!(
        "{}: {} answers cut to {max_tokens} tokens",
        scorer.name,
        words::count(results.n_cut)
    ));
    Ok(())
}
