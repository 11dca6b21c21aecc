//! Tests of plans and forecasts.

use std::collections::BTreeMap;

use super::*;
use crate::domain::spec::{ExperimentSpec, PoolLabels, RuleName, SecondView};

fn spec(change: impl Fn(&mut ExperimentSpec)) -> ExperimentSpec {
    let mut spec: ExperimentSpec =
        toml::from_str(include_str!("../../../assets/default.toml")).unwrap();
    change(&mut spec);
    spec
}

const SIZES: Sizes = Sizes { seed_set: 120, validation: 30, pool: 1000, test: 200 };

/// Round, phase, part and likely pairs of every phase.
fn listed(spec: &ExperimentSpec, selected: &BTreeMap<u32, u64>) -> Vec<(u32, Phase, u32, u64)> {
    let phases = plan(spec, SIZES, selected);
    let row =
        |it: &PlannedPhase| (it.key.round, it.key.phase, it.key.part, it.n_pairs.likely as u64);
    phases.iter().map(row).collect()
}

#[test]
fn a_run_with_folds_and_a_second_view_is_planned_whole() {
    use Phase::{CrossFit, JudgeFold, Score, SecondView, Test, Train, Validate};
    let spec = spec(|spec| spec.rounds.max = 2);
    let known = BTreeMap::from([(1, 400)]);
    let expected = [
        (0, Train, 0, 360),
        (0, Validate, 0, 30),
        (0, Test, 0, 200),
        (0, CrossFit, 0, 240),
        (0, JudgeFold, 0, 1070),
        (0, CrossFit, 1, 240),
        (0, JudgeFold, 1, 1070),
        (0, CrossFit, 2, 240),
        (0, JudgeFold, 2, 1070),
        (0, SecondView, 0, 1150),
        (1, Score, 0, 1000),
        (1, Train, 0, 3 * 520),
        (1, Validate, 0, 30),
        (1, Test, 0, 200),
        (2, Score, 0, 1000),
        (2, Train, 0, 3 * 620),
        (2, Validate, 0, 30),
        (2, Test, 0, 200),
    ];
    assert_eq!(listed(&spec, &known), expected);
}

#[test]
fn controls_and_single_rounds_have_no_more_phases_than_they_go_through() {
    let first = |change: &dyn Fn(&mut ExperimentSpec)| listed(&spec(change), &BTreeMap::new());
    let labeled = first(&|spec| spec.rounds.pool_labels = PoolLabels::Human);
    assert_eq!(labeled.len(), 3);
    assert_eq!(labeled[0].3, 3 * 1120, "the pool's labels are trained on");
    assert_eq!(first(&|spec| spec.rounds.max = 0).len(), 3);
    let plain = first(&|spec| {
        spec.rounds.max = 1;
        spec.selection.calibration_folds = 0;
    });
    assert_eq!(plain.len(), 3 + 4);
    let steps = first(&|spec| {
        spec.rounds.max = 0;
        spec.train.steps = 10;
    });
    assert_eq!(steps[0].3, 320, "ten batches");
}

#[test]
fn a_rule_without_a_share_is_a_wide_guess_that_the_first_selection_narrows() {
    let spec = spec(|spec| spec.selection.rule = RuleName::Confidence);
    let trained = |known: &BTreeMap<u32, u64>, round: u32| {
        let phases = plan(&spec, SIZES, known);
        let is = |it: &&PlannedPhase| it.key == PhaseKey::new(round, Phase::Train);
        phases.iter().find(is).unwrap().n_pairs
    };
    let open = trained(&BTreeMap::new(), 1);
    assert_eq!((open.least, open.most), (3.0 * 170.0, 3.0 * 1120.0));
    let known = BTreeMap::from([(1, 300)]);
    assert_eq!(trained(&known, 1), Between::exactly(3.0 * 420.0));
    let next = trained(&known, 2);
    assert_eq!([next.least, next.likely, next.most], [270.0, 420.0, 570.0].map(|n| n * 3.0));
}

fn seen(round: u32, phase: Phase, part: u32, [n_done, n_total]: [u64; 2], ms: u64) -> SeenPhase {
    let key = PhaseKey { round, phase, part };
    SeenPhase { key, n_before: 0, n_done, n_total, elapsed_ms: ms }
}

/// Batches of 32 at 100 ms a pair trained and 20 ms a pair scored.
fn one_round(change: impl Fn(&mut ExperimentSpec)) -> Vec<PlannedPhase> {
    let spec = spec(|spec| {
        spec.rounds.max = 1;
        spec.selection.calibration_folds = 0;
        spec.selection.second_view = SecondView::None;
        change(spec);
    });
    plan(&spec, SIZES, &BTreeMap::new())
}

#[test]
fn nothing_is_foretold_before_a_speed_was_seen() {
    let plan = one_round(|_| ());
    assert_eq!(forecast(&plan, &[]), None);
    assert_eq!(forecast(&plan, &[seen(0, Phase::Open, 0, [0, 1], 9000)]), None);
    assert_eq!(forecast(&plan, &[seen(0, Phase::Train, 0, [0, 12], 0)]), None);
    assert!(forecast(&plan, &[seen(0, Phase::Train, 0, [1, 12], 3200)]).is_some());
}

#[test]
fn phases_to_come_cost_their_pairs_at_the_speed_of_their_kind() {
    let plan = one_round(|_| ());
    let history = [
        seen(0, Phase::Train, 0, [12, 12], 38_400),
        seen(0, Phase::Validate, 0, [30, 30], 600),
        seen(0, Phase::Test, 0, [100, 200], 2_000),
    ];
    let found = forecast(&plan, &history).unwrap();
    // 100 test pairs; then the pool, 3 epochs of 620, 30 and 200.
    let likely = 100 * 20 + 1000 * 20 + 3 * 620 * 100 + 230 * 20;
    assert_eq!(found.left_ms[1], likely);
    assert!(found.left_ms[0] < likely && likely < found.left_ms[2]);
    let whole = 41_000.0 + likely as f64;
    assert!((found.done - 41_000.0 / whole).abs() < 1e-9);
    assert!((found.rounds[0] - 43_000.0 / whole).abs() < 1e-9, "round 0 ends with its test pairs");
    assert_eq!(found.rounds.len(), 1);
}

#[test]
fn the_present_phase_counts_by_what_it_has_announced() {
    // A control takes as many steps as the run it stands beside, which no plan knows.
    let plan = one_round(|spec| spec.rounds.max = 0);
    let found = forecast(&plan, &[seen(0, Phase::Train, 0, [100, 200], 320_000)]).unwrap();
    let guessed = 230.0 * (100.0 / 3.0);
    assert_eq!(found.left_ms[1], 320_000 + guessed as u64);
}

#[test]
fn a_resumed_phase_is_as_fast_as_its_own_attempt() {
    let plan = one_round(|spec| spec.rounds.max = 0);
    let whole = seen(0, Phase::Train, 0, [110, 200], 32_000);
    let resumed = SeenPhase { n_before: 100, ..whole };
    let left = |seen: SeenPhase| forecast(&plan, &[seen]).unwrap().left_ms[1];
    assert!(left(resumed) > 9 * left(whole));
}

#[test]
fn phases_of_an_earlier_attempt_that_will_be_repeated_are_to_come() {
    let plan = one_round(|_| ());
    let later = seen(1, Phase::Score, 0, [1000, 1000], 20_000);
    let again = seen(0, Phase::Validate, 0, [15, 30], 300);
    let trained = seen(0, Phase::Train, 0, [12, 12], 38_400);
    let found = forecast(&plan, &[trained, later, again]).unwrap();
    assert!(found.left_ms[1] > 20_000 + 186_000, "{found:?}");
    assert!(found.done < 0.2);
}

#[test]
fn the_loop_may_end_after_a_later_pool_was_scored() {
    let spec = spec(|spec| {
        spec.rounds.max = 3;
        spec.selection.calibration_folds = 0;
    });
    let plan = plan(&spec, SIZES, &BTreeMap::from([(1, 500)]));
    let mut history = vec![
        seen(0, Phase::Train, 0, [12, 12], 38_400),
        seen(0, Phase::Test, 0, [200, 200], 4_000),
        seen(1, Phase::Score, 0, [1000, 1000], 20_000),
        seen(1, Phase::Train, 0, [59, 59], 188_800),
        seen(2, Phase::Score, 0, [500, 1000], 10_000),
    ];
    let scoring = forecast(&plan, &history).unwrap();
    assert!(scoring.left_ms[0] < 10_000, "half a pool: {scoring:?}");
    assert!(scoring.left_ms[2] > 2 * 186_000, "or two more rounds");
    history.push(seen(2, Phase::Select, 0, [0, 1], 0));
    assert_eq!(forecast(&plan, &history).unwrap().left_ms[0], 0);
    history.push(seen(2, Phase::Train, 0, [1, 59], 3_200));
    assert!(forecast(&plan, &history).unwrap().left_ms[0] > 100_000, "it goes on");
}

#[test]
fn plans_are_compared_by_their_work() {
    let cost = |change: &dyn Fn(&mut ExperimentSpec)| relative_cost(&one_round(change));
    let whole = cost(&|_| ());
    let scored = (30 + 200 + 1000 + 30 + 200) as f64;
    assert_eq!(whole.likely, 3.0 * (360.0 + 1860.0) + scored);
    let longer = cost(&|spec| spec.rounds.max = 3);
    assert!(longer.most > 2.5 * whole.most);
    // The loop may end once the pool of round 2 is scored.
    assert!(longer.least < whole.likely + 1000.0 + 1.0, "{longer:?}");
}

/// A finished run as `tests/python/clock.py` wrote it down. The runs had two cores, some of them shared with
/// other programs.
#[derive(serde::Deserialize)]
struct Recorded {
    /// What differs from the spec of the first one.
    spec: serde_json::Value,
    sizes: [u64; 4],
    /// Round, phase, fold, milliseconds at its beginning, units.
    phases: Vec<(u32, Phase, u32, u64, u64)>,
    /// Round, milliseconds, pairs kept.
    selected: Vec<(u32, u64, u64)>,
    end_ms: u64,
}

fn recorded() -> Vec<(Recorded, ExperimentSpec)> {
    let mut runs: Vec<Recorded> = serde_json::from_str(include_str!("recorded.json")).unwrap();
    let base = runs[0].spec.clone();
    let specs: Vec<ExperimentSpec> = runs
        .iter_mut()
        .map(|run| {
            let mut spec = base.clone();
            merge(&mut spec, &run.spec);
            serde_json::from_value(spec).unwrap()
        })
        .collect();
    runs.into_iter().zip(specs).collect()
}

fn merge(spec: &mut serde_json::Value, changes: &serde_json::Value) {
    match (spec, changes) {
        (serde_json::Value::Object(spec), serde_json::Value::Object(changes)) => {
            for (key, change) in changes {
                merge(spec.entry(key).or_insert(serde_json::Value::Null), change);
            }
        }
        (spec, change) => *spec = change.clone(),
    }
}

/// What a viewer would have seen of a run at a moment, if each phase went on evenly.
fn foretold(run: &Recorded, spec: &ExperimentSpec, now: u64) -> Option<Forecast> {
    let [seed_set, validation, pool, test] = run.sizes;
    let known = run.selected.iter().filter(|(_, at, _)| *at <= now);
    let selected = known.map(|(round, _, n)| (*round, *n)).collect();
    let plan = plan(spec, Sizes { seed_set, validation, pool, test }, &selected);
    let ends = run.phases.iter().skip(1).map(|phase| phase.3).chain([run.end_ms]);
    let seen: Vec<SeenPhase> = run
        .phases
        .iter()
        .zip(ends)
        .filter(|((_, _, _, from, _), _)| *from <= now)
        .map(|((round, phase, part, from, n_total), to)| {
            let elapsed_ms = to.min(now) - from;
            let n_done = n_total * elapsed_ms / (to - from).max(1);
            seen(*round, *phase, *part, [n_done, *n_total], elapsed_ms)
        })
        .collect();
    forecast(&plan, &seen)
}

#[test]
fn after_a_tenth_of_recorded_runs_the_range_holds_their_end() {
    let runs = recorded();
    for (share, most_missed) in [(0.1, 0.2), (0.25, 0.2), (0.5, 0.25), (0.75, 0.25)] {
        let mut missed = Vec::new();
        for (run, spec) in &runs {
            let now = (run.end_ms as f64 * share) as u64;
            let Some(found) = foretold(run, spec, now) else { continue };
            let left = run.end_ms - now;
            let [least, _, most] = found.left_ms;
            if !(least..=most).contains(&left) {
                missed.push((run.end_ms, left, found.left_ms));
            }
        }
        let n_most = (runs.len() as f64 * most_missed) as usize;
        assert!(missed.len() <= n_most, "at {share}: {missed:?}");
    }
}
