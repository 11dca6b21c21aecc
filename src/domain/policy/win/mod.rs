//! Two policies against each other, prompt by prompt: who wins how often.

pub mod length;
pub mod matrix;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::domain::stats::paired::mcnemar_exact;
use crate::domain::stats::{Interval, Z_95, wilson_interval_of_share};

/// How one answer fares against another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Game {
    Win,
    Tie,
    Loss,
}

impl Game {
    /// By the scores of a judge: a tie where they are no farther apart than `tie_within`, or where one of
    /// them is no number.
    #[must_use]
    pub fn of(own: f64, other: f64, tie_within: f64) -> Self {
        if own > other + tie_within {
            Self::Win
        } else if other > own + tie_within {
            Self::Loss
        } else {
            Self::Tie
        }
    }

    /// Points of the game: 1, 1/2 or 0.
    #[must_use]
    pub fn points(self) -> f64 {
        match self {
            Self::Win => 1.0,
            Self::Tie => 0.5,
            Self::Loss => 0.0,
        }
    }

    /// The same game as the other side sees it.
    #[must_use]
    pub fn mirrored(self) -> Self {
        match self {
            Self::Win => Self::Loss,
            Self::Tie => Self::Tie,
            Self::Loss => Self::Win,
        }
    }
}

/// One game of two answers to the same prompt.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// Which prompt. Games of one prompt count together, as one.
    pub prompt: u64,
    pub game: Game,
    /// Length of the own answer less that of the other, in tokens.
    pub length_difference: f64,
}

impl Comparison {
    /// The same comparison as the other side sees it.
    #[must_use]
    pub fn mirrored(self) -> Self {
        Self { game: self.game.mirrored(), length_difference: -self.length_difference, ..self }
    }
}

/// A share of the prompts with its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Share {
    pub share: f64,
    pub interval: Interval,
}

/// How a policy fares against another over the same prompts.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct WinRate {
    pub n_prompts: u64,
    pub n_games: u64,
    /// Shares of games won, tied and lost (Wilson's intervals).
    pub win: Share,
    pub tie: Share,
    pub loss: Share,
    /// Games won and half of those tied, as AlpacaEval and Arena count them.
    pub rate: Share,
    /// Two-sided p-value of "neither is better": the exact sign test on the prompts that one side won
    /// more often than the other.
    pub p_value: f64,
}

/// The games of one prompt, counted or weighted.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct OfPrompt {
    pub win: f64,
    pub tie: f64,
    pub loss: f64,
}

impl OfPrompt {
    /// Adds so many games of one end.
    pub fn add(&mut self, game: Game, n: f64) {
        match game {
            Game::Win => self.win += n,
            Game::Tie => self.tie += n,
            Game::Loss => self.loss += n,
        }
    }

    fn n(&self) -> f64 {
        self.win + self.tie + self.loss
    }
}

impl WinRate {
    /// Counts games; `None` for none.
    ///
    /// A prompt weighs the same however many games it had, and a prompt, not a game, is what an interval
    /// counts, since games of one prompt go together. Where prompts had several games the intervals are
    /// somewhat wider than they need be.
    #[must_use]
    pub fn of(games: &[Comparison]) -> Option<Self> {
        let mut prompts: BTreeMap<u64, OfPrompt> = BTreeMap::new();
        for game in games {
            prompts.entry(game.prompt).or_default().add(game.game, 1.0);
        }
        let prompts: Vec<OfPrompt> = prompts.into_values().collect();
        Self::of_prompts(&prompts, games.len() as u64)
    }

    /// The same from what the games of each prompt came to; `None` for no prompt.
    #[must_use]
    pub fn of_prompts(prompts: &[OfPrompt], n_games: u64) -> Option<Self> {
        let n = prompts.len() as f64;
        let sum = |of: fn(&OfPrompt) -> f64| prompts.iter().map(|it| of(it) / it.n()).sum::<f64>();
        let (wins, ties, losses) = (sum(|it| it.win), sum(|it| it.tie), sum(|it| it.loss));
        let share = |sum: f64| {
            let share = (sum / n).clamp(0.0, 1.0);
            Some(Share { share, interval: wilson_interval_of_share(share, n)? })
        };
        let n_ahead = prompts.iter().filter(|it| it.win > it.loss).count() as u64;
        let n_behind = prompts.iter().filter(|it| it.loss > it.win).count() as u64;
        Some(Self {
            n_prompts: prompts.len() as u64,
            n_games,
            win: share(wins)?,
            tie: share(ties)?,
            loss: share(losses)?,
            rate: rate(wins, losses, n),
            p_value: mcnemar_exact(n_ahead, n_behind),
        })
    }

    /// The same as the other side sees it.
    #[must_use]
    pub fn mirrored(self) -> Self {
        let turned = |share: Share| Share {
            share: 1.0 - share.share,
            interval: Interval { low: 1.0 - share.interval.high, high: 1.0 - share.interval.low },
        };
        Self { win: self.loss, loss: self.win, rate: turned(self.rate), ..self }
    }
}

/// The win rate from sums of shares over `n` prompts. Its interval is that of a difference of paired
/// proportions with one win and one loss added (Bonett and Price 2012), which holds for few prompts and
/// for a side that never loses, where an interval from the spread of the games would have no width.
fn rate(wins: f64, losses: f64, n: f64) -> Share {
    let (for_it, against) = ((wins + 1.0) / (n + 2.0), (losses + 1.0) / (n + 2.0));
    let difference = for_it - against;
    let error = ((for_it + against - difference * difference) / (n + 2.0)).sqrt();
    let bound = |side: f64| f64::midpoint(1.0, (difference + side * Z_95 * error).clamp(-1.0, 1.0));
    Share {
        share: f64::midpoint(1.0, (wins - losses) / n),
        interval: Interval { low: bound(-1.0), high: bound(1.0) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn games(wins: u64, ties: u64, losses: u64) -> Vec<Comparison> {
        let all = [(wins, Game::Win), (ties, Game::Tie), (losses, Game::Loss)];
        let each = all.into_iter().flat_map(|(n, game)| (0..n).map(move |_| game));
        let comparison = |(prompt, game)| Comparison { prompt, game, length_difference: 0.0 };
        (0..).zip(each).map(comparison).collect()
    }

    #[test]
    fn games_by_scores() {
        for (own, other, within, want) in [
            (1.0, 0.0, 0.0, Game::Win),
            (0.0, 1.0, 0.0, Game::Loss),
            (1.0, 1.0, 0.0, Game::Tie),
            (1.0, 0.5, 0.5, Game::Tie),
            (1.1, 0.5, 0.5, Game::Win),
            (f64::NAN, 0.0, 0.0, Game::Tie),
        ] {
            let game = Game::of(own, other, within);
            assert_eq!(game, want, "{own} {other}");
            assert_eq!(Game::of(other, own, within), game.mirrored());
            assert_eq!(game.points() + game.mirrored().points(), 1.0);
        }
    }

    #[test]
    fn a_win_rate_by_hand() {
        let found = WinRate::of(&games(6, 2, 2)).unwrap();
        assert_eq!((found.n_prompts, found.n_games), (10, 10));
        let shares = [found.win, found.tie, found.loss, found.rate].map(|it| it.share);
        for (found, want) in shares.into_iter().zip([0.6, 0.2, 0.2, 0.7]) {
            assert!((found - want).abs() < 1e-12, "{found} {want}");
        }
        // (7 - 3) / 12 = 1/3; error sqrt((10/12 - 1/9) / 12).
        let half = 1.959_963_984_540_054 * ((10.0 / 12.0 - 1.0 / 9.0) / 12.0_f64).sqrt() / 2.0;
        let interval = found.rate.interval;
        assert!((interval.low - (2.0 / 3.0 - half)).abs() < 1e-12, "{interval:?}");
        assert!((interval.half_width() - half).abs() < 1e-12);
        assert!((found.p_value - mcnemar_exact(6, 2)).abs() < 1e-15);
        assert!(WinRate::of(&[]).is_none());
    }

    #[test]
    fn who_never_loses_is_still_uncertain() {
        let found = WinRate::of(&games(5, 0, 0)).unwrap();
        assert_eq!((found.rate.share, found.win.share), (1.0, 1.0));
        assert!(found.rate.interval.low > 0.5 && found.rate.interval.low < 0.9, "{found:?}");
        let tied = WinRate::of(&games(0, 4, 0)).unwrap();
        assert_eq!((tied.rate.share, tied.p_value), (0.5, 1.0));
        assert!(tied.rate.interval.half_width() > 0.1);
    }

    #[test]
    fn games_of_one_prompt_count_as_one() {
        let game = |prompt, game| Comparison { prompt, game, length_difference: 0.0 };
        let mut many: Vec<Comparison> = (0..50).map(|_| game(1, Game::Win)).collect();
        many.extend([
            game(2, Game::Loss),
            game(2, Game::Tie),
            game(2, Game::Loss),
            game(2, Game::Win),
        ]);
        let found = WinRate::of(&many).unwrap();
        assert_eq!((found.n_prompts, found.n_games), (2, 54));
        assert!((found.rate.share - f64::midpoint(1.0, 1.5 / 4.0)).abs() < 1e-12);
        assert!(found.rate.interval.half_width() > 0.2);
        // One prompt ahead, one behind.
        assert_eq!(found.p_value, 1.0);
    }

    #[test]
    fn the_other_side_sees_the_mirror() {
        let games = games(6, 2, 3);
        let turned: Vec<Comparison> = games.iter().map(|it| it.mirrored()).collect();
        let (own, other) = (WinRate::of(&games).unwrap().mirrored(), WinRate::of(&turned).unwrap());
        assert!((own.rate.share - other.rate.share).abs() < 1e-12);
        assert!((own.rate.interval.low - other.rate.interval.low).abs() < 1e-12);
        assert_eq!((own.win, own.p_value), (other.win, other.p_value));
    }

    #[test]
    fn intervals_hold_what_they_promise() {
        // How often the interval of 30 prompts holds the true rate of .5 .3 .2, counted exactly.
        use crate::domain::stats::special::binomial_cdf;
        let mass = |k: u64, n: u64, p: f64| {
            binomial_cdf(k, n, p) - if k == 0 { 0.0 } else { binomial_cdf(k - 1, n, p) }
        };
        let (n, win, loss, mut held) = (30_u64, 0.5, 0.2, 0.0);
        for wins in 0..=n {
            for losses in 0..=n - wins {
                let probability = mass(wins, n, win) * mass(losses, n - wins, loss / (1.0 - win));
                let interval = rate(wins as f64, losses as f64, n as f64).interval;
                let is_inside = interval.low <= 0.65 && 0.65 <= interval.high;
                held += if is_inside { probability } else { 0.0 };
            }
        }
        assert!((0.94..0.97).contains(&held), "{held}");
    }
}
