//! Labels that come while a run goes on: from people who keep and flip, and from an oracle.

use std::collections::BTreeSet;

use ser::domain::preference::{PairId, TrainingLabel, chosen_side};
use ser::domain::run::RequestKind;
use ser::domain::spec::{OracleQueue, RuleName};
use ser::domain::verdict::Verdict;
use ser::store::Decision;
use ser::worker::Ending;

use super::{World, answer_the_gate, gated};

#[test]
fn kept_and_flipped_pairs_become_human_labels_and_leave_the_pool() {
    let mut world = World::new();
    let run = world.create(|spec| {
        gated(spec);
        spec.rounds.max = 2;
        // The second gate opens by itself.
        spec.review.timeout = 1;
        spec.selection.relabel = true;
        spec.selection.rule = RuleName::TopShare;
        spec.selection.top_share = 0.5;
    });
    answer_the_gate(&mut world, &run, RequestKind::Stop);
    let scores = world.store.pair_scores(&run, 1).unwrap();
    let mut kept = scores.iter().filter(|pair| pair.left_out.is_none());
    let (keep, veto) = (kept.next().unwrap().score.pair, kept.next().unwrap().score.pair);
    let left_out = scores.iter().filter(|pair| pair.left_out.is_some());
    let flip =
        left_out.map(|pair| pair.score).find(|score| score.pseudo_label().is_some()).unwrap();
    for (pair, verdict) in
        [(keep, Verdict::Keep), (veto, Verdict::Veto), (flip.pair, Verdict::Flip)]
    {
        world.store.decide(&run, &[pair], Decision::new(verdict)).unwrap();
    }
    let (verdicts, _) = world.store.verdicts(&run, None).unwrap();
    let labels = verdicts.human_labels();
    assert_eq!(labels.len(), 2);
    let flipped = labels.iter().find(|label| label.pair == flip.pair).unwrap();
    assert_eq!(flipped.preferred, flip.pseudo_label().unwrap().preferred.other());
    world.store.requeue(&run).unwrap();
    answer_the_gate(&mut world, &run, RequestKind::Resume);
    let rounds = world.rounds(&run);
    let n_selected = rounds[1].selection.as_ref().unwrap().n_selected;
    // The veto takes one away, the flip adds one; the kept pair counts once.
    assert_eq!(rounds[1].n_train_pairs, Some(n_selected));
    assert_eq!(rounds[0].n_labels_spent, Some(72));
    assert_eq!(rounds[1].n_labels_spent, Some(74));
    let second = rounds[2].selection.as_ref().unwrap();
    assert_eq!(second.n_scored, 406);
    let scored = world.store.pair_scores(&run, 2).unwrap();
    assert!(scored.iter().all(|pair| ![keep, flip.pair].contains(&pair.score.pair)));
}

#[test]
fn an_oracle_answers_its_queue_and_is_counted() {
    let mut world = World::new();
    for (queue, error) in [
        (OracleQueue::Teach, 0.0),
        (OracleQueue::Random, 0.0),
        (OracleQueue::Audit, 0.0),
        (OracleQueue::Random, 1.0),
    ] {
        let run = world.create(|spec| {
            spec.selection.relabel = true;
            spec.review.oracle = queue;
            spec.review.oracle_labels = 10;
            spec.review.oracle_error = error;
        });
        assert_eq!(world.run(&run), Ending::Finished);
        let rounds = world.rounds(&run);
        let spent: Vec<u64> = rounds.iter().map(|round| round.n_labels_spent.unwrap()).collect();
        assert_eq!(spent, [72, 82, 92], "{queue:?}");
        let (verdicts, _) = world.store.verdicts(&run, None).unwrap();
        let labels = verdicts.human_labels();
        assert_eq!(labels.len(), 20);
        let is_right = |label: &TrainingLabel| label.preferred == chosen_side(7, label.pair);
        let n_right = labels.iter().filter(|label| is_right(label)).count();
        assert_eq!(n_right, if error > 0.0 { 0 } else { 20 });
        let selected: BTreeSet<PairId> = [1, 2]
            .iter()
            .flat_map(|round| world.store.pair_scores(&run, *round).unwrap())
            .filter(|pair| pair.left_out.is_none())
            .map(|pair| pair.score.pair)
            .collect();
        if queue == OracleQueue::Audit {
            assert!(labels.iter().all(|label| selected.contains(&label.pair)));
        }
        // Nobody but the oracle decided, so there is nothing for a person to undo.
        assert!(world.store.undo_verdict(&run, None).unwrap().is_none());
        let before = (world.rounds(&run), world.store.verdicts(&run, None).unwrap());
        world.store.rebuild(&run).unwrap();
        assert_eq!((world.rounds(&run), world.store.verdicts(&run, None).unwrap()), before);
    }
}

#[test]
fn an_oracle_keeps_a_run_going_that_selects_nothing() {
    let mut world = World::new();
    let run = world.create(|spec| {
        spec.selection.min_selected = ser::domain::spec::Amount::Count(10_000);
        spec.review.oracle = OracleQueue::Teach;
        spec.review.oracle_labels = 10;
        spec.rounds.include_seed_set = true;
    });
    world.run(&run);
    let rounds = world.rounds(&run);
    let trained: Vec<u64> = rounds.iter().map(|round| round.n_train_pairs.unwrap()).collect();
    assert_eq!(trained, [57, 67, 77]);
}
