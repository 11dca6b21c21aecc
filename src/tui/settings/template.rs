//! The config file as it is without one: every setting and every key at its default, commented out.

use std::fmt::Write as _;

use super::Settings;
use crate::tui::shell::keymap;
use crate::tui::shell::keymap::binding::{Binding, Context};

/// The settings above the keys. Lines that begin with `#` and no blank are settings; with it they are
/// words.
const SETTINGS: &str = r#"# Settings of the interface, with their defaults. Take the `#` before a line away and change its value.
# `ser config > "$(ser config path)"` makes a file to begin with.

# Colors by meaning: "auto" (dark or light as the terminal says, where it says so), "dark", "light",
# "color-blind", "ansi" (the terminal's own sixteen) or "mono" (none).
#theme = "auto"
# How many colors: "auto" (as TERM and COLORTERM say), "none", "16", "256" or "true" (24 bits).
#color = "auto"
# Whether clicks and the wheel are for the interface from the start; `M` changes it later.
#mouse = false
# Draw with ASCII characters only.
#ascii = false
# Draw once a second at most, for thin lines.
#slow = false
# The order of the runs: "newest", "accuracy", "state" or "name".
#sort = "newest"
# Whether the terminal shows how far the run has come in its tab or task bar (OSC 9;4): "auto" (where
# the terminal is known to: Windows Terminal, ConEmu, WezTerm, Ghostty, iTerm2), "on" or "off". tmux
# keeps such reports to itself, so inside it "auto" is off.
#progress = "auto"

# Who judges pairs in the queues; "" is the name you are logged in with. `--reviewer` says it once.
#reviewer = ""
# Pairs to judge in a queue at a time.
#goal = 20
# A text file with what reviewers should go by, in the home or by its whole path; "" is guidelines.md
# in the home, if it is there.
#guidelines = ""

# Runs that are at work at a time, by what they compute on. Others wait in the queue.
#[slots]
#cpu = 1
#cuda = 1
#metal = 1

# Keys by the id of an action, which `?` shows beside each key. One key or a list; [] is no key. Keys
# are written "x", "Space", "Ctrl-d", "Alt-1", "PageDown", "F5".
#[keys]
"#;

/// Below the keys.
const VIEWS: &str = "
# Lists of samples under a name, which `V` shows: `disputed = \"selected:yes near:.02\"`.
#[views]
";

impl Settings {
    /// The whole file as text. With the `#` taken away from its settings it changes nothing.
    #[must_use]
    pub fn template() -> String {
        let mut out = SETTINGS.to_owned();
        let mut written: Vec<&str> = Vec::new();
        for (heading, belongs) in GROUPS {
            let _ = writeln!(out, "\n# {heading}");
            for binding in keymap::bindings().filter(|binding| belongs(binding)) {
                if written.contains(&binding.id) {
                    continue;
                }
                written.push(binding.id);
                let keys: Vec<String> =
                    binding.keys.iter().map(|key| format!("{:?}", key.name())).collect();
                let _ = writeln!(out, "# {}", binding.title);
                let _ = writeln!(out, "#{:?} = [{}]", binding.id, keys.join(", "));
            }
        }
        out + VIEWS
    }
}

type Belongs = fn(&Binding) -> bool;

/// The parts of the table of keys, each action in the first that it belongs to.
const GROUPS: [(&str, Belongs); 10] = [
    ("Runs", |it| it.contexts == [Context::Runs]),
    ("Live", |it| it.contexts == [Context::Live]),
    ("Samples", |it| it.contexts == [Context::Samples]),
    ("A queue of pairs to judge", |it| it.contexts == [Context::Queue]),
    ("Compare", |it| it.contexts == [Context::Compare]),
    ("The form that starts runs", |it| it.contexts == [Context::Launch]),
    ("Policy", |it| it.contexts == [Context::Policy]),
    ("Answers of a policy to judge", |it| it.contexts == [Context::Judging]),
    ("Several screens", |it| it.contexts.iter().any(|context| !is_popup(*context))),
    ("Popups and text fields", |_| true),
];

fn is_popup(context: Context) -> bool {
    matches!(context, Context::Confirm | Context::Choice | Context::Prompt)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// The file with every setting in force.
    fn uncommented() -> String {
        let line = |line: &str| match line.strip_prefix('#') {
            Some(rest) if !rest.starts_with(' ') && !rest.is_empty() => format!("{rest}\n"),
            _ => format!("{line}\n"),
        };
        Settings::template().lines().map(line).collect()
    }

    #[test]
    fn uncommented_it_changes_nothing() {
        let text = uncommented();
        let settings = Settings::parse(&text, Path::new("config.toml")).unwrap();
        // Said or not, the newest run comes first.
        let sort = Some(crate::tui::screens::runs::SortKey::default());
        let goal = Some(crate::domain::review::goal::N_GOAL);
        assert_eq!(settings, Settings { sort, goal, ..Settings::default() });
        assert_eq!(
            Settings::parse(&Settings::template(), Path::new("config.toml")).unwrap(),
            Settings::default()
        );
    }

    #[test]
    fn every_setting_and_every_action_stands_in_it() {
        let text = uncommented();
        for name in super::super::NAMES {
            let is_there = text
                .lines()
                .any(|line| line.starts_with(&format!("{name} = ")) || line == format!("[{name}]"));
            assert!(is_there, "{name}");
        }
        for binding in keymap::bindings() {
            assert!(text.contains(&format!("\n\"{}\" = [", binding.id)), "{}", binding.id);
        }
    }

    #[test]
    fn one_id_has_one_list_of_keys() {
        for binding in keymap::bindings() {
            let same = keymap::bindings().filter(|other| other.id == binding.id);
            for other in same {
                assert_eq!(other.keys, binding.keys, "`{}` has two lists of keys", binding.id);
            }
        }
    }
}
