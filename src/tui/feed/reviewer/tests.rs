//! Tests: what the thread behind the samples screen answers.

use super::*;
use crate::domain::preference::Side;
use crate::domain::review::Queue;
use crate::store::testing;

const ME: &str = "anna";

struct World {
    fixture: testing::Fixture,
    run: RunId,
    reviewer: Reviewer,
}

fn world() -> World {
    let mut fixture = testing::store();
    let run = fixture.run("a");
    let reviewer = Reviewer::new(fixture.home.clone(), ME.to_owned());
    World { fixture, run, reviewer }
}

fn wanted(run: &RunId) -> Wanted {
    Wanted {
        run: run.clone(),
        round: None,
        filter: String::new(),
        order: Order::LeastConfident,
        n_refreshed: 0,
        first: 0,
        n: 10,
        cursor: 0,
        find: None,
        is_second: false,
    }
}

impl World {
    fn show(&mut self, wanted: Wanted) -> Option<Found> {
        self.reviewer.take(Request::Show(wanted));
        self.reviewer.poll(true)
    }

    fn data(&mut self, wanted: Wanted) -> SamplesData {
        match self.show(wanted) {
            Some(Found::Data(data)) => *data,
            other => panic!("{other:?}"),
        }
    }

    fn decide(&mut self, target: Target, verdict: Verdict, queue: Option<Queue>) -> String {
        let run = self.run.clone();
        match self.reviewer.take(Request::Decide { run, target, verdict, queue, judged: None }) {
            Some(Found::Recorded(words)) => words,
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_run_without_scores_says_so_until_it_has_some() {
    let mut world = world();
    let run = world.run.clone();
    assert_eq!(world.show(wanted(&run)), Some(Found::Nothing(run.clone())));
    assert_eq!(world.reviewer.poll(false), None, "nothing changed");
    let attempt = world.fixture.begin(&run);
    world.fixture.apply(&run, attempt, vec![testing::selection_made(1, 30)]);
    let Some(Found::Data(data)) = world.reviewer.poll(false) else { panic!() };
    assert_eq!((data.round, data.n_scored, data.n_listed), (1, 30, 30));
    assert_eq!(data.lines.len(), 10);
    assert_eq!(data.pair.unwrap().sample.pair, data.lines[0].pair);
}

#[test]
fn decisions_are_on_the_disk_and_shown_while_the_list_stays() {
    let mut world = world();
    let run = world.run.clone();
    let attempt = world.fixture.begin(&run);
    world.fixture.apply(&run, attempt, vec![testing::selection_made(1, 30)]);
    let open = Wanted { filter: "verdict:none".to_owned(), ..wanted(&run) };
    let first = world.data(open.clone()).lines[0].pair;
    let words = world.decide(Target::Pairs(vec![first]), Verdict::Veto, None);
    assert!(words.starts_with("vetoed 0: no label · 1-9 says why"), "{words}");
    // Another connection has it at once.
    let (verdicts, _) = world.fixture.store.verdicts(&run, None).unwrap();
    assert_eq!(verdicts.get(first), Some(Verdict::Veto));
    let data = world.data(open.clone());
    assert_eq!((data.n_listed, data.lines[0].verdict), (30, Some(Verdict::Veto)));
    assert_eq!(data.undo.as_ref().unwrap().pair, first);
    let again = Wanted { n_refreshed: 1, ..open.clone() };
    assert_eq!(world.data(again).n_listed, 29, "asked for, the filter is applied again");
    let words = world.decide(Target::Listed(29), Verdict::Keep, None);
    assert_eq!(words, "kept 29 pairs · u undoes all of them");
    let stale = Target::Listed(30);
    let request = Request::Decide {
        run: run.clone(),
        target: stale,
        verdict: Verdict::Veto,
        queue: None,
        judged: None,
    };
    assert_eq!(world.reviewer.take(request), Some(Found::Refused(CHANGED.to_owned())));
    let Some(Found::Recorded(words)) = world.reviewer.take(Request::Undo(run.clone())) else {
        panic!()
    };
    assert_eq!(words, "took back: kept 29 pairs · Ctrl-r redoes");
    let (verdicts, _) = world.fixture.store.verdicts(&run, None).unwrap();
    assert_eq!((verdicts.n_vetoed(), verdicts.count(Verdict::Keep)), (1, 0));
}

#[test]
fn near_duplicates_are_those_of_the_round() {
    let mut world = world();
    let run = world.run.clone();
    let like = |world: &mut World, pair| {
        let run = world.run.clone();
        world.reviewer.take(Request::FindLike { run, pair: PairId(pair) })
    };
    assert!(matches!(like(&mut world, 3), Some(Found::Refused(_))), "nothing was read yet");
    let attempt = world.fixture.begin(&run);
    world.fixture.apply(&run, attempt, vec![testing::selection_made(1, 30)]);
    world.data(wanted(&run));
    let Some(Found::Like { pair, found, .. }) = like(&mut world, 3) else { panic!() };
    assert_eq!((pair, found), (PairId(3), Vec::new()), "the texts of the fixture differ");
    let filtered = Wanted { filter: "like:3".to_owned(), ..wanted(&run) };
    assert_eq!(world.data(filtered).n_listed, 1, "the pair itself");
}

#[test]
fn pairs_are_found_and_a_new_round_does_not_take_the_list_away() {
    let mut world = world();
    let run = world.run.clone();
    let attempt = world.fixture.begin(&run);
    world.fixture.apply(&run, attempt, vec![testing::selection_made(1, 30)]);
    let find = |pair| Wanted { find: Some(Find::Pair(PairId(pair))), ..wanted(&run) };
    let data = world.data(find(17));
    assert_eq!(data.found, Some(17), "pairs are sorted by their number here");
    assert_eq!(data.pair.unwrap().sample.pair, PairId(17));
    assert_eq!(world.data(find(35)).found, None);
    let kept = Wanted { round: Some(1), ..wanted(&run) };
    world.data(kept);
    let later = crate::store::Attempt { next_seq: 2, ..attempt };
    world.fixture.apply(&run, later, vec![testing::selection_made(2, 30)]);
    let Some(Found::Data(data)) = world.reviewer.poll(false) else { panic!() };
    assert_eq!((data.round, &data.rounds[..]), (1, &[1, 2][..]));
}

#[test]
fn a_missing_database_is_an_error_with_a_hint_and_is_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut reviewer = Reviewer::new(Home::new(folder.path().join("nothing")), ME.to_owned());
    reviewer.take(Request::Show(wanted(&RunId::from_bits(1))));
    let Some(Found::Failed(words)) = reviewer.poll(true) else { panic!() };
    assert!(words.contains("there is no database"), "{words}");
    assert_eq!(reviewer.poll(false), None, "said once");
}

#[test]
fn a_judgment_names_its_side_and_counts_for_the_goal() {
    let mut world = world();
    let run = world.run.clone();
    let attempt = world.fixture.begin(&run);
    world.fixture.apply(&run, attempt, vec![testing::selection_made(1, 30)]);
    let teach = Wanted { order: Order::Teach, find: Some(Find::Undecided), ..wanted(&run) };
    let first = world.data(teach.clone());
    assert_eq!((first.found, first.progress.n_done), (Some(0), 0));
    let line = &first.lines[0];
    let label = side_of(line.margin);
    let judge = |world: &mut World, pair, choice, left| {
        let request = Request::Decide {
            run: world.run.clone(),
            target: Target::Pairs(vec![pair]),
            verdict: Verdict::Keep,
            queue: Some(Queue::Teach),
            judged: Some(Judged { choice, left, is_blind: true }),
        };
        match world.reviewer.take(request) {
            Some(Found::Recorded(words)) => words,
            other => panic!("{other:?}"),
        }
    };
    let words = judge(&mut world, line.pair, Choice::Left, Side::B);
    assert!(words.contains(&format!("{}: left (B) is better", line.pair)), "{words}");
    let data = world.data(teach.clone());
    let n_against = usize::from(label.is_some_and(|label| label != Side::B));
    let n_compared = usize::from(label.is_some());
    let progress = Progress { n_done: 1, n_compared, n_against, pace_ms: None };
    assert_eq!((data.progress, data.found), (progress, Some(1)));
    assert!(data.judged.contains(&line.pair));
    // Who says something else says what was there before.
    let words = judge(&mut world, line.pair, Choice::Neither, Side::A);
    assert!(words.starts_with(&format!("vetoed {}: no label · was ", line.pair)), "{words}");
    // For another reviewer the pair is decided, unless it is a second opinion.
    let mut bob = Reviewer::new(world.fixture.home.clone(), "bob".to_owned());
    let mut open = |is_second| {
        bob.take(Request::Show(Wanted { is_second, ..teach.clone() }));
        let Some(Found::Data(data)) = bob.poll(true) else { panic!() };
        (data.found, data.progress.n_done, data.judged.len())
    };
    assert_eq!(open(false), (Some(1), 0, 0));
    assert_eq!(open(true), (Some(0), 0, 0));
    // Bob cannot take back what Anna said.
    let undo = bob.take(Request::Undo(run.clone()));
    assert_eq!(undo, Some(Found::Recorded("nothing to undo".to_owned())));
}
