//! From layers to a validated [`ExperimentSpec`]: default, arm, file, `--arm`, `--set`, `--rng-seeds`.
//!
//! Each assignment is applied and checked on its own, so that a wrong one is reported with its key,
//! its place and what would be accepted. An arm that a file names stands below the file's own keys;
//! an arm given as a flag stands above them, since whoever types it means it.

mod error;
pub mod form;
mod layer;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::PathBuf;

pub use error::SpecError;

use crate::domain::source::hub_name::HubName;
use crate::domain::spec::{CHAT_TEMPLATES, ExperimentSpec, NONE};
use layer::{Assignment, Origin};

/// The default spec, with a comment for every key.
pub const DEFAULT: &str = include_str!("../../assets/default.toml");

/// The known recipes and the keys they set.
const ARMS: [(&str, &str); 7] = [
    ("ser", include_str!("../../assets/arms/ser.toml")),
    ("seed-only", include_str!("../../assets/arms/seed-only.toml")),
    ("full-labels", include_str!("../../assets/arms/full-labels.toml")),
    ("naive", include_str!("../../assets/arms/naive.toml")),
    ("confidence", include_str!("../../assets/arms/confidence.toml")),
    ("ser-paper", include_str!("../../assets/arms/ser-paper.toml")),
    ("ser-code", include_str!("../../assets/arms/ser-code.toml")),
];

/// A spec, or what is wrong with it.
pub type SpecResult<T = ()> = Result<T, SpecError>;

/// A key this dissimilar to every valid one is not a misspelling of any.
const SIMILARITY_MIN: f64 = 0.6;

/// What the keys of a spec are written over.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Base {
    /// The default spec alone.
    #[default]
    Default,
    /// A spec file, which is read when the spec is resolved.
    File(PathBuf),
    /// The text of a spec file; mistakes in it are told as of `spec.toml`.
    Text(String),
}

/// The base of an input that names none.
static DEFAULT_BASE: Base = Base::Default;

/// What the person gave for one run.
#[derive(Debug, Clone, Copy)]
pub struct SpecInput<'a> {
    /// The layer above the default.
    pub base: &'a Base,
    /// An arm given as a flag.
    pub arm: Option<&'a str>,
    /// `key=value` arguments.
    pub sets: &'a [String],
    /// A random seed given as a flag.
    pub rng_seed: Option<u64>,
}

impl Default for SpecInput<'_> {
    fn default() -> Self {
        Self { base: &DEFAULT_BASE, arm: None, sets: &[], rng_seed: None }
    }
}

/// What the person gave for several runs: one for each arm and random seed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SpecSet {
    /// The layer above the default.
    pub base: Base,
    /// The arms; without one the base says which.
    pub arms: Vec<String>,
    /// The random seeds; without one the base says which.
    pub rng_seeds: Vec<u64>,
    /// `key=value` arguments for every run.
    pub sets: Vec<String>,
}

impl SpecSet {
    /// Resolves every spec. The arms of a random seed stand together, so that they can share their
    /// first round, and those that match the steps of others come last.
    ///
    /// # Errors
    /// As [`resolve`]; when a random seed stands there twice.
    pub fn resolve(&self) -> SpecResult<Vec<ExperimentSpec>> {
        let mut seen = std::collections::BTreeSet::new();
        if let Some(twice) = self.rng_seeds.iter().find(|rng_seed| !seen.insert(**rng_seed)) {
            return Err(SpecError::refused(format!("`--rng-seeds` holds {twice} twice"))
                .with_hint("the same random seed gives the same run"));
        }
        let mut specs = Vec::new();
        for rng_seed in or_none(self.rng_seeds.iter().copied()) {
            let mut of_seed = Vec::new();
            for arm in or_none(self.arms.iter().map(String::as_str)) {
                let input = SpecInput { base: &self.base, arm, sets: &self.sets, rng_seed };
                of_seed.push(resolve(&input)?);
            }
            of_seed.sort_by_key(|spec| spec.train.match_steps != NONE);
            specs.extend(of_seed);
        }
        Ok(specs)
    }
}

/// Each value, or once `None` when there is none.
fn or_none<T>(values: impl Iterator<Item = T>) -> Vec<Option<T>> {
    let values: Vec<_> = values.map(Some).collect();
    if values.is_empty() { vec![None] } else { values }
}

/// Puts the layers together and checks every value.
///
/// # Errors
/// The first unknown key, wrong type or value out of range, with its place.
pub fn resolve(input: &SpecInput<'_>) -> SpecResult<ExperimentSpec> {
    let file = match input.base {
        Base::Default => Vec::new(),
        Base::File(path) => layer::read_file(path)?,
        Base::Text(text) => {
            layer::parse(text, |line| Origin::File { path: "spec.toml".into(), line })?
        }
    };
    let sets =
        input.sets.iter().map(|set| layer::parse_set(set)).collect::<SpecResult<Vec<_>>>()?;
    let mut draft = Draft::new()?;
    let flag = input.arm.map(known_arm).transpose()?;
    let named = file.iter().chain(&sets).rev().find(|a| a.key == "arm");
    if let Some(name) = named.and_then(|assignment| assignment.value.as_str())
        && flag.is_none()
        && let Ok(arm) = known_arm(name)
    {
        draft.apply_all(arm_layer(arm)?)?;
    }
    draft.apply_all(file)?;
    if let Some(arm) = flag {
        draft.apply_all(arm_layer(arm)?)?;
    }
    draft.apply_all(sets)?;
    if let Some(rng_seed) = input.rng_seed {
        draft.apply(Assignment {
            key: "rng_seed".into(),
            value: toml::Value::Integer(rng_seed as i64),
            written: rng_seed.to_string(),
            origin: Origin::Flag(format!("--rng-seeds {rng_seed}")),
        })?;
    }
    draft.finish().map(with_test_source)
}

/// Says what `data.test = "auto"` means for this source, so that a stored spec says it too.
fn with_test_source(mut spec: ExperimentSpec) -> ExperimentSpec {
    if spec.data.test == "auto" {
        let test = if spec.data.source.is_embedded() { "embedded" } else { "split" };
        test.clone_into(&mut spec.data.test);
    }
    spec
}

/// The spec as a file a person can run again.
///
/// # Errors
/// When a value has no TOML form.
pub fn to_toml(spec: &ExperimentSpec) -> SpecResult<String> {
    toml::to_string(spec)
        .map_err(|error| SpecError::refused(format!("cannot write the spec: {error}")))
}

/// The same spec with paths that mean the same from every folder.
#[must_use]
pub fn with_absolute_paths(mut spec: ExperimentSpec) -> ExperimentSpec {
    let absolute = |path: &str, words: &[&str]| {
        if words.contains(&path) || HubName::is_meant(path) {
            return path.to_owned();
        }
        std::path::absolute(path).map_or_else(|_| path.to_owned(), |p| p.display().to_string())
    };
    spec.model.backbone = absolute(&spec.model.backbone, &["embedded", "mock"]);
    spec.model.chat_template = absolute(&spec.model.chat_template, &CHAT_TEMPLATES);
    spec.data.test = absolute(&spec.data.test, &["embedded", "split"]);
    spec.data.source = spec.data.source.map(|source| absolute(source, &["embedded"]));
    spec
}

/// The most similar of some words, if one is similar enough to be meant.
pub fn nearest<'a>(wanted: &str, words: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    words
        .into_iter()
        .map(|word| (strsim::jaro_winkler(wanted, word), word))
        .filter(|(similarity, _)| *similarity >= SIMILARITY_MIN)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, word)| word)
}

fn known_arm(name: &str) -> SpecResult<&'static str> {
    ARMS.iter().map(|(arm, _)| *arm).find(|arm| *arm == name).ok_or_else(|| {
        let names: Vec<_> = ARMS.iter().map(|(arm, _)| format!("`{arm}`")).collect();
        SpecError::refused(format!("there is no arm `{name}`"))
            .with_hint(format!("known arms: {}", names.join(", ")))
    })
}

fn arm_layer(name: &'static str) -> SpecResult<Vec<Assignment>> {
    let text = ARMS.iter().find(|(arm, _)| *arm == name).map_or("", |(_, text)| text);
    let origin = || Origin::Arm(name.to_owned());
    let mut layer = layer::parse(text, |_| origin())?;
    layer.push(Assignment {
        key: "arm".into(),
        value: toml::Value::String(name.to_owned()),
        written: name.to_owned(),
        origin: origin(),
    });
    Ok(layer)
}

/// A spec under construction: always complete, since it starts from the default.
struct Draft {
    table: toml::Table,
    spec: ExperimentSpec,
    /// Every valid key with its default value.
    defaults: BTreeMap<String, toml::Value>,
    origins: BTreeMap<String, Origin>,
}

impl Draft {
    fn new() -> SpecResult<Self> {
        let broken =
            |error: toml::de::Error| SpecError::refused(format!("the default spec: {error}"));
        let table: toml::Table = toml::from_str(DEFAULT).map_err(broken)?;
        let spec = toml::from_str(DEFAULT).map_err(broken)?;
        let defaults = layer::parse(DEFAULT, |_| Origin::Default)?
            .into_iter()
            .map(|assignment| (assignment.key, assignment.value))
            .collect();
        Ok(Self { table, spec, defaults, origins: BTreeMap::new() })
    }

    fn apply_all(&mut self, layer: Vec<Assignment>) -> SpecResult {
        layer.into_iter().try_for_each(|assignment| self.apply(assignment))
    }

    fn apply(&mut self, assignment: Assignment) -> SpecResult {
        let Assignment { key, value, written, origin } = assignment;
        let Some(default) = self.defaults.get(&key) else {
            return Err(self.unknown_key(&key, &written, &origin));
        };
        let mut table = self.table.clone();
        insert(&mut table, &key, value);
        match table.clone().try_into::<ExperimentSpec>() {
            Ok(spec) => {
                self.table = table;
                self.spec = spec;
                self.origins.insert(key, origin);
                Ok(())
            }
            Err(error) => {
                let expected = expected(&key, default, error.message());
                let message = format!("`{key}` is {written} in {origin}, expected {expected}");
                Err(SpecError::refused(message)
                    .with_hint(format!("for example `{key} = {default}`")))
            }
        }
    }

    fn unknown_key(&self, key: &str, written: &str, origin: &Origin) -> SpecError {
        let prefix = format!("{key}.");
        if let Some((inner, default)) = self.defaults.iter().find(|(k, _)| k.starts_with(&prefix)) {
            let message = format!("`{key}` is {written} in {origin}, expected a section of keys");
            return SpecError::refused(message)
                .with_hint(format!("for example `{inner} = {default}`"));
        }
        let message = format!("unknown key `{key}` in {origin}");
        let words = self.defaults.keys().map(String::as_str);
        // A key in the wrong section is closer by its last part than as a whole.
        let last = key.rsplit('.').next().unwrap_or(key);
        let same_name = self.defaults.keys().find(|k| k.rsplit('.').next() == Some(last));
        let hint = match same_name.map(String::as_str).or_else(|| nearest(key, words)) {
            Some(word) => format!("did you mean `{word}`?"),
            None => "`ser run --print-spec` lists every key".to_owned(),
        };
        SpecError::refused(message).with_hint(hint)
    }

    fn finish(self) -> SpecResult<ExperimentSpec> {
        let Err(error) = self.spec.validate() else { return Ok(self.spec) };
        let place = match self.origins.get(error.key) {
            None | Some(Origin::Default) => String::new(),
            Some(origin) => format!(" in {origin}"),
        };
        let message =
            format!("`{}` is {}{place}, which is not {}", error.key, error.value, error.expected);
        let hint = self.defaults.get(error.key).map_or_else(String::new, |default| {
            format!("the default is `{} = {default}`", error.key)
        });
        Err(SpecError::refused(message).with_hint(hint))
    }
}

fn insert(table: &mut toml::Table, key: &str, value: toml::Value) {
    match key.split_once('.') {
        None => {
            table.insert(key.to_owned(), value);
        }
        Some((section, rest)) => {
            if let Some(toml::Value::Table(inner)) = table.get_mut(section) {
                insert(inner, rest, value);
            }
        }
    }
}

/// What a key accepts, in words, from its default and from what serde said about the wrong value.
fn expected(key: &str, default: &toml::Value, message: &str) -> String {
    if let Some((_, variants)) = message.split_once("unknown variant") {
        return variants.split_once("expected ").map_or(variants, |(_, list)| list).to_owned();
    }
    match key {
        "data.seed_labels" | "selection.min_selected" => {
            "a share such as 0.15, or a count such as 300"
        }
        "data.source" => "a text, a list of texts, or a list of `{ path, weight, cap }`",
        "data.columns.a"
        | "data.columns.b"
        | "data.columns.label"
        | "data.columns.values"
        | "data.columns.score" => "a text, or a list of texts",
        _ => match default {
            toml::Value::Integer(_) => "a whole number, 0 or more",
            toml::Value::Float(_) => "a number",
            toml::Value::Boolean(_) => "`true` or `false`",
            _ => "a text",
        },
    }
    .to_owned()
}
