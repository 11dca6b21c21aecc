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

#[cfg(test)]
mod tests {
    use super::*;

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
