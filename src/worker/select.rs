//! Scoring the pool and choosing pseudo-labels from the scores.

use std::collections::BTreeMap;
use std::time::Instant;

use crate::domain::event::{RunEvent, SelectionSummary};
use crate::domain::metrics::calibration::{CalibrationReport, fit_temperature};
use crate::domain::metrics::histogram::ConfidenceHistogram;
use crate::domain::metrics::pseudo_label_precision;
use crate::domain::preference::{PairId, Side};
use crate::domain::pseudo_label::{PairScore, PseudoLabel};
use crate::domain::run::StopReason;
use crate::domain::selection::risk::{Certificate, HeldOutPair, RiskTarget, certify};
use crate::domain::selection::{self, Ranking, ScoredPair, Selection, SelectionContext};
use crate::domain::ser::Outcome;
use crate::domain::spec::{CalibrationName, RuleName, TeacherName};
use crate::domain::teacher::audit::{PairFacts, SelectionAudit, audit};
use crate::domain::teacher::guard::one_sided_share;
use crate::domain::teacher::second_view::{REWARD_ALONE, View, ViewWeights};

use super::cross_fit::margin_scale;
use super::evaluate::{Pass, score};
use super::held_out::Lesson;
use super::session::Session;
use super::state::Teacher;
use super::{StepResult, WorkerError, oracle};

/// Scores the whole unlabelled pool with the model of the round before.
pub fn score_pool(session: &mut Session<'_>, round: u32) -> StepResult {
    let clock = Instant::now();
    let n_tokens_before = session.journal.state.n_round_tokens;
    let Some(scores) = pool_scores(session, round)? else {
        return Ok(None);
    };
    let scored = RunEvent::PoolScored {
        round,
        n_pairs: scores.len() as u64,
        n_tokens: session.journal.state.n_round_tokens - n_tokens_before,
        elapsed_ms: clock.elapsed().as_millis() as u64,
    };
    session.journal.send(scored)?;
    session.pool_scores = Some(scores);
    Ok(Some(Outcome::Scored))
}

/// The present model's rewards of the pool; `None` when a person asked to stop.
fn pool_scores(
    session: &mut Session<'_>,
    round: u32,
) -> Result<Option<Vec<PairScore>>, WorkerError> {
    let pool = session.unlabeled_pool();
    let pass = Pass { round, step: "score", split: None };
    score(session, &pool, pass)
}

/// Chooses the round's pseudo-labels.
pub fn select(session: &mut Session<'_>, round: u32) -> StepResult {
    session.journal.read_verdicts()?;
    let scores = if let Some(scores) = session.pool_scores.take() {
        scores
    } else {
        // Stopped between scoring and selecting: the model is the same, so the scores are too.
        let Some(scores) = pool_scores(session, round)? else {
            return Ok(None);
        };
        scores
    };
    let facts = session.inputs.facts_of(&scores);
    let pool_before = pool_before(session, round)?;
    let lesson = Lesson::new(session, round, scores, &pool_before);
    let seen = look_at_people(session, &lesson, &facts);
    let scores = &lesson.scores;
    let labels = pool_before.iter().filter_map(|pair| pair.score.pseudo_label());
    let before = (round > 1).then(|| labels.map(|label| (label.pair, label.preferred)).collect());
    let already_selected = session.journal.state.ser.already_selected();
    let context = SelectionContext {
        previous_status: session.journal.state.ser.learning_status(),
        already_selected: &already_selected,
        verdicts: &session.journal.state.verdicts,
        temperature: seen.temperature,
        certificate: seen.certificate,
        facts: &facts,
    };
    let selection = selection::select(scores, &session.spec.selection, context);
    let summary = summarize(session, &selection, before.as_ref(), &seen, &facts);
    let halt = if brings_nothing_new(session, &selection, &pool_before) {
        Some(StopReason::NothingNew)
    } else {
        halt(session, &selection, &seen, &facts)?
    };
    session.journal.state.over_confidence = seen.report.map(|report| report.over_confidence);
    keep_judgements(session, &lesson, seen);
    let outcome = Outcome::Selected {
        learning_status: selection.learning_status,
        labels: selection.labels,
        halt,
    };
    let asked = oracle::queue(session, round, &selection.pairs)?;
    session.journal.send(RunEvent::SelectionMade { round, summary, pairs: selection.pairs })?;
    oracle::answer(session, round, &asked)?;
    Ok(Some(outcome))
}

/// What later rounds need of the fold models: they have teachers of their own, but no other judges of
/// the seed pairs than the teacher of round 1.
fn keep_judgements(session: &mut Session<'_>, lesson: &Lesson, seen: Seen) {
    let n_validation = session.inputs.split.validation.len();
    let is_ensemble = session.spec.selection.teacher == TeacherName::Ensemble;
    if is_ensemble {
        let validation = lesson.margins.iter().take(n_validation).copied().collect();
        session.journal.state.teacher = Some(Teacher { validation });
    }
    let Some(folds) = &mut session.journal.state.folds else { return };
    let is_joined =
        folds.views.iter().any(|view| !view.held_out.is_empty()) && seen.weights != REWARD_ALONE;
    if is_joined && seen.scale > 0.0 {
        let judged = seen.held_out.into_iter().skip(n_validation);
        let unscaled = |pair: HeldOutPair| HeldOutPair { margin: pair.margin / seen.scale, ..pair };
        folds.held_out = judged.map(unscaled).collect();
    }
    folds.pool = Vec::new();
    folds.validation = Vec::new();
    if is_ensemble {
        folds.views = Vec::new();
    }
    for view in &mut folds.views {
        view.held_out = Vec::new();
    }
}

/// What held-out human pairs say about the labelling model.
struct Seen {
    temperature: f64,
    report: Option<CalibrationReport>,
    certificate: Option<Certificate>,
    weights: ViewWeights,
    held_out: Vec<HeldOutPair>,
    scale: f64,
}

fn look_at_people(session: &Session<'_>, lesson: &Lesson, facts: &[PairFacts]) -> Seen {
    let rule = &session.spec.selection;
    let ranking = Ranking::new(&lesson.scores, facts, rule);
    let pairs = lesson.held_out(session, &ranking);
    let temperature = match rule.calibration {
        CalibrationName::None => 1.0,
        CalibrationName::Temperature => fit_temperature(&lesson.margins),
    };
    let target = RiskTarget { max_error: rule.max_error, certainty: rule.certainty };
    Seen {
        temperature,
        report: CalibrationReport::of(&lesson.margins, temperature),
        certificate: (rule.rule == RuleName::Risk).then(|| certify(&pairs, target)),
        weights: lesson.weights,
        held_out: pairs,
        scale: margin_scale(&lesson.scores),
    }
}

/// The pool as the round before saw it; empty where it saw none.
fn pool_before(session: &Session<'_>, round: u32) -> Result<Vec<ScoredPair>, WorkerError> {
    if round < 2 {
        return Ok(Vec::new());
    }
    Ok(session.journal.store.pair_scores(&session.journal.run, round - 1)?)
}

/// Whether an ensemble of teachers selects the very labels of the round before: the present model was
/// not worth adding, and no person has said anything. Another round would train on them again.
fn brings_nothing_new(session: &Session<'_>, selection: &Selection, before: &[ScoredPair]) -> bool {
    let selected = |pairs: &[ScoredPair]| -> Vec<PseudoLabel> {
        let kept = pairs.iter().filter(|pair| pair.left_out.is_none());
        kept.filter_map(|pair| pair.score.pseudo_label()).collect()
    };
    let same = |(now, before): (&PseudoLabel, &PseudoLabel)| {
        (now.pair, now.preferred) == (before.pair, before.preferred)
    };
    let (now, before) = (selected(&selection.pairs), selected(before));
    session.spec.selection.teacher == TeacherName::Ensemble
        && now.len() == before.len()
        && !now.is_empty()
        && now.iter().zip(&before).all(same)
}

/// Why the loop must not train on the selection, where it must not; said with numbers.
fn halt(
    session: &mut Session<'_>,
    selection: &Selection,
    seen: &Seen,
    facts: &[PairFacts],
) -> Result<Option<StopReason>, WorkerError> {
    if let (true, Some(best)) = (selection.is_uncertified, seen.certificate) {
        let stops = selection.labels.is_empty();
        let message = format!(
            "no share of the pool can be shown to have at most {:.0} % wrong labels with {:.0} % \
             certainty: the best is the most confident {:.1} %, where {} of {} held-out human pairs \
             are wrong and the bound is {:.1} %; {}",
            100.0 * best.max_error,
            100.0 * best.certainty,
            100.0 * best.coverage,
            best.n_errors,
            best.n,
            100.0 * best.bound,
            if stops { "the loop ends" } else { "`selection.top_share` is taken instead" },
        );
        session.journal.send(RunEvent::Warned { message })?;
        if stops {
            return Ok(Some(StopReason::Uncertified));
        }
    }
    let limit = session.spec.rounds.one_sided_max;
    let selected = selection.pairs.iter().zip(facts).filter(|(pair, _)| pair.left_out.is_none());
    let lengths = selected
        .filter_map(|(pair, facts)| Some(facts.lengths(pair.score.pseudo_label()?.preferred)));
    match one_sided_share(lengths) {
        Some(share) if share > limit => {
            let message = format!(
                "{:.1} % of the selected labels prefer the answer of the same kind by length, more \
                 than the {:.1} % of `rounds.one_sided_max`: the loop ends; hint: set \
                 `selection.longer_strata` or `selection.length_strata`",
                100.0 * share,
                100.0 * limit
            );
            session.journal.send(RunEvent::Warned { message })?;
            Ok(Some(StopReason::SelectionOneSided))
        }
        _ => Ok(None),
    }
}

fn summarize(
    session: &Session<'_>,
    selection: &Selection,
    before: Option<&BTreeMap<PairId, Side>>,
    seen: &Seen,
    facts: &[PairFacts],
) -> SelectionSummary {
    let gold = &session.inputs.gold;
    let precision = |labels: &[PseudoLabel]| {
        pseudo_label_precision(labels, |label| Some(gold.preferred(label.pair)))
    };
    let all: Vec<PseudoLabel> =
        selection.pairs.iter().filter_map(|pair| pair.score.pseudo_label()).collect();
    let kept = selection.pairs.iter().filter(|pair| pair.left_out.is_none());
    let has_flipped = |label: &&PseudoLabel| {
        before.is_some_and(|of| of.get(&label.pair).is_some_and(|side| *side != label.preferred))
    };
    let drift = seen.report.zip(session.journal.state.over_confidence);
    SelectionSummary {
        learning_status: selection.learning_status,
        reward_offset: selection.reward_offset,
        n_scored: selection.pairs.len() as u64,
        n_selected: selection.labels.len() as u64,
        n_vetoed: session.journal.state.verdicts.n_vetoed() as u64,
        n_flipped: before.map(|_| all.iter().filter(has_flipped).count() as u64),
        coverage: selection.coverage(),
        pseudo_label_precision: precision(&selection.labels),
        pool_accuracy: precision(&all),
        left_out: selection.left_out_counts(),
        histogram: selection.histogram(),
        selected_histogram: ConfidenceHistogram::of(kept.map(|pair| pair.score.confidence())),
        audit: Box::new(SelectionAudit {
            calibration: seen.report,
            over_confidence_drift: drift.map(|(now, before)| now.over_confidence - before),
            certificate: seen.certificate,
            view_weight: seen.weights.of(View::Likelihood),
            surface_weight: seen.weights.of(View::Surface),
            ..audit(selection, facts)
        }),
    }
}
