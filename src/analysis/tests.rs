//! Tests: two or three small runs side by side.

use super::*;
use crate::domain::event::{PairMargin, RunEvent};
use crate::domain::metrics::{Evaluation, Split};
use crate::domain::preference::{PairId, Side, chosen_side};
use crate::domain::pseudo_label::PairScore;
use crate::domain::selection::{LeftOut, ScoredPair};
use crate::store::testing::{self, Fixture};
use crate::store::{Attempt, NewRun};

fn evaluated(round: u32, split: Split, margins: &[f64]) -> RunEvent {
    let pair = |(id, margin): (u32, &f64)| PairMargin { pair: PairId(id), margin: *margin as f32 };
    RunEvent::Evaluated {
        round,
        split,
        evaluation: Evaluation::from_margins(margins).unwrap(),
        margins: (0..).zip(margins).map(pair).collect(),
    }
}

/// A run with this random seed and learning rate that ends with these events.
fn run(fixture: &mut Fixture, name: &str, seed: u64, rate: f32, events: Vec<RunEvent>) -> RunId {
    let mut spec = testing::spec();
    spec.rng_seed = seed;
    spec.train.learning_rate = rate;
    if name.starts_with("full") {
        spec.arm = "full-labels".to_owned();
    }
    let new = NewRun {
        name: Some(name.to_owned()),
        spec: &spec,
        dataset: fixture.dataset,
        test_dataset: None,
        experiment: None,
    };
    let id = fixture.store.create_run(&new).unwrap().id;
    let attempt = fixture.begin(&id);
    fixture.apply(&id, attempt, events);
    id
}

fn query(runs: &[&RunId]) -> ComparisonQuery {
    let runs = runs.iter().map(|run| (*run).clone()).collect();
    ComparisonQuery { runs, base: 0, rounds: RoundChoice::Last, n_loss_points: 0 }
}

fn metric<'a>(comparison: &'a Comparison, name: &str) -> &'a MetricRow {
    comparison.metrics.iter().find(|row| row.name == name).unwrap()
}

/// Margins of ten pairs, the right ones given by place.
fn margins(right: &[usize]) -> Vec<f64> {
    (0..10).map(|i| if right.contains(&i) { 1.5 } else { -0.5 }).collect()
}

#[test]
fn only_common_pairs_are_compared_and_p_values_are_adjusted() {
    let mut fixture = testing::store();
    let test = |right: &[usize]| vec![evaluated(0, Split::Test, &margins(right))];
    let base = run(&mut fixture, "a", 1, 1e-4, test(&[0, 1, 2, 3]));
    let better = run(&mut fixture, "b", 1, 2e-4, test(&[1, 2, 3, 4, 5, 6, 7]));
    // Evaluated on the first six pairs only.
    let short = margins(&[0, 1, 2, 3])[..6].to_vec();
    let fewer = run(&mut fixture, "c", 1, 1e-4, vec![evaluated(0, Split::Test, &short)]);
    let untested = run(&mut fixture, "d", 1, 1e-4, Vec::new());
    let mut cache = ComparisonCache::default();
    let ask = query(&[&base, &better, &fewer, &untested]);
    let comparison = compare(&fixture.store, &ask, &mut cache).unwrap();
    let row = metric(&comparison, "test/accuracy");
    assert_eq!(row.values, [Some(0.4), Some(0.7), Some(4.0 / 6.0), None]);
    let difference = row.differences[1].unwrap();
    assert!((difference.paired.difference - 0.3).abs() < 1e-12 && difference.paired.n == 10);
    // One pair against four: 2 (1 + 5) / 32. Two comparisons: twice that.
    assert!((difference.paired.p_value - 0.375).abs() < 1e-12, "{difference:?}");
    assert!((difference.p_holm - 0.75).abs() < 1e-12 && !difference.is_significant());
    let same = row.differences[2].unwrap();
    assert_eq!((same.paired.n, same.paired.difference, same.p_holm), (6, 0.0, 1.0));
    assert!(row.differences[0].is_none() && row.differences[3].is_none());
    let outcomes = comparison.outcomes[1].unwrap();
    assert_eq!((outcomes.n_both_right, outcomes.n_only_base, outcomes.n_only_other), (3, 1, 4));
    // p moved from 0.5 to 0.75 correct by margin: the loss fell as well.
    assert!(metric(&comparison, "test/nll").differences[1].unwrap().paired.difference < 0.0);
    assert_eq!(compare(&fixture.store, &ask, &mut cache).unwrap(), comparison, "from the cache");
    let settings: Vec<&str> =
        comparison.settings.iter().filter(|row| row.is_different).map(|row| &*row.key).collect();
    assert_eq!(settings, ["train.learning_rate"]);
}

#[test]
fn the_round_is_the_last_or_the_best_by_validation() {
    let mut fixture = testing::store();
    let events = |offset: usize| {
        let mut events = Vec::new();
        for (round, n_right) in [(0, 4), (1, 8), (2, 6)] {
            let right: Vec<usize> = (0..n_right).collect();
            events.push(evaluated(round, Split::Validation, &margins(&right)));
            let right: Vec<usize> = (0..n_right - offset).collect();
            events.push(evaluated(round, Split::Test, &margins(&right)));
        }
        events
    };
    let first = run(&mut fixture, "a", 1, 1e-4, events(0));
    let second = run(&mut fixture, "b", 2, 1e-4, events(1));
    let full = run(
        &mut fixture,
        "full",
        1,
        1e-4,
        vec![evaluated(0, Split::Test, &margins(&[0, 1, 2, 3, 4, 5, 6, 7]))],
    );
    let mut ask = query(&[&first, &second, &full]);
    let mut cache = ComparisonCache::default();
    let last = compare(&fixture.store, &ask, &mut cache).unwrap();
    assert_eq!(
        last.runs.iter().map(|run| run.round).collect::<Vec<_>>(),
        [Some(2), Some(2), Some(0)]
    );
    assert_eq!(metric(&last, "test/accuracy").values, [Some(0.6), Some(0.5), Some(0.8)]);
    // From .4 half way to .8; from .3 to .5 of .8 with another seed's ceiling.
    let gaps = &metric(&last, "gap_closed").values;
    assert!((gaps[0].unwrap() - 0.5).abs() < 1e-9 && (gaps[1].unwrap() - 0.4).abs() < 1e-9);
    assert_eq!(gaps[2], None);
    ask.rounds = RoundChoice::Best;
    ask.base = 1;
    let best = compare(&fixture.store, &ask, &mut cache).unwrap();
    // The run without validation has no best round.
    assert_eq!(best.runs.iter().map(|run| run.round).collect::<Vec<_>>(), [Some(1), Some(1), None]);
    let difference = metric(&best, "test/accuracy").differences[0].unwrap();
    assert!((difference.paired.difference - 0.1).abs() < 1e-12);
    // Only the random seed differs: one group with an interval over seeds.
    let group = &best.groups[0];
    assert_eq!(group.runs, [0, 1]);
    assert_eq!(best.same_as, [None, None, Some(0)], "an arm is only a name");
    let (mean, interval) = group.accuracy.unwrap();
    assert!((mean - 0.75).abs() < 1e-12 && interval.is_some());
}

/// A selection in which every pair's margin toward the chosen answer is given.
fn selected(seed: u64, round: u32, toward_chosen: &[(u32, f32, bool)]) -> RunEvent {
    let RunEvent::SelectionMade { summary, .. } = testing::selection_made(round, 2) else {
        unreachable!()
    };
    let scored = |(pair, margin, is_selected): &(u32, f32, bool)| {
        let pair = PairId(*pair);
        let (reward_a, reward_b) = match chosen_side(seed, pair) {
            Side::A => (*margin, 0.0),
            Side::B => (0.0, *margin),
        };
        let left_out = (!is_selected).then_some(LeftOut::NotSeparated);
        ScoredPair { score: PairScore { pair, reward_a, reward_b }, left_out }
    };
    RunEvent::SelectionMade { round, summary, pairs: toward_chosen.iter().map(scored).collect() }
}

#[test]
fn disagreements_are_counted_in_both_kinds_of_pairs() {
    let mut fixture = testing::store();
    let ours = [(1, 2.0, true), (2, -1.0, true), (3, 1.0, false), (5, 1.0, true), (6, 0.0, false)];
    let theirs =
        [(1, -3.0, true), (2, -2.0, false), (3, -0.5, true), (6, 1.0, false), (9, 1.0, true)];
    let test = |right: &[usize]| evaluated(0, Split::Test, &margins(right));
    let base = run(&mut fixture, "a", 1, 1e-4, vec![test(&[0, 1]), selected(1, 1, &ours)]);
    let other = run(&mut fixture, "b", 2, 1e-4, vec![test(&[1, 2, 3]), selected(2, 1, &theirs)]);
    let mut cache = ComparisonCache::default();
    let comparison = compare(&fixture.store, &query(&[&base, &other]), &mut cache).unwrap();
    let found = disagreements(&fixture.store, &comparison.runs[0], &comparison.runs[1], 4).unwrap();
    assert_eq!(Some(found.test), comparison.outcomes[1]);
    let pool = found.pool.unwrap();
    assert_eq!((pool.n_common, pool.n_opposite, pool.n_opposite_selected), (4, 2, 1));
    assert_eq!((pool.n_base_right, pool.n_other_right), (2, 0));
    assert_eq!((pool.n_only_base_selected, pool.n_only_other_selected), (1, 1));
    // The pool pair that both are surest about comes first.
    let pairs: Vec<_> = found.pairs.iter().map(|d| (d.pair.0, d.split)).collect();
    assert_eq!(pairs.len(), 4);
    assert_eq!(pairs[0], (1, DisagreementSplit::Pool));
    assert!(found.pairs[0].base.is_right && !found.pairs[0].other.is_right);
    assert_eq!(found.pairs[0].prompt, "prompt 1 é");
    assert!(found.pairs.windows(2).all(|pair| pair[0].sureness() >= pair[1].sureness()));
}

#[test]
fn too_many_runs_and_no_runs_are_refused() {
    let mut fixture = testing::store();
    let id = fixture.run("a");
    let mut cache = ComparisonCache::default();
    for runs in [Vec::new(), vec![&id; 101]] {
        let error = compare(&fixture.store, &query(&runs), &mut cache).unwrap_err();
        assert!(error.hint().is_some(), "{error}");
    }
    let gone = RunId("rnothing".into());
    assert!(compare(&fixture.store, &query(&[&id, &gone]), &mut cache).is_err());
    let alone = compare(&fixture.store, &query(&[&id]), &mut cache).unwrap();
    assert!(alone.outcomes == [None] && alone.groups.is_empty());
}

#[test]
fn a_run_that_goes_on_is_compared_anew() {
    let mut fixture = testing::store();
    let base = run(&mut fixture, "a", 1, 1e-4, vec![evaluated(0, Split::Test, &margins(&[0]))]);
    let id = fixture.run("b");
    let attempt = fixture.begin(&id);
    fixture.apply(&id, attempt, vec![evaluated(0, Split::Test, &margins(&[0]))]);
    let mut cache = ComparisonCache::default();
    let ask = query(&[&base, &id]);
    let difference = |comparison: &Comparison| {
        metric(comparison, "test/accuracy").differences[1].unwrap().paired.difference
    };
    assert_eq!(difference(&compare(&fixture.store, &ask, &mut cache).unwrap()), 0.0);
    let next = Attempt { next_seq: attempt.next_seq + 1, ..attempt };
    fixture.apply(&id, next, vec![evaluated(1, Split::Test, &margins(&[0, 1]))]);
    let later = compare(&fixture.store, &ask, &mut cache).unwrap();
    assert!((difference(&later) - 0.1).abs() < 1e-12);
}
