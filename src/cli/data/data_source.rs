//! The arguments that say what to read and how, for the commands of `ser data` and `ser eval`.

use clap::builder::PossibleValuesParser;

use crate::cli::{CliError, CliResult};
use crate::data::FORMATS;
use crate::domain::source::data_files::Part;
use crate::domain::spec::{ColumnsSpec, Names, SourcePart, unescape};
use crate::launch::import::ImportSettings;

/// What is made when nothing else is said; the default of `data.pairs_per_record`.
pub const PAIRS_PER_RECORD: u32 = 10;

/// Standard input as a file.
const STDIN: &str = "/dev/stdin";

/// What to read, and how.
#[derive(Debug, clap::Args)]
pub struct SourceArgs {
    /// Files, folders or quoted patterns, read as one data set: JSON lines, a JSON array, .csv, .tsv
    /// or .parquet, plain, .gz or .zst; `-` for standard input; `embedded:train`,
    /// `embedded:test`, or `hf:owner/name[@revision][/path]`
    #[arg(required = true, value_name = "SOURCE")]
    sources: Vec<String>,
    #[command(flatten)]
    read: ReadArgs,
    /// Read a random sample of this many pairs; 0 reads all
    #[arg(long, default_value_t = 0, value_name = "N")]
    limit: u64,
    /// Random seed of that sample and of the splits, as `rng_seed` of a run
    #[arg(long, default_value_t = 1, value_name = "SEED")]
    rng_seed: u64,
}

/// How records become pairs.
#[derive(Debug, clap::Args)]
pub struct ReadArgs {
    /// The layout of the records; `auto` looks at the first one
    #[arg(long, default_value = "auto", value_parser = format_names(), hide_possible_values = true,
          long_help = formats_help())]
    format: String,
    /// A column of any other layout: prompt, a, b, label, values, score or slice, as in
    /// `data.columns`. Several names are separated by commas. The prompt may be a text with columns
    /// in braces, whose escapes are those of TOML: `'prompt={instruction}\n{input}'`. `label=a` says
    /// that the first answer is the better one
    #[arg(long = "column", value_name = "KEY=COLUMN")]
    columns: Vec<String>,
    /// Most pairs made of one record that holds several answers; 0 makes all
    #[arg(long, default_value_t = PAIRS_PER_RECORD, value_name = "N")]
    pairs_per_record: u32,
}

/// What keeps pairs on one side of a split.
#[derive(Debug, clap::Args)]
pub struct GroupArgs {
    /// Column whose values never stand on both sides of a split
    #[arg(long, default_value = "prompt", value_name = "COLUMN")]
    pub group: String,
}

fn format_names() -> PossibleValuesParser {
    let names = FORMATS.iter().map(|(name, ..)| *name);
    PossibleValuesParser::new(["auto"].into_iter().chain(names).chain(["jsonl", "openrlhf"]))
}

fn formats_help() -> String {
    let lines = FORMATS.iter().map(|(name, _, what)| format!("  {name:<24} {what}"));
    let head = "The layout of the records; `auto` looks at the first one:".to_owned();
    [head].into_iter().chain(lines).collect::<Vec<_>>().join("\n")
}

impl SourceArgs {
    /// The sources, without weights; `-` is standard input, which is read as any pipe is.
    pub fn parts(&self) -> Vec<SourcePart> {
        let path = |name: &String| if name == "-" { STDIN.to_owned() } else { name.clone() };
        self.sources.iter().map(path).map(SourcePart::whole).collect()
    }

    /// The sources as they were typed.
    pub fn names(&self) -> String {
        self.sources.join(", ")
    }

    /// Each source as it was typed.
    pub fn sources(&self) -> impl Iterator<Item = &str> {
        self.sources.iter().map(String::as_str)
    }

    /// How many pairs are taken; 0 takes all.
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// What keys the sample and the splits.
    pub fn rng_seed(&self) -> u64 {
        self.rng_seed
    }

    /// The value of `--format`.
    pub fn format(&self) -> &str {
        &self.read.format
    }

    /// Most pairs of one record.
    pub fn pairs_per_record(&self) -> u32 {
        self.read.pairs_per_record
    }

    /// The columns that were named.
    ///
    /// # Errors
    /// When a key is unknown, or the columns do not go together.
    pub fn columns(&self) -> CliResult<ColumnsSpec> {
        self.read.columns()
    }

    /// How to read them, where `group` is `prompt` or a column.
    pub fn settings<'a>(&'a self, columns: &'a ColumnsSpec, group: &'a str) -> ImportSettings<'a> {
        let Self { limit, rng_seed, .. } = *self;
        ImportSettings { limit, rng_seed, ..self.read.settings(columns, group) }
    }
}

impl ReadArgs {
    /// The columns that were named.
    ///
    /// # Errors
    /// When a key is unknown, or the columns do not go together.
    pub fn columns(&self) -> CliResult<ColumnsSpec> {
        let mut columns = ColumnsSpec::default();
        for argument in &self.columns {
            let malformed = || {
                CliError::input(format!("`--column {argument}` is not `KEY=COLUMN`")).with_hint(
                    "keys are prompt, a, b, label, values, score and slice: `--column a=answer_1`",
                )
            };
            let (key, value) = argument.split_once('=').ok_or_else(malformed)?;
            let names = || Names::Many(value.split(',').map(str::to_owned).collect());
            match key {
                "prompt" if value.contains('{') => {
                    columns.prompt = unescape(value).map_err(|escape| {
                        let message = format!(
                            "`--column {argument}` has `{escape}`, an escape that TOML does not know"
                        );
                        CliError::input(message)
                            .with_hint("a line end is `\\n`, a backslash `\\\\`")
                    })?;
                }
                "prompt" => value.clone_into(&mut columns.prompt),
                "a" => columns.a = names(),
                "b" => columns.b = names(),
                "label" => columns.label = names(),
                "values" => columns.values = names(),
                "score" => columns.score = names(),
                "slice" => value.clone_into(&mut columns.slice),
                _ => return Err(malformed()),
            }
        }
        columns.validate().map_err(|error| {
            CliError::input(format!("{error}")).with_hint(
                "name the columns of both answers (`--column a=… --column b=…`); without `--column`, \
                 `ser data check` proposes them",
            )
        })?;
        Ok(columns)
    }

    /// How to read all pairs, where `group` is `prompt` or a column.
    pub fn settings<'a>(&'a self, columns: &'a ColumnsSpec, group: &'a str) -> ImportSettings<'a> {
        ImportSettings {
            part: Part::Train,
            format: &self.format,
            group,
            limit: 0,
            rng_seed: 1,
            pairs_per_record: self.pairs_per_record,
            columns,
        }
    }
}
