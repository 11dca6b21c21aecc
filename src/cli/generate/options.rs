//! Which language model answers, and how it chooses tokens.

use crate::cli::{CliError, CliResult, Context};
use crate::domain::spec::Precision;
use crate::domain::text::words;
use crate::engine::Backbone;
use crate::engine::generation::GenerationSettings;
use crate::engine::generation::sampling::{Filters, Sampling};
use crate::engine::text_model::{TextModel, TextModelSettings};
use crate::launch::by_name;

/// New tokens where neither an option nor the model's files say how many.
const N_TOKENS_DEFAULT: usize = 128;

/// How to find and open the model.
#[derive(Debug, Clone, clap::Args)]
pub struct LanguageArgs {
    /// A language model: a folder, a policy run, the name of an imported model, `hf:owner/name[@revision]`, or
    /// `embedded`
    pub model: String,
    /// The chat template that writes conversations: `auto` (the model's own), `plain` (none), the name of
    /// one that comes with the program, or a file
    #[arg(long, default_value = "auto", value_name = "NAME")]
    pub chat_template: String,
    /// Precision of matrix products
    #[arg(long, default_value = "f32", value_name = "NAME", value_parser = ["f32", "bf16"])]
    pub precision: String,
    /// Threads; 0 takes one a core
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub threads: usize,
}

/// How tokens are chosen.
#[derive(Debug, Clone, clap::Args)]
pub struct SamplingArgs {
    /// Take the likeliest token each time
    #[arg(long, conflicts_with_all = ["temperature", "top_k", "top_p", "min_p"])]
    pub greedy: bool,
    /// Divide the logits by this before a token is drawn
    #[arg(long, value_name = "T")]
    pub temperature: Option<f64>,
    /// Draw from so many of the likeliest tokens only; 0 takes all
    #[arg(long, value_name = "N")]
    pub top_k: Option<usize>,
    /// Draw from the likeliest tokens only that have this share of the probability together
    #[arg(long, value_name = "P")]
    pub top_p: Option<f64>,
    /// Draw from tokens only that are at least so likely, as a share of the likeliest one's probability
    #[arg(long, value_name = "P")]
    pub min_p: Option<f64>,
    /// Tokens of an answer at most [default: `max_new_tokens` of `generation_config.json`, else 128]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub max_new_tokens: Option<u32>,
    /// Every draw is a function of this number, of the prompt's and the answer's, and of the position
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub rng_seed: u64,
    /// Memory for the keys and values of answers in progress, in MiB
    #[arg(long, default_value_t = 1024, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub cache_mib: u32,
    /// Answers that are decoded together at most
    #[arg(long, default_value_t = 128, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub at_once: u32,
}

/// Opens the model.
///
/// # Errors
/// When there is none of that name, its files are wrong, or it is no language model.
pub fn open(context: &Context, args: &LanguageArgs) -> CliResult<TextModel> {
    let found = by_name::model(context.place(), &args.model);
    if found.is_err()
        && let Ok(run) = context.store_to_read().and_then(|it| Ok(it.find_run(&args.model)?))
    {
        let message = format!("`{}` is a run, whose reward model writes no texts", run.name);
        return Err(CliError::input(message)
            .with_hint("name a language model, and the run as `--reward` of `ser generate`"));
    }
    let found = found?;
    let backbone = found.dir.map_or(Backbone::Embedded, Backbone::Directory);
    let precision = if args.precision == "bf16" { Precision::Bf16 } else { Precision::F32 };
    Ok(TextModel::open(&TextModelSettings {
        n_threads: args.threads,
        precision,
        chat_template: args.chat_template.clone(),
        ..TextModelSettings::new(backbone)
    })?)
}

impl SamplingArgs {
    /// The settings for `n_answers` answers to each prompt.
    ///
    /// # Errors
    /// When an option makes no sense.
    pub fn settings(&self, model: &TextModel, n_answers: usize) -> CliResult<GenerationSettings> {
        let sampling = self.sampling(model, n_answers)?;
        let of_files = model.defaults.n_tokens_max.unwrap_or(N_TOKENS_DEFAULT);
        let n_tokens_max = self.max_new_tokens.map_or(of_files, |n| n as usize);
        let settings = GenerationSettings {
            sampling,
            n_answers,
            ends: model.defaults.ends.clone(),
            n_at_a_time: self.at_once as usize,
            cache_bytes: u64::from(self.cache_mib) << 20,
            ..GenerationSettings::new(n_tokens_max, model.texts.max_tokens(), self.rng_seed)
        };
        settings.check().map_err(|error| {
            let error = CliError::input(error.to_string());
            match self.temperature {
                Some(0.0) => error.with_hint("`--greedy` takes the likeliest token each time"),
                _ => error.with_hint("`ser generate --help` says what each option means"),
            }
        })?;
        Ok(settings)
    }

    fn has_filters(&self) -> bool {
        self.temperature.is_some()
            || self.top_k.is_some()
            || self.top_p.is_some()
            || self.min_p.is_some()
    }

    fn sampling(&self, model: &TextModel, n_answers: usize) -> CliResult<Sampling> {
        let of_files = model.defaults.sampling;
        let sampling = if self.greedy {
            Sampling::Greedy
        } else if self.has_filters() {
            let base = match of_files {
                Some(Sampling::Drawn(filters)) => filters,
                Some(Sampling::Greedy) | None => Filters::default(),
            };
            Sampling::Drawn(Filters {
                temperature: self.temperature.unwrap_or(base.temperature),
                top_k: self.top_k.unwrap_or(base.top_k),
                top_p: self.top_p.unwrap_or(base.top_p),
                min_p: self.min_p.unwrap_or(base.min_p),
            })
        } else {
            match of_files {
                Some(Sampling::Drawn(filters)) => Sampling::Drawn(filters),
                Some(Sampling::Greedy) | None if n_answers > 1 => Sampling::plain(),
                Some(Sampling::Greedy) | None => Sampling::Greedy,
            }
        };
        if sampling == Sampling::Greedy && n_answers > 1 {
            let message = format!("`--greedy` with {n_answers} answers: all of them are the same");
            return Err(CliError::input(message).with_hint("leave `--greedy` or `-n` out"));
        }
        Ok(sampling)
    }

    /// Says on standard error how tokens are chosen, why, and within which bounds.
    pub fn tell(
        &self,
        context: &Context,
        args: &LanguageArgs,
        model: &TextModel,
        settings: &GenerationSettings,
    ) {
        let how = match settings.sampling {
            Sampling::Greedy => "greedy".to_owned(),
            Sampling::Drawn(Filters { temperature, top_k, top_p, min_p }) => {
                let mut parts = vec![format!("drawn at temperature {temperature}")];
                parts.extend((top_k > 0).then(|| format!("top-k {top_k}")));
                parts.extend((top_p < 1.0).then(|| format!("top-p {top_p}")));
                parts.extend((min_p > 0.0).then(|| format!("min-p {min_p}")));
                parts.join(", ")
            }
        };
        let is_of_file = !self.greedy && model.defaults.file.is_some();
        let why = if is_of_file { " (`generation_config.json`)" } else { "" };
        let end = |id: &u32| model.texts.token(*id).unwrap_or_else(|| id.to_string());
        let ends: Vec<String> = settings.ends.iter().map(|id| format!("`{}`", end(id))).collect();
        let ends = if ends.is_empty() { "no token".to_owned() } else { ends.join(" or ") };
        let template = match model.texts.chat_template() {
            Some(template) => format!("chat template `{}`", template.record().name),
            None => "no chat template".to_owned(),
        };
        context.say(&format!(
            "{}: {how}{why}; at most {} new tokens, ended by {ends}; {template}; at most {} answers \
             at a time, within {} MiB of keys and values",
            args.model,
            words::count(settings.n_tokens_max as u64),
            settings.n_at_a_time,
            settings.cache_bytes >> 20,
        ));
        for (key, value) in &model.defaults.ignored {
            context.say(&format!(
                "`generation_config.json` sets `{key}` to {value}, which is not applied here"
            ));
        }
    }
}
