//! Which two answers to a prompt become a pair.

use serde::{Deserialize, Serialize};

use crate::domain::random::Place;

/// The rule by which two of several answers are taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[derive(strum::EnumString, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum Pairing {
    /// The one with the highest reward and the one with the lowest.
    #[default]
    BestWorst,
    /// Any two.
    Random,
    /// The two whose rewards differ least.
    Uncertain,
}

impl Pairing {
    /// The name in specs and on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// The two answers that the rule takes among those pairs of answers that `is_apart` lets pass and that both
/// have a reward, the one with the smaller number first; `None` where there are no such two. Of equal ones
/// the first are taken; `place` keys the draws of [`Pairing::Random`].
pub fn choose(
    rewards: &[Option<f64>],
    rule: Pairing,
    place: Place,
    is_apart: impl Fn(usize, usize) -> bool,
) -> Option<(usize, usize)> {
    let mut best: Option<(f64, (usize, usize))> = None;
    let mut position = 0;
    for a in 0..rewards.len() {
        for b in a + 1..rewards.len() {
            position += 1;
            let (Some(of_a), Some(of_b)) = (rewards[a], rewards[b]) else { continue };
            if !is_apart(a, b) {
                continue;
            }
            let gap = (of_a - of_b).abs();
            let rank = match rule {
                Pairing::BestWorst => gap,
                Pairing::Random => place.unit(position),
                Pairing::Uncertain => -gap,
            };
            if best.is_none_or(|(most, _)| rank > most) {
                best = Some((rank, (a, b)));
            }
        }
    }
    best.map(|(_, two)| two)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::random::Purpose;

    #[test]
    fn each_rule_takes_its_two() {
        let rewards = [Some(1.0), Some(4.0), Some(3.5), None, Some(-2.0)];
        let place = Place::new(1, Purpose::Pairing);
        let all = |_, _| true;
        assert_eq!(choose(&rewards, Pairing::BestWorst, place, all), Some((1, 4)));
        assert_eq!(choose(&rewards, Pairing::Uncertain, place, all), Some((1, 2)));
        // The best and the worst say the same.
        let apart = |a, b| (a, b) != (1, 4);
        assert_eq!(choose(&rewards, Pairing::BestWorst, place, apart), Some((2, 4)));
        assert_eq!(choose(&rewards, Pairing::Random, place, |_, _| false), None);
        assert_eq!(choose(&rewards[3..], Pairing::BestWorst, place, all), None);
    }

    #[test]
    fn any_two_are_any_two() {
        let rewards = [Some(0.0); 3];
        let mut counts = std::collections::BTreeMap::new();
        for prompt in 0..600 {
            let place = Place::new(1, Purpose::Pairing).at(prompt, 0);
            *counts.entry(choose(&rewards, Pairing::Random, place, |_, _| true)).or_insert(0) += 1;
        }
        assert_eq!(counts.len(), 3);
        assert!(counts.values().all(|n| (150..250).contains(n)), "{counts:?}");
    }
}
