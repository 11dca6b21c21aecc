//! When self-training must not begin, and when it must end: each guard is a test with a level.
//!
//! What decides is always held-out human pairs, never test pairs.

use std::collections::BTreeMap;

use crate::domain::stats::special::{binomial_cdf, student_t_two_sided};

/// Probability of at least `n_correct` of `n` by tossing a coin: the one-sided exact test that a model
/// ranks better than chance. 1 for no pairs.
///
/// By the symmetry of a fair coin, at least `n_correct` successes are as likely as at most `n -
/// n_correct`. The second form keeps its digits where one minus a sum near 1 would lose them.
#[must_use]
pub fn chance_p_value(n_correct: u64, n: u64) -> f64 {
    match n {
        0 => 1.0,
        n => binomial_cdf(n.saturating_sub(n_correct), n, 0.5),
    }
}

/// Up to this many terms, which bounds its time, the distribution of [`drop_p_value`] is computed
/// exactly; beyond, a normal approximation is as good.
const EXACT_TERMS: usize = 20_000_000;

/// One-sided test that the later model ranks the same pairs worse: the probability that it wins so
/// little over the earlier one, if each group's net change had had either sign with equal chance. 1
/// when they never differ.
///
/// Pairs of one group (a prompt, a topic) get better or worse together, so groups are counted and
/// not pairs: two topics cannot show a drop, however many pairs they have. Where every pair is a
/// group of its own, this is McNemar's exact test.
#[must_use]
pub fn drop_p_value(before: &[f64], after: &[f64], groups: &[u64]) -> f64 {
    let mut net: BTreeMap<u64, i64> = BTreeMap::new();
    for ((before, after), group) in before.iter().zip(after).zip(groups) {
        *net.entry(*group).or_default() += i64::from(*after > 0.0) - i64::from(*before > 0.0);
    }
    let observed: i64 = net.values().sum();
    let changes: Vec<usize> = net
        .values()
        .map(|change| change.unsigned_abs() as usize)
        .filter(|size| *size > 0)
        .collect();
    let most: usize = changes.iter().sum();
    if changes.is_empty() {
        return 1.0;
    }
    if changes.len() * (2 * most + 1) > EXACT_TERMS {
        let variance: f64 = changes.iter().map(|size| (*size as f64).powi(2)).sum();
        // A continuity correction of half a step (the sums move in steps of 2). Student's t with so
        // many degrees of freedom is the normal distribution.
        let z = (observed as f64 + 1.0) / variance.sqrt();
        let tail = 0.5 * student_t_two_sided(z, 1e7);
        return if z < 0.0 { tail } else { 1.0 - tail };
    }
    // Probabilities of the sums `-most ..= most` of the signed changes so far.
    let mut sums = vec![0.0; 2 * most + 1];
    sums[most] = 1.0;
    let mut reach = 0;
    for size in changes {
        let mut next = vec![0.0; sums.len()];
        for place in most - reach..=most + reach {
            next[place - size] += 0.5 * sums[place];
            next[place + size] += 0.5 * sums[place];
        }
        reach += size;
        sums = next;
    }
    let n_at_most = (most as i64 + observed + 1) as usize;
    sums[..n_at_most].iter().sum::<f64>().min(1.0)
}

/// Of labels given as `(preferred, other)` lengths, the larger of the shares that prefer the longer
/// and the shorter answer; equal lengths do not count. `None` where no lengths differ.
#[must_use]
pub fn one_sided_share(lengths: impl IntoIterator<Item = (u32, u32)>) -> Option<f64> {
    let share = longer_share(lengths)?;
    Some(share.max(1.0 - share))
}

/// Share of labels that prefer the longer answer; equal lengths do not count.
#[must_use]
pub fn longer_share(lengths: impl IntoIterator<Item = (u32, u32)>) -> Option<f64> {
    let (mut n, mut n_longer) = (0_u64, 0_u64);
    for (preferred, other) in lengths {
        n += u64::from(preferred != other);
        n_longer += u64::from(preferred > other);
    }
    (n > 0).then(|| n_longer as f64 / n as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn better_than_a_coin_is_a_binomial_tail() {
        // P(X >= 9 of 10) = 11 / 1024
        assert!((chance_p_value(9, 10) - 11.0 / 1024.0).abs() < 1e-12);
        assert!((chance_p_value(0, 10) - 1.0).abs() < 1e-12);
        assert!((chance_p_value(72, 72) / 0.5_f64.powi(72) - 1.0).abs() < 1e-9, "no cancellation");
        assert_eq!(chance_p_value(0, 0), 1.0);
        // 60 of 100: .0284, 55 of 100: .1841.
        assert!((chance_p_value(60, 100) - 0.028_444).abs() < 1e-6);
        assert!(chance_p_value(55, 100) > 0.18);
    }

    #[test]
    fn a_drop_is_judged_on_the_pairs_that_changed() {
        let before = [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, -1.0, 1.0];
        let apart = [0, 1, 2, 3, 4, 5, 6, 7];
        // Five lost, none won: (1/2)^5.
        let after = [-1.0, -1.0, -1.0, -1.0, -1.0, 1.0, -1.0, 1.0];
        assert!((drop_p_value(&before, &after, &apart) - 1.0 / 32.0).abs() < 1e-12);
        // Five lost, one won: (1 + 6) / 64.
        let after = [-1.0, -1.0, -1.0, -1.0, -1.0, 1.0, 1.0, 1.0];
        assert!((drop_p_value(&before, &after, &apart) - 7.0 / 64.0).abs() < 1e-12);
        assert_eq!(drop_p_value(&before, &before, &apart), 1.0);
        assert!(drop_p_value(&after, &before, &apart) > 0.95, "a gain is no drop");
    }

    #[test]
    fn pairs_of_a_group_are_one_voice() {
        let (before, after) = ([1.0; 40], [-1.0; 40]);
        // All of 40 pairs lost, in two groups: both go down by chance in one of four cases.
        let two: Vec<u64> = (0..40).map(|i| i % 2).collect();
        assert!((drop_p_value(&before, &after, &two) - 0.25).abs() < 1e-12);
        // Changes of -3, -2 and +1: at most -4 are (-3, -2, +1) and (-3, -2, -1), 2 of 8.
        let before = [1.0, 1.0, 1.0, 1.0, 1.0, -1.0];
        let after = before.map(|margin| -margin);
        assert!((drop_p_value(&before, &after, &[0, 0, 0, 1, 1, 2]) - 0.25).abs() < 1e-12);
    }

    #[test]
    fn a_long_list_of_groups_has_the_same_answer_in_a_moment() {
        let n = 8_000;
        let before = vec![1.0; n];
        let signs = |lost: usize| -> (Vec<f64>, Vec<f64>) {
            let before = (0..n).map(|i| if i < lost { 1.0 } else { -1.0 }).collect::<Vec<f64>>();
            let after = before.iter().map(|margin| -margin).collect();
            (before, after)
        };
        let groups: Vec<u64> = (0..n as u64).collect();
        let (before_4100, after) = signs(4_100);
        let p = drop_p_value(&before_4100, &after, &groups);
        let exact = binomial_cdf(n as u64 - 4_100, n as u64, 0.5);
        assert!((p / exact - 1.0).abs() < 0.02, "{p} {exact}");
        assert_eq!(drop_p_value(&before, &before, &groups), 1.0);
    }

    #[test]
    fn sides_are_counted_where_lengths_differ() {
        let lengths = [(5, 3), (5, 3), (7, 2), (1, 4), (3, 3)];
        assert_eq!(longer_share(lengths), Some(0.75));
        assert_eq!(one_sided_share(lengths.map(|(a, b)| (b, a))), Some(0.75));
        assert_eq!(longer_share([(3, 3)]), None);
    }
}
