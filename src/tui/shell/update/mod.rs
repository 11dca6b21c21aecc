//! What a message changes, and what it asks for. No I/O, no clock: a pure function that tests call
//! as a table.
//!
//! A key becomes a command ([`super::keymap`]) and a command goes to whoever it is for: the popup
//! that lies over the screen, what all screens share, or the screen itself. Nothing that a screen
//! calls lies here: the arrows run from here to the screens.

mod act;
mod answer;
mod chosen;
mod mouse;
mod out;
mod popup;
mod prompt;
mod resize;
mod snapshot;

use super::effect::{Effect, Terminal};
use super::message::Message;
use super::model::{Model, Tone};
use crate::tui::feed::source::Read;
use crate::tui::kit::size::Size;
use crate::tui::screens::{launch, runs, samples};
use crate::tui::terminal::input::Input;

/// How long the message line keeps a message, milliseconds.
const TOAST_MS: i64 = 10_000;

/// Changes the model and says what to do.
pub fn update(model: &mut Model, message: Message) -> Vec<Effect> {
    let mut effects = match message {
        Message::Input(input) => on_input(model, input),
        Message::Tick { now_ms } => tick(model, now_ms),
        Message::Read(Read::Snapshot(snapshot)) => {
            snapshot::take(model, snapshot);
            Vec::new()
        }
        Message::Samples(found) => {
            samples::update::take(model, found);
            Vec::new()
        }
        Message::Answer(answer) => answer::take(model, answer),
        Message::Edited(Ok(text)) => launch::update::on_edited(model, &text),
        Message::Read(Read::Failed(words)) | Message::Edited(Err(words)) => {
            model.say(Tone::Error, words)
        }
    };
    runs::update::scroll_into_view(model);
    effects.extend(samples::update::follow(model));
    let wanted = model.wanted();
    if wanted != model.interest {
        model.interest = wanted.clone();
        effects.push(Effect::Watch(wanted));
    }
    effects
}

fn on_input(model: &mut Model, input: Input) -> Vec<Effect> {
    match input {
        Input::Key(event) => popup::on_key(model, &event),
        Input::Pasted(text) => popup::on_paste(model, &text),
        Input::Mouse { kind, x, y } => mouse::on_mouse(model, kind, x, y),
        Input::Resized { width, height } => {
            model.size = Size { width, height };
            Vec::new()
        }
        Input::Background { is_dark } => {
            if model.follows_terminal {
                model.theme = model.theme.on_background(is_dark);
            }
            Vec::new()
        }
        Input::Continued => vec![Effect::Terminal(Terminal::Redraw)],
        Input::Leave => vec![Effect::Terminal(Terminal::Quit)],
    }
}

fn tick(model: &mut Model, now_ms: i64) -> Vec<Effect> {
    model.now_ms = now_ms;
    if model.toast.as_ref().is_some_and(|toast| now_ms - toast.at_ms > TOAST_MS) {
        model.toast = None;
    }
    Vec::new()
}
