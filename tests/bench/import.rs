//! `cargo bench --bench import [-- --python PATH]`: 1,000,000 pairs into a fresh store.
//!
//! Without arguments the pairs are generated: JSON lines with prompts and answers of about 300
//! characters; `SER_BENCH_PAIRS` changes the count. With `--python PATH` (an interpreter that has
//! `datasets`) the real HH-RLHF test files beside the checkout are repeated to the same count, and
//! the same file is imported by `ser` and by Python, one after the other: once as far as
//! `load_dataset` goes, and once with the split into prompt and answers that `ser` does too.

#![expect(clippy::expect_used, clippy::print_stdout, reason = "a bench that cannot run says why")]

mod process;

use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use process::Cost;

fn main() {
    let n_pairs: u64 =
        std::env::var("SER_BENCH_PAIRS").ok().and_then(|n| n.parse().ok()).unwrap_or(1_000_000);
    let mut arguments = std::env::args().skip_while(|argument| argument != "--python").skip(1);
    let home = tempfile::tempdir().expect("a temporary directory");
    let file = home.path().join("pairs.jsonl");
    match arguments.next() {
        None => {
            write_pairs(&file, n_pairs);
            import(home.path(), &file);
        }
        Some(python) => {
            let n_written = repeat_hh_rlhf(&file, n_pairs);
            println!("HH-RLHF (test files of four tranches) repeated to {n_written} pairs");
            let ours = import(home.path(), &file);
            // The page cache is warm for Python, which comes second.
            theirs(&python, home.path(), &file, ours);
        }
    }
}

fn import(home: &Path, file: &Path) -> Cost {
    let bytes = std::fs::metadata(file).expect("written").len();
    let path = file.to_string_lossy().into_owned();
    let (cost, output) = process::run_ser(home, &["data", "import", &path]);
    println!("{output}");
    println!("ser data import, {:.0} MiB of JSON lines", bytes as f64 / 1_048_576.0);
    println!("  wall seconds     {:.1}", cost.wall.as_secs_f64());
    println!("  MiB a second     {:.0}", bytes as f64 / 1_048_576.0 / cost.wall.as_secs_f64());
    println!("  peak memory MiB  {:.1}", cost.peak_mib);
    cost
}

fn theirs(python: &str, home: &Path, file: &Path, ours: Cost) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/bench/import.py");
    let cache = home.join("cache");
    let (cost, output) =
        process::watch(Command::new(python).arg(script).arg(file).arg(&cache), home);
    let line = output.lines().last().expect("the script prints one line");
    let peer: serde_json::Value = serde_json::from_str(line).expect("a line of JSON");
    let seconds = |key: &str| peer[key].as_f64().expect("seconds");
    let (load, whole) = (seconds("load_s"), seconds("load_s") + seconds("extract_s"));
    let wall = ours.wall.as_secs_f64();
    println!("Python {} with datasets {}", peer["python"], peer["datasets"]);
    println!("  load_dataset               {load:.1} s, {:.1} times ser's time", load / wall);
    println!("  and split into three texts {whole:.1} s, {:.1} times ser's time", whole / wall);
    println!("  peak memory MiB            {:.1}", cost.peak_mib);
}

/// Writes the lines of HH-RLHF again and again until there are enough pairs.
fn repeat_hh_rlhf(path: &Path, n_pairs: u64) -> u64 {
    let root = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/data/hh-rlhf"));
    let mut lines: Vec<String> = Vec::new();
    for tranche in ["harmless-base", "helpful-base", "helpful-online", "helpful-rejection-sampled"]
    {
        let file = root.join(tranche).join("test.jsonl.gz");
        let bytes =
            std::fs::File::open(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        let reader = std::io::BufReader::new(flate2::read::MultiGzDecoder::new(bytes));
        lines.extend(reader.lines().map(|line| line.expect("UTF-8")));
    }
    let mut out = std::io::BufWriter::new(std::fs::File::create(path).expect("writable"));
    // A row with two equal answers is left out by `ser`, and costs the same to read.
    for i in 0..n_pairs as usize {
        writeln!(out, "{}", lines[i % lines.len()]).expect("disk space");
    }
    out.flush().expect("disk space");
    n_pairs
}

fn write_pairs(path: &Path, n_pairs: u64) {
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
