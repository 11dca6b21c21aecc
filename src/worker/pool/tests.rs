//! A pool that the embedded language model adds pairs to.

use super::*;
use crate::domain::pool::pairing::Pairing;
use crate::domain::run::RequestKind;
use crate::domain::spec::PoolSource;
use crate::worker::testing::{Bench, N_PAIRS, names, spec};

/// A bench whose round 0 is trained, on a pool whose prompts the embedded model answers.
fn bench(pairing: Pairing) -> Bench {
    let mut bench = Bench::new(spec(|spec| {
        spec.pool.source = PoolSource::Policy;
        "embedded".clone_into(&mut spec.pool.policy);
        "none".clone_into(&mut spec.pool.judge);
        spec.pool.prompts = 5;
        spec.pool.answers = 3;
        spec.pool.max_new_tokens = 8;
        spec.pool.pairing = pairing;
    }));
    bench.learn(1);
    bench
}

fn run(bench: &mut Bench) -> StepResult {
    let Bench { state, resources, reporter, .. } = bench;
    answer(state, resources, reporter, 1)
}

fn generated(bench: &Bench) -> Vec<GeneratedPair> {
    let events = bench.record.take_events();
    let found = events.into_iter().find_map(|event| match event {
        RunEvent::PairsGenerated { pairs, .. } => Some(pairs),
        _ => None,
    });
    found.unwrap_or_default()
}

#[test]
fn pairs_of_answers_join_the_pool_once() {
    let mut bench = bench(Pairing::BestWorst);
    let before = bench.resources.inputs.split.unlabeled_pool.clone();
    assert_eq!(run(&mut bench).unwrap(), Some(Outcome::Answered));
    let pairs = generated(&bench);
    assert!(!pairs.is_empty() && pairs.len() <= 5, "{}", pairs.len());
    for (i, pair) in pairs.iter().enumerate() {
        assert_eq!(pair.pair.0 as usize, N_PAIRS + i, "counted on from the data set");
        assert!(before.contains(&pair.prompt_of), "a prompt of the pool");
        assert!(pair.chosen != pair.rejected && pair.rewards[0] != pair.rewards[1]);
        assert!(!pair.is_judged);
    }
    let pool = bench.resources.inputs.split.unlabeled_pool.clone();
    let joined: Vec<PairId> = pairs.iter().map(|pair| pair.pair).collect();
    assert_eq!(pool, [before, joined].concat());
    // A second attempt takes what the record holds.
    run(&mut bench).unwrap();
    assert!(!names(&bench.record.take_events()).contains(&"pairs_generated"));
    assert_eq!(bench.resources.inputs.split.unlabeled_pool, pool);
}

#[test]
fn the_same_pairs_are_drawn_again() {
    for pairing in [Pairing::BestWorst, Pairing::Random, Pairing::Uncertain] {
        let [first, second] = [(); 2].map(|()| {
            let mut bench = bench(pairing);
            run(&mut bench).unwrap();
            generated(&bench)
        });
        assert!(!first.is_empty());
        assert_eq!(first, second, "{pairing:?}");
    }
}

/// Which answer the reward model preferred must not follow from its side.
#[test]
fn sides_do_not_say_what_the_model_prefers() {
    let mut bench = bench(Pairing::BestWorst);
    bench.state.spec.pool.prompts = 60;
    run(&mut bench).unwrap();
    let pairs = generated(&bench);
    let n_first = pairs.iter().filter(|pair| pair.rewards[0] > pair.rewards[1]).count();
    assert!(pairs.len() > 20, "{}", pairs.len());
    assert!(n_first * 5 > pairs.len() && n_first * 5 < 4 * pairs.len(), "{n_first}");
}

#[test]
fn a_stop_leaves_nothing_behind() {
    let mut bench = bench(Pairing::Random);
    bench.state.spec.pool.prompts = 60;
    let before = bench.resources.inputs.split.unlabeled_pool.clone();
    bench.record.request(Some(RequestKind::Stop));
    assert_eq!(run(&mut bench).unwrap(), None);
    assert!(generated(&bench).is_empty());
    assert_eq!(bench.resources.inputs.split.unlabeled_pool, before);
}
