//! What a run will cost, from runs like it. Without such runs there is no estimate: a dash.

use crate::domain::spec::ExperimentSpec;
use crate::tui::feed::data::PastRun;

/// What a run will probably cost.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// Runs it is taken from.
    pub n_runs: usize,
    /// Least, mean and most milliseconds.
    pub wall_ms: [u64; 3],
    /// Most bytes on disk.
    pub n_bytes: u64,
}

/// The cost of a spec from runs of the same model on the same data, scaled by rounds and epochs.
pub fn estimate(spec: &ExperimentSpec, past: &[PastRun]) -> Option<Estimate> {
    let alike = past.iter().filter(|run| is_alike(spec, &run.spec) && run.n_rounds > 0);
    let passes = |spec: &ExperimentSpec, n_rounds: u64| n_rounds * u64::from(spec.train.epochs);
    let n_rounds = u64::from(spec.rounds.max) + 1;
    let mut n_bytes = 0;
    let times: Vec<u64> = alike
        .map(|run| {
            n_bytes = n_bytes.max(run.n_bytes);
            let before = passes(&run.spec, run.n_rounds).max(1);
            (run.wall_ms as f64 * passes(spec, n_rounds) as f64 / before as f64) as u64
        })
        .collect();
    let n_runs = times.len();
    let mean = times.iter().sum::<u64>().checked_div(n_runs as u64)?;
    let wall_ms = [*times.iter().min()?, mean, *times.iter().max()?];
    Some(Estimate { n_runs, wall_ms, n_bytes })
}

/// The same model on the same pairs: what else differs moves the cost little.
fn is_alike(a: &ExperimentSpec, b: &ExperimentSpec) -> bool {
    a.model == b.model
        && a.data.source == b.data.source
        && a.data.limit == b.data.limit
        && a.rounds.pool_labels == b.rounds.pool_labels
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::form;

    #[test]
    fn only_runs_like_it_count() {
        let spec = |sets: &[&str]| {
            let sets: Vec<String> = sets.iter().map(|set| (*set).to_owned()).collect();
            let mut spec = form::check(None, &[], &sets).unwrap();
            if !sets.iter().any(|set| set.starts_with("rounds.max")) {
                spec.rounds.max = 3;
            }
            spec
        };
        let past = |sets: &[&str], wall_ms| PastRun {
            spec: spec(sets),
            n_pairs: 12_000,
            n_rounds: 4,
            wall_ms,
            n_bytes: wall_ms * 10,
        };
        let runs =
            [past(&[], 80_000), past(&[], 100_000), past(&["model.backbone=\"mock\""], 1_000)];
        let found = estimate(&spec(&[]), &runs).unwrap();
        assert_eq!((found.n_runs, found.wall_ms), (2, [80_000, 90_000, 100_000]));
        assert_eq!(found.n_bytes, 1_000_000);
        let longer = estimate(&spec(&["rounds.max=7"]), &runs).unwrap();
        assert_eq!(longer.wall_ms[1], 180_000);
        assert_eq!(estimate(&spec(&["data.limit=10"]), &runs), None);
    }
}
