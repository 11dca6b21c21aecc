//! `cargo bench --bench main_job`: the embedded experiment from a fresh home, as a whole process.
//!
//! Prints wall time and peak memory over several runs, and the accuracies of the last, so that a
//! faster run that learns less is seen.

#![expect(clippy::expect_used, clippy::print_stdout, reason = "a bench that cannot run says why")]

mod process;

fn main() {
    let n_runs: usize =
        std::env::var("SER_BENCH_RUNS").ok().and_then(|n| n.parse().ok()).unwrap_or(3);
    let mut walls = Vec::new();
    let mut peaks = Vec::new();
    let mut output = String::new();
    for _ in 0..n_runs {
        let home = tempfile::tempdir().expect("a temporary directory");
        let (cost, text) = process::run_ser(home.path(), &["run", "--plain"]);
        walls.push(cost.wall.as_secs_f64());
        peaks.push(cost.peak_mib);
        output = text;
    }
    println!("{output}");
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    println!("embedded experiment, {n_runs} runs, {cores} cores (min / median / max)");
    println!("  wall seconds     {}", spread(walls));
    println!("  peak memory MiB  {}", spread(peaks));
}

/// Minimum, median and maximum of some values.
fn spread(mut values: Vec<f64>) -> String {
    values.sort_by(f64::total_cmp);
    let median = values[values.len() / 2];
    format!("{:.1} / {median:.1} / {:.1}", values[0], values[values.len() - 1])
}
