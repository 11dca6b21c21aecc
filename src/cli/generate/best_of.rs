//! `ser best-of MODEL`: what the best of n answers is worth, for every n from one set of samples, by the
//! reward model that chooses it and by a judge that does not.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::answers::{response, rewards};
use super::options::{self, LanguageArgs, SamplingArgs};
use super::prompt_text;
use crate::cli::model::scorer::{self, ModelArgs, Scorer};
use crate::cli::print::{print_json, print_table};
use crate::cli::score::lines::Lines;
use crate::cli::{CliError, CliResult, Context};
use crate::data::pocket::grade;
use crate::data::{self, EmbeddedSplit, Prompt, ReadSettings, Sample, Source, SourceItem};
use crate::domain::policy::best_of::{Measured, Point, Scored, curve};
use crate::domain::text::words;
use crate::engine::generation::{AnswerPlace, Generated, GenerationSettings, Listener, Reply};
use crate::engine::text_model::{Stops, TextModel, Texts};
use crate::report::table::{Cell, Form, Table, number, text};

/// Prompts whose answers are in memory as tokens at a time.
const PROMPTS_AT_ONCE: usize = 16;
/// The name of the prompts, and of the judge, that come with the program.
const EMBEDDED: &str = "embedded";
const ORACLE: &str = "oracle";

/// Arguments of `ser best-of`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "From N answers to each prompt, sampled once, the best of n is known for every n up to N: each set \
    of n of them is as likely as any other, so the mean over all sets needs no further sample. `proxy` is \
    the reward that chooses the answer, `gold` what a judge says of the chosen one; where gold falls while \
    the proxy rises, the reward model is over-optimized. `KL` is how far the best of n is from one sampled \
    answer, `ln n - (n - 1) / n`, in nats. Intervals (95 %) are over prompts.\n\n\
    Several `--reward` models choose among the same answers, so that they can be compared."
)]
pub struct BestOfArgs {
    #[command(flatten)]
    model: LanguageArgs,
    /// Prompts in JSON lines, as `ser generate` reads them; `-` reads standard input, `embedded` takes the
    /// test prompts that come with the program
    #[arg(default_value = EMBEDDED)]
    file: PathBuf,
    /// Choose by this reward model: a run, `RUN:ROUND`, a model directory, or `hf:owner/name` (can be given
    /// again)
    #[arg(long, required = true, value_name = "MODEL")]
    reward: Vec<String>,
    /// Judge by this reward model, or by the `oracle` of the embedded prompts
    #[arg(long, value_name = "MODEL")]
    gold: Option<String>,
    /// Answers to each prompt
    #[arg(short = 'n', long, default_value_t = 64, value_name = "N",
          value_parser = clap::value_parser!(u32).range(2..=1024))]
    answers: u32,
    /// Take so many of the prompts, a random sample by `--rng-seed`; 0 takes all
    #[arg(long, default_value_t = 64, value_name = "N")]
    prompts: usize,
    #[command(flatten)]
    sampling: SamplingArgs,
    /// End an answer where this text begins (can be given again)
    #[arg(long, value_name = "TEXT")]
    stop: Vec<String>,
    #[command(flatten)]
    form: crate::cli::print::FormArgs,
}

/// Who judges the chosen answers.
enum Gold {
    Nobody,
    Oracle,
    Model(Box<Scorer>),
}

/// The curve of one reward model.
struct Chooser {
    name: String,
    curve: Vec<Point>,
}

/// Samples, scores, and prints the curves.
///
/// # Errors
/// When a model cannot be opened, a prompt not be used, or the oracle does not know a prompt.
pub fn run(context: &Context, args: &BestOfArgs) -> CliResult {
    let prompts = sampled(read(&args.file)?, args.prompts, args.sampling.rng_seed);
    if args.gold.as_deref() == Some(ORACLE) {
        // Told before the answers are sampled, which takes minutes.
        prompts
            .iter()
            .find(|it| grade(&it.text, "").is_none())
            .map_or(Ok(()), |it| Err(unknown(it)))?;
    }
    let mut model = options::open(context, &args.model)?;
    let settings = args.sampling.settings(&model, args.answers as usize)?;
    let open = |name: &str| scorer::open(context, &ModelArgs::named(name, args.model.threads));
    let mut scorers = args.reward.iter().map(|it| open(it)).collect::<CliResult<Vec<_>>>()?;
    let mut gold = match args.gold.as_deref() {
        None => Gold::Nobody,
        Some(ORACLE) => Gold::Oracle,
        Some(name) => Gold::Model(Box::new(open(name)?)),
    };
    args.sampling.tell(context, &args.model, &model, &settings);
    let texts = answers(context, &mut model, &prompts, (&settings, &Stops::new(&args.stop)))?;
    let judged = judge(&mut gold, &prompts, &texts)?;
    let mut choosers = Vec::new();
    for scorer in &mut scorers {
        let scored = scored(scorer, &prompts, (&texts, &judged))?;
        choosers.push(Chooser { name: scorer.name.clone(), curve: curve(&scored) });
    }
    print(context, args, prompts.len(), &choosers)
}

/// All prompts of the file.
fn read(file: &Path) -> CliResult<Vec<Prompt>> {
    if file == Path::new(EMBEDDED) {
        return embedded();
    }
    let lines = Lines::open(file)?;
    let mut prompts = Vec::new();
    loop {
        let taken = lines.take(1024).map_err(|error| CliError::io("read", file, &error))?;
        if taken.is_empty() {
            break;
        }
        for line in taken {
            let place =
                |reason: String| format!("`{}`: line {}: {reason}", file.display(), line.number);
            let text = line.text.map_err(|reason| CliError::input(place(reason)))?;
            let read = Prompt::read(&text);
            prompts.push(read.map_err(|error| {
                CliError::input(place(error.to_string())).with_hint(error.hint())
            })?);
        }
    }
    if prompts.is_empty() {
        return Err(CliError::input(format!("`{}` has no prompts", file.display()))
            .with_hint("give a JSON object with a `prompt` on each line"));
    }
    Ok(prompts)
}

/// The test prompts that come with the program.
fn embedded() -> CliResult<Vec<Prompt>> {
    let source = Source::Embedded(EmbeddedSplit::Test);
    let mut prompts = Vec::new();
    for item in data::open(&source, &ReadSettings::default())? {
        if let SourceItem::Pair(pair) = item? {
            let record = json!({"prompt": pair.pair.prompt}).to_string();
            prompts
                .push(Prompt::read(&record).map_err(|error| CliError::input(error.to_string()))?);
        }
    }
    Ok(prompts)
}

/// A random sample of the prompts, in their order.
fn sampled(prompts: Vec<Prompt>, n: usize, rng_seed: u64) -> Vec<Prompt> {
    let mut sample = Sample::of(prompts.len() as u64, n as u64, rng_seed, 0);
    prompts.into_iter().filter(|_| sample.takes()).collect()
}

/// Collects answers, each ended where it meets a stop string.
struct Collected<'a> {
    texts: &'a Texts,
    stops: &'a Stops,
    answers: Vec<Generated>,
}

impl Listener for Collected<'_> {
    fn on_token(&mut self, _: AnswerPlace, tokens: &[u32]) -> Reply {
        if self.stops.are_met(self.texts, tokens) { Reply::EndAnswer } else { Reply::GoOn }
    }

    fn on_answer(&mut self, answer: Generated) {
        self.answers.push(answer);
    }
}

/// The answers to each prompt, as texts.
fn answers(
    context: &Context,
    model: &mut TextModel,
    prompts: &[Prompt],
    (settings, stops): (&GenerationSettings, &Stops),
) -> CliResult<Vec<Vec<String>>> {
    let say = context.place().say;
    let mut all = Vec::with_capacity(prompts.len());
    let n = prompts.len();
    for (part, prompts) in prompts.chunks(PROMPTS_AT_ONCE).enumerate() {
        say.progress(Some(&format!("{} of {n} prompts answered", all.len())));
        let encode = |prompt: &Prompt| model.texts.encode(prompt_text(prompt));
        let encoded = prompts.iter().map(encode).collect::<Result<Vec<_>, _>>()?;
        let asked: Vec<&[u32]> = encoded.iter().map(Vec::as_slice).collect();
        let first_prompt = (part * PROMPTS_AT_ONCE) as u32;
        let settings = GenerationSettings { first_prompt, ..settings.clone() };
        let mut collected = Collected { texts: &model.texts, stops, answers: Vec::new() };
        model.model.generate(&asked, &settings, &mut collected)?;
        let mut answers = collected.answers;
        answers.sort_by_key(|answer| answer.place);
        for (prompt, answers) in prompts.iter().zip(answers.chunks(settings.n_answers)) {
            let text = |answer| response(&model.texts, stops, prompt, answer);
            all.push(answers.iter().map(text).collect::<CliResult<Vec<_>>>()?);
        }
    }
    say.progress(None);
    Ok(all)
}

/// The judge's score of each answer; nothing without a judge.
fn judge(
    gold: &mut Gold,
    prompts: &[Prompt],
    texts: &[Vec<String>],
) -> CliResult<Vec<Vec<Option<f64>>>> {
    let mut all = Vec::with_capacity(prompts.len());
    for (prompt, texts) in prompts.iter().zip(texts) {
        all.push(match gold {
            Gold::Nobody => vec![None; texts.len()],
            Gold::Oracle => {
                let score = |text: &String| {
                    let grade = grade(&prompt.text, text).ok_or_else(|| unknown(prompt))?;
                    Ok(Some(grade.score))
                };
                texts.iter().map(score).collect::<CliResult<_>>()?
            }
            Gold::Model(scorer) => {
                let rewards = rewards(scorer, prompt, texts)?;
                rewards.into_iter().map(|it| Some(f64::from(it))).collect()
            }
        });
    }
    Ok(all)
}

fn unknown(prompt: &Prompt) -> CliError {
    let shown: String = prompt.text.chars().take(60).collect();
    CliError::input(format!("the oracle does not know the prompt {shown:?}"))
        .with_hint("it judges the embedded prompts alone; name a reward model as `--gold`")
}

fn scored(
    scorer: &mut Scorer,
    prompts: &[Prompt],
    (texts, judged): (&[Vec<String>], &[Vec<Option<f64>>]),
) -> CliResult<Vec<Vec<Scored>>> {
    let mut all = Vec::with_capacity(prompts.len());
    for ((prompt, texts), judged) in prompts.iter().zip(texts).zip(judged) {
        let rewards = rewards(scorer, prompt, texts)?;
        let pairs = rewards.into_iter().zip(judged);
        all.push(pairs.map(|(it, gold)| Scored { proxy: f64::from(it), gold: *gold }).collect());
    }
    Ok(all)
}

/// The rows that a table shows: powers of two, and the last.
fn is_shown(n: usize, n_max: usize) -> bool {
    n.is_power_of_two() || n == n_max
}

fn print(
    context: &Context,
    args: &BestOfArgs,
    n_prompts: usize,
    choosers: &[Chooser],
) -> CliResult {
    let form = args.form.form();
    if form == Form::Json {
        let curves: Vec<Value> =
            choosers.iter().map(|it| json!({"reward": it.name, "curve": it.curve})).collect();
        return print_json(&json!({
            "schema": 1, "model": args.model.model, "gold": args.gold, "n_prompts": n_prompts,
            "n_answers": args.answers, "rng_seed": args.sampling.rng_seed, "rewards": curves,
        }));
    }
    let columns = [
        text("reward", "chosen by"),
        number("n", "best of"),
        number("kl", "KL"),
        number("proxy", "proxy"),
        number("gold", "gold"),
        number("gold_gain", "gain over one answer"),
    ];
    let mut table = Table::new(&columns);
    for Chooser { name, curve } in choosers {
        let n_max = curve.last().map_or(0, |point| point.n);
        for point in curve.iter().filter(|point| is_shown(point.n, n_max)) {
            table.push(vec![
                Cell::new(name),
                Cell::new(point.n),
                Cell::shown(Some(point.kl), |kl| format!("{kl:.2}")),
                measured(Some(point.proxy)),
                measured(point.gold),
                measured(point.gold_gain),
            ]);
        }
    }
    print_table(&table, form, context.ascii)?;
    for chooser in choosers {
        if let Some(said) = said(chooser) {
            context.say(&said);
        }
    }
    context.say(&format!(
        "{} prompts, {} answers to each",
        words::count(n_prompts as u64),
        words::count(u64::from(args.answers))
    ));
    Ok(())
}

/// A mean with half the width of its interval.
fn measured(measured: Option<Measured>) -> Cell {
    let shown = measured.map(|Measured { mean, interval }| match interval {
        Some(interval) => format!("{mean:.3} ±{:.3}", (interval.high - interval.low) / 2.0),
        None => format!("{mean:.3}"),
    });
    Cell::both(shown, measured.map(|it| it.mean.to_string()))
}

/// Where gold is highest, and what becomes of it at the end of the curve.
fn said(Chooser { name, curve }: &Chooser) -> Option<String> {
    let gold = |point: &Point| point.gold.map(|gold| gold.mean);
    let last = curve.last()?;
    let mut best = curve.first()?;
    for point in curve {
        // Of equal ones the first: it needs the fewest answers.
        if gold(point)? > gold(best)? {
            best = point;
        }
    }
    let gain = best.gold_gain?;
    let interval = gain
        .interval
        .map_or_else(String::new, |it| format!(" (95 %: {:+.3} to {:+.3})", it.low, it.high));
    let end = if best.n < last.n {
        format!("; at the best of {} it is {:.3}", last.n, gold(last)?)
    } else {
        String::new()
    };
    Some(format!(
        "chosen by {name}, gold is highest at the best of {}: {:.3}, {:+.3} over one answer{interval}{end}",
        best.n,
        gold(best)?,
        gain.mean
    ))
}
