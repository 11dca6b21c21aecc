//! What a run will cost, from runs like it. Without such runs there is no estimate: a dash.

use std::collections::BTreeMap;

use crate::domain::forecast::{Between, plan, relative_cost};
use crate::domain::spec::ExperimentSpec;
use crate::tui::feed::data::PastRun;

/// What a run will probably cost.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// Runs it is taken from.
    pub n_runs: usize,
    /// Least, probable and most milliseconds: least where the loop ends as early as it may.
    pub wall_ms: [u64; 3],
    /// Most bytes on disk.
    pub n_bytes: u64,
}

/// The cost of a spec from runs of the same model on the same data: the work of its phases at the
/// speed of those runs.
pub fn estimate(spec: &ExperimentSpec, past: &[PastRun]) -> Option<Estimate> {
    let alike = past.iter().filter(|run| is_alike(spec, &run.spec) && run.n_rounds > 0);
    let mut n_bytes = 0;
    let mut times: Vec<Between> = Vec::new();
    for run in alike {
        n_bytes = n_bytes.max(run.n_bytes);
        let mut done = plan(&run.spec, run.sizes, &BTreeMap::new());
        done.retain(|phase| u64::from(phase.key.round) < run.n_rounds);
        let ms_per_pair = run.wall_ms as f64 / relative_cost(&done).likely.max(1.0);
        let whole = relative_cost(&plan(spec, run.sizes, &BTreeMap::new()));
        times.push(whole.times(ms_per_pair));
    }
    let n_runs = times.len();
    let least = times.iter().map(|time| time.least).reduce(f64::min)?;
    let most = times.iter().map(|time| time.most).reduce(f64::max)?;
    let likely = times.iter().map(|time| time.likely).sum::<f64>() / n_runs as f64;
    Some(Estimate { n_runs, wall_ms: [least, likely, most].map(|ms| ms as u64), n_bytes })
}

/// The same model on the same pairs, for the same: how a pair is worked on then takes the same time.
fn is_alike(a: &ExperimentSpec, b: &ExperimentSpec) -> bool {
    a.kind == b.kind
        && a.model == b.model
        && a.data.source == b.data.source
        && a.data.limit == b.data.limit
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::forecast::Sizes;
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
        let sizes = Sizes { seed_set: 1152, validation: 288, pool: 8160, test: 2400 };
        let past = |sets: &[&str], wall_ms| PastRun {
            spec: spec(sets),
            sizes,
            n_rounds: 4,
            wall_ms,
            n_bytes: wall_ms * 10,
        };
        let runs =
            [past(&[], 80_000), past(&[], 100_000), past(&["model.backbone=\"mock\""], 1_000)];
        let found = estimate(&spec(&[]), &runs).unwrap();
        assert_eq!((found.n_runs, found.wall_ms[1]), (2, 90_000));
        assert!(found.wall_ms[0] < 60_000, "the loop may end early: {:?}", found.wall_ms);
        assert_eq!(found.n_bytes, 1_000_000);
        let longer = estimate(&spec(&["rounds.max=7"]), &runs).unwrap();
        assert!(longer.wall_ms[1] > 130_000);
        let control = estimate(&spec(&["rounds.max=0"]), &runs).unwrap();
        assert!(control.wall_ms[1] < 10_000, "round 0 is small: {:?}", control.wall_ms);
        assert_eq!(estimate(&spec(&["data.limit=10"]), &runs), None);
    }

    #[test]
    fn a_run_that_ended_early_is_no_sign_of_a_slow_machine() {
        let spec = form::check(None, &[], &[]).unwrap();
        let sizes = Sizes { seed_set: 1152, validation: 288, pool: 8160, test: 2400 };
        let early = |n_rounds, wall_ms| PastRun {
            spec: spec.clone(),
            sizes,
            n_rounds,
            wall_ms,
            n_bytes: 1,
        };
        // As `ser run` took them: 180 s for the rounds 0 and 1, of at most four.
        let found = estimate(&spec, &[early(2, 180_000)]).unwrap();
        let [least, _, most] = found.wall_ms;
        assert!((150_000..200_000).contains(&least), "{least}");
        assert!((280_000..400_000).contains(&most), "{most}");
    }
}
