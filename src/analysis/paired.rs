//! Test metrics pair by pair: the margins of two runs on their common test pairs.

use std::collections::HashMap;

use super::ComparedRun;
use crate::domain::event::PairMargin;
use crate::domain::metrics::Split;
use crate::domain::run::RunId;
use crate::domain::stats::bradley_terry::{log_sigmoid, preference_probability};
use crate::domain::stats::paired::{
    PairedDifference, PairedOutcomes, accuracy_difference, mean_difference,
};
use crate::store::{Store, StoreError};

/// The random seed of the bootstrap: fixed, so that everybody sees the same interval.
const BOOTSTRAP_SEED: u64 = 1;

/// One run beside the base.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Paired {
    pub(super) outcomes: PairedOutcomes,
    pub(super) accuracy: Option<PairedDifference>,
    pub(super) brier: Option<PairedDifference>,
    pub(super) nll: Option<PairedDifference>,
}

/// The state of a run as the cache knows it: a round is evaluated once in an attempt, so run,
/// attempt and round identify the margins.
type Version = (RunId, u32, u32);

/// Paired figures that were computed before; a few hundred bytes for each pair of runs.
#[derive(Debug, Clone, Default)]
pub struct ComparisonCache {
    by_versions: HashMap<(Version, Version), Option<Paired>>,
}

/// Every run beside the base; `None` for the base itself and where there are no common pairs.
pub(super) fn beside_base(
    store: &Store,
    compared: &[ComparedRun],
    base: usize,
    cache: &mut ComparisonCache,
) -> Result<Vec<Option<Paired>>, StoreError> {
    let Some(base_version) = version(&compared[base]) else {
        return Ok(vec![None; compared.len()]);
    };
    let mut base_margins = None;
    let mut all = Vec::with_capacity(compared.len());
    for (index, run) in compared.iter().enumerate() {
        let Some(run_version) = version(run).filter(|_| index != base) else {
            all.push(None);
            continue;
        };
        let versions = (base_version.clone(), run_version.clone());
        if let Some(known) = cache.by_versions.get(&versions) {
            all.push(*known);
            continue;
        }
        let paired = if run.row.facts.shares_test_with(&compared[base].row.facts) {
            if base_margins.is_none() {
                base_margins = Some(margins(store, &base_version)?);
            }
            let base_margins = base_margins.as_deref().unwrap_or_default();
            paired(base_margins, &margins(store, &run_version)?)
        } else {
            None
        };
        cache.by_versions.insert(versions, paired);
        all.push(paired);
    }
    Ok(all)
}

fn version(run: &ComparedRun) -> Option<Version> {
    Some((run.row.id.clone(), run.round?, run.row.attempt))
}

fn margins(store: &Store, (run, round, _): &Version) -> Result<Vec<PairMargin>, StoreError> {
    store.margins(run, *round, Split::Test)
}

/// The figures over the common pairs of two ascending lists.
fn paired(base: &[PairMargin], other: &[PairMargin]) -> Option<Paired> {
    let common = common(base, other);
    let outcomes =
        PairedOutcomes::of(common.iter().map(|(base, other)| (*base > 0.0, *other > 0.0)));
    let difference = |loss: fn(f64) -> f64| {
        let differences: Vec<f64> =
            common.iter().map(|(base, other)| loss(*other) - loss(*base)).collect();
        mean_difference(&differences)
    };
    (outcomes.n > 0).then(|| Paired {
        outcomes,
        accuracy: accuracy_difference(&outcomes, BOOTSTRAP_SEED),
        brier: difference(|margin| (1.0 - preference_probability(margin)).powi(2)),
        nll: difference(|margin| -log_sigmoid(margin)),
    })
}

/// Margins of the pairs that both lists hold.
fn common(base: &[PairMargin], other: &[PairMargin]) -> Vec<(f64, f64)> {
    let mut others = other.iter().peekable();
    base.iter()
        .filter_map(|margin| {
            while others.next_if(|other| other.pair < margin.pair).is_some() {}
            let other = others.peek().filter(|other| other.pair == margin.pair)?;
            Some((f64::from(margin.margin), f64::from(other.margin)))
        })
        .collect()
}
