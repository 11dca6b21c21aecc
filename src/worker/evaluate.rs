//! Evaluation on labeled pairs, and the scoring pass that it shares with the pool.

use std::ops::ControlFlow;

use crate::domain::event::{PairMargin, RunEvent};
use crate::domain::metrics::{Evaluation, Split, labeled_margin};
use crate::domain::phase::{Phase, PhaseKey};
use crate::domain::preference::{PairId, chosen_side};
use crate::domain::pseudo_label::PairScore;
use crate::domain::run::StopReason;
use crate::domain::ser::Outcome;
use crate::domain::teacher::halt;
use crate::engine::EncodedPair;
use crate::engine::score::{ScoreProgress, score_all};

use super::control::Flow;
use super::error::{StepResult, WorkerError};
use super::inputs::Inputs;
use super::pass::Pass;
use super::reporter::{Begun, Reporter};
use super::resources::Resources;
use super::state::RunState;

/// Packed tokens scored together: enough to fill the cores, few enough to answer a request soon.
const SCORE_TOKENS: usize = 8192;
/// Pairs handed to the engine at once, which it sorts by length; it bounds the copy of their
/// rewards.
const CHUNK_PAIRS: usize = 65_536;

/// Evaluates the model on a labeled split.
pub fn evaluate(
    state: &mut RunState,
    resources: &mut Resources<'_>,
    reporter: &mut Reporter<'_>,
    round: u32,
    split: Split,
) -> StepResult {
    let (ids, phase) = match split {
        Split::Validation => (resources.inputs.split.validation.clone(), Phase::Validate),
        Split::Test => (resources.inputs.test.clone(), Phase::Test),
    };
    let pass = Pass { key: PhaseKey::new(round, phase), split: Some(split) };
    let Some(scores) = score(state, resources, reporter, &ids, pass)? else {
        return Ok(None);
    };
    let rng_seed = state.spec.rng_seed;
    let margin = |score: &PairScore| labeled_margin(score, chosen_side(rng_seed, score.pair));
    let margins: Vec<f64> = scores.iter().map(margin).collect();
    if let Some(evaluation) = Evaluation::from_margins(&margins) {
        let of_pair =
            |score: &PairScore| PairMargin { pair: score.pair, margin: margin(score) as f32 };
        let margins = scores.iter().map(of_pair).collect();
        reporter.send(RunEvent::Evaluated { round, split, evaluation, margins })?;
    }
    let halt = match split {
        Split::Validation => {
            let margins = margins.iter().map(|margin| *margin as f32).collect();
            after_validation(state, &resources.inputs, reporter, round, margins)?
        }
        Split::Test => None,
    };
    Ok(Some(Outcome::Evaluated { halt }))
}

/// Keeps the margins of the validation pairs, and returns the reason to end the loop after the
/// round, if a guard finds one.
fn after_validation(
    state: &mut RunState,
    inputs: &Inputs,
    reporter: &Reporter<'_>,
    round: u32,
    margins: Vec<f32>,
) -> Result<Option<StopReason>, WorkerError> {
    let kept = &mut state.saved.validation;
    kept.insert(round, margins);
    kept.retain(|of, _| *of == 0 || *of + 1 >= round);
    let halt = halt::after_validation(round, kept, &inputs.validation_groups, &state.spec);
    reporter.halt(halt)
}

/// Scores pairs in order; `None` when a person asked to stop.
///
/// # Errors
/// When a reward is not finite, or the record cannot be written or read.
pub fn score(
    state: &mut RunState,
    resources: &mut Resources<'_>,
    reporter: &mut Reporter<'_>,
    ids: &[PairId],
    pass: Pass,
) -> Result<Option<Vec<PairScore>>, WorkerError> {
    let begun = reporter.begin(pass.key, 0, [0, ids.len() as u64])?;
    if let Some(rewards) = state.shared_scores.known(pass, ids.len()) {
        state.saved.n_round_tokens += n_tokens_of(&resources.inputs, ids, pass);
        return Ok(Some(pair_scores(ids, rewards)));
    }
    let mut scoring = Scoring { pass, begun, n_done: 0, n_tokens: 0 };
    let rewards = score_part(state, resources, reporter, ids, &mut scoring)?;
    if let Some(rewards) = &rewards {
        state.saved.n_round_tokens += scoring.n_tokens;
        state.shared_scores.remember(pass, rewards);
    }
    Ok(rewards.map(|rewards| pair_scores(ids, rewards)))
}

/// Scores several lists of pairs as one phase, one of `n_parts` folds; `None` when a person asked to
/// stop.
///
/// # Errors
/// As [`score`].
pub fn score_lists<const N: usize>(
    state: &mut RunState,
    resources: &mut Resources<'_>,
    reporter: &mut Reporter<'_>,
    lists: [&[PairId]; N],
    (pass, n_parts): (Pass, u32),
) -> Result<Option<[Vec<PairScore>; N]>, WorkerError> {
    let n_total = lists.iter().map(|ids| ids.len() as u64).sum();
    let begun = reporter.begin(pass.key, n_parts, [0, n_total])?;
    let mut scoring = Scoring { pass, begun, n_done: 0, n_tokens: 0 };
    let mut found = [const { Vec::new() }; N];
    for (ids, found) in lists.into_iter().zip(&mut found) {
        let Some(rewards) = score_part(state, resources, reporter, ids, &mut scoring)? else {
            return Ok(None);
        };
        *found = pair_scores(ids, rewards);
    }
    state.saved.n_round_tokens += scoring.n_tokens;
    Ok(Some(found))
}

/// A phase of scoring, and how far it is.
struct Scoring {
    pass: Pass,
    begun: Begun,
    n_done: u64,
    n_tokens: u64,
}

/// Scores some of the pairs of a phase, in order; `None` when a person asked to stop.
fn score_part(
    state: &mut RunState,
    resources: &mut Resources<'_>,
    reporter: &mut Reporter<'_>,
    ids: &[PairId],
    scoring: &mut Scoring,
) -> Result<Option<Vec<[f32; 2]>>, WorkerError> {
    let Scoring { pass, begun, .. } = *scoring;
    let mut rewards = Vec::with_capacity(ids.len());
    for chunk in ids.chunks(CHUNK_PAIRS) {
        let (n_done, n_tokens) = (scoring.n_done, scoring.n_tokens);
        let mut look = |progress: ScoreProgress| {
            let n_done = n_done + progress.n_scored as u64;
            reporter.progress(begun, n_done, n_tokens + progress.n_tokens)?;
            reporter.read_people(&mut state.saved)
        };
        let Some(part) = score_chunk(resources, chunk, pass, &mut look)? else {
            return Ok(None);
        };
        scoring.n_tokens += n_tokens_of(&resources.inputs, chunk, pass);
        scoring.n_done += chunk.len() as u64;
        rewards.extend(part);
    }
    Ok(Some(rewards))
}

fn pair_scores(ids: &[PairId], rewards: Vec<[f32; 2]>) -> Vec<PairScore> {
    let scores = ids.iter().zip(rewards);
    scores
        .map(|(pair, [reward_a, reward_b])| PairScore { pair: *pair, reward_a, reward_b })
        .collect()
}

/// Scores some pairs. Between batches, when `look` says so, progress is reported and requests are
/// read; `None` when a person asked to stop.
fn score_chunk(
    resources: &mut Resources<'_>,
    ids: &[PairId],
    pass: Pass,
    look: &mut dyn FnMut(ScoreProgress) -> Result<Flow, WorkerError>,
) -> Result<Option<Vec<[f32; 2]>>, WorkerError> {
    let Resources { model, inputs, .. } = resources;
    let pairs: Vec<&EncodedPair> = ids.iter().map(|id| encoded(inputs, *id, pass)).collect();
    let mut failure = None;
    let scored =
        score_all(model.as_mut(), &pairs, SCORE_TOKENS, &mut |progress| match look(progress) {
            Ok(Flow::Continue) => ControlFlow::Continue(()),
            Ok(Flow::Stop) => ControlFlow::Break(()),
            Err(error) => {
                failure = Some(error);
                ControlFlow::Break(())
            }
        })?;
    failure.map_or(Ok(scored), Err)
}

fn encoded(inputs: &Inputs, id: PairId, pass: Pass) -> &EncodedPair {
    match pass.split {
        Some(Split::Test) => inputs.test_pair(id),
        Some(Split::Validation) | None => inputs.pair(id),
    }
}

fn n_tokens_of(inputs: &Inputs, ids: &[PairId], pass: Pass) -> u64 {
    ids.iter().map(|id| encoded(inputs, *id, pass).n_tokens() as u64).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::run::RequestKind;
    use crate::domain::spec::DropAction;
    use crate::worker::testing::{Bench, names, spec};

    fn run(bench: &mut Bench, round: u32, split: Split) -> StepResult {
        let Bench { state, resources, reporter, .. } = bench;
        evaluate(state, resources, reporter, round, split)
    }

    #[test]
    fn a_split_is_reported_with_a_margin_of_each_pair() {
        for (split, phase) in [(Split::Validation, Phase::Validate), (Split::Test, Phase::Test)] {
            let mut bench = Bench::new(spec(|_| ()));
            bench.learn(2);
            let outcome = run(&mut bench, 0, split).unwrap();
            assert_eq!(outcome, Some(Outcome::Evaluated { halt: None }));
            let events = bench.record.take_events();
            assert!(matches!(&events[0], RunEvent::StepStarted { step, .. } if *step == phase));
            let Some(RunEvent::Evaluated { split: of, evaluation, margins, .. }) = events.last()
            else {
                panic!("{events:?}")
            };
            let inputs = &bench.resources.inputs;
            let ids = match split {
                Split::Validation => &inputs.split.validation,
                Split::Test => &inputs.test,
            };
            assert_eq!((*of, evaluation.n as usize), (split, ids.len()));
            assert!(margins.iter().map(|it| it.pair).eq(ids.iter().copied()));
            assert!(evaluation.accuracy > 0.9, "the mock learns these words");
            let n_kept = bench.state.saved.validation.len();
            assert_eq!(
                n_kept,
                usize::from(split == Split::Validation),
                "test pairs decide nothing"
            );
            assert!(bench.state.saved.n_round_tokens > 0);
        }
    }

    #[test]
    fn margins_of_the_last_two_rounds_and_of_round_0_are_kept() {
        let mut bench = Bench::new(spec(|spec| spec.rounds.on_drop = DropAction::Ignore));
        for round in 0..4 {
            run(&mut bench, round, Split::Validation).unwrap();
        }
        let kept: Vec<u32> = bench.state.saved.validation.keys().copied().collect();
        assert_eq!(kept, [0, 2, 3]);
    }

    #[test]
    fn a_round_that_drops_halts_the_loop_with_a_word() {
        let mut bench = Bench::new(spec(|spec| spec.rounds.on_drop = DropAction::Stop));
        let n = bench.resources.inputs.split.validation.len();
        bench.state.saved.validation.insert(0, vec![1.0; n]);
        // Every label turned around.
        bench.learn(2);
        bench.unlearn();
        let outcome = run(&mut bench, 1, Split::Validation).unwrap();
        let halt = Some(StopReason::ValidationDropped);
        assert_eq!(outcome, Some(Outcome::Evaluated { halt }));
        assert_eq!(names(&bench.record.take_events()).last(), Some(&"warned"));
    }

    #[test]
    fn a_pass_that_is_broken_off_keeps_nothing() {
        let mut bench = Bench::new(spec(|_| ()));
        bench.record.request(Some(RequestKind::Stop));
        assert_eq!(run(&mut bench, 0, Split::Validation).unwrap(), None);
        assert!(bench.state.saved.validation.is_empty());
        assert_eq!(bench.state.saved.n_round_tokens, 0);
    }

    #[test]
    fn scores_come_in_the_order_asked_for() {
        let mut bench = Bench::new(spec(|_| ()));
        let mut ids = bench.resources.inputs.split.unlabeled_pool.clone();
        let pass = Pass { key: PhaseKey::new(1, Phase::Score), split: None };
        let Bench { state, resources, reporter, .. } = &mut bench;
        let ascending = score(state, resources, reporter, &ids, pass).unwrap().unwrap();
        ids.reverse();
        let mut descending = score(state, resources, reporter, &ids, pass).unwrap().unwrap();
        descending.reverse();
        assert_eq!(ascending, descending);
        assert!(score(state, resources, reporter, &[], pass).unwrap().unwrap().is_empty());
    }
}
