//! What a run knows as rows: pseudo-labels, scores, margins, metrics.

use std::collections::{BTreeMap, BTreeSet};

use clap::ValueEnum;
use serde_json::{Value, json};

use super::super::{CliError, CliResult};
use crate::domain::metrics::{Evaluation, Split};
use crate::domain::preference::{CandidatePair, PairId, Side};
use crate::domain::review::Judgment;
use crate::domain::run::RunKind;
use crate::domain::selection::{LeftOut, ScoredPair};
use crate::domain::stats::bradley_terry::preference_probability;
use crate::domain::text::conversation::Message;
use crate::domain::verdict::{Verdict, VerdictSet};
use crate::report::listing::rollouts;
use crate::store::rows::RunDetail;
use crate::store::{RoundRow, Store};

/// Texts in memory at one time.
const PAIRS_AT_ONCE: usize = 2048;

/// `--what`
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum What {
    /// The pseudo-labels that are trained on, as TRL reads pairs, with where each comes from
    #[default]
    Labels,
    /// Every scored pair of the pool, by round
    Scores,
    /// The margin of every validation and test pair, by round
    Margins,
    /// Every metric of every round, and the training loss of every step
    Metrics,
    /// The answers of a policy run: those that its steps learned from, then those to the held-out prompts
    Rollouts,
    /// The labels that people gave, of every reviewer, as TRL reads pairs; those in force are trained
    /// on
    HumanLabels,
}

impl What {
    /// The columns of its rows.
    #[must_use]
    pub fn columns(self) -> &'static [&'static str] {
        match self {
            Self::Labels => &[
                "prompt",
                "chosen",
                "rejected",
                "run",
                "round",
                "pair",
                "confidence",
                // Not `margin`: TRL takes a column of that name as the loss's target margin.
                "reward_margin",
                "verdict",
                "reviewer",
                "origin",
            ],
            Self::HumanLabels => &[
                "prompt", "chosen", "rejected", "run", "pair", "reviewer", "verdict", "blind",
                "in_force", "origin",
            ],
            Self::Scores => &[
                "run",
                "round",
                "pair",
                "reward_a",
                "reward_b",
                "preference_probability",
                "confidence",
                "selected",
                "left_out",
                "verdict",
                "reviewer",
                "origin",
            ],
            Self::Rollouts => &[
                "run",
                "step",
                "evaluation",
                "pair",
                "answer",
                "prompt",
                "response",
                "reward",
                "gold",
                "advantage",
                "divergence",
                "n_tokens",
                "ended",
                "vetoed",
            ],
            Self::Margins => &["run", "round", "split", "pair", "margin", "correct"],
            Self::Metrics => &["run", "round", "step", "metric", "value"],
        }
    }
}

/// One value of a row.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// A text, a number, a truth value, or nothing.
    Plain(Value),
    /// A conversation.
    Messages(Vec<Message>),
}

impl Cell {
    /// As one JSON value on one line.
    #[must_use]
    pub fn to_json(&self) -> String {
        match self {
            Self::Plain(value) => value.to_string(),
            Self::Messages(messages) => {
                let messages: Vec<String> = messages.iter().map(Message::to_json).collect();
                format!("[{}]", messages.join(","))
            }
        }
    }
}

/// Takes a row with a value for each column.
pub type Emit<'a> = &'a mut dyn FnMut(&[Cell]) -> CliResult;

/// A row of values that are no conversations.
fn plain<const N: usize>(values: [Value; N]) -> [Cell; N] {
    values.map(Cell::Plain)
}

/// A run whose rows are read.
pub struct Source<'a> {
    store: &'a Store,
    detail: RunDetail,
    rounds: Vec<RoundRow>,
    verdicts: VerdictSet,
    /// Who made the decision in force about a pair.
    reviewers: BTreeMap<PairId, String>,
    /// Whether prompts and answers are exported as messages, the form they came in.
    is_conversational: bool,
}

impl<'a> Source<'a> {
    /// Finds the run, and one round of it if a round is named.
    ///
    /// # Errors
    /// When there is no such run or round.
    pub fn open(store: &'a Store, run: &str, round: Option<u32>) -> CliResult<Self> {
        let row = store.find_run(run)?;
        let mut rounds = store.rounds(&row.id)?;
        if let Some(wanted) = round {
            rounds.retain(|row| row.round == wanted);
            if rounds.is_empty() {
                let message = format!("`{}` has no round {wanted}", row.name);
                let hint = format!("`ser rounds {}` lists the rounds", row.id);
                return Err(CliError::input(message).with_hint(hint));
            }
        }
        let (verdicts, _) = store.verdicts(&row.id, None)?;
        let reviewers = store.verdict_authors(&row.id)?;
        let detail = store.run(&row.id)?;
        let is_conversational = store.is_conversational(detail.dataset)?;
        Ok(Self { store, detail, rounds, verdicts, reviewers, is_conversational })
    }

    /// The rows that are meant where nothing is said: those that a run of this kind is for.
    ///
    /// # Errors
    /// When a run of this kind has no such rows.
    pub fn what(&self, asked: Option<What>) -> CliResult<What> {
        let name = &self.detail.row.name;
        match (self.detail.row.kind, asked) {
            (RunKind::Policy, None | Some(What::Rollouts)) => Ok(What::Rollouts),
            (RunKind::Ser, asked) if asked != Some(What::Rollouts) => Ok(asked.unwrap_or_default()),
            (RunKind::Ser, _) => {
                Err(CliError::input(format!("`{name}` is no policy run, so it has no rollouts"))
                    .with_hint("leave `--what` out for its pseudo-labels"))
            }
            (RunKind::Policy, _) => {
                Err(CliError::input(format!("`{name}` is a policy run, whose rows are rollouts"))
                    .with_hint(
                        "leave `--what` out, or write `--what rollouts`; `ser policy RUN --steps --csv` has \
                         the metrics",
                    ))
            }
        }
    }

    /// Whether the texts are exported as messages.
    #[must_use]
    pub fn is_conversational(&self) -> bool {
        self.is_conversational
    }

    /// The run's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.detail.row.name
    }

    /// Hands every row on, in order.
    ///
    /// # Errors
    /// When the store cannot be read, or a row cannot be taken.
    pub fn each(&self, what: What, emit: Emit<'_>) -> CliResult {
        match what {
            What::Labels => self.labels(emit),
            What::Scores => self.scores(emit),
            What::Margins => self.margins(emit),
            What::Metrics => self.metrics(emit),
            What::HumanLabels => self.human_labels(emit),
            What::Rollouts => self.rollouts(emit),
        }
    }

    fn rollouts(&self, emit: Emit<'_>) -> CliResult {
        let run = &self.detail.row.id;
        for of in rollouts::every(self.store, run)? {
            for rollout in self.store.rollouts(run, of)? {
                for (number, answer) in rollout.answers.iter().enumerate() {
                    let record = rollouts::record(of, &rollout, number, answer);
                    let cell = |column: &&str| match *column {
                        "run" => json!(self.id()),
                        column => record.get(column).cloned().unwrap_or_default(),
                    };
                    let row: Vec<Cell> =
                        What::Rollouts.columns().iter().map(cell).map(Cell::Plain).collect();
                    emit(&row)?;
                }
            }
        }
        Ok(())
    }

    fn id(&self) -> &str {
        self.detail.row.id.as_str()
    }

    /// Hands on the pseudo-labels. If a pair has several, the newest is in force, as in training.
    fn labels(&self, emit: Emit<'_>) -> CliResult {
        let run = &self.detail.row.id;
        let mut newer = BTreeSet::new();
        // A round that was rolled back has taught the run nothing.
        let taught = |round: &&RoundRow| round.selection.is_some() && !round.is_rolled_back();
        for round in self.rounds.iter().rev().filter(taught) {
            let mut selected = self.store.pair_scores(run, round.round)?;
            selected.retain(|pair| pair.left_out.is_none());
            selected.retain(|pair| newer.insert(pair.score.pair));
            selected.retain(|pair| self.verdicts.get(pair.score.pair) != Some(Verdict::Veto));
            for some in selected.chunks(PAIRS_AT_ONCE) {
                self.label_rows(round.round, some, emit)?;
            }
        }
        Ok(())
    }

    fn label_rows(&self, round: u32, some: &[ScoredPair], emit: Emit<'_>) -> CliResult {
        let ids: Vec<PairId> = some.iter().map(|pair| pair.score.pair).collect();
        let texts = self.store.pool_pairs(&self.detail.row.id, &ids)?;
        let origins = self.origins(&ids)?;
        for ((scored, texts), origin) in some.iter().zip(texts).zip(origins) {
            let Some(label) = scored.score.pseudo_label() else { continue };
            let (pair, verdict) = (label.pair, self.verdicts.get(label.pair));
            let is_flipped = verdict == Some(Verdict::Flip);
            let by_model = if is_flipped { label.preferred.other() } else { label.preferred };
            let preferred = self.verdicts.preferred(pair).unwrap_or(by_model);
            let reviewer = json!(self.reviewers.get(&pair));
            let [prompt, chosen, rejected] = self.texts_of(&texts, preferred);
            let [run, round, pair] = [json!(self.id()), json!(round), json!(pair)];
            let numbers = [json!(label.confidence), json!(scored.score.margin().abs())];
            let row = [run, round, pair].into_iter().chain(numbers);
            let row = row.chain([json!(verdict_name(verdict)), reviewer, origin]).map(Cell::Plain);
            emit(&[prompt, chosen, rejected].into_iter().chain(row).collect::<Vec<_>>())?;
        }
        Ok(())
    }

    /// Hands on the better answers that people named, by reviewer and pair.
    fn human_labels(&self, emit: Emit<'_>) -> CliResult {
        let panel = self.store.panel(&self.detail.row.id)?;
        for (reviewer, judged) in panel.reviewers() {
            let labels: Vec<(PairId, Side, Judgment)> =
                judged.iter().filter_map(|(pair, it)| Some((*pair, it.preferred?, *it))).collect();
            for some in labels.chunks(PAIRS_AT_ONCE) {
                let ids: Vec<PairId> = some.iter().map(|(pair, ..)| *pair).collect();
                let texts = self.store.pool_pairs(&self.detail.row.id, &ids)?;
                let origins = self.origins(&ids)?;
                for (((pair, side, judgment), texts), origin) in some.iter().zip(texts).zip(origins)
                {
                    let is_in_force = self.verdicts.preferred(*pair) == Some(*side);
                    let row = [
                        json!(self.id()),
                        json!(pair),
                        json!(Some(reviewer).filter(|name| !name.is_empty())),
                        json!(judgment.verdict.name()),
                        json!(judgment.is_blind),
                        json!(is_in_force),
                        origin,
                    ];
                    let cells = self.texts_of(&texts, *side);
                    emit(&cells.into_iter().chain(plain(row)).collect::<Vec<_>>())?;
                }
            }
        }
        Ok(())
    }

    /// Who wrote the answers of pairs, as lists show it; null for pairs of the data set.
    fn origins(&self, ids: &[PairId]) -> CliResult<Vec<Value>> {
        let origins = self.store.origins_of(&self.detail.row.id, ids)?;
        Ok(origins.iter().map(|it| json!(it.as_ref().map(ToString::to_string))).collect())
    }

    /// Prompt, preferred and other answer of a pair.
    fn texts_of(&self, pair: &CandidatePair, preferred: Side) -> [Cell; 3] {
        let sides = [(&pair.response_a, 0), (&pair.response_b, 1)];
        let [better, worse] = match preferred {
            Side::A => sides,
            Side::B => [sides[1], sides[0]],
        };
        let parts = |(answer, which): (&String, usize)| {
            pair.form.parts(&pair.prompt, answer, which).filter(|_| self.is_conversational)
        };
        match (parts(better), parts(worse)) {
            (Some([prompt, chosen]), Some([_, rejected])) => {
                [prompt, chosen, rejected].map(Cell::Messages)
            }
            _ => [&pair.prompt, better.0, worse.0].map(|text| Cell::Plain(json!(text))),
        }
    }

    fn scores(&self, emit: Emit<'_>) -> CliResult {
        for round in self.rounds.iter().filter(|round| round.selection.is_some()) {
            let scored = self.store.pair_scores(&self.detail.row.id, round.round)?;
            let ids: Vec<PairId> = scored.iter().map(|it| it.score.pair).collect();
            let origins = self.origins(&ids)?;
            for (ScoredPair { score, left_out }, origin) in scored.into_iter().zip(origins) {
                emit(&plain([
                    json!(self.id()),
                    json!(round.round),
                    json!(score.pair),
                    json!(score.reward_a),
                    json!(score.reward_b),
                    json!(preference_probability(score.margin())),
                    json!(score.confidence()),
                    json!(left_out.is_none()),
                    json!(left_out.map(LeftOut::name)),
                    json!(verdict_name(self.verdicts.get(score.pair))),
                    json!(self.reviewers.get(&score.pair)),
                    origin,
                ]))?;
            }
        }
        Ok(())
    }

    fn margins(&self, emit: Emit<'_>) -> CliResult {
        for round in &self.rounds {
            for split in [Split::Validation, Split::Test] {
                for it in self.store.margins(&self.detail.row.id, round.round, split)? {
                    emit(&plain([
                        json!(self.id()),
                        json!(round.round),
                        json!(split.name()),
                        json!(it.pair),
                        json!(it.margin),
                        json!(it.margin > 0.0),
                    ]))?;
                }
            }
        }
        Ok(())
    }

    fn metrics(&self, emit: Emit<'_>) -> CliResult {
        for round in &self.rounds {
            for (metric, value) in round_metrics(round) {
                // A metric without a value has no row.
                if let Some(value) = value.filter(|value| value.is_finite()) {
                    let round = json!(round.round);
                    emit(&plain([
                        json!(self.id()),
                        round,
                        Value::Null,
                        json!(metric),
                        json!(value),
                    ]))?;
                }
            }
        }
        let is_wanted = |round| self.rounds.iter().any(|row| row.round == round);
        for point in self.store.loss_points(&self.detail.row.id, usize::MAX)? {
            if is_wanted(point.round) {
                let (round, step) = (json!(point.round), json!(point.global_step));
                let loss = json!(point.loss);
                emit(&plain([json!(self.id()), round, step, json!("train/loss"), loss]))?;
            }
        }
        Ok(())
    }
}

fn verdict_name(verdict: Option<Verdict>) -> &'static str {
    verdict.map_or("none", Verdict::name)
}

fn round_metrics(round: &RoundRow) -> Vec<(String, Option<f64>)> {
    let count = |n: Option<u64>| n.map(|n| n as f64);
    let selection = round.selection.as_ref();
    let mut metrics = vec![
        ("n_train_pairs".to_owned(), count(round.n_train_pairs)),
        ("n_steps".to_owned(), count(round.n_steps)),
        ("n_tokens".to_owned(), count(round.n_tokens)),
        ("wall_s".to_owned(), round.wall_ms.map(|ms| ms as f64 / 1000.0)),
        ("n_scored".to_owned(), count(selection.map(|s| s.n_scored))),
        ("n_selected".to_owned(), count(selection.map(|s| s.n_selected))),
        ("n_vetoed".to_owned(), count(selection.map(|s| s.n_vetoed))),
        ("coverage".to_owned(), selection.and_then(|s| s.coverage)),
        ("pseudo_label_precision".to_owned(), selection.and_then(|s| s.pseudo_label_precision)),
    ];
    let by_origin = selection.and_then(|s| s.by_origin.as_deref());
    for (name, of) in by_origin.iter().flat_map(|it| it.parts()) {
        metrics.extend([
            (format!("{name}/n_scored"), Some(of.n_scored as f64)),
            (format!("{name}/n_selected"), Some(of.n_selected as f64)),
            (format!("{name}/pseudo_label_precision"), of.pseudo_label_precision),
        ]);
    }
    let splits = [(Split::Validation, &round.validation), (Split::Test, &round.test)];
    for (split, evaluation) in splits {
        for (i, name) in EVALUATION_FIELDS.into_iter().enumerate() {
            let value = evaluation.as_ref().map(|it| evaluation_values(it)[i]);
            metrics.push((format!("{}/{name}", split.name()), value));
        }
    }
    metrics
}

const EVALUATION_FIELDS: [&str; 8] =
    ["n", "accuracy", "ci_low", "ci_high", "ece", "brier", "nll", "mean_margin"];

fn evaluation_values(it: &Evaluation) -> [f64; 8] {
    [it.n as f64, it.accuracy, it.ci_low, it.ci_high, it.ece, it.brier, it.nll, it.mean_margin]
}
