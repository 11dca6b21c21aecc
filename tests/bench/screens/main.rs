//! `cargo bench --bench screens`: what the interface costs, measured at the shipped binary in
//! pseudo-terminals, beside the limit it has to keep and what is known of W&B LEET 0.31.
//!
//! Groups can be chosen: `cargo bench --bench screens -- start keys`. `SER_BENCH_PAIRS` and
//! `SER_BENCH_RUNS` make the large homes smaller, `SER_BENCH_IDLE` the idle minute shorter.

#![expect(clippy::expect_used, clippy::print_stdout, reason = "a bench that cannot run says why")]

mod homes;
#[path = "../scored_round.rs"]
mod scored_round;
mod terminal;

use std::path::Path;
use std::time::Duration;

use ser::store::{Access, Home, Store};

use terminal::Viewer;

const SMALL: (u16, u16) = (80, 24);
const LARGE: (u16, u16) = (160, 48);
/// Silence after which a screen counts as settled.
const SILENCE: Duration = Duration::from_millis(400);
const N_STARTS: usize = 9;
const N_KEYS: usize = 300;

fn setting(name: &str, default: usize) -> usize {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}

fn main() {
    let groups: [(&str, fn()); 6] = [
        ("start", start),
        ("idle", idle),
        ("live", live),
        ("keys", keys),
        ("load", load),
        ("samples", samples),
    ];
    let asked: Vec<String> =
        std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    println!("{:<52} {:>11} {:>11} {:>9}  W&B LEET 0.31", "", "median", "worst", "must");
    for (name, group) in groups {
        if asked.is_empty() || asked.iter().any(|word| word == name) {
            group();
        }
    }
}

fn temporary() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// Prints a row; the limit holds for the median, with `is_worst` for the 99th percentile.
fn row(what: &str, unit: &str, values: &[f64], must: Option<f64>, leet: &str) {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    let median = values[values.len() / 2];
    let worst = values[values.len() - 1];
    let number = |value: f64| match value {
        0.0 => format!("0 {unit}"),
        1e4.. => format!("{:.1}k {unit}", value / 1e3),
        value => format!("{value:.1} {unit}"),
    };
    let limit = must.map_or("-".to_owned(), |must| {
        format!("{must}{}", if median <= must { "" } else { " MISSED" })
    });
    println!("{what:<52} {:>11} {:>11} {limit:>9}  {leet}", number(median), number(worst));
}

/// A value below which 99 of 100 lie.
fn percentile_99(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values[(values.len() * 99 / 100).min(values.len() - 1)]
}

/// Starts viewers one after the other: first byte, settled, bytes.
fn starts(home: &Path, size: (u16, u16), words: &[&str]) -> [Vec<f64>; 3] {
    let mut columns = [Vec::new(), Vec::new(), Vec::new()];
    for _ in 0..N_STARTS {
        let mut viewer = Viewer::start(home, size, &[]);
        let started = viewer.started;
        let first = viewer.next().0;
        let shown = viewer.wait_for(words);
        let settled = viewer.settle(SILENCE).1.unwrap_or(shown);
        columns[0].push(ms(first - started));
        columns[1].push(ms(settled - started));
        columns[2].push(viewer.n_bytes as f64);
    }
    columns
}

fn start() {
    let home = temporary();
    homes::finished_runs(home.path(), 12);
    let words = &["run-00011"];
    let [first, settled, bytes] = starts(home.path(), SMALL, words);
    row("start to first byte", "ms", &first, Some(40.0), "61 core, 730 as users run it");
    row("start to settled screen", "ms", &settled, Some(60.0), "190 core, 860 as users run it");
    row("bytes to the first screen, 80x24", "B", &bytes, Some(5_000.0), "6 500");
    let [_, _, bytes] = starts(home.path(), LARGE, words);
    row("bytes to the first screen, 160x48", "B", &bytes, Some(15_000.0), "28 500");
    for ignores in [false, true] {
        let gone: Vec<f64> = (0..N_STARTS)
            .map(|_| {
                let command = format!("trap '' HUP; exec {}", env!("CARGO_BIN_EXE_ser"));
                let ser = [env!("CARGO_BIN_EXE_ser")];
                let shell = ["sh", "-c", &command];
                let command: &[&str] = if ignores { &shell } else { &ser };
                let mut viewer = Viewer::spawn(home.path(), SMALL, command);
                viewer.wait_for(words);
                viewer.settle(SILENCE);
                ms(viewer.hang_up())
            })
            .collect();
        let (what, leet) = if ignores {
            ("hang-up to exit, SIGHUP ignored", "stays as an orphan")
        } else {
            ("hang-up to exit", "20")
        };
        row(what, "ms", &gone, Some(100.0), leet);
    }
}

fn idle() {
    let seconds = setting("SER_BENCH_IDLE", 60) as u64;
    let home = temporary();
    homes::finished_runs(home.path(), 12);
    let watch = |keys: &str| {
        let mut viewer = Viewer::start(home.path(), LARGE, &[]);
        viewer.wait_for(&["run-00011"]);
        viewer.press(keys);
        // Ages move on and messages fade before it is quiet.
        viewer.settle(Duration::from_secs(12));
        let cpu = viewer.cpu_seconds();
        let (n_bytes, _) = viewer.settle(Duration::from_secs(seconds));
        (n_bytes as f64, (viewer.cpu_seconds() - cpu) * 1e3 / seconds as f64)
    };
    let found = std::thread::scope(|scope| {
        let watch = &watch;
        let threads = ["1", "2"].map(|keys| scope.spawn(move || watch(keys)));
        threads.map(|thread| thread.join().expect("it was watched"))
    });
    for ((n_bytes, cpu), what) in found.into_iter().zip(["runs", "live, a finished run"]) {
        row(&format!("bytes in {seconds} idle seconds, {what}"), "B", &[n_bytes], Some(0.0), "0");
        row("  processor time an idle second", "ms", &[cpu], None, "");
    }
}

fn live() {
    const TIME: Duration = Duration::from_secs(30);
    let home = temporary();
    homes::start_live(home.path());
    let cases =
        [(SMALL, false, 150.0, "170"), (LARGE, false, 1_000.0, "1 150"), (SMALL, true, 50.0, "")];
    let watch = |size, is_slow: bool| {
        let mut arguments = vec!["attach", "watched"];
        arguments.extend(is_slow.then_some("--slow"));
        let mut viewer = Viewer::start(home.path(), size, &arguments);
        viewer.wait_for(&["watched", "train"]);
        viewer.settle(Duration::from_secs(2));
        viewer.settle(TIME).0 as f64 / TIME.as_secs_f64()
    };
    let found = std::thread::scope(|scope| {
        let watch = &watch;
        let threads = cases.map(|(size, is_slow, ..)| scope.spawn(move || watch(size, is_slow)));
        threads.map(|thread| thread.join().expect("it was watched"))
    });
    for (per_second, (size, is_slow, must, leet)) in found.into_iter().zip(cases) {
        let slow = if is_slow { ", --slow" } else { "" };
        let name = format!("bytes a second, a live run, {}x{}{slow}", size.0, size.1);
        row(&name, "B", &[per_second], Some(must), leet);
    }
    homes::stop_live(home.path());
}

fn keys() {
    let n_runs = setting("SER_BENCH_RUNS", 10_000);
    let home = temporary();
    homes::finished_runs(home.path(), n_runs);
    let last = format!("run-{:05}", n_runs - 1);
    let [_, settled, _] = starts(home.path(), LARGE, &[&last]);
    let leet = "180-250 with 2 000 runs";
    row(&format!("start to settled screen, {n_runs} runs"), "ms", &settled, Some(80.0), leet);
    let mut viewer = Viewer::start(home.path(), LARGE, &[]);
    viewer.wait_for(&[&last]);
    viewer.settle(Duration::from_secs(2));
    let small = moves(home.path(), SMALL, &last);
    row("bytes a move, 80x24", "B", &small, Some(150.0), "157-212");
    let (mut times, mut bytes) = (Vec::new(), Vec::new());
    let cpu = viewer.cpu_seconds();
    for i in 0..N_KEYS {
        let before = viewer.n_bytes;
        let at = viewer.press(if i % 20 < 15 { "j" } else { "k" });
        times.push(ms(viewer.next().0 - at));
        // A person's pace, out of step with everything that ticks.
        viewer.settle(Duration::from_millis(61 + (i as u64 * 7) % 23));
        bytes.push((viewer.n_bytes - before) as f64);
    }
    let frame = (viewer.cpu_seconds() - cpu) * 1e3 / N_KEYS as f64;
    let leet = "2-21 with 3 runs, 7-52 with 2 000";
    row(&format!("key to bytes, list of {n_runs} runs, 160x48"), "ms", &times, None, leet);
    row("  99th percentile", "ms", &[percentile_99(&times)], Some(16.0), "");
    row("bytes a move with all that is told of a run, 160x48", "B", &bytes, None, "157-212");
    row("processor time a key and its frames, 160x48", "ms", &[frame], None, "");
    let (resident, shared) = viewer.memory_mb();
    row("memory of the viewer", "MB", &[resident], Some(25.0), "41-53 and 50 of Python");
    row("  of it pages of the program file", "MB", &[shared], None, "");
    let frames: Vec<f64> = (0..40).map(|_| redraw(&mut viewer)).collect();
    row("processor time of a whole frame drawn anew, 160x48", "ms", &frames, Some(1.0), "");
}

/// Moves in the list; the bytes of each move.
fn moves(home: &Path, size: (u16, u16), last: &str) -> Vec<f64> {
    let mut viewer = Viewer::start(home, size, &[]);
    viewer.wait_for(&[last]);
    viewer.settle(Duration::from_secs(2));
    (0..60)
        .map(|i| {
            viewer.press(if i % 20 < 15 { "j" } else { "k" });
            viewer.settle(Duration::from_millis(80)).0 as f64
        })
        .collect()
}

/// Draws everything again; the processor time of that, milliseconds.
fn redraw(viewer: &mut Viewer) -> f64 {
    let cpu = viewer.cpu_seconds();
    viewer.press("\x0c");
    viewer.next();
    viewer.settle(Duration::from_millis(50));
    (viewer.cpu_seconds() - cpu) * 1e3
}

fn load() {
    let home = temporary();
    homes::long_run(home.path(), 250_000);
    let times: Vec<f64> = (0..N_STARTS)
        .map(|_| {
            let mut viewer = Viewer::start(home.path(), LARGE, &[]);
            viewer.wait_for(&["long", "NAME"]);
            viewer.settle(SILENCE);
            let at = viewer.press("\r");
            ms(viewer.wait_for(&["train loss", "latest"]) - at)
        })
        .collect();
    row("250 000 points on the screen", "ms", &times, Some(100.0), "1 400");
}

fn samples() {
    let n_pairs = setting("SER_BENCH_PAIRS", 1_000_000);
    let home = temporary();
    let mut store = Store::open(&Home::new(home.path()), Access::ReadWrite).expect("a store");
    scored_round::fill(&mut store, n_pairs, 200);
    drop(store);
    let mut viewer = Viewer::start(home.path(), LARGE, &[]);
    viewer.wait_for(&["NAME"]);
    viewer.settle(SILENCE);
    let at = viewer.press("3");
    let opened = viewer.wait_for(&["why it is here"]);
    row(&format!("open a round of {n_pairs} pairs"), "ms", &[ms(opened - at)], None, "");
    viewer.settle(SILENCE);
    let page =
        place_after(&mut viewer, &["\x04", "\x04", "G", "g", "\x04", "G", "\x15", "\x15", "g"]);
    row("page jump", "ms", &page, Some(20.0), "no text samples");
    let filters = ["confidence:.8-.85", "confidence>.9", "near:.02", "confidence:.6-.61"];
    let times: Vec<f64> = filters.iter().map(|filter| typed(&mut viewer, filter)).collect();
    row("confidence filter, pasted, to its list", "ms", &times, Some(50.0), "");
    let texts = [scored_round::RARE, "chosen 77777", "rejected 123"];
    let times: Vec<f64> = texts.iter().map(|text| typed(&mut viewer, text)).collect();
    row("text search, pasted, to its list", "ms", &times, Some(500.0), "");
    typed(&mut viewer, "confidence<.9");
    viewer.settle(SILENCE);
    let times: Vec<f64> = (0..5)
        .map(|_| {
            let at = viewer.press("D");
            let is_found =
                |text: &str| text.contains("no other pair of") || text.contains(" lists them");
            let shown = viewer.wait_until("near-duplicates", is_found);
            // Another pair, and the message goes before the next one comes.
            viewer.press("\x1cjT");
            viewer.settle(SILENCE);
            ms(shown - at)
        })
        .collect();
    row("near-duplicates of a pair, key to their marks", "ms", &times, Some(1_000.0), "");
    let times: Vec<f64> = (0..N_STARTS)
        .map(|_| {
            let at = viewer.press("x");
            let shown = viewer.wait_for(&["1-9 says why"]);
            // The message goes before the next one comes.
            viewer.press("T");
            viewer.settle(SILENCE);
            ms(shown - at)
        })
        .collect();
    row("veto, key to the word that it is on the disk", "ms", &times, Some(50.0), "");
    let (resident, shared) = viewer.memory_mb();
    row("memory of the viewer meanwhile", "MB", &[resident], None, "");
    row("  of it pages of the program file", "MB", &[shared], None, "");
}

/// Presses keys that move; the time until the place at the right of the list's head is another.
fn place_after(viewer: &mut Viewer, keys: &[&str]) -> Vec<f64> {
    let place = |text: &str| text.lines().nth(1).unwrap_or_default().to_owned();
    keys.iter()
        .map(|key| {
            let before = place(&viewer.contents());
            let at = viewer.press(key);
            let shown = viewer.wait_until("another place", |text| {
                // The lines are there when none of them is still a dot.
                place(text) != before && !text.contains("        …")
            });
            viewer.settle(SILENCE);
            ms(shown - at)
        })
        .collect()
}

/// Pastes a filter; the time until the list has another length.
fn typed(viewer: &mut Viewer, filter: &str) -> f64 {
    viewer.press("/");
    viewer.press("\x15");
    viewer.settle(Duration::from_secs(1));
    // How many pairs are listed: `1 of 412`.
    let listed = |text: &str| {
        let head = text.lines().nth(1).unwrap_or_default().trim_end();
        head.rsplit(" of ").next().unwrap_or_default().to_owned()
    };
    let before = listed(&viewer.contents());
    // Pasted, so that it is one filter and not one for each of its beginnings.
    let at = viewer.press(&format!("\x1b[200~{filter}\x1b[201~"));
    let shown = viewer.wait_until("another list", |text| listed(text) != before);
    viewer.press("\r");
    viewer.settle(SILENCE);
    ms(shown - at)
}
