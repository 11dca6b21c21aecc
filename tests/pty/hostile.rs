//! Texts that try to be commands: in names, notes, file names and errors, on screens and in what the
//! command line prints. No byte of them reaches a terminal as control.

use std::process::Command;

use super::safety::{home_with_run, start_run};
use super::*;

/// Sequences that only a payload holds, and characters that reorder or hide a line.
const INTRODUCERS: [&str; 10] = [
    "\x1b]", "\x1bP", "\x1b_", "\x1b^", "\x1b[6n", "\u{9b}", "\u{9d}", "\u{202e}", "\u{2066}",
    "\x07",
];

/// A payload without NUL, which no argument can hold.
const PAYLOAD: &str = "\x1b]0;owned\x07\x1bPq#0\x1b\\\x1b_Gx\x1b\\\x1b[2J\x1b[6n\x1b[?1049l\
                       \u{9b}31m\u{9d}8;;x\u{202e}txet\u{2066}z\u{200b}\x1b]52;c;cm0=";

fn ser(home: &std::path::Path, arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_ser"))
        .args(arguments)
        .env("SER_HOME", home)
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&text).into_owned()
}

#[track_caller]
fn assert_tame(what: &str, text: &str) {
    for bad in INTRODUCERS {
        assert!(!text.contains(bad), "{what}: {bad:?} in {text:?}");
    }
}

#[test]
fn names_notes_files_and_errors_are_only_text() {
    let folder = tempfile::tempdir().unwrap();
    // A file may be called anything.
    let file = folder.path().join(format!("pairs{}.jsonl", PAYLOAD.replace('/', "")));
    let lines: Vec<String> = (0..120)
        .map(|i| {
            let (good, bad) = (format!("good {i}"), format!("bad {i}"));
            let pair =
                serde_json::json!({ "prompt": i.to_string(), "chosen": good, "rejected": bad });
            pair.to_string()
        })
        .collect();
    std::fs::write(&file, lines.join("\n")).unwrap();
    let source = format!("data.source={}", file.display());
    let home = home_with_run("0", &["selection.min_selected=1"]);
    start_run(home.path(), "a\u{202e}b\u{2066}\u{200b}名", "0", &[&source]);
    let said = ser(home.path(), &["note", "watched", PAYLOAD]);
    assert_tame("note", &said);
    let refused = ser(home.path(), &["run", "--name", PAYLOAD, "--detach"]);
    assert!(refused.contains("is not a name for a run"), "{refused:?}");
    assert_tame("a refused name", &refused);
    for arguments in [
        &["runs"][..],
        &["runs", "--md"],
        &["show", "watched"],
        &["note", "watched"],
        &["show", PAYLOAD],
        &["data", "list"],
        &["data", "check", file.to_str().unwrap()],
        &["data", "check", &format!("{PAYLOAD}.jsonl")],
        &["veto", "watched", PAYLOAD],
        &["samples", "watched", "--filter", PAYLOAD],
        &["runs", "--filter", PAYLOAD],
        &["run", "--set", &format!("train.loss={PAYLOAD}")],
        &["run", "--set", &format!("data.source={PAYLOAD}")],
    ] {
        assert_tame(&format!("{arguments:?}"), &ser(home.path(), arguments));
    }
    let mut session = Session::start_in(home, &[env!("CARGO_BIN_EXE_ser")], &[]);
    session.wait_for_text("watched");
    let prompted = format!("\x1b[200~{PAYLOAD}\x1b[201~");
    for keys in [
        &b"j"[..],
        b"k",
        b"\r",
        b"z",
        b"\x1b",
        b"4",
        b"d",
        b"5",
        b"t",
        b"\x1b",
        b"/",
        prompted.as_bytes(),
        b"\x1b",
        b"1",
        b"o",
        b"\x15",
        prompted.as_bytes(),
        b"\r",
        b"y",
        b"n",
    ] {
        session.press(keys);
        session.settle(Duration::from_millis(150));
    }
    let text = session.text();
    assert!(text.contains("⟨ESC⟩") && text.contains("⟨RLO⟩"), "the texts were shown");
    // Our own: a copy of the name is an OSC 52, in base64.
    let own = text.replace("\x1b]52;c;", "").replace('\x07', "");
    assert_tame("the screen", &own);
}

#[test]
fn a_line_of_a_megabyte_and_an_unterminated_sequence_are_cut_not_followed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pairs.jsonl");
    let long = format!("{}\x1b]52;c;", "x".repeat(1_000_000));
    let lines: Vec<String> = (0..60)
        .map(|i| {
            let prompt = if i == 0 { long.clone() } else { format!("\x1b]0;{i}") };
            let (good, bad) = (format!("good {i}"), format!("bad {i}"));
            let pair = serde_json::json!({ "prompt": prompt, "chosen": good, "rejected": bad });
            pair.to_string()
        })
        .collect();
    std::fs::write(&file, lines.join("\n")).unwrap();
    let source = format!("data.source={}", file.display());
    let home = home_with_run("0", &[&source, "selection.min_selected=1"]);
    let path = home.path().to_owned();
    let mut session =
        Session::start_in(home, &[env!("CARGO_BIN_EXE_ser"), "attach", "watched"], &[]);
    session.wait_for_text("PROMPT");
    for keys in [&b"J"[..], b"J", b"3", b"j", b"j"] {
        session.press(keys);
        session.settle(Duration::from_millis(100));
    }
    assert_tame("the screen", &session.text());
    assert_tame("samples", &ser(&path, &["samples", "watched", "--limit", "60"]));
}
