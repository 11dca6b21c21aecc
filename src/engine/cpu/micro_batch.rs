//! Cuts a batch into micro-batches, which bound the memory that activations take.

use std::ops::Range;

/// Cuts items into the fewest runs of at most `max_rows` rows (a larger item stands alone), and
/// makes the largest run as small as possible: a short last run would pay for packing weights that
/// it hardly uses. The cuts depend on the sizes alone.
#[must_use]
pub fn cut(sizes: impl Iterator<Item = usize>, max_rows: usize) -> Vec<Range<usize>> {
    let sizes: Vec<usize> = sizes.collect();
    let runs = fill(&sizes, max_rows);
    let total: usize = sizes.iter().sum();
    // Bisects for the smallest limit that needs no more runs.
    let (mut too_low, mut limit) = (total.div_ceil(runs.len().max(1)).saturating_sub(1), max_rows);
    while limit > too_low + 1 {
        let middle = too_low.midpoint(limit);
        if fill(&sizes, middle).len() <= runs.len() {
            limit = middle;
        } else {
            too_low = middle;
        }
    }
    fill(&sizes, limit)
}

/// Runs filled one after another.
fn fill(sizes: &[usize], max_rows: usize) -> Vec<Range<usize>> {
    let mut runs: Vec<Range<usize>> = Vec::new();
    let mut filled = 0;
    for (i, &size) in sizes.iter().enumerate() {
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
    }

    #[test]
    fn cuts_are_as_few_and_as_even_as_they_can_be() {
        assert_eq!(cut([5; 8].into_iter(), 35), [0..4, 4..8], "not seven and one");
        assert_eq!(cut([9, 1, 1, 9].into_iter(), 12), [0..2, 2..4]);
        assert_eq!(cut([4; 5].into_iter(), 100), std::slice::from_ref(&(0..5)));
        assert_eq!(cut(std::iter::empty(), 7), [] as [std::ops::Range<usize>; 0]);
        assert_eq!(cut([50].into_iter(), 0), std::slice::from_ref(&(0..1)));
    }

    #[test]
    fn sums_run() {
        assert_eq!(running_sums(&[3, 1, 2]), [0, 3, 4]);
    }
}
