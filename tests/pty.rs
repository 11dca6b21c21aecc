//! The shipped binary in a real terminal: it starts, draws, leaves the terminal as it was, and does
//! not outlive it.

use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

use crate::patience::{patience, seconds};

mod hostile;
mod keys;
mod monkey;
mod record;
mod safety;
mod tmux;
mod told;
mod viewers;

/// `ser` in a pseudo-terminal, with everything it wrote.
struct Session {
    master: Option<Box<dyn MasterPty + Send>>,
    writer: Option<Box<dyn Write + Send>>,
    child: Box<dyn Child + Send + Sync>,
    output: Receiver<Vec<u8>>,
    reader: Option<thread::JoinHandle<()>>,
    /// The reader lets go of the terminal at the next output.
    is_leaving: Arc<AtomicBool>,
    /// Bytes a second the terminal takes; 0 is as many as come.
    rate: Arc<AtomicU64>,
    raw: Vec<u8>,
    screen: vt100::Parser,
    home: tempfile::TempDir,
}

impl Session {
    fn start(command: &[&str], environment: &[(&str, &str)]) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), command, environment)
    }

    fn start_in(home: tempfile::TempDir, command: &[&str], environment: &[(&str, &str)]) -> Self {
        let size = PtySize { rows: 24, cols: 80, pixel_width: 0, pixel_height: 0 };
        Self::start_sized(home, size, command, environment)
    }

    fn start_sized(
        home: tempfile::TempDir,
        size: PtySize,
        command: &[&str],
        environment: &[(&str, &str)],
    ) -> Self {
        let pair = native_pty_system().openpty(size).unwrap();
        let mut builder = CommandBuilder::new(command[0]);
        builder.args(&command[1..]);
        for (name, value) in
            [("TERM", "xterm-256color"), ("LANG", "C.UTF-8"), ("LC_ALL", "C.UTF-8")]
        {
            builder.env(name, value);
        }
        for name in ["NO_COLOR", "COLORTERM", "TMUX", "COLORFGBG"] {
            builder.env_remove(name);
        }
        builder.env("SER_HOME", home.path());
        // What is exported lands where it is thrown away.
        builder.cwd(home.path());
        for (name, value) in environment {
            builder.env(name, value);
        }
        let child = pair.slave.spawn_command(builder).unwrap();
        drop(pair.slave);
        let mut reader = pair.master.try_clone_reader().unwrap();
        let writer = pair.master.take_writer().unwrap();
        let (sender, output) = mpsc::channel();
        let is_leaving = Arc::new(AtomicBool::new(false));
        let leaving = Arc::clone(&is_leaving);
        let rate = Arc::new(AtomicU64::new(0));
        let pace = Arc::clone(&rate);
        let reader = thread::spawn(move || {
            let mut chunk = vec![0; 65_536];
            loop {
                let rate = pace.load(Ordering::Relaxed);
                // A terminal that takes little takes it in small pieces.
                let most = if rate == 0 { chunk.len() } else { 256 };
                let Ok(n @ 1..) = reader.read(&mut chunk[..most]) else { return };
                if let Some(ms) = (n as u64 * 1_000).checked_div(rate) {
                    thread::sleep(Duration::from_millis(ms));
                }
                let is_last = leaving.load(Ordering::Relaxed);
                if sender.send(chunk[..n].to_vec()).is_err() || is_last {
                    return;
                }
            }
        });
        Self {
            master: Some(pair.master),
            writer: Some(writer),
            child,
            output,
            reader: Some(reader),
            is_leaving,
            raw: Vec::new(),
            screen: vt100::Parser::new(24, 80, 0),
            home,
            rate,
        }
    }

    fn ser(arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut command = vec![env!("CARGO_BIN_EXE_ser")];
        command.extend(arguments);
        Self::start(&command, environment)
    }

    /// Reads until the screen satisfies a condition.
    fn wait_for(&mut self, what: &str, limit: Duration, is_met: impl Fn(&vt100::Screen) -> bool) {
        let deadline = Instant::now() + limit;
        while !is_met(self.screen.screen()) {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(bytes) = self.output.recv_timeout(left) else {
                panic!("no {what} within {limit:?}:\n{}", self.screen.screen().contents());
            };
            self.screen.process(&bytes);
            self.raw.extend(bytes);
        }
    }

    fn wait_for_text(&mut self, words: &str) {
        self.wait_for(words, seconds(10), |screen| screen.contents().contains(words));
    }

    /// Everything it wrote, as text.
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.raw).into_owned()
    }

    /// Reads whatever comes for a while.
    fn settle(&mut self, time: Duration) {
        let deadline = Instant::now() + patience(time);
        while let Ok(bytes) =
            self.output.recv_timeout(deadline.saturating_duration_since(Instant::now()))
        {
            self.screen.process(&bytes);
            self.raw.extend(bytes);
        }
    }

    fn pid(&self) -> nix::unistd::Pid {
        nix::unistd::Pid::from_raw(i32::try_from(self.child.process_id().unwrap()).unwrap())
    }

    fn press(&mut self, keys: &[u8]) {
        let writer = self.writer.as_mut().unwrap();
        writer.write_all(keys).unwrap();
        writer.flush().unwrap();
    }

    /// Waits for the end of the process; everything it wrote is on the screen then.
    fn wait_for_exit(&mut self, limit: Duration) -> Duration {
        let started = Instant::now();
        loop {
            while let Ok(bytes) = self.output.try_recv() {
                self.screen.process(&bytes);
                self.raw.extend(bytes);
            }
            if self.child.try_wait().unwrap().is_some() {
                break;
            }
            assert!(started.elapsed() < limit, "still there after {limit:?}");
            thread::sleep(Duration::from_millis(2));
        }
        let took = started.elapsed();
        while let Ok(bytes) = self.output.recv_timeout(Duration::from_millis(50)) {
            self.screen.process(&bytes);
            self.raw.extend(bytes);
        }
        took
    }

    /// Closes every handle of the terminal. The reader's is one of them: a key that changes the
    /// screen wakes it.
    fn hang_up(&mut self) {
        self.is_leaving.store(true, Ordering::Relaxed);
        self.press(b"T");
        self.reader.take().unwrap().join().unwrap();
        self.writer = None;
        self.master = None;
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // A failed test leaves nothing running.
        let _ = self.child.kill();
    }
}

fn assert_restored(session: &Session) {
    let screen = session.screen.screen();
    assert!(!screen.alternate_screen() && !screen.hide_cursor() && !screen.bracketed_paste());
    assert_eq!(screen.mouse_protocol_mode(), vt100::MouseProtocolMode::None);
    let text = String::from_utf8_lossy(&session.raw);
    let (begins, ends) = (text.matches("\x1b[?2026h").count(), text.matches("\x1b[?2026l").count());
    assert!(begins > 0 && ends >= begins, "{begins} frames begin, {ends} end");
}

#[test]
fn it_starts_draws_and_leaves_the_terminal_as_it_was() {
    let mut session = Session::ser(&[], &[]);
    session
        .wait_for("first screen", seconds(5), |screen| screen.contents().contains("no runs yet"));
    assert!(session.screen.screen().alternate_screen() && session.screen.screen().hide_cursor());
    session.press(b"?");
    session.wait_for_text("keys · runs");
    session.press(b"\x1b");
    session.wait_for("closed help", seconds(5), |s| !s.contents().contains("keys · runs"));
    session.press(b"q");
    session.wait_for_exit(seconds(5));
    assert_restored(&session);
    let text = String::from_utf8_lossy(&session.raw);
    // Nothing that waits for an answer, no mouse, no enhanced keyboard.
    for query in ["\x1b[6n", "\x1b[c", "\x1b[?1000h", "\x1b[?1003h", "\x1b[>"] {
        assert!(!text.contains(query), "{query:?}");
    }
}

#[test]
fn an_idle_screen_writes_nothing() {
    let mut session = Session::ser(&[], &[]);
    session.wait_for_text("no runs yet");
    let more = session.output.recv_timeout(Duration::from_millis(2_500));
    assert!(more.is_err(), "{:?}", more.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()));
}

#[test]
fn it_does_not_outlive_its_terminal() {
    let ser = env!("CARGO_BIN_EXE_ser");
    let ignoring = format!("trap '' HUP; exec {ser}");
    for command in [vec![ser], vec!["sh", "-c", &ignoring]] {
        let mut session = Session::start(&command, &[]);
        session.wait_for_text("no runs yet");
        session.hang_up();
        let took = session.wait_for_exit(seconds(5));
        // 200 ms is what it may take; a busy machine may be late to tell.
        assert!(took < patience(Duration::from_millis(400)), "{command:?} took {took:?}");
    }
}

#[test]
fn signals_and_resizes() {
    let mut session = Session::ser(&[], &[]);
    session.wait_for_text("no runs yet");
    let master = session.master.as_ref().unwrap();
    for i in 0..50_u16 {
        let size = PtySize { rows: 1 + i % 40, cols: 1 + i * 3 % 170, ..PtySize::default() };
        master.resize(size).unwrap();
    }
    master.resize(PtySize { rows: 24, cols: 80, ..PtySize::default() }).unwrap();
    session.press(b"\x0c");
    session.wait_for_text("press Enter to start the embedded experiment");
    let pid = session.child.process_id().unwrap();
    let pid = nix::unistd::Pid::from_raw(i32::try_from(pid).unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
    session.wait_for_exit(seconds(5));
    assert_restored(&session);
}

#[test]
fn the_first_key_after_a_resize_is_not_late() {
    let mut session = Session::ser(&[], &[]);
    session.wait_for_text("no runs yet");
    for i in 0..20_u16 {
        let size = PtySize { rows: 24 - i % 2, cols: 80 - i % 3, ..PtySize::default() };
        session.master.as_ref().unwrap().resize(size).unwrap();
        // One key and nothing after it, at the same time as the new size or later.
        thread::sleep(Duration::from_millis(u64::from(i % 4) * 10));
        let (key, shown) =
            if i % 2 == 0 { (b"?", "keys · runs") } else { (b"\x1b", "no runs yet") };
        session.press(key);
        session.wait_for_text(shown);
    }
}

#[test]
fn without_colors_and_without_utf8() {
    let mut session = Session::ser(&[], &[("NO_COLOR", "1"), ("LC_ALL", "C"), ("LANG", "C")]);
    session.wait_for_text("no runs yet");
    session.press(b"?");
    session.wait_for_text("keys . runs");
    session.press(b"\x03");
    session.wait_for_exit(seconds(5));
    assert!(session.raw.is_ascii(), "{:?}", String::from_utf8_lossy(&session.raw));
    let text = String::from_utf8_lossy(&session.raw);
    assert!(!text.contains("38;5") && !text.contains("[31m"), "no color codes");
    assert!(text.contains("\x1b[1m"), "bold survives");
}

#[test]
fn pipes_are_refused() {
    let home = tempfile::tempdir().unwrap();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_ser"))
        .env("SER_HOME", home.path())
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap();
    assert!(!output.stdout.contains(&0x1b), "{output:?}");
}
