//! Several reviewers of one run: what each of them said of each pair, and how far they agree.
//!
//! What a run trains on is one decision a pair, the newest of all reviewers; this module is about
//! what lies under it.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::domain::preference::{PairId, Side};
use crate::domain::text::clean::clean_line;
use crate::domain::verdict::Verdict;

/// Longest name of a reviewer, in characters.
const N_NAME_MAX: usize = 40;

/// A name that no reviewer can have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` is no name of a reviewer: {why}")]
pub struct ReviewerNameError {
    pub name: String,
    pub why: &'static str,
}

/// The name of a reviewer as it is kept, without white space around it.
///
/// # Errors
/// When it is empty, longer than 40 characters, or holds control characters.
pub fn reviewer_name(name: &str) -> Result<String, ReviewerNameError> {
    let trimmed = name.trim();
    let refused = |why| Err(ReviewerNameError { name: clean_line(name), why });
    if trimmed.is_empty() {
        refused("it is empty")
    } else if trimmed.chars().count() > N_NAME_MAX {
        refused("it is longer than 40 characters")
    } else if clean_line(trimmed) != trimmed {
        refused("it holds control characters")
    } else {
        Ok(trimmed.to_owned())
    }
}

/// What one reviewer said of a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Judgment {
    pub verdict: Verdict,
    /// The answer called the better one, where one was.
    pub preferred: Option<Side>,
    /// The answer that stood on the left; `None` where the pair was judged in a list.
    pub left: Option<Side>,
    /// Whether the model's side was hidden.
    pub is_blind: bool,
}

/// What a judgment says of the two answers, whatever the model says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Finding {
    A,
    B,
    /// The pair is good for no label.
    Neither,
}

impl Judgment {
    /// What it says of the answers; `None` for a keep or flip of a pair that has no label.
    #[must_use]
    pub fn finding(&self) -> Option<Finding> {
        match (self.verdict, self.preferred) {
            (Verdict::Keep | Verdict::Flip, Some(Side::A)) => Some(Finding::A),
            (Verdict::Keep | Verdict::Flip, Some(Side::B)) => Some(Finding::B),
            (Verdict::Veto, _) => Some(Finding::Neither),
            (Verdict::Keep | Verdict::Flip, None) | (Verdict::Undo, _) => None,
        }
    }
}

/// The newest judgment of each reviewer about each pair.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Panel {
    by_reviewer: BTreeMap<String, BTreeMap<PairId, Judgment>>,
}

/// How far two reviewers agree about the pairs that both have judged.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Agreement {
    /// Pairs that both have judged.
    pub n_both: u64,
    /// Of them, those about which they say the same.
    pub n_same: u64,
    /// The share of those.
    pub share: f64,
    /// Cohen's kappa; `None` where chance alone would make them agree about everything.
    pub kappa: Option<f64>,
}

impl Panel {
    /// Adds a later judgment; a verdict of `undo` takes the reviewer's earlier one away.
    pub fn record(&mut self, reviewer: &str, pair: PairId, judgment: Judgment) {
        if !self.by_reviewer.contains_key(reviewer) {
            self.by_reviewer.insert(reviewer.to_owned(), BTreeMap::new());
        }
        let Some(judged) = self.by_reviewer.get_mut(reviewer) else { return };
        if judgment.verdict == Verdict::Undo {
            judged.remove(&pair);
        } else {
            judged.insert(pair, judgment);
        }
    }

    /// The reviewers who have judged something, by name.
    pub fn reviewers(&self) -> impl Iterator<Item = (&str, &BTreeMap<PairId, Judgment>)> {
        let all = self.by_reviewer.iter().map(|(name, judged)| (name.as_str(), judged));
        all.filter(|(_, judged)| !judged.is_empty())
    }

    /// What a reviewer said of a pair.
    #[must_use]
    pub fn get(&self, reviewer: &str, pair: PairId) -> Option<Judgment> {
        self.by_reviewer.get(reviewer)?.get(&pair).copied()
    }

    /// The pairs that a reviewer has judged, ascending.
    pub fn judged_by(&self, reviewer: &str) -> impl Iterator<Item = (PairId, Judgment)> {
        let judged = self.by_reviewer.get(reviewer);
        judged.into_iter().flatten().map(|(pair, judgment)| (*pair, *judgment))
    }

    /// What everybody said of a pair, by name.
    #[must_use]
    pub fn of_pair(&self, pair: PairId) -> Vec<(String, Judgment)> {
        let said = self.reviewers().filter_map(|(name, judged)| Some((name, judged.get(&pair)?)));
        said.map(|(name, judgment)| (name.to_owned(), *judgment)).collect()
    }

    /// The pairs about which not all who judged them say the same, ascending.
    #[must_use]
    pub fn disputed(&self) -> Vec<PairId> {
        let mut seen: BTreeMap<PairId, Finding> = BTreeMap::new();
        let mut disputed = BTreeSet::new();
        for (_, judged) in self.reviewers() {
            for (pair, judgment) in judged {
                let Some(finding) = judgment.finding() else { continue };
                if *seen.entry(*pair).or_insert(finding) != finding {
                    disputed.insert(*pair);
                }
            }
        }
        disputed.into_iter().collect()
    }

    /// How far each two reviewers agree who have judged a pair in common, by name.
    #[must_use]
    pub fn agreements(&self) -> Vec<(String, String, Agreement)> {
        let all: Vec<_> = self.reviewers().collect();
        let mut found = Vec::new();
        for (at, (first, mine)) in all.iter().enumerate() {
            for (second, theirs) in &all[at + 1..] {
                let both = mine.iter().filter_map(|(pair, judgment)| {
                    Some((judgment.finding()?, theirs.get(pair)?.finding()?))
                });
                let agreement = agreement(both);
                found.extend(agreement.map(|it| ((*first).to_owned(), (*second).to_owned(), it)));
            }
        }
        found
    }
}

/// How far two reviewers agree, from what both said of each pair; `None` for no pair.
///
/// Kappa is `(p - e) / (1 - e)`, with `p` the share of pairs about which they say the same and `e`
/// the share that chance would bring about: the sum over what can be said of the product of how
/// often each says it (Cohen 1960, "A coefficient of agreement for nominal scales").
#[must_use]
pub fn agreement(both: impl IntoIterator<Item = (Finding, Finding)>) -> Option<Agreement> {
    let (mut n_both, mut n_same) = (0_u64, 0_u64);
    let mut n_said = [[0_u64; 3]; 2];
    for (first, second) in both {
        n_both += 1;
        n_same += u64::from(first == second);
        n_said[0][first as usize] += 1;
        n_said[1][second as usize] += 1;
    }
    if n_both == 0 {
        return None;
    }
    let n = n_both as f64;
    let by_chance: u64 = n_said[0].iter().zip(n_said[1]).map(|(one, other)| one * other).sum();
    let (share, expected) = (n_same as f64 / n, by_chance as f64 / (n * n));
    let kappa = (expected < 1.0).then(|| (share - expected) / (1.0 - expected));
    Some(Agreement { n_both, n_same, share, kappa })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judgment(verdict: Verdict, preferred: Option<Side>) -> Judgment {
        Judgment { verdict, preferred, left: Some(Side::A), is_blind: true }
    }

    #[test]
    fn names_are_short_lines() {
        assert_eq!(reviewer_name(" anna b "), Ok("anna b".to_owned()));
        for name in ["", "  ", "a\nb", "\u{1b}[2J", &"x".repeat(41)] {
            let error = reviewer_name(name).unwrap_err();
            assert!(error.to_string().contains("is no name of a reviewer: it "), "{error}");
        }
    }

    #[test]
    fn kappa_is_that_of_a_table() {
        use Finding::{A, B, Neither};
        // The table of two raters with 20, 5, 10 and 15 of 50 cases: .7 observed, .5 by chance.
        let cells = [(A, A, 20), (A, B, 5), (B, A, 10), (B, B, 15)];
        let both = cells.iter().flat_map(|(one, other, n)| std::iter::repeat_n((*one, *other), *n));
        let found = agreement(both).unwrap();
        assert_eq!((found.n_both, found.n_same), (50, 35));
        assert!((found.share - 0.7).abs() < 1e-12);
        assert!((found.kappa.unwrap() - 0.4).abs() < 1e-12);
        // Three kinds: two thirds are the same, a third would be by chance.
        let both = [(A, A), (B, B), (Neither, A), (A, A), (B, Neither), (Neither, Neither)];
        let found = agreement(both).unwrap();
        assert!((found.kappa.unwrap() - 0.5).abs() < 1e-12, "{found:?}");
        assert_eq!(agreement([(A, A), (A, A)]).unwrap().kappa, None, "nothing to tell apart");
        assert_eq!(agreement([]), None);
        let opposite = agreement([(A, B), (B, A)]).unwrap();
        assert!((opposite.kappa.unwrap() + 1.0).abs() < 1e-12);
    }

    #[test]
    fn a_panel_knows_who_said_what_and_where_they_differ() {
        let mut panel = Panel::default();
        let keep = judgment(Verdict::Keep, Some(Side::A));
        let flip = judgment(Verdict::Flip, Some(Side::B));
        let veto = judgment(Verdict::Veto, None);
        for (pair, anna, bob) in
            [(1, keep, keep), (2, keep, flip), (3, veto, veto), (4, flip, veto)]
        {
            panel.record("anna", PairId(pair), anna);
            panel.record("bob", PairId(pair), bob);
        }
        panel.record("anna", PairId(9), keep);
        panel.record("carl", PairId(77), keep);
        assert_eq!(panel.disputed(), [PairId(2), PairId(4)]);
        let [(first, second, found)] = &panel.agreements()[..] else { panic!("{panel:?}") };
        assert_eq!((first.as_str(), second.as_str()), ("anna", "bob"));
        assert_eq!((found.n_both, found.n_same), (4, 2));
        assert_eq!(panel.judged_by("anna").count(), 5);
        // The newest judgment counts, and one taken back is none.
        panel.record("bob", PairId(2), keep);
        panel.record("bob", PairId(4), judgment(Verdict::Undo, None));
        assert!(panel.disputed().is_empty());
        assert_eq!(panel.of_pair(PairId(4)).len(), 1);
        assert_eq!(panel.get("bob", PairId(2)), Some(keep));
        // A keep of a pair without a label says nothing of the answers.
        assert_eq!(judgment(Verdict::Keep, None).finding(), None);
    }
}
