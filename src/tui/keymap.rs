//! One table from keys to commands to words. The help overlay and the hint bar are printed from
//! it, so they cannot go stale.

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

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
    /// The keys.
    Help,
    /// Next order of the list.
    Sort,
    /// Start the embedded experiment.
    New,
    /// Pause, or resume what is paused.
    Pause,
    /// Resume what ended or was interrupted.
    Resume,
    /// End a run after its step.
    Stop,
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
    /// Yes.
    Yes,
    /// No.
    No,
}

/// Where keys are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Context {
    /// The runs list.
    Runs,
    /// The live screen.
    Live,
    /// The help overlay.
    Help,
    /// A question.
    Confirm,
}

/// A key as it is typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// A character, shift included.
    Char(char),
    /// A character with Ctrl.
    Ctrl(char),
    /// Any other key.
    Code(KeyCode),
}

/// One row of the table.
pub struct Binding {
    /// Every key that does it; the first is the one shown in the hint bar.
    pub keys: &'static [Key],
    /// What it does.
    pub command: Command,
    /// Where.
    pub contexts: &'static [Context],
    /// One line for the help overlay.
    pub help: &'static str,
    /// One or two words for the hint bar; empty to leave it out.
    pub hint: &'static str,
}

use Context::{Confirm, Help, Live, Runs};
use Key::{Char, Code, Ctrl};

const SCREENS: &[Context] = &[Runs, Live];
const SCROLLING: &[Context] = &[Runs, Live, Help];
const EVERYWHERE: &[Context] = &[Runs, Live, Help, Confirm];

macro_rules! bind {
    ($command:ident, [$($key:expr),+], $contexts:expr, $help:literal, $hint:literal) => {
        Binding {
            keys: &[$($key),+],
            command: Command::$command,
            contexts: $contexts,
            help: $help,
            hint: $hint,
        }
    };
}

/// The table. Its order is the order of the help overlay and of the hint bar.
pub const BINDINGS: &[Binding] = &[
    bind!(Yes, [Char('y')], &[Confirm], "yes", "yes"),
    bind!(No, [Char('n'), Char('q')], &[Confirm], "no", "no"),
    bind!(
        Open,
        [Code(KeyCode::Enter), Char('l'), Code(KeyCode::Right)],
        &[Runs],
        "open the run (empty list: start the embedded one)",
        "open"
    ),
    bind!(NextPair, [Char('J')], &[Live], "next sampled pair", "next pair"),
    bind!(PreviousPair, [Char('K')], &[Live], "previous sampled pair", ""),
    bind!(Gold, [Char('g')], &[Live], "show or hide the human label of the pair", "gold label"),
    bind!(Metric, [Char('m')], &[Live], "accuracy by round, or train loss", "metric"),
    bind!(New, [Char('n')], SCREENS, "start a new run of the embedded experiment", "new"),
    bind!(Pause, [Char('p')], SCREENS, "pause between two steps, or go on", "pause"),
    bind!(Stop, [Char('x')], SCREENS, "stop after this step (asks)", "stop"),
    bind!(Resume, [Char('R')], SCREENS, "resume what was stopped, failed or cut off", "resume"),
    bind!(Sort, [Char('s')], &[Runs], "next order of the list", "sort"),
    bind!(Freeze, [Char('F')], SCREENS, "hold the view still; data keeps arriving", "freeze"),
    bind!(Down, [Char('j'), Code(KeyCode::Down)], SCROLLING, "down (live: to newer events)", ""),
    bind!(Up, [Char('k'), Code(KeyCode::Up)], SCROLLING, "up (live: to older events)", ""),
    bind!(PageDown, [Ctrl('d'), Code(KeyCode::PageDown)], SCROLLING, "half a page down", ""),
    bind!(PageUp, [Ctrl('u'), Code(KeyCode::PageUp)], SCROLLING, "half a page up", ""),
    bind!(First, [Char('g'), Code(KeyCode::Home)], &[Runs, Help], "to the first", ""),
    bind!(First, [Code(KeyCode::Home)], &[Live], "to the oldest event", ""),
    bind!(Last, [Char('G'), Code(KeyCode::End)], SCROLLING, "to the last, the newest", ""),
    bind!(ShowRuns, [Char('1')], SCREENS, "the runs list", ""),
    bind!(ShowLive, [Char('2')], SCREENS, "the live screen of the selected run", ""),
    bind!(Theme, [Char('T')], EVERYWHERE, "next theme", ""),
    bind!(Out, [Code(KeyCode::Esc)], EVERYWHERE, "one layer out; never leaves the viewer", ""),
    bind!(Out, [Char('h'), Code(KeyCode::Left)], &[Live], "back to the list", ""),
    bind!(
        Back,
        [Char('q')],
        &[Runs, Live, Help],
        "back; at the top leaves, and runs keep going",
        "back"
    ),
    bind!(Help, [Char('?'), Code(KeyCode::F(1))], EVERYWHERE, "these keys", "help"),
    bind!(QuitNow, [Ctrl('c')], EVERYWHERE, "leave the viewer at once; no run notices", ""),
    bind!(Suspend, [Ctrl('z')], EVERYWHERE, "suspend the viewer; `fg` returns", ""),
    bind!(Redraw, [Ctrl('l')], EVERYWHERE, "draw everything again", ""),
];

/// The command of a key press in a context.
pub fn command(context: Context, event: &KeyEvent) -> Option<Command> {
    let key = key_of(event)?;
    let bindings = bindings(context);
    bindings.into_iter().find(|binding| binding.keys.contains(&key)).map(|b| b.command)
}

/// All rows that hold in a context.
pub fn bindings(context: Context) -> Vec<&'static Binding> {
    BINDINGS.iter().filter(|binding| binding.contexts.contains(&context)).collect()
}

fn key_of(event: &KeyEvent) -> Option<Key> {
    // A terminal that reports releases must not make every key act twice.
    if event.kind == KeyEventKind::Release {
        return None;
    }
    let modifiers = event.modifiers - KeyModifiers::SHIFT;
    match event.code {
        KeyCode::Char(c) if modifiers == KeyModifiers::CONTROL => {
            Some(Ctrl(c.to_ascii_lowercase()))
        }
        KeyCode::Char(c) if modifiers.is_empty() => Some(Char(c)),
        KeyCode::Char(_) => None,
        code => Some(Code(code)),
    }
}

impl Key {
    /// As the hint bar writes it, where every column counts.
    pub fn hint(self) -> String {
        match self {
            Code(KeyCode::Enter) => "↵".to_owned(),
            key => key.words(),
        }
    }

    /// As the help overlay writes it.
    pub fn words(self) -> String {
        match self {
            Char(c) => c.to_string(),
            Ctrl(c) => format!("Ctrl-{c}"),
            Code(KeyCode::Enter) => "Enter".to_owned(),
            Code(KeyCode::Up) => "↑".to_owned(),
            Code(KeyCode::Down) => "↓".to_owned(),
            Code(KeyCode::Left) => "←".to_owned(),
            Code(KeyCode::Right) => "→".to_owned(),
            Code(KeyCode::F(n)) => format!("F{n}"),
            Code(code) => format!("{code:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_key_means_two_things_in_one_context() {
        for context in [Runs, Live, Help, Confirm] {
            let mut seen = BTreeSet::new();
            for binding in bindings(context) {
                for key in binding.keys {
                    assert!(seen.insert(key.words()), "{context:?}: {}", key.words());
                }
            }
        }
    }

    #[test]
    fn releases_and_alt_do_nothing() {
        let mut event = KeyEvent::new(KeyCode::Char('x'), KeyModifiers::NONE);
        assert_eq!(command(Runs, &event), Some(Command::Stop));
        event.kind = KeyEventKind::Release;
        assert_eq!(command(Runs, &event), None);
        let event = KeyEvent::new(KeyCode::Char('x'), KeyModifiers::ALT);
        assert_eq!(command(Runs, &event), None);
    }

    #[test]
    fn a_split_escape_sequence_changes_nothing_for_good() {
        // On a slow line `Esc [ A` can arrive as three keys.
        for c in "[OABCDHF~".chars() {
            let found = command(Runs, &KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE));
            assert!(matches!(found, None | Some(Command::Freeze)), "{c}: {found:?}");
        }
    }
}
