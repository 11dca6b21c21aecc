//! The win rate at equal length: longer answers win more often, whatever they say, with most judges.
//!
//! This is a simplification of AlpacaEval 2's length-controlled win rate (Dubois et al. 2024). There a
//! logistic model of each game has three terms: the policy, the length difference, and how hard the
//! prompt is; the last is fitted over many policies at once. Here the prompt's term is left out, since
//! two policies alone do not show it, so the rate differs from the one that AlpacaEval prints.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Comparison, Game, Share};
use crate::domain::random::{Place, Purpose};
use crate::domain::stats::Interval;
use crate::domain::stats::bradley_terry::sigmoid;
use crate::domain::stats::logistic::fit;
use crate::domain::stats::paired::{N_RESAMPLES, quantile};

/// Keeps the weights finite where a resample has no game lost; it moves a rate of 100 games by less than
/// a hundredth of their interval.
const RIDGE: f64 = 0.05;

/// What the games say once length is taken out.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LengthControlled {
    /// The win rate that the model gives to games of equal length, ties as halves; the interval is a
    /// bootstrap over prompts.
    pub rate: Share,
    /// Log-odds of winning for an answer that is longer by far (the length term's weight; 0 where all
    /// games are of equal length).
    pub length_weight: f64,
    /// Mean length of the own answer less that of the other, in tokens.
    pub length_difference: f64,
}

/// The rows of a game for the fit, each one a game won: `copies` of them for a win or, turned around, for a
/// loss; one of each for a tie. The columns are the policy's own and the length difference,
/// `tanh(difference / standard deviation)` as in AlpacaEval 2.
fn rows(game: &Comparison, deviation: f64, copies: usize) -> Vec<[f64; 2]> {
    let length = if deviation > 0.0 { (game.length_difference / deviation).tanh() } else { 0.0 };
    let row = |sign: f64| [sign, sign * length];
    match game.game {
        Game::Win => vec![row(1.0); copies],
        Game::Tie => vec![row(1.0), row(-1.0)],
        Game::Loss => vec![row(-1.0); copies],
    }
}

/// The length-controlled win rate; `None` where one side won every game, since then any large weight
/// explains them. The bootstrap draws prompts with all their games, by the numbers of place `(rng_seed,
/// Purpose::Bootstrap)`.
#[must_use]
pub fn length_controlled(games: &[Comparison], rng_seed: u64) -> Option<LengthControlled> {
    let is_any_not = |game: Game| games.iter().any(|it| it.game != game);
    if !is_any_not(Game::Win) || !is_any_not(Game::Loss) {
        return None;
    }
    let n = games.len() as f64;
    let mean = games.iter().map(|it| it.length_difference).sum::<f64>() / n;
    let square = games.iter().map(|it| (it.length_difference - mean).powi(2)).sum::<f64>();
    let deviation = (square / n).sqrt();
    // A tie is half a game won and half a game lost, so beside ties the others count twice.
    let copies = if games.iter().any(|it| it.game == Game::Tie) { 2 } else { 1 };
    let mut prompts: BTreeMap<u64, Vec<[f64; 2]>> = BTreeMap::new();
    for game in games {
        prompts.entry(game.prompt).or_default().extend(rows(game, deviation, copies));
    }
    let prompts: Vec<Vec<[f64; 2]>> = prompts.into_values().collect();
    let free = [true, deviation > 0.0];
    let [policy, length_weight] = fit(&prompts.concat(), RIDGE, free);
    let place = Place::new(rng_seed, Purpose::Bootstrap).at(2, 0);
    let mut drawn = Vec::with_capacity(games.len() * 2);
    let mut rates: Vec<f64> = Vec::with_capacity(N_RESAMPLES as usize);
    for resample in 0..u64::from(N_RESAMPLES) {
        drawn.clear();
        for draw in 0..prompts.len() as u64 {
            let position = resample * prompts.len() as u64 + draw;
            drawn.extend_from_slice(&prompts[place.below(position, prompts.len())]);
        }
        rates.push(sigmoid(fit(&drawn, RIDGE, free)[0]));
    }
    rates.sort_unstable_by(f64::total_cmp);
    let interval = Interval { low: quantile(&rates, 0.025), high: quantile(&rates, 0.975) };
    Some(LengthControlled {
        rate: Share { share: sigmoid(policy), interval },
        length_weight,
        length_difference: mean,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn game(prompt: u64, game: Game, length_difference: f64) -> Comparison {
        Comparison { prompt, game, length_difference }
    }

    /// Games whose log-odds are `policy + weight tanh(difference / deviation)`, in as many copies as
    /// their probabilities say.
    fn made(policy: f64, weight: f64) -> Vec<Comparison> {
        let mut games = Vec::new();
        let differences = [-20.0, -5.0, 5.0, 20.0, 40.0];
        let mean = differences.iter().sum::<f64>() / 5.0;
        let deviation =
            (differences.iter().map(|it| (it - mean).powi(2)).sum::<f64>() / 5.0).sqrt();
        for difference in differences {
            let p = sigmoid(policy + weight * f64::tanh(difference / deviation));
            let n_won = (p * 100.0).round() as u64;
            for i in 0..100 {
                let won = if i < n_won { Game::Win } else { Game::Loss };
                games.push(game(games.len() as u64, won, difference));
            }
        }
        games
    }

    #[test]
    fn a_policy_that_only_writes_longer_is_no_better() {
        let games = made(0.0, 2.0);
        let won = games.iter().map(|it| it.game.points()).sum::<f64>() / games.len() as f64;
        let found = length_controlled(&games, 1).unwrap();
        assert!(won > 0.55, "{won}");
        assert!((found.rate.share - 0.5).abs() < 0.005, "{found:?}");
        assert!((found.length_weight - 2.0).abs() < 0.05 && found.length_difference == 8.0);
        assert!(found.rate.interval.low < 0.5 && found.rate.interval.high > 0.5);
        assert!(found.rate.interval.half_width() < 0.09, "{found:?}");
    }

    #[test]
    fn at_equal_length_it_is_the_win_rate() {
        let mut games: Vec<Comparison> = (0..60).map(|i| game(i, Game::Win, 3.0)).collect();
        games.extend((60..80).map(|i| game(i, Game::Tie, 3.0)));
        games.extend((80..100).map(|i| game(i, Game::Loss, 3.0)));
        let found = length_controlled(&games, 1).unwrap();
        assert!((found.rate.share - 0.7).abs() < 0.001, "{found:?}");
        assert_eq!((found.length_weight, found.length_difference), (0.0, 3.0));
        assert_eq!(length_controlled(&games, 1), Some(found), "the same place, the same numbers");
        assert!(length_controlled(&[], 1).is_none());
    }

    #[test]
    fn games_that_one_side_won_all_have_no_model() {
        let mut games: Vec<Comparison> = (0..20).map(|i| game(i, Game::Win, i as f64)).collect();
        assert!(length_controlled(&games, 1).is_none());
        games.push(game(20, Game::Tie, 5.0));
        let found = length_controlled(&games, 1).unwrap();
        assert!(found.rate.share > 0.8 && found.rate.share < 1.0, "{found:?}");
        assert!(found.rate.interval.high <= 1.0 && found.rate.interval.low < found.rate.share);
    }
}
