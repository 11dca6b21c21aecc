//! What `?` shows: the keys in columns with their ids and reasons, and the words of a screen.

use super::drive::{press, toast, type_text};
use super::fixtures::{model, running_data, twelve_runs};
use super::pictures::{draw, picture, snapshots};
use crate::tui::kit::theme::ThemeName;
use crate::tui::shell::effect::{Effect, Terminal};
use crate::tui::shell::message::Message;
use crate::tui::shell::model::{Model, Tone};
use crate::tui::shell::overlay::Overlay;
use crate::tui::shell::update::update;
use crate::tui::terminal::input::Input;

fn at(width: u16, height: u16, keys: &[&str]) -> Model {
    let mut model = model(width, height, twelve_runs(), Some(running_data()));
    press(&mut model, keys);
    model
}

#[test]
fn pictures() {
    snapshots("help_runs", |width, height| at(width, height, &["?"]));
    snapshots("help_live", |width, height| at(width, height, &["Enter", "?"]));
    snapshots("words_live", |width, height| at(width, height, &["Enter", "?", "?"]));
    snapshots("words_search", |width, height| {
        let mut model = at(width, height, &["?", "Tab"]);
        type_text(&mut model, "cov");
        model
    });
}

#[test]
fn nothing_in_the_help_is_cut() {
    for (width, height) in [(60, 16), (80, 24), (120, 40), (160, 48), (200, 60)] {
        for keys in
            [&["?"][..], &["Enter", "?"], &["3", "?"], &["4", "?"], &["5", "?"], &["6", "?"]]
        {
            let mut model = at(width, height, keys);
            let mut shown = String::new();
            // Page by page, as far as the cursor goes.
            for _ in 0..80 {
                shown.push_str(&picture(&draw(&model)));
                press(&mut model, &["Down"]);
            }
            for row in model.keymap.rows(model.screen.context()) {
                assert!(shown.contains(row.binding.id), "{width}: {}", row.binding.id);
            }
        }
    }
}

#[test]
fn asking_again_turns_to_the_words_and_back() {
    for again in ["?", "Tab"] {
        let mut model = at(80, 24, &["?", again]);
        assert!(matches!(model.overlay, Some(Overlay::Words(_))), "{again}");
        press(&mut model, &[again]);
        assert!(matches!(model.overlay, Some(Overlay::Commands(_))), "{again}");
    }
    // Behind other letters it is a letter.
    let mut model = at(80, 24, &["?", "Tab", "x", "?"]);
    assert!(matches!(&model.overlay, Some(Overlay::Words(list)) if list.field.text() == "x?"));
    press(&mut model, &["Esc"]);
    assert!(model.overlay.is_none());
}

#[test]
fn what_the_cursor_stands_on_comes_first() {
    let first = |keys: &[&str]| {
        let model = at(100, 40, keys);
        let shown = picture(&draw(&model));
        let row = shown.lines().find(|line| line.contains('▌')).unwrap_or_default().to_owned();
        row.trim_matches(|c: char| !c.is_alphanumeric()).to_owned()
    };
    assert!(first(&["j", "j", "?", "?"]).starts_with("all rounds done"));
    let live = first(&["Enter", "Tab", "?", "?"]);
    assert!(live.starts_with("confidence") || live.starts_with("test accuracy"), "{live}");
    assert!(first(&["3", "F2"]).starts_with("selected"));
}

#[test]
fn a_text_that_is_left_comes_back() {
    let mut model = at(80, 24, &["5", "j", "j", "j", "Enter"]);
    type_text(&mut model, "x");
    let Some(Overlay::Prompt(prompt)) = &model.overlay else { panic!() };
    let typed = prompt.field.text().to_owned();
    press(&mut model, &["Esc"]);
    assert!(toast(&model).0.starts_with("what you typed is kept"), "{:?}", model.toast);
    assert!(!model.launch.rows[3].is_changed(), "the row is as it was");
    press(&mut model, &["Enter", "Up"]);
    let Some(Overlay::Prompt(prompt)) = &model.overlay else { panic!() };
    assert_eq!(prompt.field.text(), typed);
}

#[test]
fn tab_goes_on_with_the_last_word_of_a_list_and_errors_go_with_their_cause() {
    let mut model = at(80, 24, &["5", "j", "Enter"]);
    type_text(&mut model, ", see");
    press(&mut model, &["Tab"]);
    let Some(Overlay::Prompt(prompt)) = &model.overlay else { panic!() };
    assert_eq!(prompt.field.text(), "ser, seed-only");
    type_text(&mut model, "x");
    press(&mut model, &["Enter"]);
    assert_eq!(toast(&model).1, Tone::Refused);
    press(&mut model, &["Backspace"]);
    assert!(model.toast.is_none(), "{:?}", model.toast);
    press(&mut model, &["Enter"]);
    assert!(model.toast.is_none() && model.overlay.is_none());
}

#[test]
fn the_editor_gets_a_comment_on_every_key() {
    let mut model = at(80, 24, &["5"]);
    let effects = press(&mut model, &["e"]);
    let [Effect::Terminal(Terminal::Edit { text })] = &effects[..] else { panic!("{effects:?}") };
    assert!(text.contains("# Passes over the training set") && text.contains("\nepochs = "));
    assert_eq!(
        crate::spec::form::check(Some(text), &[], &[]).ok().map(|s| s.arm),
        Some("ser".into())
    );
}

#[test]
fn the_theme_is_that_of_the_terminal_until_a_person_chooses() {
    let report = |is_dark| Message::Input(Input::Background { is_dark });
    let mut model = at(80, 24, &[]);
    let before = model.theme.name;
    update(&mut model, report(false));
    assert_eq!(model.theme.name, before, "nobody asked to follow");
    model.follows_terminal = true;
    update(&mut model, report(false));
    assert_eq!(model.theme.name, ThemeName::Light);
    update(&mut model, report(true));
    assert_eq!(model.theme.name, ThemeName::Dark);
    press(&mut model, &["T"]);
    let chosen = model.theme.name;
    update(&mut model, report(false));
    assert_eq!(model.theme.name, chosen);
}
