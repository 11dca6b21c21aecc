//! The last inputs, kept so that a panic can be looked into: written as lines that a test replays
//! with `tests::drive::replay`.
//!
//! What data arrived in between is not kept: snapshots are large, and of a paste only the length
//! counts. What was typed is in the file, which only its owner can read.

use std::collections::VecDeque;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use super::message::Message;
use crate::tui::kit::key::Key;
use crate::tui::terminal::input::{Input, MouseKind};

/// Inputs that are kept: some minutes of fast typing.
const N_KEPT: usize = 1_000;

/// Keeps the last inputs; every clone keeps the same ones.
#[derive(Clone, Default)]
pub struct Recorder {
    lines: Arc<Mutex<VecDeque<String>>>,
}

impl Recorder {
    /// Keeps a message where it is an input or a tick.
    pub fn record(&self, message: &Message) {
        let line = match message {
            Message::Input(input) => input_line(input),
            Message::Tick { now_ms } => Some(format!("tick {now_ms}")),
            Message::Read(_) | Message::Samples(_) | Message::Answer(_) | Message::Edited(_) => {
                None
            }
        };
        let Some(line) = line else { return };
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        // An hour of ticks says no more than its last one, and must not push out what was typed.
        if line.starts_with("tick") && lines.back().is_some_and(|last| last.starts_with("tick")) {
            lines.pop_back();
        }
        lines.push_back(line);
        if lines.len() > N_KEPT {
            lines.pop_front();
        }
    }

    /// The kept inputs, a line each; nothing where a panic has interrupted the keeping.
    pub fn text(&self) -> String {
        let Ok(lines) = self.lines.try_lock() else { return String::new() };
        lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect()
    }

    /// Writes the kept inputs into a file that only its owner can read.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let mut options = OpenOptions::new();
        let file = options.write(true).create(true).truncate(true).mode(0o600).open(path);
        file?.write_all(self.text().as_bytes())
    }
}

/// An input as a line; `None` for a key that no table can hold, which does nothing.
fn input_line(input: &Input) -> Option<String> {
    Some(match input {
        Input::Key(event) => format!("key {}", Key::of(event)?.name()),
        Input::Pasted(text) => format!("pasted {}", text.chars().count()),
        Input::Mouse { kind, x, y } => {
            let kind = match kind {
                MouseKind::Click => "click",
                MouseKind::WheelDown => "down",
                MouseKind::WheelUp => "up",
            };
            format!("mouse {kind} {x} {y}")
        }
        Input::Resized { width, height } => format!("resized {width} {height}"),
        Input::Background { is_dark } => format!("background {is_dark}"),
        Input::Continued => "continued".to_owned(),
        Input::Leave => "leave".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::shell::update::update;
    use crate::tui::tests::drive::{key, replay};
    use crate::tui::tests::fixtures::{NOW_MS, model, running_data, twelve_runs};

    #[test]
    fn what_was_typed_is_replayed_to_the_same_screen() {
        let start = || model(80, 24, twelve_runs(), Some(running_data()));
        let recorder = Recorder::default();
        let mut typed = start();
        let mut messages: Vec<Message> =
            ["j", "Down", "Space", "/", "s", "Esc", "Enter", "m", "Ctrl-l", "?", "t", "Esc", "3"]
                .into_iter()
                .map(key)
                .collect();
        messages.push(Message::Input(Input::Resized { width: 160, height: 48 }));
        messages.push(Message::Tick { now_ms: NOW_MS + 1 });
        messages.push(Message::Tick { now_ms: NOW_MS + 2 });
        messages.push(Message::Input(Input::Mouse { kind: MouseKind::Click, x: 7, y: 0 }));
        messages.push(key("/"));
        messages.push(Message::Input(Input::Pasted("xx".to_owned())));
        for message in messages {
            recorder.record(&message);
            update(&mut typed, message);
        }
        let text = recorder.text();
        assert_eq!(text.matches("tick").count(), 1, "{text}");
        let mut replayed = start();
        replay(&mut replayed, &text);
        assert_eq!(replayed, typed);
    }

    #[test]
    fn only_the_last_inputs_are_kept() {
        let recorder = Recorder::default();
        for _ in 0..N_KEPT {
            recorder.record(&key("j"));
        }
        recorder.record(&key("End"));
        assert_eq!(recorder.text().lines().count(), N_KEPT);
        assert!(recorder.text().ends_with("key j\nkey End\n"));
    }
}
