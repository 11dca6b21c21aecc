//! Looks at the validation pairs after a round: may the loop go on?

use crate::domain::event::RunEvent;
use crate::domain::metrics::calibration::fit_temperature;
use crate::domain::run::StopReason;
use crate::domain::spec::{CalibrationName, DropAction, PoolLabels};
use crate::domain::teacher::guard::{Probabilities, calibration_p_value, drop_p_value};

use super::WorkerError;
use super::cross_fit::refuse_chance;
use super::session::Session;

/// Keeps the margins `reward(chosen) - reward(rejected)` of the validation pairs, and says why the
/// loop must end after the round, where it must.
pub fn after_validation(
    session: &mut Session<'_>,
    round: u32,
    margins: &[f64],
) -> Result<Option<StopReason>, WorkerError> {
    let kept = &mut session.journal.state.validation;
    kept.insert(round, margins.iter().map(|margin| *margin as f32).collect());
    kept.retain(|of, _| *of == 0 || *of + 1 >= round);
    let spec = &session.spec;
    if spec.rounds.pool_labels == PoolLabels::Human || spec.rounds.max == 0 {
        return Ok(None);
    }
    if round == 0 {
        // Fold models will say more than the validation pairs.
        return if spec.selection.cross_fits() { Ok(None) } else { refuse_chance(session, 0, 0) };
    }
    let Some(before) = session.journal.state.validation.get(&(round - 1)) else { return Ok(None) };
    let before: Vec<f64> = before.iter().map(|margin| f64::from(*margin)).collect();
    let Some((reason, message)) = verdict(session, round, &before, margins) else {
        return Ok(None);
    };
    session.journal.send(RunEvent::Warned { message })?;
    Ok(Some(reason))
}

fn verdict(
    session: &Session<'_>,
    round: u32,
    before: &[f64],
    after: &[f64],
) -> Option<(StopReason, String)> {
    let rounds = &session.spec.rounds;
    let what_follows = match rounds.on_drop {
        DropAction::Rollback => "the run goes back to the round before",
        DropAction::Stop | DropAction::Ignore => "the loop ends",
    };
    let n_right = |margins: &[f64]| margins.iter().filter(|margin| **margin > 0.0).count();
    let p = drop_p_value(before, after, &session.inputs.validation_groups);
    if rounds.on_drop != DropAction::Ignore && p < rounds.drop_level {
        let message = format!(
            "round {round} ranks {} of {} validation pairs right, the round before {} (p = {p:.3}): \
             {what_follows}",
            n_right(after),
            after.len(),
            n_right(before),
        );
        return Some((StopReason::ValidationDropped, message));
    }
    let temperature = |margins: &[f64]| match session.spec.selection.calibration {
        CalibrationName::None => 1.0,
        CalibrationName::Temperature => fit_temperature(margins),
    };
    let of = |margins| Probabilities { margins, temperature: temperature(margins) };
    let p = calibration_p_value(of(before), of(after));
    if p < rounds.calibration_level {
        let message = format!(
            "round {round} gives the validation pairs worse probabilities than the round before \
             (p = {p:.3}): {what_follows}"
        );
        return Some((StopReason::CalibrationWorsened, message));
    }
    None
}
