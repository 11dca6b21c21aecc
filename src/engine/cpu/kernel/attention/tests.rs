//! Attention against its definition, and its backward pass against differences.

use super::*;
use crate::domain::spec::Precision;
use crate::engine::cpu::kernel::Team;
use crate::engine::cpu::kernel::vector::simd::at_every_level;
use crate::engine::cpu::tests::differences::{assert_close, central_difference, noise};

struct Case {
    heads: Heads,
    blocks: Vec<Block>,
    places: Vec<u32>,
    n_keys: usize,
}

fn heads(n_queries: usize, n_keys: usize, width: usize, is_causal: bool) -> Heads {
    Heads { n_queries, n_keys, width, is_causal, window: None }
}

fn block(queries: Range<usize>, keys: Range<usize>, hole: Range<usize>) -> Block {
    let branches = if hole.is_empty() { Vec::new() } else { vec![hole.start, hole.end] };
    Block { queries, keys, branches }
}

/// One block in which all `n` rows ask.
fn tree(n: usize, branches: &[usize]) -> Vec<Block> {
    vec![Block { queries: 0..n, keys: 0..n, branches: branches.to_vec() }]
}

/// Small enough for differences.
fn small_cases() -> Vec<Case> {
    let windowed = |window| Heads { window: Some(window), ..heads(2, 1, 5, true) };
    let pair = || tree(9, &[4, 6]);
    let many = || tree(16, &[4, 7, 8, 11]);
    vec![
        Case {
            heads: heads(4, 2, 6, false),
            blocks: vec![block(0..3, 0..3, 0..0), block(3..8, 3..8, 0..0)],
            places: vec![0, 1, 2, 0, 1, 2, 3, 4],
            n_keys: 8,
        },
        Case {
            heads: heads(4, 2, 6, true),
            blocks: vec![block(0..7, 0..7, 3..5), block(7..8, 7..8, 0..0)],
            places: vec![0, 1, 2, 3, 4, 5, 6, 0],
            n_keys: 8,
        },
        // Only the last rows of both answers of a tree ask.
        Case {
            heads: heads(4, 2, 6, true),
            blocks: vec![block(0..2, 0..7, 3..5)],
            places: vec![4, 6],
            n_keys: 7,
        },
        // More rows than one chunk.
        Case {
            heads: heads(1, 1, 3, true),
            blocks: vec![block(0..100, 0..100, 50..60)],
            places: (0..100).collect(),
            n_keys: 100,
        },
        Case { heads: windowed(3), blocks: pair(), places: (0..9).collect(), n_keys: 9 },
        Case { heads: windowed(1), blocks: pair(), places: (0..9).collect(), n_keys: 9 },
        Case { heads: windowed(100), blocks: pair(), places: (0..9).collect(), n_keys: 9 },
        // Several answers to one prompt, and a branch that is empty.
        Case { heads: windowed(100), blocks: many(), places: (0..16).collect(), n_keys: 16 },
        Case { heads: windowed(4), blocks: many(), places: (0..16).collect(), n_keys: 16 },
        Case {
            heads: heads(2, 1, 5, true),
            blocks: tree(7, &[3, 5, 5]),
            places: (0..7).collect(),
            n_keys: 7,
        },
    ]
}

/// The shapes of real models, with chunks that can leave panels out.
fn large_cases() -> Vec<Case> {
    let two = || vec![block(0..131, 0..131, 40..110), block(131..640, 131..640, 64..480)];
    let places = || (0..131).chain(0..509).collect::<Vec<u32>>();
    let windowed = Heads { window: Some(70), ..heads(2, 1, 64, true) };
    let narrow = Heads { window: Some(25), ..heads(2, 1, 32, true) };
    vec![
        // A chunk starts inside the hole, and rows behind it see further back than its first and
        // its last.
        Case {
            heads: narrow,
            blocks: vec![block(0..160, 0..160, 110..130)],
            places: (0..160).collect(),
            n_keys: 160,
        },
        Case {
            heads: heads(4, 2, 32, true),
            blocks: tree(500, &[200, 264, 270, 300, 301, 420]),
            places: (0..500).collect(),
            n_keys: 500,
        },
        Case {
            heads: narrow,
            blocks: tree(300, &[100, 104, 111, 150, 290]),
            places: (0..300).collect(),
            n_keys: 300,
        },
        Case { heads: heads(3, 3, 32, true), blocks: two(), places: places(), n_keys: 640 },
        Case { heads: heads(4, 2, 48, true), blocks: two(), places: places(), n_keys: 640 },
        Case { heads: windowed, blocks: two(), places: places(), n_keys: 640 },
        Case {
            heads: heads(2, 2, 33, false),
            blocks: vec![block(0..33, 0..33, 0..0), block(33..200, 33..200, 0..0)],
            places: (0..33).chain(0..167).collect(),
            n_keys: 200,
        },
    ]
}

impl Case {
    fn pattern(&self) -> Pattern<'_> {
        Pattern { blocks: &self.blocks, places: &self.places }
    }

    fn inputs(&self) -> (Vec<f32>, Vec<f32>) {
        let q = noise(self.places.len() * self.heads.query_width(), 1);
        (q, noise(self.n_keys * self.heads.key_value_width(), 2))
    }

    fn run(&self, on: Compute<'_>, q: &[f32], kv: &[f32]) -> (Vec<f32>, Vec<f32>) {
        let n = self.places.len();
        let mut output = vec![0.0; n * self.heads.query_width()];
        let mut sums = vec![0.0; n * self.heads.n_queries];
        let mut scratch = Scratch::default();
        forward(on, self.heads, self.pattern(), None, q, kv, &mut output, &mut sums, &mut scratch);
        (output, sums)
    }

    fn gradients(&self, on: Compute<'_>, q: &[f32], kv: &[f32], g: &[f32]) -> [Vec<f32>; 2] {
        let (output, log_sums) = self.run(on, q, kv);
        let (mut dq, mut dkv) = (vec![0.0; q.len()], vec![0.0; kv.len()]);
        let saved = Saved { queries: q, keys_values: kv, output: &output, log_sums: &log_sums };
        let mut scratch = Scratch::default();
        let pattern = self.pattern();
        backward(on, self.heads, pattern, None, saved, g, &mut dq, &mut dkv, &mut scratch);
        [dq, dkv]
    }

    /// Whether a row at `place` sees `key`, from the definitions of the fields.
    fn sees(&self, block: &Block, place: usize, key: usize) -> bool {
        let n_shared = block.branches.first().copied().unwrap_or(usize::MAX);
        // The branch of a place and the place's position in its own sequence.
        let of = |at: usize| {
            let start = block.branches.iter().rev().find(|start| **start <= at);
            (start, start.map_or(at, |start| n_shared + at - start))
        };
        let ((branch, position), (key_branch, key_position)) = (of(place), of(key));
        let is_hidden = key_branch.is_some() && key_branch != branch;
        let is_near = self.heads.window.is_none_or(|w| key_position + w > position);
        if self.heads.is_causal { key <= place && !is_hidden && is_near } else { !is_hidden }
    }

    /// Attention from its definition, one row and head at a time in `f64`.
    fn plain(&self, q: &[f32], kv: &[f32]) -> Vec<f32> {
        let heads = self.heads;
        let (wide, kv_wide, d) = (heads.query_width(), heads.key_value_width(), heads.width);
        let mut output = vec![0.0; self.places.len() * wide];
        for block in &self.blocks {
            for row in block.queries.clone() {
                let place = self.places[row] as usize;
                let seen: Vec<usize> =
                    (0..block.keys.len()).filter(|key| self.sees(block, place, *key)).collect();
                for head in 0..heads.n_queries {
                    let key = head / (heads.n_queries / heads.n_keys) * d;
                    let at = |k: usize, column: usize| {
                        &kv[(block.keys.start + k) * kv_wide + column..][..d]
                    };
                    let q = &q[row * wide + head * d..][..d];
                    let score = |k: &usize| {
                        let s: f64 = q.iter().zip(at(*k, key)).map(|(a, b)| f64::from(a * b)).sum();
                        (s / (d as f64).sqrt()).exp()
                    };
                    let scores: Vec<f64> = seen.iter().map(score).collect();
                    let total: f64 = scores.iter().sum();
                    let value = key + heads.n_keys * d;
                    for i in 0..d {
                        let weighted =
                            seen.iter().zip(&scores).map(|(k, s)| s * f64::from(at(*k, value)[i]));
                        output[row * wide + head * d + i] = (weighted.sum::<f64>() / total) as f32;
                    }
                }
            }
        }
        output
    }
}

/// What bf16 operands may cost.
fn tolerance(precision: Precision) -> f64 {
    if precision == Precision::Bf16 { 1e-2 } else { 1e-5 }
}

#[test]
fn forward_matches_the_definition_at_every_level() {
    let team = Team::new(1).unwrap();
    for case in small_cases().into_iter().chain(large_cases()) {
        let (q, kv) = case.inputs();
        let expected = case.plain(&q, &kv);
        at_every_level(|_| {
            for precision in [Precision::F32, Precision::Bf16] {
                let on = Compute { team: &team, precision };
                assert_close(&case.run(on, &q, &kv).0, &expected, tolerance(precision));
            }
        });
    }
}

#[test]
fn backward_agrees_with_differences() {
    let team = Team::new(2).unwrap();
    let on = Compute { team: &team, precision: Precision::F32 };
    for case in small_cases() {
        let (q, kv) = case.inputs();
        let g = noise(q.len(), 3);
        let objective = |q: &[f32], kv: &[f32]| {
            let (o, _) = case.run(on, q, kv);
            o.iter().zip(&g).map(|(o, g)| f64::from(*o) * f64::from(*g)).sum::<f64>()
        };
        let [dq, dkv] = case.gradients(on, &q, &kv, &g);
        if case.heads.window == Some(1) {
            // Who sees itself alone asks in vain.
            assert!(dq.iter().all(|dq| dq.abs() < 1e-6));
        } else {
            assert_close(&dq, &central_difference(&q, |q| objective(q, &kv)), 3e-3);
        }
        assert_close(&dkv, &central_difference(&kv, |kv| objective(&q, kv)), 3e-3);
    }
}

#[test]
fn every_level_and_precision_has_the_same_gradients() {
    let (one, three) = (Team::new(1).unwrap(), Team::new(3).unwrap());
    for case in large_cases() {
        let (q, kv) = case.inputs();
        let g = noise(q.len(), 3);
        let f32s = Compute { team: &three, precision: Precision::F32 };
        let expected = case.gradients(f32s, &q, &kv, &g);
        at_every_level(|_| {
            for precision in [Precision::F32, Precision::Bf16] {
                let on = Compute { team: &one, precision };
                let actual = case.gradients(on, &q, &kv, &g);
                for (actual, expected) in actual.iter().zip(&expected) {
                    assert_close(actual, expected, 3.0 * tolerance(precision));
                }
            }
        });
    }
}

#[test]
fn threads_do_not_change_a_bit() {
    let teams = [1, 2, 3].map(|n| Team::new(n).unwrap());
    for case in large_cases() {
        let (q, kv) = case.inputs();
        let g = noise(q.len(), 3);
        for precision in [Precision::F32, Precision::Bf16] {
            let results = teams.each_ref().map(|team| {
                let on = Compute { team, precision };
                (case.run(on, &q, &kv), case.gradients(on, &q, &kv, &g))
            });
            assert!(results[0] == results[1] && results[0] == results[2]);
        }
    }
}

#[test]
fn large_scores_do_not_overflow() {
    let team = Team::new(1).unwrap();
    let on = Compute { team: &team, precision: Precision::F32 };
    let case = Case {
        heads: heads(1, 1, 4, true),
        blocks: vec![block(0..40, 0..40, 0..0)],
        places: (0..40).collect(),
        n_keys: 40,
    };
    let (q, kv) = case.inputs();
    for factor in [-300.0, 300.0] {
        let q: Vec<f32> = q.iter().map(|q| factor * q).collect();
        assert_close(&case.run(on, &q, &kv).0, &case.plain(&q, &kv), 1e-4);
    }
}

#[test]
fn blocks_may_read_the_same_keys() {
    let team = Team::new(2).unwrap();
    // A prompt of 70, then three answers that see it and themselves.
    let case = Case {
        heads: heads(4, 2, 40, true),
        blocks: vec![
            block(0..101, 0..101, 0..0),
            block(101..130, 0..130, 70..101),
            block(130..131, 0..131, 70..130),
            block(131..200, 0..200, 70..131),
        ],
        places: (0..200).collect(),
        n_keys: 200,
    };
    let (q, kv) = case.inputs();
    let expected = case.plain(&q, &kv);
    for precision in [Precision::F32, Precision::Bf16] {
        let on = Compute { team: &team, precision };
        assert_close(&case.run(on, &q, &kv).0, &expected, tolerance(precision));
    }
}

#[test]
#[should_panic(expected = "blocks share keys")]
fn blocks_that_share_keys_have_no_backward_pass() {
    let team = Team::new(1).unwrap();
    let case = Case {
        heads: heads(1, 1, 4, true),
        blocks: vec![block(0..2, 0..2, 0..0), block(2..3, 1..3, 0..0)],
        places: vec![0, 1, 0],
        n_keys: 3,
    };
    let (q, kv) = case.inputs();
    let on = Compute { team: &team, precision: Precision::F32 };
    assert_close(&case.run(on, &q, &kv).0, &case.plain(&q, &kv), 1e-5);
    case.gradients(on, &q, &kv, &vec![1.0; q.len()]);
}
