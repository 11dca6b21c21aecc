//! Leaves tokens out of a training text, so that a confident label still teaches (Xie et al. 2020,
//! "Noisy Student"; on words: Wei and Zou 2019).
//!
//! Which tokens go is a pure function of a key and of their place: a resumed run trains on the same
//! texts. A shared prefix loses the same tokens on both sides, so it stays shared.

use super::EncodedPair;
use crate::domain::random::Place;

/// Streams of places within one pair: prefix, side a, side b.
const SIDE_STRIDE: u64 = 1 << 24;

/// The pair without some of its tokens, each left out with `probability`.
///
/// The first and the last token of a side stay (a reward is read at one of them), and so does the
/// token before the second segment. `first` is the position in the stream of `place` from which this
/// pair draws; two pairs of a step must be [`POSITIONS_A_PAIR`] apart.
#[must_use]
pub fn drop_tokens(pair: &EncodedPair, probability: f32, place: Place, first: u64) -> EncodedPair {
    if probability <= 0.0 {
        return pair.clone();
    }
    let limit = f64::from(probability);
    let side = |tokens: &[u32], answer_start: usize, stream: u64| {
        let mut kept = Vec::with_capacity(tokens.len());
        let (mut start, mut n_shared) = (answer_start, 0);
        for (i, token) in tokens.iter().enumerate() {
            let is_prefix = i < pair.n_shared;
            let stream = if is_prefix { 0 } else { stream };
            let is_fixed = i == 0 || i + 1 == tokens.len() || i + 1 == answer_start;
            if is_fixed || place.unit(first + stream * SIDE_STRIDE + i as u64) >= limit {
                kept.push(*token);
                n_shared += usize::from(is_prefix);
            } else if i < answer_start {
                start -= 1;
            }
        }
        (kept, start, n_shared)
    };
    let (tokens_a, start_a, n_shared) = side(&pair.tokens_a, pair.answer_start[0], 1);
    let (tokens_b, start_b, _) = side(&pair.tokens_b, pair.answer_start[1], 2);
    EncodedPair { tokens_a, tokens_b, n_shared, answer_start: [start_a, start_b], ..*pair }
}

/// How many positions of a stream one pair takes.
pub const POSITIONS_A_PAIR: u64 = 3 * SIDE_STRIDE;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::random::Purpose;

    fn place() -> Place {
        Place::new(7, Purpose::TokenDropout).at(1, 2)
    }

    fn pair(n_shared: usize, answer_start: [usize; 2]) -> EncodedPair {
        let tokens_a: Vec<u32> = (0..40).collect();
        let mut tokens_b = tokens_a.clone();
        tokens_b[n_shared.max(1)..].iter_mut().for_each(|token| *token += 100);
        EncodedPair { tokens_a, tokens_b, n_shared, answer_start, ..EncodedPair::default() }
    }

    #[test]
    fn a_shared_prefix_stays_shared_and_the_ends_stay() {
        let before = pair(20, [0, 0]);
        let mut n_kept = 0;
        for step in 0..50 {
            let after = drop_tokens(&before, 0.3, place(), step * POSITIONS_A_PAIR);
            assert_eq!(after.tokens_a[..after.n_shared], after.tokens_b[..after.n_shared]);
            assert!(after.tokens_a[after.n_shared] >= 20 && after.tokens_b[after.n_shared] >= 120);
            assert_eq!((after.tokens_a[0], after.tokens_a.last()), (0, Some(&39)));
            assert_eq!(after.tokens_b.last(), Some(&139));
            assert!(after.tokens_a.is_sorted(), "the order stays");
            n_kept += after.tokens_a.len();
        }
        // 38 of 40 tokens may go: 2 + 38 * .7 = 28.6 stay.
        let mean = n_kept as f64 / 50.0;
        assert!((mean - 28.6).abs() < 1.5, "{mean}");
    }

    #[test]
    fn the_second_segment_begins_where_it_began() {
        let before = pair(0, [12, 15]);
        for step in 0..20 {
            let after = drop_tokens(&before, 0.5, place(), step * POSITIONS_A_PAIR);
            let [a, b] = after.answer_start;
            assert!(after.tokens_a[a - 1] == 11 && after.tokens_a[a] >= 12);
            assert!(after.tokens_b[b - 1] == 114 && after.tokens_b[b] >= 115);
        }
    }

    #[test]
    fn what_goes_depends_on_the_place_alone() {
        let before = pair(5, [0, 0]);
        let at = |place, first| drop_tokens(&before, 0.3, place, first);
        assert_eq!(at(place(), 0), at(place(), 0));
        assert_ne!(at(place(), 0), at(place(), POSITIONS_A_PAIR));
        assert_ne!(at(place(), 0), at(place().at(1, 3), 0));
        assert_eq!(drop_tokens(&before, 0.0, place(), 0), before);
    }
}
