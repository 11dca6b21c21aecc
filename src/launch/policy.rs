//! Policy runs: what starting one from a run means, and whom its reward and its judge name.

use std::path::PathBuf;

use super::{LaunchError, LaunchResult, Place, by_name};
use crate::domain::policy::settings::{ObjectiveName, PolicySpec};
use crate::domain::run::{RunId, RunKind};
use crate::domain::source::hub_name::HubName;
use crate::domain::spec::ExperimentSpec;
use crate::engine::OpenSettings;
use crate::engine::export::{PolicyForm, export_policy};
use crate::engine::files::checkpoint;
use crate::engine::files::weights::ModelFiles;
use crate::store::rows::{RoundRow, RunRow};
use crate::store::{Access, FOLDS, Home, Store};

/// The name of the grader of the embedded prompts.
const ORACLE: &str = "oracle";
/// What `pool.judge` says where the data decide.
const AUTOMATIC: &str = "auto";
/// Names that are no run and no folder.
const WORDS: [&str; 2] = ["none", ORACLE];
const EMBEDDED: &str = "embedded";

/// The keys of a policy that is trained by the reward model of a run. Of the embedded prompts the oracle is
/// the judge. From a policy run its own reward is taken.
#[must_use]
pub fn policy_sets(run: &RunRow, spec: &ExperimentSpec, objective: ObjectiveName) -> Vec<String> {
    let mut sets = vec![format!("policy.objective={}", objective.name())];
    if spec.generates_pairs() {
        // A policy run asks the prompts of the data set; no pair joins a pool of it.
        sets.push("pool.source=data".to_owned());
    }
    if run.kind == RunKind::Policy {
        return sets;
    }
    sets.push(format!("policy.reward={}", run.id));
    if spec.data.source.is_embedded() {
        sets.push(format!("policy.gold={ORACLE}"));
    }
    sets
}

/// The newest checkpoint of a run with the digest of its weights; `None` while there is none.
///
/// # Errors
/// When the folder cannot be read.
pub fn newest_checkpoint(home: &Home, run: &RunId) -> LaunchResult<Option<(PathBuf, String)>> {
    let dir = home.checkpoints(run);
    if !dir.is_dir() {
        return Ok(None);
    }
    let newest = checkpoint::list(&dir)?.into_iter().next();
    Ok(newest.map(|(name, manifest)| (dir.join(name), manifest.weights_digest)))
}

/// The directory of a policy run's present weights as a language model, written once beside its
/// checkpoints; `None` where the text names no policy run with weights.
///
/// # Errors
/// When the store or the checkpoint cannot be read, or the directory not be written.
pub(super) fn written(place: Place<'_>, text: &str) -> LaunchResult<Option<PathBuf>> {
    if !place.home.database().is_file() {
        return Ok(None);
    }
    let store = Store::open(place.home, Access::ReadOnly)?;
    let Ok(run) = store.find_run(text) else { return Ok(None) };
    if run.kind != RunKind::Policy {
        return Ok(None);
    }
    let Some((checkpoint, digest)) = newest_checkpoint(place.home, &run.id)? else {
        return Ok(None);
    };
    let short: String = digest.chars().take(12).collect();
    let dir = place.home.run_dir(&run.id).join(format!("policy-{short}"));
    if dir.is_dir() {
        return Ok(Some(dir));
    }
    let io = |path: &std::path::Path| {
        let path = path.to_owned();
        move |source| LaunchError::Write { path, source }
    };
    let part = dir.with_extension(format!("part-{}", std::process::id()));
    std::fs::create_dir_all(&part).map_err(io(&part))?;
    let settings = OpenSettings::of_spec(&store.spec(&run.id)?);
    let exported = export_policy(&settings, &checkpoint, &part, PolicyForm::Model);
    if let Err(error) = exported {
        // The first error is the one to report.
        let _ = std::fs::remove_dir_all(&part);
        return Err(error.into());
    }
    match std::fs::rename(&part, &dir) {
        Err(_) if dir.is_dir() => {
            // Somebody else was faster, and wrote the same.
            let _ = std::fs::remove_dir_all(&part);
        }
        renamed => renamed.map_err(io(&dir))?,
    }
    Ok(Some(dir))
}

/// The spec with runs by their ids, which stay, and folders by their whole paths.
///
/// # Errors
/// When a name is neither a run nor a folder.
pub(super) fn with_scorers(
    place: Place<'_>,
    store: &Store,
    mut spec: ExperimentSpec,
) -> LaunchResult<ExperimentSpec> {
    if spec.generates_pairs() && spec.pool.judge != AUTOMATIC {
        spec.pool.judge = named(place, store, &spec.pool.judge)?;
    }
    if let Some(policy) = spec.policy.take() {
        let reward = named(place, store, &policy.reward)?;
        let gold = named(place, store, &policy.gold)?;
        spec.policy = Some(Box::new(PolicySpec { reward, gold, ..*policy }));
    }
    Ok(spec)
}

fn no_scorer<T>(message: String, hint: impl Into<String>) -> LaunchResult<T> {
    Err(LaunchError::NoScorer { message, hint: hint.into() })
}

/// Refuses a run that has no reward model, or will never have what is asked of it. What a run that is still at
/// work may come to have is the worker's to look for.
fn check_run(store: &Store, run: &RunRow, round: Option<&str>) -> LaunchResult {
    let (name, id) = (&run.name, &run.id);
    if run.kind == RunKind::Policy {
        return no_scorer(
            format!("`{name}` is a policy, which has no reward model"),
            format!("name the run that rewarded it (`policy.reward` in `ser show {id}`)"),
        );
    }
    match round {
        Some(FOLDS) if !store.spec(id)?.selection.keep_fold_models => no_scorer(
            format!("`{name}` keeps no fold models"),
            "a run keeps them with `selection.keep_fold_models = true`",
        ),
        Some(round) if round != FOLDS && run.status.is_ended() => {
            let is_there = |it: &RoundRow| it.round.to_string() == round;
            if store.rounds(id)?.iter().any(is_there) {
                return Ok(());
            }
            no_scorer(
                format!("`{name}` has no round {round}"),
                format!("`ser rounds {id}` lists the rounds"),
            )
        }
        _ => Ok(()),
    }
}

fn named(place: Place<'_>, store: &Store, name: &str) -> LaunchResult<String> {
    if name.strip_prefix("command:").is_some_and(|it| it.trim().is_empty()) {
        return no_scorer(
            format!("`{name}` names no command"),
            "write `command:` and what `sh` is to run: `command:python judge.py`",
        );
    }
    if name == EMBEDDED {
        return no_scorer(
            format!("`{EMBEDDED}` is a language model, which rewards nothing"),
            "name a run: `ser run` trains a reward model on it",
        );
    }
    if WORDS.contains(&name) || name.starts_with("command:") {
        return Ok(name.to_owned());
    }
    let is_folder = |name: &str| std::path::Path::new(name).is_dir();
    let parts = if is_folder(name) { vec![name] } else { name.split(',').map(str::trim).collect() };
    let mut found = Vec::with_capacity(parts.len());
    for part in parts {
        if is_folder(part) {
            if !ModelFiles::check(std::path::Path::new(part))?.has_reward_head {
                return no_scorer(
                    format!("`{part}` has no reward head"),
                    "train one (`ser run`) and name the run",
                );
            }
            let path = std::path::absolute(part);
            found.push(path.map_or_else(|_| part.to_owned(), |path| path.display().to_string()));
            continue;
        }
        if HubName::is_meant(part) {
            // A worker fetches nothing, so it gets the folder.
            let model = by_name::model(place, part)?;
            found.push(model.dir.map_or(model.name, |dir| dir.display().to_string()));
            continue;
        }
        let is_round = |round: &str| {
            round == FOLDS || (!round.is_empty() && round.bytes().all(|it| it.is_ascii_digit()))
        };
        let of_round = part.rsplit_once(':').filter(|(_, round)| is_round(round));
        let (run, round) = of_round.map_or((part, None), |(run, round)| (run, Some(round)));
        let run = store.find_run(run)?;
        check_run(store, &run, round)?;
        found.push(round.map_or_else(|| run.id.to_string(), |round| format!("{}:{round}", run.id)));
    }
    Ok(found.join(","))
}
