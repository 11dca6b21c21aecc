//! Keys as they come in, and what they do in a popup.

use crossterm::event::KeyEvent;

use super::act::act;
use super::chosen;
use super::prompt;
use super::prompt::filter_changed;
use crate::tui::feed::change::{Change, Contents};
use crate::tui::kit::field::Field;
use crate::tui::kit::key::Key;
use crate::tui::screens::{launch, runs, samples};
use crate::tui::shell::effect::Effect;
use crate::tui::shell::keymap::binding::Context;
use crate::tui::shell::keymap::command::{Command, Motion, PopupCommand, ViewerCommand};
use crate::tui::shell::model::{Model, Tone};
use crate::tui::shell::overlay::{Choice, Overlay, Prompt, Purpose, Then};
use crate::tui::shell::{explain, palette};

/// Largest count before a key.
const COUNT_MAX: usize = 99_999;

/// A key went down.
pub fn on_key(model: &mut Model, event: &KeyEvent) -> Vec<Effect> {
    if let Some(effects) = samples::update::on_reason(model, event) {
        return effects;
    }
    let context = model.context();
    let command = model.keymap.command(context, event);
    if model.overlay.is_none()
        && !context.is_text()
        // A digit that is no judgment is none of the next one either.
        && !matches!(context, Context::Queue | Context::Judging)
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
    if count.is_some() && command == Some(Command::Viewer(ViewerCommand::Out)) {
        return Vec::new();
    }
    if let Some(then) = choice_of(model, event) {
        return answer(model, then);
    }
    if asks_again(model, event) && turn_page(model) {
        return Vec::new();
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
    if model.overlay.is_none() {
        return act(model, command, n);
    }
    if let Command::Popup(command) = command {
        return match command {
            PopupCommand::Yes => accept(model),
            PopupCommand::No => {
                model.overlay = None;
                Vec::new()
            }
            PopupCommand::Complete => {
                complete(model);
                Vec::new()
            }
        };
    }
    if let Command::Move(motion) = command {
        scroll(model, motion);
        return Vec::new();
    }
    act(model, command, n)
}

/// Takes the best of what Tab offers.
fn complete(model: &mut Model) {
    if turn_page(model) {
        return;
    }
    if let Some(Overlay::Prompt(prompt)) = &model.overlay
        && let Some(best) = prompt.completions.first().cloned()
    {
        edit(model, |field| *field = Field::new(&best));
    }
}

/// What an answer does.
fn answer(model: &mut Model, then: Then) -> Vec<Effect> {
    model.overlay = None;
    match then {
        Then::Effect(effect) => vec![effect],
        Then::Command(command) => act(model, command, 1),
        Then::Chosen(chosen) => chosen::take(model, chosen),
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
            let entry = palette::entries(model, &list).into_iter().nth(list.cursor);
            let Some(entry) = entry else { return Vec::new() };
            palette::remember(model, entry.row.binding.command);
            act(model, entry.row.binding.command, 1)
        }
        Some(Overlay::Prompt(prompt)) => submit(model, prompt),
        // There is nothing to do with a word but to read about it.
        words @ Some(Overlay::Words(_)) => {
            model.overlay = words;
            Vec::new()
        }
        None => Vec::new(),
    }
}

/// Takes the text of a prompt; what is wrong with it keeps the prompt open.
fn submit(model: &mut Model, prompt: Prompt) -> Vec<Effect> {
    let text = prompt.field.text().to_owned();
    if let Some(error) = prompt.error.clone() {
        model.overlay = Some(Overlay::Prompt(prompt));
        return model.say(Tone::Refused, error);
    }
    prompt::remember(model, &prompt.purpose, &text);
    prompt::forget_refusal(model);
    match prompt.purpose {
        Purpose::Samples(prompt) => samples::update::on_text(model, prompt, &text),
        Purpose::Tags { run, name } => runs::annotate::set_tags(model, &run, &name, &text),
        Purpose::Note { run, name } => runs::annotate::set_note(run, &name, &text),
        Purpose::Save { contents } if !text.is_empty() => save(model, text, contents),
        Purpose::Preset { contents } if text.contains('/') => {
            save(model, text, Contents::Text(contents))
        }
        Purpose::Preset { contents } if !text.is_empty() && !text.starts_with('.') => {
            let name = text.strip_suffix(".toml").unwrap_or(&text).to_owned();
            vec![Effect::Change(Change::SavePreset { name, contents })]
        }
        Purpose::Preset { .. } => model.say(Tone::Refused, "a preset needs a name"),
        Purpose::Filter
        | Purpose::LaunchField { .. }
        | Purpose::LaunchFind { .. }
        | Purpose::Save { .. } => Vec::new(),
    }
}

fn save(model: &mut Model, path: String, contents: Contents) -> Vec<Effect> {
    if matches!(contents, Contents::Policy { .. }) {
        // It can take a while, and nothing else shows that it goes on.
        model.say(Tone::Note, format!("writing {path} …"));
    }
    let change = Change::Save { path: path.into(), contents, overwrites: false };
    vec![Effect::Change(change)]
}

/// The text of a prompt has changed: who asked for it may know more about it now.
fn changed(model: &mut Model) {
    // What was said about an earlier text says nothing about this one.
    prompt::forget_refusal(model);
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
        Some(Overlay::Words(list)) => {
            change(&mut list.field);
            list.cursor = 0;
        }
        Some(Overlay::Confirm { .. } | Overlay::Choice(_)) | None => {}
    }
}

/// Goes from the keys of the screen to its words, and back; whether it was one of them.
fn turn_page(model: &mut Model) -> bool {
    match &model.overlay {
        Some(Overlay::Commands(list)) if list.is_help => prompt::open_words(model),
        Some(Overlay::Words(_)) => prompt::open_commands(model, true),
        _ => return false,
    };
    true
}

/// Whether a `?` is typed where the field of the help is still empty: asking again.
fn asks_again(model: &Model, event: &KeyEvent) -> bool {
    let is_empty = match &model.overlay {
        Some(Overlay::Commands(list)) => list.is_help && list.field.text().is_empty(),
        Some(Overlay::Words(list)) => list.field.text().is_empty(),
        _ => false,
    };
    is_empty && Key::of(event) == Some(Key::Char('?'))
}

fn scroll(model: &mut Model, motion: Motion) {
    match model.overlay.take() {
        Some(Overlay::Choice(mut choice)) => {
            choice.cursor = model.moved(motion, choice.cursor, choice.items.len(), 1);
            model.overlay = Some(Overlay::Choice(choice));
        }
        Some(Overlay::Commands(mut list)) => {
            let n = palette::entries(model, &list).len();
            list.cursor = model.moved(motion, list.cursor, n, 1);
            model.overlay = Some(Overlay::Commands(list));
        }
        Some(Overlay::Words(mut list)) => {
            let n = explain::explanations(model, &list).len();
            list.cursor = model.moved(motion, list.cursor, n, 1);
            model.overlay = Some(Overlay::Words(list));
        }
        Some(Overlay::Prompt(mut prompt)) => {
            recall(model, &mut prompt, motion);
            model.overlay = Some(Overlay::Prompt(prompt));
            changed(model);
        }
        other => model.overlay = other,
    }
}

/// An earlier text of this kind, or a later one.
fn recall(model: &Model, prompt: &mut Prompt, motion: Motion) {
    let history = model.history.get(prompt.purpose.history_key());
    let history = history.map_or(&[][..], Vec::as_slice);
    prompt.back = if motion == Motion::Up {
        (prompt.back + 1).min(history.len())
    } else {
        prompt.back.saturating_sub(1)
    };
    let text = history.len().checked_sub(prompt.back).and_then(|at| history.get(at));
    prompt.field = Field::new(text.map_or("", String::as_str));
}
