//! Tests of the screen: pictures in every size, and what keys do through the real update function.

use super::*;
use crate::domain::preference::PairId;
use crate::domain::selection::origins::{ByOrigin, OriginSummary};
use crate::domain::verdict::Verdict;
use crate::tui::feed::data::{Ghost, RunData, Snapshot};
use crate::tui::feed::samples::{Request, Target};
use crate::tui::feed::source::Read;
use crate::tui::shell::effect::Effect;
use crate::tui::shell::message::Message;
use crate::tui::shell::model::{Model, Screen, Tone};
use crate::tui::shell::overlay::Overlay;
use crate::tui::shell::update::update;
use crate::tui::tests::drive::{press, toast};
use crate::tui::tests::fixtures::{
    NOW_MS, early_data, failed_data, finished_data, model, running_data, twelve_runs,
};
use crate::tui::tests::pictures::{draw, picture, snapshots};

fn live_at(width: u16, height: u16) -> Model {
    let mut model = model(width, height, twelve_runs(), Some(running_data()));
    press(&mut model, &["Enter"]);
    model
}

fn of(data: fn() -> RunData) -> impl Fn(u16, u16) -> Model {
    move |width, height| {
        let data = data();
        let row = data.detail.row.clone();
        let mut model = model(width, height, vec![row.clone()], Some(data));
        open::open(&mut model, row.id);
        model
    }
}

#[test]
fn pictures() {
    snapshots("live_running", of(running_data));
    snapshots("live_finished", of(finished_data));
    snapshots("live_failed", of(failed_data));
    snapshots("live_early", of(early_data));
    for (name, keys) in [
        ("live_preview", &["<"; 6][..]),
        ("live_reliability", &["m", "m"]),
        ("live_rounds", &["m", "m", "m"]),
        ("live_zoom_confidence", &["Tab", "Tab", "Tab", "z"]),
    ] {
        snapshots(name, |width, height| {
            let mut model = of(running_data)(width, height);
            press(&mut model, keys);
            model
        });
    }
}

#[test]
fn pictures_of_a_pool_with_a_policys_pairs() {
    snapshots("live_origins", |width, height| {
        let mut model = of(with_origins)(width, height);
        press(&mut model, &["m", "m", "m"]);
        model
    });
}

fn with_origins() -> RunData {
    let mut data = running_data();
    let part = |n_selected, precision| OriginSummary {
        n_scored: 2 * n_selected,
        n_selected,
        n_known: n_selected,
        pseudo_label_precision: Some(precision),
        pool_accuracy: None,
    };
    let by_origin = ByOrigin { data: part(900, 0.919), policy: part(200, 0.731) };
    for summary in data.rounds.iter_mut().filter_map(|round| round.selection.as_mut()) {
        summary.by_origin = Some(Box::new(by_origin));
    }
    data
}

#[test]
fn the_loss_stands_where_the_accuracy_will_be() {
    let first = |data: RunData| {
        let row = data.detail.row.clone();
        let mut model = model(80, 24, vec![row.clone()], Some(data));
        open::open(&mut model, row.id);
        picture(&draw(&model))
    };
    let mut data = running_data();
    assert!(first(data.clone()).contains("accuracy by round"));
    data.rounds.clear();
    assert!(first(data.clone()).contains("train loss"));
    data.loss.clear();
    assert!(first(data).contains("accuracy by round"), "nothing moves yet");
}

#[test]
fn the_pair_the_curve_and_the_human_label() {
    let mut model = live_at(80, 24);
    press(&mut model, &["J", "J", "J"]);
    assert_eq!(model.live.as_ref().unwrap().pair, 2);
    assert!(picture(&draw(&model)).contains("· vetoed"));
    press(&mut model, &["K", "K", "K"]);
    assert_eq!(model.live.as_ref().unwrap().pair, 0);
    assert!(!picture(&draw(&model)).contains('★'), "the human label is hidden");
    press(&mut model, &["H"]);
    assert!(picture(&draw(&model)).contains("A ✓ ★"));
    press(&mut model, &["m"]);
    assert_eq!(model.live.as_ref().unwrap().chart, Chart::Loss);
    assert!(picture(&draw(&model)).contains("train loss"));
}

#[test]
fn the_sampled_pair_is_decided_about_where_it_is_seen() {
    let mut model = live_at(80, 24);
    let decide = |pair, verdict| {
        let target = Target::Pairs(vec![PairId(pair)]);
        let run = RunId::from_bits(1);
        Effect::Samples(Request::Decide { run, target, verdict, queue: None, judged: None })
    };
    assert_eq!(press(&mut model, &["x"]), [decide(9_772, Verdict::Veto)]);
    assert_eq!(model.live.as_ref().unwrap().pair, 1, "on to the next one");
    let amend = Request::Amend {
        run: RunId::from_bits(1),
        pair: PairId(9_772),
        reason: Some("both bad".to_owned()),
        comment: None,
    };
    assert_eq!(press(&mut model, &["1"]), [Effect::Samples(amend)]);
    assert_eq!(press(&mut model, &["f"]), [decide(40_213, Verdict::Flip)]);
    assert_eq!(press(&mut model, &["K", "a"]), [decide(40_213, Verdict::Keep)]);
    assert_eq!(press(&mut model, &["u"]), [Effect::Samples(Request::Undo(RunId::from_bits(1)))]);
    press(&mut model, &["K", "K", "K"]);
    assert!(picture(&draw(&model)).contains("· vetoed"));
    model.is_read_only = true;
    assert_eq!(press(&mut model, &["x"]), []);
    assert!(toast(&model).0.starts_with("read-only"));
    assert_eq!(press(&mut model, &["1"]), [], "a digit is a screen again");
    assert_eq!(model.screen, Screen::Runs);
}

#[test]
fn the_log_scrolls_back_and_stays_there() {
    let mut model = live_at(80, 24);
    press(&mut model, &["k", "k"]);
    assert_eq!(model.live.as_ref().unwrap().log_back, 2);
    let mut longer = running_data();
    longer.log.push(longer.log[0].clone());
    let snapshot = Snapshot::new(NOW_MS, twelve_runs(), Some(longer));
    update(&mut model, Message::Read(Read::Snapshot(Box::new(snapshot))));
    assert_eq!(model.live.as_ref().unwrap().log_back, 3, "the same lines are still shown");
    press(&mut model, &["G"]);
    assert_eq!(model.live.as_ref().unwrap().log_back, 0);
}

#[test]
fn the_pane_with_the_keys_grows_as_far_as_it_can() {
    let mut model = live_at(80, 24);
    let [pair, events] = layout::rows(&model);
    press(&mut model, &["+", "+"]);
    assert_eq!(layout::rows(&model), [pair, events + 2], "the events have the keys at first");
    press(&mut model, &["9", "9", "+"]);
    let largest = layout::rows(&model);
    assert_eq!(largest[1] + largest[0] + 6, 19, "the charts keep six rows");
    press(&mut model, &["+"]);
    assert_eq!(toast(&model), ("this pane cannot be larger here", Tone::Refused));
    let splits = model.splits;
    press(&mut model, &["+"]);
    assert_eq!(model.splits, splits, "what cannot be given is not counted");
    press(&mut model, &["-"]);
    assert_eq!(layout::rows(&model)[1], largest[1] - 1);
    draw(&model);
}

#[test]
fn long_events_are_wrapped_when_asked_for() {
    let mut model = live_at(80, 24);
    let end = "END";
    let data = model.run.as_mut().unwrap();
    data.log.last_mut().unwrap().text = format!("{} {end}", "a long story".repeat(9));
    assert!(!picture(&draw(&model)).contains(end));
    press(&mut model, &["W", "+", "+", "+"]);
    let shown = picture(&draw(&model));
    assert!(shown.contains(end), "{shown}");
    press(&mut model, &["W"]);
    assert!(!picture(&draw(&model)).contains(end));
}

/// The live screen with the choice of a run behind it taken and answered.
fn with_ghost(width: u16, height: u16) -> Model {
    let mut model = live_at(width, height);
    let (run, ghost) = (model.live.as_ref().unwrap().run.clone(), twelve_runs()[2].id.clone());
    press(&mut model, &["g"]);
    assert!(matches!(model.overlay, Some(Overlay::Choice(_))));
    press(&mut model, &["Enter"]);
    let wanted = model.wanted();
    assert_eq!((wanted.run, wanted.ghost), (Some(run), Some(ghost.clone())));
    let data = finished_data();
    let ghost = Some(Ghost { run: ghost, rounds: data.rounds, loss: data.loss });
    let snapshot = Snapshot::new(NOW_MS, twelve_runs(), Some(running_data()));
    update(&mut model, Message::Read(Read::Snapshot(Box::new(Snapshot { ghost, ..snapshot }))));
    model
}

#[test]
fn another_run_stands_behind_the_curves() {
    snapshots("live_ghost", with_ghost);
    let mut model = with_ghost(80, 24);
    assert!(picture(&draw(&model)).contains("┅ g ser…dded-s2"));
    // It stays for the next run that is looked at, and goes when asked to.
    press(&mut model, &["Esc", "j", "Enter"]);
    assert!(model.wanted().ghost.is_some());
    press(&mut model, &["g", "g"]);
    assert_eq!(model.wanted().ghost, None);
}
