//! What the reviewers of a run decided, how far they agree, and where they differ.

use serde::Serialize;

use super::json;
use crate::domain::preference::{PairId, Side};
use crate::domain::review::{Agreement, Judgment, Panel};
use crate::domain::run::RunId;
use crate::domain::text::words;
use crate::domain::verdict::{Verdict, VerdictSet};
use crate::report::ReportError;
use crate::report::table::{self, Cell, Form, Table, number};
use crate::store::Store;

/// What a decision without a reviewer is listed under.
const UNNAMED: &str = "unnamed";

/// Everything that people decided about the pairs of a run.
pub struct Verdicts {
    run: RunId,
    panel: Panel,
    in_force: VerdictSet,
    n_judged: usize,
}

impl Verdicts {
    /// Reads what was decided.
    ///
    /// # Errors
    /// When there is no such run.
    pub fn read(store: &Store, run: &RunId) -> Result<Self, ReportError> {
        let panel = store.panel(run)?;
        let (in_force, _) = store.verdicts(run, None)?;
        let n_judged = panel.reviewers().map(|(_, judged)| judged.len()).sum();
        Ok(Self { run: run.clone(), panel, in_force, n_judged })
    }

    /// Whether no person has decided anything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.n_judged == 0
    }

    /// The decisions in a form: for people who decided how much, how far they agree and about which
    /// pairs they do not; as CSV or Markdown one line a judgment.
    ///
    /// # Errors
    /// When a value has no JSON form.
    pub fn text(&self, form: Form, is_ascii: bool) -> Result<String, ReportError> {
        match form {
            Form::Json => json(&self.document()),
            Form::Csv | Form::Markdown => Ok(self.judgments().text(form, is_ascii)),
            Form::Human => {
                let mut parts = vec![self.reviewers().text(form, is_ascii)];
                let agreements = self.panel.agreements();
                let sentences = agreements.iter().map(|it| agreement_line(it) + "\n");
                parts.extend(Some(sentences.collect::<String>()).filter(|it| !it.is_empty()));
                let disputed = self.panel.disputed();
                if !disputed.is_empty() {
                    parts.push(self.disputed_table(&disputed).text(form, is_ascii));
                }
                Ok(parts.join("\n"))
            }
        }
    }

    /// One line a reviewer.
    fn reviewers(&self) -> Table {
        let mut table = Table::new(&[
            table::text("reviewer", "reviewer"),
            number("judged", "judged"),
            number("keep", "keep"),
            number("flip", "flip"),
            number("veto", "veto"),
            number("blind", "blind"),
        ]);
        for (name, judged) in self.panel.reviewers() {
            let n = |verdict| judged.values().filter(|it| it.verdict == verdict).count();
            table.push(vec![
                Cell::new(named(name)),
                Cell::new(judged.len()),
                Cell::new(n(Verdict::Keep)),
                Cell::new(n(Verdict::Flip)),
                Cell::new(n(Verdict::Veto)),
                Cell::new(judged.values().filter(|it| it.is_blind).count()),
            ]);
        }
        table
    }

    fn judgments(&self) -> Table {
        let mut table = Table::new(&[
            number("pair", "pair"),
            table::text("reviewer", "reviewer"),
            table::text("verdict", "verdict"),
            table::text("better", "better"),
            table::text("left", "left"),
            table::text("blind", "blind"),
            table::text("in_force", "in force"),
        ]);
        for (name, judged) in self.panel.reviewers() {
            for (pair, judgment) in judged {
                table.push(vec![
                    Cell::new(pair.0),
                    Cell::new(named(name)),
                    Cell::new(judgment.verdict.name()),
                    Cell::maybe(judgment.preferred.map(Side::name)),
                    Cell::maybe(judgment.left.map(Side::name)),
                    Cell::new(judgment.is_blind),
                    Cell::new(self.holds(*pair, *judgment)),
                ]);
            }
        }
        table
    }

    /// The pairs about which people differ, and what holds: the newest decision.
    fn disputed_table(&self, disputed: &[PairId]) -> Table {
        let mut table = Table::new(&[
            number("pair", "disputed"),
            table::text("in_force", "in force"),
            table::text("said", "said"),
        ]);
        for pair in disputed {
            let said = self.panel.of_pair(*pair);
            let said = said.iter().map(|(name, it)| format!("{} {}", named(name), found(*it)));
            table.push(vec![
                Cell::new(pair.0),
                Cell::new(self.standing(*pair)),
                Cell::new(said.collect::<Vec<_>>().join(", ")),
            ]);
        }
        table
    }

    /// What is in force about a pair.
    fn standing(&self, pair: PairId) -> &'static str {
        match (self.in_force.get(pair), self.in_force.preferred(pair)) {
            (None | Some(Verdict::Undo), _) => "nothing",
            (Some(Verdict::Veto), _) => "neither",
            (Some(Verdict::Keep | Verdict::Flip), side) => side.map_or("no label", Side::name),
        }
    }

    fn holds(&self, pair: PairId, judgment: Judgment) -> bool {
        self.in_force.get(pair) == Some(judgment.verdict)
            && self.in_force.preferred(pair) == judgment.preferred
    }

    fn document(&self) -> VerdictsDocument<'_> {
        let reviewers = self.panel.reviewers().map(|(reviewer, judged)| {
            let n = |verdict| judged.values().filter(|it| it.verdict == verdict).count();
            ReviewerDocument {
                reviewer,
                n_judged: judged.len(),
                n_kept: n(Verdict::Keep),
                n_flipped: n(Verdict::Flip),
                n_vetoed: n(Verdict::Veto),
                n_blind: judged.values().filter(|it| it.is_blind).count(),
            }
        });
        let agreements = self.panel.agreements().into_iter().map(|(first, second, agreement)| {
            AgreementDocument { reviewers: [first, second], agreement }
        });
        let disputed = self.panel.disputed().into_iter().map(|pair| {
            let said = self.panel.of_pair(pair).into_iter().map(|(reviewer, judgment)| Said {
                reviewer,
                verdict: judgment.verdict,
                better: judgment.preferred,
            });
            DisputedDocument { pair, in_force: self.standing(pair), said: said.collect() }
        });
        VerdictsDocument {
            schema: 1,
            run: self.run.as_str(),
            reviewers: reviewers.collect(),
            agreements: agreements.collect(),
            disputed: disputed.collect(),
        }
    }
}

#[derive(Serialize)]
struct VerdictsDocument<'a> {
    schema: u32,
    run: &'a str,
    reviewers: Vec<ReviewerDocument<'a>>,
    agreements: Vec<AgreementDocument>,
    disputed: Vec<DisputedDocument>,
}

#[derive(Serialize)]
struct ReviewerDocument<'a> {
    reviewer: &'a str,
    n_judged: usize,
    n_kept: usize,
    n_flipped: usize,
    n_vetoed: usize,
    n_blind: usize,
}

#[derive(Serialize)]
struct AgreementDocument {
    reviewers: [String; 2],
    #[serde(flatten)]
    agreement: Agreement,
}

#[derive(Serialize)]
struct DisputedDocument {
    pair: PairId,
    in_force: &'static str,
    said: Vec<Said>,
}

#[derive(Serialize)]
struct Said {
    reviewer: String,
    verdict: Verdict,
    better: Option<Side>,
}

/// A sentence on how far two reviewers agree.
#[must_use]
pub fn agreement_line((first, second, agreement): &(String, String, Agreement)) -> String {
    let Agreement { n_both, share, kappa, .. } = agreement;
    let kappa = kappa.map_or_else(
        || "Cohen's kappa is not defined, both say the same of every pair".to_owned(),
        |kappa| format!("Cohen's kappa {kappa:.2}"),
    );
    let noun = if *n_both == 1 { "pair" } else { "pairs" };
    format!(
        "{} and {} both judged {} {noun}: {} the same, {kappa}",
        named(first),
        named(second),
        words::count(*n_both),
        words::percent(*share)
    )
}

fn named(reviewer: &str) -> &str {
    if reviewer.is_empty() { UNNAMED } else { reviewer }
}

fn found(judgment: Judgment) -> &'static str {
    match (judgment.verdict, judgment.preferred) {
        (Verdict::Keep | Verdict::Flip, side) => side.map_or("no label", Side::name),
        (Verdict::Veto | Verdict::Undo, _) => "neither",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Decision, testing};

    #[test]
    fn two_reviewers_are_listed_with_what_they_differ_in() {
        let mut fixture = testing::store();
        let run = fixture.run("a");
        let attempt = fixture.begin(&run);
        fixture.apply(&run, attempt, vec![testing::selection_made(1, 30)]);
        assert!(Verdicts::read(&fixture.store, &run).unwrap().is_empty());
        let mut say = |pair, better, name| {
            let decision =
                Decision { better, reviewer: Some(name), ..Decision::new(Verdict::Veto) };
            fixture.store.decide(&run, &[PairId(pair)], decision).unwrap();
        };
        let (a, b) = (Some(Side::A), Some(Side::B));
        for (pair, anna, bob) in [(2, a, a), (3, b, b), (4, a, b), (6, None, None)] {
            say(pair, anna, "anna");
            say(pair, bob, "bob");
        }
        let verdicts = Verdicts::read(&fixture.store, &run).unwrap();
        let text = verdicts.text(Form::Human, false).unwrap();
        assert!(text.contains("anna and bob both judged 4 pairs: 75.0 % the same"), "{text}");
        // 3 of 4 the same; by chance (2 · 1 + 1 · 2 + 1 · 1) / 16.
        assert!(text.contains("Cohen's kappa 0.64"), "{text}");
        assert!(text.contains("anna a, bob b"), "{text}");
        let document: serde_json::Value =
            serde_json::from_str(&verdicts.text(Form::Json, false).unwrap()).unwrap();
        assert_eq!(document["disputed"][0]["pair"], 4);
        assert_eq!(document["disputed"][0]["in_force"], "b", "the newest decision holds");
        assert_eq!(document["agreements"][0]["n_same"], 3);
        let csv = verdicts.text(Form::Csv, false).unwrap();
        assert!(csv.starts_with("pair,reviewer,verdict,better,left,blind,in_force"), "{csv}");
        assert_eq!(csv.lines().count(), 9);
    }
}
