//! Every policy against every other, over the prompts that all of them answered.

use super::{Comparison, Game, WinRate};

/// An answer as a judge saw it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Judged {
    pub prompt: u64,
    pub gold: f64,
    pub n_tokens: u32,
}

/// The games of each own answer with each other answer to the same prompt. Prompts that one side did not
/// answer have none. `tie_within` as in [`Game::of`].
#[must_use]
pub fn games(own: &[Judged], other: &[Judged], tie_within: f64) -> Vec<Comparison> {
    let mut sorted = other.to_vec();
    sorted.sort_by_key(|answer| answer.prompt);
    let mut found = Vec::new();
    for answer in own {
        let from = sorted.partition_point(|it| it.prompt < answer.prompt);
        for against in sorted[from..].iter().take_while(|it| it.prompt == answer.prompt) {
            found.push(Comparison {
                prompt: answer.prompt,
                game: Game::of(answer.gold, against.gold, tie_within),
                length_difference: f64::from(answer.n_tokens) - f64::from(against.n_tokens),
            });
        }
    }
    found
}

/// Row by row, how each policy fares against each; `None` on the diagonal and where two share no prompt.
#[must_use]
pub fn win_rates(policies: &[Vec<Judged>], tie_within: f64) -> Vec<Vec<Option<WinRate>>> {
    let mut rates = vec![vec![None; policies.len()]; policies.len()];
    for row in 0..policies.len() {
        for column in row + 1..policies.len() {
            let rate = WinRate::of(&games(&policies[row], &policies[column], tie_within));
            rates[row][column] = rate;
            rates[column][row] = rate.map(WinRate::mirrored);
        }
    }
    rates
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(answers: &[(u64, f64, u32)]) -> Vec<Judged> {
        let judged = |it: &(u64, f64, u32)| Judged { prompt: it.0, gold: it.1, n_tokens: it.2 };
        answers.iter().map(judged).collect()
    }

    #[test]
    fn games_are_between_answers_to_the_same_prompt() {
        let own = judged(&[(3, 1.0, 9), (1, 2.0, 4)]);
        let other = judged(&[(1, 2.0, 6), (2, 9.0, 1), (1, 0.0, 2)]);
        let found = games(&own, &other, 0.0);
        let want = [(1, Game::Tie, -2.0), (1, Game::Win, 2.0)];
        let seen = found.iter().map(|it| (it.prompt, it.game, it.length_difference));
        assert_eq!(seen.collect::<Vec<_>>(), want);
    }

    #[test]
    fn a_matrix_is_its_own_mirror() {
        let policies = [
            judged(&[(1, 1.0, 1), (2, 2.0, 1), (3, 3.0, 1)]),
            judged(&[(1, 0.0, 1), (2, 2.0, 1), (3, 1.0, 1)]),
            judged(&[(9, 0.0, 1)]),
        ];
        let rates = win_rates(&policies, 0.0);
        assert_eq!((rates[0][0], rates[0][2], rates[2][1]), (None, None, None));
        let (up, down) = (rates[0][1].unwrap(), rates[1][0].unwrap());
        assert!((up.rate.share - 5.0 / 6.0).abs() < 1e-12);
        assert!((up.rate.share + down.rate.share - 1.0).abs() < 1e-12);
        assert_eq!(up.mirrored(), down);
    }
}
