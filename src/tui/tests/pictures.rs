//! A screen as a picture in every size, drawn from a model alone; and what lies over every screen.

use std::fmt::Write as _;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::drive::type_text;
use super::fixtures::{model, running_data, twelve_runs};
use crate::tui::kit::text;
use crate::tui::kit::theme::{Depth, Theme, ThemeName};
use crate::tui::screens::live;
use crate::tui::shell::model::Model;
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

/// Each theme once: the picture is the same, so what is kept is the style of every cell that has one.
#[test]
fn themes() {
    for depth in [Depth::Indexed, Depth::True] {
        for &name in ThemeName::ALL {
            let data = running_data();
            let row = data.detail.row.clone();
            let mut model = model(80, 24, vec![row.clone()], Some(data));
            live::open::open(&mut model, row.id);
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
    for (name, keys) in [
        ("help_runs", "?"),
        ("palette", ":pau"),
        ("copy_choice", "y"),
        ("filter_prompt", "/name"),
        ("confirm_stop", "x"),
    ] {
        snapshots(name, |width, height| {
            let mut model = model(width, height, twelve_runs(), Some(running_data()));
            type_text(&mut model, keys);
            model
        });
    }
}
