//! Opens the popups that every screen has, and follows what is typed into a filter.

use std::path::PathBuf;

use crate::tui::feed::change::{Change, Contents};
use crate::tui::kit::field::Field;
use crate::tui::screens::{policy, runs, samples};
use crate::tui::shell::effect::Effect;
use crate::tui::shell::model::{Model, Screen, Tone};
use crate::tui::shell::overlay::{CommandList, Overlay, Prompt, Purpose, Then, WordList};

/// Opens the keys of this screen, or every action by name.
pub fn open_commands(model: &mut Model, is_help: bool) -> Vec<Effect> {
    let context = model.screen_context();
    let list = CommandList { is_help, context, field: Field::default(), cursor: 0 };
    model.overlay = Some(Overlay::Commands(list));
    Vec::new()
}

/// Opens the words of this screen, what the cursor stands on first.
pub fn open_words(model: &mut Model) -> Vec<Effect> {
    model.overlay = Some(Overlay::Words(WordList::default()));
    Vec::new()
}

/// Opens the filter of the list.
pub fn open_filter(model: &mut Model) -> Vec<Effect> {
    let text = match model.screen {
        Screen::Samples => samples::update::filter(model),
        Screen::Policy => model.policy.filter.clone(),
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

/// Texts a history keeps.
const N_HISTORY: usize = 50;

/// Keeps a text for the arrow keys of the next field of its kind.
pub fn remember(model: &mut Model, purpose: &Purpose, text: &str) {
    if text.is_empty() {
        return;
    }
    let history = model.history.entry(purpose.history_key()).or_default();
    history.retain(|earlier| earlier != text);
    history.push(text.to_owned());
    let n_old = history.len().saturating_sub(N_HISTORY);
    history.drain(..n_old);
}

/// Takes back what the message line says against a text, once there is another one.
pub fn forget_refusal(model: &mut Model) {
    if model.toast.as_ref().is_some_and(|toast| toast.tone == Tone::Refused) {
        model.toast = None;
    }
}

/// A field is left without being taken: what was typed is kept, and the message line says where.
pub fn keep_typed(model: &mut Model, prompt: &Prompt) {
    let text = prompt.field.text();
    if text.is_empty() || text == prompt.before {
        return;
    }
    remember(model, &prompt.purpose, text);
    model.say(Tone::Note, "what you typed is kept: ↑ in the same field brings it back");
}

/// The text of the filter is another one: the list follows at once.
pub fn filter_changed(model: &mut Model, text: &str) {
    let error = match model.screen {
        Screen::Samples => samples::update::on_filter(model, text),
        Screen::Policy => policy::update::on_filter(model, text),
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
    let detail = match &contents {
        Contents::Policy { .. } => "an earlier export is there already; it is lost",
        _ => "the file is there already; what it holds is lost",
    };
    model.overlay = Some(Overlay::Confirm {
        question: format!("write over {}?", path.display()),
        detail: detail.to_owned(),
        then: Then::Effect(Effect::Change(Change::Save { path, contents, overwrites: true })),
    });
    Vec::new()
}
