//! `RewardBench` 2: a prompt, right answers, wrong answers; the best reward should be a right one.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::super::{CliError, CliResult, Context};
use super::{EvalArgs, SCORE_TOKENS, write_results};
use crate::cli::model::scorer;
use crate::cli::print::{print_json, print_table};
use crate::data::{BestOfPrompt, BestOfReader, DatasetFormat, Part, Source};
use crate::domain::metrics::reward_bench::{TiedPrompt, best_of_credit, ties_score};
use crate::domain::text::words;
use crate::engine::scoring::{Text, encode_texts, score_texts};
use crate::report::table::{Cell, Form, Table, number, text};
use crate::scorer::model::OpenModel;

/// Prompts in memory at one time.
const PROMPTS_AT_ONCE: usize = 256;
/// The subset with rules of its own.
const TIES: &str = "Ties";

/// Credits of the prompts of a subset, and the prompts of the ties.
#[derive(Default)]
struct Results {
    credits: BTreeMap<String, Vec<f64>>,
    ties: Vec<TiedPrompt>,
    n_cut: u64,
}

/// The files, when all of them are of this benchmark.
pub fn files(parts: &[Part]) -> Option<Vec<Source>> {
    let mut all = parts.iter().flat_map(|part| &part.files);
    let is_best_of = |(_, format): &(Source, DatasetFormat)| *format == DatasetFormat::RewardBench2;
    all.clone().all(is_best_of).then(|| all.by_ref().map(|(source, _)| source.clone()).collect())
}

/// Evaluates and prints.
///
/// # Errors
/// When the model cannot be used, or a record is not one of these.
pub fn run(context: &Context, args: &EvalArgs, files: &[Source]) -> CliResult {
    if args.by.is_some() {
        return Err(
            CliError::input("`RewardBench` 2 is told by its subsets").with_hint("leave `--by` out")
        );
    }
    let mut scorer = scorer::open(context, &args.model)?;
    let mut results = Results::default();
    let (limit, rng_seed) = (args.source.limit(), args.source.rng_seed());
    let mut reader = BestOfReader::sampled(files, limit, rng_seed)?;
    loop {
        let prompts = reader.by_ref().take(PROMPTS_AT_ONCE).collect::<Result<Vec<_>, _>>()?;
        if prompts.is_empty() {
            break;
        }
        score(&mut scorer, &prompts, &mut results)?;
    }
    print(context, args, &scorer, &results)
}

fn score(scorer: &mut OpenModel, prompts: &[BestOfPrompt], results: &mut Results) -> CliResult {
    let texts: Vec<Text<'_>> = prompts
        .iter()
        .flat_map(|it| {
            let answers = it.chosen.iter().chain(&it.rejected);
            answers.map(|it| Text { form: &it.form, prompt: &it.prompt, response: &it.text })
        })
        .collect();
    let encoded = encode_texts(scorer.model.as_ref(), &texts)?;
    results.n_cut += encoded.iter().filter(|text| text.n_tokens_cut > 0).count() as u64;
    let rewards = score_texts(scorer.model.as_mut(), &encoded, SCORE_TOKENS)?;
    let mut rest = rewards.as_slice();
    for prompt in prompts {
        let n_correct = prompt.chosen.len();
        let (own, after) = rest.split_at(n_correct + prompt.rejected.len());
        rest = after;
        match TiedPrompt::parse_id(&prompt.id) {
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

fn print(context: &Context, args: &EvalArgs, scorer: &OpenModel, results: &Results) -> CliResult {
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
    print_table(&table, form, context.ascii)?;
    let max_tokens = scorer.model.info().max_tokens;
    context.say(&format!(
        "{}: {} answers cut to {max_tokens} tokens",
        scorer.name,
        words::count(results.n_cut)
    ));
    Ok(())
}
