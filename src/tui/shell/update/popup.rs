//! Keys as they come in, and what they do in a popup.

use std::path::PathBuf;

use crossterm::event::KeyEvent;

use super::super::commands;
use super::super::effect::{Contents, Effect};
use super::super::keymap::{Command, Key};
use super::super::model::{Model, Screen, Tone};
use super::super::overlay::{Choice, CommandList, Overlay, Prompt, Purpose, Then};
use super::{act, context_of, moved, say, update};
use crate::tui::kit::field::Field;
use crate::tui::screens::runs::{annotate, update as runs};
use crate::tui::screens::{launch, samples};
use crate::tui::shell::view;

/// Largest count before a key.
const COUNT_MAX: usize = 99_999;
/// Texts a history keeps.
const N_HISTORY: usize = 50;

/// A key went down.
pub fn on_key(model: &mut Model, event: &KeyEvent) -> Vec<Effect> {
    if let Some(effects) = samples::update::on_reason(model, event) {
        return effects;
    }
    let context = view::context(model);
    let command = model.keymap.command(context, event);
    if model.overlay.is_none()
        && !context.is_text()
        && let Some(Key::Char(c)) = Key::of(event)
        && let Some(digit) = c.to_digit(10)
        && (command.is_none() || model.count.is_some())
    {
        // A digit that means something else begins no count, but goes on with one: `05j`, `15j`.
        let count = model.count.unwrap_or(0).saturating_mul(10) + digit as usize;
        model.count = Some(count.min(COUNT_MAX));
        return Vec::new();
    }
    let count = model.count.take();
    if count.is_some() && command == Some(Command::Out) {
        return Vec::new();
    }
    if let Some(then) = choice_of(model, event) {
        return answer(model, then);
    }
    match command {
        Some(command) => on_command(model, command, count.filter(|n| *n > 0).unwrap_or(1)),
        None => {
            edit(model, |field| {
                field.on_key(event);
            });
            Vec::new()
        }
    }
}

/// A paste is text for a field and nothing anywhere else.
pub fn on_paste(model: &mut Model, text: &str) -> Vec<Effect> {
    edit(model, |field| field.insert(text));
    Vec::new()
}

/// A command, for the popup if there is one.
pub fn on_command(model: &mut Model, command: Command, n: usize) -> Vec<Effect> {
    match (command, &mut model.overlay) {
        (Command::Yes, Some(_)) => accept(model),
        (Command::No, Some(_)) => {
            model.overlay = None;
            Vec::new()
        }
        (Command::Complete, Some(Overlay::Prompt(prompt))) => {
            if let Some(best) = prompt.completions.first().cloned() {
                edit(model, |field| *field = Field::new(&best));
            }
            Vec::new()
        }
        (
            Command::Down
            | Command::Up
            | Command::PageDown
            | Command::PageUp
            | Command::First
            | Command::Last,
            Some(_),
        ) => {
            scroll(model, command);
            Vec::new()
        }
        _ => act(model, command, n),
    }
}

/// Opens the keys of this screen, or every action by name.
pub fn open_commands(model: &mut Model, command: Command) -> Vec<Effect> {
    let is_help = command == Command::Help;
    let context = context_of(model.screen);
    let list = CommandList { is_help, context, field: Field::default(), cursor: 0 };
    model.overlay = Some(Overlay::Commands(list));
    Vec::new()
}

/// Opens the filter of the list.
pub fn open_filter(model: &mut Model) -> Vec<Effect> {
    let text = match model.screen {
        Screen::Samples => samples::update::filter(model),
        _ => runs::filter(model),
    };
    model.overlay = Some(Overlay::Prompt(Prompt::new("filter", Purpose::Filter, &text)));
    Vec::new()
}

/// The text of the filter is another one: the list follows at once.
pub fn filter_changed(model: &mut Model, text: &str) {
    let error = match model.screen {
        Screen::Samples => samples::update::on_filter(model, text),
        _ => runs::on_filter(model, text),
    };
    if let Some(Overlay::Prompt(prompt)) = &mut model.overlay {
        prompt.error = error;
    }
}

/// What an answer does.
pub fn answer(model: &mut Model, then: Then) -> Vec<Effect> {
    model.overlay = None;
    match then {
        Then::Effect(effect) => vec![effect],
        Then::Command(command) => act(model, command, 1),
        Then::Message(message) => update(model, *message),
    }
}

/// What a character takes at once in a choice.
fn choice_of(model: &Model, event: &KeyEvent) -> Option<Then> {
    let Some(Overlay::Choice(choice)) = &model.overlay else { return None };
    let Some(Key::Char(c)) = Key::of(event) else { return None };
    let item = choice.items.iter().find(|item| item.key == Some(c))?;
    Some(item.then.clone())
}

fn accept(model: &mut Model) -> Vec<Effect> {
    match model.overlay.take() {
        Some(Overlay::Confirm { then, .. }) => answer(model, then),
        Some(Overlay::Choice(Choice { items, cursor, .. })) => {
            items.into_iter().nth(cursor).map_or(Vec::new(), |item| answer(model, item.then))
        }
        Some(Overlay::Commands(list)) => {
            let entry = commands::entries(model, &list).into_iter().nth(list.cursor);
            let Some(entry) = entry else { return Vec::new() };
            commands::remember(model, entry.row.binding.command);
            act(model, entry.row.binding.command, 1)
        }
        Some(Overlay::Prompt(prompt)) => submit(model, prompt),
        None => Vec::new(),
    }
}

/// Takes the text of a prompt; what is wrong with it keeps the prompt open.
fn submit(model: &mut Model, prompt: Prompt) -> Vec<Effect> {
    let text = prompt.field.text().to_owned();
    if let Some(error) = prompt.error.clone() {
        model.overlay = Some(Overlay::Prompt(prompt));
        return say(model, Tone::Refused, error);
    }
    let history = model.history.entry(prompt.purpose.history_key()).or_default();
    if !text.is_empty() {
        history.retain(|earlier| *earlier != text);
        history.push(text.clone());
        let n_old = history.len().saturating_sub(N_HISTORY);
        history.drain(..n_old);
    }
    match prompt.purpose {
        Purpose::Samples(prompt) => samples::update::on_text(model, prompt, &text),
        Purpose::Tags { run, name } => annotate::set_tags(model, &run, &name, &text),
        Purpose::Note { run, name } => annotate::set_note(run, &name, &text),
        Purpose::Save { contents } if !text.is_empty() => {
            vec![Effect::Save { path: text.into(), contents, overwrites: false }]
        }
        Purpose::Preset { contents } if text.contains('/') => {
            let contents = Contents::Text(contents);
            vec![Effect::Save { path: text.into(), contents, overwrites: false }]
        }
        Purpose::Preset { contents } if !text.is_empty() && !text.starts_with('.') => {
            let name = text.strip_suffix(".toml").unwrap_or(&text).to_owned();
            vec![Effect::SavePreset { name, contents }]
        }
        Purpose::Preset { .. } => say(model, Tone::Refused, "a preset needs a name"),
        Purpose::Filter
        | Purpose::LaunchField { .. }
        | Purpose::LaunchFind { .. }
        | Purpose::Save { .. } => Vec::new(),
    }
}

/// A file is there already: writes it over only when the person says so.
pub fn ask_overwrite(model: &mut Model, path: PathBuf, contents: Contents) -> Vec<Effect> {
    model.overlay = Some(Overlay::Confirm {
        question: format!("write over {}?", path.display()),
        detail: "the file is there already; what it holds is lost".to_owned(),
        then: Then::Effect(Effect::Save { path, contents, overwrites: true }),
    });
    Vec::new()
}

/// The text of a prompt has changed: who asked for it may know more about it now.
fn changed(model: &mut Model) {
    let Some(Overlay::Prompt(prompt)) = &model.overlay else { return };
    let text = prompt.field.text().to_owned();
    match &prompt.purpose {
        Purpose::Filter => filter_changed(model, &text),
        Purpose::LaunchField { at, .. } => {
            let at = *at;
            let (error, completions) = launch::update::on_field(model, at, &text);
            if let Some(Overlay::Prompt(prompt)) = &mut model.overlay {
                (prompt.error, prompt.completions) = (error, completions);
            }
        }
        Purpose::LaunchFind { from } => {
            let from = *from;
            let error = launch::find::on_text(model, &text, from);
            if let Some(Overlay::Prompt(prompt)) = &mut model.overlay {
                prompt.error = error;
            }
        }
        Purpose::Samples(_)
        | Purpose::Tags { .. }
        | Purpose::Note { .. }
        | Purpose::Preset { .. }
        | Purpose::Save { .. } => {}
    }
}

fn edit(model: &mut Model, change: impl FnOnce(&mut Field)) {
    match &mut model.overlay {
        Some(Overlay::Prompt(prompt)) => {
            change(&mut prompt.field);
            prompt.back = 0;
            changed(model);
        }
        Some(Overlay::Commands(list)) => {
            change(&mut list.field);
            list.cursor = 0;
        }
        _ => {}
    }
}

fn scroll(model: &mut Model, command: Command) {
    match model.overlay.take() {
        Some(Overlay::Choice(mut choice)) => {
            choice.cursor = moved(model, command, choice.cursor, choice.items.len(), 1);
            model.overlay = Some(Overlay::Choice(choice));
        }
        Some(Overlay::Commands(mut list)) => {
            let n = commands::entries(model, &list).len();
            list.cursor = moved(model, command, list.cursor, n, 1);
            model.overlay = Some(Overlay::Commands(list));
        }
        Some(Overlay::Prompt(mut prompt)) => {
            recall(model, &mut prompt, command);
            model.overlay = Some(Overlay::Prompt(prompt));
            changed(model);
        }
        other => model.overlay = other,
    }
}

/// An earlier text of this kind, or a later one.
fn recall(model: &Model, prompt: &mut Prompt, command: Command) {
    let history = model.history.get(prompt.purpose.history_key());
    let history = history.map_or(&[][..], Vec::as_slice);
    prompt.back = match command {
        Command::Up => (prompt.back + 1).min(history.len()),
        _ => prompt.back.saturating_sub(1),
    };
    let text = history.len().checked_sub(prompt.back).and_then(|at| history.get(at));
    prompt.field = Field::new(text.map_or("", String::as_str));
}
