//! Tests: what holds after decisions, undo and redo.

use super::*;
use crate::store::{Access, testing};

fn state(store: &Store, run: &RunId) -> ReviewState {
    let mut state = ReviewState::default();
    store.refresh_review(run, &mut state).unwrap();
    state
}

fn get(store: &Store, run: &RunId, pair: u32) -> Option<Verdict> {
    state(store, run).verdicts.get(PairId(pair))
}

fn row_of(store: &Store, run: &RunId, pair: u32) -> Option<VerdictRow> {
    let connection = &store.connection;
    verdict_row(connection, keys::run(connection, run).unwrap(), PairId(pair)).unwrap()
}

#[test]
fn verdicts_are_replayed_up_to_a_row() {
    let mut fixture = testing::store();
    let run = fixture.run("a");
    let store = &mut fixture.store;
    assert_eq!(store.verdicts(&run, None).unwrap(), (VerdictSet::default(), 0));
    let veto = store
        .decide(
            &run,
            &[PairId(1)],
            Decision { reason: Some("wrong"), ..Decision::new(Verdict::Veto) },
        )
        .unwrap();
    let flip = store.decide(&run, &[PairId(2)], Decision::new(Verdict::Flip)).unwrap();
    assert_eq!(store.find_run("a").unwrap().n_vetoed, 1);
    let undo = store.decide(&run, &[PairId(1)], Decision::new(Verdict::Undo)).unwrap();
    let (all, last) = store.verdicts(&run, None).unwrap();
    assert_eq!((all.get(PairId(1)), last), (None, undo));
    let (mut early, last) = store.verdicts(&run, Some(veto)).unwrap();
    assert_eq!((early.get(PairId(1)), early.n_vetoed(), last), (Some(Verdict::Veto), 1, veto));
    assert_eq!(store.read_verdicts_after(&run, veto, &mut early).unwrap(), undo);
    assert_eq!(early, all);
    assert!(flip < undo);
    assert_eq!(store.find_run("a").unwrap().n_vetoed, 0);
    assert_eq!(store.runs().unwrap()[0].n_vetoed, 0);
    let error = store.decide(&run, &[PairId(999)], Decision::new(Verdict::Veto)).unwrap_err();
    assert!(matches!(error, StoreError::UnknownPair { pair: 999, .. }), "{error}");
}

#[test]
fn a_bulk_decision_is_one_step_and_restores_what_was_there() {
    let mut fixture = testing::store();
    let run = fixture.run("a");
    let store = &mut fixture.store;
    store
        .decide(
            &run,
            &[PairId(1)],
            Decision { reason: Some("fine"), ..Decision::new(Verdict::Keep) },
        )
        .unwrap();
    let all: Vec<PairId> = (0..5).map(PairId).collect();
    let batch = store.decide(&run, &all, Decision::new(Verdict::Veto)).unwrap();
    let now = state(store, &run);
    assert_eq!(now.verdicts.n_vetoed(), 5);
    let expected = BatchRow { id: batch, verdict: Verdict::Veto, n_pairs: 5, pair: PairId(0) };
    assert_eq!(now.undo, Some(expected.clone()));
    assert_eq!(store.undo_verdict(&run).unwrap(), Some(expected));
    assert_eq!(get(store, &run, 1), Some(Verdict::Keep));
    assert_eq!(row_of(store, &run, 1).unwrap().reason.unwrap(), "fine");
    assert_eq!(state(store, &run).verdicts.n_vetoed(), 0);
    assert!(store.redo_verdict(&run).unwrap().is_some());
    assert_eq!(state(store, &run).verdicts.n_vetoed(), 5);
    assert_eq!(store.redo_verdict(&run).unwrap(), None);
    let unknown = [PairId(0), PairId(999)];
    assert!(store.decide(&run, &unknown, Decision::new(Verdict::Flip)).is_err());
    assert_eq!(state(store, &run).verdicts.n_vetoed(), 5, "all or nothing");
}

#[test]
fn undo_and_redo_walk_the_log_across_restarts() {
    let mut fixture = testing::store();
    let run = fixture.run("a");
    let home = fixture.home.clone();
    drop(fixture.store);
    let reopen = || Store::open(&home, Access::ReadWrite).unwrap();
    reopen().decide(&run, &[PairId(7)], Decision::new(Verdict::Veto)).unwrap();
    reopen().decide(&run, &[PairId(7)], Decision::new(Verdict::Flip)).unwrap();
    let seen = |store: &Store| get(store, &run, 7);
    let mut walk = Vec::new();
    for step in ["undo", "undo", "undo", "redo", "redo", "redo", "undo"] {
        let mut store = reopen();
        let did = match step {
            "undo" => store.undo_verdict(&run).unwrap().is_some(),
            _ => store.redo_verdict(&run).unwrap().is_some(),
        };
        walk.push((did, seen(&store)));
    }
    let (veto, flip) = (Some(Verdict::Veto), Some(Verdict::Flip));
    let expected = [
        (true, veto),
        (true, None),
        (false, None),
        (true, veto),
        (true, flip),
        (false, flip),
        (true, veto),
    ];
    assert_eq!(walk, expected);
    let mut store = reopen();
    store.decide(&run, &[PairId(7)], Decision::new(Verdict::Keep)).unwrap();
    assert_eq!(store.redo_verdict(&run).unwrap(), None, "a new decision ends the redo");
    store.undo_verdict(&run).unwrap();
    assert_eq!(seen(&store), veto);
}

#[test]
fn reasons_comments_and_queues_follow_their_verdict() {
    let mut fixture = testing::store();
    let run = fixture.run("a");
    let store = &mut fixture.store;
    let amended = store.amend_verdict(&run, PairId(3), Some("late"), None).unwrap();
    assert!(!amended, "nothing was decided");
    let decision = Decision { queue: Some(Queue::Audit), ..Decision::new(Verdict::Veto) };
    store.decide(&run, &[PairId(3)], decision).unwrap();
    assert!(store.amend_verdict(&run, PairId(3), Some("both bad"), None).unwrap());
    assert!(store.amend_verdict(&run, PairId(3), None, Some("see 4")).unwrap());
    let row = row_of(store, &run, 3).unwrap();
    assert_eq!(row.reason.as_deref(), Some("both bad"));
    assert_eq!(row.comment.as_deref(), Some("see 4"));
    assert_eq!(state(store, &run).audited, BTreeSet::from([PairId(3)]));
    store.undo_verdict(&run).unwrap();
    let undone = state(store, &run);
    assert!(
        undone.audited.is_empty()
            && undone.verdicts == VerdictSet::default()
            && undone.undo.is_none()
    );
    assert_eq!(row_of(store, &run, 3), None);
    store.redo_verdict(&run).unwrap();
    let row = row_of(store, &run, 3).unwrap();
    assert_eq!((row.reason.as_deref(), row.comment.as_deref()), (Some("both bad"), Some("see 4")));
    assert_eq!(state(store, &run).audited.len(), 1);
}

#[test]
fn two_viewers_lose_no_decision() {
    let mut fixture = testing::store();
    let run = fixture.run("a");
    std::thread::scope(|scope| {
        for first in [0, 20] {
            let (home, run) = (fixture.home.clone(), run.clone());
            scope.spawn(move || {
                let mut store = Store::open(&home, Access::ReadWrite).unwrap();
                for pair in first..first + 20 {
                    store.decide(&run, &[PairId(pair)], Decision::new(Verdict::Veto)).unwrap();
                }
            });
        }
    });
    assert_eq!(state(&fixture.store, &run).verdicts.n_vetoed(), 40);
}
