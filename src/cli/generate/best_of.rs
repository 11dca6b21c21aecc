//! `ser best-of MODEL`: what the best of n answers is worth, for every n from one set of samples, by the
//! reward model that chooses it and by a judge that does not.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::answers::{response, scores};
use super::options::{self, LanguageArgs, SamplingArgs};
use super::prompt_text;
use crate::cli::model::scorer::TimeoutArgs;
use crate::cli::print::{print_json, print_table};
use crate::cli::score::lines::Lines;
use crate::cli::{CliError, CliResult, Context};
use crate::data::{self, EmbeddedSplit, Prompt, ReadSettings, Sample, Source, SourceItem};
use crate::domain::policy::best_of::{Measured, Point, Scored, curve};
use crate::domain::policy::reward::{Shaping, Squash};
use crate::domain::text::words;
use crate::engine::generation::{AnswerPlace, Generated, GenerationSettings, Listener, Reply};
use crate::engine::text_model::{Stops, TextModel, Texts};
use crate::report::listing;
use crate::report::table::{Cell, Form, Table, number, text};
use crate::scorer::{ORACLE, Scorer};

/// Prompts whose answers are in memory as tokens at a time.
const PROMPTS_AT_ONCE: usize = 16;
/// The name of the prompts that come with the program.
const EMBEDDED: &str = "embedded";

/// Arguments of `ser best-of`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "From N answers to each prompt, sampled once, the best of n is known for every n up to N: each set \
    of n of them is as likely as any other, so the mean over all sets needs no further sample. `proxy` is \
    the reward that chooses the answer, `gold` what a judge says of the chosen one; where gold falls while \
    the proxy rises, the reward model is over-optimized. `KL` is how far the best of n is from one sampled \
    answer, `ln n - (n - 1) / n`, in nats. `wins against one` is how often the judge prefers the best of n to \
    one answer that is not among them (ties as halves), `at equal length` the same with the difference in \
    characters taken out. Intervals (95 %) are over prompts.\n\n\
    Several `--reward` models choose among the same answers, so that they can be compared. Models with \
    commas between them choose together: by the mean of their scores, less `--spread-weight` standard \
    deviations.\n\n\
    `command:python judge.py` is a reward, or an external judge, of your own. `sh` starts it once; it reads \
    JSON lines\n\
    \x20 {\"id\": 0, \"prompt\": [{\"role\": \"user\", \"content\": \"…\"}], \"response\": \"…\", \"left\": 3}\n\
    from its standard input and writes one for each to its standard output, flushed, in any order:\n\
    \x20 {\"id\": 0, \"score\": 4}\n\
    `prompt` is a text where the record is no conversation but a text that goes on. `left` says how many \
    lines come without a wait for this reply; at 0 all replies are due, so that a command may score several \
    together. A score is a number, `null` says that there is none; what it writes to standard error is \
    shown when it fails. When its input ends it has two seconds to end, too. `ser explain rubric` prints a \
    rubric of 0 to 5 points for a judge."
)]
pub struct BestOfArgs {
    #[command(flatten)]
    model: LanguageArgs,
    /// Prompts in JSON lines, as `ser generate` reads them; `-` reads standard input, `embedded` takes the
    /// test prompts that come with the program
    #[arg(default_value = EMBEDDED)]
    file: PathBuf,
    /// Choose by this reward model: a run, `RUN:ROUND`, a model directory, `hf:owner/name`, several of these
    /// with commas, `oracle`, or `command:…` (can be given again)
    #[arg(long, required = true, value_name = "MODEL")]
    reward: Vec<String>,
    /// Judge by this reward model, by the `oracle` of the embedded prompts, or by `command:…`
    #[arg(long, value_name = "MODEL")]
    gold: Option<String>,
    /// Take so many standard deviations of several models' scores from their mean
    #[arg(long, default_value_t = 0.0, value_name = "K", value_parser = spread_weight)]
    spread_weight: f64,
    #[command(flatten)]
    timeout: TimeoutArgs,
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

/// The scores of the answers to a prompt; `None` where there is none.
pub(super) type Scores = Vec<Option<f64>>;

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
    let open = |name: &str| args.timeout.open(context, name, args.model.threads);
    if args.gold.iter().chain(&args.reward).any(|it| it == ORACLE) {
        // Told before the answers are sampled, which takes minutes.
        let empty = vec![vec![String::new()]; prompts.len()];
        let graded = scored(&mut open(ORACLE)?, &prompts, &empty, 0.0)?;
        let unknown = prompts.iter().zip(&graded).find(|(_, grades)| grades[0].is_none());
        unknown.map_or(Ok(()), |(prompt, _)| Err(unknown_to_the_oracle(prompt)))?;
    }
    let mut model = options::open(context, &args.model)?;
    let settings = args.sampling.settings(&model, args.answers as usize)?;
    let mut scorers = args.reward.iter().map(|it| open(it)).collect::<CliResult<Vec<_>>>()?;
    let mut gold = args.gold.as_deref().map(open).transpose()?;
    args.sampling.tell(context, &args.model, &model, &settings);
    let asked = (prompts.as_slice(), &settings, &Stops::new(&args.stop));
    let weight = args.spread_weight;
    let all = answer_and_score(context, &mut model, asked, (&mut scorers, weight), gold.as_mut());
    context.place().say.progress(None);
    let Found { chosen_by, judged, lengths } = all?;
    let judged = gold.as_ref().map(|_| judged);
    let names: Vec<&str> = scorers.iter().chain(&gold).map(Scorer::name).collect();
    let n_prompts = prompts.len();
    let whole = whole_prompts(context, n_prompts, &names, &chosen_by, judged.as_deref())?;
    let curve_of = |(scorer, scores): (&Scorer, &Vec<Scores>)| {
        let name = scorer.name().to_owned();
        let answers = both(&whole, scores, judged.as_deref(), &lengths);
        Chooser { name, curve: curve(&answers, args.sampling.rng_seed) }
    };
    let choosers: Vec<Chooser> = scorers.iter().zip(&chosen_by).map(curve_of).collect();
    print(context, args, whole.len(), &choosers)
}

/// All prompts of the file.
pub(super) fn read(file: &Path) -> CliResult<Vec<Prompt>> {
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
pub(super) fn sampled(prompts: Vec<Prompt>, n: usize, rng_seed: u64) -> Vec<Prompt> {
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

/// What is known of the answers to each prompt.
struct Found {
    /// By each chooser.
    chosen_by: Vec<Vec<Scores>>,
    judged: Vec<Scores>,
    /// In characters.
    lengths: Vec<Vec<usize>>,
}

/// Some prompts after another are answered and their answers scored, so that a scorer that fails does so
/// before all answers are sampled. Gives the scores of each chooser, and those of the judge.
fn answer_and_score(
    context: &Context,
    model: &mut TextModel,
    (prompts, settings, stops): (&[Prompt], &GenerationSettings, &Stops),
    (scorers, spread_weight): (&mut [Scorer], f64),
    mut gold: Option<&mut Scorer>,
) -> CliResult<Found> {
    let chosen_by = vec![Vec::new(); scorers.len()];
    let mut found = Found { chosen_by, judged: Vec::new(), lengths: Vec::new() };
    for (part, some) in prompts.chunks(PROMPTS_AT_ONCE).enumerate() {
        let (first, n) = (part * PROMPTS_AT_ONCE, prompts.len());
        context.place().say.progress(Some(&format!("{first} of {n} prompts answered")));
        let settings = GenerationSettings { first_prompt: first as u32, ..settings.clone() };
        let texts = answers(model, some, (&settings, stops))?;
        let lengths = |texts: &Vec<String>| texts.iter().map(|it| it.chars().count()).collect();
        found.lengths.extend(texts.iter().map(lengths));
        for (scorer, all) in scorers.iter_mut().zip(&mut found.chosen_by) {
            all.extend(scored(scorer, some, &texts, spread_weight)?);
        }
        if let Some(gold) = gold.as_deref_mut() {
            found.judged.extend(scored(gold, some, &texts, 0.0)?);
        }
    }
    Ok(found)
}

/// The answers to each of some prompts, as texts.
pub(super) fn answers(
    model: &mut TextModel,
    prompts: &[Prompt],
    (settings, stops): (&GenerationSettings, &Stops),
) -> CliResult<Vec<Vec<String>>> {
    let encode = |prompt: &Prompt| model.texts.encode(prompt_text(prompt));
    let encoded = prompts.iter().map(encode).collect::<Result<Vec<_>, _>>()?;
    let asked: Vec<&[u32]> = encoded.iter().map(Vec::as_slice).collect();
    let mut collected = Collected { texts: &model.texts, stops, answers: Vec::new() };
    model.model.generate(&asked, settings, &mut collected)?;
    let mut answers = collected.answers;
    answers.sort_by_key(|answer| answer.place);
    let of_prompt = |(prompt, answers): (&Prompt, &[Generated])| {
        let text = |answer| response(&model.texts, stops, prompt, answer);
        answers.iter().map(text).collect()
    };
    prompts.iter().zip(answers.chunks(settings.n_answers)).map(of_prompt).collect()
}

/// The score of each answer: the mean of several models' less `spread_weight` standard deviations.
pub(super) fn scored(
    scorer: &mut Scorer,
    prompts: &[Prompt],
    texts: &[Vec<String>],
    spread_weight: f64,
) -> CliResult<Vec<Scores>> {
    let shaping =
        Shaping { squash: Squash::None, spread_weight, clip: 0.0, missing_end_penalty: 0.0 };
    let mut all = Vec::with_capacity(prompts.len());
    for (prompt, texts) in prompts.iter().zip(texts) {
        let scores = scores(scorer, prompt, texts)?;
        all.push(scores.iter().map(|it| shaping.reward(it, true)).collect());
    }
    Ok(all)
}

fn unknown_to_the_oracle(prompt: &Prompt) -> CliError {
    let shown: String = prompt.text.chars().take(60).collect();
    CliError::input(format!("the oracle does not know the prompt {shown:?}")).with_hint(
        "it judges the embedded prompts alone; name a reward model or a `command:…` as `--gold`",
    )
}

/// The prompts whose answers everybody has scored. The best of n is drawn from all answers to a prompt, so
/// one without a score takes its prompt out of every curve, which is said.
fn whole_prompts(
    context: &Context,
    n_prompts: usize,
    names: &[&str],
    chosen_by: &[Vec<Scores>],
    judged: Option<&[Scores]>,
) -> CliResult<Vec<usize>> {
    let scorers = chosen_by.iter().map(Vec::as_slice).chain(judged);
    for (name, scores) in names.iter().zip(scorers.clone()) {
        let n_without = scores.iter().flatten().filter(|score| score.is_none()).count();
        if n_without > 0 {
            let n = scores.iter().map(Vec::len).sum::<usize>();
            context.say(&format!(
                "{name} has no score for {} of {} answers; their prompts are left out",
                words::count(n_without as u64),
                words::count(n as u64)
            ));
        }
    }
    let is_whole =
        |prompt: &usize| scorers.clone().all(|it| it[*prompt].iter().all(Option::is_some));
    let whole: Vec<usize> = (0..n_prompts).filter(is_whole).collect();
    if whole.is_empty() {
        let message = "there is no prompt all of whose answers have a score";
        return Err(CliError::failure(message).with_hint(
            "the best of n is chosen among all answers, so each of them needs a number",
        ));
    }
    Ok(whole)
}

/// Each answer to these prompts by the reward that chooses it and, where there is a judge, by the judge.
fn both(
    whole: &[usize],
    chosen_by: &[Scores],
    judged: Option<&[Scores]>,
    lengths: &[Vec<usize>],
) -> Vec<Vec<Scored>> {
    let of_prompt = |prompt: &usize| {
        let gold = |answer: usize| judged.and_then(|it| it[*prompt][answer]);
        let scores = chosen_by[*prompt].iter().enumerate();
        let scored = |(answer, proxy): (usize, &Option<f64>)| {
            let length = lengths[*prompt][answer] as f64;
            proxy.map(|proxy| Scored { proxy, gold: gold(answer), length })
        };
        scores.filter_map(scored).collect()
    };
    whole.iter().map(of_prompt).collect()
}

/// Reads `--spread-weight`.
fn spread_weight(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() && value >= 0.0 => Ok(value),
        _ => Err("a number of 0 or more is expected".to_owned()),
    }
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
        number("win_rate", "wins against one"),
        number("win_rate_at_equal_length", "at equal length"),
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
                listing::policy::share(point.win_rate.map(|it| it.rate)),
                listing::policy::share(point.at_equal_length.map(|it| it.rate)),
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
