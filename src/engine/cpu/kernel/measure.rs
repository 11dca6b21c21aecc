//! Rates of the kernels on this machine, for `engine.md`:
//! `cargo test --release --lib kernel::measure -- --ignored --nocapture --test-threads 1`.

use std::time::Instant;

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
