//! Moving and adding rows of row-major matrices.

use super::simd::kernel;

kernel! {
    /// `y += x`.
    pub fn add(y: &mut [f32], x: &[f32]) {
        for (y, x) in y.iter_mut().zip(x) {
            *y += x;
        }
    }
}

kernel! {
    /// `total += part` and `part = 0` in one pass.
    pub fn drain(total: &mut [f32], part: &mut [f32]) {
        for (total, part) in total.iter_mut().zip(part.iter_mut()) {
            *total += *part;
            *part = 0.0;
        }
    }
}

kernel! {
    /// Adds the column sums of `x` (rows as wide as `sums`) to `sums`: the gradient of a bias.
    pub fn add_column_sums(x: &[f32], sums: &mut [f32]) {
        let width = sums.len();
        for row in x.chunks_exact(width) {
            for (sum, x) in sums.iter_mut().zip(row) {
                *sum += x;
            }
        }
    }
}

/// Fills every row of `y` with `bias`.
pub fn fill_rows(y: &mut [f32], bias: &[f32]) {
    for row in y.chunks_exact_mut(bias.len()) {
        row.copy_from_slice(bias);
    }
}

/// Copies the named rows of `from` next to each other.
pub fn gather_rows(from: &[f32], width: usize, rows: &[u32], to: &mut [f32]) {
    for (row, to) in rows.iter().zip(to.chunks_exact_mut(width)) {
        let start = *row as usize * width;
        to.copy_from_slice(&from[start..start + width]);
    }
}

/// Adds rows to the named rows of `to`, the transpose of [`gather_rows`].
pub fn scatter_rows(from: &[f32], width: usize, rows: &[u32], to: &mut [f32]) {
    for (row, from) in rows.iter().zip(from.chunks_exact(width)) {
        let start = *row as usize * width;
        for (to, from) in to[start..start + width].iter_mut().zip(from) {
            *to += from;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gathering_and_scattering_are_transposes() {
        let from = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        let mut some = [0.0; 6];
        gather_rows(&from, 2, &[2, 0, 2], &mut some);
        assert_eq!(some, [5.0, 6.0, 1.0, 2.0, 5.0, 6.0]);
        let mut to = [10.0; 6];
        scatter_rows(&some, 2, &[2, 0, 2], &mut to);
        assert_eq!(to, [11.0, 12.0, 10.0, 10.0, 20.0, 22.0]);
    }

    #[test]
    fn draining_leaves_zeros_and_columns_add_up() {
        let (mut total, mut part) = ([1.0, 2.0], [0.5, -2.0]);
        drain(&mut total, &mut part);
        assert_eq!((total, part), ([1.5, 0.0], [0.0, 0.0]));
        let mut sums = [1.0, 0.0];
        add_column_sums(&[1.0, 2.0, 3.0, 4.0], &mut sums);
        assert_eq!(sums, [5.0, 6.0]);
    }
}
