//! `cargo bench --bench viewer`: how soon a second viewer shows a running run, and how soon a viewer
//! is gone after its terminal is.
//!
//! A run on the mock model goes on in its own process meanwhile; terminals are pseudo-terminals of
//! 80x24 cells.

#![expect(clippy::expect_used, clippy::print_stdout, reason = "a bench that cannot run says why")]

use std::io::Read;
use std::path::Path;
use std::process::Command;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use portable_pty::{CommandBuilder, PtySize, native_pty_system};

const N_VIEWERS: usize = 10;

fn main() {
    let home = tempfile::tempdir().expect("a temporary directory");
    let status = Command::new(env!("CARGO_BIN_EXE_ser"))
        .args(["run", "--detach", "--name", "watched", "--set", "model.backbone=mock"])
        .env("SER_HOME", home.path())
        .env("SER_MOCK_DELAY_US", "3000")
        .status()
        .expect("the program starts");
    assert!(status.success(), "the run does not start");
    let (mut shown, mut gone, mut bytes) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..N_VIEWERS {
        let figures = watch(home.path());
        shown.push(figures.shown_ms);
        gone.push(figures.gone_ms);
        bytes.push(figures.n_bytes);
    }
    let stopped = Command::new(env!("CARGO_BIN_EXE_ser"))
        .args(["stop", "watched", "--quiet"])
        .env("SER_HOME", home.path())
        .status();
    println!("{N_VIEWERS} viewers of one running run, 80x24 (min / median / max)");
    println!("  ms to the run on the screen   {}", spread(shown));
    println!("  bytes until then              {}", spread(bytes));
    println!("  ms from hang-up to exit       {}", spread(gone));
    assert!(stopped.is_ok_and(|status| status.success()), "the run ended before its viewers");
}

struct Figures {
    shown_ms: f64,
    n_bytes: f64,
    gone_ms: f64,
}

fn watch(home: &Path) -> Figures {
    let size = PtySize { rows: 24, cols: 80, pixel_width: 0, pixel_height: 0 };
    let pair = native_pty_system().openpty(size).expect("a pseudo-terminal");
    let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_ser"));
    command.args(["attach", "watched"]);
    for (name, value) in [("TERM", "xterm-256color"), ("LC_ALL", "C.UTF-8")] {
        command.env(name, value);
    }
    command.env("SER_HOME", home);
    let begin = Instant::now();
    let mut viewer = pair.slave.spawn_command(command).expect("the viewer starts");
    drop(pair.slave);
    let mut reader = pair.master.try_clone_reader().expect("a reader");
    let (sender, chunks) = mpsc::channel();
    // The reader holds the terminal too: it lets go once the screen was seen.
    let thread = std::thread::spawn(move || {
        let mut screen = vt100::Parser::new(24, 80, 0);
        let (mut chunk, mut n_bytes) = (vec![0; 65_536], 0);
        while let Ok(n @ 1..) = reader.read(&mut chunk) {
            n_bytes += n;
            screen.process(&chunk[..n]);
            let text = screen.screen().contents();
            if text.contains("watched") && text.contains("worker") {
                let _ = sender.send((begin.elapsed(), n_bytes));
                return;
            }
        }
    });
    let (shown, n_bytes) =
        chunks.recv_timeout(Duration::from_secs(10)).expect("the run appears on the screen");
    thread.join().expect("the reader ends");
    let begin = Instant::now();
    drop(pair.master);
    while viewer.try_wait().expect("waitable").is_none() {
        assert!(begin.elapsed() < Duration::from_secs(10), "the viewer outlives its terminal");
        std::thread::sleep(Duration::from_micros(200));
    }
    Figures {
        shown_ms: shown.as_secs_f64() * 1000.0,
        n_bytes: n_bytes as f64,
        gone_ms: begin.elapsed().as_secs_f64() * 1000.0,
    }
}

/// Minimum, median and maximum of some values.
fn spread(mut values: Vec<f64>) -> String {
    values.sort_by(f64::total_cmp);
    let median = values[values.len() / 2];
    format!("{:.1} / {median:.1} / {:.1}", values[0], values[values.len() - 1])
}
