//! Tests: panes that are given more room, lines that are wrapped, a run behind another one's curves,
//! and experiments.

use super::behavior::press;
use super::fixtures::{NOW_MS, finished_data, model, running_data, twelve_runs};
use super::screens::{draw, picture, snapshots};
use crate::tui::feed::data::{Ghost, Snapshot};
use crate::tui::shell::effect::Effect;
use crate::tui::shell::message::Message;
use crate::tui::shell::model::{Model, Screen, Tone};
use crate::tui::shell::overlay::Overlay;
use crate::tui::shell::split::Splits;
use crate::tui::shell::update::update;
use crate::tui::shell::view;

fn list(width: u16, height: u16) -> Model {
    model(width, height, twelve_runs(), Some(running_data()))
}

fn live(width: u16, height: u16) -> Model {
    let mut model = list(width, height);
    press(&mut model, &["Enter"]);
    model
}

fn toast(model: &Model) -> (&str, Tone) {
    let toast = model.toast.as_ref().unwrap();
    (&toast.text, toast.tone)
}

#[test]
fn the_pane_with_the_keys_grows_as_far_as_it_can() {
    let mut model = live(80, 24);
    let [pair, events] = view::live_rows(&model);
    press(&mut model, &["+", "+"]);
    assert_eq!(view::live_rows(&model), [pair, events + 2], "the events have the keys at first");
    press(&mut model, &["9", "9", "+"]);
    let largest = view::live_rows(&model);
    assert_eq!(largest[1] + largest[0] + 6, 19, "the charts keep six rows");
    press(&mut model, &["+"]);
    assert_eq!(toast(&model), ("this pane cannot be larger here", Tone::Refused));
    let splits = model.splits;
    press(&mut model, &["+"]);
    assert_eq!(model.splits, splits, "what cannot be given is not counted");
    press(&mut model, &["-"]);
    assert_eq!(view::live_rows(&model)[1], largest[1] - 1);
    draw(&model);
}

#[test]
fn details_beside_the_runs_give_way_to_the_list() {
    let mut model = list(160, 48);
    let before = view::n_details_columns(&model);
    press(&mut model, &["+"]);
    assert_eq!(view::n_details_columns(&model), before - 4);
    press(&mut model, &["-", "-"]);
    assert_eq!(view::n_details_columns(&model), before + 4);
    let mut model = list(80, 24);
    press(&mut model, &["+"]);
    assert_eq!(toast(&model).1, Tone::Refused, "one pane has no border to move");
    assert_eq!(model.splits, Splits::default());
}

#[test]
fn long_events_are_wrapped_when_asked_for() {
    let mut model = live(80, 24);
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
    let mut model = live(width, height);
    let (run, ghost) = (model.live.as_ref().unwrap().run.clone(), twelve_runs()[2].id.clone());
    press(&mut model, &["g"]);
    assert!(matches!(model.overlay, Some(Overlay::Choice(_))));
    press(&mut model, &["Enter"]);
    let wanted = model.wanted();
    assert_eq!((wanted.run, wanted.ghost), (Some(run), Some(ghost.clone())));
    let data = finished_data();
    let ghost = Some(Ghost { run: ghost, rounds: data.rounds, loss: data.loss });
    let snapshot = Snapshot::new(NOW_MS, twelve_runs(), Some(running_data()));
    update(&mut model, Message::Snapshot(Box::new(Snapshot { ghost, ..snapshot })));
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

#[test]
fn a_range_of_runs_is_marked() {
    let mut model = list(80, 24);
    press(&mut model, &["j", "v", "j", "j"]);
    let shown = picture(&draw(&model));
    let n_shown = shown.lines().filter(|line| line.chars().nth(1) == Some('+')).count();
    assert_eq!(n_shown, 3, "the range is seen before it is marked");
    assert!(model.runs.marked.is_empty());
    press(&mut model, &["v"]);
    assert_eq!(model.runs.marked.len(), 3);
    assert!(toast(&model).0.starts_with("3 marked"));
    // Upwards too; Esc leaves a range and nothing else.
    press(&mut model, &["G", "v", "k", "Esc"]);
    assert_eq!((model.runs.marked.len(), &model.runs.range_from), (3, &None));
    press(&mut model, &["v", "k", "v"]);
    assert_eq!(model.runs.marked.len(), 5);
}

#[test]
fn esc_takes_the_filter_of_the_list_away_first() {
    let mut model = list(80, 24);
    press(&mut model, &["/", "x", "y", "z", "Enter"]);
    assert!(model.runs.rows.is_empty());
    assert_eq!(press(&mut model, &["Esc"]), []);
    assert_eq!((model.runs.rows.len(), model.screen), (12, Screen::Runs));
    press(&mut model, &["/", "Up"]);
    assert!(model.runs.rows.is_empty(), "the text is in the history");
}

/// Two experiments, one of two arms over three seeds, and a run of none.
fn in_experiments(width: u16, height: u16) -> Model {
    let mut rows = twelve_runs();
    for (index, row) in rows.iter_mut().enumerate() {
        let experiment = ["which seed", "which seed", "older", "which seed"].get(index % 5);
        row.experiment = experiment.map(|name| (*name).into());
        row.arm = if index % 2 == 0 { "ser" } else { "seed-only" }.into();
    }
    model(width, height, rows, Some(running_data()))
}

#[test]
fn experiments_are_summed_up_arm_by_arm() {
    snapshots("experiments", |width, height| {
        let mut model = in_experiments(width, height);
        press(&mut model, &["E"]);
        model
    });
    let mut model = in_experiments(80, 24);
    press(&mut model, &["E", "Enter"]);
    assert_eq!(model.screen, Screen::Compare);
    assert!(model.wanted().compare.unwrap().arms);
    assert!(model.compare.runs.len() > 3);
    let mut model = in_experiments(80, 24);
    press(&mut model, &["E", "j", "Enter"]);
    assert!(!model.runs.marked.is_empty());
    let all_of_arm = |row: &crate::store::RunRow| {
        &*row.arm == "seed-only" && row.experiment.as_deref() == Some("which seed")
    };
    let n = model.runs.all().filter(|row| all_of_arm(row)).count();
    assert_eq!(model.runs.marked.len(), n);
    let effects: Vec<Effect> = press(&mut model, &["c"]);
    assert!(effects.is_empty() && model.screen == Screen::Compare);
}
