//! Tests: every screen in every size as a picture, drawn from a model alone.

use std::fmt::Write as _;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::fixtures::{
    early_data, failed_data, finished_data, form_rows, model, running_data, twelve_runs,
};
use crate::tui::feed::data::RunData;
use crate::tui::kit::text;
use crate::tui::kit::theme::{Depth, Theme, ThemeName};
use crate::tui::shell::model::Model;
use crate::tui::shell::update::open_live;
use crate::tui::shell::view;

const SIZES: [(u16, u16); 4] = [(160, 48), (80, 24), (60, 16), (20, 5)];

pub fn draw(model: &Model) -> Buffer {
    let mut buffer = Buffer::empty(Rect::new(0, 0, model.size.width, model.size.height));
    view::draw(model, &mut buffer);
    buffer
}

/// The picture as text; the cell behind a wide character is left out.
pub fn picture(buffer: &Buffer) -> String {
    let mut out = String::new();
    for y in 0..buffer.area.height {
        let mut line = String::new();
        let mut x = 0;
        while x < buffer.area.width {
            let symbol = buffer[(x, y)].symbol();
            line.push_str(symbol);
            x += text::width(symbol).max(1) as u16;
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

pub fn snapshots(name: &str, make: impl Fn(u16, u16) -> Model) {
    for (width, height) in SIZES {
        let picture = picture(&draw(&make(width, height)));
        insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
            insta::assert_snapshot!(format!("{name}_{width}x{height}"), picture);
        });
    }
}

fn live(data: fn() -> RunData) -> impl Fn(u16, u16) -> Model {
    move |width, height| {
        let data = data();
        let row = data.detail.row.clone();
        let mut model = model(width, height, vec![row.clone()], Some(data));
        open_live(&mut model, row.id);
        model
    }
}

#[test]
fn runs() {
    snapshots("runs_empty", |width, height| model(width, height, Vec::new(), None));
    snapshots("runs_kept", |width, height| {
        let mut model = model(width, height, super::fixtures::kept_runs(), Some(running_data()));
        model.runs.marked.insert(model.runs.rows[2].id.clone());
        model
    });
    snapshots("runs_twelve", |width, height| {
        model(width, height, twelve_runs(), Some(running_data()))
    });
}

#[test]
fn live_screens() {
    snapshots("live_running", live(running_data));
    snapshots("live_finished", live(finished_data));
    snapshots("live_failed", live(failed_data));
    snapshots("live_early", live(early_data));
    for (name, keys) in [
        ("live_preview", "<<<<<<"),
        ("live_reliability", "mm"),
        ("live_rounds", "mmm"),
        ("live_zoom_confidence", "\t\t\tz"),
    ] {
        snapshots(name, |width, height| {
            let mut model = live(running_data)(width, height);
            keys.chars().for_each(|c| press(&mut model, c));
            model
        });
    }
}

#[test]
fn launch_forms() {
    let form = |width, height, keys: &str| {
        let mut model = model(width, height, twelve_runs(), Some(running_data()));
        press(&mut model, '5');
        // The keys of a spec are others' to change; the pictures show the form, not the spec.
        model.launch.rows = form_rows();
        for c in keys.chars() {
            press(&mut model, c);
        }
        model
    };
    snapshots("launch_default", |width, height| form(width, height, ""));
    snapshots("launch_changed", |width, height| {
        let mut model = form(width, height, "jjl");
        for (label, value) in [("train.learning_rate", "1e-4"), ("train.epochs", "0")] {
            let at = model.launch.rows.iter().position(|row| row.label() == label).unwrap();
            model.launch.set(at, value);
        }
        model.launch.dry_run = Some("ok: 200 pairs and one round in 3 s, nothing kept".to_owned());
        model
    });
    snapshots("launch_typing", |width, height| form(width, height, "jjjjjji"));
}

/// Each theme once: the picture is the same, so what is kept is the style of every cell that has one.
#[test]
fn themes() {
    for depth in [Depth::Indexed, Depth::True] {
        for name in ThemeName::ALL {
            let mut model = live(running_data)(80, 24);
            model.theme = Theme::new(name, depth);
            let styles = styles(&draw(&model));
            insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
                insta::assert_snapshot!(format!("theme_{}_{depth:?}", name.name()), styles);
            });
        }
    }
}

/// Runs of cells with one style, for the first rows.
fn styles(buffer: &Buffer) -> String {
    let mut out = String::new();
    for y in 0..8 {
        let mut x = 0;
        while x < buffer.area.width {
            let style = buffer[(x, y)].style();
            let start = x;
            let mut words = String::new();
            while x < buffer.area.width && buffer[(x, y)].style() == style {
                words.push_str(buffer[(x, y)].symbol());
                x += 1;
            }
            let (fg, bg, attributes) = (style.fg, style.bg, style.add_modifier);
            let plain = Some(ratatui::style::Color::Reset);
            if fg != plain || bg != plain || !attributes.is_empty() {
                let _ = writeln!(out, "{y:>2},{start:<3} {fg:?} {bg:?} {attributes:?} {words:?}");
            }
        }
    }
    out
}

#[test]
fn overlays() {
    snapshots("help_runs", |width, height| {
        let mut model = model(width, height, twelve_runs(), Some(running_data()));
        press(&mut model, '?');
        model
    });
    snapshots("palette", |width, height| {
        let mut model = model(width, height, twelve_runs(), Some(running_data()));
        for c in ":pau".chars() {
            press(&mut model, c);
        }
        model
    });
    snapshots("copy_choice", |width, height| {
        let mut model = model(width, height, twelve_runs(), Some(running_data()));
        press(&mut model, 'y');
        model
    });
    snapshots("filter_prompt", |width, height| {
        let mut model = model(width, height, twelve_runs(), Some(running_data()));
        for c in "/name".chars() {
            press(&mut model, c);
        }
        model
    });
    snapshots("confirm_stop", |width, height| {
        let mut model = model(width, height, twelve_runs(), Some(running_data()));
        press(&mut model, 'x');
        model
    });
}

fn press(model: &mut Model, c: char) {
    use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
    let code = if c == '\t' { KeyCode::Tab } else { KeyCode::Char(c) };
    let key = KeyEvent::new(code, KeyModifiers::NONE);
    crate::tui::shell::update::update(model, crate::tui::shell::message::Message::Key(key));
}
