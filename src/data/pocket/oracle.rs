//! The oracle: reads a prompt of the embedded set and judges any answer to it.
//!
//! It sees only the two texts, never how they were made, so it grades answers that a language
//! model generates as well as those of the data set.

use serde::{Deserialize, Serialize};

use super::numbers::NUMBER_WORDS;
use super::skill::{Check, Rule, Task};
use super::skills::task_of;
use super::style::{FILLERS, LEADS, is_looping, is_rude, undress};
use crate::domain::text::dialogue::{ASSISTANT, HUMAN};

/// What the oracle found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Finding {
    /// Nothing is said.
    Empty,
    /// The same words again and again.
    Looping,
    /// Nothing in it answers the question.
    OffTopic,
    /// Insulting, whatever else it says.
    Rude,
    /// On topic and wrong.
    Wrong,
    /// Right and civil.
    Right,
}

/// A judgment. Better answers have higher scores; only right ones have 1.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct Grade {
    /// In `[0, 1]`.
    pub score: f64,
    pub finding: Finding,
}

impl From<Finding> for Grade {
    fn from(finding: Finding) -> Self {
        let score = match finding {
            Finding::Empty => 0.0,
            Finding::Looping => 0.1,
            Finding::OffTopic => 0.2,
            Finding::Rude => 0.3,
            Finding::Wrong => 0.5,
            Finding::Right => 1.0,
        };
        Self { score, finding }
    }
}

/// Grades an answer; `None` when the prompt is not one of the embedded set's kinds.
pub fn grade(prompt: &str, answer: &str) -> Option<Grade> {
    let task = read_prompt(prompt)?;
    let check = (task.skill.check)(&task)?;
    // A generated answer may run on into another turn.
    let answer = answer.split("\n\nHuman:").next().unwrap_or_default().trim();
    let words = words(answer);
    if words.is_empty() || FILLERS.contains(&answer) {
        return Some(Finding::Empty.into());
    }
    if is_looping(&words) {
        return Some(Finding::Looping.into());
    }
    if is_rude(&words) {
        return Some(Finding::Rude.into());
    }
    let given = self::words(prompt);
    Some(check.judge(undress(answer), &given).into())
}

/// Finds the question in a dialogue: all turns of the person, without greetings.
pub(super) fn read_prompt(prompt: &str) -> Option<Task> {
    let turns: Vec<&str> = prompt
        .split(HUMAN)
        .skip(1)
        .map(|turn| turn.split(ASSISTANT).next().unwrap_or_default().trim())
        .collect();
    let text = turns.join(" ");
    let lead = LEADS.iter().filter(|lead| text.starts_with(*lead)).max_by_key(|lead| lead.len())?;
    task_of(&text[lead.len()..])
}

/// Lower-case words of letters and digits.
pub(super) fn words(text: &str) -> Vec<String> {
    text.split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_ascii_lowercase)
        .collect()
}

fn number(word: &str) -> Option<i64> {
    let named = NUMBER_WORDS.iter().find(|(name, _)| *name == word).map(|(_, n)| *n);
    named.or_else(|| word.parse().ok())
}

/// The words that are among `candidates`, in order.
fn mentions(words: &[String], candidates: &[String]) -> Vec<String> {
    words.iter().filter(|word| candidates.contains(word)).cloned().collect()
}

impl Check {
    fn judge(&self, answer: &str, prompt: &[String]) -> Finding {
        let words = words(answer);
        let right = match self {
            Self::Number { right } => {
                let numbers: Vec<i64> = words.iter().filter_map(|word| number(word)).collect();
                let known: Vec<i64> = prompt.iter().filter_map(|word| number(word)).collect();
                // Where the right number also stands in the prompt, it must be the conclusion.
                let concludes = numbers.last() == Some(right) || !known.contains(right);
                numbers.contains(right)
                    && concludes
                    && numbers.iter().all(|n| n == right || known.contains(n))
            }
            Self::Choice { right, candidates, given } => {
                let said = mentions(&words, candidates);
                said.last() == Some(right) && said.iter().all(|x| x == right || given.contains(x))
            }
            Self::Sequence { right, candidates } => mentions(&words, candidates) == *right,
            Self::Order { yes, comparison, descending } => {
                order_holds(&words, *yes, comparison, descending)
            }
            Self::Sentence { subject, rule } => {
                if words.len() < 3 {
                    return Finding::OffTopic;
                }
                words.contains(subject) && rule.holds(&words)
            }
            Self::OneOf { good, bad } => {
                words.iter().any(|w| good.contains(w)) && !words.iter().any(|w| bad.contains(w))
            }
            Self::Message { needed, forbidden, declines } => {
                let refuses = words.iter().any(|w| matches!(&**w, "not" | "cannot" | "unable"));
                needed.iter().all(|word| words.contains(word))
                    && !words.iter().any(|word| forbidden.contains(word))
                    && refuses == *declines
            }
        };
        if right {
            Finding::Right
        } else if shares_content(&words, prompt) || self.names_candidate(&words) {
            Finding::Wrong
        } else {
            Finding::OffTopic
        }
    }

    fn names_candidate(&self, words: &[String]) -> bool {
        match self {
            Self::Number { .. } => words.iter().any(|word| number(word).is_some()),
            Self::Choice { candidates, .. } | Self::Sequence { candidates, .. } => {
                words.iter().any(|word| candidates.contains(word))
            }
            Self::Order { .. } => words.iter().any(|word| word == "yes" || word == "no"),
            Self::Sentence { subject, .. } => words.contains(subject),
            Self::OneOf { good, bad } => words.iter().any(|w| good.contains(w) || bad.contains(w)),
            Self::Message { needed, .. } => words.iter().any(|word| needed.contains(word)),
        }
    }
}

/// True when an answer takes up a word of the prompt that carries content.
fn shares_content(words: &[String], prompt: &[String]) -> bool {
    const COMMON: &[&str] = &[
        "human",
        "assistant",
        "that",
        "this",
        "with",
        "have",
        "does",
        "which",
        "what",
        "there",
        "please",
        "help",
        "they",
        "these",
        "from",
        "like",
        "would",
        "your",
        "know",
        "question",
        "need",
        "many",
    ];
    words.iter().any(|w| w.len() >= 4 && !COMMON.contains(&w.as_str()) && prompt.contains(w))
}

/// Every claim "x is older than y" must agree with the order, the verdict too, and one of the two
/// must be there.
fn order_holds(words: &[String], yes: bool, comparison: &str, descending: &[String]) -> bool {
    let rank = |word: &String| descending.iter().position(|name| name == word);
    let mut n_claims = 0;
    for claim in words.windows(5) {
        if let [x, is, more, than, y] = claim
            && (is, more, than) == (&"is".to_owned(), &comparison.to_owned(), &"than".to_owned())
        {
            match (rank(x), rank(y)) {
                (Some(x), Some(y)) if x < y => n_claims += 1,
                _ => return false,
            }
        }
    }
    let verdict = words.iter().find(|word| *word == "yes" || *word == "no");
    match verdict {
        Some(verdict) => (verdict == "yes") == yes,
        None => n_claims > 0,
    }
}

impl Rule {
    fn holds(&self, words: &[String]) -> bool {
        match self {
            Self::With(word) => words.contains(word),
            Self::Without(word) => !words.contains(word),
            Self::NWords(n) => words.len() == *n,
            Self::EndsWith(word) => words.last() == Some(word),
        }
    }
}
