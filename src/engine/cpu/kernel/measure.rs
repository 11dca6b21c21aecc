//! Rates of the kernels on this machine, for `engine.md`:
//! `cargo test --release --lib kernel::measure -- --ignored --nocapture --test-threads 1`.

use std::time::Instant;

use super::attention::{self, Block, Heads, Pattern, Saved, Scratch};
use super::{Compute, Linear, Precision, Team, Weight, Write};
use crate::engine::cpu::tests::differences::noise;

/// The best of several times, in seconds.
fn best(mut f: impl FnMut()) -> f64 {
    f();
    let start = Instant::now();
    let mut best = f64::INFINITY;
    let mut n = 0;
    while n < 3 || (n < 100 && start.elapsed().as_secs_f64() < 0.05) {
        let start = Instant::now();
        f();
        best = best.min(start.elapsed().as_secs_f64());
        n += 1;
    }
    best
}

#[test]
#[ignore = "measures for a minute"]
fn products() {
    println!("GFLOP/s, rows x input x output: f32 1 and 2 threads, bf16 1 and 2 threads");
    for (rows, input, output) in [
        (512, 384, 384),
        (2048, 384, 1536),
        (2048, 1536, 384),
        (2048, 1024, 4096),
        (4096, 288, 288),
        (4096, 288, 768),
        (4096, 576, 1536),
        (1000, 192, 512),
        (8, 384, 1536),
    ] {
        let layer = Linear { input, output };
        let (x, dy, w) =
            (noise(rows * input, 1), noise(rows * output, 2), noise(input * output, 3));
        let (mut y, mut dx, mut dw) = (dy.clone(), x.clone(), w.clone());
        let mut rates = [const { Vec::new() }; 3];
        for precision in [Precision::F32, Precision::Bf16] {
            for n_threads in [1, 2] {
                let team = Team::new(n_threads).unwrap();
                let on = Compute { team: &team, precision };
                let weight = Weight::F32(&w);
                let flops = (2 * rows * input * output) as f64 * 1e-9;
                team.install(|| {
                    let time = best(|| layer.forward(on, rows, Write::Replace, &mut y, &x, weight));
                    rates[0].push(flops / time);
                    let time = best(|| {
                        layer.input_gradient(on, rows, Write::Replace, &mut dx, &dy, weight)
                    });
                    rates[1].push(flops / time);
                    let time = best(|| layer.weight_gradient(on, rows, &mut dw, &dy, &x));
                    rates[2].push(flops / time);
                });
            }
        }
        for (name, rates) in ["y ", "dX", "dW"].into_iter().zip(rates) {
            println!("{rows:5} x {input:4} x {output:4} {name} {rates:6.0?}");
        }
    }
}

#[test]
#[ignore = "measures for a minute"]
fn attention_of_blocks() {
    println!(
        "GFLOP/s on what is seen, blocks x rows, heads, width: forward and backward, f32, bf16"
    );
    for (n_blocks, rows, n_queries, n_keys, width, is_causal) in [
        (16, 256, 12, 12, 32, false),
        (16, 128, 12, 12, 32, false),
        (16, 256, 6, 6, 48, true),
        (16, 256, 9, 3, 64, true),
        (2, 1024, 9, 3, 64, true),
        (16, 128, 4, 4, 48, true),
    ] {
        let heads = Heads { n_queries, n_keys, width, is_causal, window: None };
        let n = n_blocks * rows;
        let blocks: Vec<Block> = (0..n_blocks)
            .map(|i| i * rows..(i + 1) * rows)
            .map(|range| Block { queries: range.clone(), keys: range, hole: 0..0 })
            .collect();
        let places: Vec<u32> = (0..n).map(|i| (i % rows) as u32).collect();
        let pattern = Pattern { blocks: &blocks, places: &places };
        let queries = noise(n * heads.query_width(), 1);
        let keys_values = noise(n * heads.key_value_width(), 2);
        let (mut output, mut log_sums) = (queries.clone(), vec![0.0; n * n_queries]);
        let (mut dq, mut dkv) = (queries.clone(), keys_values.clone());
        let mut scratch = Scratch::default();
        let pairs = if is_causal { rows * (rows + 1) / 2 } else { rows * rows };
        let flops = (2 * n_blocks * pairs * n_queries * width) as f64 * 1e-9;
        let mut rates = Vec::new();
        for precision in [Precision::F32, Precision::Bf16] {
            for n_threads in [1, 2] {
                let team = Team::new(n_threads).unwrap();
                let on = Compute { team: &team, precision };
                team.install(|| {
                    let (q, kv) = (&queries, &keys_values);
                    let time = best(|| {
                        let (o, sums) = (&mut output, &mut log_sums);
                        attention::forward(on, heads, pattern, q, kv, o, sums, &mut scratch);
                    });
                    rates.push(2.0 * flops / time);
                    let (output, log_sums) = (&output, &log_sums);
                    let saved = Saved { queries: q, keys_values: kv, output, log_sums };
                    let time = best(|| {
                        let s = &mut scratch;
                        attention::backward(on, heads, pattern, saved, q, &mut dq, &mut dkv, s);
                    });
                    rates.push(5.0 * flops / time);
                });
            }
        }
        println!(
            "{n_blocks:3} x {rows:4}, {n_queries:2}:{n_keys:2} x {width} causal {is_causal:5} \
             f32 {:4.0?} and {:4.0?}, bf16 {:4.0?} and {:4.0?}",
            &rates[..2],
            &rates[2..4],
            &rates[4..6],
            &rates[6..]
        );
    }
}

#[test]
#[ignore = "measures for a minute"]
fn regions() {
    for n_threads in [1, 2] {
        let team = Team::new(n_threads).unwrap();
        let time = team.install(|| best(|| (0..100).for_each(|_| team.each(4, |_| ()))));
        println!("a region of {n_threads} threads: {:.2} us", time * 1e4);
    }
}
