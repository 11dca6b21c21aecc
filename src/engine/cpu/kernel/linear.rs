//! The matrix product, and the three products of a linear layer built on it.

use half::bf16;

use super::profile::{self, Kernel};
use super::{Compute, Precision, Weight};

/// Rows of the result that one task computes.
const ROWS: usize = 64;

/// The `gemm` crate adds in another order when a product has fewer rows than this.
const MIN_ROWS: usize = 4;

/// A matrix inside a slice: element `(i, j)` is `values[i * row_stride + j * column_stride]`.
#[derive(Debug, Clone, Copy)]
pub struct Matrix<'a> {
    /// The slice, starting at element `(0, 0)`.
    pub values: &'a [f32],
    /// Distance between rows.
    pub row_stride: usize,
    /// Distance between columns.
    pub column_stride: usize,
}

impl<'a> Matrix<'a> {
    /// A row-major matrix whose rows lie `stride` apart.
    #[must_use]
    pub fn rows(values: &'a [f32], stride: usize) -> Self {
        Self { values, row_stride: stride, column_stride: 1 }
    }

    /// The transpose, without moving anything.
    #[must_use]
    pub fn transposed(self) -> Self {
        Self { row_stride: self.column_stride, column_stride: self.row_stride, values: self.values }
    }

    /// Whether `(rows - 1, columns - 1)` lies inside the slice.
    fn holds(&self, rows: usize, columns: usize) -> bool {
        rows == 0
            || columns == 0
            || (rows - 1) * self.row_stride + (columns - 1) * self.column_stride < self.values.len()
    }

    /// The same matrix from row `row` on.
    fn rows_from(self, row: usize) -> Self {
        let start = (row * self.row_stride).min(self.values.len());
        Self { values: &self.values[start..], ..self }
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

fn product(
    on: Compute<'_>,
    [m, n, k]: [usize; 3],
    write: Write,
    destination: &mut [f32],
    stride: usize,
    a: Matrix<'_>,
    b: Matrix<'_>,
) {
    if m == 0 || n == 0 {
        return;
    }
    assert!(n <= stride && (m - 1) * stride + n <= destination.len(), "destination too short");
    assert!(a.holds(m, k), "left matrix too short");
    assert!(b.holds(k, n), "right matrix too short");
    let (left, right);
    let (a, b) = if on.precision == Precision::Bf16 {
        (left, right) = (rounded(a.values), rounded(b.values));
        (Matrix { values: &left, ..a }, Matrix { values: &right, ..b })
    } else {
        (a, b)
    };
    let end = (m - 1) * stride + n;
    on.team.each_chunk(&mut destination[..end], ROWS * stride, |task, c| {
        let rows = ROWS.min(m - task * ROWS);
        let a = a.rows_from(task * ROWS);
        if rows < MIN_ROWS {
            let mut padded = vec![0.0; MIN_ROWS * k];
            for i in 0..rows {
                for j in 0..k {
                    padded[i * k + j] = a.values[i * a.row_stride + j * a.column_stride];
                }
            }
            let mut part = vec![0.0; MIN_ROWS * n];
            let a = Matrix::rows(&padded, k);
            serial([MIN_ROWS, n, k], Write::Replace, &mut part, n, a, b);
            for (c, part) in c.chunks_mut(stride).zip(part.chunks_exact(n)) {
                for (c, part) in c.iter_mut().zip(part) {
                    *c = if write == Write::Add { *c + part } else { *part };
                }
            }
        } else {
            serial([rows, n, k], write, c, stride, a, b);
        }
    });
}

fn rounded(values: &[f32]) -> Vec<f32> {
    values.iter().map(|value| bf16::from_f32(*value).to_f32()).collect()
}

#[expect(unsafe_code, reason = "the gemm crate takes raw pointers")]
pub(super) fn serial(
    [m, n, k]: [usize; 3],
    write: Write,
    destination: &mut [f32],
    stride: usize,
    a: Matrix<'_>,
    b: Matrix<'_>,
) {
    assert!(n <= stride && (m - 1) * stride + n <= destination.len(), "destination too short");
    assert!(a.holds(m, k), "left matrix too short");
    let add = write == Write::Add;
    // SAFETY: the asserts here and in `product` bound every element the call reads or writes by its
    // slice; `destination` is a unique borrow, so it overlaps neither input.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            destination.as_mut_ptr(),
            1,
            stride as isize,
            add,
            a.values.as_ptr(),
            a.column_stride as isize,
            a.row_stride as isize,
            b.values.as_ptr(),
            b.column_stride as isize,
            b.row_stride as isize,
            if add { 1.0 } else { 0.0 },
            1.0,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
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

    /// `y (+)= x W^T` for `x` of shape `[rows, input]`.
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
        let widened = widened(weight);
        let shape = [rows, self.output, self.input];
        let weight = Matrix::rows(&widened, self.input).transposed();
        product(on, shape, write, y, self.output, Matrix::rows(x, self.input), weight);
    }

    /// `dx (+)= dy W`.
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
        let widened = widened(weight);
        let shape = [rows, self.input, self.output];
        let weight = Matrix::rows(&widened, self.input);
        product(on, shape, write, dx, self.input, Matrix::rows(dy, self.output), weight);
    }

    /// `dW += dy^T x`.
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

fn widened(weight: Weight<'_>) -> std::borrow::Cow<'_, [f32]> {
    match weight {
        Weight::F32(values) => values.into(),
        Weight::Bf16(values) => values.iter().map(|value| value.to_f32()).collect(),
    }
}
