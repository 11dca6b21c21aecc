//! Moving and adding rows of row-major matrices.

use super::product::partial::summed;
use super::profile::{self, Kernel};
use super::split::cut;
use super::team::Team;
use super::vector::simd::kernel;
use super::{Weight, rows_per_task};

/// Values that one task of a sum works on. Changing it changes the order of column sums and so the
/// last bits of a run.
const CHUNK: usize = 1 << 14;

/// Columns that one task of [`scatter_rows`] adds up.
const COLUMNS: usize = 64;

/// `y += x`, value by value of two slices of one length.
pub fn add(team: &Team, y: &mut [f32], x: &[f32]) {
    let _span = profile::span(Kernel::Rows, 0);
    team.each_chunk(y, CHUNK, |task, y| add_values(y, &x[task * CHUNK..][..y.len()]));
}

kernel! {
    fn add_values(y: &mut [f32], x: &[f32]) {
        for (y, x) in y.iter_mut().zip(x) {
            *y += x;
        }
    }
}

/// Adds the column sums of `x`, `[rows, width]`, to `sums`, `[width]`: the gradient of a bias.
pub fn add_column_sums(team: &Team, x: &[f32], sums: &mut [f32]) {
    let _span = profile::span(Kernel::Rows, 0);
    let chunk = rows_per_task(sums.len()) * sums.len();
    let n_tasks = x.len().div_ceil(chunk.max(1));
    summed(&mut [sums], n_tasks, |sums| {
        team.each_part(sums, |task, sums| {
            add_rows(&x[task * chunk..x.len().min((task + 1) * chunk)], sums);
        });
    });
}

kernel! {
    fn add_rows(x: &[f32], sums: &mut [f32]) {
        for row in x.chunks_exact(sums.len()) {
            for (sum, x) in sums.iter_mut().zip(row) {
                *sum += x;
            }
        }
    }
}

/// Adds `bias`, `[width]`, to every row of `y`, `[rows, width]`.
pub fn add_to_rows(team: &Team, y: &mut [f32], bias: &[f32]) {
    let _span = profile::span(Kernel::Rows, 0);
    let width = bias.len();
    team.each_chunk(y, rows_per_task(width) * width, |_, y| {
        for row in y.chunks_exact_mut(width) {
            add_values(row, bias);
        }
    });
}

/// Copies the named rows of `from`, `[all rows, width]`, next to each other, widened to `f32`: `to` is
/// `[rows.len(), width]`.
pub fn gather_rows(team: &Team, from: Weight<'_>, width: usize, rows: &[u32], to: &mut [f32]) {
    let _span = profile::span(Kernel::Rows, 0);
    let n_rows = rows_per_task(width);
    team.each_chunk(to, n_rows * width, |task, to| {
        for (row, to) in rows[task * n_rows..].iter().zip(to.chunks_exact_mut(width)) {
            let of = *row as usize * width..(*row as usize + 1) * width;
            match from {
                Weight::F32(from) => to.copy_from_slice(&from[of]),
                Weight::Bf16(from) => {
                    for (to, from) in to.iter_mut().zip(&from[of]) {
                        *to = from.to_f32();
                    }
                }
            }
        }
    });
}

/// Adds the rows of `from`, `[rows.len(), width]`, to the named rows of `to`, `[all rows, width]`: the
/// transpose of [`gather_rows`]. A row that is named twice gets its sums in the order of the names.
///
/// # Panics
/// When a row does not exist.
#[expect(unsafe_code, reason = "tasks add to columns of shared rows")]
pub fn scatter_rows(team: &Team, from: &[f32], width: usize, rows: &[u32], to: &mut [f32]) {
    let _span = profile::span(Kernel::Rows, 0);
    assert!(from.len() >= rows.len() * width, "too few rows");
    assert!(rows.iter().all(|row| (*row as usize + 1) * width <= to.len()), "no such row");
    // Only where the slice starts is used: a task adds to some columns of all rows.
    let to = cut(to, 1);
    team.each(width.div_ceil(COLUMNS), |task| {
        let columns = task * COLUMNS..width.min((task + 1) * COLUMNS);
        for (row, from) in rows.iter().zip(from.chunks_exact(width)) {
            let start = *row as usize * width + columns.start;
            // SAFETY: `(row + 1) * width <= to.len()` was asserted and `columns` ends at or below
            // `width`, so the values lie inside `to`; no other task has these columns.
            let to =
                unsafe { std::slice::from_raw_parts_mut(to.start().add(start), columns.len()) };
            add_values(to, &from[columns.clone()]);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use half::bf16;

    #[test]
    fn gathering_and_scattering_are_transposes() {
        let team = Team::new(2).unwrap();
        let from = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        let mut some = [0.0; 6];
        gather_rows(&team, Weight::F32(&from), 2, &[2, 0, 2], &mut some);
        assert_eq!(some, [5.0, 6.0, 1.0, 2.0, 5.0, 6.0]);
        let halves = from.map(bf16::from_f32);
        let mut again = [0.0; 6];
        gather_rows(&team, Weight::Bf16(&halves), 2, &[2, 0, 2], &mut again);
        assert_eq!(again, some);
        let mut to = [10.0; 6];
        scatter_rows(&team, &some, 2, &[2, 0, 2], &mut to);
        assert_eq!(to, [11.0, 12.0, 10.0, 10.0, 20.0, 22.0]);
    }

    #[test]
    fn scattering_adds_every_column_of_repeated_rows_in_order() {
        let (width, rows) = (150, [3, 1, 3, 0, 3]);
        let from: Vec<f32> = (0..width * 5).map(|i| (i as f32).sin()).collect();
        let mut expected = vec![0.25; 4 * width];
        for (row, from) in rows.iter().zip(from.chunks(width)) {
            let to = &mut expected[*row as usize * width..][..width];
            to.iter_mut().zip(from).for_each(|(to, from)| *to += from);
        }
        for n_threads in [1, 3] {
            let mut to = vec![0.25; 4 * width];
            scatter_rows(&Team::new(n_threads).unwrap(), &from, width, &rows, &mut to);
            assert_eq!(to, expected);
        }
    }

    #[test]
    fn sums_and_copies_over_rows() {
        let team = Team::new(2).unwrap();
        let mut sums = [1.0, 0.0];
        add_column_sums(&team, &[1.0, 2.0, 3.0, 4.0], &mut sums);
        assert_eq!(sums, [5.0, 6.0]);
        let mut y = [0.0; 4];
        add_to_rows(&team, &mut y, &sums);
        add(&team, &mut y, &[0.0, 1.0, 2.0, 3.0]);
        assert_eq!(y, [5.0, 7.0, 7.0, 9.0]);
    }
}
