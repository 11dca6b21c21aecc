//! The words of a screen: what `?` explains, those under the cursor first.

use super::model::{Model, Screen};
use super::overlay::WordList;
use crate::report::glossary::{self, Place, Term};
use crate::spec::form;
use crate::tui::kit::words::{Condition, left_out, stop_reason};
use crate::tui::screens::{compare, live, policy};

/// What is told about a word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    pub word: String,
    pub is: String,
    /// What is good; empty for a key of the spec, whose comment says everything.
    pub good: String,
    pub from: String,
}

impl From<&Term> for Explanation {
    fn from(term: &Term) -> Self {
        let [is, good, from] = [term.is, term.good, term.from].map(str::to_owned);
        Self { word: term.word().to_owned(), is, good, from }
    }
}

/// The words that match what was typed; without a text those of the screen, and what the cursor
/// stands on at the top.
pub fn explanations(model: &Model, list: &WordList) -> Vec<Explanation> {
    let wanted = list.field.text().trim();
    if !wanted.is_empty() {
        let terms = glossary::search(wanted).into_iter().map(Explanation::from);
        return terms.chain(keys_like(wanted)).collect();
    }
    let mut found: Vec<Explanation> = Vec::new();
    let place = place_of(model.screen);
    let on_screen = glossary::TERMS
        .iter()
        .filter(|term| place.is_some_and(|place| term.places.contains(&place)));
    let others = glossary::TERMS.iter();
    let asked = asked(model).into_iter().filter_map(|word| explained(&word));
    for next in asked.chain(on_screen.chain(others).map(Explanation::from)) {
        if found.iter().all(|known| known.word != next.word) {
            found.push(next);
        }
    }
    found
}

fn place_of(screen: Screen) -> Option<Place> {
    match screen {
        Screen::Runs => Some(Place::Runs),
        Screen::Live => Some(Place::Live),
        Screen::Samples => Some(Place::Samples),
        Screen::Compare => Some(Place::Compare),
        Screen::Launch => None,
        Screen::Policy => Some(Place::Policy),
    }
}

/// The explanation of a term or of a key of the spec.
fn explained(word: &str) -> Option<Explanation> {
    let term = glossary::find(word).map(Explanation::from);
    term.or_else(|| keys_like(word).into_iter().find(|key| key.word == word))
}

/// The keys of the spec whose name holds the text.
fn keys_like(wanted: &str) -> Vec<Explanation> {
    let wanted = wanted.to_lowercase();
    let keys = form::keys().unwrap_or_default().into_iter();
    let keys = keys.filter(|key| key.key.contains(&wanted));
    let explanation = |key: form::KeyHelp| Explanation {
        from: format!("A key of the spec: `--set {}=…`, or the form (`5`).", key.key),
        word: key.key,
        is: key.help,
        good: String::new(),
    };
    keys.map(explanation).collect()
}

/// The words that the cursor stands on, or that the pane with the keys shows.
fn asked(model: &Model) -> Vec<String> {
    match model.screen {
        Screen::Runs => of_run(model),
        Screen::Live => model.live.as_ref().map_or_else(Vec::new, |live| {
            let words = match live.pane {
                live::Pane::Chart(live::Chart::Accuracy) => &ACCURACY[..],
                live::Pane::Chart(live::Chart::Loss) => &["train loss"],
                live::Pane::Chart(live::Chart::Reliability) => &RELIABILITY,
                live::Pane::Chart(live::Chart::Rounds) => &ROUNDS,
                live::Pane::Confidence => &CONFIDENCE,
                live::Pane::Pair => &["confidence", "margin", "gold label", "veto", "keep", "flip"],
                live::Pane::Events => return of_run(model),
            };
            words.iter().map(|word| (*word).to_owned()).collect()
        }),
        Screen::Samples => of_pair(model),
        Screen::Compare => match model.compare.pane {
            compare::Pane::Table => compare::table::word_at(&model.compare).into_iter().collect(),
            compare::Pane::Pairs if model.compare.is_of_policies => {
                ["win rate", "over-optimization", "gold score"].map(str::to_owned).to_vec()
            }
            compare::Pane::Pairs => vec!["confidence".to_owned(), "selected".to_owned()],
            compare::Pane::Arms => ARMS.map(str::to_owned).to_vec(),
        },
        Screen::Launch => {
            let row = model.launch.rows.get(model.launch.cursor);
            row.map(|row| row.label().to_owned()).into_iter().collect()
        }
        Screen::Policy => {
            let words = policy::words_of(&model.policy);
            words.iter().map(|word| (*word).to_owned()).collect()
        }
    }
}

const ACCURACY: [&str; 4] = ["test accuracy", "±95%", "validation", "★"];
const RELIABILITY: [&str; 4] = ["reliability", "ECE", "Brier", "temperature"];
const ROUNDS: [&str; 5] = ["round", "learning status", "selected", "precision", "ECE"];
const CONFIDENCE: [&str; 6] = ["confidence", "selected", "coverage", "precision", "median", "░"];
const ARMS: [&str; 4] = ["gap closed", "p (Holm)", "McNemar p", "arm"];

/// Why the run stands where it stands, and what it does now.
fn of_run(model: &Model) -> Vec<String> {
    let Some(row) = model.current() else { return Vec::new() };
    let mut words: Vec<String> =
        row.stop_reason.map(|reason| stop_reason(reason).to_owned()).into_iter().collect();
    words.push(Condition::of(row).word().to_owned());
    words.extend(row.progress.as_ref().map(|progress| progress.step.name().to_owned()));
    words
}

/// Why the pair under the cursor was left out, and what a list of pairs shows.
fn of_pair(model: &Model) -> Vec<String> {
    let fate = model.samples.fate().map_or("selected", left_out);
    let words = [fate.trim_start_matches("left out: "), "confidence", "Δ", "margin"];
    words.map(str::to_owned).to_vec()
}
