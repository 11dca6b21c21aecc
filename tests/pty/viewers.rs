//! Several viewers, odd terminals, and what a viewer is not: the owner of a run.

use std::process::Command;

use nix::sys::signal::{Signal, kill};

use super::safety::{home_with_run, stop_run};
use super::*;

fn ser(home: &std::path::Path, arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_ser"))
        .args(arguments)
        .env("SER_HOME", home)
        .output()
        .unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A second viewer of the home of a first one, which keeps it.
fn beside(session: &Session) -> Session {
    let home = session.home.path().to_owned();
    let home = home.to_str().unwrap();
    // Its own folder is thrown away; what it shows is the other's.
    Session::start(&[env!("CARGO_BIN_EXE_ser"), "--home", home, "attach", "watched"], &[])
}

#[test]
fn two_viewers_may_veto_the_same_pair_at_once() {
    let home = home_with_run("0", &["selection.min_selected=1"]);
    let path = home.path().to_owned();
    let ser_attach = [env!("CARGO_BIN_EXE_ser"), "attach", "watched"];
    let mut first = Session::start_in(home, &ser_attach, &[]);
    let mut second = beside(&first);
    for session in [&mut first, &mut second] {
        session.wait_for_text("confidence");
        session.press(b"3");
        session.wait_for_text("why it is here");
    }
    first.press(b"x");
    second.press(b"x");
    for session in [&mut first, &mut second] {
        session.wait_for_text("vetoed");
    }
    let verdicts = |path: &std::path::Path| {
        let text = ser(path, &["samples", "watched", "--filter", "verdict:veto", "--json"]);
        let document: serde_json::Value = serde_json::from_str(&text).unwrap();
        document["n_vetoed"].as_u64().unwrap()
    };
    assert_eq!(verdicts(&path), 1, "one pair, decided about twice");
    // Each undo takes one of the two decisions back.
    first.press(b"u");
    first.wait_for_text("took back");
    assert_eq!(verdicts(&path), 1);
    second.press(b"u");
    second.wait_for_text("took back");
    assert_eq!(verdicts(&path), 0);
}

/// Fields of `/proc/PID/stat` behind the name: state, parent, group, session, terminal.
fn stat(pid: i32) -> Vec<String> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields = text.rsplit_once(')').unwrap().1.split_whitespace();
    fields.map(str::to_owned).collect()
}

fn worker_of(home: &std::path::Path) -> i32 {
    let text = std::fs::read_dir("/proc").unwrap().flatten().find_map(|entry| {
        let pid: i32 = entry.file_name().to_str()?.parse().ok()?;
        let command = std::fs::read(entry.path().join("cmdline")).ok()?;
        let command = String::from_utf8_lossy(&command).into_owned();
        (command.contains("worker") && command.contains(home.to_str()?)).then_some(pid)
    });
    text.unwrap()
}

#[test]
fn a_run_is_of_a_session_of_its_own_and_goes_on_without_its_viewer() {
    let home = home_with_run("4000", &[]);
    let path = home.path().to_owned();
    let mut session =
        Session::start_in(home, &[env!("CARGO_BIN_EXE_ser"), "attach", "watched"], &[]);
    session.wait_for_text("worker");
    let worker = worker_of(&path);
    let (mine, its) = (stat(session.pid().as_raw()), stat(worker));
    assert_eq!(its[3], worker.to_string(), "it leads its session");
    assert_ne!(its[3], mine[3]);
    assert_eq!(its[4], "0", "it has no terminal");
    kill(session.pid(), Signal::SIGKILL).unwrap();
    let steps = || {
        let text = ser(&path, &["show", "watched", "--json"]);
        let document: serde_json::Value = serde_json::from_str(&text).unwrap();
        document["run"]["status"].as_str().unwrap().to_owned()
    };
    assert_eq!(steps(), "running");
    let mut again = beside(&session);
    again.wait_for_text("running");
    stop_run(&path);
}

#[test]
fn a_viewer_that_was_stopped_shows_the_present_when_it_goes_on() {
    let home = home_with_run("0", &[]);
    let path = home.path().to_owned();
    let mut session = Session::start_in(home, &[env!("CARGO_BIN_EXE_ser")], &[]);
    session.wait_for_text("watched");
    kill(session.pid(), Signal::SIGSTOP).unwrap();
    super::safety::start_run(&path, "meanwhile", "0", &[]);
    kill(session.pid(), Signal::SIGCONT).unwrap();
    session.wait_for_text("meanwhile");
}

/// mosh has no second screen and no synchronized output: what it draws must be right without both.
#[test]
fn the_screen_is_right_without_a_second_screen() {
    let home = home_with_run("0", &[]);
    let mut session =
        Session::start_in(home, &[env!("CARGO_BIN_EXE_ser"), "attach", "watched"], &[]);
    session.wait_for_text("PROMPT");
    for keys in [&b"?"[..], b"\x1b", b"m", b"1", b"2"] {
        session.press(keys);
        session.settle(Duration::from_millis(150));
    }
    let mut plain = vt100::Parser::new(24, 80, 0);
    let bytes = session.text().replace("\x1b[?1049h", "");
    let bytes = bytes.replace("\x1b[?2026h", "").replace("\x1b[?2026l", "");
    plain.process(bytes.as_bytes());
    assert_eq!(plain.screen().contents(), session.screen.screen().contents());
    assert!(plain.screen().contents().contains("train loss"));
}

#[test]
fn places_where_nothing_can_be_drawn_are_refused() {
    let mut session = Session::ser(&[], &[("TERM", "")]);
    session.wait_for_exit(seconds(5));
    assert!(session.text().contains("TERM"), "{}", session.text());
    assert!(!session.text().contains("?1049h"), "no screen was taken");
    let size = PtySize { rows: 0, cols: 0, pixel_width: 0, pixel_height: 0 };
    let mut session =
        Session::start_sized(tempfile::tempdir().unwrap(), size, &[env!("CARGO_BIN_EXE_ser")], &[]);
    session.wait_for_exit(seconds(5));
    assert!(session.text().contains("hint:"), "{}", session.text());
    assert!(!session.text().contains("?1049h"), "no screen was taken");
}
