//! A low-rank update added to its matrix: `W + scale * B A` (Hu et al. 2021, "`LoRA`", section 4.1).

/// Adds `scale * B A` to a matrix `w` of `rows` rows; `A` is `[rank, columns]`, `B` `[rows, rank]`,
/// all row-major. The rank is `B`'s length over `rows`.
pub(super) fn add_low_rank(w: &mut [f32], rows: usize, [a, b]: [&[f32]; 2], scale: f32) {
    let (columns, rank) = (w.len() / rows, b.len() / rows);
    for (row, b) in w.chunks_exact_mut(columns).zip(b.chunks_exact(rank)) {
        for (b, a) in b.iter().zip(a.chunks_exact(columns)) {
            let factor = scale * b;
            for (w, a) in row.iter_mut().zip(a) {
                *w += factor * a;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_product_by_hand() {
        // B = [[1, 2], [0, -1], [3, 0]], A = [[1, 0], [2, 5]], scale 2.
        let mut w = [1.0, 1.0, 1.0, 1.0, 1.0, 1.0];
        add_low_rank(&mut w, 3, [&[1.0, 0.0, 2.0, 5.0], &[1.0, 2.0, 0.0, -1.0, 3.0, 0.0]], 2.0);
        assert_eq!(w, [11.0, 21.0, -3.0, -9.0, 7.0, 1.0]);
    }
}
