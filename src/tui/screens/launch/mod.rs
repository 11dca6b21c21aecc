//! The launch screen: a form that starts runs.
//!
//! The form is a list of rows: name, arms, random seeds, then every key of a spec. It starts from the
//! default spec or from a past run, and what it would start is always the command a shell would take:
//! [`Launch::request`] is both what `y` copies and what Ctrl-s runs.

pub mod command;
mod estimate;
pub mod find;
pub mod keys;
pub mod layout;
mod of_policy;
pub mod open;
pub mod refuse;
#[cfg(test)]
mod tests;
pub mod update;
pub mod view;

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::domain::run::RunId;
use crate::domain::spec::ExperimentSpec;
use crate::launch::MemoryNeed;
use crate::launch::presets::Preset;
use crate::launch::{Base, Request};
use crate::spec;
use crate::spec::form;
use crate::tui::feed::data::{Costs, PastRun};
use crate::tui::kit::command_line::command_line;

/// The keys that most runs change; the form begins with them.
const USUAL: [&str; 12] = [
    "model.backbone",
    "data.source",
    "data.seed_labels",
    "data.limit",
    "rounds.max",
    "selection.rule",
    "selection.min_selected",
    "train.learning_rate",
    "train.batch_pairs",
    "train.epochs",
    "review.mode",
    "model.tuning",
];

/// The state of the screen.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Launch {
    /// The run whose spec the form starts from; `None` is the default spec.
    pub from: Option<RunId>,
    pub from_name: String,
    /// The spec of `from` is not here yet.
    pub is_waiting: bool,
    /// What is asked for is a policy that `from` rewards.
    pub wants_policy: bool,
    /// The text of the spec the form starts from; `None` is the default spec.
    base: Option<String>,
    /// `key=value` that make a policy of that spec; empty for any other form.
    policy: Vec<String>,
    /// The objective whose numbers the rows of the policy hold.
    objective: String,
    /// What is filled in.
    pub rows: Vec<FormRow>,
    /// Index of the selected row.
    pub cursor: usize,
    /// Rows scrolled off the top.
    pub offset: usize,
    /// The spec that would run, or what is wrong with it as a whole.
    pub checked: Option<Result<ExperimentSpec, String>>,
    /// The same as a spec file: asked for with every message, made with every change.
    text: Option<String>,
    /// Finished runs, for the estimate.
    pub past: Vec<PastRun>,
    /// Free bytes where runs are kept.
    pub n_free: Option<u64>,
    /// What the spec needs in memory.
    pub memory: Option<MemoryNeed>,
    /// Specs kept under a name.
    pub presets: Vec<Preset>,
    /// The file of the preset the form starts from.
    pub preset: Option<PathBuf>,
    /// What a row was looked for by.
    pub found: String,
    /// The latest dry run.
    pub dry_run: Option<String>,
    /// The command line of the runs that were started last.
    pub started: Option<String>,
}

/// What a row fills in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RowKey {
    /// The name of the run.
    Name,
    /// The recipes, a run each.
    Arms,
    /// The random seeds, a run each.
    RngSeeds,
    /// A key of the spec.
    Spec(String),
}

/// One row of the form.
#[derive(Debug, Clone, PartialEq)]
pub struct FormRow {
    /// What it fills in.
    pub key: RowKey,
    pub value: String,
    /// The value of the spec the form starts from.
    pub before: String,
    pub help: String,
    /// The values it may have, where they can be listed.
    pub choices: Vec<String>,
    /// What is wrong with the value.
    pub problem: Option<String>,
}

impl FormRow {
    /// What the form calls it.
    pub fn label(&self) -> &str {
        match &self.key {
            RowKey::Name => "name",
            RowKey::Arms => "arms",
            RowKey::RngSeeds => "random seeds",
            RowKey::Spec(key) => key,
        }
    }

    /// Whether it differs from where the form started.
    pub fn is_changed(&self) -> bool {
        self.value != self.before
    }
}

impl Launch {
    /// A form that starts from the default spec, or from the text of another.
    pub fn new(base: Option<String>) -> Self {
        Self::of_policy(base, Vec::new())
    }

    /// A form that starts from the text of a spec with `key=value` that make a policy of it.
    pub fn of_policy(base: Option<String>, policy: Vec<String>) -> Self {
        let mut launch = Self { base, policy, ..Self::default() };
        launch.fill();
        launch.check();
        launch
    }

    /// What the data thread found out for the estimate.
    pub fn take_costs(&mut self, costs: Costs) {
        let Costs { past, n_free, memory, presets } = costs;
        (self.past, self.n_free, self.memory, self.presets) = (past, n_free, memory, presets);
    }

    /// Takes over what does not depend on where the form starts.
    fn known_from(&mut self, before: Self) {
        self.past = before.past;
        self.n_free = before.n_free;
        self.presets = before.presets;
    }

    /// Whether it holds values that no run was started with.
    pub fn holds_edits(&self) -> bool {
        self.rows.iter().any(FormRow::is_changed)
            && self.started.as_deref() != Some(self.command().as_str())
    }

    /// Rows with the values of the spec the form starts from.
    fn fill(&mut self) {
        let Ok(spec) = form::check(self.base.as_deref(), &[], &self.policy) else { return };
        // A preset may hold a few keys, and its arm may bring others: the form shows the whole spec.
        let whole = self.base.as_ref().and_then(|_| spec::to_toml(&spec).ok());
        let values = form::values(whole.as_deref()).unwrap_or_default();
        let row = |key, value: &str, help: &str, choices: Vec<String>| FormRow {
            key,
            value: value.to_owned(),
            before: value.to_owned(),
            help: help.to_owned(),
            choices,
            problem: None,
        };
        let arms = spec::arms().map(str::to_owned).collect();
        self.rows = vec![
            row(
                RowKey::Name,
                "",
                "of the run, or of the experiment where several start; empty: one is made up",
                Vec::new(),
            ),
            row(RowKey::Arms, &spec.arm, "a run for each: `ser, seed-only`", arms),
            row(
                RowKey::RngSeeds,
                &spec.rng_seed.to_string(),
                "a run for each: `1, 2, 3`",
                Vec::new(),
            ),
        ];
        let mut keys = form::keys().unwrap_or_default();
        // A run of another kind has no policy to set.
        keys.retain(|help| spec.policy.is_some() || !of_policy::is_its_key(&help.key));
        // Stable: what is seldom changed keeps the order of the default spec.
        keys.sort_by_key(|help| {
            // Who starts a policy sets that; what its reward model was trained with is there already.
            let is_of_policy = of_policy::is_its_key(&help.key);
            let usual = USUAL.iter().position(|usual| *usual == help.key).unwrap_or(USUAL.len());
            (!is_of_policy, usual)
        });
        for help in keys {
            let value = values.iter().find(|(key, _)| *key == help.key);
            let value = value.map_or(String::new(), |(_, value)| bare(value));
            self.rows.push(row(RowKey::Spec(help.key), &value, &help.help, help.choices));
        }
    }

    /// Checks every row and the spec as a whole, as `ser run` would.
    pub fn check(&mut self) {
        self.rebase();
        let base = self.base.as_deref();
        let (arms, seeds) = (self.arms(), self.rng_seeds());
        for row in &mut self.rows {
            row.problem = match &row.key {
                RowKey::Arms => unknown_arm(&row.value, &row.before),
                RowKey::RngSeeds => seeds.as_ref().err().cloned(),
                RowKey::Spec(key) if row.value != row.before => {
                    // Only its own type: ranges that hold together are checked together below.
                    let set = format!("{key}={}", row.value);
                    form::check_type(&set).err().map(|error| form::problem(&error))
                }
                RowKey::Name | RowKey::Spec(_) => None,
            };
        }
        let arms: Vec<&str> = arms.iter().map(String::as_str).collect();
        let checked = form::check(base, &arms, &self.sets());
        if let Err(error) = &checked {
            let text = error.to_string();
            let is_named = |row: &&mut FormRow| match &row.key {
                RowKey::Spec(key) => text.starts_with(&format!("`{key}` is ")),
                RowKey::Name | RowKey::Arms | RowKey::RngSeeds => false,
            };
            let row = self.rows.iter_mut().find(is_named);
            if let Some(row) = row.filter(|row| row.problem.is_none()) {
                row.problem = Some(form::problem(error));
            }
        }
        self.text = checked.as_ref().ok().and_then(|spec| spec::to_toml(spec).ok());
        self.checked = Some(checked.map_err(|error| error.to_string()));
    }

    /// Why nothing can be started.
    pub fn problem(&self) -> Option<String> {
        let wrong = self.rows.iter().find_map(|row| {
            row.problem.as_ref().map(|problem| format!("{}: {problem}", row.label()))
        });
        wrong.or_else(|| match &self.checked {
            Some(Err(error)) => Some(error.clone()),
            _ => None,
        })
    }

    /// Sets a row and checks everything.
    pub fn set(&mut self, at: usize, value: &str) {
        if let Some(row) = self.rows.get_mut(at) {
            value.trim().clone_into(&mut row.value);
        }
        self.check();
    }

    /// The row of a key.
    fn value(&self, key: &RowKey) -> &str {
        self.rows.iter().find(|row| row.key == *key).map_or("", |row| &row.value)
    }

    fn is_changed(&self, key: &RowKey) -> bool {
        self.rows.iter().any(|row| row.key == *key && row.is_changed())
    }

    /// The arms asked for; none leaves that of the spec.
    fn arms(&self) -> Vec<String> {
        if !self.is_changed(&RowKey::Arms) {
            return Vec::new();
        }
        listed(self.value(&RowKey::Arms)).map(str::to_owned).collect()
    }

    /// The random seeds; none leaves that of the spec.
    fn rng_seeds(&self) -> Result<Vec<u64>, String> {
        if !self.is_changed(&RowKey::RngSeeds) {
            return Ok(Vec::new());
        }
        let mut seen = BTreeSet::new();
        let seeds = listed(self.value(&RowKey::RngSeeds)).map(|word| {
            let seed = word.parse::<i64>().ok().and_then(|seed| u64::try_from(seed).ok());
            let seed = seed.ok_or_else(|| format!("`{word}` is no whole number"))?;
            if seen.insert(seed) { Ok(seed) } else { Err(format!("{seed} stands there twice")) }
        });
        let seeds = seeds.collect::<Result<Vec<u64>, String>>()?;
        if seeds.is_empty() { Err("one random seed at least".to_owned()) } else { Ok(seeds) }
    }

    /// `key=value` for every changed key; `ARM:key=value` for the other arms where one of several keeps
    /// its own value (`rounds.max` of `seed-only`).
    fn sets(&self) -> Vec<String> {
        let arms = self.arms();
        let set = |row: &FormRow| -> Vec<String> {
            let RowKey::Spec(key) = &row.key else { return Vec::new() };
            let is_locked = |arm: &&String| spec::is_locked(arm, key, &row.value);
            if arms.len() < 2 || !arms.iter().any(|arm| is_locked(&arm)) {
                return vec![format!("{key}={}", row.value)];
            }
            let others = arms.iter().filter(|arm| !is_locked(arm));
            others.map(|arm| format!("{arm}:{key}={}", row.value)).collect()
        };
        let changed = self.rows.iter().filter(|row| row.is_changed()).flat_map(set);
        self.unchanged_sets().into_iter().chain(changed).collect()
    }

    /// How many runs start.
    pub fn n_runs(&self) -> usize {
        self.arms().len().max(1) * self.rng_seeds().map_or(1, |seeds| seeds.len().max(1))
    }

    /// The runs that the form asks for.
    pub fn request(&self) -> Request {
        let base = match (&self.preset, &self.from) {
            (Some(path), _) => Base::File(path.clone()),
            (None, Some(run)) => Base::Run(run.clone()),
            (None, None) => Base::Default,
        };
        let name = self.value(&RowKey::Name);
        Request {
            base,
            name: (!name.is_empty()).then(|| name.to_owned()),
            arms: self.arms(),
            rng_seeds: self.rng_seeds().unwrap_or_default(),
            sets: self.sets(),
        }
    }

    /// The same as a command, for a shell.
    pub fn command(&self) -> String {
        let Request { base, name, arms, rng_seeds, sets } = self.request();
        let mut words = vec!["run".to_owned()];
        match base {
            Base::Default => {}
            Base::File(path) => words.push(path.display().to_string()),
            Base::Run(run) => words.extend(["--from".to_owned(), run.to_string()]),
        }
        let mut option = |name: &str, value: String| words.extend([name.to_owned(), value]);
        if let Some(name) = name {
            option("--name", name);
        }
        for arm in arms {
            option("--arm", arm);
        }
        if !rng_seeds.is_empty() {
            let seeds: Vec<String> = rng_seeds.iter().map(u64::to_string).collect();
            option("--rng-seeds", seeds.join(","));
        }
        for set in sets {
            option("--set", set);
        }
        words.push("--detach".to_owned());
        command_line(&words)
    }

    /// The complete spec as a file; of the first run where there are several.
    pub fn toml(&self) -> Option<String> {
        self.text.clone()
    }

    /// The same with a comment on every key, to be edited.
    pub fn commented(&self) -> Option<String> {
        let spec = self.checked.as_ref()?.as_ref().ok()?;
        spec::commented(spec).ok()
    }

    /// Takes the values of an edited spec file.
    ///
    /// # Errors
    /// What is wrong with the text; the form stays as it was.
    pub fn take_toml(&mut self, text: &str) -> Result<(), String> {
        let spec = form::check(Some(text), &[], &[]).map_err(|error| error.to_string())?;
        self.check_kind(&spec)?;
        let text = spec::to_toml(&spec).map_err(|error| error.to_string())?;
        let values = form::values(Some(&text)).map_err(|error| error.to_string())?;
        // What the form gave the editor: only what was changed there is a change here.
        let given = self.toml().map(|text| form::values(Some(&text)).unwrap_or_default());
        let given = given.unwrap_or_default();
        for row in &mut self.rows {
            let key = match &row.key {
                RowKey::Spec(key) => key,
                RowKey::RngSeeds => "rng_seed",
                RowKey::Arms | RowKey::Name => continue,
            };
            let find = |values: &[(String, String)]| {
                values.iter().find(|(k, _)| k == key).map(|(_, value)| bare(value))
            };
            if let Some(value) = find(&values).filter(|value| find(&given).as_ref() != Some(value))
            {
                row.value = value;
            }
        }
        self.check();
        Ok(())
    }
}

/// The parts of a comma-separated list.
fn listed(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|word| !word.is_empty())
}

fn unknown_arm(value: &str, before: &str) -> Option<String> {
    if value == before {
        return None;
    }
    let unknown = listed(value).find(|word| !spec::arms().any(|arm| arm == *word));
    match unknown {
        Some(word) => {
            Some(format!("`{word}` is none of {}", spec::arms().collect::<Vec<_>>().join(", ")))
        }
        None if value.is_empty() => Some("one arm at least".to_owned()),
        None => None,
    }
}

/// A TOML value without the quotes that `--set` does not need.
fn bare(value: &str) -> String {
    let inner = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    match inner {
        // A text that reads as a number needs its quotes.
        Some(text) if text.parse::<f64>().is_err() && !text.contains(['"', '\\']) => {
            text.to_owned()
        }
        _ => value.to_owned(),
    }
}
