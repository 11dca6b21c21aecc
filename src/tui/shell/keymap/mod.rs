//! One table from keys to commands to words. The help, the palette and the hint bar are made from
//! it, so they cannot go stale; a config file changes its keys by the id of an action.
//!
//! A screen registers its actions as a table of [`Binding`]s beside its code; those that more than one
//! screen shares, and those of popups, stand in [`table`].

pub mod binding;
pub mod command;
mod table;

use crossterm::event::KeyEvent;

use binding::{Binding, Context};
use command::Command;

use crate::tui::kit::key::Key;
use crate::tui::screens::{compare, launch, live, policy, runs, samples};

/// A binding with the keys in force.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// As the table has it.
    pub binding: &'static Binding,
    /// The keys in force; a config file can take all of them away.
    pub keys: Vec<Key>,
}

/// Every binding with the keys in force.
#[derive(Debug, Clone, PartialEq)]
pub struct Keymap {
    rows: Vec<Row>,
}

impl Default for Keymap {
    /// The keys of the tables.
    fn default() -> Self {
        let row = |binding: &'static Binding| Row { binding, keys: binding.keys.to_vec() };
        Self { rows: bindings().map(row).collect() }
    }
}

impl Keymap {
    /// The command of a key press in a context.
    pub fn command(&self, context: Context, event: &KeyEvent) -> Option<Command> {
        let key = Key::of(event)?;
        self.rows(context).find(|row| row.keys.contains(&key)).map(|row| row.binding.command)
    }

    /// Gives an action other keys, wherever it acts.
    pub fn set(&mut self, id: &str, keys: &[Key]) {
        for row in self.rows.iter_mut().filter(|row| row.binding.id == id) {
            row.keys = keys.to_vec();
        }
    }

    /// A key of an action that means something else in one of its contexts, and what.
    pub fn conflict(&self, id: &str) -> Option<(Key, &'static str, Context)> {
        for row in self.rows.iter().filter(|row| row.binding.id == id) {
            for context in row.binding.contexts {
                let others = self.rows(*context).filter(|other| other.binding.id != id);
                for other in others {
                    if let Some(key) = row.keys.iter().find(|key| other.keys.contains(key)) {
                        return Some((*key, other.binding.id, *context));
                    }
                }
            }
        }
        None
    }

    /// All rows that hold in a context, in the order of the tables.
    pub fn rows(&self, context: Context) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(move |row| row.binding.contexts.contains(&context))
    }
}

/// Every binding of every table. Its order is the order of the help and of the hint bar.
pub fn bindings() -> impl Iterator<Item = &'static Binding> {
    table::POPUPS
        .iter()
        .chain(runs::keys::BINDINGS)
        .chain(live::keys::BINDINGS)
        .chain(samples::keys::BINDINGS)
        .chain(compare::keys::BINDINGS)
        .chain(launch::keys::BINDINGS)
        .chain(policy::judging::keys::BINDINGS)
        .chain(policy::keys::BINDINGS)
        .chain(table::BINDINGS)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use crossterm::event::{KeyCode, KeyEventKind, KeyModifiers};

    use super::command::{ViewerCommand, WorkerCommand};
    use super::*;
    use crate::tui::screens::runs::command::RunsCommand;

    const ALL: [Context; 11] = [
        Context::Runs,
        Context::Live,
        Context::Samples,
        Context::Queue,
        Context::Compare,
        Context::Launch,
        Context::Policy,
        Context::Judging,
        Context::Confirm,
        Context::Choice,
        Context::Prompt,
    ];

    #[test]
    fn no_key_means_two_things_in_one_context() {
        let keymap = Keymap::default();
        for context in ALL {
            let mut seen = BTreeSet::new();
            for row in keymap.rows(context) {
                for key in &row.keys {
                    assert!(seen.insert(key.words()), "{context:?}: {}", key.words());
                }
            }
        }
    }

    #[test]
    fn an_id_names_one_action() {
        let mut commands: Vec<(&str, Command)> =
            bindings().map(|binding| (binding.id, binding.command)).collect();
        commands.sort_by_key(|(id, _)| *id);
        for pair in commands.windows(2) {
            assert!(pair[0].0 != pair[1].0 || pair[0].1 == pair[1].1, "{}", pair[0].0);
        }
    }

    #[test]
    fn a_text_field_gets_every_character() {
        let keymap = Keymap::default();
        for context in ALL.into_iter().filter(|context| context.is_text()) {
            for row in keymap.rows(context) {
                assert!(!row.keys.iter().any(|key| matches!(key, Key::Char(_))), "{row:?}");
            }
        }
    }

    #[test]
    fn releases_and_alt_do_nothing() {
        let keymap = Keymap::default();
        let mut event = KeyEvent::new(KeyCode::Char('x'), KeyModifiers::NONE);
        assert_eq!(
            keymap.command(Context::Runs, &event),
            Some(Command::Worker(WorkerCommand::Stop))
        );
        event.kind = KeyEventKind::Release;
        assert_eq!(keymap.command(Context::Runs, &event), None);
        let event = KeyEvent::new(KeyCode::Char('x'), KeyModifiers::ALT);
        assert_eq!(keymap.command(Context::Runs, &event), None);
    }

    #[test]
    fn a_split_escape_sequence_changes_nothing_for_good() {
        // On a slow line `Esc [ A` can arrive as three keys.
        let keymap = Keymap::default();
        for c in "[OABCDHF~".chars() {
            let event = KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE);
            let found = keymap.command(Context::Runs, &event);
            assert!(
                matches!(
                    found,
                    None | Some(
                        Command::Viewer(ViewerCommand::Freeze)
                            | Command::Runs(RunsCommand::ArchiveMarked)
                    )
                ),
                "{c}: {found:?}"
            );
        }
    }
}
