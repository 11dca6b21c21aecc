//! `ser pairs MODEL`: pairs of a language model's own answers, so that a reward model can label them.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use serde_json::{Map, Value, json};

use super::best_of::{Scores, answers, read, sampled, scored};
use super::options::{self, LanguageArgs, SamplingArgs};
use crate::cli::model::scorer::TimeoutArgs;
use crate::cli::{CliError, CliResult, Context};
use crate::data::Prompt;
use crate::domain::pool::pairing::{Pairing, choose};
use crate::domain::preference::PairId;
use crate::domain::random::{Place, Purpose, text_hash};
use crate::domain::split::{SplitRule, split};
use crate::domain::text::words;
use crate::engine::generation::GenerationSettings;
use crate::engine::text_model::Stops;

/// Prompts whose answers are in memory at a time.
const ANSWERED_AT_ONCE: usize = 16;
/// Prompts that are read from the store at a time.
const PROMPTS_AT_ONCE: usize = 4096;

/// Arguments of `ser pairs`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "The model answers each prompt several times, and two of the answers become a pair. Written are \
    JSON lines of `prompt`, `chosen`, `rejected`, with the model's name as `source`; `chosen` is the answer that the \
    judge (`--gold`) prefers, without a judge the one with the higher reward. A pair whose answers are equal, or equal \
    for whoever decides, is left out and counted.\n\n\
    With `--from RUN` the prompts are those of the run's unlabeled pool. They keep to the pool when a run reads both \
    files: `--set 'data.source=[\"first.jsonl\", \"pairs.jsonl\"]'` with the number of the first run's labeled pairs as \
    `data.seed_labels`, since pairs of one prompt are never divided."
)]
pub struct PairsArgs {
    #[command(flatten)]
    model: LanguageArgs,
    /// Prompts in JSON lines, as `ser generate` reads them; `embedded` takes the test prompts that come with the
    /// program
    #[arg(required_unless_present = "from")]
    file: Option<PathBuf>,
    /// Take the prompts of this run's pool instead
    #[arg(long, value_name = "RUN", conflicts_with = "file")]
    from: Option<String>,
    /// Who rewards the answers, as `ser best-of` takes it
    #[arg(long, value_name = "MODEL")]
    reward: String,
    /// Who says which answer is the better one; without it the reward does
    #[arg(long, value_name = "MODEL")]
    gold: Option<String>,
    #[command(flatten)]
    timeout: TimeoutArgs,
    /// Answers to each prompt
    #[arg(short = 'n', long, default_value_t = 4, value_name = "N",
          value_parser = clap::value_parser!(u32).range(2..=1024))]
    answers: u32,
    /// Which two of them become a pair
    #[arg(long, value_enum, default_value_t = Choice::BestWorst, value_name = "WHICH")]
    choose: Choice,
    /// Take so many of the prompts, a random sample by `--rng-seed`; 0 takes all
    #[arg(long, default_value_t = 0, value_name = "N")]
    prompts: usize,
    #[command(flatten)]
    sampling: SamplingArgs,
    /// Write to this file, which must not exist
    #[arg(short, long, value_name = "FILE")]
    out: PathBuf,
}

/// Which two answers become a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Choice {
    /// The one with the highest reward and the one with the lowest
    BestWorst,
    /// Any two
    Random,
    /// The two whose rewards differ least
    Uncertain,
}

impl Choice {
    fn rule(self) -> Pairing {
        match self {
            Self::BestWorst => Pairing::BestWorst,
            Self::Random => Pairing::Random,
            Self::Uncertain => Pairing::Uncertain,
        }
    }
}

/// Samples answers and writes pairs.
///
/// # Errors
/// When a model cannot be opened, a prompt not be used, or the file not be written.
pub fn run(context: &Context, args: &PairsArgs) -> CliResult {
    if args.out.exists() {
        return Err(CliError::input(format!("`{}` exists", args.out.display()))
            .with_hint("name another file, or move it away"));
    }
    let prompts = match (&args.from, &args.file) {
        (Some(run), _) => pool(context, run)?,
        (None, Some(file)) => read(file)?,
        (None, None) => Vec::new(),
    };
    let prompts = sampled(prompts, args.prompts, args.sampling.rng_seed);
    let open = |name: &str| args.timeout.open(context, name, args.model.threads);
    let mut reward = open(&args.reward)?;
    let mut gold = args.gold.as_deref().map(open).transpose()?;
    let mut model = options::open(context, &args.model)?;
    let settings = args.sampling.settings(&model, args.answers as usize)?;
    args.sampling.tell(context, &args.model, &model, &settings);
    let (mut lines, mut n_left_out) = (Vec::new(), 0);
    for (part, some) in prompts.chunks(ANSWERED_AT_ONCE).enumerate() {
        let first = part * ANSWERED_AT_ONCE;
        let n = prompts.len();
        context.place().say.progress(Some(&format!("{first} of {n} prompts answered")));
        let settings = GenerationSettings { first_prompt: first as u32, ..settings.clone() };
        let texts = answers(&mut model, some, (&settings, &Stops::default()))?;
        let rewards = scored(&mut reward, some, &texts, 0.0)?;
        let judged = match &mut gold {
            Some(gold) => Some(scored(gold, some, &texts, 0.0)?),
            None => None,
        };
        for (at, prompt) in some.iter().enumerate() {
            let judged = judged.as_ref().map(|it| &it[at]);
            let number = (first + at) as u32;
            let place = Place::new(args.sampling.rng_seed, Purpose::Sides).at(number, 0);
            match pair(&texts[at], &rewards[at], judged, (args.choose, place)) {
                Some(pair) => lines.push(line(prompt, &texts[at], &pair, &args.model.model)),
                None => n_left_out += 1,
            }
        }
    }
    context.place().say.progress(None);
    write(&args.out, &lines).map_err(|error| CliError::io("write", &args.out, &error))?;
    context.say(&format!(
        "{} pairs of {} prompts; {} left out, whose answers are equal or equally good",
        words::count(lines.len() as u64),
        words::count(prompts.len() as u64),
        words::count(n_left_out)
    ));
    Ok(())
}

/// Two answers of which the first is the better one, with their rewards and the judge's scores.
struct Chosen {
    better: usize,
    worse: usize,
    rewards: [f64; 2],
    gold: Option<[f64; 2]>,
}

/// The pair of a prompt; `None` where no two answers differ in text and for whoever decides.
fn pair(
    texts: &[String],
    rewards: &Scores,
    judged: Option<&Scores>,
    (choice, place): (Choice, Place),
) -> Option<Chosen> {
    // By whoever decides which answer is the better one.
    let decided = |a: usize, b: usize| {
        let [of_a, of_b] = [a, b].map(|i| judged.unwrap_or(rewards)[i]);
        Some([of_a?, of_b?])
    };
    let is_apart = |a: usize, b: usize| {
        texts[a] != texts[b] && decided(a, b).is_some_and(|[first, second]| first != second)
    };
    let (a, b) = choose(rewards, choice.rule(), place, is_apart)?;
    let [first, second] = decided(a, b)?;
    let (better, worse) = if second > first { (b, a) } else { (a, b) };
    let of = |scores: &Scores| Some([scores[better]?, scores[worse]?]);
    Some(Chosen { better, worse, rewards: of(rewards)?, gold: judged.and_then(of) })
}

fn line(prompt: &Prompt, texts: &[String], chosen: &Chosen, model: &str) -> Value {
    let mut record: Map<String, Value> = prompt.record().clone();
    record.insert("chosen".into(), json!(texts[chosen.better]));
    record.insert("rejected".into(), json!(texts[chosen.worse]));
    record.insert("source".into(), json!(model));
    record.insert("rewards".into(), json!(chosen.rewards));
    if let Some(gold) = chosen.gold {
        record.insert("gold".into(), json!(gold));
    }
    Value::Object(record)
}

/// Writes the lines beside the file first, so that it is whole or not there.
fn write(path: &Path, lines: &[Value]) -> std::io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".part");
    let part = path.with_file_name(name);
    let written = std::fs::File::create(&part).and_then(|file| {
        let mut out = std::io::BufWriter::new(file);
        lines.iter().try_for_each(|line| writeln!(out, "{line}"))?;
        out.into_inner()?.sync_all()
    });
    let moved = written.and_then(|()| std::fs::rename(&part, path));
    if moved.is_err() {
        // The first error is the one to report.
        let _ = std::fs::remove_file(&part);
    }
    moved
}

/// The prompts of a run's pool, each text once.
fn pool(context: &Context, name: &str) -> CliResult<Vec<Prompt>> {
    let store = context.store_to_read()?;
    let detail = store.run(&store.find_run(name)?.id)?;
    let spec = store.spec(&detail.row.id)?;
    let groups = store.group_hashes(detail.dataset)?;
    let test = match detail.test_dataset {
        Some(test) => Some(store.group_hashes(test)?.into_iter().collect()),
        None => None,
    };
    let split = split(&groups, test.as_ref(), &SplitRule::of_spec(&spec))
        .map_err(|error| CliError::input(error.to_string()))?;
    let mut ids: Vec<PairId> = split.unlabeled_pool;
    ids.sort_unstable();
    let (mut seen, mut prompts) = (std::collections::BTreeSet::new(), Vec::new());
    for ids in ids.chunks(PROMPTS_AT_ONCE) {
        for pair in store.candidate_pairs(detail.dataset, spec.rng_seed, ids)? {
            if seen.insert(text_hash(&pair.prompt)) {
                let prompt = Prompt::of_pair(&pair.form, &pair.prompt, &pair.response_a);
                prompts.push(prompt.map_err(|error| CliError::input(error.to_string()))?);
            }
        }
    }
    Ok(prompts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_answers_are_chosen_and_the_judge_says_which_is_better() {
        let texts: Vec<String> = ["a", "b", "c", "a"].map(str::to_owned).to_vec();
        let rewards: Scores = [1.0, 4.0, 3.5, 9.0].map(Some).to_vec();
        let place = Place::new(1, Purpose::Sides);
        let chosen = |choice, judged: Option<&Scores>| {
            pair(&texts, &rewards, judged, (choice, place)).map(|it| (it.better, it.worse))
        };
        // The last answer is the first one again, with another reward.
        assert_eq!(chosen(Choice::BestWorst, None), Some((3, 2)));
        assert_eq!(chosen(Choice::Uncertain, None), Some((1, 2)));
        assert!(chosen(Choice::Random, None).is_some());
        let gold: Scores = vec![Some(2.0), Some(1.0), Some(1.0), Some(2.0)];
        // The two most uncertain are equal for the judge.
        assert_eq!(chosen(Choice::Uncertain, Some(&gold)), Some((0, 2)));
        assert_eq!(chosen(Choice::BestWorst, Some(&gold)), Some((3, 2)));
        assert_eq!(chosen(Choice::Random, Some(&vec![Some(1.0); 4])), None);
    }
}
