//! The same in tmux, which answers few questions and has a clipboard of its own. Without a tmux these
//! tests say so and pass.

use std::process::{Command, Output};
use std::time::{Duration, Instant};

use super::safety::{home_with_run, stop_run};
use crate::patience::seconds;

/// A tmux server of its own; it ends with its owner.
struct Tmux {
    name: String,
    home: tempfile::TempDir,
}

impl Tmux {
    /// `ser` in a session of 80x24; `None` where there is no tmux.
    fn start(home: tempfile::TempDir, arguments: &str) -> Option<Self> {
        if Command::new("tmux").arg("-V").output().is_err() {
            println!("skipped: there is no tmux on this machine");
            return None;
        }
        let name = format!("ser-test-{}-{}", std::process::id(), home.path().display());
        let tmux = Self { name: name.replace('/', "-"), home };
        let ser = env!("CARGO_BIN_EXE_ser");
        let command = format!(
            "SER_HOME={} LC_ALL=C.UTF-8 {ser} {arguments}; sleep 60",
            tmux.home.path().display()
        );
        let output = tmux.run(&["new-session", "-d", "-x", "80", "-y", "24", &command]);
        assert!(output.status.success(), "{output:?}");
        Some(tmux)
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let socket = ["-L", &self.name, "-f", "/dev/null"];
        let mut command = Command::new("tmux");
        command.args(socket).args(arguments).env_remove("TMUX").env("LC_ALL", "C.UTF-8");
        command.output().unwrap()
    }

    fn screen(&self) -> String {
        String::from_utf8_lossy(&self.run(&["capture-pane", "-p"]).stdout).into_owned()
    }

    fn press(&self, keys: &str) {
        self.run(&["send-keys", keys]);
    }

    fn wait_for(&self, words: &str) -> String {
        let deadline = Instant::now() + seconds(10);
        loop {
            let screen = self.screen();
            if screen.contains(words) {
                return screen;
            }
            assert!(Instant::now() < deadline, "no {words}:\n{screen}");
            std::thread::sleep(Duration::from_millis(30));
        }
    }
}

impl Drop for Tmux {
    fn drop(&mut self) {
        self.run(&["kill-server"]);
    }
}

#[test]
fn a_copy_is_in_the_tmux_buffer() {
    let Some(tmux) = Tmux::start(home_with_run("0", &[]), "") else { return };
    tmux.wait_for("watched");
    tmux.press("y");
    tmux.wait_for("command");
    tmux.press("n");
    tmux.wait_for("tmux buffer");
    let buffer = tmux.run(&["show-buffer"]);
    assert_eq!(String::from_utf8_lossy(&buffer.stdout).trim_end(), "watched");
}

#[test]
fn borders_stand_in_one_column_beside_every_script() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pairs.jsonl");
    let wide =
        "漢字かな 한국어 \u{1112}\u{1161}\u{11ab} ❤\u{fe0f} 👩\u{200d}🚀 🇩🇪 👍🏽 שלום عربي ไทยที่ ";
    let lines: Vec<String> = (0..120)
        .map(|i| {
            let text = wide.repeat(6);
            serde_json::json!({
                "prompt": format!("{i} {text}"),
                "chosen": format!("good {i} {text}"),
                "rejected": format!("bad {i} {text}"),
            })
            .to_string()
        })
        .collect();
    std::fs::write(&file, lines.join("\n")).unwrap();
    let source = format!("data.source={}", file.display());
    let home = home_with_run("0", &[&source, "selection.min_selected=1"]);
    let Some(tmux) = Tmux::start(home, "attach watched") else { return };
    let screen = tmux.wait_for("PROMPT");
    let rows: Vec<&str> = screen.lines().collect();
    let top = rows.iter().position(|row| row.starts_with('┌') && row.contains("pair")).unwrap();
    let bottom = top + rows[top..].iter().position(|row| row.starts_with('└')).unwrap();
    for row in &rows[top..=bottom] {
        assert_eq!(unicode_width::UnicodeWidthStr::width(*row), 80, "{row}\n{screen}");
        assert!(row.ends_with(['┐', '│', '┘']), "{row}\n{screen}");
    }
}

#[test]
fn progress_leaves_no_trace_on_the_screen() {
    let home = home_with_run("3000", &[]);
    let path = home.path().to_owned();
    std::fs::write(path.join("config.toml"), "progress = \"on\"\n").unwrap();
    let Some(tmux) = Tmux::start(home, "attach watched") else { return };
    tmux.wait_for("accuracy by round");
    std::thread::sleep(Duration::from_millis(1_500));
    // tmux takes the sequence for itself: nothing of it is drawn.
    let screen = tmux.screen();
    assert!(!screen.contains("9;4") && screen.starts_with(" ser "), "{screen}");
    stop_run(&path);
}

#[test]
fn it_goes_with_its_session() {
    let Some(tmux) = Tmux::start(tempfile::tempdir().unwrap(), "") else { return };
    tmux.wait_for("no runs yet");
    let marker = format!("SER_HOME={}", tmux.home.path().display());
    let is_there = || {
        let output = Command::new("pgrep").args(["-f", &marker]).output();
        output.is_ok_and(|output| !output.stdout.is_empty())
    };
    let was_there = is_there();
    tmux.run(&["kill-session"]);
    let deadline = Instant::now() + seconds(3);
    while is_there() {
        assert!(Instant::now() < deadline, "it outlives its session");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(was_there);
}

#[test]
fn two_sizes_of_one_home() {
    let home = home_with_run("0", &[]);
    let Some(tmux) = Tmux::start(home, "attach watched") else { return };
    tmux.wait_for("accuracy by round");
    tmux.run(&["resize-window", "-x", "160", "-y", "48"]);
    tmux.wait_for("reliability");
    tmux.run(&["resize-window", "-x", "60", "-y", "16"]);
    tmux.wait_for("test accuracy");
    tmux.run(&["resize-window", "-x", "80", "-y", "24"]);
    tmux.wait_for("accuracy by round");
}
