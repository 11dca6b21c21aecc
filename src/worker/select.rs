//! Scoring the pool and choosing pseudo-labels from the scores.

use crate::domain::event::{OracleAnswer, RunEvent};
use crate::domain::phase::{Phase, PhaseKey};
use crate::domain::preference::PairFacts;
use crate::domain::pseudo_label::PairScore;
use crate::domain::run::StopReason;
use crate::domain::selection::{self, ScoredPair, Selection, SelectionContext};
use crate::domain::ser::Outcome;
use crate::domain::spec::{OracleQueue, TeacherName};
use crate::domain::teacher::appraisal::Appraisal;
use crate::domain::teacher::halt::{one_sided, uncertified};
use crate::domain::teacher::lesson::{Evidence, Lesson};
use crate::domain::teacher::novelty::brings_nothing_new;
use crate::domain::teacher::oracle::{Answers, Asking, Open, answer};
use crate::domain::teacher::second_view::REWARD_ALONE;
use crate::domain::teacher::summary::{Background, summarize};

use super::error::{StepResult, WorkerError};
use super::evaluate::score;
use super::inputs::Inputs;
use super::pass::Pass;
use super::reporter::{Reporter, TakesDecisions};
use super::resources::Resources;
use super::state::RunState;

/// Scores the whole unlabeled pool with the model of the round before.
pub fn score_pool(
    state: &mut RunState,
    resources: &mut Resources<'_>,
    reporter: &mut Reporter<'_>,
    round: u32,
) -> StepResult {
    let clock = reporter.start_clock();
    let n_tokens_before = state.saved.n_round_tokens;
    let Some(scores) = pool_scores(state, resources, reporter, round)? else {
        return Ok(None);
    };
    reporter.send(RunEvent::PoolScored {
        round,
        n_pairs: scores.len() as u64,
        n_tokens: state.saved.n_round_tokens - n_tokens_before,
        elapsed_ms: reporter.elapsed_ms(clock),
    })?;
    state.pool_scores = Some(scores);
    Ok(Some(Outcome::Scored))
}

/// Computes the present model's rewards of the pool; `None` when a person asked to stop.
fn pool_scores(
    state: &mut RunState,
    resources: &mut Resources<'_>,
    reporter: &mut Reporter<'_>,
    round: u32,
) -> Result<Option<Vec<PairScore>>, WorkerError> {
    let pool = state.unlabeled(&resources.inputs.split.unlabeled_pool);
    let pass = Pass { key: PhaseKey::new(round, Phase::Score), split: None };
    score(state, resources, reporter, &pool, pass)
}

/// Chooses the round's pseudo-labels.
pub fn select(
    state: &mut RunState,
    resources: &mut Resources<'_>,
    reporter: &mut Reporter<'_>,
    round: u32,
) -> StepResult {
    state.saved.read_decisions(reporter)?;
    let scores = match state.pool_scores.take() {
        Some(scores) => scores,
        // The run was stopped between scoring and selecting: the model is the same, so its scores
        // are computed again.
        None => match pool_scores(state, resources, reporter, round)? {
            Some(scores) => scores,
            None => return Ok(None),
        },
    };
    reporter.begin(PhaseKey::new(round, Phase::Select), 0, [0, 1])?;
    let inputs = &resources.inputs;
    // Round 0 selects nothing, so round 1 has no selection before it.
    let pool_before =
        if round < 2 { Vec::new() } else { reporter.record.pair_scores(round - 1)? };
    let facts: Vec<PairFacts> = scores.iter().map(|score| inputs.facts(score.pair)).collect();
    let Choice { lesson, appraisal, selection } =
        choose(state, inputs, round, scores, &facts, &pool_before);
    let background = Background {
        facts: &facts,
        appraisal: &appraisal,
        weights: lesson.weights,
        before: (round > 1).then_some(&pool_before[..]),
        n_vetoed: state.saved.verdicts.n_vetoed(),
        over_confidence_before: state.saved.over_confidence,
        first_generated: inputs.gold.first_generated(),
    };
    let summary = summarize(&selection, background, |pair| inputs.gold.known(pair));
    let halt = halt(state, reporter, &selection, &pool_before, &appraisal, &facts)?;
    state.saved.over_confidence = appraisal.report.map(|report| report.over_confidence);
    keep(state, inputs.split.validation.len(), &lesson, &appraisal);
    let asked = ask_oracle(state, inputs, reporter, round, (&selection.pairs, &pool_before))?;
    let Selection { learning_status, labels, pairs, .. } = selection;
    reporter.send(RunEvent::SelectionMade { round, summary, pairs })?;
    hear_oracle(state, inputs, reporter, round, &asked)?;
    Ok(Some(Outcome::Selected { learning_status, labels, halt }))
}

/// A selection, with the teacher that labeled it and the appraisal of that teacher.
struct Choice {
    lesson: Lesson,
    appraisal: Appraisal,
    selection: Selection,
}

fn choose(
    state: &RunState,
    inputs: &Inputs,
    round: u32,
    scores: Vec<PairScore>,
    facts: &[PairFacts],
    pool_before: &[ScoredPair],
) -> Choice {
    let (spec, saved) = (&state.spec.selection, &state.saved);
    let evidence = Evidence {
        round,
        rng_seed: state.spec.rng_seed,
        teacher: spec.teacher,
        n_folds: spec.calibration_folds,
        pool: inputs.judged_pool(),
        validation: &inputs.split.validation,
        margins: saved.validation.get(&(round - 1)).map_or(&[], Vec::as_slice),
        folds: saved.folds.as_ref(),
        teacher_before: saved.teacher.as_ref(),
        pool_before,
    };
    let lesson = Lesson::new(scores, &evidence);
    let facts_of = |id| inputs.facts(id);
    let appraisal = Appraisal::of(&lesson, &evidence, &state.policy, spec.calibration, facts_of);
    let already_selected = saved.ser.already_selected();
    let context = SelectionContext {
        previous_status: saved.ser.learning_status(),
        already_selected: &already_selected,
        verdicts: &saved.verdicts,
        temperature: appraisal.temperature,
        certificate: appraisal.certificate,
        facts,
    };
    let selection = selection::select(&lesson.scores, &state.policy, context);
    Choice { lesson, appraisal, selection }
}

/// Returns the reason not to train on the selection, if a guard finds one.
fn halt(
    state: &RunState,
    reporter: &Reporter<'_>,
    selection: &Selection,
    pool_before: &[ScoredPair],
    appraisal: &Appraisal,
    facts: &[PairFacts],
) -> Result<Option<StopReason>, WorkerError> {
    if brings_nothing_new(state.spec.selection.teacher, &selection.pairs, pool_before) {
        return Ok(Some(StopReason::NothingNew));
    }
    let limit = state.spec.rounds.one_sided_max;
    let longer_strata = state.spec.selection.longer_strata;
    let halt = uncertified(appraisal.certificate)
        .or_else(|| one_sided(&selection.pairs, facts, limit, longer_strata));
    reporter.halt(halt)
}

/// Keeps what later rounds need of the teacher and of the fold models.
fn keep(state: &mut RunState, n_validation: usize, lesson: &Lesson, appraisal: &Appraisal) {
    let teacher = state.spec.selection.teacher;
    if teacher == TeacherName::Ensemble {
        state.saved.teacher = Some(lesson.teacher(n_validation));
    }
    if let Some(folds) = &mut state.saved.folds {
        let is_joined = folds.has_views_apart() && lesson.weights != REWARD_ALONE;
        let joined = is_joined.then(|| appraisal.seed_pairs(n_validation)).flatten();
        folds.settle(teacher, joined);
    }
}

fn asking(state: &RunState, round: u32) -> Asking<'_> {
    Asking { review: &state.spec.review, rng_seed: state.spec.rng_seed, round }
}

/// Returns the pairs that the oracle is asked about after a selection.
fn ask_oracle(
    state: &RunState,
    inputs: &Inputs,
    reporter: &Reporter<'_>,
    round: u32,
    (pairs, pool_before): (&[ScoredPair], &[ScoredPair]),
) -> Result<Vec<PairScore>, WorkerError> {
    let review = &state.spec.review;
    if review.oracle == OracleQueue::None || review.oracle_labels == 0 {
        return Ok(Vec::new());
    }
    // It answers by the labels of people, and of a policy's pairs there are none.
    let n = pairs.partition_point(|it| it.score.pair < inputs.gold.first_generated());
    let pairs = &pairs[..n];
    let open = Open::new(asking(state, round), pairs, pool_before, &state.saved.verdicts);
    Ok(open.asked(|pairs| reporter.record.facets_of(pairs))?)
}

/// Takes the oracle's answers as verdicts and reports them.
fn hear_oracle(
    state: &mut RunState,
    inputs: &Inputs,
    reporter: &Reporter<'_>,
    round: u32,
    asked: &[PairScore],
) -> Result<(), WorkerError> {
    if asked.is_empty() {
        return Ok(());
    }
    let gold = |pair| inputs.gold.preferred(pair);
    let Answers { answers, n_wrong } = answer(asking(state, round), asked, gold);
    for OracleAnswer { pair, verdict, preferred } in &answers {
        state.saved.verdicts.record_label(*pair, *verdict, Some(*preferred));
    }
    let queue = state.spec.review.oracle;
    reporter.send(RunEvent::OracleAnswered { round, queue, answers, n_wrong })
}

#[cfg(test)]
mod tests;
