//! `ser pretrain`: how the embedded language model was made.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::cli::{CliResult, Context};
use crate::data::pocket;
use crate::domain::text::words;
use crate::engine::Backbone;
use crate::engine::generation::sampling::{Filters, Sampling};
use crate::engine::generation::{Generated, GenerationSettings};
use crate::engine::pretrain::{PretrainSettings, embedded_shape, pretrain};
use crate::engine::text_model::{PromptText, TextModel, TextModelSettings};

/// How every dialogue starts.
const BEGINNING: &str = "\n\nHuman:";

/// Between two progress lines.
const SAY_EVERY: Duration = Duration::from_secs(10);

/// Arguments of `ser pretrain`.
#[derive(Debug, clap::Args)]
pub struct PretrainArgs {
    /// Where to write the model
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Dialogues to learn from
    #[arg(long, default_value_t = 40_000, value_name = "N")]
    dialogues: u32,
    /// Passes over them
    #[arg(long, default_value_t = 4, value_name = "N")]
    epochs: u32,
    /// Dialogues of one optimizer step
    #[arg(long, default_value_t = 32, value_name = "N")]
    batch: usize,
    /// Peak learning rate
    #[arg(long, default_value_t = 2e-3, value_name = "RATE")]
    learning_rate: f32,
    /// Every random choice is a function of this number
    #[arg(long, default_value_t = pocket::RNG_SEED, value_name = "N")]
    rng_seed: u64,
}

/// Learns tokenizer and model from dialogues that no data file holds, and prints two that the model
/// writes.
///
/// # Errors
/// When a file cannot be written, or training diverges.
pub fn run(context: &Context, args: &PretrainArgs) -> CliResult {
    let texts: Vec<String> = pocket::corpus(args.rng_seed, args.dialogues).collect();
    let settings = PretrainSettings {
        config: embedded_shape(),
        epochs: args.epochs,
        rng_seed: args.rng_seed,
        batch_texts: args.batch,
        learning_rate: args.learning_rate,
    };
    context.say(&format!("{} dialogues", words::count(texts.len() as u64)));
    let mut said: Option<Instant> = None;
    pretrain(&texts, &settings, &args.out, &mut |progress| {
        if progress.step < progress.n_steps && said.is_some_and(|at| at.elapsed() < SAY_EVERY) {
            return;
        }
        said = Some(Instant::now());
        context.say(&format!(
            "step {} of {}, loss {:.3}, {} tokens",
            words::count(progress.step),
            words::count(progress.n_steps),
            progress.loss,
            words::count(progress.n_tokens)
        ));
    })?;
    show(context, args)
}

/// Lets the model write two dialogues: figures do not say whether it has learned to.
fn show(context: &Context, args: &PretrainArgs) -> CliResult {
    let backbone = Backbone::Directory(args.out.clone());
    let mut model = TextModel::open(&TextModelSettings::new(backbone))?;
    let prompt = model.texts.encode(PromptText::Text(BEGINNING))?;
    let filters = Filters { temperature: 0.7, ..Filters::default() };
    let settings = GenerationSettings {
        sampling: Sampling::Drawn(filters),
        n_answers: 2,
        ends: model.defaults.ends.clone(),
        ..GenerationSettings::new(80, model.texts.max_tokens(), args.rng_seed)
    };
    let mut answers: Vec<Generated> = Vec::new();
    model.model.generate(&[&prompt], &settings, &mut answers)?;
    for answer in answers {
        let text = model.texts.decode(&answer.tokens)?;
        context.say(&format!("it writes: {}{text}", BEGINNING.trim_start()));
    }
    Ok(())
}
