//! Rates of the kernels on this machine, for `engine.md`:
//! `cargo test --release --lib kernel::measure -- --ignored --nocapture --test-threads 1`.

use std::time::Instant;

use super::attention::relative::{Reach, Relative};
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
                        layer.input_gradient(on, rows, Write::Replace, &mut dx, &dy, weight);
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
                        attention::forward(on, heads, pattern, None, q, kv, o, sums, &mut scratch);
                    });
                    rates.push(2.0 * flops / time);
                    let (output, log_sums) = (&output, &log_sums);
                    let saved = Saved { queries: q, keys_values: kv, output, log_sums };
                    let time = best(|| {
                        let s = &mut scratch;
                        attention::backward(
                            on, heads, pattern, None, saved, q, &mut dq, &mut dkv, s,
                        );
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

/// The same with relative positions: two products more in the forward pass, six in the backward pass.
#[test]
#[ignore = "measures for a minute"]
fn attention_with_relative_positions() {
    println!("GFLOP/s, blocks x rows, heads, width: forward and backward, f32, bf16, 2 threads");
    for (n_blocks, rows, n_heads, width) in
        [(16, 64, 6, 64), (16, 128, 6, 64), (9, 256, 6, 64), (4, 512, 12, 64)]
    {
        let heads =
            Heads { n_queries: n_heads, n_keys: n_heads, width, is_causal: false, window: None };
        let n = n_blocks * rows;
        let blocks: Vec<Block> = (0..n_blocks)
            .map(|i| i * rows..(i + 1) * rows)
            .map(|range| Block { queries: range.clone(), keys: range, hole: 0..0 })
            .collect();
        let places: Vec<u32> = (0..n).map(|i| (i % rows) as u32).collect();
        let pattern = Pattern { blocks: &blocks, places: &places };
        let reach = Reach::new(rows, |distance| (512 + distance) as usize);
        let wide = heads.query_width();
        let [keys, queries] = [3, 4].map(|phase| noise(reach.n_rows() * wide, phase));
        let relative = Relative { keys: &keys, queries: &queries, reach: &reach };
        let (q, kv) = (noise(n * wide, 1), noise(2 * n * wide, 2));
        let (mut output, mut log_sums) = (q.clone(), vec![0.0; n * n_heads]);
        let (mut dq, mut dkv) = (q.clone(), kv.clone());
        let (mut dkeys, mut dqueries) = (keys.clone(), queries.clone());
        let mut scratch = Scratch::default();
        let flops = (2 * n_blocks * rows * rows * wide) as f64 * 1e-9;
        let team = Team::new(2).unwrap();
        let mut rates = Vec::new();
        for precision in [Precision::F32, Precision::Bf16] {
            let on = Compute { team: &team, precision };
            team.install(|| {
                let time = best(|| {
                    let (o, sums, s) = (&mut output, &mut log_sums, &mut scratch);
                    attention::forward(on, heads, pattern, Some(relative), &q, &kv, o, sums, s);
                });
                rates.push(4.0 * flops / time);
                let (queries, keys_values) = (q.as_slice(), kv.as_slice());
                let (output, log_sums) = (output.as_slice(), log_sums.as_slice());
                let saved = Saved { queries, keys_values, output, log_sums };
                let time = best(|| {
                    let s = &mut scratch;
                    let to = [dkeys.as_mut_slice(), dqueries.as_mut_slice()];
                    let relative = Some((relative, to));
                    let (dq, dkv) = (&mut dq, &mut dkv);
                    attention::backward(on, heads, pattern, relative, saved, &q, dq, dkv, s);
                });
                rates.push(11.0 * flops / time);
            });
        }
        println!("{n_blocks:3} x {rows:4}, {n_heads:2} x {width} {rates:4.0?}");
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

#[test]
#[ignore = "measures for a minute"]
fn values() {
    use super::{activation, norm, optimizer, rotary, rows};
    const ROWS: usize = 1024;
    const WIDTH: usize = 768;
    let n = ROWS * WIDTH;
    println!("picoseconds a value, {ROWS} rows of {WIDTH}, 1 and 2 threads");
    let (x, w, b) = (noise(n, 1), noise(WIDTH, 2), noise(WIDTH, 3));
    let mut times: Vec<(&str, Vec<f64>)> = Vec::new();
    for n_threads in [1, 2] {
        let team = &Team::new(n_threads).unwrap();
        let (mut y, mut z, mut scales) = (x.clone(), x.clone(), vec![0.0; 2 * ROWS]);
        let (mut dw, mut db, mut wide) = (w.clone(), b.clone(), noise(2 * n, 4));
        let mut table = rotary::RotaryTable::new(rotary::inverse_frequencies(48, 1e4));
        table.reserve(ROWS);
        let positions: Vec<u32> = (0..ROWS as u32).collect();
        let tokens: Vec<u32> = (0..ROWS as u32).map(|i| i * 7 % 500).collect();
        let mut i = 0;
        let mut add = |name, f: &mut dyn FnMut()| {
            let time = best(&mut *f) / n as f64 * 1e12;
            if n_threads == 1 {
                times.push((name, vec![time]));
            } else {
                times[i].1.push(time);
            }
            i += 1;
        };
        add("rms forward", &mut || {
            norm::rms_forward(team, &x, &w, 1e-5, &mut y, &mut scales[..ROWS]);
        });
        add("rms apply", &mut || norm::rms_apply(team, &x, &w, &scales[..ROWS], &mut y));
        add("rms backward", &mut || {
            norm::rms_backward(team, &x, &x, &w, &scales[..ROWS], &mut y, Some(&mut dw));
        });
        add("layer forward", &mut || {
            norm::layer_forward(team, &x, &w, &b, 1e-5, &mut y, &mut scales);
        });
        add("layer backward", &mut || {
            y.copy_from_slice(&x);
            norm::layer_backward(team, &mut y, &x, &w, &scales, Some([&mut dw, &mut db]));
        });
        add("swiglu forward", &mut || activation::swiglu_forward(team, &wide, WIDTH, &mut y));
        add("swiglu backward", &mut || activation::swiglu_backward(team, &mut wide, WIDTH, &mut y));
        add("gelu forward", &mut || activation::gelu_forward(team, &x, &mut y));
        add("gelu backward", &mut || {
            y.copy_from_slice(&x);
            activation::gelu_backward(team, &mut y, &mut z);
        });
        add("rotary", &mut || table.turn(team, &mut y, WIDTH, 16, &positions));
        add("add", &mut || rows::add(team, &mut z, &x));
        add("column sums", &mut || rows::add_column_sums(team, &x, &mut db));
        add("fill rows", &mut || rows::fill_rows(team, &mut y, &b));
        add("gather", &mut || rows::gather_rows(team, Weight::F32(&x), WIDTH, &tokens, &mut y));
        add("scatter", &mut || rows::scatter_rows(team, &y, WIDTH, &tokens, &mut z));
        add("norm of gradient", &mut || _ = optimizer::norm(team, &x));
        let (mut g, mut m, mut v) = (vec![0.0; n], vec![0.0; n], vec![0.0; n]);
        add("adamw", &mut || {
            let vectors = optimizer::Vectors {
                values: &mut z,
                gradient: &mut g,
                first_moments: &mut m,
                second_moments: &mut v,
            };
            let step =
                optimizer::Step { number: 3, learning_rate: 1e-3, weight_decay: 0.1, clip: 1.0 };
            optimizer::step(team, vectors, &[(0..n, true)], step);
        });
    }
    for (name, times) in times {
        println!("{name:18} {times:6.0?}");
    }
}
