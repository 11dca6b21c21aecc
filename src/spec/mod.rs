//! From layers to a validated [`ExperimentSpec`]: default, arm, file, `--arm`, `--set`, `--rng-seeds`.
//!
//! Each assignment is applied and checked on its own, so that a wrong one is reported with its key,
//! its place and what would be accepted. An arm that a file names stands below the file's own keys;
//! an arm given as a flag stands above them, since whoever types it means it.

mod commented;
mod error;
pub mod form;
mod layer;
mod of_policy;
mod recipe;

pub use commented::commented;
use error::refuse;
pub use error::{SpecError, SpecResult};
use layer::{Assignment, Origin};
pub use recipe::{ArmHelp, RecipeChange, about_arm, arms, changes, is_locked};
use std::collections::BTreeMap;
use std::path::Path;

use crate::domain::policy::settings::ObjectiveName;
use crate::domain::run::RunKind;
use crate::domain::source::hub_name::HubName;
use crate::domain::spec::{CHAT_TEMPLATES, ExperimentSpec, recipe_of_arm};

/// The default spec, with a comment for every key.
pub const DEFAULT: &str = include_str!("../../assets/default.toml");

/// The keys that a policy run has beside them, with a comment for every key.
pub const POLICY: &str = include_str!("../../assets/policy.toml");

/// The value of `data.test` that depends on the source.
const AUTOMATIC: &str = "auto";

/// The similarity below which a word does not count as a misspelling of a key or a value.
const SIMILARITY_MIN: f64 = 0.6;

/// What the person gave.
#[derive(Debug, Clone, Copy, Default)]
pub struct SpecInput<'a> {
    pub file: Option<&'a Path>,
    /// An arm given as a flag.
    pub arm: Option<&'a str>,
    /// All arms of the same request, to which a `--set ARM:key=value` may speak.
    pub beside: &'a [&'a str],
    /// `key=value` arguments.
    pub sets: &'a [String],
    /// A random seed given as a flag.
    pub rng_seed: Option<u64>,
}

/// Puts the layers together and checks every value.
///
/// # Errors
/// The first unknown key, wrong type or value out of range, with its place; a locked key of a recipe.
pub fn resolve(input: &SpecInput<'_>) -> SpecResult<ExperimentSpec> {
    let file = input.file.map(layer::read_file).transpose()?.unwrap_or_default();
    put_together(file, input)
}

/// As [`resolve`], with the assignments of the file at hand.
fn put_together(file: Vec<Assignment>, input: &SpecInput<'_>) -> SpecResult<ExperimentSpec> {
    let sets =
        input.sets.iter().map(|set| layer::parse_set(set)).collect::<SpecResult<Vec<_>>>()?;
    let objective = of_policy::objective(&file, &sets);
    let file = of_policy::without_defaults(file, objective);
    let mut draft = Draft::new(objective)?;
    let flag = input.arm.map(recipe::known).transpose()?;
    let named = file.iter().chain(&sets).rev().find(|a| a.key == "arm");
    let named = named.and_then(|assignment| assignment.value.as_str()).map(str::to_owned);
    if let Some(arm) = named.as_deref().and_then(|name| recipe::known(name).ok())
        && flag.is_none()
    {
        draft.apply_all(recipe::layer(arm)?)?;
    }
    draft.apply_all(file)?;
    if let Some(arm) = flag {
        draft.apply_all(recipe::layer(arm)?)?;
    }
    let arm = flag.map_or_else(|| named.unwrap_or_else(|| draft.spec.arm.clone()), str::to_owned);
    let arm = recipe_of_arm(&arm);
    let own = [arm];
    let beside = if input.beside.is_empty() { own.as_slice() } else { input.beside };
    recipe::check_scopes(&sets, beside)?;
    let is_own = |set: &Assignment| set.arm.as_deref().is_none_or(|it| it == arm);
    let sets: Vec<Assignment> = sets.into_iter().filter(is_own).collect();
    let sets_key = |key: &str| sets.iter().any(|set| set.key == key);
    // A stored spec says what `auto` meant for its own source. With another source it is `auto` again:
    // else a run on a person's pairs would be tested on the embedded ones.
    if sets_key("data.source")
        && !sets_key("data.test")
        && draft.spec.data.test == automatic_test(&draft.spec)
    {
        draft.apply(Assignment {
            key: "data.test".into(),
            value: toml::Value::String(AUTOMATIC.into()),
            written: AUTOMATIC.into(),
            origin: Origin::Default,
            arm: None,
        })?;
    }
    draft.apply_all(sets)?;
    if let Some(rng_seed) = input.rng_seed {
        draft.apply(Assignment {
            key: "rng_seed".into(),
            value: toml::Value::Integer(rng_seed as i64),
            written: rng_seed.to_string(),
            origin: Origin::Flag(format!("--rng-seeds {rng_seed}")),
            arm: None,
        })?;
    }
    draft.finish(beside).map(with_test_source)
}

/// Replaces `data.test = "auto"` by what it means for this source, so that a stored spec says it.
fn with_test_source(mut spec: ExperimentSpec) -> ExperimentSpec {
    if spec.data.test == AUTOMATIC {
        automatic_test(&spec).clone_into(&mut spec.data.test);
    }
    spec
}

/// What `data.test = "auto"` means for the source of a spec.
fn automatic_test(spec: &ExperimentSpec) -> &'static str {
    if spec.data.source.is_embedded() { "embedded" } else { "split" }
}

/// The spec as a file a person can run again.
///
/// # Errors
/// When a value has no TOML form.
pub fn to_toml(spec: &ExperimentSpec) -> SpecResult<String> {
    toml::to_string(spec).map_err(|error| refuse(format!("cannot write the spec: {error}")))
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
    if std::path::Path::new(&spec.pool.policy).is_dir() {
        spec.pool.policy = absolute(&spec.pool.policy, &["embedded"]);
    }
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

/// A spec under construction: always complete, since it starts from the default.
struct Draft {
    table: toml::Table,
    spec: ExperimentSpec,
    /// Every valid key with its default value.
    defaults: BTreeMap<String, toml::Value>,
    origins: BTreeMap<String, Origin>,
}

impl Draft {
    /// The default spec; with an objective that of a policy run.
    fn new(objective: Option<ObjectiveName>) -> SpecResult<Self> {
        let broken = |error: toml::de::Error| refuse(format!("the default spec: {error}"));
        let mut table: toml::Table = toml::from_str(DEFAULT).map_err(broken)?;
        let mut defaults: BTreeMap<String, toml::Value> =
            layer::parse(DEFAULT, |_| Origin::Default)?
                .into_iter()
                .map(|assignment| (assignment.key, assignment.value))
                .collect();
        defaults.extend(of_policy::defaults(objective.unwrap_or_default())?);
        if let Some(objective) = objective {
            table.insert("kind".to_owned(), toml::Value::String(RunKind::Policy.name().to_owned()));
            table.insert("policy".to_owned(), of_policy::table(objective)?);
        }
        let spec = table.clone().try_into().map_err(broken)?;
        Ok(Self { table, spec, defaults, origins: BTreeMap::new() })
    }

    fn apply_all(&mut self, layer: Vec<Assignment>) -> SpecResult {
        layer.into_iter().try_for_each(|assignment| self.apply(assignment))
    }

    fn apply(&mut self, assignment: Assignment) -> SpecResult {
        let Assignment { key, value, written, origin, arm: _ } = assignment;
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
                Err(refuse(message).with_hint(format!("for example `{key} = {default}`")))
            }
        }
    }

    fn unknown_key(&self, key: &str, written: &str, origin: &Origin) -> SpecError {
        let prefix = format!("{key}.");
        if let Some((inner, default)) = self.defaults.iter().find(|(k, _)| k.starts_with(&prefix)) {
            let message = format!("`{key}` is {written} in {origin}, expected a section of keys");
            return refuse(message).with_hint(format!("for example `{inner} = {default}`"));
        }
        let message = format!("unknown key `{key}` in {origin}");
        // Keys of a policy are meant where there is one alone.
        let is_meant = |word: &&String| {
            self.spec.policy.is_some() || key.starts_with("policy.") || !word.starts_with("policy.")
        };
        let words = self.defaults.keys().filter(is_meant).map(String::as_str);
        // A key in the wrong section is closer by its last part than as a whole.
        let last = key.rsplit('.').next().unwrap_or(key);
        let same_name =
            self.defaults.keys().filter(is_meant).find(|k| k.rsplit('.').next() == Some(last));
        let hint = match same_name.map(String::as_str).or_else(|| nearest(key, words)) {
            Some(word) => format!("did you mean `{word}`?"),
            None => "`ser run --print-spec` lists every key".to_owned(),
        };
        refuse(message).with_hint(hint)
    }

    /// The whole spec, checked; `beside` are all arms that were asked for.
    fn finish(self, beside: &[&str]) -> SpecResult<ExperimentSpec> {
        let Err(error) = self.spec.validate() else {
            return recipe::named(self.spec, |key| self.origins.get(key), beside);
        };
        let place = match self.origins.get(error.key) {
            None | Some(Origin::Default) => String::new(),
            Some(origin) => format!(" in {origin}"),
        };
        let message = error.sentence(&place);
        if error.key == "pool.policy" {
            return Err(refuse(message).with_hint(
                "name a policy run (`ser policy` starts one) or a directory: `--set pool.policy=NAME`",
            ));
        }
        if error.key.starts_with("data.columns.") {
            return Err(refuse(message).with_hint(
                "set `data.columns.a` to a column; `ser data check SOURCE` proposes one",
            ));
        }
        let hint = self.defaults.get(error.key).map_or_else(String::new, |default| {
            format!("the default is `{} = {default}`", error.key)
        });
        Err(refuse(message).with_hint(hint))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::spec::{
        Amount, CalibrationName, DropAction, PoolLabels, PseudoTargets, SecondView,
    };

    fn from_text(text: &str, arm: Option<&str>, sets: &[&str]) -> SpecResult<ExperimentSpec> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.toml");
        std::fs::write(&path, text).unwrap();
        let sets: Vec<String> = sets.iter().map(|set| (*set).to_owned()).collect();
        resolve(&SpecInput { file: Some(&path), arm, sets: &sets, ..SpecInput::default() })
    }

    fn message(text: &str, sets: &[&str]) -> (String, String) {
        let error = from_text(text, None, sets).unwrap_err();
        let text = error.to_string();
        let start = text.find('`').unwrap();
        (text[start..].to_owned(), error.hint().unwrap())
    }

    #[test]
    fn the_default_holds_every_key_and_is_valid() {
        let spec = resolve(&SpecInput::default()).unwrap();
        spec.validate().unwrap();
        let keys = |text: &str| -> Vec<String> {
            layer::parse(text, |_| Origin::Default).unwrap().into_iter().map(|a| a.key).collect()
        };
        // The one kind there is goes without saying.
        let all: Vec<String> = keys(DEFAULT).into_iter().filter(|key| key != "kind").collect();
        assert_eq!(all, keys(&to_toml(&spec).unwrap()));
    }

    #[test]
    fn a_kind_that_is_not_there_is_refused_with_the_list() {
        assert!(from_text("kind = \"ser\"\n", None, &["kind=ser"]).is_ok());
        let (message, hint) = message("kind = \"trial\"\n", &[]);
        assert!(
            message.contains("trial") && format!("{message} {hint}").contains("`ser` or `policy`"),
            "{message} {hint}"
        );
    }

    #[test]
    fn every_arm_is_valid_and_ours_is_the_default() {
        for arm in arms() {
            let spec = resolve(&SpecInput { arm: Some(arm), ..SpecInput::default() }).unwrap();
            assert_eq!(spec.arm, arm);
        }
        let ours = resolve(&SpecInput { arm: Some("ser"), ..SpecInput::default() }).unwrap();
        assert_eq!(ours, resolve(&SpecInput::default()).unwrap());
    }

    #[test]
    fn an_arm_of_others_has_none_of_our_parts() {
        for arm in ["confidence", "naive", "ser-paper", "ser-code"] {
            let spec = resolve(&SpecInput { arm: Some(arm), ..SpecInput::default() }).unwrap();
            assert_eq!(spec.selection.calibration, CalibrationName::None, "{arm}");
            assert_eq!(spec.selection.second_view, SecondView::None, "{arm}");
            assert!(!spec.selection.cross_fits(), "{arm}");
            assert_eq!(spec.train.pseudo_targets, PseudoTargets::Hard, "{arm}");
            assert_eq!(spec.rounds.on_drop, DropAction::Ignore, "{arm}");
            let rounds = &spec.rounds;
            assert_eq!(rounds.chance_level, 0.0, "{arm}");
            assert_eq!(rounds.one_sided_max, 1.0, "{arm}");
        }
    }

    #[test]
    fn a_resolved_spec_is_the_same_spec_again() {
        let spec = from_text("[train]\nlearning_rate = 1e-4", Some("seed-only"), &[]).unwrap();
        let text = to_toml(&spec).unwrap();
        assert!(text.contains("learning_rate = 0.0001\n"), "{text}");
        assert_eq!(from_text(&text, None, &[]).unwrap(), spec);
    }

    #[test]
    fn a_mixture_and_columns_are_the_same_again() {
        let text = "[[data.source]]\npath = \"a\"\nweight = 2.0\n[[data.source]]\npath = \"b\"\n\
                    weight = 1.0\ncap = 5\n[data.columns]\na = [\"x\", \"y\"]\n";
        let spec = from_text(text, None, &["data.columns.prompt=q"]).unwrap();
        assert_eq!(spec.data.source.parts()[1].cap, 5);
        assert_eq!(spec.data.columns.a.list(), ["x", "y"]);
        assert_eq!(from_text(&to_toml(&spec).unwrap(), None, &[]).unwrap(), spec);
        let (message, _) = message("[data]\nsource = [{path = \"a\", wight = 1}]", &[]);
        assert!(message.ends_with("or a list of `{ path, weight, cap }`"), "{message}");
    }

    #[test]
    fn a_spec_without_the_newer_keys_still_loads() {
        let spec = resolve(&SpecInput::default()).unwrap();
        let mut table: toml::Table = toml::from_str(&to_toml(&spec).unwrap()).unwrap();
        let data = table.get_mut("data").and_then(toml::Value::as_table_mut).unwrap();
        assert!(data.remove("columns").is_some() && data.remove("pairs_per_record").is_some());
        let old: ExperimentSpec = table.try_into().unwrap();
        assert_eq!(old, spec);
    }

    #[test]
    fn another_source_is_tested_on_its_own_pairs() {
        let stored = to_toml(&resolve(&SpecInput::default()).unwrap()).unwrap();
        assert!(stored.contains("test = \"embedded\""), "{stored}");
        let test = |text: &str, sets: &[&str]| from_text(text, None, sets).unwrap().data.test;
        assert_eq!(test(&stored, &["data.source=mine.jsonl"]), "split");
        assert_eq!(test(&stored, &["data.source=mine.jsonl", "data.test=embedded"]), "embedded");
        assert_eq!(test(&stored, &["train.epochs=2"]), "embedded");
        let own = "[data]\nsource = \"mine.jsonl\"\ntest = \"held_out.jsonl\"\n";
        assert_eq!(test(own, &["data.source=other.jsonl"]), "held_out.jsonl");
        assert_eq!(
            test(&own.replace("held_out.jsonl", "split"), &["data.source=embedded"]),
            "embedded"
        );
    }

    #[test]
    fn later_layers_win() {
        let file = "[rounds]\nmax = 5\n[data]\nseed_labels = 300\n";
        let spec = from_text(file, None, &["rng_seed=9", "data.source=[\"a\", \"b\"]"]).unwrap();
        assert_eq!((spec.rounds.max, spec.rng_seed), (5, 9));
        assert_eq!(spec.data.seed_labels, Amount::Count(300));
        assert_eq!(spec.data.source.to_string(), "a, b");
        assert_eq!(from_text(file, Some("seed-only"), &[]).unwrap().rounds.max, 0);
        assert_eq!(from_text(file, Some("confidence"), &["rounds.max=1"]).unwrap().rounds.max, 1);
        let named = from_text("arm = \"full-labels\"", None, &[]).unwrap();
        assert_eq!(named.rounds.pool_labels, PoolLabels::Human);
        assert_eq!(from_text("arm = \"mine\"", None, &[]).unwrap().arm, "mine");
    }

    #[test]
    fn an_unknown_key_names_its_line_and_the_nearest() {
        let (text, hint) = message("rng_seed = 1\n\n[train]\nlearnng_rate = 1e-4", &[]);
        assert!(text.starts_with("`train.learnng_rate` in `"), "{text}");
        assert!(text.ends_with("x.toml` line 4"), "{text}");
        assert_eq!(hint, "did you mean `train.learning_rate`?");
        assert_eq!(message("epochs = 1", &[]).1, "did you mean `train.epochs`?");
        assert_eq!(message("", &["zzzzz=1"]).1, "`ser run --print-spec` lists every key");
    }

    #[test]
    fn a_wrong_type_names_value_and_expectation() {
        for (text, expect) in [
            (
                "[train]\nepochs = 2.5",
                "`train.epochs` is 2.5 in PLACE 2, expected a whole number, 0 or more",
            ),
            (
                "[train]\nepochs = -1",
                "`train.epochs` is -1 in PLACE 2, expected a whole number, 0 or more",
            ),
            (
                "[train]\nschedule = \"liner\"",
                "`train.schedule` is \"liner\" in PLACE 2, expected one of `linear`, `cosine`, `constant`",
            ),
            ("train = 3", "`train` is 3 in PLACE 1, expected a section of keys"),
            (
                "rng_seed = \"x\"",
                "`rng_seed` is \"x\" in PLACE 1, expected a whole number, 0 or more",
            ),
            (
                "[data]\nseed_labels = \"few\"",
                "`data.seed_labels` is \"few\" in PLACE 2, expected a share such as 0.15, or a count such as 300",
            ),
        ] {
            let found = message(text, &[]).0;
            let (head, tail) = expect.split_once("PLACE").unwrap();
            assert!(
                found.starts_with(head) && found.ends_with(&format!("x.toml` line{tail}")),
                "{found}"
            );
        }
    }

    #[test]
    fn a_value_out_of_range_names_its_line() {
        let (text, hint) = message("[data]\n\nseed_labels = 0\n", &[]);
        assert!(text.starts_with("`data.seed_labels` is 0 in `"), "{text}");
        assert!(text.contains("x.toml` line 3, which is not a share above 0"), "{text}");
        assert_eq!(hint, "the default is `data.seed_labels = 0.15`");
        let (text, _) = message("", &["data.seed_labels=1.5"]);
        assert!(text.contains("is 1.5 in `--set data.seed_labels=1.5`"), "{text}");
    }

    #[test]
    fn an_unknown_arm_lists_the_known_ones() {
        let error = from_text("", Some("sed-only"), &[]).unwrap_err();
        assert_eq!(
            error.hint().unwrap(),
            "known arms: `ser`, `seed-only`, `full-labels`, `naive`, `confidence`, `ser-paper`, \
             `ser-code`"
        );
    }
}
