//! The shipped binary in a pseudo-terminal, with the time of every piece it wrote.

use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

/// Longest wait for anything.
const LIMIT: Duration = Duration::from_secs(20);

/// A running viewer.
pub struct Viewer {
    master: Option<Box<dyn MasterPty + Send>>,
    writer: Option<Box<dyn Write + Send>>,
    reader: Option<thread::JoinHandle<()>>,
    /// The reader lets go of the terminal at the next output.
    is_leaving: Arc<AtomicBool>,
    child: Box<dyn Child + Send + Sync>,
    chunks: Receiver<(Instant, Vec<u8>)>,
    screen: vt100::Parser,
    /// When it was started.
    pub started: Instant,
    /// Bytes it wrote so far.
    pub n_bytes: usize,
}

impl Viewer {
    /// Starts `ser ARGUMENTS` on a home in a terminal of this size.
    pub fn start(home: &Path, (cols, rows): (u16, u16), arguments: &[&str]) -> Self {
        let mut command = vec![env!("CARGO_BIN_EXE_ser")];
        command.extend(arguments);
        Self::spawn(home, (cols, rows), &command)
    }

    /// Starts any command that becomes a viewer.
    pub fn spawn(home: &Path, (cols, rows): (u16, u16), command: &[&str]) -> Self {
        let size = PtySize { rows, cols, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).expect("a pseudo-terminal");
        let mut builder = CommandBuilder::new(command[0]);
        builder.args(&command[1..]);
        for (name, value) in [("TERM", "xterm-256color"), ("LC_ALL", "C.UTF-8")] {
            builder.env(name, value);
        }
        for name in ["NO_COLOR", "COLORTERM", "TMUX"] {
            builder.env_remove(name);
        }
        builder.env("SER_HOME", home);
        let started = Instant::now();
        let child = pair.slave.spawn_command(builder).expect("the viewer starts");
        drop(pair.slave);
        let mut reader = pair.master.try_clone_reader().expect("a reader");
        let writer = pair.master.take_writer().expect("a writer");
        let (sender, chunks) = mpsc::channel();
        let is_leaving = Arc::new(AtomicBool::new(false));
        let leaving = Arc::clone(&is_leaving);
        let reader = thread::spawn(move || {
            let mut chunk = vec![0; 65_536];
            while let Ok(n @ 1..) = reader.read(&mut chunk) {
                let is_gone = sender.send((Instant::now(), chunk[..n].to_vec())).is_err();
                if is_gone || leaving.load(Ordering::Relaxed) {
                    return;
                }
            }
        });
        Self {
            master: Some(pair.master),
            writer: Some(writer),
            reader: Some(reader),
            is_leaving,
            child,
            chunks,
            screen: vt100::Parser::new(rows, cols, 0),
            started,
            n_bytes: 0,
        }
    }

    /// The process.
    pub fn pid(&self) -> u32 {
        self.child.process_id().expect("a process")
    }

    /// Presses keys; the moment they were handed to the terminal.
    pub fn press(&mut self, keys: &str) -> Instant {
        let at = Instant::now();
        let writer = self.writer.as_mut().expect("a terminal");
        writer.write_all(keys.as_bytes()).and_then(|()| writer.flush()).expect("a key");
        at
    }

    /// Waits until the screen shows all of these words; the moment it did.
    pub fn wait_for(&mut self, words: &[&str]) -> Instant {
        self.wait_until(&words.join(", "), |text| words.iter().all(|word| text.contains(word)))
    }

    /// Waits until the screen is as wanted; the moment it was.
    pub fn wait_until(&mut self, what: &str, is_met: impl Fn(&str) -> bool) -> Instant {
        let deadline = Instant::now() + LIMIT;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok((at, bytes)) = self.chunks.recv_timeout(left) else {
                panic!("no {what} within {LIMIT:?}:\n{}", self.screen.screen().contents());
            };
            self.take(&bytes);
            if is_met(&self.screen.screen().contents()) {
                return at;
            }
        }
    }

    /// The moment of the next piece, and its length.
    pub fn next(&mut self) -> (Instant, usize) {
        let (at, bytes) = self.chunks.recv_timeout(LIMIT).expect("an answer");
        self.take(&bytes);
        (at, bytes.len())
    }

    /// Takes what comes for this long; how many bytes that were and when the last of them came.
    pub fn settle(&mut self, time: Duration) -> (usize, Option<Instant>) {
        let (before, deadline) = (self.n_bytes, Instant::now() + time);
        let mut last = None;
        let left = || deadline.saturating_duration_since(Instant::now());
        while let Ok((at, bytes)) = self.chunks.recv_timeout(left()) {
            self.take(&bytes);
            last = Some(at);
        }
        (self.n_bytes - before, last)
    }

    /// What is on the screen.
    pub fn contents(&self) -> String {
        self.screen.screen().contents()
    }

    /// Processor seconds of all its threads so far, to the nanosecond.
    pub fn cpu_seconds(&self) -> f64 {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.pid())).expect("its threads");
        let seconds = |task: std::io::Result<std::fs::DirEntry>| {
            let text = std::fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
            text.split_whitespace().next()?.parse::<f64>().ok().map(|ns| ns / 1e9)
        };
        tasks.filter_map(seconds).sum()
    }

    /// Bytes in memory now, and how much of that is of files that any process shares.
    pub fn memory_mb(&self) -> (f64, f64) {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid()));
        let status = status.expect("its status");
        let kilobytes = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let number = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
            number.unwrap_or(0.0) / 1e3 * 1.024
        };
        (kilobytes("VmRSS:"), kilobytes("RssFile:"))
    }

    /// Takes the terminal away; how long the process stays.
    pub fn hang_up(mut self) -> Duration {
        // The reader holds the terminal too: a key that changes the screen wakes it.
        self.is_leaving.store(true, Ordering::Relaxed);
        self.press("T");
        self.reader.take().map(thread::JoinHandle::join).expect("a reader").expect("it ends");
        self.writer = None;
        let begin = Instant::now();
        self.master = None;
        while self.child.try_wait().expect("waitable").is_none() {
            assert!(begin.elapsed() < LIMIT, "the viewer outlives its terminal");
            thread::sleep(Duration::from_micros(200));
        }
        begin.elapsed()
    }

    fn take(&mut self, bytes: &[u8]) {
        self.n_bytes += bytes.len();
        self.screen.process(bytes);
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
