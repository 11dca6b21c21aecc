//! Tests: what keys do in the runs list beyond moving: filter, order, marks, and what is kept.

use crate::store::RunEdit;

use super::behavior::press;
use super::fixtures::{NOW_MS, kept_runs, model, running_data};
use super::screens::{draw, picture};
use crate::tui::feed::data::Snapshot;
use crate::tui::shell::effect::Effect;
use crate::tui::shell::message::Message;
use crate::tui::shell::model::{Edited, Model, SortKey};
use crate::tui::shell::overlay::Overlay;
use crate::tui::shell::update::update;

fn list() -> Model {
    model(80, 24, kept_runs(), Some(running_data()))
}

fn type_text(model: &mut Model, text: &str) {
    for c in text.chars() {
        press(model, &[&c.to_string()]);
    }
}

fn names(model: &Model) -> Vec<&str> {
    model.runs.rows.iter().map(|row| row.name.as_str()).collect()
}

/// The one edit a key asks for.
#[track_caller]
fn edit(effects: Vec<Effect>) -> Edited {
    match effects.into_iter().next() {
        Some(Effect::EditRuns(edited)) => edited,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_filter_shows_what_matches_as_it_is_typed() {
    let mut model = list();
    assert_eq!(model.runs.rows.len(), 11, "the archived one is left out");
    press(&mut model, &["/"]);
    type_text(&mut model, "acc>.7 st:done");
    assert_eq!(names(&model), ["ser-embedded-s2", "full-labels-s1", "forty rounds"]);
    press(&mut model, &["Enter"]);
    assert!(picture(&draw(&model)).contains("/ acc>.7 st:done"));
    // Esc in the prompt puts the filter back.
    press(&mut model, &["/", "Ctrl-u"]);
    type_text(&mut model, "is:archived");
    assert_eq!(names(&model), ["seed-set-only"]);
    press(&mut model, &["Esc"]);
    assert_eq!(model.runs.rows.len(), 3);
    // What cannot be understood is said and changes nothing.
    press(&mut model, &["/", "Ctrl-u"]);
    type_text(&mut model, "acc>x");
    assert!(picture(&draw(&model)).contains("not a number"), "{}", picture(&draw(&model)));
    assert!(!model.runs.rows.is_empty());
}

#[test]
fn the_selected_run_stays_selected_when_the_filter_changes() {
    let mut model = list();
    press(&mut model, &["j", "j", "j"]);
    let name = model.current().unwrap().name.clone();
    press(&mut model, &["/"]);
    type_text(&mut model, "acc>.7");
    assert_eq!(model.current().unwrap().name, name);
    type_text(&mut model, "9");
    assert!(model.runs.rows.is_empty() && model.current().is_none());
    assert!(picture(&draw(&model)).contains("no run matches"));
}

#[test]
fn an_order_is_chosen_and_turned_round() {
    let mut model = list();
    press(&mut model, &["S", "a"]);
    assert_eq!(names(&model)[0], "full-labels-s1");
    press(&mut model, &["S", "a"]);
    assert_eq!(*names(&model).last().unwrap(), "full-labels-s1");
    assert!(picture(&draw(&model)).contains("by accuracy, turned round"));
    press(&mut model, &["S", "k"]);
    assert_eq!((model.runs.sort, names(&model)[0]), (SortKey::Kept, "漢字のラン"));
}

#[test]
fn tags_notes_archive_and_baseline_are_asked_for_and_undone() {
    let mut model = list();
    let run = model.current().unwrap().id.clone();
    press(&mut model, &["t"]);
    assert!(matches!(model.overlay, Some(Overlay::Prompt(_))));
    press(&mut model, &["Ctrl-u"]);
    type_text(&mut model, "paper new");
    let tagged = edit(press(&mut model, &["Enter"]));
    assert_eq!(tagged.edits, [RunEdit::Tag(run.clone(), "new".into())], "only what changes");
    let archived = edit(press(&mut model, &["d"]));
    assert_eq!(archived.edits, [RunEdit::Archive(run.clone(), true)]);
    let starred = edit(press(&mut model, &["b"]));
    assert_eq!(starred.edits, [RunEdit::Baseline(Some(run.clone()))]);
    press(&mut model, &["o"]);
    type_text(&mut model, "looks good");
    let noted = edit(press(&mut model, &["Enter"]));
    assert_eq!(noted.edits, [RunEdit::Note(run.clone(), "looks good".into())]);
    // The executor answers with what takes it back.
    let inverse = vec![RunEdit::Archive(run.clone(), false)];
    update(&mut model, Message::RunsEdited { edited: archived.clone(), inverse: inverse.clone() });
    let undone = edit(press(&mut model, &["u"]));
    assert_eq!((undone.edits.clone(), undone.is_undo), (inverse, true));
    let again = archived.edits.clone();
    update(&mut model, Message::RunsEdited { edited: undone, inverse: again.clone() });
    assert_eq!(edit(press(&mut model, &["Ctrl-r"])).edits, again);
    model.is_read_only = true;
    assert!(press(&mut model, &["d"]).is_empty());
}

#[test]
fn marked_runs_are_archived_together_after_a_question() {
    let mut model = list();
    assert!(press(&mut model, &["D"]).is_empty());
    press(&mut model, &[" ", " ", "D"]);
    assert!(matches!(model.overlay, Some(Overlay::Confirm { .. })));
    assert_eq!(edit(press(&mut model, &["y"])).edits.len(), 2);
}

#[test]
fn distances_stand_beside_the_baseline() {
    let model = list();
    let picture = picture(&draw(&model));
    let line = |name: &str| picture.lines().find(|line| line.contains(name)).unwrap().to_owned();
    assert!(line("full-labels-s1").contains('★'), "{picture}");
    assert!(line("ser-embedded-s2").contains("-.008"), "{picture}");
}

#[test]
fn ten_thousand_runs_are_filtered_and_sorted_within_a_frame() {
    let mut runs = Vec::new();
    for i in 0..10_000_u64 {
        let mut row = kept_runs().swap_remove(2);
        row.id = crate::domain::run::RunId::from_bits(i);
        row.name = format!("run {i}");
        row.created_at_ms = i as i64;
        row.annotation = std::sync::Arc::default();
        runs.push(row);
    }
    let mut model = model(160, 48, Vec::new(), None);
    let begin = std::time::Instant::now();
    let snapshot = Box::new(Snapshot::new(NOW_MS, runs, None));
    update(&mut model, Message::Snapshot(snapshot));
    press(&mut model, &["/"]);
    let mut worst = std::time::Duration::ZERO;
    for key in ["r", "u", "n", "Enter", "S", "n", "j", "G", "k"] {
        let begin = std::time::Instant::now();
        press(&mut model, &[key]);
        draw(&model);
        worst = worst.max(begin.elapsed());
    }
    // The bench prints the figure; here only a mistake of another order is caught.
    assert!(worst.as_millis() < 250, "{worst:?} of {:?}", begin.elapsed());
    assert_eq!(model.runs.rows.len(), 10_000);
}
