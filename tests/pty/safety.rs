//! The terminal is given back whatever happens, takes as little as it likes, and gets no byte that is
//! not ours.

use std::path::Path;
use std::process::Command;

use nix::sys::signal::{Signal, kill};

use super::*;

/// A home with one run on the mock model: at its end, unless `delay_us` makes it last.
pub(super) fn home_with_run(delay_us: &str, sets: &[&str]) -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    start_run(home.path(), "watched", delay_us, sets);
    home
}

pub(super) fn start_run(home: &Path, name: &str, delay_us: &str, sets: &[&str]) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ser"));
    command.args(["run", "--name", name, "--arm", "ser-paper", "--set", "model.backbone=mock"]);
    command.args(if delay_us == "0" { ["--plain", "--quiet"] } else { ["--detach", "--quiet"] });
    for set in sets {
        command.args(["--set", set]);
    }
    let output = command.env("SER_HOME", home).env("SER_MOCK_DELAY_US", delay_us).output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

/// Ends a run that would outlive its test.
pub(super) fn stop_run(home: &Path) {
    let ser = env!("CARGO_BIN_EXE_ser");
    let _ = Command::new(ser).args(["stop", "watched", "-q"]).env("SER_HOME", home).output();
}

/// The screen, without what an erased cell leaves at the end of a row.
fn rows(session: &Session) -> Vec<String> {
    let contents = session.screen.screen().contents();
    contents.lines().map(|row| row.trim_end().to_owned()).collect()
}

#[test]
fn a_panic_on_any_thread_gives_the_terminal_back() {
    for place in ["render", "input", "data"] {
        let mut session = Session::ser(&[], &[("SER_TEST_PANIC", place)]);
        if place == "input" {
            session.wait_for_text("no runs yet");
            session.press(b"T");
        }
        session.wait_for_exit(seconds(5));
        let screen = session.screen.screen();
        assert!(!screen.alternate_screen() && !screen.hide_cursor(), "{place}");
        // The words stand on the screen of the shell, where a person can read them.
        let words = format!("asked to panic in {place}");
        assert!(session.text().contains("\x1b[?1049l"), "{place}");
        assert!(screen.contents().contains("panicked"), "{place}: {}", screen.contents());
        let after = session.text().rsplit("\x1b[?1049l").next().unwrap().to_owned();
        assert!(!after.contains("?2026h"), "{place} drew on a screen that was given back: {words}");
    }
}

#[test]
fn a_slow_terminal_gets_few_frames_and_the_last_one_is_true() {
    let mut session = Session::ser(&[], &[]);
    session.wait_for_text("no runs yet");
    let before = session.raw.len();
    session.rate.store(2_000, Ordering::Relaxed);
    // Every theme draws the whole screen again: at this rate a queue would take minutes.
    for _ in 0..100 {
        session.press(b"T");
        thread::sleep(Duration::from_millis(10));
    }
    session.press(b"?");
    session.wait_for("the help", seconds(30), |s| s.contents().contains("keys · runs"));
    let n_bytes = session.raw.len() - before;
    assert!(n_bytes < 60_000, "{n_bytes} bytes for the newest state");
}

#[test]
fn a_terminal_that_takes_nothing_does_not_keep_it() {
    let mut session = Session::ser(&[], &[]);
    session.wait_for_text("no runs yet");
    session.rate.store(1, Ordering::Relaxed);
    for _ in 0..60 {
        session.press(b"T");
        thread::sleep(Duration::from_millis(20));
    }
    kill(session.pid(), Signal::SIGTERM).unwrap();
    let started = Instant::now();
    while session.child.try_wait().unwrap().is_none() {
        assert!(started.elapsed() < seconds(3), "it waits for its terminal");
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn nothing_else_is_written_to_the_screen() {
    let home = home_with_run("0", &[]);
    let session_log = home.path().join("ser.log");
    let mut session = Session::start_in(home, &[env!("CARGO_BIN_EXE_ser")], &[]);
    session.wait_for_text("watched");
    let stderr = format!("/proc/{}/fd/2", session.pid());
    let stderr = std::fs::read_link(stderr).unwrap();
    assert_eq!(stderr.canonicalize().unwrap(), session_log.canonicalize().unwrap());
    session.press(b"\x03");
    session.wait_for_exit(seconds(5));
    assert_restored(&session);
}

#[test]
fn after_a_stop_the_whole_screen_is_drawn_again() {
    let ser = env!("CARGO_BIN_EXE_ser");
    let mut session = Session::start(&["bash", "--norc", "--noprofile", "-i"], &[("PS1", "$ ")]);
    session.wait_for_text("$");
    session.press(format!("{ser}\n").as_bytes());
    session.wait_for_text("no runs yet");
    session.settle(Duration::from_millis(200));
    let before = rows(&session);
    session.press(b"\x1a");
    session.wait_for_text("Stopped");
    wait_for_prompt(&mut session);
    session.press(b"fg\n");
    session.settle(Duration::from_millis(700));
    assert_eq!(rows(&session), before);
    session.press(b"q");
    wait_for_prompt(&mut session);
    session.press(b"exit\n");
    session.wait_for_exit(seconds(5));
}

/// What is typed before the shell has its terminal back would be the viewer's.
fn wait_for_prompt(session: &mut Session) {
    session.wait_for("the shell's prompt", seconds(5), |screen| {
        let text = screen.contents();
        !screen.alternate_screen() && text.trim_end().ends_with("\n$")
    });
}

#[test]
fn a_storm_of_sizes_ends_like_a_fresh_start() {
    let mut session = Session::ser(&[], &[]);
    session.wait_for_text("no runs yet");
    session.settle(Duration::from_millis(200));
    let fresh = rows(&session);
    let master = session.master.as_ref().unwrap();
    for i in 0..200_u16 {
        let (rows, cols) = (1 + i * 7 % 60, 1 + i * 37 % 240);
        master.resize(PtySize { rows, cols, ..PtySize::default() }).unwrap();
        thread::sleep(Duration::from_millis(3));
    }
    master.resize(PtySize { rows: 24, cols: 80, ..PtySize::default() }).unwrap();
    session.settle(Duration::from_millis(500));
    // What came for other sizes is gone with the last full frame.
    session.press(b"\x0c");
    session.settle(Duration::from_millis(500));
    assert_eq!(rows(&session), fresh);
}

#[test]
fn hostile_texts_reach_the_terminal_as_text() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pairs.jsonl");
    let evil =
        "\u{1b}]0;owned\u{7}\u{1b}]52;c;cm0=\u{7}\u{1b}[2J\u{1b}[?1049l\u{9b}31m\u{202e}txet";
    let mut lines = String::new();
    for i in 0..120 {
        let pair = serde_json::json!({
            "prompt": format!("{evil} question {i}"),
            "chosen": format!("{evil} 漢字 한국어 ❤️ 👩‍🚀 good {i}"),
            "rejected": format!("{evil} z\u{334}\u{301}\u{334}\u{301}\u{334}\u{301} bad {i}"),
        });
        lines.push_str(&pair.to_string());
        lines.push('\n');
    }
    std::fs::write(&file, lines).unwrap();
    let source = format!("data.source={}", file.display());
    let home = home_with_run("0", &[&source, "selection.min_selected=1"]);
    let mut session = Session::start_in(home, &[env!("CARGO_BIN_EXE_ser")], &[]);
    session.wait_for_text("watched");
    for keys in [&b"\r"[..], b"J", b"z", b"\x1b", b"3", b"j", b"2", b"5", b"4", b"1"] {
        session.press(keys);
        session.settle(Duration::from_millis(250));
    }
    let text = session.text();
    assert!(text.contains("⟨ESC⟩"), "the texts were shown");
    for bad in ["\x1b]", "\x1bP", "\x1b_", "\u{9b}", "\u{202e}", "\x1b[?1049l", "\x07"] {
        assert!(!text.contains(bad), "{bad:?} reached the terminal");
    }
    assert!(text.matches("\x1b[2J").count() <= 2, "only we clear the screen");
}
