//! Judging the whole seed set by models that did not learn it.
//!
//! A few validation pairs certify nothing, and every human label that is held back is one less to
//! learn from. So in round 0 the seed set is dealt to folds (prompts stay together), one model a fold
//! is trained as round 0 was, on the other folds, and judges its own. Every human label is then
//! held out once. What is kept of a fold model is, for each pair it judged, the margin in units of
//! its root mean square margin over the pool, and the pair's rank by the fold model's own scores of
//! the pool, so that models whose rewards have different scales can be read together.
//!
//! The judgements are about models that learned a little less than that of round 0, so for round 1
//! they err on the safe side. Later rounds have other models. To train folds of them again would
//! not help: their pseudo-labels come from a teacher that has learned every fold. So the judgements
//! are kept, put on the scale of the present model, beside the validation pairs, which no model of
//! the run ever learns. That a later model is no worse than the fold models were is an assumption;
//! the drop test on the validation pairs is there to notice when it breaks.

use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::domain::event::RunEvent;
use crate::domain::metrics::labeled_margin;
use crate::domain::preference::{PairId, TrainingLabel, chosen_side};
use crate::domain::pseudo_label::PairScore;
use crate::domain::random::{Place, Purpose};
use crate::domain::run::StopReason;
use crate::domain::selection::Ranking;
use crate::domain::selection::risk::HeldOutPair;
use crate::domain::ser::Outcome;
use crate::domain::split::folds;
use crate::domain::teacher::guard::chance_p_value;
use crate::domain::teacher::second_view::{REWARD_ALONE, fit_weights};

use super::control::Flow;
use super::evaluate::{Pass, score};
use super::journal::StepProgress;
use super::plan::{LastOrder, Plan, planned};
use super::session::Session;
use super::train::take_step;
use super::views::{self, ViewJudgements, beside};
use super::{StepResult, WorkerError};

/// What the fold models said.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FoldJudgements {
    /// Seed pairs, each judged by the model that did not learn it; margins in units of that model's
    /// root mean square margin over the pool.
    pub held_out: Vec<HeldOutPair>,
    /// Which pairs they are.
    #[serde(default)]
    pub pairs: Vec<PairId>,
    /// Sums over the fold models of the rewards `[a, b]` of each pool pair; empty once round 1 has
    /// its labels.
    pub pool: Vec<[f32; 2]>,
    /// The same of each validation pair.
    pub validation: Vec<[f32; 2]>,
    /// What the second views say.
    #[serde(default)]
    pub views: Vec<ViewJudgements>,
}

/// Root mean square of the margins.
pub fn margin_scale(scores: &[PairScore]) -> f64 {
    let sum: f64 = scores.iter().map(|score| score.margin().powi(2)).sum();
    (sum / scores.len().max(1) as f64).sqrt()
}

/// Trains the fold models and keeps what they say; ends with the weights of the round.
pub fn cross_fit(session: &mut Session<'_>, round: u32) -> StepResult {
    let clock = Instant::now();
    let n_folds = session.spec.selection.calibration_folds;
    let fold_of = folds(&session.inputs.seed_groups, n_folds, session.spec.rng_seed);
    let mut found = FoldJudgements::default();
    let mut judged = Vec::new();
    for fold in 0..n_folds {
        let part = Fold { round, number: fold, n_folds };
        if !judge_fold(session, part, &fold_of, &mut found, &mut judged)? {
            // A checkpoint must hold the run's model, not a fold's.
            session.restore_round(round)?;
            return Ok(None);
        }
    }
    session.restore_round(round)?;
    let n_pairs = found.held_out.len() as u64;
    let n_correct = found.held_out.iter().filter(|pair| pair.is_correct()).count() as u64;
    let elapsed_ms = clock.elapsed().as_millis() as u64;
    found.views = views::ask(session, &judged)?;
    found.pairs = judged.concat();
    session.journal.send(RunEvent::CrossFitted { n_folds, n_pairs, n_correct, elapsed_ms })?;
    let is_better_with_views = beats_chance(session, joined_count(&found));
    session.journal.state.folds = Some(found);
    let halt =
        if is_better_with_views { None } else { refuse_chance(session, n_correct, n_pairs)? };
    Ok(Some(Outcome::CrossFitted { halt }))
}

/// How many of the seed pairs, and of how many, are ranked right by the fold models with the views that
/// are significantly worth having; `(0, 0)` where none is. What labels the pool is all of them: a seed
/// model at chance may still stand beside a view that is not.
fn joined_count(found: &FoldJudgements) -> (u64, u64) {
    let rewards: Vec<f64> = found.held_out.iter().map(|pair| pair.margin).collect();
    let pairs = beside(&rewards, &found.views, |view, place| view.held_out[place]);
    let weights = fit_weights(&pairs);
    if weights == REWARD_ALONE {
        return (0, 0);
    }
    let n_right = pairs.iter().filter(|pair| weights.join(**pair) > 0.0).count();
    (n_right as u64, pairs.len() as u64)
}

fn beats_chance(session: &Session<'_>, (n_correct, n): (u64, u64)) -> bool {
    chance_p_value(n_correct, n) < session.spec.rounds.chance_level
}

/// Whether the seed model is too weak to label anything: held-out pairs of the folds, where there
/// are any, and the validation pairs.
pub fn refuse_chance(
    session: &mut Session<'_>,
    n_correct: u64,
    n: u64,
) -> Result<Option<StopReason>, WorkerError> {
    let level = session.spec.rounds.chance_level;
    let validation = session.journal.state.validation.get(&0);
    let validation = validation.map_or(&[][..], Vec::as_slice);
    let n_correct = n_correct + validation.iter().filter(|margin| **margin > 0.0).count() as u64;
    let n = n + validation.len() as u64;
    let p = chance_p_value(n_correct, n);
    if level <= 0.0 || p < level {
        return Ok(None);
    }
    let message = format!(
        "the seed model ranks {n_correct} of {n} held-out human pairs right ({:.1} %), which chance \
         does with probability {p:.2}: it will not label the pool; hint: give it more labels \
         (`data.seed_labels`), longer training (`train.epochs`) or a better backbone, or set \
         `rounds.chance_level = 0`",
        100.0 * n_correct as f64 / n.max(1) as f64,
    );
    session.journal.send(RunEvent::Warned { message })?;
    Ok(Some(StopReason::SeedNotBetterThanChance))
}

#[derive(Clone, Copy)]
struct Fold {
    round: u32,
    number: u32,
    n_folds: u32,
}

/// Trains one fold model and adds what it says; false when a person asked to stop.
fn judge_fold(
    session: &mut Session<'_>,
    part: Fold,
    fold_of: &[u32],
    found: &mut FoldJudgements,
    judged: &mut Vec<Vec<PairId>>,
) -> Result<bool, WorkerError> {
    let labels = session.inputs.seed_labels.clone();
    let pick = |is_own: bool| -> Vec<TrainingLabel> {
        let own = labels.iter().zip(fold_of).filter(|(_, of)| (**of == part.number) == is_own);
        own.map(|(label, _)| *label).collect()
    };
    let (own, others) = (pick(true), pick(false));
    if own.is_empty() || others.is_empty() {
        return Ok(true);
    }
    if !train_fold(session, part, others)? {
        return Ok(false);
    }
    let pool = session.inputs.split.unlabeled_pool.clone();
    let validation = session.inputs.split.validation.clone();
    let own: Vec<PairId> = own.iter().map(|label| label.pair).collect();
    let pass = Pass { round: part.round, step: "cross_fit", split: None };
    let mut parts = Vec::new();
    for ids in [&pool, &validation, &own] {
        let Some(scores) = score(session, ids, pass)? else { return Ok(false) };
        parts.push(scores);
    }
    let [pool, validation, own] = &parts[..] else { return Ok(false) };
    add(&mut found.pool, pool);
    add(&mut found.validation, validation);
    let facts = session.inputs.facts_of(pool);
    let ranking = Ranking::new(pool, &facts, &session.spec.selection);
    let scale = margin_scale(pool);
    for score in own {
        let margin = labeled_margin(score, chosen_side(session.spec.rng_seed, score.pair));
        let rank = ranking.rank(score, session.inputs.facts(score.pair));
        let margin = if scale > 0.0 { margin / scale } else { 0.0 };
        found.held_out.push(HeldOutPair { margin, rank });
    }
    judged.push(own.iter().map(|score| score.pair).collect());
    Ok(true)
}

fn add(sums: &mut Vec<[f32; 2]>, scores: &[PairScore]) {
    sums.resize(scores.len(), [0.0; 2]);
    for (sum, score) in sums.iter_mut().zip(scores) {
        sum[0] += score.reward_a;
        sum[1] += score.reward_b;
    }
}

/// Trains a fold model as round 0 is trained, in an order of its own; false when asked to stop.
fn train_fold(
    session: &mut Session<'_>,
    part: Fold,
    labels: Vec<TrainingLabel>,
) -> Result<bool, WorkerError> {
    session.restart_model()?;
    session.model.reset_optimizer();
    let rng_seed =
        Place::new(session.spec.rng_seed, Purpose::CrossFit).at(0, 1).bits(u64::from(part.number));
    let labels = planned(labels, &session.journal.state.ser, &session.spec);
    let plan = Plan::new(part.round, labels, &session.spec, rng_seed);
    let n_total = plan.n_steps * u64::from(part.n_folds);
    let before = plan.n_steps * u64::from(part.number);
    let step = "cross_fit".to_owned();
    session.journal.send(RunEvent::StepStarted { round: part.round, step, n_total })?;
    let (clock, mut n_tokens, mut last) = (Instant::now(), 0, LastOrder::default());
    for step in 0..plan.n_steps {
        if session.journal.read_people()? == Flow::Stop {
            return Ok(false);
        }
        let taken = take_step(session, &plan, step, &mut last, rng_seed)?;
        n_tokens += taken.map_or(0, |taken| taken.report.n_tokens);
        session.journal.progress(StepProgress {
            round: part.round,
            step: "cross_fit",
            n_done: before + step + 1,
            n_total,
            n_tokens,
            clock,
        })?;
    }
    session.journal.state.n_round_tokens += n_tokens;
    Ok(true)
}
