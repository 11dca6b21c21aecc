//! One pass of learning from labeled pairs (DPO): those of the seed set, and the pseudo-labels that the
//! reward model's run was sure of.

use std::collections::BTreeMap;

use super::StepResult;
use super::prompts::{AnsweredPair, preferred};
use super::sample::wide;
use super::session::{NONE, PolicyResources, step_settings};
use super::state::PolicyState;
use crate::domain::phase::{Phase, PhaseKey};
use crate::domain::policy::metric::PolicyMetric as M;
use crate::domain::policy::objective::Objective;
use crate::domain::policy::objective::dpo::{Pair, PairTally, Sums, weight_of};
use crate::domain::policy::run_loop::PolicyOutcome;
use crate::domain::policy::settings::ObjectiveName;
use crate::domain::preference::{PairId, Side};
use crate::domain::random::{Place, Purpose};
use crate::domain::run::RunId;
use crate::domain::stats::bradley_terry::preference_probability;
use crate::engine::AnswersTo;
use crate::engine::policy::{AnswerScores, AnswerSlopes, Speaker};
use crate::store::{RoundRow, Store, StoreError};
use crate::worker::WorkerError;
use crate::worker::reporter::Reporter;

/// The preferred side and the weight of every pair that the last selection of the rewarding run kept, where
/// the objective learns from labeled pairs and that run reads the same data in the same presentation.
pub fn pseudo_labels(
    store: &Store,
    state: &PolicyState,
    dataset: i64,
) -> Result<BTreeMap<u32, (usize, f64)>, WorkerError> {
    let reward = state.policy.reward.as_str();
    let (run, round) = reward.split_once(':').unwrap_or((reward, ""));
    let run = RunId(run.to_owned());
    let mut labels = BTreeMap::new();
    if state.policy.objective != ObjectiveName::Dpo || reward == NONE || reward.contains(['/', ','])
    {
        return Ok(labels);
    }
    let row = match store.run(&run) {
        Ok(row) => row,
        // The oracle, or a command.
        Err(StoreError::UnknownRun { .. }) => return Ok(labels),
        Err(error) => return Err(error.into()),
    };
    if row.dataset != dataset || row.row.rng_seed != state.spec.rng_seed {
        return Ok(labels);
    }
    let wanted: Option<u32> = round.parse().ok();
    let rounds = store.rounds(&run)?;
    let last = rounds.iter().rev().find(|it| {
        it.selection.is_some()
            && !it.is_rolled_back()
            && wanted.is_none_or(|wanted| it.round <= wanted)
    });
    let Some(RoundRow { round, selection: Some(selection), .. }) = last else { return Ok(labels) };
    // The same calibration as that of the selection.
    let temperature = selection.audit.calibration.as_ref().map_or(1.0, |it| it.temperature);
    for scored in store.pair_scores(&run, *round)?.into_iter().filter(|it| it.left_out.is_none()) {
        let Some(label) = scored.score.pseudo_label() else { continue };
        let side = match label.preferred {
            Side::A => 0,
            Side::B => 1,
        };
        let confidence = preference_probability(scored.score.margin().abs() / temperature);
        labels.insert(label.pair.0, (side, weight_of(confidence)));
    }
    Ok(labels)
}

/// Learns from the pairs of a step.
pub fn update(
    state: &mut PolicyState,
    resources: &mut PolicyResources<'_>,
    reporter: &mut Reporter<'_>,
    step: u32,
    epoch: u32,
) -> StepResult {
    let Objective::Pairs(dpo) = state.policy.objective() else {
        return Ok(Some(PolicyOutcome::Updated));
    };
    if epoch == 0 {
        state.clock = Some(reporter.start_clock());
        state.passes.clear();
    }
    let n_epochs = u64::from(state.policy.epochs);
    let key = PhaseKey::new(step, Phase::Update);
    let begun = reporter.begin(key, 0, [u64::from(epoch), n_epochs])?;
    let places = places(state, resources, step);
    if places.is_empty() {
        return Err(WorkerError::NoPairs);
    }
    let all = &resources.prompts.seed_set;
    let pairs: Vec<&AnsweredPair> = places.iter().map(|place| &all[*place]).collect();
    let labels: Vec<(usize, f64)> =
        pairs.iter().map(|pair| label(state, resources, pair.pair)).collect();
    let prompts: Vec<AnswersTo<'_>> = pairs
        .iter()
        .zip(&labels)
        .map(|(pair, (better, _))| AnswersTo {
            prompt: &pair.prompt,
            answers: [*better, 1 - better].map(|side| pair.answers[side].as_slice()).to_vec(),
        })
        .collect();
    let sum = |scores: &AnswerScores| wide(&scores.log_probs).iter().sum::<f64>();
    let reference: Vec<f64> =
        resources.policy.scores(&prompts, Speaker::Reference)?.iter().map(sum).collect();
    let (n, mut tally) = (pairs.len(), PairTally::default());
    let settings = step_settings(state);
    let report = resources.policy.train_step(
        &prompts,
        &mut |range, scores| {
            let before = tally.loss;
            let mut slopes = Vec::with_capacity(scores.len());
            // The two answers of a pair come together.
            for (i, two) in scores.chunks(2).enumerate() {
                let first = range.start + 2 * i;
                let sums = |k: usize| Sums { new: sum(&two[k]), reference: reference[first + k] };
                let pair = Pair { chosen: sums(0), rejected: sums(1), weight: labels[first / 2].1 };
                let gradient = dpo.pair(n, &pair, &mut tally);
                for (slope, scores) in [gradient.chosen, gradient.rejected].into_iter().zip(two) {
                    let log_probs = vec![slope as f32; scores.log_probs.len()];
                    slopes.push(AnswerSlopes { log_probs, values: Vec::new() });
                }
            }
            (tally.loss - before, slopes)
        },
        &settings,
    )?;
    state.saved.n_updates += 1;
    state.saved.n_tokens += report.n_tokens;
    let mut metrics = tally.metrics();
    metrics.insert(M::LearningRate, f64::from(settings.learning_rate));
    metrics.insert(M::GradientNorm, f64::from(report.gradient_norm));
    metrics.retain(|_, value| value.is_finite());
    state.passes.push(metrics);
    reporter.progress(begun, u64::from(epoch) + 1, report.n_tokens)?;
    Ok(Some(PolicyOutcome::Updated))
}

/// The preferred side of a pair, and what its loss is multiplied by.
fn label(state: &PolicyState, resources: &PolicyResources<'_>, pair: PairId) -> (usize, f64) {
    let pseudo = resources.labels.get(&pair.0).copied();
    pseudo.unwrap_or_else(|| (preferred(state.spec.rng_seed, pair), 1.0))
}

/// The pairs of a step: every pair once, in an order of its own, before any comes again. Vetoed prompts
/// are passed over.
fn places(state: &PolicyState, resources: &PolicyResources<'_>, step: u32) -> Vec<usize> {
    let all = &resources.prompts.seed_set;
    let wanted = state.policy.prompts_per_step as usize;
    let first = (step as usize).saturating_sub(1) * wanted;
    let mut orders: BTreeMap<usize, Vec<u32>> = BTreeMap::new();
    let mut places = Vec::with_capacity(wanted);
    for position in first..first + wanted {
        if all.is_empty() {
            break;
        }
        let epoch = position / all.len();
        let order = orders.entry(epoch).or_insert_with(|| {
            let place = Place::new(state.spec.rng_seed, Purpose::Shuffle).at(0, epoch as u32);
            place.permutation(all.len())
        });
        let place = order[position % all.len()] as usize;
        if !state.saved.vetoes.has_prompt(all[place].pair.0) {
            places.push(place);
        }
    }
    places
}
