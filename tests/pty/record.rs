//! A recording holds what went to the terminal, byte for byte, and gives it back in any player; where
//! its file cannot grow, the interface does not notice.

use std::path::Path;

use serde_json::Value;

use super::safety::home_with_run;
use super::*;

const LEAVE: &str = "\x1b[?1049l";

/// The header and the events of a recording; every line of it has to be whole.
fn read(path: &Path) -> (Value, Vec<(f64, String, String)>) {
    let text = std::fs::read_to_string(path).unwrap();
    assert!(text.ends_with('\n'), "{text:?}");
    let mut lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let header = lines.next().unwrap();
    let text_of = |value: &Value| value.as_str().unwrap().to_owned();
    let event = |it: Value| (it[0].as_f64().unwrap(), text_of(&it[1]), text_of(&it[2]));
    (header, lines.map(event).collect())
}

#[test]
fn a_recording_replays_to_the_same_screen() {
    let home = home_with_run("0", &[]);
    let file = home.path().join("demo.cast");
    let path = file.display().to_string();
    let command = [env!("CARGO_BIN_EXE_ser"), "record", "-o", &path, "--idle", "2"];
    let command = [&command[..], &["--", "attach", "watched"]].concat();
    let mut session = Session::start_in(home, &command, &[]);
    session.wait_for_text("accuracy by round");
    session.press(b"m");
    session.wait_for_text("train loss");
    let size = PtySize { rows: 30, cols: 100, ..PtySize::default() };
    session.screen.screen_mut().set_size(30, 100);
    session.master.as_ref().unwrap().resize(size).unwrap();
    session.press(b"1");
    session.wait_for_text("[1 Runs]");
    session.settle(Duration::from_millis(700));
    let shown = session.screen.screen().contents_formatted();
    session.press(b"\x03");
    session.wait_for_exit(seconds(5));
    assert_restored(&session);

    let (header, events) = read(&file);
    assert_eq!((&header["version"], &header["idle_time_limit"]), (&2.into(), &2.0.into()));
    assert_eq!((&header["width"], &header["height"]), (&80.into(), &24.into()));
    assert_eq!(header["env"]["TERM"], "xterm-256color");
    assert_eq!(header["command"], "ser attach watched");
    assert!(header["timestamp"].as_u64().unwrap() > 1_700_000_000);
    assert!(events.is_sorted_by(|a, b| a.0 <= b.0), "times never go back");
    let output: String = events.iter().filter(|it| it.1 == "o").map(|it| it.2.as_str()).collect();
    let text = session.text();
    let after = text.strip_prefix(&output).expect("what was recorded is what was written");
    assert!(output.ends_with(LEAVE) && after.contains("recorded"), "{after:?}");

    let mut player = vt100::Parser::new(24, 80, 0);
    for (_, kind, data) in &events {
        if data.contains(LEAVE) {
            break;
        }
        if kind == "r" {
            let (columns, rows) = data.split_once('x').unwrap();
            player.screen_mut().set_size(rows.parse().unwrap(), columns.parse().unwrap());
        } else {
            player.process(data.as_bytes());
        }
    }
    assert_eq!(player.screen().size(), (30, 100));
    assert_eq!(
        String::from_utf8_lossy(&player.screen().contents_formatted()),
        String::from_utf8_lossy(&shown)
    );
}

#[test]
fn a_file_that_cannot_grow_ends_the_recording_and_nothing_else() {
    let home = home_with_run("0", &[]);
    let file = home.path().join("demo.cast");
    let ser = env!("CARGO_BIN_EXE_ser");
    // Blocks of 512 or 1024 bytes, and room for the 32 KiB that SQLite maps; the signal of the limit is
    // ignored, so that writing fails as on a full disk.
    let script = format!(
        "trap '' XFSZ; ulimit -f 128; exec {ser} --read-only record -o {} -- attach watched",
        file.display()
    );
    let mut session = Session::start_in(home, &["sh", "-c", &script], &[]);
    session.wait_for_text("accuracy by round");
    // Every theme draws the whole screen again.
    for _ in 0..80 {
        session.press(b"T");
        session.settle(Duration::from_millis(40));
    }
    for (key, shown) in [(b"m", "train loss"), (b"1", "[1 Runs]"), (b"?", "keys · runs")] {
        session.press(key);
        session.wait_for_text(shown);
    }
    session.press(b"\x03");
    session.wait_for_exit(seconds(5));
    assert_restored(&session);
    let text = session.text();
    assert!(text.contains("ends after") && text.contains("too large"), "{text:?}");
    let n_bytes = std::fs::metadata(&file).unwrap().len();
    assert!((32 * 1024..=128 * 1024).contains(&n_bytes), "{n_bytes}");
    read(&file);
}

#[test]
fn what_cannot_be_recorded_is_told_before_the_screen_opens() {
    for (arguments, message) in [
        (&["record", "--force", "-o", "/dev/full"][..], "cannot write `/dev/full`: no space left"),
        (&["record", "-o", "/nowhere/demo.cast"], "cannot write `/nowhere/demo.cast`"),
        (&["record", "-o", "/dev/full"], "is there already"),
        (&["record", "--", "runs"], "opens no screen to record"),
    ] {
        let mut session = Session::ser(arguments, &[]);
        session.wait_for_exit(seconds(5));
        let text = session.text().split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(text.contains(message) && text.contains("hint:"), "{text}");
        assert!(!text.contains("?1049h"), "{text}");
    }
}
