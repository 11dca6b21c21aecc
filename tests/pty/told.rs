//! What the terminal is told beside its cells, and what it tells: progress (OSC 9;4), its theme (mode
//! 2031), and a name that means that it cannot be drawn on.

use nix::sys::signal::{Signal, kill};

use super::safety::{home_with_run, stop_run};
use super::*;

const KNOWN: &[(&str, &str)] = &[("TERM_PROGRAM", "WezTerm")];
const SHOWN: &str = "\x1b]9;4;1;";
const CLEARED: &str = "\x1b]9;4;0\x07";

/// Whether the last word on progress is that there is none.
fn is_cleared(text: &str) -> bool {
    let last = text.rfind("\x1b]9;4;").unwrap();
    text[last..].starts_with(CLEARED)
}

fn wait_until_told(session: &mut Session) {
    let deadline = Instant::now() + seconds(20);
    while !session.text().contains(SHOWN) {
        assert!(Instant::now() < deadline, "{:?}", session.text());
        session.settle(Duration::from_millis(50));
    }
}

#[test]
fn progress_is_told_and_taken_away_on_every_way_out() {
    let home = home_with_run("3000", &[]);
    let path = home.path().to_owned();
    let ser = env!("CARGO_BIN_EXE_ser");
    let mut home = Some(home);
    for way in ["quit", "signal", "panic"] {
        let mut environment = KNOWN.to_vec();
        if way == "panic" {
            environment.push(("SER_TEST_PANIC", "input"));
        }
        let own = home.take().unwrap_or_else(|| tempfile::tempdir().unwrap());
        let command = [ser, "--home", &path.display().to_string()];
        let mut session = Session::start_in(own, &command, &environment);
        session.wait_for_text("watched");
        wait_until_told(&mut session);
        match way {
            "quit" => session.press(b"\x03"),
            "signal" => kill(session.pid(), Signal::SIGTERM).unwrap(),
            _ => session.press(b"T"),
        }
        session.wait_for_exit(seconds(5));
        assert!(is_cleared(&session.text()), "{way}: {:?}", session.text());
        // The home of the run lives as long as this test.
        home = Some(std::mem::replace(&mut session.home, tempfile::tempdir().unwrap()));
    }
    stop_run(&path);
}

#[test]
fn progress_is_for_terminals_that_are_known_and_can_be_turned_off() {
    let home = home_with_run("3000", &[]);
    let path = home.path().display().to_string();
    let command = [env!("CARGO_BIN_EXE_ser"), "--home", &path];
    let mut quiet = Session::start(&command, &[("TERM_PROGRAM", "unknown")]);
    quiet.wait_for_text("watched");
    quiet.settle(Duration::from_millis(1_500));
    assert!(!quiet.text().contains("]9;4"), "{:?}", quiet.text());
    std::fs::write(home.path().join("config.toml"), "progress = \"off\"\n").unwrap();
    let mut off = Session::start(&command, KNOWN);
    off.wait_for_text("watched");
    off.settle(Duration::from_millis(1_500));
    assert!(!off.text().contains("]9;4"), "{:?}", off.text());
    stop_run(home.path());
}

#[test]
fn a_follower_without_a_screen_tells_it_too() {
    let arguments = [
        "run",
        "--plain",
        "--arm",
        "ser-paper",
        "--set",
        "model.backbone=mock",
        "--name",
        "watched",
    ];
    let mut session =
        Session::ser(&arguments, &[("TERM_PROGRAM", "WezTerm"), ("SER_MOCK_DELAY_US", "3000")]);
    wait_until_told(&mut session);
    // The lines carry the time of day.
    let shown = session.screen.screen().contents();
    assert!(shown.lines().any(|line| line.as_bytes().get(2) == Some(&b':')), "{shown}");
    session.press(b"\x03");
    session.wait_for_exit(seconds(10));
    assert!(is_cleared(&session.text()), "{:?}", session.text());
    let home = session.home.path().to_owned();
    stop_run(&home);
}

#[test]
fn the_theme_follows_the_terminal_and_its_report_is_no_key() {
    let mut session = Session::ser(&[], &[]);
    session.wait_for_text("no runs yet");
    session.settle(Duration::from_millis(1_200));
    assert!(session.text().contains("\x1b[?2031h\x1b[?996n"), "{:?}", session.text());
    // The heading in the light theme; the dark one has another.
    let light = "38;5;236";
    assert!(!session.text().contains(light));
    session.press(b"\x1b[?997;2n");
    let deadline = Instant::now() + seconds(5);
    while !session.text().contains(light) {
        assert!(Instant::now() < deadline, "{:?}", session.text());
        session.settle(Duration::from_millis(50));
    }
    // A report in two pieces swallows no key.
    session.press(b"\x1b[?997");
    session.settle(Duration::from_millis(50));
    session.press(b";1n?");
    session.wait_for_text("keys · runs");
    session.press(b"\x03");
    session.wait_for_exit(seconds(5));
    assert!(session.text().contains("\x1b[?2031l"));
    assert_restored(&session);
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("config.toml"), "theme = \"dark\"\n").unwrap();
    let mut fixed = Session::start_in(home, &[env!("CARGO_BIN_EXE_ser")], &[]);
    fixed.wait_for_text("no runs yet");
    fixed.settle(Duration::from_millis(1_200));
    assert!(!fixed.text().contains("?2031h"), "a theme that was chosen is not asked for");
}

#[test]
fn a_terminal_that_only_prints_lines_is_refused() {
    let mut session = Session::ser(&[], &[("TERM", "dumb")]);
    session.wait_for_exit(seconds(5));
    let text = session.text();
    assert!(text.contains("`TERM` is `dumb`") && text.contains("hint: "), "{text}");
    assert!(!text.contains("\x1b["), "{text:?}");
    let run =
        ["run", "--arm", "ser-paper", "--set", "model.backbone=mock", "--set", "rounds.max=1"];
    let mut lines = Session::ser(&run, &[("TERM", "dumb")]);
    lines.wait_for_exit(seconds(60));
    let text = lines.text();
    assert!(text.contains("lines follow") && text.contains("finished: "), "{text}");
    assert!(!text.contains("\x1b[?1049h"), "{text:?}");
}
