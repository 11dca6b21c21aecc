//! Trains one model on the seed set without each fold, and keeps its scores of that fold.
//!
//! What is done with these scores stands in [`crate::domain::teacher::folds`].

use crate::domain::event::RunEvent;
use crate::domain::phase::{Phase, PhaseKey};
use crate::domain::preference::{PairId, TrainingLabel};
use crate::domain::random::{Place, Purpose};
use crate::domain::ser::Outcome;
use crate::domain::split::folds;
use crate::domain::teacher::folds::{FoldJudgments, FoldScores, part};
use crate::domain::teacher::halt::{beats_chance, seed_at_chance};
use crate::domain::teacher::plan::{LastOrder, Plan, planned};
use crate::engine::files::checkpoint;

use super::control::Flow;
use super::error::{StepResult, WorkerError};
use super::evaluate::score_lists;
use super::pass::Pass;
use super::reporter::Reporter;
use super::resources::Resources;
use super::state::RunState;
use super::train::take_step;
use super::{checkpoints, views};

/// Trains the fold models and keeps their scores; the model has the weights of the round again
/// afterward.
pub fn cross_fit(
    state: &mut RunState,
    resources: &mut Resources<'_>,
    reporter: &mut Reporter<'_>,
    round: u32,
) -> StepResult {
    let clock = reporter.start_clock();
    let n_folds = state.spec.selection.calibration_folds;
    let fold_of = folds(&resources.inputs.seed_groups, n_folds, state.spec.rng_seed);
    let mut found = FoldJudgments::default();
    let mut judged = Vec::new();
    for number in 0..n_folds {
        let (own, others) = part(&resources.inputs.seed_labels, &fold_of, number);
        if own.is_empty() || others.is_empty() {
            continue;
        }
        let own: Vec<PairId> = own.iter().map(|label| label.pair).collect();
        let fold = Fold { round, number, n_folds };
        if !judge_fold(state, resources, reporter, fold, (&own, others), &mut found)? {
            // A checkpoint must hold the run's own model, not a fold model.
            checkpoints::restore_round(state, resources, round)?;
            return Ok(None);
        }
        judged.push(own);
    }
    checkpoints::restore_round(state, resources, round)?;
    let elapsed_ms = reporter.elapsed_ms(clock);
    let asked = views::ask(&state.spec, &mut state.saved, &resources.inputs, reporter, &judged)?;
    let Some(views) = asked else { return Ok(None) };
    found.views = views;
    // No later step reads the surface features.
    resources.inputs.forget_surface();
    let (n_correct, n_pairs) = found.n_right();
    reporter.send(RunEvent::CrossFitted { n_folds, n_pairs, n_correct, elapsed_ms })?;
    let level = state.spec.rounds.chance_level;
    let halt = if beats_chance(found.n_right_with_views(), level) {
        None
    } else {
        let validation = state.saved.validation.get(&0).map_or(&[][..], Vec::as_slice);
        seed_at_chance((n_correct, n_pairs), validation, level)
    };
    state.saved.folds = Some(found);
    Ok(Some(Outcome::CrossFitted { halt: reporter.halt(halt)? }))
}

/// One of the folds.
#[derive(Clone, Copy)]
struct Fold {
    round: u32,
    number: u32,
    n_folds: u32,
}

impl Fold {
    fn key(self, phase: Phase) -> PhaseKey {
        PhaseKey { round: self.round, phase, part: self.number }
    }
}

/// Trains one fold model on the labels of the other folds and adds its scores; `false` when a
/// person asked to stop.
fn judge_fold(
    state: &mut RunState,
    resources: &mut Resources<'_>,
    reporter: &mut Reporter<'_>,
    fold: Fold,
    (own, others): (&[PairId], Vec<TrainingLabel>),
    found: &mut FoldJudgments,
) -> Result<bool, WorkerError> {
    if !train_fold(state, resources, reporter, fold, others)? {
        return Ok(false);
    }
    let pool = resources.inputs.split.unlabeled_pool.clone();
    let validation = resources.inputs.split.validation.clone();
    let pass = Pass { key: fold.key(Phase::JudgeFold), split: None };
    let lists = [&pool[..], &validation, own];
    let scores = score_lists(state, resources, reporter, lists, (pass, fold.n_folds))?;
    let Some([pool, validation, own]) = &scores else { return Ok(false) };
    if state.spec.selection.keep_fold_models {
        keep(state, resources, fold)?;
    }
    let scores = FoldScores { pool, validation, own };
    let facts = |id| resources.inputs.facts(id);
    found.add(scores, state.spec.rng_seed, state.policy.longer_strata, facts);
    Ok(true)
}

/// Keeps the weights of a fold model. They are no checkpoint of the run: it never goes on from them.
fn keep(state: &RunState, resources: &Resources<'_>, fold: Fold) -> Result<(), WorkerError> {
    let dir = resources.home.fold_models(&state.run);
    let name = format!("{:02}", fold.number);
    checkpoint::write_checkpoint(&dir, &name, resources.model.as_ref(), "{}")?;
    Ok(())
}

/// Trains a fold model as round 0 is trained, in an order of its own; false when asked to stop.
fn train_fold(
    state: &mut RunState,
    resources: &mut Resources<'_>,
    reporter: &mut Reporter<'_>,
    fold: Fold,
    labels: Vec<TrainingLabel>,
) -> Result<bool, WorkerError> {
    resources.model.restart()?;
    resources.model.reset_optimizer();
    let rng_seed =
        Place::new(state.spec.rng_seed, Purpose::CrossFit).at(0, 1).bits(u64::from(fold.number));
    let labels = planned(labels, &state.saved.ser, &state.spec);
    let plan = Plan::new(fold.round, labels, &state.spec, rng_seed);
    let begun = reporter.begin(fold.key(Phase::CrossFit), fold.n_folds, [0, plan.n_steps])?;
    let (mut n_tokens, mut last) = (0, LastOrder::default());
    for step in 0..plan.n_steps {
        if reporter.read_people(&mut state.saved)? == Flow::Stop {
            return Ok(false);
        }
        let taken = take_step(state, resources, &plan, step, &mut last, rng_seed)?;
        n_tokens += taken.map_or(0, |taken| taken.report.n_tokens);
        reporter.progress(begun, step + 1, n_tokens)?;
    }
    state.saved.n_round_tokens += n_tokens;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::run::{RequestKind, StopReason};
    use crate::domain::spec::{ExperimentSpec, SecondView};
    use crate::domain::teacher::second_view::View;
    use crate::worker::testing::{Bench, names, spec};

    /// A bench whose round 0 is trained, saved and validated.
    fn bench(change: impl Fn(&mut ExperimentSpec)) -> Bench {
        let mut bench = Bench::new(spec(|spec| {
            spec.selection.calibration_folds = 3;
            change(spec);
        }));
        bench.learn(1);
        bench.state.saved.validation.insert(0, vec![1.0; 3]);
        bench.finish(Outcome::Trained);
        bench.record.take_events();
        bench
    }

    fn run(bench: &mut Bench) -> StepResult {
        let Bench { state, resources, reporter, .. } = bench;
        cross_fit(state, resources, reporter, 0)
    }

    #[test]
    fn every_seed_pair_is_judged_once_and_the_weights_are_as_before() {
        let mut bench = bench(|_| ());
        let before = bench.resources.model.weights_digest();
        assert_eq!(run(&mut bench).unwrap(), Some(Outcome::CrossFitted { halt: None }));
        assert_eq!(bench.resources.model.weights_digest(), before);
        let folds = bench.state.saved.folds.as_ref().unwrap();
        let mut judged = folds.pairs.clone();
        judged.sort_unstable();
        assert_eq!(judged, bench.resources.inputs.split.seed_set);
        assert_eq!(folds.held_out.len(), judged.len());
        assert_eq!(folds.pool.len(), bench.resources.inputs.split.unlabeled_pool.len());
        assert!(folds.views.is_empty());
        let (n_right, n) = folds.n_right();
        assert!(n_right > n * 9 / 10, "the mock learns these words: {n_right} of {n}");
        let events = bench.record.take_events();
        let n_passes = names(&events).iter().filter(|name| **name == "step_started").count();
        assert_eq!(n_passes, 3 * 2, "a training and a scoring a fold");
    }

    #[test]
    fn fold_models_are_kept_where_the_spec_says_so() {
        for keeps in [false, true] {
            let mut bench = bench(|spec| spec.selection.keep_fold_models = keeps);
            run(&mut bench).unwrap();
            let dir = bench.resources.home.fold_models(&bench.state.run);
            let kept = checkpoint::list(&dir).unwrap();
            let mut digests: Vec<String> =
                kept.into_iter().map(|(_, manifest)| manifest.weights_digest).collect();
            digests.push(bench.resources.model.weights_digest());
            digests.sort_unstable();
            digests.dedup();
            assert_eq!(digests.len(), if keeps { 4 } else { 1 }, "three of their own");
        }
    }

    #[test]
    fn a_seed_model_at_chance_labels_nothing() {
        let mut bench = bench(|spec| spec.rounds.chance_level = 1e-300);
        let halt = Some(StopReason::SeedNotBetterThanChance);
        assert_eq!(run(&mut bench).unwrap(), Some(Outcome::CrossFitted { halt }));
        assert_eq!(names(&bench.record.take_events()).last(), Some(&"warned"));
    }

    #[test]
    fn a_stop_brings_the_weights_of_the_round_back() {
        let mut bench = bench(|_| ());
        let before = bench.resources.model.weights_digest();
        bench.record.request(Some(RequestKind::Stop));
        assert_eq!(run(&mut bench).unwrap(), None);
        assert_eq!(bench.resources.model.weights_digest(), before);
        assert_eq!(bench.state.saved.folds, None);
    }

    #[test]
    fn views_are_asked_about_pool_validation_and_folds() {
        let mut bench = bench(|spec| spec.selection.second_view = SecondView::Both);
        run(&mut bench).unwrap();
        let folds = bench.state.saved.folds.as_ref().unwrap();
        // The mock is no language model: the other view stands alone, and a person is told.
        let [view] = &folds.views[..] else { panic!("{:?}", folds.views) };
        assert_eq!(view.view, View::Surface);
        let split = &bench.resources.inputs.split;
        let lengths = (view.pool.len(), view.validation.len(), view.held_out.len());
        assert_eq!(
            lengths,
            (split.unlabeled_pool.len(), split.validation.len(), split.seed_set.len())
        );
        assert!(names(&bench.record.take_events()).contains(&"warned"));
    }
}
