//! Turns what a person asked for into specs, and these into queued runs.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::{LaunchError, LaunchPlan, LaunchResult, Place, launch};
use crate::domain::run::RunId;
use crate::domain::spec::{ExperimentSpec, NONE};
use crate::spec::{self, SpecInput};
use crate::store::Store;
use crate::store::rows::RunRow;

/// The spec that the keys of a request override.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Base {
    #[default]
    Default,
    File(PathBuf),
    /// The spec of a run that is there already.
    Run(RunId),
}

/// Runs as they are asked for: one for each arm and random seed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Request {
    /// The spec that the keys below override.
    pub base: Base,
    /// The name of the run, or of the experiment where several start; made up otherwise.
    pub name: Option<String>,
    /// Recipes; without any, that of the base.
    pub arms: Vec<String>,
    /// Random seeds; without any, that of the base.
    pub rng_seeds: Vec<u64>,
    /// `key=value`, each over the one before.
    pub sets: Vec<String>,
}

/// The runs of a request, and the experiment that they form.
#[derive(Debug, Clone)]
pub struct Started {
    /// The experiment, where there are several runs.
    pub experiment: Option<String>,
    /// The runs in the queue, in its order.
    pub runs: Vec<RunRow>,
}

impl Request {
    /// The specs that this asks for.
    ///
    /// # Errors
    /// A key, a value, a file or an arm that is wrong.
    pub fn specs(&self, place: Place<'_>) -> LaunchResult<Vec<ExperimentSpec>> {
        let mut seen = BTreeSet::new();
        if let Some(twice) = self.rng_seeds.iter().find(|rng_seed| !seen.insert(**rng_seed)) {
            return Err(LaunchError::SeedTwice { rng_seed: *twice });
        }
        let file = match &self.base {
            Base::Default => None,
            Base::File(path) => Some(path.clone()),
            Base::Run(run) => Some(place.home.run_dir(run).join("spec.toml")),
        };
        let arms: Vec<&str> = self.arms.iter().map(String::as_str).collect();
        let base = SpecInput { file: file.as_deref(), sets: &self.sets, ..SpecInput::default() };
        specs_of(base, &arms, &self.rng_seeds)
    }
}

/// Imports what a request needs and queues its runs. Nobody is started yet.
///
/// # Errors
/// Anything wrong with a spec, its model or its data. Nothing is left behind then.
pub fn start(place: Place<'_>, store: &mut Store, request: &Request) -> LaunchResult<Started> {
    let specs = request.specs(place)?;
    let name = request.name.as_deref();
    let experiment = match name {
        _ if specs.len() == 1 => None,
        Some(name) => Some(name.to_owned()),
        None => Some(store.unused_experiment_name()?),
    };
    let plan = LaunchPlan {
        name: name.filter(|_| experiment.is_none()),
        experiment: experiment.as_deref(),
        reuses_runs: false,
    };
    let runs = launch(place, store, &specs, plan)?;
    Ok(Started { experiment, runs })
}

/// One spec for each random seed and arm. The arms of a seed follow each other, so that they can
/// share round 0; arms that match the optimizer steps of others come last.
///
/// # Errors
/// As [`spec::resolve`]; two arms with the same settings.
pub fn specs_of(
    base: SpecInput<'_>,
    arms: &[&str],
    rng_seeds: &[u64],
) -> LaunchResult<Vec<ExperimentSpec>> {
    let mut specs = Vec::new();
    for rng_seed in or_none(rng_seeds.iter().copied()) {
        let mut of_seed = Vec::new();
        for arm in or_none(arms.iter().copied()) {
            of_seed.push(spec::resolve(&SpecInput { arm, beside: arms, rng_seed, ..base })?);
        }
        check_different(&of_seed)?;
        of_seed.sort_by_key(|spec: &ExperimentSpec| spec.train.match_steps != NONE);
        specs.extend(of_seed);
    }
    Ok(specs)
}

/// Refuses arms that differ in nothing but their names: they would be one run, twice.
fn check_different(specs: &[ExperimentSpec]) -> LaunchResult {
    for (i, first) in specs.iter().enumerate() {
        let is_same = |second: &&ExperimentSpec| {
            **second == ExperimentSpec { arm: second.arm.clone(), ..first.clone() }
        };
        if let Some(second) = specs[i + 1..].iter().find(is_same) {
            let (first, second) = (first.arm.clone(), second.arm.clone());
            return Err(LaunchError::SameArm { first, second });
        }
    }
    Ok(())
}

/// Each value, or once `None` when there is none.
fn or_none<T>(values: impl Iterator<Item = T>) -> Vec<Option<T>> {
    let values: Vec<_> = values.map(Some).collect();
    if values.is_empty() { vec![None] } else { values }
}
