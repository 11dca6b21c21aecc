//! Tests: what holds after decisions, undo and redo.

use std::collections::BTreeSet;

use super::*;
use crate::domain::verdict::VerdictSet;
use crate::store::people::replay::ReviewState;
use crate::store::people::undo::BatchRow;
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
        .unwrap()
        .batch;
    let flip = store.decide(&run, &[PairId(2)], Decision::new(Verdict::Flip)).unwrap().batch;
    assert_eq!(store.find_run("a").unwrap().n_vetoed, 1);
    let undo = store.decide(&run, &[PairId(1)], Decision::new(Verdict::Undo)).unwrap().batch;
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
    let Recorded { batch, n_overwritten, single, .. } =
        store.decide(&run, &all, Decision::new(Verdict::Veto)).unwrap();
    assert_eq!((n_overwritten, single), (1, None));
    let now = state(store, &run);
    assert_eq!(now.verdicts.n_vetoed(), 5);
    let expected = BatchRow { id: batch, verdict: Verdict::Veto, n_pairs: 5, pair: PairId(0) };
    assert_eq!(now.undo, Some(expected.clone()));
    assert_eq!(store.undo_verdict(&run, None).unwrap(), Some(expected));
    assert_eq!(get(store, &run, 1), Some(Verdict::Keep));
    assert_eq!(row_of(store, &run, 1).unwrap().reason.unwrap(), "fine");
    assert_eq!(state(store, &run).verdicts.n_vetoed(), 0);
    assert!(store.redo_verdict(&run, None).unwrap().is_some());
    assert_eq!(state(store, &run).verdicts.n_vetoed(), 5);
    assert_eq!(store.redo_verdict(&run, None).unwrap(), None);
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
            "undo" => store.undo_verdict(&run, None).unwrap().is_some(),
            _ => store.redo_verdict(&run, None).unwrap().is_some(),
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
    assert_eq!(store.redo_verdict(&run, None).unwrap(), None, "a new decision ends the redo");
    store.undo_verdict(&run, None).unwrap();
    assert_eq!(seen(&store), veto);
}

#[test]
fn reasons_comments_and_queues_follow_their_verdict() {
    let mut fixture = testing::store();
    let run = fixture.run("a");
    let store = &mut fixture.store;
    let amended = store.amend_verdict(&run, PairId(3), None, [Some("late"), None]).unwrap();
    assert!(!amended, "nothing was decided");
    let decision = Decision { queue: Some(Queue::Audit), ..Decision::new(Verdict::Veto) };
    store.decide(&run, &[PairId(3)], decision).unwrap();
    assert!(store.amend_verdict(&run, PairId(3), None, [Some("both bad"), None]).unwrap());
    assert!(store.amend_verdict(&run, PairId(3), None, [None, Some("see 4")]).unwrap());
    let row = row_of(store, &run, 3).unwrap();
    assert_eq!(row.reason.as_deref(), Some("both bad"));
    assert_eq!(row.comment.as_deref(), Some("see 4"));
    assert_eq!(state(store, &run).audited, BTreeSet::from([PairId(3)]));
    store.undo_verdict(&run, None).unwrap();
    let undone = state(store, &run);
    assert!(
        undone.audited.is_empty()
            && undone.verdicts == VerdictSet::default()
            && undone.undo.is_none()
    );
    assert_eq!(row_of(store, &run, 3), None);
    store.redo_verdict(&run, None).unwrap();
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

fn by(reviewer: &str, verdict: Verdict) -> Decision<'_> {
    Decision { reviewer: Some(reviewer), ..Decision::new(verdict) }
}

/// A run whose first round scored pairs 0 to 29; `a` is preferred in all of them but those below 10.
fn scored() -> (testing::Fixture, RunId) {
    let mut fixture = testing::store();
    let run = fixture.run("a");
    let attempt = fixture.begin(&run);
    fixture.apply(&run, attempt, vec![testing::selection_made(1, 30)]);
    (fixture, run)
}

#[test]
fn a_side_that_a_person_names_makes_the_verdict() {
    let (mut fixture, run) = scored();
    let store = &mut fixture.store;
    let key = keys::run(&store.connection, &run).unwrap();
    let pairs: Vec<PairId> = (0..30).map(PairId).collect();
    let (labels, n_unscored) = model_sides(&store.connection, key, &pairs).unwrap();
    assert_eq!(n_unscored, 0);
    let beside = model_sides(&store.connection, key, &[PairId(2), PairId(30)]).unwrap();
    assert_eq!((beside.0[1], beside.1), (None, 1));
    for better in [Side::A, Side::B] {
        for (pair, label) in pairs.iter().zip(&labels) {
            let shown = Some(Shown { left: better.other(), is_blind: true });
            let decision = Decision { better: Some(better), shown, ..by("anna", Verdict::Keep) };
            let recorded = store.decide(&run, &[*pair], decision).unwrap().single.unwrap();
            let is_other = label.is_some_and(|label| label != better);
            let expected = if is_other { Verdict::Flip } else { Verdict::Keep };
            assert_eq!((recorded.verdict, recorded.preferred), (expected, Some(better)), "{pair}");
        }
        let (verdicts, _) = store.verdicts(&run, None).unwrap();
        assert!(verdicts.human_labels().iter().all(|label| label.preferred == better));
        let judgment = store.panel(&run).unwrap().get("anna", PairId(3)).unwrap();
        assert_eq!((judgment.left, judgment.is_blind), (Some(better.other()), true));
    }
    let overwritten = store.decide(&run, &[PairId(3)], by("bob", Verdict::Veto)).unwrap();
    let before = overwritten.single.unwrap().before.unwrap();
    assert_eq!((before.reviewer.as_deref(), before.preferred), (Some("anna"), Some(Side::B)));
}

#[test]
fn reviewers_take_back_what_is_theirs_and_the_newest_holds() {
    let (mut fixture, run) = scored();
    let store = &mut fixture.store;
    let side = |better, name| Decision { better: Some(better), ..by(name, Verdict::Keep) };
    store.decide(&run, &[PairId(1)], side(Side::A, "anna")).unwrap();
    store.decide(&run, &[PairId(2)], side(Side::A, "anna")).unwrap();
    store.decide(&run, &[PairId(1)], side(Side::B, "bob")).unwrap();
    let holds = |store: &Store, pair: u32| {
        let (verdicts, _) = store.verdicts(&run, None).unwrap();
        verdicts.preferred(PairId(pair))
    };
    assert_eq!(holds(store, 1), Some(Side::B), "the newest of all reviewers");
    assert_eq!(store.panel(&run).unwrap().disputed(), [PairId(1)]);
    assert!(!store.amend_verdict(&run, PairId(1), Some("anna"), [Some("x"), None]).unwrap());
    assert!(store.amend_verdict(&run, PairId(1), Some("bob"), [Some("x"), None]).unwrap());
    // Anna takes hers back, the later one first; what Bob said stays.
    let undo = |store: &mut Store, name| store.undo_verdict(&run, Some(name)).unwrap();
    assert_eq!(undo(store, "anna").unwrap().pair, PairId(2));
    assert_eq!((holds(store, 1), holds(store, 2)), (Some(Side::B), None));
    assert_eq!(undo(store, "anna").unwrap().pair, PairId(1));
    assert_eq!(holds(store, 1), Some(Side::B));
    assert_eq!(undo(store, "anna"), None);
    let panel = store.panel(&run).unwrap();
    assert!(panel.get("anna", PairId(1)).is_none() && panel.disputed().is_empty());
    assert_eq!(row_of(store, &run, 1).unwrap().reason.as_deref(), Some("x"));
    assert!(store.redo_verdict(&run, Some("anna")).unwrap().is_some());
    assert_eq!(holds(store, 1), Some(Side::B), "Bob decided later");
    // When Bob takes his back, Anna's holds again.
    assert_eq!(undo(store, "bob").unwrap().pair, PairId(1));
    assert_eq!(holds(store, 1), Some(Side::A));
    let row = row_of(store, &run, 1).unwrap();
    assert_eq!((row.reviewer.as_deref(), row.reason), (Some("anna"), None));
    // The worker, which reads the rows as they come, trains on the same.
    let mut trained_on = VerdictSet::default();
    store.read_verdicts_after(&run, 0, &mut trained_on).unwrap();
    assert_eq!(trained_on, store.verdicts(&run, None).unwrap().0);
    assert_eq!(trained_on.human_labels().len(), 1);
    // What is read bit by bit is what is read at once.
    let mut early = ReviewState::of(Some("anna"));
    store.refresh_review(&run, &mut early).unwrap();
    store.decide(&run, &[PairId(5)], by("anna", Verdict::Veto)).unwrap();
    undo(store, "anna");
    store.decide(&run, &[PairId(6)], by("bob", Verdict::Veto)).unwrap();
    store.refresh_review(&run, &mut early).unwrap();
    let mut late = ReviewState::of(Some("anna"));
    store.refresh_review(&run, &mut late).unwrap();
    assert_eq!(early, late);
    assert_eq!(late.panel, store.panel(&run).unwrap());
}
