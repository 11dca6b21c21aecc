//! Several comparisons at once: the more one asks, the more often chance answers.

/// Holm's step-down adjustment (Holm 1979): a comparison with an adjusted p below 0.05 holds with
/// at most 5 % chance that any of them is false. Values that do not exist stay out of the count.
/// In the order given.
#[must_use]
pub fn holm(p_values: &[Option<f64>]) -> Vec<Option<f64>> {
    let mut order: Vec<(f64, usize)> =
        p_values.iter().enumerate().filter_map(|(i, p)| Some(((*p)?, i))).collect();
    order.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    let n = order.len();
    let mut adjusted = vec![None; p_values.len()];
    let mut largest = 0.0_f64;
    for (rank, (p, index)) in order.into_iter().enumerate() {
        // A larger p never becomes smaller than a smaller one.
        largest = largest.max((n - rank) as f64 * p).min(1.0);
        adjusted[index] = Some(largest);
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holm_by_hand() {
        // Sorted: .01 x 4, .02 x 3, .03 x 2 (raised to .06), .04 x 1 (raised to .06).
        let found = holm(&[Some(0.04), Some(0.01), None, Some(0.03), Some(0.02)]);
        let want = [Some(0.06), Some(0.04), None, Some(0.06), Some(0.06)];
        for (found, want) in found.iter().zip(want) {
            assert_eq!(found.is_some(), want.is_some());
            assert!(found.zip(want).is_none_or(|(a, b)| (a - b).abs() < 1e-12), "{found:?}");
        }
        assert_eq!(holm(&[Some(0.8), Some(0.9)]), [Some(1.0), Some(1.0)]);
        assert!(holm(&[]).is_empty());
    }
}
