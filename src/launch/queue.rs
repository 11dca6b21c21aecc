//! Turns specs into queued runs. A launch that fails leaves nothing behind.

use std::collections::BTreeSet;

use super::by_name::{self, LocalSpec};
use super::import::{self, ImportSettings, Imported};
use super::policy;
use super::{LaunchError, LaunchResult, Place};
use crate::domain::run::{RunId, RunKind};
use crate::domain::source::data_files::Part;
use crate::domain::spec::{ExperimentSpec, PoolLabels, SourcePart};
use crate::domain::split::{DataSplit, SplitRule, split};
use crate::domain::text::words::count;
use crate::engine::files::weights::ModelFiles;
use crate::engine::memory::{self, Load};
use crate::engine::planning;
use crate::engine::text::tokenize::{self, RewardAt};
use crate::engine::{Backbone, OpenSettings};
use crate::spec as spec_file;
use crate::store::rows::RunRow;
use crate::store::{NewRun, Store};

/// What a run needs in memory at its peak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryNeed {
    /// Bytes of the run.
    pub n_bytes: u64,
    /// Bytes of the machine, where it tells.
    pub n_total: Option<u64>,
}

/// What a run of a spec on so many pairs needs in memory, where its model can tell.
#[must_use]
pub fn memory_need(spec: &ExperimentSpec, n_pairs: u64) -> Option<MemoryNeed> {
    let load = Load::of_spec(spec, n_pairs as usize);
    let plan = planning::plan(&OpenSettings::of_spec(spec), load).ok()??;
    Some(MemoryNeed { n_bytes: plan.total(), n_total: memory::total_bytes() })
}

/// What the runs of a launch are called, and whether they are made.
#[derive(Debug, Clone, Copy, Default)]
pub struct LaunchPlan<'a> {
    /// Name of the only run.
    pub name: Option<&'a str>,
    /// The experiment they belong to.
    pub experiment: Option<&'a str>,
    /// Whether an existing run with the same spec on the same pairs is taken instead of a new one.
    pub reuses_runs: bool,
}

/// Checks the specs, imports their data and queues a run for each.
///
/// # Errors
/// Anything wrong with a spec, its model or its data. Nothing is left behind then.
pub fn launch(
    place: Place<'_>,
    store: &mut Store,
    specs: &[ExperimentSpec],
    plan: LaunchPlan<'_>,
) -> LaunchResult<Vec<RunRow>> {
    let specs: Vec<LocalSpec> =
        specs.iter().map(|spec| by_name::localize(place, spec)).collect::<LaunchResult<_>>()?;
    launch_local(place, store, &specs, plan)
}

/// As [`launch`], for specs whose files are all on this machine.
pub(super) fn launch_local(
    place: Place<'_>,
    store: &mut Store,
    specs: &[LocalSpec],
    plan: LaunchPlan<'_>,
) -> LaunchResult<Vec<RunRow>> {
    for local in specs {
        check_model(&local.spec)?;
    }
    let mut made = Made::default();
    let launched = specs
        .iter()
        .map(|spec| launch_one(place, store, spec, plan, &mut made))
        .collect::<LaunchResult<Vec<_>>>();
    if launched.is_err() {
        made.take_back(place, store);
    }
    launched
}

/// What a launch has made so far.
#[derive(Debug, Default)]
struct Made {
    datasets: Vec<i64>,
    runs: Vec<RunId>,
}

impl Made {
    /// Deletes what the launch has made. A failure to do so is only logged, because the error that
    /// stopped the launch is the one to tell.
    fn take_back(&self, place: Place<'_>, store: &mut Store) {
        for run in &self.runs {
            if let Err(error) = store.delete_run(run) {
                tracing::warn!(%run, %error, "cannot take back a run");
            }
            // A missing folder is what is wanted.
            let _ = std::fs::remove_dir_all(place.home.run_dir(run));
        }
        for dataset in &self.datasets {
            if let Err(error) = store.delete_dataset(*dataset) {
                tracing::warn!(dataset, %error, "cannot take back a data set");
            }
        }
        // Only an empty folder goes.
        let _ = std::fs::remove_dir(place.home.root().join("runs"));
    }

    fn note(&mut self, imported: &Imported) -> i64 {
        if imported.is_new {
            self.datasets.push(imported.dataset.id);
        }
        imported.dataset.id
    }
}

fn launch_one(
    place: Place<'_>,
    store: &mut Store,
    local: &LocalSpec,
    plan: LaunchPlan<'_>,
    made: &mut Made,
) -> LaunchResult<RunRow> {
    let (dataset, test_dataset) = import_pairs(place, store, local, made)?;
    let spec = &local.spec;
    let absolute = spec_file::with_absolute_paths(spec.clone());
    let absolute = policy::with_scorers(place, store, absolute)?;
    if plan.reuses_runs
        && let Some(known) = store.run_of_spec(&absolute, dataset, test_dataset)?
    {
        return Ok(known);
    }
    let parts = check_split(store, spec, dataset, test_dataset)?;
    check_memory(spec, &parts)?;
    if spec.kind == RunKind::Ser {
        warn_of_a_short_run(place, spec, &parts);
    }
    warn_of_lopsided_parts(place, spec, &parts);
    say_what_is_bare(place, store, spec, dataset)?;
    let run = store.create_run(&NewRun {
        name: plan.name.map(str::to_owned),
        spec: &absolute,
        dataset,
        test_dataset,
        experiment: plan.experiment.map(str::to_owned),
    })?;
    made.runs.push(run.id.clone());
    place.home.ensure_run_dir(&run.id)?;
    let path = place.home.run_dir(&run.id).join("spec.toml");
    std::fs::write(&path, spec_file::to_toml(&absolute)?)
        .map_err(|source| LaunchError::Write { path, source })?;
    Ok(run)
}

/// The data sets of the training pairs and, where they are separate, of the test pairs.
fn import_pairs(
    place: Place<'_>,
    store: &mut Store,
    local: &LocalSpec,
    made: &mut Made,
) -> LaunchResult<(i64, Option<i64>)> {
    let spec = &local.spec;
    let settings = ImportSettings::of_spec(spec);
    let dataset = import::import(place, store, &local.sources, &settings)?;
    let dataset = made.note(&dataset);
    let test_dataset = match spec.data.test.as_str() {
        "split" => None,
        test => {
            let sources = match test {
                "embedded" => vec![SourcePart::whole("embedded:test")],
                _ => local.tests.clone(),
            };
            // The test source may stand in another format than the training source.
            let settings =
                ImportSettings { part: Part::Test, format: "auto", limit: 0, ..settings };
            Some(made.note(&import::import(place, store, &sources, &settings)?))
        }
    };
    Ok((dataset, test_dataset))
}

/// The model has to be usable before anything is imported for it. Weights are not read here.
fn check_model(spec: &ExperimentSpec) -> LaunchResult {
    let max_tokens = spec.model.max_tokens as usize;
    match spec.model.backbone.as_str() {
        "mock" => Ok(()),
        // Small enough to be opened whole.
        "embedded" => Ok(ModelFiles::open(&Backbone::Embedded, max_tokens).map(|_| ())?),
        name => {
            let Backbone::Directory(dir) = Backbone::named(name) else { return Ok(()) };
            let limit = ModelFiles::check(&dir)?.max_positions;
            tokenize::chat_template(&OpenSettings::of_spec(spec))?;
            if max_tokens > limit {
                let config = dir.join("config.json");
                return Err(LaunchError::TooManyTokens { n: max_tokens, limit, config });
            }
            Ok(())
        }
    }
}

/// A model that this machine can never hold is refused now; whether the memory is free is looked at
/// when the run starts.
fn check_memory(spec: &ExperimentSpec, parts: &DataSplit) -> LaunchResult {
    let n_pairs = parts.seed_set.len()
        + parts.validation.len()
        + parts.unlabeled_pool.len()
        + parts.test.len();
    let load = Load::of_spec(spec, n_pairs);
    Ok(planning::check(&OpenSettings::of_spec(spec), load, memory::total_bytes())?)
}

/// Divides the data as the worker will, so that too few pairs are reported now.
fn check_split(
    store: &Store,
    spec: &ExperimentSpec,
    dataset: i64,
    test_dataset: Option<i64>,
) -> LaunchResult<DataSplit> {
    let rule = SplitRule::of_spec(spec);
    let groups = store.group_hashes(dataset)?;
    let test_groups = match test_dataset {
        Some(test) => Some(store.group_hashes(test)?.into_iter().collect::<BTreeSet<_>>()),
        None => None,
    };
    split(&groups, test_groups.as_ref(), &rule)
        .map_err(|error| LaunchError::Split { source_name: spec.data.source.to_string(), error })
}

/// Warns of groups so large that more labels decide than are learned from.
fn warn_of_lopsided_parts(place: Place<'_>, spec: &ExperimentSpec, parts: &DataSplit) {
    let (n_seed, n_validation) = (parts.seed_set.len() as u64, parts.validation.len() as u64);
    if n_validation > n_seed {
        place.say(&format!(
            "warning: {} validation pairs but only {} of the seed set: the {} groups by `{}` are \
             never divided; `data.group` may name a finer one",
            count(n_validation),
            count(n_seed),
            count(parts.n_groups),
            spec.data.group
        ));
    }
}

/// Says that a decoder without a chat template reads a question and its answer without a mark between
/// them.
fn say_what_is_bare(
    place: Place<'_>,
    store: &Store,
    spec: &ExperimentSpec,
    dataset: i64,
) -> LaunchResult {
    let Backbone::Directory(dir) = Backbone::named(&spec.model.backbone) else { return Ok(()) };
    let is_decoder = || ModelFiles::check(&dir).map(|it| it.reward_at != RewardAt::First);
    let has_template =
        || tokenize::chat_template(&OpenSettings::of_spec(spec)).map(|it| it.is_some());
    if spec.model.chat_template == "auto"
        && store.is_conversational(dataset)?
        && !has_template()?
        && is_decoder()?
    {
        place.say(&format!(
            "note: `{}` has no chat template, so it reads a question and its answer without anything \
             between them; `--set model.chat_template=hh` writes marks",
            dir.display()
        ));
    }
    Ok(())
}

/// Warns of a gate larger than the pool: the loop would stop before its first round. That is
/// allowed, but rarely meant.
fn warn_of_a_short_run(place: Place<'_>, spec: &ExperimentSpec, parts: &DataSplit) {
    let n_pool = parts.unlabeled_pool.len();
    let gate = spec.selection.min_selected.of(n_pool).max(1);
    if spec.rounds.max > 0 && spec.rounds.pool_labels == PoolLabels::Pseudo && gate > n_pool {
        place.say(&format!(
            "warning: `selection.min_selected` is {gate}, but the unlabeled pool has only {} \
             pairs: the run ends after round 0",
            count(n_pool as u64)
        ));
    }
}
