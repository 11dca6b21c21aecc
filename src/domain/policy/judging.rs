//! A person as judge: two answers to a held-out prompt beside each other, and nothing that says whose
//! they are.

use super::win::Game;
use crate::domain::preference::PairId;
use crate::domain::random::{Place, Purpose, text_hash};
use crate::domain::run::RunId;

/// Whose answers are judged: those of a policy run against those of its reference, or of another policy.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Matchup {
    /// Steps behind the policy's answers.
    pub step: u32,
    /// The other policy run; `None` is the run's own reference.
    pub other: Option<RunId>,
    /// Steps behind the other's answers; 0 for the reference.
    pub other_step: u32,
}

/// What a person said of a game, as the policy sees it.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    strum::EnumString,
    strum::IntoStaticStr,
    strum::VariantArray,
)]
#[strum(serialize_all = "snake_case")]
pub enum Said {
    Win,
    Tie,
    Loss,
    /// Nothing: the game does not count, and is not shown again.
    Skip,
}

impl Said {
    /// The name in the database and in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// How the game counts, where it does.
    #[must_use]
    pub fn game(self) -> Option<Game> {
        match self {
            Self::Win => Some(Game::Win),
            Self::Tie => Some(Game::Tie),
            Self::Loss => Some(Game::Loss),
            Self::Skip => None,
        }
    }
}

/// What a person says by where the answers stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ByPlace {
    Left,
    Right,
    Tie,
    Skip,
}

impl ByPlace {
    /// What that means for the policy, whose answer stands on the left or on the right.
    #[must_use]
    pub fn said(self, is_left: bool) -> Said {
        match self {
            Self::Left if is_left => Said::Win,
            Self::Right if !is_left => Said::Win,
            Self::Left | Self::Right => Said::Loss,
            Self::Tie => Said::Tie,
            Self::Skip => Said::Skip,
        }
    }
}

/// The stream of a person's sides and order in a matchup.
fn place(run: &RunId, matchup: &Matchup, reviewer: &str) -> Place {
    let other = matchup.other.as_ref().map_or("reference", RunId::as_str);
    let Matchup { step, other_step, .. } = matchup;
    let words = format!("{run}/{step}/{other}/{other_step}/{reviewer}");
    Place::new(text_hash(&words), Purpose::Sides)
}

/// Whether the policy's answer stands on the left. It is a function of its arguments alone, so that a
/// place says nothing about an answer and a game looks the same after an undo.
#[must_use]
pub fn is_left(run: &RunId, matchup: &Matchup, reviewer: &str, pair: PairId) -> bool {
    place(run, matchup, reviewer).bits(u64::from(pair.0)) & 1 == 0
}

/// Where a game comes in the order in which this person sees them: a random one, so that whoever stops
/// early has judged a random sample.
#[must_use]
pub fn order_key(run: &RunId, matchup: &Matchup, reviewer: &str, pair: PairId) -> u64 {
    place(run, matchup, reviewer).at(1, 0).bits(u64::from(pair.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_means_the_policy_that_stands_there() {
        for (by_place, left, right) in [
            (ByPlace::Left, Said::Win, Said::Loss),
            (ByPlace::Right, Said::Loss, Said::Win),
            (ByPlace::Tie, Said::Tie, Said::Tie),
            (ByPlace::Skip, Said::Skip, Said::Skip),
        ] {
            assert_eq!([by_place.said(true), by_place.said(false)], [left, right], "{by_place:?}");
        }
        assert_eq!(Said::Skip.game(), None);
        assert_eq!("loss".parse(), Ok(Said::Loss));
    }

    #[test]
    fn sides_and_order_say_nothing_and_stay() {
        let run = RunId::from_bits(3);
        let reference = Matchup { step: 20, other: None, other_step: 0 };
        let other =
            Matchup { other: Some(RunId::from_bits(4)), other_step: 20, ..reference.clone() };
        let n = 20_000_u32;
        let share = |is: &dyn Fn(PairId) -> bool| {
            f64::from((0..n).filter(|pair| is(PairId(*pair))).count() as u32) / f64::from(n)
        };
        // Five standard errors of a share of 20,000 are .018.
        let is_half = |share: f64| assert!((share - 0.5).abs() < 0.018, "{share}");
        let side = |matchup, reviewer, pair| is_left(&run, matchup, reviewer, pair);
        is_half(share(&|pair| side(&reference, "anna", pair)));
        is_half(share(&|pair| side(&reference, "anna", pair) == side(&reference, "bob", pair)));
        is_half(share(&|pair| side(&reference, "anna", pair) == side(&other, "anna", pair)));
        let key = |pair| order_key(&run, &reference, "anna", PairId(pair));
        is_half(share(&|pair| (key(pair.0) & 1 == 0) == side(&reference, "anna", pair)));
        let mut order: Vec<u32> = (0..64).collect();
        order.sort_by_key(|pair| key(*pair));
        assert!(order.windows(2).any(|two| two[0] > two[1]));
        assert_eq!(key(7), key(7));
    }
}
