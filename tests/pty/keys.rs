//! What keys, modes and the environment do in a real terminal.

use std::process::Command;

use super::safety::{home_with_run, stop_run};
use super::*;

#[test]
fn the_mouse_is_the_terminals_until_it_is_asked_for() {
    let mut session = Session::ser(&[], &[]);
    session.wait_for_text("no runs yet");
    assert!(!session.text().contains("?1000h") && !session.text().contains("?1002h"));
    session.press(b"M");
    session.wait_for_text("mouse");
    session.settle(Duration::from_millis(100));
    assert!(session.text().contains("\x1b[?1000h\x1b[?1006h"));
    // A click on the tab of the form.
    session.press(b"\x1b[<0;50;1M\x1b[<0;50;1m");
    session.wait_for_text("new run from the default experiment");
    session.press(b"\x03");
    session.wait_for_exit(seconds(5));
    assert_restored(&session);
}

#[test]
fn pastes_are_bracketed_only_while_a_field_has_the_keys() {
    let mut session = Session::ser(&[], &[]);
    session.wait_for_text("no runs yet");
    session.press(b":");
    session.wait_for_text("commands");
    session.settle(Duration::from_millis(100));
    assert!(session.text().ends_with("\x1b[?2026l") && session.text().contains("\x1b[?2004h"));
    session.press(b"\x1b[200~q\x03x\x1b[201~");
    session.wait_for_text("q⟨ETX⟩x");
    session.press(b"\x1b");
    session.wait_for("no popup", seconds(5), |screen| !screen.contents().contains("commands"));
    session.settle(Duration::from_millis(100));
    assert!(session.text().contains("\x1b[?2004l"));
}

#[test]
fn a_split_sequence_and_a_release_decide_nothing() {
    let home = home_with_run("3000", &[]);
    let path = home.path().to_owned();
    let mut session = Session::start_in(home, &[env!("CARGO_BIN_EXE_ser")], &[]);
    session.wait_for_text("watched");
    for piece in [&b"\x1b"[..], b"[A", b"\x1b", b"O", b"B", b"\x1b[97;1:3u", b"\x1b[120;1:3u"] {
        session.press(piece);
        session.settle(Duration::from_millis(40));
    }
    session.settle(Duration::from_millis(200));
    let shown = session.screen.screen().contents();
    assert!(!shown.contains("stop watched?") && shown.contains("running"), "{shown}");
    assert!(!session.text().contains("\x1b[>"), "no enhanced keyboard");
    stop_run(&path);
}

#[test]
fn a_copy_reaches_the_terminal_and_a_file() {
    let home = home_with_run("0", &[]);
    let path = home.path().to_owned();
    let mut session = Session::start_in(home, &[env!("CARGO_BIN_EXE_ser")], &[]);
    session.wait_for_text("watched");
    session.press(b"y");
    session.wait_for_text("command");
    session.press(b"n");
    session.wait_for_text("last-copy.txt");
    session.settle(Duration::from_millis(100));
    // `watched`, in base64.
    assert!(session.text().contains("\x1b]52;c;d2F0Y2hlZA==\x07"), "{:?}", session.text());
    assert_eq!(std::fs::read_to_string(path.join("last-copy.txt")).unwrap(), "watched");
}

#[test]
fn colors_are_those_of_the_terminal() {
    let count = |environment: &[(&str, &str)], arguments: &[&str]| {
        let mut session = Session::ser(arguments, environment);
        session.wait_for_text("no runs yet");
        session.settle(Duration::from_millis(100));
        let text = session.text();
        (text.matches("38;2;").count(), text.matches("38;5;").count(), text.contains("\x1b[1m"))
    };
    let (rgb, indexed, bold) = count(&[], &[]);
    assert!(rgb == 0 && indexed > 0 && bold);
    let (rgb, _, _) = count(&[("COLORTERM", "truecolor")], &[]);
    assert!(rgb > 0);
    let (rgb, indexed, bold) = count(&[("COLORTERM", "truecolor"), ("NO_COLOR", "1")], &[]);
    assert!(rgb + indexed == 0 && bold, "bold survives");
    let (rgb, _, _) = count(&[], &["--color", "true"]);
    assert!(rgb > 0);
}

#[test]
fn the_config_file_is_read_and_its_mistakes_are_named() {
    let home = tempfile::tempdir().unwrap();
    let config = home.path().join("config.toml");
    std::fs::write(&config, "theme = \"mono\"\n[keys]\n\"help\" = \"Ctrl-g\"\n").unwrap();
    let mut session = Session::start_in(home, &[env!("CARGO_BIN_EXE_ser")], &[]);
    session.wait_for_text("no runs yet");
    session.press(b"?\x07");
    session.wait_for_text("keys · runs");
    assert!(!session.text().contains("38;5;"));
    let path = session.home.path().to_owned();
    std::fs::write(path.join("config.toml"), "mouse = true\ntheem = \"mono\"\n").unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_ser"))
        .args(["doctor", "--json"])
        .env("SER_HOME", &path)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("line 2: unknown setting `theem`"), "{text}");
    assert!(text.contains("did you mean `theme`?"), "{text}");
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("config.toml"), "mouse = 3\n").unwrap();
    let mut refused = Session::start_in(home, &[env!("CARGO_BIN_EXE_ser")], &[]);
    refused.wait_for_exit(seconds(5));
    assert!(refused.text().contains("config.toml` line 1: `mouse` is neither"));
    assert!(!refused.text().contains("?1049h"), "no screen was taken");
}

#[test]
fn the_editor_has_the_terminal_and_its_text_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let editor = folder.path().join("edit.sh");
    let script = "#!/bin/sh\nread line\nsed -i \"s/^epochs = .*/epochs = $line/\" \"$1\"\n";
    std::fs::write(&editor, script).unwrap();
    let editor = format!("sh {}", editor.display());
    let mut session = Session::ser(&[], &[("EDITOR", &editor), ("VISUAL", "")]);
    session.wait_for_text("no runs yet");
    session.press(b"5");
    session.wait_for_text("new run from");
    session.press(b"e");
    session.wait_for("the editor", seconds(5), |screen| !screen.alternate_screen());
    // Keys go to the editor now.
    session.press(b"7\n");
    session.wait_for_text("train.epochs=7");
    assert!(session.screen.screen().alternate_screen());
}
