//! A progress bar as text.

/// `▕████▊   ▏` in `columns` columns (at least three).
pub fn gauge(share: f64, columns: usize) -> String {
    const EIGHTHS: [char; 8] = [' ', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];
    let inner = columns.saturating_sub(2).max(1);
    let share = if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 };
    let n_eighths = (share * inner as f64 * 8.0).floor() as usize;
    let mut out = String::from('▕');
    out.extend(std::iter::repeat_n('█', n_eighths / 8));
    if n_eighths / 8 < inner {
        out.push(EIGHTHS[n_eighths % 8]);
        out.extend(std::iter::repeat_n(' ', inner - n_eighths / 8 - 1));
    }
    out.push('▏');
    out
}

/// The bar of [`gauge`] with a mark in the part to come wherever something ends, at shares of the
/// whole.
pub fn marked_gauge(share: f64, marks: &[f64], columns: usize) -> String {
    let mut cells: Vec<char> = gauge(share, columns).chars().collect();
    let inner = cells.len().saturating_sub(2);
    for mark in marks {
        let at = 1 + ((mark.clamp(0.0, 1.0) * inner as f64) as usize).min(inner.saturating_sub(1));
        if let Some(cell) = cells.get_mut(at).filter(|cell| **cell == ' ') {
            *cell = '│';
        }
    }
    cells.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_stand_in_the_part_to_come() {
        assert_eq!(marked_gauge(0.5, &[0.2, 0.75], 10), "▕████  │ ▏");
        assert_eq!(marked_gauge(0.0, &[1.0, f64::NAN], 6).chars().count(), 6);
        assert_eq!(marked_gauge(1.0, &[0.5], 6), "▕████▏");
    }

    #[test]
    fn always_as_wide_as_asked() {
        assert_eq!(gauge(0.0, 6), "▕    ▏");
        assert_eq!(gauge(1.0, 6), "▕████▏");
        assert_eq!(gauge(0.61, 6), "▕██▍ ▏");
        for share in [-1.0, 0.3, 0.999, 2.0, f64::NAN] {
            assert_eq!(gauge(share, 20).chars().count(), 20);
        }
    }
}
