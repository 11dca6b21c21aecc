//! One table from keys to commands to words. The help, the palette and the hint bar are made from
//! it, so they cannot go stale; a config file changes its keys by the id of an action.
//!
//! A screen registers its actions as a table of [`Binding`]s: the shared ones and those of the runs
//! list and the live screen stand in [`table`], the others beside their screen.

mod key;
mod table;

use crossterm::event::KeyEvent;
use std::fmt::Debug;

pub use key::Key;

use crate::tui::screens::compare::keys::CompareCommand;
use crate::tui::screens::launch::keys::LaunchCommand;
use crate::tui::screens::live::keys::LiveCommand;
use crate::tui::screens::samples::keys::SamplesCommand;

/// What a person can ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Command {
    /// Next row or line.
    Down,
    /// Previous row or line.
    Up,
    /// Half a page on.
    PageDown,
    /// Half a page back.
    PageUp,
    /// To the first.
    First,
    /// To the last.
    Last,
    /// Open what is selected.
    Open,
    /// One layer out.
    Out,
    /// Back, and at the top out of the viewer.
    Back,
    /// Out of the viewer at once.
    QuitNow,
    /// Stop the viewer until `fg`.
    Suspend,
    /// Draw everything again.
    Redraw,
    /// The runs list.
    ShowRuns,
    /// The live screen.
    ShowLive,
    /// The samples of a run.
    ShowSamples,
    /// The comparison of the marked runs.
    ShowCompare,
    /// The form that starts runs.
    ShowLaunch,
    /// The keys.
    Help,
    /// Every action by name.
    Palette,
    /// Show only rows that match.
    Filter,
    /// Take the last decision back.
    Undo,
    /// Take the last undo back.
    Redo,
    /// Mark the row and go to the next.
    Mark,
    /// Mark every row shown.
    MarkAll,
    /// Begin a range, or mark it.
    Range,
    /// Unmark everything.
    ClearMarks,
    /// The keys of the next pane.
    NextPane,
    /// The keys of the previous pane.
    PreviousPane,
    /// One pane on the whole screen, or all of them again.
    Zoom,
    /// More room for the pane that has the keys.
    Grow,
    /// Less room for it.
    Shrink,
    /// Long lines wrapped, or cut.
    Wrap,
    /// What can be copied.
    Copy,
    /// What is shown, as a file.
    Export,
    /// Next order of the list.
    Sort,
    /// Choose the order of the list.
    SortMenu,
    /// Tags of the run.
    Tag,
    /// Note on the run.
    Note,
    /// Out of the list, or back into it.
    Archive,
    /// Every marked run out of the list.
    ArchiveMarked,
    /// The run that others are measured against.
    Star,
    /// Start a run.
    New,
    /// Pause, or resume what is paused.
    Pause,
    /// Resume what ended or was interrupted.
    Resume,
    /// End a run after its step.
    Stop,
    /// End the process of a run at once.
    Kill,
    /// Experiments and their arms, to choose from.
    Experiments,
    /// Next sampled pair.
    NextPair,
    /// Previous sampled pair.
    PreviousPair,
    /// Show or hide the human label.
    Gold,
    /// Next curve.
    Metric,
    /// Hold the view still.
    Freeze,
    /// Next theme.
    Theme,
    /// The mouse for the viewer, or for the terminal.
    Mouse,
    /// Yes; also what is selected in a popup, and the end of a text field.
    Yes,
    /// No.
    No,
    /// Completes the text of a field.
    Complete,
    /// An action of the samples screen.
    Samples(SamplesCommand),
    /// An action of the compare screen.
    Compare(CompareCommand),
    /// An action of the live screen.
    Live(LiveCommand),
    /// An action of the launch screen.
    Launch(LaunchCommand),
}

/// Where keys are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Context {
    /// The runs list.
    Runs,
    /// The live screen.
    Live,
    /// The samples screen.
    Samples,
    /// The compare screen.
    Compare,
    /// The launch screen.
    Launch,
    /// A question.
    Confirm,
    /// A popup to choose from.
    Choice,
    /// A text field: characters go into it.
    Prompt,
}

impl Context {
    /// Whether characters are text here.
    pub fn is_text(self) -> bool {
        self == Self::Prompt
    }
}

/// One row of a table.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Binding {
    /// The name a config file uses: `runs.stop`.
    pub id: &'static str,
    /// Every key that does it; the first is the one shown in the hint bar.
    pub keys: &'static [Key],
    /// What it does.
    pub command: Command,
    /// Where.
    pub contexts: &'static [Context],
    /// One line for the help and the palette.
    pub title: &'static str,
    /// One or two words for the hint bar; empty to leave it out.
    pub hint: &'static str,
}

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
    table::FIRST
        .iter()
        .chain(crate::tui::screens::live::keys::BINDINGS)
        .chain(crate::tui::screens::samples::keys::BINDINGS)
        .chain(crate::tui::screens::compare::keys::BINDINGS)
        .chain(crate::tui::screens::launch::keys::BINDINGS)
        .chain(table::BINDINGS)
}

/// Makes a [`Binding`]: `bind!("runs.stop", Stop, [Char('x')], SCREENS, "title", "hint")`.
macro_rules! bind {
    ($id:literal, $command:expr, [$($key:expr),*], $contexts:expr, $title:literal, $hint:literal) => {
        $crate::tui::shell::keymap::Binding {
            id: $id,
            keys: &[$($key),*],
            command: $command,
            contexts: $contexts,
            title: $title,
            hint: $hint,
        }
    };
}
pub(in crate::tui) use bind;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use crossterm::event::{KeyCode, KeyEventKind, KeyModifiers};

    use super::*;

    const ALL: [Context; 8] = [
        Context::Runs,
        Context::Live,
        Context::Samples,
        Context::Compare,
        Context::Launch,
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
        assert_eq!(keymap.command(Context::Runs, &event), Some(Command::Stop));
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
                matches!(found, None | Some(Command::Freeze | Command::ArchiveMarked)),
                "{c}: {found:?}"
            );
        }
    }
}
