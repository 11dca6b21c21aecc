//! Tests of the screen: what keys do through the real update function.

use std::collections::BTreeSet;

use super::pictures::snapshots;
use crate::domain::preference::{PairId, Side};
use crate::domain::review::goal::Progress;
use crate::domain::review::{Order, PrecisionEstimate, Queue};
use crate::domain::run::{RequestKind, RunId};
use crate::domain::selection::LeftOut;
use crate::domain::stats::wilson_interval_finite;
use crate::domain::verdict::Verdict;
use crate::store::{BatchRow, PairOpinions, RoundOpinion, RunOpinion, SampleLine, VerdictRow};
use crate::tui::feed::change::Change;
use crate::tui::feed::clean::{clean_opinions, clean_sample};
use crate::tui::feed::samples::{Found, Request, SamplesData, Target, Wanted};
use crate::tui::kit::size::Size;
use crate::tui::kit::text;
use crate::tui::shell::effect::Effect;
use crate::tui::shell::message::Message;
use crate::tui::shell::model::{Model, Screen, Tone};
use crate::tui::shell::overlay::Overlay;
use crate::tui::shell::update::update;
use crate::tui::terminal::input::Input;
use crate::tui::tests::drive::{key, toast};
use crate::tui::tests::fixtures::{model, running_data, sampled, twelve_runs};
use crate::tui::tests::pictures::{draw, picture};

const N_LISTED: usize = 412;

pub fn run() -> RunId {
    RunId::from_bits(1)
}

pub fn line(index: usize) -> SampleLine {
    let margin = (index as f32 * 0.01 + 0.2) * if index.is_multiple_of(3) { -1.0 } else { 1.0 };
    SampleLine {
        pair: PairId(1000 + 37 * index as u32 % 71_204),
        margin,
        confidence: crate::domain::stats::bradley_terry::sigmoid(f64::from(margin.abs())),
        change: (!index.is_multiple_of(5)).then_some(0.02 * (index % 7) as f64 - 0.05),
        is_flipped: index % 11 == 4,
        left_out: (index % 4 == 3).then_some(LeftOut::NotSeparated),
        verdict: [None, Some(Verdict::Veto), None, Some(Verdict::Keep), Some(Verdict::Flip), None]
            [index % 6],
        reason: (index % 6 == 1).then(|| "both bad".to_owned()),
        n_chars: (40 + 7 * index as u32 % 90, 60),
        slice: "helpful".to_owned(),
        origin: None,
    }
}

fn opinions(index: usize) -> PairOpinions {
    let mut sample = sampled().swap_remove(0);
    let line = line(index);
    sample.pair = line.pair;
    sample.reward_a = 0.51 + line.margin;
    sample.left_out = line.left_out;
    let round = |round, margin| RoundOpinion { round, margin, left_out: None };
    let other = |name: &str, margin, is_selected| RunOpinion {
        run: RunId::from_bits(7),
        name: name.to_owned(),
        round: 2,
        margin,
        is_selected,
    };
    PairOpinions {
        sample,
        slice: line.slice,
        rounds: vec![round(1, -0.3), round(2, f64::from(line.margin))],
        others: vec![other("ser-s1", -0.16, false), other("ser-s2", 1.32, true)],
        verdict: line.verdict.map(|verdict| VerdictRow {
            verdict,
            reason: line.reason,
            comment: None,
            at_ms: 0,
            reviewer: None,
            preferred: None,
        }),
    }
}

/// What the reviewer would send for this request.
pub fn answer(wanted: &Wanted) -> SamplesData {
    let all = match wanted.filter.as_str() {
        "" | "selected:yes" => N_LISTED,
        _ => 17,
    };
    let first = wanted.first.min(all);
    let last = (first + wanted.n).min(all);
    let cursor = wanted.cursor.min(all.saturating_sub(1));
    SamplesData {
        run: wanted.run.clone(),
        round: wanted.round.unwrap_or(2),
        rounds: vec![1, 2],
        wanted: wanted.clone(),
        n_scored: 71_204,
        n_selected: 48_112,
        n_listed: all,
        first,
        lines: (first..last).map(line).map(clean_sample).collect(),
        found: wanted.find.map(|_| 5),
        pair: Some(Box::new(clean_opinions(opinions(cursor)))),
        floor: Some(0.599),
        n_decided: [12, 200, 2],
        estimate: Some(PrecisionEstimate {
            n_reviewed: 40,
            n_right: 37,
            n_selected: 48_112,
            precision: 0.925,
            interval: wilson_interval_finite(37, 40, 48_112).unwrap(),
        }),
        undo: Some(BatchRow { id: 9, verdict: Verdict::Veto, n_pairs: 1, pair: PairId(1037) }),
        redo: None,
        judged: BTreeSet::new(),
        progress: Progress::default(),
        said: Vec::new(),
        agreements: Vec::new(),
    }
}

/// Answers what the screen has asked for, until it asks for nothing else.
fn feed(model: &mut Model) {
    feed_as(model, &|_| {});
}

/// The same, with data that are changed.
pub fn feed_as(model: &mut Model, change: &dyn Fn(&mut SamplesData)) {
    for _ in 0..4 {
        let Some(wanted) = model.samples.asked.clone() else { return };
        let mut data = answer(&wanted);
        change(&mut data);
        if model.samples.data.as_deref() == Some(&data) {
            return;
        }
        update(model, Message::Samples(Found::Data(Box::new(data))));
    }
}

/// Presses keys, answering the reviewer's part; returns what goes to it or the executor.
pub fn press(model: &mut Model, keys: &[&str]) -> Vec<Effect> {
    let mut effects = Vec::new();
    for words in keys {
        effects.extend(update(model, key(words)));
        feed(model);
    }
    effects.retain(|effect| {
        !matches!(effect, Effect::Watch(_) | Effect::Samples(Request::Show(_) | Request::Hide))
    });
    effects
}

pub fn samples_at(width: u16, height: u16) -> Model {
    let mut model = model(width, height, twelve_runs(), Some(running_data()));
    press(&mut model, &["3"]);
    model
}

fn samples() -> Model {
    samples_at(80, 24)
}

#[test]
fn a_pair_that_is_still_being_read_cannot_be_decided() {
    let mut model = samples();
    let wanted = model.samples.asked.clone().unwrap();
    let data = SamplesData { lines: Vec::new(), pair: None, ..answer(&wanted) };
    for keys in ["x", "a", "f", "D"] {
        // Between two keys the reviewer answers.
        update(&mut model, Message::Samples(Found::Data(Box::new(data.clone()))));
        assert_eq!(press(&mut model, &[keys]), [], "{keys}");
        assert_eq!(model.toast.as_ref().unwrap().text, "this pair is still being read", "{keys}");
    }
}

#[test]
fn a_verdict_moves_on_and_a_digit_gives_its_reason() {
    let mut model = samples();
    let first = line(0).pair;
    let effects = press(&mut model, &["x"]);
    let Effect::Samples(Request::Decide { target, verdict, queue, .. }) = &effects[0] else {
        panic!("{effects:?}")
    };
    assert_eq!((target, *verdict), (&Target::Pairs(vec![first]), Verdict::Veto));
    assert_eq!((*queue, model.samples.cursor), (None, 1));
    let effects = press(&mut model, &["1"]);
    let Effect::Samples(Request::Amend { pair, reason, .. }) = &effects[0] else {
        panic!("{effects:?}")
    };
    assert_eq!((*pair, reason.as_deref()), (first, Some("both bad")));
    assert_eq!(model.screen, Screen::Samples);
    // Once only: the next digit is a screen again.
    press(&mut model, &["2"]);
    assert_eq!(model.screen, Screen::Live);
}

#[test]
fn a_decision_is_shown_before_it_is_written() {
    let mut model = samples();
    update(&mut model, key("f"));
    assert_eq!(model.samples.data.as_ref().unwrap().lines[0].verdict, Some(Verdict::Flip));
    assert!(picture(&draw(&model)).contains("⇄"));
}

#[test]
fn marks_ranges_and_counts() {
    let mut model = samples();
    press(&mut model, &["Space", "j", "Space"]);
    let expected = [line(0).pair, line(2).pair];
    assert!(model.samples.marked.iter().eq(expected.iter()));
    let effects = press(&mut model, &["a"]);
    let Effect::Samples(Request::Decide { target: Target::Pairs(pairs), .. }) = &effects[0] else {
        panic!("{effects:?}")
    };
    assert_eq!(pairs[..], expected);
    assert!(model.samples.marked.is_empty());
    press(&mut model, &["v", "7", "j", "v"]);
    assert_eq!(model.samples.marked.len(), 8);
    press(&mut model, &["Ctrl-\\", "G"]);
    assert_eq!((model.samples.marked.len(), model.samples.cursor), (0, N_LISTED - 1));
    assert!(picture(&draw(&model)).contains(&line(N_LISTED - 1).pair.to_string()));
    press(&mut model, &["g"]);
    assert_eq!((model.samples.cursor, model.samples.offset), (0, 0));
}

#[test]
fn bulk_asks_and_is_one_request() {
    let mut model = samples();
    assert!(press(&mut model, &["X"]).is_empty());
    let Some(Overlay::Confirm { question, detail, .. }) = &model.overlay else { panic!() };
    assert_eq!(question, "veto all 412 pairs of this list?");
    assert!(detail.contains("selected:yes"), "{detail}");
    assert!(press(&mut model, &["Esc"]).is_empty(), "Esc decides nothing");
    let effects = press(&mut model, &["A", "y"]);
    let [Effect::Samples(Request::Decide { target: Target::Listed(N_LISTED), verdict, .. })] =
        &effects[..]
    else {
        panic!("{effects:?}")
    };
    assert_eq!(*verdict, Verdict::Keep);
}

#[test]
fn filters_views_and_orders_make_new_lists() {
    let mut model = samples();
    press(&mut model, &["j", "j", "/"]);
    press(&mut model, &["Ctrl-u"]);
    for c in "conf>.9".chars() {
        press(&mut model, &[&c.to_string()]);
    }
    press(&mut model, &["Enter"]);
    assert_eq!((model.samples.filter.as_str(), model.samples.cursor), ("conf>.9", 0));
    assert!(picture(&draw(&model)).contains("[confidence>.9]"));
    press(&mut model, &["/"]);
    for c in " why:x".chars() {
        press(&mut model, &[&c.to_string()]);
    }
    let Some(Overlay::Prompt(prompt)) = &model.overlay else { panic!() };
    assert!(prompt.error.as_ref().unwrap().contains("`why:x` is not a filter"));
    press(&mut model, &["Esc"]);
    assert_eq!(model.samples.filter, "conf>.9");
    press(&mut model, &["V", "x"]);
    assert_eq!(model.samples.filter, "verdict:veto");
    press(&mut model, &["s"]);
    assert_eq!(model.samples.order, Order::MostConfident);
}

#[test]
fn an_audit_begins_where_it_stopped_and_says_so_in_its_verdicts() {
    let mut model = samples();
    press(&mut model, &["Q"]);
    assert_eq!((model.samples.order, model.samples.cursor), (Order::Audit, 5));
    let effects = press(&mut model, &["1"]);
    let Effect::Samples(Request::Decide { queue, .. }) = &effects[0] else { panic!() };
    assert_eq!(*queue, Some(Queue::Audit));
    press(&mut model, &["/"]);
    assert!(toast(&model).0.contains("not random"), "{:?}", toast(&model));
    press(&mut model, &["Q", "t"]);
    assert_eq!(model.samples.order, Order::Teach);
}

#[test]
fn the_human_label_is_shown_for_one_pair_only() {
    let mut model = samples();
    assert!(!picture(&draw(&model)).contains('★'));
    press(&mut model, &["L"]);
    assert_eq!(sampled()[0].gold, Some(Side::A));
    assert!(picture(&draw(&model)).contains("★ human label"));
    press(&mut model, &["j"]);
    assert!(!picture(&draw(&model)).contains("★ human label"));
}

#[test]
fn what_cannot_be_done_says_why() {
    let mut model = samples();
    for (k, part) in [("Ctrl-r", "nothing to redo"), ("]", "round 2 is the latest")] {
        assert!(press(&mut model, &[k]).is_empty());
        assert!(toast(&model).0.contains(part), "{k}: {:?}", toast(&model));
        assert_eq!(toast(&model).1, Tone::Refused);
    }
    press(&mut model, &["["]);
    assert_eq!(model.samples.round, Some(1));
    model.is_read_only = true;
    for k in ["x", "a", "f", "X", "u", "c", "p"] {
        assert!(press(&mut model, &[k]).is_empty(), "{k}");
        assert!(toast(&model).0.starts_with("read-only"), "{k}");
    }
    let mut model = crate::tui::tests::fixtures::model(80, 24, twelve_runs(), None);
    update(&mut model, key("3"));
    // Typed ahead of the pairs, `t` opens the queue, and the digit after it is no screen.
    update(&mut model, key("t"));
    update(&mut model, key("1"));
    assert_eq!((model.screen, model.samples.order), (Screen::Samples, Order::Teach));
    assert!(toast(&model).0.contains("still being read"));
    update(&mut model, key("t"));
    update(&mut model, Message::Samples(Found::Nothing(run())));
    for k in ["x", "X", "/", "V"] {
        update(&mut model, key(k));
        assert!(toast(&model).0.contains("no pair of this run was scored yet"), "{k}");
    }
}

#[test]
fn undo_release_and_comment_go_to_their_threads() {
    let mut model = samples();
    assert_eq!(press(&mut model, &["u"]), [Effect::Samples(Request::Undo(run()))]);
    let effects = press(&mut model, &["p"]);
    assert!(
        matches!(&effects[..], [Effect::Change(Change::Ask { kind: RequestKind::Pause, .. })]),
        "{effects:?}"
    );
    press(&mut model, &["j", "c"]);
    for c in "odd".chars() {
        press(&mut model, &[&c.to_string()]);
    }
    let effects = press(&mut model, &["Enter"]);
    let [Effect::Samples(Request::Amend { pair, comment, .. })] = &effects[..] else {
        panic!("{effects:?}")
    };
    assert_eq!((*pair, comment.as_deref()), (line(1).pair, Some("odd")));
    press(&mut model, &["r"]);
    let effects = press(&mut model, &["3"]);
    let [Effect::Samples(Request::Amend { reason, .. })] = &effects[..] else {
        panic!("{effects:?}")
    };
    assert_eq!(reason.as_deref(), Some("wrong side"));
    press(&mut model, &["n"]);
    assert_eq!((model.samples.cursor, model.samples.find), (5, None));
    press(&mut model, &["g", "#", "7", "Enter"]);
    assert_eq!(model.samples.cursor, 5, "where the reviewer found it");
}

#[test]
fn moving_asks_for_lines_around_the_cursor_only() {
    let mut model = samples();
    for _ in 0..40 {
        press(&mut model, &["Ctrl-d"]);
        let wanted = model.samples.asked.clone().unwrap();
        assert!(wanted.n <= 3 * 24, "never the whole list");
        assert!((wanted.first..wanted.first + wanted.n).contains(&wanted.cursor));
    }
    press(&mut model, &["1"]);
    assert_eq!(model.samples.asked, None);
}

#[test]
fn hostile_texts_stay_text_and_inside_their_columns() {
    let mut model = samples();
    let wanted = model.samples.asked.clone().unwrap();
    let mut pair = opinions(0);
    let evil =
        "\u{1b}]0;x\u{7}\u{9b}2J\u{202e}漢字e\u{301}\u{301}\u{301} 👩\u{200d}🚀\r\n".repeat(40);
    pair.sample.prompt.clone_from(&evil);
    pair.sample.response_a.clone_from(&evil);
    pair.sample.response_b = evil.replace('漢', "x");
    pair.slice.clone_from(&evil);
    pair.others[0].name.clone_from(&evil);
    let mut data = answer(&wanted);
    data.pair = Some(Box::new(clean_opinions(pair)));
    data.lines[1] = clean_sample(SampleLine { reason: Some(evil.clone()), ..line(1) });
    update(&mut model, Message::Samples(Found::Data(Box::new(data))));
    for (width, height) in [(160, 48), (110, 30), (80, 24), (60, 16)] {
        model.size = Size { width, height };
        let buffer = draw(&model);
        let shown = picture(&buffer);
        assert!(!shown.chars().any(|c| c.is_control() && c != '\n'), "{shown}");
        assert!(!shown.contains('\u{202e}'));
        for row in shown.lines() {
            assert!(text::width(row) <= usize::from(width), "{row}");
        }
        let border = |y: u16| (0..width).find(|x| buffer[(*x, y)].symbol() == "│");
        assert!((4..height - 3).all(|y| border(y) == border(4)), "{shown}");
    }
}

#[test]
fn no_sequence_of_keys_and_sizes_breaks_it() {
    let keys = [
        "j", "k", "x", "a", "f", "X", "A", "y", "n", "u", "Ctrl-r", "Q", "t", "s", "V", "v",
        "Space", "*", "Tab", "z", "=", "L", "[", "]", "O", "G", "g", "Ctrl-d", "Ctrl-u", "/", "c",
        "#", "1", "3", "9", "Esc", "Enter", "h", "p", "r", "n", "N",
    ];
    for seed in 0..40_u64 {
        let place = crate::domain::random::Place::new(seed, crate::domain::random::Purpose::Mock);
        let mut model = samples();
        for step in 0..250 {
            let at = place.below(step, keys.len());
            press(&mut model, &[keys[at]]);
            if step % 23 == 0 {
                let (w, h) = (1 + place.below(step + 1000, 200), 1 + place.below(step + 2000, 60));
                update(
                    &mut model,
                    Message::Input(Input::Resized { width: w as u16, height: h as u16 }),
                );
                feed(&mut model);
            }
            draw(&model);
        }
    }
}

#[test]
fn lines_are_cut_and_moved_along() {
    snapshots("cut_lines", |width, height| {
        let mut model = samples_at(width, height);
        press(&mut model, &["l", "W", "l"]);
        model
    });
    let mut model = samples_at(80, 24);
    press(&mut model, &["l"]);
    assert!(toast(&model).0.contains("W cuts them"));
    press(&mut model, &["W", "l", "l", "h"]);
    assert_eq!(model.samples.n_left, 16);
    press(&mut model, &["j"]);
    assert_eq!(model.samples.n_left, 0, "another pair begins at its left");
    press(&mut model, &["l", "W"]);
    assert_eq!((model.samples.n_left, model.samples.cuts_lines), (0, false));
}
