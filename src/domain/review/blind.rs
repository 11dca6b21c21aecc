//! Judging a pair without knowing what the model says of it: which answer stands on the left, and
//! what a person can say.

use crate::domain::preference::{PairId, Side};
use crate::domain::random::{Place, Purpose, text_hash};
use crate::domain::run::RunId;

/// What a person says of a pair by where its answers stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Choice {
    /// The answer on the left is the better one.
    Left,
    /// The answer on the right is the better one.
    Right,
    /// Neither is better, or both are bad.
    Neither,
    /// Nothing should be learned from the pair.
    Never,
}

impl Choice {
    /// The better answer, with this one on the left; `None` where the person named none.
    #[must_use]
    pub fn side(self, left: Side) -> Option<Side> {
        match self {
            Self::Left => Some(left),
            Self::Right => Some(left.other()),
            Self::Neither | Self::Never => None,
        }
    }
}

/// The answer that stands on the left in a review queue. It is a function of run, reviewer and pair,
/// so that a place says nothing about an answer, a pair looks the same when a person comes back to
/// it, and two reviewers see half of the pairs the other way round.
#[must_use]
pub fn left_side(run: &RunId, reviewer: &str, pair: PairId) -> Side {
    let seed = text_hash(&format!("{run}/{reviewer}"));
    let is_a = Place::new(seed, Purpose::Sides).bits(u64::from(pair.0)) & 1 == 0;
    if is_a { Side::A } else { Side::B }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::preference::chosen_side;

    #[test]
    fn the_left_says_nothing_about_an_answer() {
        let run = RunId::from_bits(3);
        let n = 20_000_u32;
        let share = |is: &dyn Fn(PairId) -> bool| {
            f64::from((0..n).filter(|pair| is(PairId(*pair))).count() as u32) / f64::from(n)
        };
        // Five standard errors of a share of 20,000 are .018.
        let is_half = |share: f64| assert!((share - 0.5).abs() < 0.018, "{share}");
        is_half(share(&|pair| left_side(&run, "anna", pair) == Side::A));
        // Nor about the better answer, which is shuffled by the run's random seed.
        for rng_seed in 0..5 {
            is_half(share(&|pair| left_side(&run, "anna", pair) == chosen_side(rng_seed, pair)));
        }
        // Two reviewers, and two runs, are independent of each other.
        is_half(share(&|pair| left_side(&run, "anna", pair) == left_side(&run, "bob", pair)));
        let other = RunId::from_bits(4);
        is_half(share(&|pair| left_side(&run, "anna", pair) == left_side(&other, "anna", pair)));
        let again = left_side(&run, "anna", PairId(7));
        assert!((0..9).all(|_| left_side(&run, "anna", PairId(7)) == again));
    }

    #[test]
    fn a_place_means_the_answer_that_stands_there() {
        for (choice, left, side) in [
            (Choice::Left, Side::A, Some(Side::A)),
            (Choice::Left, Side::B, Some(Side::B)),
            (Choice::Right, Side::A, Some(Side::B)),
            (Choice::Right, Side::B, Some(Side::A)),
            (Choice::Neither, Side::A, None),
            (Choice::Never, Side::B, None),
        ] {
            assert_eq!(choice.side(left), side, "{choice:?} {left:?}");
        }
    }
}
