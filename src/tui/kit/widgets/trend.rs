//! A chart in one table cell: one block a round, `·` for rounds to come.

/// The range that all trends of a table share, so that rows can be compared.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TrendScale {
    low: f64,
    high: f64,
}

impl TrendScale {
    /// The range of all values; `None` when there is none.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let finite = values.into_iter().filter(|value| value.is_finite());
        finite.fold(None, |scale: Option<Self>, value| {
            let (low, high) = scale.map_or((value, value), |s| (s.low, s.high));
            Some(Self { low: low.min(value), high: high.max(value) })
        })
    }
}

/// The last `columns` of `n_total` rounds.
pub fn trend(
    values: &[Option<f64>],
    n_total: usize,
    columns: usize,
    scale: Option<TrendScale>,
) -> String {
    const LEVELS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    // With more rounds than columns the latest ones are shown.
    let first = if n_total > columns { values.len().saturating_sub(columns) } else { 0 };
    (0..columns)
        .map(|column| {
            let round = first + column;
            match (values.get(round).copied().flatten(), scale) {
                (Some(value), Some(TrendScale { low, high })) if value.is_finite() => {
                    let share = if high > low { (value - low) / (high - low) } else { 0.5 };
                    LEVELS[((share * 8.0) as usize).min(7)]
                }
                _ if round < n_total => '·',
                _ => ' ',
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_to_come_are_dots() {
        let values = [Some(0.5), Some(0.6), None, Some(0.7)];
        let scale = TrendScale::of(values.into_iter().flatten());
        assert_eq!(trend(&values, 6, 8, scale), "▁▅·█··  ");
        assert_eq!(trend(&values, 40, 2, scale), "·█");
        assert_eq!(trend(&[], 2, 3, None), "·· ");
        assert_eq!(trend(&[Some(0.5)], 1, 1, TrendScale::of([0.5])), "▅");
    }
}
