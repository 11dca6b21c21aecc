//! The matrix product, and the three products of a linear layer built on it.

use super::format::Source;
use super::product::Product;
use super::product::pack::Grid;
use super::profile::{self, Kernel};
use super::{Compute, Weight};

/// A matrix inside a slice: element `(i, j)` is `values[i * row_stride + j * column_stride]`.
#[derive(Debug, Clone, Copy)]
pub struct Matrix<'a, T = f32> {
    /// The slice, starting at element `(0, 0)`.
    pub values: &'a [T],
    pub row_stride: usize,
    pub column_stride: usize,
}

impl<'a, T> Matrix<'a, T> {
    /// A row-major matrix whose rows lie `stride` apart.
    #[must_use]
    pub fn rows(values: &'a [T], stride: usize) -> Self {
        Self { values, row_stride: stride, column_stride: 1 }
    }

    /// The transpose, without moving anything.
    #[must_use]
    pub fn transposed(self) -> Self {
        Self { row_stride: self.column_stride, column_stride: self.row_stride, values: self.values }
    }

    /// Whether `(rows - 1, columns - 1)` lies inside the slice.
    pub(super) fn holds(&self, rows: usize, columns: usize) -> bool {
        rows == 0
            || columns == 0
            || (rows - 1) * self.row_stride + (columns - 1) * self.column_stride < self.values.len()
    }
}

/// What happens to the destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Write {
    /// `C = A B`
    Replace,
    /// `C += A B`
    Add,
}

/// `C (+)= A B` with `C` of shape `[m, n]` in rows `stride` apart, `A` `[m, k]` and `B` `[k, n]`.
///
/// # Panics
/// When a matrix does not fit its slice.
pub fn multiply(
    on: Compute<'_>,
    shape: [usize; 3],
    write: Write,
    destination: &mut [f32],
    stride: usize,
    a: Matrix<'_>,
    b: Matrix<'_>,
) {
    let _span = profile::span(Kernel::Product, 2 * shape.iter().product::<usize>());
    product(on, shape, write, destination, stride, a, b);
}

/// [`multiply`] by a matrix of any type.
#[expect(unsafe_code, reason = "the kernel takes raw operands")]
fn product<S: Source>(
    on: Compute<'_>,
    [m, n, k]: [usize; 3],
    write: Write,
    destination: &mut [f32],
    stride: usize,
    a: Matrix<'_>,
    b: Matrix<'_, S>,
) {
    if m == 0 || n == 0 {
        return;
    }
    assert!(n <= stride && (m - 1) * stride + n <= destination.len(), "destination too short");
    assert!(a.holds(m, k), "left matrix too short");
    assert!(b.holds(k, n), "right matrix too short");
    let c = destination.as_mut_ptr();
    let a = Grid { start: a.values.as_ptr(), outer: a.row_stride, k: a.column_stride };
    let b = Grid { start: b.values.as_ptr(), outer: b.column_stride, k: b.row_stride };
    // SAFETY: the three asserts above bound every element that is read or written by its slice;
    // `destination` is a unique borrow, so it overlaps neither input.
    unsafe { Product { m, n, k, write, c, stride, a, b }.run(on.team, on.precision) };
}

/// Width of a linear layer: the weight has shape `[output, input]`, row-major.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Linear {
    /// Columns of `x`.
    pub input: usize,
    /// Columns of `y`.
    pub output: usize,
}

impl Linear {
    fn operations(self, rows: usize) -> usize {
        2 * rows * self.input * self.output
    }

    /// `y (+)= x W^T`: `x` is `[rows, input]`, `y` `[rows, output]`, the weight `[output, input]`.
    pub fn forward(
        self,
        on: Compute<'_>,
        rows: usize,
        write: Write,
        y: &mut [f32],
        x: &[f32],
        weight: Weight<'_>,
    ) {
        let _span = profile::span(Kernel::Linear, self.operations(rows));
        let (shape, x) = ([rows, self.output, self.input], Matrix::rows(x, self.input));
        match weight {
            Weight::F32(weight) => {
                let weight = Matrix::rows(weight, self.input).transposed();
                product(on, shape, write, y, self.output, x, weight);
            }
            Weight::Bf16(weight) => {
                let weight = Matrix::rows(weight, self.input).transposed();
                product(on, shape, write, y, self.output, x, weight);
            }
        }
    }

    /// `dx (+)= dy W`: `dy` is `[rows, output]`, `dx` `[rows, input]`, the weight `[output, input]`.
    pub fn input_gradient(
        self,
        on: Compute<'_>,
        rows: usize,
        write: Write,
        dx: &mut [f32],
        dy: &[f32],
        weight: Weight<'_>,
    ) {
        let _span = profile::span(Kernel::LinearInput, self.operations(rows));
        let (shape, dy) = ([rows, self.input, self.output], Matrix::rows(dy, self.output));
        match weight {
            Weight::F32(weight) => {
                product(on, shape, write, dx, self.input, dy, Matrix::rows(weight, self.input));
            }
            Weight::Bf16(weight) => {
                product(on, shape, write, dx, self.input, dy, Matrix::rows(weight, self.input));
            }
        }
    }

    /// `dW += dy^T x`: `dy` is `[rows, output]`, `x` `[rows, input]`, `dW` `[output, input]`.
    pub fn weight_gradient(
        self,
        on: Compute<'_>,
        rows: usize,
        dweight: &mut [f32],
        dy: &[f32],
        x: &[f32],
    ) {
        let _span = profile::span(Kernel::LinearWeight, self.operations(rows));
        let shape = [self.output, self.input, rows];
        let left = Matrix::rows(dy, self.output).transposed();
        product(on, shape, Write::Add, dweight, self.input, left, Matrix::rows(x, self.input));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::spec::Precision;
    use crate::engine::cpu::kernel::Team;
    use crate::engine::cpu::kernel::vector::simd::at_every_level;
    use crate::engine::cpu::tests::differences::noise;
    use half::bf16;

    const PRECISIONS: [Precision; 2] = [Precision::F32, Precision::Bf16];

    fn plain(
        [m, n, k]: [usize; 3],
        a: Matrix<'_>,
        b: Matrix<'_>,
        precision: Precision,
    ) -> Vec<f64> {
        let value = |x: &Matrix<'_>, i: usize, j: usize| {
            let x = x.values[i * x.row_stride + j * x.column_stride];
            f64::from(if precision == Precision::Bf16 { bf16::from_f32(x).to_f32() } else { x })
        };
        let element = |i, j| (0..k).map(|t| value(&a, i, t) * value(&b, t, j)).sum();
        (0..m).flat_map(|i| (0..n).map(move |j| (i, j))).map(|(i, j)| element(i, j)).collect()
    }

    /// Both operands in every layout: rows, columns, and neither.
    fn layouts(values: &[f32], rows: usize, columns: usize) -> [Matrix<'_>; 3] {
        [
            Matrix::rows(values, columns + 3),
            Matrix::rows(values, rows + 1).transposed(),
            Matrix { values, row_stride: 2 * columns, column_stride: 2 },
        ]
    }

    fn check(on: Compute<'_>, shape: [usize; 3], context: &str) {
        let [m, n, k] = shape;
        let (a, b) = (noise(3 * (m + 1) * (k + 3), 1), noise(3 * (k + 3) * (n + 1), 2));
        for (which, a) in layouts(&a, m, k).into_iter().enumerate() {
            for (other, b) in layouts(&b, k, n).into_iter().enumerate() {
                let expected = plain(shape, a, b, on.precision);
                for write in [Write::Replace, Write::Add] {
                    let stride = n + 3;
                    let mut c = vec![0.5; m * stride];
                    multiply(on, shape, write, &mut c, stride, a, b);
                    for (i, c) in c.chunks(stride).enumerate() {
                        for (j, c) in c.iter().enumerate() {
                            let before = if write == Write::Add || j >= n { 0.5 } else { 0.0 };
                            let product = if j < n { expected[i * n + j] } else { 0.0 };
                            let error = (f64::from(*c) - product - before).abs();
                            assert!(
                                error < 1e-6 * (k + 1) as f64,
                                "{context} {shape:?} layouts {which} {other} {write:?}: {error}"
                            );
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn products_match_the_triple_loop_at_every_level() {
        let team = Team::new(1).unwrap();
        for shape in [[1, 1, 1], [1, 7, 5], [3, 1, 9], [17, 33, 65], [2, 3, 0], [13, 16, 2]] {
            at_every_level(|level| {
                for precision in PRECISIONS {
                    let context = format!("{level:?} {precision:?}");
                    check(Compute { team: &team, precision }, shape, &context);
                }
            });
        }
    }

    #[test]
    fn products_over_several_blocks_match_the_triple_loop() {
        let team = Team::new(2).unwrap();
        for shape in [[50, 128, 96], [2, 300, 801], [100, 31, 1000], [23, 1000, 5]] {
            for precision in PRECISIONS {
                check(Compute { team: &team, precision }, shape, &format!("{precision:?}"));
            }
        }
    }

    #[test]
    fn slabs_of_a_large_operand_add_up() {
        let team = Team::new(2).unwrap();
        let shape = [3, 700, 5001];
        let (a, b) = (noise(3 * 5001, 1), noise(5001 * 700, 2));
        for precision in PRECISIONS {
            let (a, b) = (Matrix::rows(&a, 5001), Matrix::rows(&b, 700));
            let expected = plain(shape, a, b, precision);
            let mut c = vec![0.0; 3 * 700];
            multiply(Compute { team: &team, precision }, shape, Write::Replace, &mut c, 700, a, b);
            for (c, e) in c.iter().zip(expected) {
                assert!((f64::from(*c) - e).abs() < 1e-3, "{c} {e}");
            }
        }
    }

    #[test]
    fn the_three_products_of_a_layer_agree_with_their_definitions() {
        let team = Team::new(2).unwrap();
        let (rows, layer) = (29, Linear { input: 70, output: 45 });
        let (x, dy) = (noise(rows * 70, 1), noise(rows * 45, 2));
        let weight: Vec<f32> =
            noise(70 * 45, 3).iter().map(|w| bf16::from_f32(*w).to_f32()).collect();
        let halves: Vec<bf16> = weight.iter().map(|w| bf16::from_f32(*w)).collect();
        for precision in PRECISIONS {
            let on = Compute { team: &team, precision };
            let w = Matrix::rows(&weight, 70);
            let (xs, dys) = (Matrix::rows(&x, 70), Matrix::rows(&dy, 45));
            let close = |actual: &[f32], expected: &[f64]| {
                let error = |(a, e): (&f32, &f64)| (f64::from(*a) - e).abs();
                assert!(actual.iter().zip(expected).map(error).fold(0.0, f64::max) < 1e-4);
            };
            let (mut y, mut dx, mut dw) =
                (vec![9.0; rows * 45], vec![9.0; rows * 70], vec![0.0; 70 * 45]);
            layer.forward(on, rows, Write::Replace, &mut y, &x, Weight::F32(&weight));
            close(&y, &plain([rows, 45, 70], xs, w.transposed(), precision));
            layer.input_gradient(on, rows, Write::Replace, &mut dx, &dy, Weight::F32(&weight));
            close(&dx, &plain([rows, 70, 45], dys, w, precision));
            layer.weight_gradient(on, rows, &mut dw, &dy, &x);
            close(&dw, &plain([45, 70, rows], dys.transposed(), xs, precision));
            let (mut again, mut dx_again) = (y.clone(), dx.clone());
            layer.forward(on, rows, Write::Replace, &mut again, &x, Weight::Bf16(&halves));
            layer.input_gradient(
                on,
                rows,
                Write::Replace,
                &mut dx_again,
                &dy,
                Weight::Bf16(&halves),
            );
            assert_eq!((again, dx_again), (y, dx), "a stored bf16 weight is the same weight");
        }
    }

    #[test]
    fn neither_threads_nor_neighbors_change_a_row() {
        let teams = [1, 2, 3].map(|n| Team::new(n).unwrap());
        for (input, output) in [(128, 128), (344, 128), (100, 1536), (1536, 384)] {
            let layer = Linear { input, output };
            let (x, w) = (noise(200 * input, 2), noise(output * input, 4));
            for precision in PRECISIONS {
                let run = |team, first: usize, rows: usize| {
                    let mut y = vec![0.0; rows * output];
                    let x = &x[first * input..];
                    let on = Compute { team, precision };
                    layer.forward(on, rows, Write::Replace, &mut y, x, Weight::F32(&w));
                    y.into_iter().map(f32::to_bits).collect::<Vec<_>>()
                };
                let all = run(&teams[0], 0, 200);
                for team in &teams[1..] {
                    assert_eq!(run(team, 0, 200), all);
                }
                for (first, rows) in [(0, 1), (7, 1), (199, 1), (3, 5), (100, 63), (1, 131)] {
                    let some = run(&teams[1], first, rows);
                    assert_eq!(some, all[first * output..][..rows * output], "{first} {rows}");
                }
                let gradients = teams.each_ref().map(|team| {
                    let mut dw = vec![0.1; input * output];
                    let on = Compute { team, precision };
                    let dy: Vec<f32> = all.iter().map(|y| f32::from_bits(*y)).collect();
                    layer.weight_gradient(on, 200, &mut dw, &dy, &x);
                    dw
                });
                assert!(gradients[0] == gradients[1] && gradients[0] == gradients[2]);
            }
        }
    }

    #[test]
    #[should_panic(expected = "left matrix too short")]
    fn a_matrix_longer_than_its_slice_is_refused() {
        let team = Team::new(1).unwrap();
        let on = Compute { team: &team, precision: Precision::F32 };
        let (a, b) = (Matrix::rows(&[1.0; 3], 2), Matrix::rows(&[1.0; 4], 2));
        multiply(on, [2, 2, 2], Write::Replace, &mut [0.0; 4], 2, a, b);
    }
}
