//! When a run will end, from its rows.

use std::collections::BTreeMap;

use crate::domain::forecast::{Forecast, SeenPhase, forecast, plan};
use crate::domain::run::RunStatus;
use crate::domain::spec::ExperimentSpec;
use crate::store::rows::{RoundRow, RunDetail};

/// Foretells the end of a run that a worker is at, from the phases `seen` so far. `None` for other
/// runs, and until the first phase has shown how fast the machine is.
#[must_use]
pub fn forecast_of(
    spec: &ExperimentSpec,
    run: &RunDetail,
    rounds: &[RoundRow],
    seen: &[SeenPhase],
) -> Option<Forecast> {
    let is_at_work = matches!(run.row.status, RunStatus::Running | RunStatus::Paused);
    let sizes = run.sizes.filter(|_| is_at_work)?;
    let selected: BTreeMap<u32, u64> = rounds
        .iter()
        .filter_map(|round| Some((round.round, round.selection.as_ref()?.n_selected)))
        .collect();
    forecast(&plan(spec, sizes.into(), &selected), seen)
}
