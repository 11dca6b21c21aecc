//! Derives rows from the events of policy runs.

use rusqlite::Connection;

use super::derive::json;
use crate::domain::event::RunEvent;
use crate::domain::policy::sign::Seen;
use crate::store::error::StoreError;

/// Writes the rows that follow from an event of a policy run; no other event has any.
pub(super) fn derive(
    connection: &Connection,
    run: i64,
    seq: u64,
    event: &RunEvent,
) -> Result<(), StoreError> {
    if let RunEvent::RolloutsSampled { step, .. } = event {
        let sql = "INSERT INTO policy_steps (run, step, rollouts_seq) VALUES (?1, ?2, ?3)
                   ON CONFLICT (run, step) DO UPDATE SET rollouts_seq = excluded.rollouts_seq";
        connection.prepare_cached(sql)?.execute((run, step, seq as i64))?;
    }
    if let RunEvent::PolicyStepTaken { step, metrics, elapsed_ms } = event {
        let sql =
            "INSERT INTO policy_steps (run, step, metrics, elapsed_ms) VALUES (?1, ?2, ?3, ?4)
                   ON CONFLICT (run, step) DO UPDATE
                   SET metrics = excluded.metrics, elapsed_ms = excluded.elapsed_ms";
        let metrics = json("the metrics of a step", metrics)?;
        connection.prepare_cached(sql)?.execute((run, step, metrics, *elapsed_ms as i64))?;
    }
    if let RunEvent::PolicyEvaluated { step, evaluation, .. } = event {
        let sql = "REPLACE INTO policy_evaluations (run, step, evaluation, seq)
                   VALUES (?1, ?2, ?3, ?4)";
        let evaluation = json("an evaluation", evaluation)?;
        connection.prepare_cached(sql)?.execute((run, step, evaluation, seq as i64))?;
    }
    if let RunEvent::SignSeen { step, seen: Seen { sign, message, .. } } = event {
        let sql = "INSERT INTO policy_signs (run, sign, first_step, last_step, message)
                   VALUES (?1, ?2, ?3, ?3, ?4)
                   ON CONFLICT (run, sign) DO UPDATE
                   SET last_step = excluded.last_step, message = excluded.message";
        connection.prepare_cached(sql)?.execute((run, sign.name(), step, message))?;
    }
    let outcome = |column: &str, value: &dyn rusqlite::ToSql| -> Result<(), StoreError> {
        let sql = format!(
            "INSERT INTO policy_outcomes (run, {column}) VALUES (?1, ?2)
             ON CONFLICT (run) DO UPDATE SET {column} = excluded.{column}"
        );
        connection.prepare_cached(&sql)?.execute((run, value))?;
        Ok(())
    };
    if let RunEvent::BestOfMeasured { curve } = event {
        outcome("best_of", &json("the best-of-n curve", curve)?)?;
    }
    if let RunEvent::PolicyJudged { verdict } = event {
        outcome("verdict", &json("the verdict", verdict)?)?;
    }
    if let RunEvent::PolicyRestored { to, .. } = event {
        outcome("restored_to", to)?;
    }
    Ok(())
}
