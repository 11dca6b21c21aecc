//! Pairs that a policy adds to the pool: it answers prompts, the reward model chooses two of the answers to
//! each, and a judge, where there is one, says what only metrics read.
//!
//! The pairs are an event, whose rows lie beside those of the data set. A run that is resumed takes the pairs
//! that are there; where its worker died before they were stored, it draws the same ones again, since every
//! token is drawn at its place and the weights that reward the answers are the same.

mod answering;
mod making;

use crate::domain::event::RunEvent;
use crate::domain::pool::{GeneratedPair, Generation, NoPair};
use crate::domain::preference::{CandidatePair, PairId};
use crate::domain::ser::Outcome;
use crate::domain::spec::ExperimentSpec;
use crate::store::Home;

use super::WorkerError;
use super::error::StepResult;
use super::record::{Generated, RunRecord};
use super::reporter::Reporter;
use super::resources::Resources;
use super::state::RunState;
use answering::{Answered, answer_prompts};
pub use answering::{OpenPolicy, open};
use making::{Made, make_pairs};

/// Tells at once, before anything is trained, that a policy or its judge cannot be opened.
///
/// # Errors
/// As [`open`].
pub fn check(home: &Home, spec: &ExperimentSpec) -> Result<(), WorkerError> {
    if spec.generates_pairs() { open(home, spec).map(drop) } else { Ok(()) }
}

/// Makes the pairs known that an earlier attempt generated, and lets those join the pool that had joined it
/// at the checkpoint.
///
/// # Errors
/// When the record cannot be read, or a pair of it not be tokenized.
pub fn restore(
    state: &RunState,
    resources: &mut Resources<'_>,
    record: &dyn RunRecord,
) -> Result<(), WorkerError> {
    if !state.spec.generates_pairs() {
        return Ok(());
    }
    let Generated { pairs, .. } = record.generated()?;
    know(resources, record, &pairs)?;
    for round in 1..=state.saved.ser.answered() {
        resources.inputs.join(round, of_round(&pairs, round));
    }
    Ok(())
}

fn of_round(pairs: &[(u32, GeneratedPair)], wanted: u32) -> impl Iterator<Item = PairId> {
    pairs.iter().filter(move |(round, _)| *round == wanted).map(|(_, pair)| pair.pair)
}

fn know(
    resources: &mut Resources<'_>,
    record: &dyn RunRecord,
    pairs: &[(u32, GeneratedPair)],
) -> Result<(), WorkerError> {
    let ids: Vec<PairId> = pairs.iter().map(|(_, pair)| pair.pair).collect();
    let texts: Vec<CandidatePair> = record.pool_pairs(&ids)?;
    let both: Vec<(GeneratedPair, CandidatePair)> =
        pairs.iter().map(|(_, pair)| pair.clone()).zip(texts).collect();
    resources.inputs.know(resources.model.as_ref(), &both)
}

/// Lets the policy answer the prompts of a round, and pairs of its answers join the pool.
pub fn answer(
    state: &mut RunState,
    resources: &mut Resources<'_>,
    reporter: &mut Reporter<'_>,
    round: u32,
) -> StepResult {
    if !reporter.record.generated()?.rounds.contains(&round) {
        let clock = reporter.start_clock();
        let mut policy = open(resources.home, &state.spec)?;
        let Some(answered) = answer_prompts(state, resources, reporter, &mut policy, round)? else {
            return Ok(None);
        };
        let made = make_pairs(&state.spec, resources, &mut policy, &answered, round)?;
        let elapsed_ms = reporter.elapsed_ms(clock);
        report(reporter, &policy, round, &answered, made, elapsed_ms)?;
        reporter.flush()?;
    }
    let Generated { pairs, .. } = reporter.record.generated()?;
    know(resources, reporter.record.as_ref(), &pairs)?;
    resources.inputs.join(round, of_round(&pairs, round));
    Ok(Some(Outcome::Answered))
}

fn report(
    reporter: &Reporter<'_>,
    policy: &OpenPolicy,
    round: u32,
    answered: &Answered,
    made: Made,
    elapsed_ms: u64,
) -> Result<(), WorkerError> {
    let Made { pairs, mut no_pair } = made;
    if answered.n_too_long > 0 {
        no_pair.insert(NoPair::TooLong, answered.n_too_long);
    }
    let n_answers = answered.prompts.iter().map(|it| it.answers.len() as u64).sum();
    let generation = Generation {
        origin: policy.origin(round),
        judge: policy.judge.as_ref().map(|judge| judge.name().to_owned()),
        n_prompts: answered.prompts.len() as u64 + answered.n_too_long,
        n_answers,
        n_pairs: pairs.len() as u64,
        n_judged: pairs.iter().filter(|pair| pair.is_judged).count() as u64,
        no_pair,
        n_tokens: answered.n_tokens,
        elapsed_ms,
    };
    reporter.send(RunEvent::PairsGenerated { generation, pairs })
}

#[cfg(test)]
mod tests;
