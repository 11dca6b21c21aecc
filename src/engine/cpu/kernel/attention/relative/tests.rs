//! Attention with relative positions against its definition and against differences.

use super::*;
use crate::domain::spec::Precision;
use crate::engine::config::RelativePositions;
use crate::engine::cpu::kernel::Team;
use crate::engine::cpu::kernel::attention::{Block, Saved, Scratch, backward, forward};
use crate::engine::cpu::kernel::vector::simd::at_every_level;
use crate::engine::cpu::tests::differences::{assert_close, central_difference, noise};

/// Everything the kernels read: queries, keys and values, relative keys, relative queries.
type Inputs = [Vec<f32>; 4];

struct Case {
    heads: Heads,
    blocks: Vec<Block>,
    places: Vec<u32>,
    positions: RelativePositions,
    reach: Reach,
}

impl Case {
    /// Blocks of so many tokens; only the first `n_asking` of each ask. The reach may exceed them.
    fn new(
        (n_heads, width): (usize, usize),
        lengths: &[usize],
        n_asking: usize,
        positions: RelativePositions,
        longest: usize,
    ) -> Self {
        let heads =
            Heads { n_queries: n_heads, n_keys: n_heads, width, is_causal: false, window: None };
        let (mut blocks, mut places, mut n_keys) = (Vec::new(), Vec::new(), 0);
        for length in lengths {
            let (first, n) = (places.len(), n_asking.min(*length));
            places.extend(0..n as u32);
            blocks.push(Block {
                queries: first..first + n,
                keys: n_keys..n_keys + length,
                branches: Vec::new(),
            });
            n_keys += length;
        }
        let reach = Reach::new(longest, |distance| positions.row(distance));
        Self { heads, blocks, places, positions, reach }
    }

    fn pattern(&self) -> Pattern<'_> {
        Pattern { blocks: &self.blocks, places: &self.places }
    }

    fn inputs(&self) -> Inputs {
        let (wide, n_keys) = (self.heads.query_width(), self.blocks.last().unwrap().keys.end);
        let n = self.reach.n_rows() * wide;
        [noise(self.places.len() * wide, 1), noise(2 * n_keys * wide, 2), noise(n, 3), noise(n, 4)]
    }

    fn run(&self, on: Compute<'_>, [q, kv, keys, queries]: &Inputs) -> (Vec<f32>, Vec<f32>) {
        let n = self.places.len();
        let mut output = vec![0.0; n * self.heads.query_width()];
        let mut sums = vec![0.0; n * self.heads.n_queries];
        let relative = Some(Relative { keys, queries, reach: &self.reach });
        let (pattern, scratch) = (self.pattern(), &mut Scratch::default());
        forward(on, self.heads, pattern, relative, q, kv, &mut output, &mut sums, scratch);
        (output, sums)
    }

    fn gradients(&self, on: Compute<'_>, inputs: &Inputs, g: &[f32]) -> Inputs {
        let (output, log_sums) = self.run(on, inputs);
        // What is written may hold anything before; what is added to holds zeros.
        let [q, kv, keys, queries] = inputs;
        let mut to = [vec![9.0; q.len()], vec![0.0; kv.len()], vec![9.0; keys.len()], keys.clone()];
        let [dq, dkv, dkeys, dqueries] = &mut to;
        let relative = Relative { keys, queries, reach: &self.reach };
        let relative = Some((relative, [dkeys.as_mut_slice(), dqueries.as_mut_slice()]));
        let saved = Saved { queries: q, keys_values: kv, output: &output, log_sums: &log_sums };
        let (pattern, scratch) = (self.pattern(), &mut Scratch::default());
        backward(on, self.heads, pattern, relative, saved, g, dq, dkv, scratch);
        to
    }

    /// He et al. 2021, equations 2-4, one row and head at a time in `f64`.
    fn plain(&self, [q, kv, keys, queries]: &Inputs) -> Vec<f32> {
        let (d, wide) = (self.heads.width, self.heads.query_width());
        let first = self.positions.row(1 - self.reach.longest() as i64);
        let dot = |a: &[f32], b: &[f32]| -> f64 {
            a[..d].iter().zip(&b[..d]).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
        };
        let mut output = Vec::new();
        for block in &self.blocks {
            for row in block.queries.clone() {
                let place = i64::from(self.places[row]);
                for column in (0..wide).step_by(d) {
                    let query = &q[row * wide + column..];
                    let score = |j: usize| {
                        let key = &kv[(block.keys.start + j) * 2 * wide + column..];
                        let bucket = self.positions.row(place - j as i64) - first;
                        let terms = dot(query, key)
                            + dot(query, &keys[bucket * wide + column..])
                            + dot(key, &queries[bucket * wide + column..]);
                        (terms / (3.0 * d as f64).sqrt()).exp()
                    };
                    let scores: Vec<f64> = (0..block.keys.len()).map(score).collect();
                    let total: f64 = scores.iter().sum();
                    output.extend((0..d).map(|i| {
                        let value = |j: usize| {
                            f64::from(kv[((block.keys.start + j) * 2 + 1) * wide + column + i])
                        };
                        let sum: f64 = scores.iter().enumerate().map(|(j, s)| s * value(j)).sum();
                        (sum / total) as f32
                    }));
                }
            }
        }
        output
    }
}

const LOGARITHMIC: RelativePositions =
    RelativePositions { n_buckets: 8, max_distance: 48, has_norm: false };
const PLAIN: RelativePositions =
    RelativePositions { n_buckets: 0, max_distance: 10, has_norm: false };

const SPARSE: RelativePositions =
    RelativePositions { n_buckets: 8, max_distance: 8, has_norm: false };

/// Small enough for differences.
fn small_cases() -> Vec<Case> {
    vec![
        Case::new((2, 3), &[5, 1, 8], 100, LOGARITHMIC, 9),
        Case::new((1, 4), &[14, 3], 100, PLAIN, 14),
        // Buckets so close that no distance selects some of them.
        Case::new((1, 3), &[9], 100, SPARSE, 9),
        // Only the first row of each block asks.
        Case::new((2, 3), &[13, 2, 9], 1, LOGARITHMIC, 13),
    ]
}

/// More than one chunk, one group and one tile; more blocks than runs.
fn large_cases() -> Vec<Case> {
    let v3 = RelativePositions { n_buckets: 256, max_distance: 512, has_norm: true };
    vec![
        Case::new((3, 32), &[131, 17, 290], 1000, v3, 290),
        Case::new((2, 33), &[60, 1, 33, 49, 12, 97, 25, 26, 48, 5, 64], 1000, LOGARITHMIC, 100),
        Case::new((2, 64), &[131, 200], 1, v3, 200),
    ]
}

/// What bf16 operands may cost.
fn tolerance(precision: Precision) -> f64 {
    if precision == Precision::Bf16 { 1e-2 } else { 1e-5 }
}

#[test]
fn forward_matches_the_definition_at_every_level() {
    let team = Team::new(1).unwrap();
    for case in small_cases().into_iter().chain(large_cases()) {
        let inputs = case.inputs();
        let expected = case.plain(&inputs);
        at_every_level(|_| {
            for precision in [Precision::F32, Precision::Bf16] {
                let on = Compute { team: &team, precision };
                assert_close(&case.run(on, &inputs).0, &expected, tolerance(precision));
            }
        });
    }
}

#[test]
fn backward_agrees_with_differences() {
    let team = Team::new(2).unwrap();
    let on = Compute { team: &team, precision: Precision::F32 };
    for case in small_cases() {
        let inputs = case.inputs();
        let g = noise(inputs[0].len(), 5);
        let gradients = case.gradients(on, &inputs, &g);
        for (i, actual) in gradients.iter().enumerate() {
            let expected = central_difference(&inputs[i], |x| {
                let mut moved = inputs.clone();
                moved[i] = x.to_vec();
                let output = case.run(on, &moved).0;
                output.iter().zip(&g).map(|(o, g)| f64::from(*o) * f64::from(*g)).sum()
            });
            assert_close(actual, &expected, 3e-3);
        }
    }
}

#[test]
fn every_level_and_precision_has_the_same_gradients() {
    let (one, three) = (Team::new(1).unwrap(), Team::new(3).unwrap());
    for case in large_cases() {
        let inputs = case.inputs();
        let g = noise(inputs[0].len(), 5);
        let f32s = Compute { team: &three, precision: Precision::F32 };
        let expected = case.gradients(f32s, &inputs, &g);
        at_every_level(|_| {
            for precision in [Precision::F32, Precision::Bf16] {
                let on = Compute { team: &one, precision };
                let actual = case.gradients(on, &inputs, &g);
                for (actual, expected) in actual.iter().zip(&expected) {
                    assert_close(actual, expected, 3.0 * tolerance(precision));
                }
            }
        });
    }
}

/// A large case against differences along a direction, since one value at a time takes too long.
#[test]
fn large_gradients_agree_with_differences_along_a_direction() {
    let team = Team::new(2).unwrap();
    let on = Compute { team: &team, precision: Precision::F32 };
    for case in large_cases() {
        let inputs = case.inputs();
        let g = noise(inputs[0].len(), 5);
        let gradients = case.gradients(on, &inputs, &g);
        for (i, gradient) in gradients.iter().enumerate() {
            let length: f64 = gradient.iter().map(|g| f64::from(*g).powi(2)).sum();
            let objective = |step: f64| -> f64 {
                let mut moved = inputs.clone();
                for (x, g) in moved[i].iter_mut().zip(gradient) {
                    *x += (step / length.sqrt()) as f32 * g;
                }
                let output = case.plain(&moved);
                output.iter().zip(&g).map(|(o, g)| f64::from(*o) * f64::from(*g)).sum()
            };
            let slope = (objective(0.05) - objective(-0.05)) / 0.1 * length.sqrt();
            assert!((slope / length - 1.0).abs() < 3e-3, "input {i}: {slope} {length}");
        }
    }
}

#[test]
fn threads_do_not_change_a_bit() {
    let teams = [1, 2, 3].map(|n| Team::new(n).unwrap());
    for case in large_cases() {
        let inputs = case.inputs();
        let g = noise(inputs[0].len(), 5);
        for precision in [Precision::F32, Precision::Bf16] {
            let results = teams.each_ref().map(|team| {
                let on = Compute { team, precision };
                (case.run(on, &inputs), case.gradients(on, &inputs, &g))
            });
            assert!(results[0] == results[1] && results[0] == results[2]);
        }
    }
}

#[test]
fn a_block_does_not_depend_on_the_reach_or_the_blocks_beside_it() {
    let team = Team::new(2).unwrap();
    let together = Case::new((2, 32), &[70, 33], 1000, LOGARITHMIC, 90);
    let alone = Case::new((2, 32), &[70], 1000, LOGARITHMIC, 70);
    let inputs = together.inputs();
    let wide = together.heads.query_width();
    let behind = LOGARITHMIC.row(-69) - LOGARITHMIC.row(-89);
    let rows = behind * wide..(behind + alone.reach.n_rows()) * wide;
    let own = [
        inputs[0][..70 * wide].to_vec(),
        inputs[1][..140 * wide].to_vec(),
        inputs[2][rows.clone()].to_vec(),
        inputs[3][rows].to_vec(),
    ];
    for precision in [Precision::F32, Precision::Bf16] {
        let on = Compute { team: &team, precision };
        assert_eq!(together.run(on, &inputs).0[..70 * wide], alone.run(on, &own).0);
    }
}

#[test]
fn a_bucket_without_a_distance_gets_no_gradient() {
    let team = Team::new(1).unwrap();
    let on = Compute { team: &team, precision: Precision::F32 };
    let case = Case::new((1, 3), &[9], 100, SPARSE, 9);
    let selected: Vec<usize> = (-8..9).map(|it| SPARSE.row(it) - SPARSE.row(-8)).collect();
    let [.., dkeys, dqueries] = case.gradients(on, &case.inputs(), &noise(27, 5));
    for row in 0..case.reach.n_rows() {
        let is_there = selected.contains(&row);
        for gradient in [&dkeys, &dqueries] {
            assert_eq!(gradient[row * 3..][..3] != [0.0; 3], is_there, "row {row}");
        }
    }
    assert!((0..case.reach.n_rows()).any(|row| !selected.contains(&row)), "{selected:?}");
}

#[test]
#[should_panic(expected = "a block out of reach")]
fn a_block_longer_than_the_reach_is_refused() {
    let team = Team::new(1).unwrap();
    let case = Case::new((1, 4), &[14], 100, PLAIN, 13);
    case.run(Compute { team: &team, precision: Precision::F32 }, &case.inputs());
}
