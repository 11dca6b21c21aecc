//! Tests of the queues: that nothing says which side the model is on, and what the keys record.

use super::super::pictures::snapshots;
use super::super::tests::{feed_as, line, press, run, samples_at};
use super::*;
use crate::domain::phase::Phase;
use crate::domain::review::goal::Progress;
use crate::domain::review::{Finding, Judgment, Order, Queue};
use crate::domain::run::RunStatus;
use crate::tui::feed::samples::SamplesData;
use crate::tui::shell::update::update;
use crate::tui::tests::drive::{key, toast};
use crate::tui::tests::fixtures::{model, running_data};
use crate::tui::tests::pictures::{draw, picture};

const GUIDELINES: &str = "Prefer the answer that is right; of two right ones the shorter.\n\nAn answer \
    that refuses without a reason is worse than one that helps. If both are wrong, press 0.";

/// The teach queue of a reviewer called anna.
fn teach_at(width: u16, height: u16) -> Model {
    let mut model = samples_at(width, height);
    model.samples.judging.reviewer = "anna".to_owned();
    press(&mut model, &["t"]);
    model
}

/// What a later answer of the reviewer's thread says of the progress.
fn progressed(model: &mut Model, progress: Progress) {
    feed_as(model, &|data| data.progress = progress);
}

#[test]
fn pictures_of_a_queue() {
    snapshots("queue_blind", teach_at);
    snapshots("queue_guidelines", |width, height| {
        let mut model = teach_at(width, height);
        model.samples.judging.guidelines = GUIDELINES.to_owned();
        if width < 110 {
            press(&mut model, &["i"]);
        }
        model
    });
    snapshots("queue_judged", |width, height| {
        let mut model = teach_at(width, height);
        press(&mut model, &["2"]);
        let (n_done, n_compared, n_against) = (7, 6, 3);
        progressed(&mut model, Progress { n_done, n_compared, n_against, pace_ms: Some(7_500) });
        model
    });
    snapshots("queue_open", |width, height| {
        let mut model = teach_at(width, height);
        press(&mut model, &["B"]);
        model
    });
    snapshots("queue_zoomed", |width, height| {
        let mut model = teach_at(width, height);
        press(&mut model, &["z"]);
        model
    });
    snapshots("queue_goal", |width, height| {
        let mut model = samples_at(width, height);
        press(&mut model, &["Q", "1"]);
        let (n_done, n_compared, n_against) = (20, 20, 2);
        progressed(&mut model, Progress { n_done, n_compared, n_against, pace_ms: Some(7_500) });
        model
    });
    snapshots("queue_second", |width, height| {
        let mut model = teach_at(width, height);
        press(&mut model, &["o", "1"]);
        second(&mut model);
        press_as(&mut model, "k");
        model
    });
}

#[test]
fn a_gate_shows_its_round_and_the_footer_says_what_p_does() {
    let mut data = running_data();
    let row = &mut data.detail.row;
    row.status = RunStatus::Paused;
    row.progress.as_mut().unwrap().step = Phase::Review;
    let mut model = model(80, 24, vec![row.clone()], Some(data));
    // A first look, at round 1; then the gate of round 2 is met on the live screen.
    press(&mut model, &["3", "["]);
    assert_eq!(model.samples.round, Some(1));
    assert!(picture(&draw(&model)).contains("round 2 waits for you: ] shows it, p lets it go on"));
    press(&mut model, &["2"]);
    let shown = picture(&draw(&model));
    assert!(shown.contains("waits for you: 3 shows, p goes on\n"), "{shown}");
    assert!(shown.contains("p goes on  "), "{shown}");
    press(&mut model, &["3"]);
    assert_eq!(model.samples.round, Some(2));
    assert!(picture(&draw(&model)).contains("p lets round 2 go on"));
}

#[test]
fn a_filter_is_typed_behind_the_one_there_is() {
    let mut model = samples_at(80, 24);
    press(&mut model, &["/", "c", "o", "n", "f", ">", ".", "8", "Enter"]);
    assert_eq!(model.samples.filter, "selected:yes conf>.8");
    press(&mut model, &["/", "Esc"]);
    assert_eq!(model.samples.filter, "selected:yes conf>.8");
}

/// What Bob has said, and Anna too.
fn second(model: &mut Model) {
    feed_as(model, &bobs);
}

fn bobs(data: &mut SamplesData) {
    let said = |better| Judgment {
        verdict: Verdict::Keep,
        preferred: Some(better),
        left: Some(Side::A),
        is_blind: true,
    };
    data.judged.insert(line(5).pair);
    data.said = vec![("anna".to_owned(), said(Side::A)), ("bob".to_owned(), said(Side::B))];
    let found = crate::domain::review::panel::agreement(
        (0..14)
            .map(|i| (Finding::A, if i < 12 { Finding::A } else { Finding::B }))
            .chain([(Finding::B, Finding::B), (Finding::B, Finding::B)]),
    );
    data.agreements = vec![("anna".to_owned(), "bob".to_owned(), found.unwrap())];
}

fn press_as(model: &mut Model, keys: &str) {
    update(model, key(keys));
    feed_as(model, &bobs);
}

/// The same data, from a model that prefers the other answer of every pair.
fn opposite(data: &mut SamplesData) {
    for line in &mut data.lines {
        line.margin = -line.margin;
    }
    if let Some(pair) = &mut data.pair {
        let sample = &mut pair.sample;
        std::mem::swap(&mut sample.reward_a, &mut sample.reward_b);
        pair.rounds.iter_mut().for_each(|opinion| opinion.margin = -opinion.margin);
        pair.others.iter_mut().for_each(|opinion| opinion.margin = -opinion.margin);
    }
}

#[test]
fn a_blind_picture_is_the_same_whatever_the_model_says() {
    for (width, height) in [(160, 48), (120, 30), (80, 24), (60, 16)] {
        for keys in [&[][..], &["z"], &["Tab"], &["Tab", "Tab", "z"], &["s"], &["j", "j"]] {
            let shown = |change: &dyn Fn(&mut SamplesData)| {
                let mut model = teach_at(width, height);
                for keys in keys {
                    update(&mut model, key(keys));
                    feed_as(&mut model, &|data| {
                        // Nobody has decided about a pair yet.
                        data.lines.iter_mut().for_each(|line| line.verdict = None);
                        change(data);
                    });
                }
                feed_as(&mut model, change);
                picture(&draw(&model))
            };
            let (one, other) = (shown(&|_| {}), shown(&opposite));
            assert_eq!(one, other, "{width}x{height} {keys:?}");
            for tells in ["prefer", "reward", "confidence", "model says A", "model says B"] {
                assert!(!one.contains(tells), "{tells}: {one}");
            }
        }
    }
}

#[test]
fn keys_mean_places_and_the_side_is_recorded_truthfully() {
    let mut n_left_is_a = 0;
    let mut verdicts = Vec::new();
    for (keys, choice) in
        [("1", Choice::Left), ("2", Choice::Right), ("0", Choice::Neither), ("x", Choice::Never)]
    {
        for n_down in 0..12 {
            let mut model = teach_at(80, 24);
            for _ in 0..n_down {
                press(&mut model, &["j"]);
            }
            let pair = model.samples.selected().unwrap();
            let shown = picture(&draw(&model));
            let left = left_side(&run(), "anna", pair);
            n_left_is_a += usize::from(left == Side::A);
            // What stands on the left of the screen is the answer that is recorded as left.
            let texts = model.samples.current().unwrap().pair.as_deref().unwrap().sample.clone();
            let on_left = if left == Side::A { &texts.response_a } else { &texts.response_b };
            let first_word = on_left.split_whitespace().next().unwrap();
            let below = shown.lines().skip_while(|line| !line.contains("1 left")).nth(1).unwrap();
            assert!(below.trim_start().starts_with(first_word), "{below} {first_word}");
            let effects = press(&mut model, &[keys]);
            let [Effect::Samples(Request::Decide { target, verdict, queue, judged, .. })] =
                &effects[..]
            else {
                panic!("{effects:?}")
            };
            assert_eq!(*target, Target::Pairs(vec![pair]));
            assert_eq!(*judged, Some(Judged { choice, left, is_blind: true }));
            assert_eq!(*queue, Some(Queue::Teach));
            let label = side_of(line(5 + n_down).margin);
            let expected = match choice.side(left) {
                None => Verdict::Veto,
                side if side == label => Verdict::Keep,
                _ => Verdict::Flip,
            };
            assert_eq!(*verdict, expected);
            verdicts.push(expected);
        }
    }
    assert!((8..40).contains(&n_left_is_a), "{n_left_is_a} of 48");
    for verdict in [Verdict::Keep, Verdict::Flip, Verdict::Veto] {
        assert!(verdicts.contains(&verdict), "{verdict:?}");
    }
}

#[test]
fn who_has_seen_the_models_side_is_not_blind() {
    let blind = |effects: &[Effect]| match effects {
        [Effect::Samples(Request::Decide { judged: Some(judged), .. })] => judged.is_blind,
        other => panic!("{other:?}"),
    };
    let mut model = teach_at(80, 24);
    assert!(!picture(&draw(&model)).contains("reward"));
    press(&mut model, &["B"]);
    assert!(picture(&draw(&model)).contains("reward"));
    press(&mut model, &["B"]);
    assert!(!picture(&draw(&model)).contains("reward"));
    let effects = press(&mut model, &["1"]);
    assert!(!blind(&effects), "seen before it was judged");
    let effects = press(&mut model, &["2"]);
    assert!(blind(&effects), "the next pair was not");
    press(&mut model, &["L"]);
    assert!(toast(&model).0.starts_with("blind: judge the pair first"), "{:?}", toast(&model));
}

#[test]
fn a_judgment_goes_to_the_next_open_pair_and_j_does_not_skip_it() {
    let mut model = teach_at(80, 24);
    assert_eq!(model.samples.cursor, 5, "the first open pair");
    press(&mut model, &["1"]);
    // Of the fixture's lines every sixth is open at 0, 2 and 5.
    let at = model.samples.cursor;
    assert!(at > 5 && line(at).verdict.is_none(), "{at}");
    press(&mut model, &["j"]);
    assert_eq!(model.samples.cursor, at, "the key has gone on already");
    press(&mut model, &["j"]);
    assert_eq!(model.samples.cursor, at + 1);
    // In a list it is the same.
    let mut model = samples_at(80, 24);
    press(&mut model, &["x", "j"]);
    assert_eq!(model.samples.cursor, 1);
    press(&mut model, &["j"]);
    assert_eq!(model.samples.cursor, 2);
    press(&mut model, &["x", "2", "k"]);
}

#[test]
fn a_pair_that_is_not_on_the_screen_is_not_judged() {
    let mut model = teach_at(80, 24);
    update(&mut model, key("1"));
    let effects = update(&mut model, key("1"));
    let decides = |effect: &Effect| matches!(effect, Effect::Samples(Request::Decide { .. }));
    assert!(!effects.iter().any(decides), "its text was not there yet");
    assert_eq!(toast(&model).0, "this pair is still being read");
}

#[test]
fn a_queue_is_whole_and_the_list_comes_back_as_it_was() {
    let mut model = samples_at(80, 24);
    assert_eq!(model.samples.filter, "selected:yes");
    press(&mut model, &["t"]);
    assert_eq!((model.samples.filter.as_str(), model.samples.order), ("", Order::Teach));
    press(&mut model, &["Q"]);
    assert_eq!((model.samples.filter.as_str(), model.samples.order), ("", Order::Audit));
    press(&mut model, &["Q"]);
    let order = model.samples.order;
    assert_eq!((model.samples.filter.as_str(), order), ("selected:yes", Order::LeastConfident));
    // Letters that decide in a list do nothing here.
    press(&mut model, &["t"]);
    assert!(press(&mut model, &["a", "f", "X", "A"]).is_empty());
}

#[test]
fn a_comment_is_on_the_pair_just_judged() {
    let mut model = teach_at(80, 24);
    press(&mut model, &["c"]);
    assert!(toast(&model).0.starts_with("judge first: 1 left"), "{:?}", toast(&model));
    let pair = model.samples.selected().unwrap();
    press(&mut model, &["1", "c", "o", "d", "d"]);
    let effects = press(&mut model, &["Enter"]);
    let [Effect::Samples(Request::Amend { pair: on, comment, .. })] = &effects[..] else {
        panic!("{effects:?}")
    };
    assert_eq!((*on, comment.as_deref()), (pair, Some("odd")));
}

#[test]
fn an_undo_goes_back_to_its_pair() {
    let mut model = teach_at(80, 24);
    press(&mut model, &["1"]);
    assert!(model.samples.judging.last.is_some());
    update(&mut model, key("u"));
    assert_eq!(model.samples.find, Some(Find::Pair(PairId(1037))));
    assert_eq!(model.samples.judging.last, None);
}

#[test]
fn twenty_pairs_are_twenty_two_keys_from_the_live_screen() {
    let mut model = samples_at(80, 24);
    press(&mut model, &["2"]);
    let mut keys = vec!["3", "t"];
    keys.extend(["1", "2", "1", "0", "2"].iter().cycle().take(20));
    let effects = press(&mut model, &keys);
    let n_judged = effects.iter().filter(|effect| {
        matches!(effect, Effect::Samples(Request::Decide { judged: Some(_), .. }))
    });
    assert_eq!((n_judged.count(), keys.len()), (20, 22));
}
