//! Drives the model as a person does: key by key, through the real update function.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::tui::kit::key::Key;
use crate::tui::shell::effect::Effect;
use crate::tui::shell::message::Message;
use crate::tui::shell::model::{Model, Tone};
use crate::tui::shell::update::update;
use crate::tui::terminal::input::{Input, MouseKind};

pub fn key(words: &str) -> Message {
    let (code, modifiers) = match words {
        "Enter" => (KeyCode::Enter, KeyModifiers::NONE),
        "Esc" => (KeyCode::Esc, KeyModifiers::NONE),
        "Down" => (KeyCode::Down, KeyModifiers::NONE),
        "Up" => (KeyCode::Up, KeyModifiers::NONE),
        "End" => (KeyCode::End, KeyModifiers::NONE),
        "Home" => (KeyCode::Home, KeyModifiers::NONE),
        "Space" => (KeyCode::Char(' '), KeyModifiers::NONE),
        "Tab" => (KeyCode::Tab, KeyModifiers::NONE),
        "Backspace" => (KeyCode::Backspace, KeyModifiers::NONE),
        "F1" => (KeyCode::F(1), KeyModifiers::NONE),
        "F2" => (KeyCode::F(2), KeyModifiers::NONE),
        _ => match words.strip_prefix("Ctrl-") {
            Some(c) => (KeyCode::Char(c.chars().next().unwrap()), KeyModifiers::CONTROL),
            None => (KeyCode::Char(words.chars().next().unwrap()), KeyModifiers::NONE),
        },
    };
    Message::Input(Input::Key(KeyEvent::new(code, modifiers)))
}

/// Presses keys and returns the effects of the last one, without the data thread's.
pub fn press(model: &mut Model, keys: &[&str]) -> Vec<Effect> {
    let mut effects = Vec::new();
    for words in keys {
        effects = update(model, key(words));
        effects.retain(|effect| !matches!(effect, Effect::Watch(_)));
    }
    effects
}

pub fn type_text(model: &mut Model, text: &str) {
    for c in text.chars() {
        press(model, &[&c.to_string()]);
    }
}

pub fn toast(model: &Model) -> (&str, Tone) {
    let toast = model.toast.as_ref().unwrap();
    (&toast.text, toast.tone)
}

/// Does again what a recorder has kept: the lines of the file that a panic leaves.
pub fn replay(model: &mut Model, lines: &str) {
    for line in lines.lines() {
        let message = message_of(line).unwrap_or_else(|| panic!("no input: {line}"));
        update(model, message);
    }
}

/// The message that a line was made from; a paste is as long as it was. `None` for any other line.
fn message_of(line: &str) -> Option<Message> {
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    let mut rest = rest.split(' ');
    let input = match word {
        "tick" => return Some(Message::Tick { now_ms: rest.next()?.parse().ok()? }),
        "key" => Input::Key(event_of(Key::parse(rest.next()?)?)),
        "pasted" => Input::Pasted("x".repeat(rest.next()?.parse().ok()?)),
        "mouse" => {
            let kind = match rest.next()? {
                "click" => MouseKind::Click,
                "down" => MouseKind::WheelDown,
                "up" => MouseKind::WheelUp,
                _ => return None,
            };
            Input::Mouse { kind, x: rest.next()?.parse().ok()?, y: rest.next()?.parse().ok()? }
        }
        "resized" => {
            Input::Resized { width: rest.next()?.parse().ok()?, height: rest.next()?.parse().ok()? }
        }
        "background" => Input::Background { is_dark: rest.next()?.parse().ok()? },
        "continued" => Input::Continued,
        "leave" => Input::Leave,
        _ => return None,
    };
    Some(Message::Input(input))
}

/// The event that a terminal sends for a key.
fn event_of(key: Key) -> KeyEvent {
    let (code, modifiers) = match key {
        Key::Char(c) => (KeyCode::Char(c), KeyModifiers::NONE),
        Key::Ctrl(c) => (KeyCode::Char(c), KeyModifiers::CONTROL),
        Key::Alt(c) => (KeyCode::Char(c), KeyModifiers::ALT),
        Key::Code(code) => (code, KeyModifiers::NONE),
    };
    KeyEvent::new(code, modifiers)
}
