//! Runs the real program and watches its memory from outside, for the benches.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// What a watched process cost.
#[derive(Debug, Clone, Copy)]
pub struct Cost {
    /// Wall time.
    pub wall: Duration,
    /// Largest resident set of the process or of any process it started, in MiB.
    pub peak_mib: f64,
}

/// Runs `ser ARGS` with a home of its own; the cost covers detached workers too.
pub fn run_ser(home: &Path, args: &[&str]) -> (Cost, String) {
    watch(Command::new(env!("CARGO_BIN_EXE_ser")).arg("--home").arg(home).args(args), home)
}

/// Runs a command; the cost covers every process whose command line names `home`.
pub fn watch(command: &mut Command, home: &Path) -> (Cost, String) {
    let begin = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .expect("the program starts");
    let stdout = child.stdout.take().expect("piped");
    let reader = std::thread::spawn(move || std::io::read_to_string(stdout).unwrap_or_default());
    let mut peak_kib = 0;
    // Sampling is what a bench can do from outside: the kernel forgets a peak with its process.
    while child.try_wait().expect("waitable").is_none() {
        peak_kib = peak_kib.max(peak_of_processes_naming(home));
        std::thread::sleep(Duration::from_millis(20));
    }
    let wall = begin.elapsed();
    let output = reader.join().expect("reader");
    (Cost { wall, peak_mib: peak_kib as f64 / 1024.0 }, output)
}

/// The largest `VmHWM` of processes whose command line holds the home's path.
fn peak_of_processes_naming(home: &Path) -> u64 {
    let needle = home.to_string_lossy().into_owned();
    let Ok(processes) = std::fs::read_dir("/proc") else { return 0 };
    let peaks = processes.filter_map(|entry| {
        let dir = entry.ok()?.path();
        let command = std::fs::read(dir.join("cmdline")).ok()?;
        if !String::from_utf8_lossy(&command).contains(&needle) {
            return None;
        }
        let status = std::fs::read_to_string(dir.join("status")).ok()?;
        let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
        line.split_whitespace().nth(1)?.parse::<u64>().ok()
    });
    peaks.max().unwrap_or(0)
}
