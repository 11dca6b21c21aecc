//! Best-of-n for every n from one set of samples: what taking the best of n answers would bring, by
//! the reward that chooses and by the judge that does not.

use serde::{Deserialize, Serialize};

use super::win::length::{LengthControlled, length_controlled};
use super::win::{Comparison, Game, OfPrompt, WinRate};
use crate::domain::stats::{Interval, mean_with_t_interval};

/// An answer by both of its scores.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scored {
    /// The reward that chooses.
    pub proxy: f64,
    /// The judge's score; `None` where there is no judge.
    pub gold: Option<f64>,
    /// How long it is, in one unit for all answers.
    pub length: f64,
}

/// Games of each prompt at equal length at most: more would narrow no interval, which counts prompts.
const N_GAMES: usize = 4;

/// A mean over prompts.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    pub mean: f64,
    /// 95 % t interval over prompts; `None` for a single prompt.
    pub interval: Option<Interval>,
}

impl Measured {
    /// The mean of one number a prompt; `None` for no prompt.
    #[must_use]
    pub fn of(values: &[f64]) -> Option<Self> {
        mean_with_t_interval(values).map(|(mean, interval)| Self { mean, interval })
    }
}

/// What the best of `n` answers is worth.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Point {
    pub n: usize,
    /// How far this is from sampling one answer, in nats ([`divergence`]).
    pub kl: f64,
    pub proxy: Measured,
    pub gold: Option<Measured>,
    /// The judge's score less that of one answer, prompt by prompt.
    pub gold_gain: Option<Measured>,
    /// How it fares against one other answer, by the judge; `None` without a judge, and for all answers, of
    /// which no other is left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub win_rate: Option<WinRate>,
    /// The same at equal length, for powers of two from 2 to half of the answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_equal_length: Option<LengthControlled>,
}

/// How often each answer of a prompt, the worst first, wins against those below and against those above it.
struct Standing {
    below: OfPrompt,
    above: OfPrompt,
}

/// The standings of a prompt; `None` where an answer has no gold score.
fn standings(answers: &[Scored]) -> Option<Vec<Standing>> {
    let mut order: Vec<&Scored> = answers.iter().collect();
    // Of equal rewards the first stays first, as its place says nothing about an answer.
    order.sort_by(|a, b| a.proxy.total_cmp(&b.proxy));
    let gold: Vec<f64> = order.iter().map(|it| it.gold).collect::<Option<_>>()?;
    let against = |own: f64, others: &[f64]| {
        let mut found = OfPrompt::default();
        for other in others {
            found.add(Game::of(own, *other, 0.0), 1.0);
        }
        found
    };
    let of = |(rank, own): (usize, &f64)| Standing {
        below: against(*own, &gold[..rank]),
        above: against(*own, &gold[rank + 1..]),
    };
    Some(gold.iter().enumerate().map(of).collect())
}

/// How the best of `n` of a prompt's answers fares against one that is not among them, as the mean over all
/// subsets and all answers outside: of the subsets whose best has rank `r`, all leave out the answers above
/// it, and the share `(r - n + 1) / r` leaves out a given one below.
fn wins(standings: &[Standing], n: usize) -> OfPrompt {
    let mut found = OfPrompt::default();
    let n_outside = (standings.len() - n) as f64;
    let weights = rank_weights(standings.len(), n);
    for (rank, (Standing { below, above }, weight)) in standings.iter().zip(weights).enumerate() {
        let left_out = (rank + 1).saturating_sub(n) as f64 / rank.max(1) as f64;
        let of = |below: f64, above: f64| weight * (above + left_out * below) / n_outside;
        found.win += of(below.win, above.win);
        found.tie += of(below.tie, above.tie);
        found.loss += of(below.loss, above.loss);
    }
    found
}

/// Games of the best of `n` answers against one answer that is not among them. The answers of a prompt are
/// cut into blocks of `n`, whose best plays against the first of the next block. Empty where an answer has no
/// gold score.
fn games(prompts: &[Vec<Scored>], n: usize) -> Vec<Comparison> {
    let mut found = Vec::new();
    for (prompt, answers) in (0..).zip(prompts) {
        let blocks: Vec<&[Scored]> = answers.chunks_exact(n).take(N_GAMES).collect();
        if blocks.len() < 2 {
            continue;
        }
        for (block, next) in blocks.iter().zip(blocks.iter().cycle().skip(1)) {
            // Of equal rewards the first, as its place says nothing about an answer.
            let best = block.iter().rev().max_by(|a, b| a.proxy.total_cmp(&b.proxy));
            let (Some(best), Some(other)) = (best, next.first()) else { continue };
            let (Some(own), Some(gold)) = (best.gold, other.gold) else { return Vec::new() };
            found.push(Comparison {
                prompt,
                game: Game::of(own, gold, 0.0),
                length_difference: best.length - other.length,
            });
        }
    }
    found
}

/// `ln n - (n - 1) / n`: the divergence of best-of-n from sampling one answer where no two answers have
/// the same reward, else a bound from above (Beirami et al. 2024).
#[must_use]
pub fn divergence(n: usize) -> f64 {
    let n = n.max(1) as f64;
    n.ln() - (n - 1.0) / n
}

/// The probability that the answer of each rank, the worst first, is the best of `n` drawn from all `len`
/// without replacement: `C(rank, n - 1) / C(len, n)` for ranks from 0. Each follows from the one above it
/// by a ratio below 1, so that nothing overflows or cancels.
fn rank_weights(len: usize, n: usize) -> Vec<f64> {
    let mut weights = vec![0.0; len];
    let mut weight = n as f64 / len as f64;
    for rank in (n - 1..len).rev() {
        weights[rank] = weight;
        weight *= (rank + 1 - n) as f64 / rank.max(1) as f64;
    }
    weights
}

/// For each answer, in the order given, the probability that it is taken as the best of `n` drawn from
/// all without replacement. Answers of the same reward are equally likely.
///
/// The mean of any score with these weights is the unbiased estimate of what best-of-n brings that has
/// the smallest variance, since it is the mean over all subsets (Nakano et al. 2021, "`WebGPT`", appendix
/// I). Empty unless `n` is from 1 to the number of answers.
#[must_use]
pub fn weights(rewards: &[f64], n: usize) -> Vec<f64> {
    if n == 0 || n > rewards.len() {
        return Vec::new();
    }
    let mut order: Vec<usize> = (0..rewards.len()).collect();
    order.sort_by(|a, b| rewards[*a].total_cmp(&rewards[*b]));
    let by_rank = rank_weights(rewards.len(), n);
    let mut weights = vec![0.0; rewards.len()];
    let mut rank = 0;
    for tied in order.chunk_by(|a, b| rewards[*a] == rewards[*b]) {
        let all: f64 = by_rank[rank..rank + tied.len()].iter().sum();
        for answer in tied {
            weights[*answer] = all / tied.len() as f64;
        }
        rank += tied.len();
    }
    weights
}

/// The curve for n from 1 to the number of answers of the prompt that has the fewest. The gold score is
/// there where every answer has one. Empty for no prompts. `rng_seed` is that of the bootstrap at equal
/// length.
#[must_use]
pub fn curve(prompts: &[Vec<Scored>], rng_seed: u64) -> Vec<Point> {
    let n_max = prompts.iter().map(Vec::len).min().unwrap_or_default();
    let proxies: Vec<Vec<f64>> =
        prompts.iter().map(|answers| answers.iter().map(|it| it.proxy).collect()).collect();
    let golds: Option<Vec<Vec<f64>>> =
        prompts.iter().map(|answers| answers.iter().map(|it| it.gold).collect()).collect();
    let all_standings: Option<Vec<Vec<Standing>>> =
        prompts.iter().map(|answers| standings(answers)).collect();
    let mut first_gold: Option<Vec<f64>> = None;
    let mut points = Vec::with_capacity(n_max);
    for n in 1..=n_max {
        let of_prompts: Vec<Vec<f64>> = proxies.iter().map(|proxies| weights(proxies, n)).collect();
        let means = |scores: &[Vec<f64>]| -> Vec<f64> {
            let mean = |(weights, scores): (&Vec<f64>, &Vec<f64>)| -> f64 {
                weights.iter().zip(scores).map(|(weight, score)| weight * score).sum()
            };
            of_prompts.iter().zip(scores).map(mean).collect()
        };
        let Some(proxy) = Measured::of(&means(&proxies)) else { break };
        let gold = golds.as_deref().map(means);
        let first = first_gold.get_or_insert_with(|| gold.clone().unwrap_or_default());
        let gain = gold.as_ref().map(|gold| -> Vec<f64> {
            gold.iter().zip(first.iter()).map(|(gold, first)| gold - first).collect()
        });
        let wins_of = |all: &Vec<Vec<Standing>>| {
            let rest = all.iter().filter(|it| it.len() > n);
            let prompts: Vec<OfPrompt> = rest.map(|it| wins(it, n)).collect();
            WinRate::of_prompts(&prompts, prompts.len() as u64)
        };
        let is_shown = n > 1 && n.is_power_of_two();
        let at_equal_length = || length_controlled(&games(prompts, n), rng_seed);
        points.push(Point {
            win_rate: all_standings.as_ref().and_then(wins_of),
            at_equal_length: is_shown.then(at_equal_length).flatten(),
            n,
            kl: divergence(n),
            proxy,
            gold: gold.and_then(|gold| Measured::of(&gold)),
            gold_gain: gain.and_then(|gain| Measured::of(&gain)),
        });
    }
    points
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The mean over all subsets of `n` of the gold score of their best, ties shared.
    fn over_subsets(answers: &[(f64, f64)], n: usize) -> f64 {
        let (mut sum, mut count) = (0.0, 0.0);
        for subset in 0_u32..1 << answers.len() {
            if subset.count_ones() as usize != n {
                continue;
            }
            let inside: Vec<(f64, f64)> =
                (0..answers.len()).filter(|i| subset >> i & 1 == 1).map(|i| answers[i]).collect();
            let best = inside.iter().map(|it| it.0).fold(f64::NEG_INFINITY, f64::max);
            let tied: Vec<f64> = inside.iter().filter(|it| it.0 == best).map(|it| it.1).collect();
            sum += tied.iter().sum::<f64>() / tied.len() as f64;
            count += 1.0;
        }
        sum / count
    }

    #[test]
    fn the_estimate_is_the_mean_over_all_subsets() {
        let distinct = [(0.3, 1.0), (-2.0, 4.0), (1.5, -1.0), (0.1, 2.5), (0.9, 0.0), (-0.4, 7.0)];
        let tied = [(1.0, 1.0), (0.0, 4.0), (1.0, -1.0), (0.0, 2.5), (1.0, 0.0), (-1.0, 7.0)];
        let equal = [(2.0, 1.0), (2.0, 4.0), (2.0, -2.0)];
        for answers in [&distinct[..], &tied, &equal] {
            let proxies: Vec<f64> = answers.iter().map(|it| it.0).collect();
            for n in 1..=answers.len() {
                let found: f64 = weights(&proxies, n)
                    .iter()
                    .zip(answers)
                    .map(|(weight, it)| weight * it.1)
                    .sum();
                let want = over_subsets(answers, n);
                assert!((found - want).abs() < 1e-12, "{n} of {answers:?}: {found} {want}");
            }
        }
        assert!(weights(&[1.0], 0).is_empty() && weights(&[1.0], 2).is_empty());
    }

    #[test]
    fn weights_of_many_answers_are_probabilities() {
        for len in [1, 2, 64, 1000] {
            let rewards: Vec<f64> = (0..len).map(|i| f64::from(i * 7919 % len)).collect();
            for n in 1..=len as usize {
                let weights = weights(&rewards, n);
                assert!((weights.iter().sum::<f64>() - 1.0).abs() < 1e-12, "{n} of {len}");
                assert!(weights.iter().all(|it| (0.0..=1.0).contains(it)), "{n} of {len}");
            }
        }
        // C(63, 31) / C(64, 32) = 1 / 2 for the best of 64, and 1 / C(64, 32) for the 32nd from below.
        let rewards: Vec<f64> = (0..64).map(f64::from).collect();
        let half = weights(&rewards, 32);
        assert!((half[63] - 0.5).abs() < 1e-15 && half[30] == 0.0);
        assert!((half[31] * 1_832_624_140_942_590_534.0 - 1.0).abs() < 1e-12, "{}", half[31]);
    }

    #[test]
    fn a_curve_by_hand() {
        let answer = |proxy: f64, gold: f64| Scored { proxy, gold: Some(gold), length: 1.0 };
        // The proxy likes what the judge does not, for one prompt of two.
        let prompts = [
            vec![answer(0.0, 1.0), answer(1.0, 3.0)],
            vec![answer(0.0, 2.0), answer(2.0, 0.0), answer(-1.0, 1.0)],
        ];
        let found = curve(&prompts, 1);
        assert_eq!(found.iter().map(|it| it.n).collect::<Vec<_>>(), [1, 2]);
        // Prompt 1: means .5 and 2, best of two 1 and 3. Prompt 2: means 1/3 and 1; of its three pairs
        // two have the answer of 2 as their best, one that of 0.
        assert!((found[0].proxy.mean - f64::midpoint(0.5, 1.0 / 3.0)).abs() < 1e-12);
        assert!((found[0].gold.unwrap().mean - 1.5).abs() < 1e-12);
        assert!((found[1].proxy.mean - f64::midpoint(1.0, 4.0 / 3.0)).abs() < 1e-12);
        assert!((found[1].gold.unwrap().mean - f64::midpoint(3.0, 2.0 / 3.0)).abs() < 1e-12);
        let gain = found[1].gold_gain.unwrap();
        assert!((gain.mean - (1.0 - 1.0 / 3.0) / 2.0).abs() < 1e-12 && gain.interval.is_some());
        assert_eq!((found[0].gold_gain.unwrap().mean, found[0].kl), (0.0, 0.0));
        assert!((found[1].kl - (2.0_f64.ln() - 0.5)).abs() < 1e-15);
    }

    #[test]
    fn the_best_plays_against_an_answer_that_it_was_not_chosen_from() {
        let of = |proxy, gold, length| Scored { proxy, gold: Some(gold), length };
        // Blocks of two: the best are the second (gold 5, length 4) and the third (gold 1, length 2).
        let answers =
            vec![of(0.0, 2.0, 3.0), of(1.0, 5.0, 4.0), of(3.0, 1.0, 2.0), of(2.0, 0.0, 9.0)];
        let found = games(std::slice::from_ref(&answers), 2);
        let game = |game, length_difference| Comparison { prompt: 0, game, length_difference };
        // Against the first of the other block: gold 1 of length 2, and gold 2 of length 3.
        assert_eq!(found, [game(Game::Win, 2.0), game(Game::Loss, -1.0)]);
        assert_eq!(
            games(std::slice::from_ref(&answers), 3),
            [],
            "three of four leave no block to play against"
        );
        let points = curve(&[answers.clone(), answers], 1);
        assert!(points[3].win_rate.is_none(), "nobody is left to play against");
        assert!(points[0].at_equal_length.is_none() && points[2].at_equal_length.is_none());
    }

    #[test]
    fn wins_are_the_mean_over_all_subsets_and_all_answers_outside() {
        let of = |(proxy, gold): (f64, f64)| Scored { proxy, gold: Some(gold), length: 1.0 };
        let golds = [2.0, 5.0, 1.0, 2.0, 0.0, 2.0, 7.0];
        let answers: Vec<Scored> =
            (0..7).map(|i| of((f64::from(i * 3 % 7), golds[i as usize]))).collect();
        let by_n = curve(std::slice::from_ref(&answers), 1);
        for n in 1..answers.len() {
            let mut want = OfPrompt::default();
            for subset in 0_u32..1 << answers.len() {
                if subset.count_ones() as usize != n {
                    continue;
                }
                let is_in = |i: &usize| subset >> i & 1 == 1;
                let inside = (0..answers.len()).filter(is_in);
                let best = inside.max_by(|a, b| answers[*a].proxy.total_cmp(&answers[*b].proxy));
                let best = answers[best.unwrap()].gold.unwrap();
                for other in (0..answers.len()).filter(|i| !is_in(i)) {
                    want.add(Game::of(best, answers[other].gold.unwrap(), 0.0), 1.0);
                }
            }
            let rate = by_n[n - 1].win_rate.unwrap();
            let all = want.win + want.tie + want.loss;
            for (found, want) in
                [(rate.win, want.win), (rate.tie, want.tie), (rate.loss, want.loss)]
            {
                assert!((found.share - want / all).abs() < 1e-12, "{n}: {found:?} {}", want / all);
            }
        }
        let one = by_n[0].win_rate.unwrap();
        assert!((one.rate.share - 0.5).abs() < 1e-12, "one answer against another");
    }

    #[test]
    fn without_a_judge_there_is_no_gold() {
        let of = |proxy, gold| Scored { proxy, gold, length: 1.0 };
        let found = curve(&[vec![of(1.0, None), of(2.0, Some(1.0))]], 1);
        assert_eq!((found.len(), found[1].gold, found[1].gold_gain), (2, None, None));
        assert_eq!((found[0].win_rate, found[0].at_equal_length), (None, None));
        assert_eq!((found[1].proxy.mean, found[1].proxy.interval), (2.0, None));
        assert!(curve(&[], 1).is_empty() && curve(&[Vec::new()], 1).is_empty());
        assert!((divergence(64) - 3.174_508).abs() < 1e-6, "{}", divergence(64));
    }
}
