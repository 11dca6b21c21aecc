//! `cargo bench --bench import`: import of 1,000,000 generated pairs into a fresh store.
//!
//! The file is JSON lines with prompts and answers of about 300 characters, written to a temporary
//! directory first; `SER_BENCH_PAIRS` changes the count.

#![expect(clippy::expect_used, clippy::print_stdout, reason = "a bench that cannot run says why")]

mod process;

use std::io::Write;

fn main() {
    let n_pairs: u64 =
        std::env::var("SER_BENCH_PAIRS").ok().and_then(|n| n.parse().ok()).unwrap_or(1_000_000);
    let home = tempfile::tempdir().expect("a temporary directory");
    let file = home.path().join("pairs.jsonl");
    write_pairs(&file, n_pairs);
    let bytes = std::fs::metadata(&file).expect("written").len();
    let path = file.to_string_lossy().into_owned();
    let (cost, output) = process::run_ser(home.path(), &["data", "import", &path]);
    println!("{output}");
    println!("import of {n_pairs} pairs, {:.0} MiB of JSON lines", bytes as f64 / 1_048_576.0);
    println!("  wall seconds     {:.1}", cost.wall.as_secs_f64());
    println!("  pairs a second   {:.0}", n_pairs as f64 / cost.wall.as_secs_f64());
    println!("  peak memory MiB  {:.1}", cost.peak_mib);
}

fn write_pairs(path: &std::path::Path, n_pairs: u64) {
    let words = ["river", "lantern", "copper", "violet", "harbor", "meadow", "signal", "orchard"];
    let mut out = std::io::BufWriter::new(std::fs::File::create(path).expect("writable"));
    let sentence = |key: u64, n: u64| -> String {
        let word = |i: u64| words[((key.wrapping_mul(0x9e37_79b9) ^ (i * 31)) % 8) as usize];
        (0..n).map(word).collect::<Vec<_>>().join(" ")
    };
    for i in 0..n_pairs {
        let prompt = format!("\\n\\nHuman: number {i}: {}\\n\\nAssistant:", sentence(i, 16));
        let (chosen, rejected) = (sentence(i + 1, 14), sentence(i + 2, 13));
        writeln!(
            out,
            r#"{{"prompt":"{prompt}","chosen":" yes {chosen}","rejected":" no {rejected}"}}"#
        )
        .expect("disk space");
    }
    out.flush().expect("disk space");
}
