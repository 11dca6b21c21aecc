//! What can be seen of an answer without reading it: length, words, punctuation, layout.
//!
//! People's preferences follow such things, rightly (an argument with reasons is longer) and wrongly
//! (Singhal et al. 2023, "A Long Way to Go: Investigating Length Correlations in RLHF"; Chatbot Arena's
//! style control counts length and Markdown). An encoder that averages its tokens sees them badly, so
//! a linear model on a dozen of them is another view of the pair in the sense of co-training (Blum
//! and Mitchell 1998): what it knows, it learned from the same seed set, by other means.

use std::collections::HashSet;

use crate::domain::stats::logistic;

/// Numbers that describe an answer.
pub const N_FEATURES: usize = 12;

/// The features of one answer, in the order of [`features`].
pub type Features = [f64; N_FEATURES];

/// Ridge penalty on each weight (the precision of its Gaussian prior), for features that are scaled
/// to a root mean square of 1.
const RIDGE: f64 = 1.0;

/// Describes an answer: logarithms of counts, and shares.
///
/// In this order: characters, words, characters a word, distinct words by words, sentence ends by
/// words, commas by words, question marks, line breaks, list items, capitals by letters, digits by
/// characters, words by words that the prompt has too.
#[must_use]
pub fn features(prompt: &str, answer: &str) -> Features {
    let lower = answer.to_lowercase();
    let words: Vec<&str> = words(&lower).collect();
    let distinct: HashSet<&str> = words.iter().copied().collect();
    let asked = prompt.to_lowercase();
    let asked: HashSet<&str> = self::words(&asked).collect();
    let n_chars = answer.chars().count();
    let n_in = |is_one: fn(char) -> bool| answer.chars().filter(|c| is_one(*c)).count();
    let n_list_items = answer.lines().filter(|line| is_list_item(line)).count();
    let n_letters = n_in(char::is_alphabetic);
    let share = |part: usize, of: usize| part as f64 / of.max(1) as f64;
    let log = |n: usize| (n as f64).ln_1p();
    let n_words = words.len();
    [
        log(n_chars),
        log(n_words),
        share(n_chars, n_words),
        share(distinct.len(), n_words),
        share(n_in(|c| matches!(c, '.' | '!' | '?')), n_words),
        share(n_in(|c| c == ','), n_words),
        log(n_in(|c| c == '?')),
        log(n_in(|c| c == '\n')),
        log(n_list_items),
        share(n_in(char::is_uppercase), n_letters),
        share(n_in(char::is_numeric), n_chars),
        share(words.iter().filter(|word| asked.contains(*word)).count(), n_words),
    ]
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '\'').filter(|word| !word.is_empty())
}

/// A line that opens with `-`, `*`, `+`, `•`, or a number before `.` or `)`.
fn is_list_item(line: &str) -> bool {
    let line = line.trim_start();
    let rest = line.trim_start_matches(|c: char| c.is_ascii_digit());
    let is_numbered = rest.len() < line.len() && rest.starts_with(['.', ')']);
    is_numbered || (line.starts_with(['-', '*', '+', '•']) && line.chars().nth(1) == Some(' '))
}

/// A Bradley-Terry model that is linear in the features of an answer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SurfaceModel {
    weights: Features,
}

impl SurfaceModel {
    /// Fits the model to human labels: features of the preferred answer less those of the other.
    ///
    /// Features are scaled to unit root mean square before the penalty is applied; a feature that
    /// never differs gets the weight 0.
    #[must_use]
    pub fn fit(differences: &[Features]) -> Self {
        let n = differences.len().max(1) as f64;
        let scale: Features = std::array::from_fn(|i| {
            let sum: f64 = differences.iter().map(|row| row[i] * row[i]).sum();
            (sum / n).sqrt()
        });
        let free = scale.map(|scale| scale > 0.0);
        let per_unit = |i: usize| if free[i] { 1.0 / scale[i] } else { 0.0 };
        let rows: Vec<Features> =
            differences.iter().map(|row| std::array::from_fn(|i| row[i] * per_unit(i))).collect();
        let weights = logistic::fit(&rows, RIDGE, free);
        Self { weights: std::array::from_fn(|i| weights[i] * per_unit(i)) }
    }

    /// The reward of an answer, in nats up to a constant.
    #[must_use]
    pub fn reward(&self, features: &Features) -> f64 {
        logistic::dot(&self.weights, features)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::random::{Place, Purpose};

    #[test]
    fn an_answer_is_described_by_hand_counted_numbers() {
        let answer = "Why not? 2 reasons:\n- Tea, it's hot.\n2) Tea is CHEAP";
        let found = features("Why drink tea?", answer);
        // why not 2 reasons tea it's hot 2 tea is cheap: 11 words, 9 of them distinct.
        let (n_words, n_chars) = (11.0_f64, 52.0_f64);
        let expected = [
            n_chars.ln_1p(),
            n_words.ln_1p(),
            n_chars / n_words,
            9.0 / n_words,
            2.0 / n_words,
            1.0 / n_words,
            1.0_f64.ln_1p(),
            2.0_f64.ln_1p(),
            2.0_f64.ln_1p(),
            8.0 / 32.0,
            2.0 / n_chars,
            3.0 / n_words,
        ];
        for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
            assert!((found - expected).abs() < 1e-12, "{i}: {found} {expected}");
        }
    }

    #[test]
    fn an_empty_answer_and_one_without_words_have_finite_features() {
        assert_eq!(features("", ""), [0.0; N_FEATURES]);
        assert!(features("", "…\n\n").iter().all(|value| value.is_finite()));
    }

    #[test]
    fn list_items_are_told_from_prose() {
        for item in ["- a", "  * a", "1. a", "12) a", "• a", "+ a"] {
            assert!(is_list_item(item), "{item}");
        }
        for prose in ["-5 degrees", "2 of them", "a - b", "*bold* words", "", "."] {
            assert!(!is_list_item(prose), "{prose}");
        }
    }

    #[test]
    fn weights_that_made_the_labels_are_found() {
        let place = Place::new(5, Purpose::Mock);
        let (strong, weak) = (0, 4);
        let differences: Vec<Features> = (0..20_000)
            .map(|row| {
                let mut at: Features = std::array::from_fn(|i| {
                    let scale = if i == 7 { 0.0 } else { 1.0 + i as f64 };
                    scale * place.normal(100 * row + i as u64)
                });
                let reward = 1.5 * at[strong] - 0.2 * at[weak];
                if place.at(1, 0).unit(row) > crate::domain::stats::bradley_terry::sigmoid(reward) {
                    at = at.map(|value| -value);
                }
                at
            })
            .collect();
        let model = SurfaceModel::fit(&differences);
        let found = |i: usize| model.weights[i];
        assert!(
            (found(strong) - 1.5).abs() < 0.06 && (found(weak) + 0.2).abs() < 0.02,
            "{model:?}"
        );
        assert_eq!(found(7), 0.0, "it never differed");
        assert!(
            (0..N_FEATURES).filter(|i| *i != strong && *i != weak).all(|i| found(i).abs() < 0.05)
        );
    }
}
