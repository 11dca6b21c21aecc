//! `ser generate MODEL [FILE]`: answers of a language model to prompts in JSON lines.

use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::time::Instant;

use super::model::scorer;
use super::score::lines::{Line, Lines};
use super::{CliError, CliResult, Context};
use crate::data::Prompt;
use crate::engine::EngineError;
use crate::engine::generation::GenerationSettings;
use crate::engine::text_model::{PromptText, Stops, TextModel};
use crate::scorer::Scorer;
use options::{LanguageArgs, SamplingArgs};
use results::{Asked, Count, Results};

mod answers;
pub mod best_of;
pub mod chat;
mod options;
pub mod pairs;
mod results;

/// Prompts that are read before the first of them is answered.
const PROMPTS_AT_ONCE: usize = 1024;

/// Arguments of `ser generate`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Each line is an object with a `prompt` (a text, or a list of messages), a conversation as \
    `messages`, or a `text`, which is continued as it stands. Conversations are written by the model's chat \
    template, with its mark of the next turn, as `apply_chat_template` of transformers writes them; without a \
    template a prompt is continued as it stands.\n\n\
    For each answer a line comes out, in the order of the input: `line`, `answer` (numbered from 0), \
    `response`, `n_tokens`, `log_probability` (the sum over its tokens at temperature 1, in nats) and `ended`: \
    `end_token`, `stop` (a stop string, which is cut off) or `length`.\n\n\
    Where no option says how tokens are chosen, `generation_config.json` does, as in transformers; without it \
    the likeliest token is taken, or, with several answers, one is drawn at temperature 1. The top-k of 50 \
    that transformers adds by itself is not added.\n\n\
    An answer depends on the model, its prompt, the number of the prompt and of the answer, and `--rng-seed`; \
    not on the other prompts, nor on threads.\n\n\
    Examples:\n  ser generate ./model prompts.jsonl > answers.jsonl\n  ser generate ./model -n 8 --temperature 0.8 --reward my-run < prompts.jsonl"
)]
pub struct GenerateArgs {
    #[command(flatten)]
    model: LanguageArgs,
    /// JSON lines; `-` reads standard input
    #[arg(default_value = "-")]
    file: PathBuf,
    /// Answers to each prompt
    #[arg(short = 'n', long, default_value_t = 1, value_name = "N",
          value_parser = clap::value_parser!(u32).range(1..=65_536))]
    answers: u32,
    #[command(flatten)]
    sampling: SamplingArgs,
    /// End an answer where this text begins (can be given again)
    #[arg(long, value_name = "TEXT")]
    stop: Vec<String>,
    /// Score each answer: a run, `RUN:ROUND`, a model directory, `hf:owner/name`, several of these with
    /// commas (the mean, and each), `oracle`, or `command:…` (`ser best-of --help` has its protocol)
    #[arg(long, value_name = "MODEL")]
    reward: Option<String>,
    #[command(flatten)]
    timeout: scorer::TimeoutArgs,
    /// Give each record back with its answer, in the form that `ser score` reads
    #[arg(long)]
    full: bool,
    /// Add the ids of each answer's tokens, and the log-probability of each
    #[arg(long)]
    tokens: bool,
    /// Go on after a line that cannot be used; its result is its `error`
    #[arg(long)]
    skip_bad: bool,
}

/// Answers the lines.
///
/// # Errors
/// When a model cannot be opened; at the first line that cannot be used, unless `--skip-bad`.
pub fn run(context: &Context, args: &GenerateArgs) -> CliResult {
    let lines = Lines::open(&args.file)?;
    let mut model = options::open(context, &args.model)?;
    let mut settings = args.sampling.settings(&model, args.answers as usize)?;
    let mut scorer = match &args.reward {
        Some(name) => Some(args.timeout.open(context, name, args.model.threads)?),
        None => None,
    };
    args.sampling.tell(context, &args.model, &model, &settings);
    let (begin, mut count) = (Instant::now(), Count::default());
    let mut out = BufWriter::new(std::io::stdout().lock());
    loop {
        let taken = lines.take(PROMPTS_AT_ONCE);
        let taken = taken.map_err(|error| CliError::io("read", &args.file, &error))?;
        if taken.is_empty() {
            break;
        }
        let (asked, failure) = ask(context, args, &model, &settings, taken);
        let written =
            answer(args, &mut model, (&settings, scorer.as_mut()), &asked, &mut count, &mut out);
        // What was answered before a bad line is told before the error.
        out.flush()?;
        written?;
        failure.map_or(Ok(()), Err)?;
        settings.first_prompt += asked.len() as u32;
    }
    count.tell(context, &args.model.model, begin.elapsed());
    Ok(())
}

/// Reads the prompts of some lines, up to the first that cannot be used.
fn ask(
    context: &Context,
    args: &GenerateArgs,
    model: &TextModel,
    settings: &GenerationSettings,
    lines: Vec<Line>,
) -> (Vec<Asked>, Option<CliError>) {
    let mut asked = Vec::with_capacity(lines.len());
    for Line { number, text } in lines {
        let read =
            |text: String| Prompt::read(&text).map_err(|error| (error.to_string(), error.hint()));
        let prompt = text.map_err(|reason| (reason, String::new())).and_then(read);
        let encoded = prompt.and_then(|prompt| {
            let refused =
                |error: EngineError| (error.to_string(), error.hint().unwrap_or_default());
            let tokens = model.texts.encode(prompt_text(&prompt)).map_err(refused)?;
            settings.room(tokens.len()).map_err(refused)?;
            Ok((prompt, tokens))
        });
        match encoded {
            Ok((prompt, tokens)) => asked.push(Asked { line: number, prompt: Ok(prompt), tokens }),
            Err((reason, hint)) => {
                let place = format!("`{}`: line {number}: {reason}", args.file.display());
                if !args.skip_bad {
                    let hints = [hint.as_str(), "`--skip-bad` goes on after it"];
                    let hints: Vec<&str> = hints.into_iter().filter(|it| !it.is_empty()).collect();
                    return (asked, Some(CliError::input(place).with_hint(hints.join("; "))));
                }
                context.say(&format!("left out: {place}"));
                asked.push(Asked { line: number, prompt: Err(reason), tokens: Vec::new() });
            }
        }
    }
    (asked, None)
}

/// A prompt as the engine takes it.
fn prompt_text(prompt: &Prompt) -> PromptText<'_> {
    match &prompt.messages {
        Some(messages) => {
            PromptText::Chat { messages, globals: &prompt.globals, flat: &prompt.text }
        }
        None => PromptText::Text(&prompt.text),
    }
}

fn answer(
    args: &GenerateArgs,
    model: &mut TextModel,
    (settings, scorer): (&GenerationSettings, Option<&mut Scorer>),
    asked: &[Asked],
    count: &mut Count,
    out: &mut impl Write,
) -> CliResult {
    // Lines that cannot be used keep their numbers, so that no other answer depends on them.
    let mut first = 0;
    let mut results =
        Results::new(&model.texts, Stops::new(&args.stop), settings.n_answers, args.into(), out);
    results.scorer = scorer;
    while first < asked.len() {
        let n_good = asked[first..].iter().take_while(|it| it.prompt.is_ok()).count();
        let (good, rest) = asked[first..].split_at(n_good);
        let prompts: Vec<&[u32]> = good.iter().map(|it| it.tokens.as_slice()).collect();
        results.begin(good);
        let first_prompt = settings.first_prompt + first as u32;
        let settings = GenerationSettings { first_prompt, ..settings.clone() };
        let generated = model.model.generate(&prompts, &settings, &mut results);
        results.end(count)?;
        generated?;
        let bad = rest.iter().take_while(|it| it.prompt.is_err());
        let mut n_bad = 0;
        for line in bad {
            results.write_bad(line)?;
            n_bad += 1;
        }
        count.bad += n_bad as u64;
        first += n_good + n_bad;
    }
    Ok(())
}
