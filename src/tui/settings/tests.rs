//! Tests of the config file.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::*;
use crate::tui::shell::keymap::command::{Command, WorkerCommand};

fn parse(text: &str) -> Result<Settings, (usize, String, String)> {
    Settings::parse(text, Path::new("config.toml")).map_err(|error| match error {
        TuiError::Settings { line, message, hint, .. } => (line, message, hint),
        other => (0, other.to_string(), String::new()),
    })
}

#[test]
fn settings_and_keys_are_read() {
    let text = "theme = \"light\"\ncolor = \"true\"\nmouse = true\nsort = \"name\"\n\
                [keys]\n\"run.stop\" = \"Z\"\nview.theme = []\n";
    let settings = parse(text).unwrap();
    assert_eq!((settings.theme, settings.mouse), (Some(ThemeName::Light), true));
    assert_eq!((settings.sort, settings.n_remapped), (Some(SortKey::Name), 2));
    let press = |c| {
        let event = KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE);
        settings.keymap.command(Context::Runs, &event)
    };
    assert_eq!(
        (press('Z'), press('x'), press('T')),
        (Some(Command::Worker(WorkerCommand::Stop)), None, None)
    );
    assert_eq!(parse("").unwrap(), Settings::default());
    let settings = parse("reviewer = \" anna \"\ngoal = 40\n").unwrap();
    assert_eq!((settings.reviewer.as_deref(), settings.goal), (Some("anna"), Some(40)));
}

#[test]
fn mistakes_name_their_line_and_what_was_meant() {
    let cases = [
        ("\nthem = \"x\"", 2, "unknown setting `them`", "did you mean `theme`?"),
        ("theme = \"drak\"", 1, "`theme` is `drak`", "one of \"auto\", \"dark\""),
        ("mouse = 1", 1, "`mouse` is neither", "write `mouse = true`"),
        (
            "[keys]\n\"run.stpo\" = \"X\"",
            2,
            "unknown action `run.stpo`",
            "did you mean `run.stop`?",
        ),
        ("[keys]\npause = \"X\"", 2, "unknown action `pause`", "did you mean `run.pause`?"),
        ("[keys]\nview.baseline = \"X\"", 2, "unknown action `view.b", "did you mean `runs.star`?"),
        ("progress = true", 1, "`progress` is not a text", "one of \"auto\", \"on\""),
        ("[keys]\nrun.stop = \"Ctl-x\"", 2, "`Ctl-x` is no key", "write keys as"),
        ("[keys]\nrun.stop = 3", 2, "`run.stop` is neither a key", "write keys as"),
        ("[keys]\nfield.accept = \"x\"", 2, "`x` is text where", "take a key with Ctrl"),
        (
            "[keys]\n\nrun.stop = \"p\"",
            3,
            "`p` is the key of `run.stop` and of `run.pause`",
            "give `run.pause`",
        ),
        ("[views]\nodd = \"why:odd\"", 2, "`why:odd` is not a filter", "filters are"),
        ("[views]\nodd = 3", 2, "`odd` is not a filter", "write `name"),
        ("reviewer = \" \"", 1, "` ` is no name of a reviewer", "write `reviewer"),
        ("reviewer = 3", 1, "`reviewer` is not a text", "write `reviewer"),
        ("goal = 0", 1, "`goal` is no number", "write `goal = 20`"),
        ("goal = \"x\"", 1, "`goal` is no number", "write `goal = 20`"),
        ("a = ", 1, "not TOML", "write `name = value`"),
    ];
    for (text, line, message, hint) in cases {
        let (found_line, found, found_hint) = parse(text).unwrap_err();
        assert_eq!(found_line, line, "{text}");
        assert!(found.starts_with(message), "{found}");
        assert!(found_hint.starts_with(hint), "{found_hint}");
    }
}
