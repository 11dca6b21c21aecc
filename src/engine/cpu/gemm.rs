//! The matrix product, and the three products of a linear layer built on it.
//!
//! This is the only file that calls the `gemm` crate, whose function takes raw pointers. It runs
//! single-threaded: the engine's parallelism is over shards ([`super::parallel`]).
//!
//! A row of a product does not depend on how many rows stand beside it as long as the product has
//! more than one row and more than 256 values; below that the crate switches to kernels that add in
//! another order, and a value may move by rounding (about 1e-7 relative). [`MIN_ROWS`] keeps scoring
//! on one side of that line.

/// Row counts below this are padded by callers that need a row's result to be independent of its
/// neighbours.
pub const MIN_ROWS: usize = 4;

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
#[expect(unsafe_code, reason = "the gemm crate takes raw pointers")]
pub fn multiply(
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
    let add = write == Write::Add;
    // SAFETY: the three asserts above bound every element the call reads or writes by its slice;
    // `destination` is a unique borrow, so it overlaps neither input.
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

/// Width of a linear layer: `weight` has shape `[output, input]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Linear {
    /// Columns of `x`.
    pub input: usize,
    /// Columns of `y`.
    pub output: usize,
}

impl Linear {
    /// `y (+)= x W^T` for `x` of shape `[rows, input]`.
    pub fn forward(self, rows: usize, write: Write, y: &mut [f32], x: &[f32], weight: &[f32]) {
        multiply(
            [rows, self.output, self.input],
            write,
            y,
            self.output,
            Matrix::rows(x, self.input),
            Matrix::rows(weight, self.input).transposed(),
        );
    }

    /// `dx (+)= dy W`.
    pub fn input_gradient(
        self,
        rows: usize,
        write: Write,
        dx: &mut [f32],
        dy: &[f32],
        weight: &[f32],
    ) {
        multiply(
            [rows, self.input, self.output],
            write,
            dx,
            self.input,
            Matrix::rows(dy, self.output),
            Matrix::rows(weight, self.input),
        );
    }

    /// `dW += dy^T x`.
    pub fn weight_gradient(self, rows: usize, dweight: &mut [f32], dy: &[f32], x: &[f32]) {
        multiply(
            [self.output, self.input, rows],
            Write::Add,
            dweight,
            self.input,
            Matrix::rows(dy, self.output).transposed(),
            Matrix::rows(x, self.input),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(n: usize, phase: f32) -> Vec<f32> {
        (0..n).map(|i| (i as f32 * 0.731 + phase).sin()).collect()
    }

    fn plain(m: usize, n: usize, k: usize, a: Matrix<'_>, b: Matrix<'_>) -> Vec<f64> {
        let mut c = vec![0.0; m * n];
        for i in 0..m {
            for j in 0..n {
                c[i * n + j] = (0..k)
                    .map(|t| {
                        f64::from(a.values[i * a.row_stride + t * a.column_stride])
                            * f64::from(b.values[t * b.row_stride + j * b.column_stride])
                    })
                    .sum();
            }
        }
        c
    }

    #[test]
    fn products_match_the_triple_loop_for_all_layouts() {
        for (m, n, k) in
            [(1, 1, 1), (1, 7, 5), (3, 1, 9), (17, 33, 65), (50, 128, 96), (2, 300, 600)]
        {
            for layout in 0..4 {
                let (a, b) = (noise(m * k, 0.1), noise(k * n, 0.9));
                let left = if layout & 1 == 0 {
                    Matrix::rows(&a, k)
                } else {
                    Matrix::rows(&a, m).transposed()
                };
                let right = if layout & 2 == 0 {
                    Matrix::rows(&b, n)
                } else {
                    Matrix::rows(&b, k).transposed()
                };
                let expected = plain(m, n, k, left, right);
                for write in [Write::Replace, Write::Add] {
                    let stride = n + 3;
                    let mut c = vec![0.5; m * stride];
                    multiply([m, n, k], write, &mut c, stride, left, right);
                    for i in 0..m {
                        for j in 0..stride {
                            let before = if write == Write::Add || j >= n { 0.5 } else { 0.0 };
                            let product = if j < n { expected[i * n + j] } else { 0.0 };
                            let error = f64::from(c[i * stride + j]) - product - before;
                            assert!(
                                error.abs() < 1e-6 * k as f64,
                                "{m} {n} {k} {layout} {write:?} {error}"
                            );
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn a_row_does_not_depend_on_the_rows_beside_it() {
        for (input, output) in [(128, 128), (128, 688), (344, 128), (384, 1536), (1536, 384)] {
            let layer = Linear { input, output };
            let (x, w) = (noise(200 * input, 0.2), noise(output * input, 0.4));
            let mut all = vec![0.0; 200 * output];
            layer.forward(200, Write::Replace, &mut all, &x, &w);
            for rows in [MIN_ROWS, 5, 16, 63, 64, 65, 131] {
                let mut some = vec![0.0; rows * output];
                layer.forward(rows, Write::Replace, &mut some, &x, &w);
                assert!(
                    some.iter().zip(&all).all(|(a, b)| a.to_bits() == b.to_bits()),
                    "{rows} rows of {input} -> {output}"
                );
            }
        }
    }

    #[test]
    #[should_panic(expected = "left matrix too short")]
    fn a_matrix_longer_than_its_slice_is_refused() {
        let mut c = [0.0; 4];
        multiply(
            [2, 2, 2],
            Write::Replace,
            &mut c,
            2,
            Matrix::rows(&[1.0; 3], 2),
            Matrix::rows(&[1.0; 4], 2),
        );
    }
}
