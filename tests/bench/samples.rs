//! `cargo bench --bench samples`: reviewing a round of 1,000,000 scored pairs.
//!
//! Prints the time of every list, page and verdict beside the limit it has to keep (median and worst
//! of several). `SER_BENCH_CHARS` sets the length of each of the three texts of a pair (default
//! 200), `SER_BENCH_PAIRS` the number of pairs. `-- sizes` also measures a long run and a long list
//! of runs; `-- --help` only says so.

#![expect(clippy::expect_used, clippy::print_stdout, reason = "a bench that cannot run says why")]

mod scored_round;
mod store_sizes;

use std::path::Path;
use std::time::Instant;

use ser::domain::preference::PairId;
use ser::domain::random::{Place, Purpose};
use ser::domain::review::{Order, SampleFilter};
use ser::domain::run::RunId;
use ser::domain::verdict::Verdict;
use ser::store::{Access, Decision, Home, RoundReview, Store};

use scored_round::{RARE, fill};

const N_REPEATS: usize = 9;
/// Lines of a page: more than a terminal shows.
const N_LINES: usize = 60;

fn setting(name: &str, default: usize) -> usize {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}

fn main() {
    if std::env::args().any(|argument| argument == "--help") {
        println!("cargo bench --bench samples [-- sizes]; see the head of tests/bench/samples.rs");
        return;
    }
    let n_pairs = setting("SER_BENCH_PAIRS", 1_000_000);
    let n_chars = setting("SER_BENCH_CHARS", 200);
    let folder = tempfile::tempdir().expect("a temporary directory");
    let home = Home::new(folder.path());
    let mut store = Store::open(&home, Access::ReadWrite).expect("a new store");
    let begin = Instant::now();
    let run = fill(&mut store, n_pairs, n_chars);
    println!(
        "{n_pairs} pairs with three texts of {n_chars} characters, two rounds: written in {:.1} s",
        begin.elapsed().as_secs_f64()
    );
    measure_scores(&mut store, &run, n_pairs, home.root());
    println!("{:<44} {:>9} {:>9} {:>9}", "", "median ms", "worst ms", "limit ms");
    measure("open a round (columns, audit order)", None, || {
        store.round_review(&run, Some(2)).expect("readable").map_or(0, |review| review.rounds.len())
    });
    let mut review =
        store.round_review(&run, Some(2)).expect("readable").expect("the round was selected");
    lists(&store, &mut review);
    pages(&store, &mut review);
    measure("24 pairs with texts, shuffled, nothing kept", Some(60.0), || {
        store.sampled_pairs(&run, 2, 24, 1).expect("readable").len()
    });
    measure("one pair with texts, rounds and other runs", Some(20.0), || {
        let found = store.pair_opinions(&run, 2, PairId(n_pairs as u32 / 2)).expect("readable");
        found.map_or(0, |found| found.rounds.len())
    });
    let mut next = 0;
    measure("a verdict, on the disk", Some(50.0), || {
        next += 1;
        let decision = Decision::new(Verdict::Veto);
        store.decide(&run, &[PairId(next)], decision).expect("writable").batch as usize
    });
    measure("undo and redo", Some(50.0), || {
        let undone = store.undo_verdict(&run, None).expect("writable");
        let redone = store.redo_verdict(&run, None).expect("writable");
        usize::from(undone.is_some()) + usize::from(redone.is_some())
    });
    let all: Vec<PairId> = (0..10_000).map(PairId).collect();
    let begin = Instant::now();
    store.decide(&run, &all, Decision::new(Verdict::Keep)).expect("writable");
    line("10,000 pairs in one decision", &[begin.elapsed().as_secs_f64() * 1e3], None);
    println!("peak memory {} MiB", peak_memory_mib());
    if std::env::args().any(|argument| argument == "sizes") {
        let dataset = store.run(&run).expect("readable").dataset;
        store_sizes::measure(&home, dataset);
    }
}

/// Writes the scores of one more round and reads them back.
fn measure_scores(store: &mut Store, run: &RunId, n_pairs: usize, home: &Path) {
    let record = scored_round::record(run, 3, 3, n_pairs);
    let begin = Instant::now();
    store.apply(&[record]).expect("applied");
    line("the scores of a round written", &[begin.elapsed().as_secs_f64() * 1e3], None);
    let begin = Instant::now();
    let n = store.pair_scores(run, 3).expect("readable").len();
    line("the scores of a round read", &[begin.elapsed().as_secs_f64() * 1e3], None);
    println!("{n} scores; database and log {} MiB", store_sizes::size_mib(home));
}

fn lists(store: &Store, review: &mut RoundReview) {
    let cases = [
        ("confidence:.8-.85", Order::LeastConfident, 50.0),
        ("confidence>.9 selected:yes", Order::MostConfident, 50.0),
        ("near:.02 flipped:yes", Order::LeastConfident, 50.0),
        ("verdict:none selected:no", Order::LeastConfident, 50.0),
        ("", Order::LeastConfident, 50.0),
        ("", Order::Change, 50.0),
        ("", Order::Audit, 50.0),
        ("", Order::Teach, 500.0),
        ("length>300 slice:b", Order::Longest, 50.0),
        (RARE, Order::LeastConfident, 500.0),
        ("confidence>.9 chosen", Order::LeastConfident, 500.0),
    ];
    for (text, order, limit) in cases {
        let filter = SampleFilter::parse(text).expect("a filter");
        let mut n = 0;
        // What is read once a round (lengths, slices, other runs) is told apart from the scan.
        let begin = Instant::now();
        store.review_rows(review, &filter, order).expect("readable");
        let first = begin.elapsed().as_secs_f64() * 1e3;
        let what = format!("list `{text}`, {}", order.name());
        measure(&what, Some(limit), || {
            n = store.review_rows(review, &filter, order).expect("readable").len();
            n
        });
        println!("{:<44} {first:>9.1} (first time; {n} pairs)", "");
    }
}

fn pages(store: &Store, review: &mut RoundReview) {
    for order in [Order::LeastConfident, Order::MostConfident, Order::Audit] {
        let filter = SampleFilter::default();
        let rows = store.review_rows(review, &filter, order).expect("readable");
        let place = Place::new(1, Purpose::Display);
        let mut i = 0;
        measure(&format!("page of {N_LINES} anywhere, {}", order.name()), Some(20.0), || {
            i += 1;
            let at = place.below(i, rows.len() - N_LINES);
            store.sample_lines(review, &rows[at..at + N_LINES]).expect("readable").len()
        });
    }
}

/// Runs `work` several times and prints how long it took.
fn measure(what: &str, limit: Option<f64>, mut work: impl FnMut() -> usize) {
    let times: Vec<f64> = (0..N_REPEATS)
        .map(|_| {
            let begin = Instant::now();
            std::hint::black_box(work());
            begin.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    line(what, &times, limit);
}

fn line(what: &str, times: &[f64], limit: Option<f64>) {
    let mut times = times.to_vec();
    times.sort_by(f64::total_cmp);
    let (median, worst) = (times[times.len() / 2], times[times.len() - 1]);
    let limit = limit.map_or("-".to_owned(), |limit| {
        format!("{limit:.0}{}", if median <= limit { "" } else { " MISSED" })
    });
    println!("{what:<44} {median:>9.1} {worst:>9.1} {limit:>9}");
}

/// Peak resident memory of this process, MiB; 0 where it cannot be told.
fn peak_memory_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM"));
    let kib = line.and_then(|line| line.split_ascii_whitespace().nth(1)?.parse::<u64>().ok());
    kib.unwrap_or(0) / 1024
}
