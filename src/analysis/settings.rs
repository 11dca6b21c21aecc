//! What the specs of several runs say, key by key.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{AnalysisError, ComparedRun, SeedGroup, SettingRow};
use crate::domain::stats::mean_with_t_interval;
use crate::store::RunDetail;

/// The key of the random seed.
pub(super) const RNG_SEED: &str = "rng_seed";
/// The key of the recipe's name. It is no setting of its own, since the keys that the recipe sets
/// are compared.
pub(super) const ARM: &str = "arm";

/// Every setting, in alphabetical order.
pub(super) fn rows(runs: &[RunDetail]) -> Result<Vec<SettingRow>, AnalysisError> {
    let mut keys: Vec<String> = Vec::new();
    let mut by_run: Vec<BTreeMap<String, String>> = Vec::new();
    for run in runs {
        let value: Value = serde_json::from_str(&run.spec_json)
            .map_err(|source| AnalysisError::Spec { run: run.row.name.clone(), source })?;
        let mut leaves = Vec::new();
        flatten("", &value, &mut leaves);
        // A key that only a later version has is sorted behind those that all runs have.
        keys.extend(leaves.iter().map(|(key, _)| key.clone()));
        by_run.push(leaves.into_iter().collect());
    }
    let mut seen = std::collections::BTreeSet::new();
    keys.retain(|key| seen.insert(key.clone()));
    Ok(keys
        .into_iter()
        .map(|key| {
            let values: Vec<Option<String>> =
                by_run.iter().map(|leaves| leaves.get(&key).cloned()).collect();
            let is_different = values.windows(2).any(|pair| pair[0] != pair[1]);
            SettingRow { key, values, is_different }
        })
        .collect())
}

fn flatten(prefix: &str, value: &Value, leaves: &mut Vec<(String, String)>) {
    if let Value::Object(fields) = value {
        for (name, value) in fields {
            let key = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
            flatten(&key, value, leaves);
        }
    } else {
        leaves.push((prefix.to_owned(), value.to_string()));
    }
}

/// For each run the first one with the same settings and random seed: both are one run, twice.
pub(super) fn same_as(settings: &[SettingRow], n_runs: usize) -> Vec<Option<usize>> {
    let differing = settings.iter().filter(|row| row.is_different && row.key != ARM);
    let differing: Vec<&SettingRow> = differing.collect();
    let is_same = |a: usize, b: usize| differing.iter().all(|row| row.values[a] == row.values[b]);
    (0..n_runs).map(|run| (0..run).find(|first| is_same(*first, run))).collect()
}

/// Runs with the same settings but for the random seed, where there are at least two; a run that is
/// there twice counts once.
pub(super) fn groups(settings: &[SettingRow], runs: &[ComparedRun]) -> Vec<SeedGroup> {
    let differing: Vec<&SettingRow> = settings
        .iter()
        .filter(|row| row.is_different && row.key != RNG_SEED && row.key != ARM)
        .collect();
    let mut by_settings: BTreeMap<Vec<Option<&str>>, Vec<usize>> = BTreeMap::new();
    let same_as = same_as(settings, runs.len());
    for run in (0..runs.len()).filter(|run| same_as[*run].is_none()) {
        let values = differing.iter().map(|row| row.values[run].as_deref()).collect();
        by_settings.entry(values).or_default().push(run);
    }
    let mut groups: Vec<SeedGroup> = by_settings
        .into_values()
        .filter(|members| members.len() > 1)
        .map(|members| {
            let accuracies: Vec<f64> = members
                .iter()
                .filter_map(|run| Some(runs[*run].compared_round()?.test.as_ref()?.accuracy))
                .collect();
            let accuracy = mean_with_t_interval(&accuracies);
            SeedGroup { arm: runs[members[0]].row.arm.to_string(), runs: members, accuracy }
        })
        .collect();
    groups.sort_by_key(|group| group.runs[0]);
    groups
}
