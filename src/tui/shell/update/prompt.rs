//! Opens the popups that every screen has, and follows what is typed into a filter.

use std::path::PathBuf;

use crate::tui::feed::change::{Change, Contents};
use crate::tui::kit::field::Field;
use crate::tui::screens::{runs, samples};
use crate::tui::shell::effect::Effect;
use crate::tui::shell::model::{Model, Screen};
use crate::tui::shell::overlay::{CommandList, Overlay, Prompt, Purpose, Then};

/// Opens the keys of this screen, or every action by name.
pub fn open_commands(model: &mut Model, is_help: bool) -> Vec<Effect> {
    let context = model.screen_context();
    let list = CommandList { is_help, context, field: Field::default(), cursor: 0 };
    model.overlay = Some(Overlay::Commands(list));
    Vec::new()
}

/// Opens the filter of the list.
pub fn open_filter(model: &mut Model) -> Vec<Effect> {
    let text = match model.screen {
        Screen::Samples => samples::update::filter(model),
        Screen::Runs | Screen::Live | Screen::Compare | Screen::Launch => {
            runs::update::filter(model)
        }
    };
    let mut prompt = Prompt::new("filter", Purpose::Filter, &text);
    if !text.is_empty() && !text.ends_with(char::is_whitespace) {
        // What is typed is another term; Esc brings back the text as it was.
        prompt.field = Field::new(&format!("{text} "));
    }
    model.overlay = Some(Overlay::Prompt(prompt));
    Vec::new()
}

/// The text of the filter is another one: the list follows at once.
pub fn filter_changed(model: &mut Model, text: &str) {
    let error = match model.screen {
        Screen::Samples => samples::update::on_filter(model, text),
        Screen::Runs | Screen::Live | Screen::Compare | Screen::Launch => {
            runs::update::on_filter(model, text)
        }
    };
    if let Some(Overlay::Prompt(prompt)) = &mut model.overlay {
        prompt.error = error;
    }
}

/// A file is there already: writes it over only when the person says so.
pub fn ask_overwrite(model: &mut Model, path: PathBuf, contents: Contents) -> Vec<Effect> {
    model.overlay = Some(Overlay::Confirm {
        question: format!("write over {}?", path.display()),
        detail: "the file is there already; what it holds is lost".to_owned(),
        then: Then::Effect(Effect::Change(Change::Save { path, contents, overwrites: true })),
    });
    Vec::new()
}
