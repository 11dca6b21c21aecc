//! Training: epochs over the round's labels, one optimizer step at a time.

use crate::domain::event::RunEvent;
use crate::domain::phase::{Phase, PhaseKey};
use crate::domain::random::{Place, Purpose};
use crate::domain::ser::{Outcome, with_human_labels};
use crate::domain::spec::{ExperimentSpec, NONE, StartFrom};
use crate::domain::teacher::plan::{LastOrder, Plan, planned};
use crate::engine::schedule::Schedule;
use crate::engine::{LabeledPair, StepReport, StepSettings};
use crate::store::StepsTaken;

use super::control::Flow;
use super::error::{StepResult, WorkerError};
use super::reporter::{Begun, Reporter};
use super::resources::Resources;
use super::state::RunState;
use super::{checkpoints, shared_round};

/// Trains on the round's labels; steps that the checkpoint already contains are not repeated.
pub fn train(
    state: &mut RunState,
    resources: &mut Resources<'_>,
    reporter: &mut Reporter<'_>,
    round: u32,
) -> StepResult {
    let n_least = if round == 0 { steps_to_match(state, reporter)? } else { 0 };
    let saved = &mut state.saved;
    if round > 0 && saved.n_steps_done == 0 {
        // The training set is fixed here: verdicts that come later are labels of the next round.
        saved.human_labels = saved.verdicts.human_labels();
    }
    let inputs = &resources.inputs;
    let labels = saved.ser.training_labels(round, &inputs.seed_labels, &inputs.pool_labels);
    let labels = with_human_labels(labels, &saved.human_labels);
    let labels = planned(labels, &saved.ser, &state.spec);
    let plan =
        Plan::new(round, labels, &state.spec, state.spec.rng_seed).with_steps_at_least(n_least);
    if plan.labels.iter().all(|label| label.judged(&state.saved.verdicts).is_none()) {
        let n_vetoed = state.saved.verdicts.n_vetoed();
        return Err(WorkerError::NothingToTrain { round, n_vetoed });
    }
    if state.saved.n_steps_done == 0 {
        if round == 0 && shared_round::take(state, resources, reporter, plan.n_steps)? {
            return Ok(Some(Outcome::Trained));
        }
        start_from(&state.spec, resources, round)?;
    }
    let counts = [state.saved.n_steps_done, plan.n_steps];
    let begun = reporter.begin(PhaseKey::new(round, Phase::Train), 0, counts)?;
    let clock = reporter.start_clock();
    if take_steps(state, resources, reporter, &plan, begun)? == Flow::Stop {
        return Ok(None);
    }
    let verdicts = &state.saved.verdicts;
    let n_train_pairs = plan.labels.iter().filter(|it| it.judged(verdicts).is_some()).count();
    reporter.send(RunEvent::RoundTrained {
        round,
        n_train_pairs: n_train_pairs as u64,
        n_steps: plan.n_steps,
        n_tokens: state.saved.n_step_tokens,
        elapsed_ms: reporter.elapsed_ms(clock),
        weights_digest: resources.model.weights_digest(),
        n_human_labels: state.n_human_labels(resources.inputs.pool_labels.len()),
    })?;
    Ok(Some(Outcome::Trained))
}

/// Takes the steps of a plan that are not done yet, listening to people and saving in between.
fn take_steps(
    state: &mut RunState,
    resources: &mut Resources<'_>,
    reporter: &mut Reporter<'_>,
    plan: &Plan,
    begun: Begun,
) -> Result<Flow, WorkerError> {
    let tokens_before = state.saved.n_step_tokens;
    let mut last = LastOrder::default();
    while state.saved.n_steps_done < plan.n_steps {
        if reporter.read_people(&mut state.saved)? == Flow::Stop {
            return Ok(Flow::Stop);
        }
        train_one(state, resources, reporter, plan, &mut last)?;
        let n_done = state.saved.n_steps_done;
        reporter.progress(begun, n_done, state.saved.n_step_tokens - tokens_before)?;
        let is_due = n_done.is_multiple_of(u64::from(state.spec.train.checkpoint_steps));
        if is_due && n_done < plan.n_steps {
            checkpoints::save(state, resources, reporter, "training")?;
        }
    }
    Ok(Flow::Continue)
}

/// Returns the optimizer steps that another run took, where the spec asks for as many.
fn steps_to_match(state: &mut RunState, reporter: &Reporter<'_>) -> Result<u64, WorkerError> {
    if let Some(known) = state.saved.steps_to_match {
        return Ok(known);
    }
    let arm = state.spec.train.match_steps.as_str();
    let mut n_least = 0;
    if arm != NONE && state.is_in_experiment {
        if let Some(StepsTaken { run, arm, n_steps }) = reporter.record.steps_of_sibling(arm)? {
            n_least = n_steps;
            reporter.send(RunEvent::StepsMatched { run, arm, n_steps })?;
        } else {
            reporter.warn(format!(
                "`train.match_steps` is `{arm}`, but no such run of this experiment and random seed \
                 has finished: the epochs decide"
            ))?;
        }
    }
    state.saved.steps_to_match = Some(n_least);
    Ok(n_least)
}

/// Brings the model to the weights a round begins with, and to a fresh optimizer.
fn start_from(
    spec: &ExperimentSpec,
    resources: &mut Resources<'_>,
    round: u32,
) -> Result<(), WorkerError> {
    if round > 0 && spec.rounds.start_from == StartFrom::Pretrained {
        resources.model.restart()?;
    }
    resources.model.reset_optimizer();
    Ok(())
}

/// Takes one optimizer step of the run. A batch whose pairs are all vetoed changes nothing but the
/// count.
fn train_one(
    state: &mut RunState,
    resources: &mut Resources<'_>,
    reporter: &Reporter<'_>,
    plan: &Plan,
    last: &mut LastOrder,
) -> Result<(), WorkerError> {
    let step = state.saved.n_steps_done;
    let taken = take_step(state, resources, plan, step, last, state.spec.rng_seed)?;
    let saved = &mut state.saved;
    saved.n_steps_done += 1;
    saved.global_step += 1;
    if let Some(Taken { report, settings, n_pairs }) = taken {
        saved.n_step_tokens += report.n_tokens;
        saved.n_round_tokens += report.n_tokens;
        reporter.send(RunEvent::TrainStepTaken {
            round: plan.round,
            epoch: plan.epoch(step),
            step: step + 1,
            global_step: saved.global_step,
            loss: report.loss,
            gradient_norm: report.gradient_norm,
            learning_rate: settings.learning_rate,
            accuracy: report.n_correct as f32 / n_pairs as f32,
        })?;
    }
    Ok(())
}

/// An optimizer step that was taken.
pub struct Taken {
    pub report: StepReport,
    settings: StepSettings,
    n_pairs: usize,
}

/// Takes one optimizer step of a plan; `None` when people have vetoed all of its batch. Noise is
/// keyed by `rng_seed`.
///
/// # Errors
/// When a loss or gradient is not finite.
pub fn take_step(
    state: &RunState,
    resources: &mut Resources<'_>,
    plan: &Plan,
    step: u64,
    last: &mut LastOrder,
    rng_seed: u64,
) -> Result<Option<Taken>, WorkerError> {
    let verdicts = &state.saved.verdicts;
    let labels: Vec<_> =
        plan.batch(step, last).into_iter().filter_map(|it| it.judged(verdicts)).collect();
    if labels.is_empty() {
        return Ok(None);
    }
    let Resources { model, inputs, .. } = resources;
    let batch: Vec<LabeledPair<'_>> = labels
        .iter()
        .map(|it| LabeledPair {
            pair: inputs.pair(it.label.pair),
            preferred: it.label.preferred,
            claim: it.claim,
        })
        .collect();
    let settings = step_settings(&state.spec, plan, step, rng_seed);
    let report = model.train_step(&batch, &settings)?;
    Ok(Some(Taken { report, settings, n_pairs: labels.len() }))
}

fn step_settings(spec: &ExperimentSpec, plan: &Plan, step: u64, rng_seed: u64) -> StepSettings {
    let train = &spec.train;
    let place = Place::new(rng_seed, Purpose::Dropout).at(plan.round, plan.epoch(step));
    let schedule =
        Schedule::new(train.learning_rate, train.warmup_share, plan.n_steps, train.schedule);
    StepSettings {
        loss: train.loss(),
        learning_rate: schedule.learning_rate(step),
        weight_decay: train.weight_decay,
        clip_norm: train.clip_norm,
        dropout: train.dropout,
        dropout_key: place.bits(step),
    }
}

#[cfg(test)]
mod tests {
    use crate::domain::spec::{Loss, LossName};

    use super::*;
    use crate::domain::preference::{PairId, Side};
    use crate::domain::run::{RequestKind, RunId};
    use crate::domain::spec::{PoolLabels, ScheduleName};
    use crate::domain::verdict::Verdict;
    use crate::worker::testing::{Bench, names, spec};

    fn run(bench: &mut Bench, round: u32) -> StepResult {
        let Bench { state, resources, reporter, .. } = bench;
        train(state, resources, reporter, round)
    }

    #[test]
    fn a_round_reports_every_step_and_its_end() {
        let mut bench = Bench::new(spec(|spec| spec.train.checkpoint_steps = 100));
        let before = bench.resources.model.weights_digest();
        assert_eq!(run(&mut bench, 0).unwrap(), Some(Outcome::Trained));
        let events = bench.record.take_events();
        let n_seed = bench.resources.inputs.seed_labels.len();
        let n_steps = 2 * n_seed.div_ceil(8);
        assert_eq!(names(&events)[0], "step_started");
        let steps: Vec<_> = events
            .iter()
            .filter_map(|event| match event {
                RunEvent::TrainStepTaken { step, epoch, .. } => Some((*step, *epoch)),
                _ => None,
            })
            .collect();
        assert_eq!(steps.len(), n_steps);
        assert_eq!((steps[0], steps[n_steps - 1]), ((1, 0), (n_steps as u64, 1)));
        let Some(RunEvent::RoundTrained { n_train_pairs, weights_digest, .. }) = events.last()
        else {
            panic!("{events:?}")
        };
        assert_eq!(*n_train_pairs, n_seed as u64);
        assert_eq!(*weights_digest, bench.resources.model.weights_digest());
        assert_ne!(*weights_digest, before);
    }

    #[test]
    fn a_round_goes_on_where_it_was_stopped_and_ends_with_the_same_weights() {
        let mut whole = Bench::new(spec(|_| ()));
        run(&mut whole, 0).unwrap();
        let mut parted = Bench::new(spec(|_| ()));
        parted.record.request(Some(RequestKind::Stop));
        assert_eq!(run(&mut parted, 0).unwrap(), None);
        assert_eq!(parted.state.saved.n_steps_done, 0, "asked before the first step");
        parted.reporter = parted.fresh_reporter();
        assert_eq!(run(&mut parted, 0).unwrap(), Some(Outcome::Trained));
        let digest = |bench: &Bench| bench.resources.model.weights_digest();
        assert_eq!(digest(&parted), digest(&whole));
    }

    #[test]
    fn checkpoints_come_between_steps_and_not_after_the_last() {
        let mut bench = Bench::new(spec(|spec| {
            spec.train.steps = 6;
            spec.train.checkpoint_steps = 2;
        }));
        run(&mut bench, 0).unwrap();
        let events = bench.record.take_events();
        let saved = names(&events).iter().filter(|name| **name == "checkpoint_saved").count();
        assert_eq!(saved, 2, "after steps 2 and 4");
    }

    #[test]
    fn what_people_say_joins_the_next_round_and_not_the_running_one() {
        let mut bench = Bench::at_round_1(spec(|_| ()));
        let pair = bench.resources.inputs.split.unlabeled_pool[0];
        bench.state.saved.verdicts.record_label(pair, Verdict::Keep, Some(Side::A));
        run(&mut bench, 1).unwrap();
        assert_eq!(bench.state.saved.human_labels.len(), 1);
        let Some(RunEvent::RoundTrained { n_human_labels: 1, .. }) =
            bench.record.take_events().pop()
        else {
            panic!("one label")
        };
        let pool = &bench.resources.inputs.split.unlabeled_pool;
        assert!(!bench.state.unlabeled(pool).contains(&pair));
        // Half-way through a round the set stays as it is.
        let mut later = Bench::at_round_1(spec(|_| ()));
        later.state.saved.n_steps_done = 1;
        later.state.saved.verdicts.record_label(pair, Verdict::Keep, Some(Side::A));
        run(&mut later, 1).unwrap();
        assert!(later.state.saved.human_labels.is_empty());
    }

    #[test]
    fn a_round_of_vetoed_pairs_is_refused() {
        let mut bench = Bench::at_round_1(spec(|spec| spec.rounds.include_seed_set = false));
        let n_pairs = bench.state.saved.ser.selected_in(1).len();
        for pair in 0..1000 {
            bench.state.saved.verdicts.record(PairId(pair), Verdict::Veto);
        }
        let error = run(&mut bench, 1).unwrap_err();
        assert!(n_pairs > 0 && matches!(error, WorkerError::NothingToTrain { round: 1, .. }));
    }

    #[test]
    fn a_round_starts_from_where_the_spec_says() {
        for (start_from, is_fresh) in
            [(StartFrom::Pretrained, true), (StartFrom::PreviousRound, false)]
        {
            let mut bench = Bench::at_round_1(spec(|spec| spec.rounds.start_from = start_from));
            let pretrained = bench.resources.model.weights_digest();
            bench.learn(3);
            super::start_from(&bench.state.spec, &mut bench.resources, 1).unwrap();
            let is_found = bench.resources.model.weights_digest() == pretrained;
            assert_eq!(is_found, is_fresh, "{start_from:?}");
        }
    }

    #[test]
    fn a_control_takes_as_many_steps_as_the_run_it_stands_beside() {
        let sibling = StepsTaken { run: RunId("other".into()), arm: "ser".into(), n_steps: 50 };
        for (arm, is_in_experiment, known, n_least, said) in [
            ("longest", true, Some(sibling.clone()), 50, &["steps_matched"][..]),
            ("longest", true, None, 0, &["warned"][..]),
            ("longest", false, Some(sibling.clone()), 0, &[][..]),
            (NONE, true, Some(sibling.clone()), 0, &[][..]),
        ] {
            let mut bench = Bench::new(spec(|spec| arm.clone_into(&mut spec.train.match_steps)));
            bench.state.is_in_experiment = is_in_experiment;
            bench.record.set_sibling(known);
            let found = steps_to_match(&mut bench.state, &bench.reporter).unwrap();
            assert_eq!(found, n_least, "{arm} {is_in_experiment}");
            assert_eq!(names(&bench.record.take_events()), said);
            assert_eq!(bench.state.saved.steps_to_match, Some(n_least), "asked once a run");
        }
    }

    #[test]
    fn a_step_has_the_settings_of_its_place() {
        let spec = spec(|spec| {
            spec.train.loss = LossName::Hinge;
            spec.train.hinge_margin = 0.5;
            spec.train.schedule = ScheduleName::Constant;
            spec.train.warmup_share = 0.0;
            spec.train.steps = 4;
        });
        let plan = Plan::new(0, Vec::new(), &spec, 5);
        let of = |step, seed| step_settings(&spec, &plan, step, seed);
        assert_eq!(of(0, 1).loss, Loss::Hinge { target_margin: 0.5 });
        assert_eq!(of(0, 1).learning_rate, spec.train.learning_rate);
        assert_eq!(of(2, 1).dropout_key, of(2, 1).dropout_key);
        assert_ne!(of(2, 1).dropout_key, of(3, 1).dropout_key);
        assert_ne!(of(2, 1).dropout_key, of(2, 2).dropout_key);
    }

    #[test]
    fn the_full_labels_control_counts_the_pool_as_human() {
        let mut bench = Bench::new(spec(|spec| spec.rounds.pool_labels = PoolLabels::Human));
        run(&mut bench, 0).unwrap();
        let inputs = &bench.resources.inputs;
        let n_pool = inputs.pool_labels.len() as u64;
        let n_seed = inputs.seed_labels.len() as u64;
        let Some(RunEvent::RoundTrained { n_train_pairs, n_human_labels, .. }) =
            bench.record.take_events().pop()
        else {
            panic!("trained")
        };
        assert_eq!((n_train_pairs, n_human_labels), (n_seed + n_pool, n_pool));
    }
}
