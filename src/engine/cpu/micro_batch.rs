//! Cuts a batch into micro-batches, which bound the memory that activations take.

use std::ops::Range;

/// Packed rows of a micro-batch unless a setting says otherwise: measured, see `tests/speed.rs`.
pub const DEFAULT_ROWS: usize = 1536;

/// Cuts items into runs of at most `max_rows` rows in all, unless one item alone is larger. The
/// cuts depend on the sizes alone.
#[must_use]
pub fn cut(sizes: impl Iterator<Item = usize>, max_rows: usize) -> Vec<Range<usize>> {
    let mut runs: Vec<Range<usize>> = Vec::new();
    let mut filled = 0;
    for (i, size) in sizes.enumerate() {
        match runs.last_mut() {
            Some(last) if filled + size <= max_rows => {
                last.end = i + 1;
                filled += size;
            }
            _ => {
                runs.push(i..i + 1);
                filled = size;
            }
        }
    }
    runs
}

/// The sum of everything before each item.
#[must_use]
pub fn running_sums(sizes: &[usize]) -> Vec<u32> {
    let mut sum = 0;
    sizes
        .iter()
        .map(|size| {
            let before = sum;
            sum += *size as u32;
            before
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_respect_the_limit_but_leave_no_item_out() {
        let cut = cut([3, 3, 3, 9, 1, 1, 1, 1].into_iter(), 7);
        assert_eq!(cut, [0..2, 2..3, 3..4, 4..8]);
        assert_eq!(running_sums(&[3, 1, 2]), [0, 3, 4]);
    }
}
