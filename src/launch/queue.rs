//! From specs to queued runs, or to nothing: what a failed launch made is taken away again.

use std::collections::BTreeSet;

use super::import::{self, ImportSettings, Imported};
use super::local::{self, LocalSpec};
use super::{LaunchError, Say};
use crate::domain::run::RunId;
use crate::domain::source::data_files::Part;
use crate::domain::spec::{ExperimentSpec, PoolLabels, SourcePart};
use crate::domain::split::{DataSplit, SplitRule, split};
use crate::domain::text::words;
use crate::engine::files::weights::ModelFiles;
use crate::engine::memory::{self, Load};
use crate::engine::text::tokenize;
use crate::engine::{Backbone, OpenSettings};
use crate::spec;
use crate::store::rows::RunRow;
use crate::store::{Home, NewRun, Store};

/// What queued runs are called, and whether they are made.
#[derive(Debug, Clone, Copy, Default)]
pub struct QueuePlan<'a> {
    /// Name of the only run.
    pub name: Option<&'a str>,
    /// The experiment they belong to.
    pub experiment: Option<&'a str>,
    /// A run with the very same spec and pairs that is there already stands for a new one.
    pub reuses_runs: bool,
}

/// Checks the specs, imports their data and queues a run for each.
///
/// # Errors
/// Anything wrong with a spec, its model or its data. Nothing is left behind then.
pub fn queue(
    home: &Home,
    store: &mut Store,
    specs: &[ExperimentSpec],
    plan: QueuePlan<'_>,
    say: &dyn Say,
) -> Result<Vec<RunRow>, LaunchError> {
    let found: Vec<LocalSpec> = specs
        .iter()
        .map(|spec| local::localize(home, spec, say))
        .collect::<Result<_, LaunchError>>()?;
    queue_local(home, store, &found, plan, say)
}

/// The same for specs whose files are on this machine.
pub(super) fn queue_local(
    home: &Home,
    store: &mut Store,
    specs: &[LocalSpec],
    plan: QueuePlan<'_>,
    say: &dyn Say,
) -> Result<Vec<RunRow>, LaunchError> {
    for found in specs {
        check_model(&found.spec)?;
    }
    let mut made = Made::default();
    let queued = specs
        .iter()
        .map(|spec| queue_one(home, store, spec, plan, &mut made, say))
        .collect::<Result<Vec<_>, LaunchError>>();
    if queued.is_err() {
        made.take_back(home, store);
    }
    queued
}

/// What a launch has made so far.
#[derive(Debug, Default)]
struct Made {
    datasets: Vec<i64>,
    runs: Vec<RunId>,
}

impl Made {
    /// Takes everything away again. A failure here is logged: the first error is the one to tell.
    fn take_back(&self, home: &Home, store: &mut Store) {
        for run in &self.runs {
            if let Err(error) = store.delete_run(run) {
                tracing::warn!(%run, %error, "cannot take back a run");
            }
            // A missing folder is what is wanted.
            let _ = std::fs::remove_dir_all(home.run_dir(run));
        }
        for dataset in &self.datasets {
            if let Err(error) = store.delete_dataset(*dataset) {
                tracing::warn!(dataset, %error, "cannot take back a data set");
            }
        }
        // Only an empty folder goes.
        let _ = std::fs::remove_dir(home.root().join("runs"));
    }

    fn note(&mut self, imported: &Imported) -> i64 {
        if imported.is_new {
            self.datasets.push(imported.dataset.id);
        }
        imported.dataset.id
    }
}

fn queue_one(
    home: &Home,
    store: &mut Store,
    local: &LocalSpec,
    plan: QueuePlan<'_>,
    made: &mut Made,
    say: &dyn Say,
) -> Result<RunRow, LaunchError> {
    let (dataset, test_dataset) = import_pairs(store, local, made, say)?;
    let spec = &local.spec;
    let absolute = spec::with_absolute_paths(spec.clone());
    if plan.reuses_runs
        && let Some(known) = store.run_of_spec(&absolute, dataset, test_dataset)?
    {
        return Ok(known);
    }
    let parts = check_split(store, spec, dataset, test_dataset)?;
    check_memory(spec, &parts)?;
    warn_of_a_short_run(spec, &parts, say);
    let run = store.create_run(&NewRun {
        name: plan.name.map(str::to_owned),
        spec: &absolute,
        dataset,
        test_dataset,
        experiment: plan.experiment.map(str::to_owned),
    })?;
    made.runs.push(run.id.clone());
    home.ensure_run_dir(&run.id)?;
    let path = home.run_dir(&run.id).join("spec.toml");
    std::fs::write(&path, spec::to_toml(&absolute)?)
        .map_err(|source| LaunchError::Write { path, source })?;
    Ok(run)
}

/// The data sets of the training pairs and, where they are separate, of the test pairs.
fn import_pairs(
    store: &mut Store,
    local: &LocalSpec,
    made: &mut Made,
    say: &dyn Say,
) -> Result<(i64, Option<i64>), LaunchError> {
    let spec = &local.spec;
    let settings = ImportSettings::of_spec(&spec.data);
    let dataset = import::import(store, &local.sources, &settings, say)?;
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
            Some(made.note(&import::import(store, &sources, &settings, say)?))
        }
    };
    Ok((dataset, test_dataset))
}

/// The model has to be usable before anything is imported for it. Weights are not read here.
fn check_model(spec: &ExperimentSpec) -> Result<(), LaunchError> {
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
                return Err(LaunchError::TooManyTokens { max_tokens, config, n_positions: limit });
            }
            Ok(())
        }
    }
}

/// A model that this machine can never hold is refused now; whether the memory is free is looked at
/// when the run starts.
fn check_memory(spec: &ExperimentSpec, parts: &DataSplit) -> Result<(), LaunchError> {
    let n_pairs = parts.seed_set.len()
        + parts.validation.len()
        + parts.unlabeled_pool.len()
        + parts.test.len();
    let load = Load::of_spec(spec, n_pairs);
    Ok(memory::check(&OpenSettings::of_spec(spec), load, memory::total_bytes())?)
}

/// The worker divides the data the same way; too few pairs are better told now.
fn check_split(
    store: &Store,
    spec: &ExperimentSpec,
    dataset: i64,
    test_dataset: Option<i64>,
) -> Result<DataSplit, LaunchError> {
    let rule = SplitRule {
        rng_seed: spec.rng_seed,
        seed_labels: spec.data.seed_labels,
        validation_share: spec.data.validation_share,
        test_share: spec.data.test_share,
    };
    let groups = store.group_hashes(dataset)?;
    let test_groups = match test_dataset {
        Some(test) => Some(store.group_hashes(test)?.into_iter().collect::<BTreeSet<_>>()),
        None => None,
    };
    split(&groups, test_groups.as_ref(), &rule).map_err(|reason| {
        let data = spec.data.source.to_string();
        LaunchError::Undivided { data, reason }
    })
}

/// A gate larger than the pool stops the loop before its first round; that is allowed, and rarely
/// meant.
fn warn_of_a_short_run(spec: &ExperimentSpec, parts: &DataSplit, say: &dyn Say) {
    let n_pool = parts.unlabeled_pool.len();
    let gate = spec.selection.min_selected.of(n_pool).max(1);
    if spec.rounds.max > 0 && spec.rounds.pool_labels == PoolLabels::Pseudo && gate > n_pool {
        say.say(&format!(
            "warning: `selection.min_selected` is {gate}, but the unlabeled pool has only {} \
             pairs: the run ends after round 0",
            words::count(n_pool as u64)
        ));
    }
}
