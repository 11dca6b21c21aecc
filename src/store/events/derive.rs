//! Derives rows from one event: those of the run's state, rounds, metrics and checkpoints.
//!
//! A resumed attempt takes the steps after its checkpoint again. Every row is therefore keyed by
//! its place in the run (round, step, name), and a later event replaces it.

use rusqlite::types::ToSql;
use rusqlite::{Connection, OptionalExtension, Transaction};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{of_policy, parts};
use crate::domain::event::{RunEvent, SelectionSummary};
use crate::domain::metrics::{Evaluation, Split};
use crate::domain::run::StopReason;
use crate::store::error::StoreError;
use crate::store::pairs::generated;
use crate::store::people::verdicts;
use crate::store::rows::{EncodingRow, SplitSizes};

/// Writes the rows that follow from an event. The event must be as it was read from the journal.
pub(in crate::store) fn derive(
    transaction: &Transaction<'_>,
    run: i64,
    seq: u64,
    at_ms: i64,
    event: &RunEvent,
) -> Result<(), StoreError> {
    let state = State { connection: transaction, run };
    if let Some(status) = event.status() {
        state.set("status", &status.name())?;
    }
    match event {
        RunEvent::TrainStepTaken { .. } => train_step_taken(&state, event),
        RunEvent::StepStarted { .. } => step_started(&state, seq, at_ms, event),
        RunEvent::Progressed { .. } => progressed(&state, seq, at_ms, event),
        RunEvent::SelectionMade { round, summary, .. } => {
            state.set_round(*round, "selection_seq", &(seq as i64))?;
            selection_made(&state, *round, summary)
        }
        RunEvent::Evaluated { round, split, evaluation, .. } => {
            state.set_round(*round, parts::margins_seq(*split), &(seq as i64))?;
            evaluated(&state, *round, *split, evaluation)
        }
        RunEvent::OracleAnswered { round, queue, answers, .. } => {
            verdicts::write_oracle_rows(transaction, run, *round, at_ms, (queue.shown(), answers))
        }
        RunEvent::RoundTrained { .. } => round_trained(&state, event),
        RunEvent::RoundFinished { round, wall_ms, n_tokens } => {
            state.set_round(*round, "wall_ms", &(*wall_ms as i64))?;
            state.set_round(*round, "n_tokens", &(*n_tokens as i64))
        }
        RunEvent::CheckpointSaved { .. } => checkpoint_saved(&state, at_ms, event),
        RunEvent::RunStarted { .. } => state.started(),
        RunEvent::RunFinished { reason } => {
            state.set("stop_reason", &reason.name())?;
            state.set("finished_at_ms", &at_ms)
        }
        RunEvent::RunFailed { message, reason, .. } => {
            state.set("failure", message)?;
            state.set("stop_reason", &reason.map(StopReason::name))?;
            state.set("finished_at_ms", &at_ms)
        }
        RunEvent::RunStopped => {
            state.set("stop_reason", &StopReason::UserStopped.name())?;
            state.set("finished_at_ms", &at_ms)
        }
        RunEvent::VerdictsRead { last_verdict_id, .. } => {
            state.set("last_verdict_read", last_verdict_id)
        }
        RunEvent::RequestRead { request_id, .. } => state.set("last_request_read", request_id),
        RunEvent::ModelOpened { .. }
        | RunEvent::DataSplitMade { .. }
        | RunEvent::TextsEncoded { .. } => preparation(&state, event),
        RunEvent::RolledBack { from, to } => rolled_back(&state, *from, *to),
        RunEvent::PoolScored { .. }
        | RunEvent::StepsMatched { .. }
        | RunEvent::RoundReused { .. }
        | RunEvent::CrossFitted { .. }
        | RunEvent::RolloutVetoesRead { .. }
        | RunEvent::Warned { .. } => Ok(()),
        RunEvent::RolloutsSampled { .. }
        | RunEvent::PolicyStepTaken { .. }
        | RunEvent::PolicyEvaluated { .. }
        | RunEvent::BestOfMeasured { .. }
        | RunEvent::SignSeen { .. }
        | RunEvent::PolicyRestored { .. }
        | RunEvent::PolicyJudged { .. } => of_policy::derive(transaction, run, seq, event),
        RunEvent::PairsGenerated { .. } => generated::derive(transaction, run, event),
        RunEvent::Paused { reason } => state.paused(at_ms, reason),
        RunEvent::Resumed => state.set("paused_at_ms", &None::<i64>),
    }
}

/// The rows of one run.
struct State<'a> {
    connection: &'a Connection,
    run: i64,
}

impl State<'_> {
    fn set(&self, column: &'static str, value: &dyn ToSql) -> Result<(), StoreError> {
        let sql = format!("UPDATE run_states SET {column} = ?2 WHERE run = ?1");
        self.connection.prepare_cached(&sql)?.execute((self.run, value))?;
        Ok(())
    }

    fn set_round(
        &self,
        round: u32,
        column: &'static str,
        value: &dyn ToSql,
    ) -> Result<(), StoreError> {
        let sql = format!(
            "INSERT INTO rounds (run, round, {column}) VALUES (?1, ?2, ?3)
             ON CONFLICT (run, round) DO UPDATE SET {column} = excluded.{column}"
        );
        self.connection.prepare_cached(&sql)?.execute((self.run, round, value))?;
        Ok(())
    }

    /// What a round's column holds as JSON.
    fn of_round<T: DeserializeOwned>(
        &self,
        round: u32,
        column: &'static str,
    ) -> Result<Option<T>, StoreError> {
        let sql = format!("SELECT {column} FROM rounds WHERE run = ?1 AND round = ?2");
        let mut statement = self.connection.prepare_cached(&sql)?;
        let text: Option<Option<String>> =
            statement.query_row((self.run, round), |row| row.get(0)).optional()?;
        let parse = |text: String| {
            serde_json::from_str(&text)
                .map_err(|source| StoreError::Json { what: column.to_owned(), source })
        };
        text.flatten().map(parse).transpose()
    }

    /// Notes since when the run is held, and who asked for it in the request that was read last. At a
    /// gate nobody did.
    fn paused(&self, at_ms: i64, reason: &str) -> Result<(), StoreError> {
        let sql = "UPDATE run_states
                   SET paused_at_ms = ?2,
                       paused_by = CASE WHEN ?3 = 'review' THEN NULL ELSE
                           (SELECT person FROM requests
                            WHERE requests.run = ?1 AND id = last_request_read) END
                   WHERE run = ?1";
        self.connection.prepare_cached(sql)?.execute((self.run, at_ms, reason))?;
        Ok(())
    }

    /// Resets the state at the start of an attempt: it has not ended, and the step of the attempt
    /// before it is over.
    fn started(&self) -> Result<(), StoreError> {
        let sql = "UPDATE run_states
                   SET stop_reason = NULL, finished_at_ms = NULL, failure = NULL,
                       progress_seq = NULL, progress_round = NULL, paused_at_ms = NULL
                   WHERE run = ?1";
        self.connection.prepare_cached(sql)?.execute([self.run])?;
        Ok(())
    }
}

fn round_trained(state: &State<'_>, event: &RunEvent) -> Result<(), StoreError> {
    let RunEvent::RoundTrained {
        round,
        n_train_pairs,
        n_steps,
        weights_digest,
        n_human_labels,
        ..
    } = event
    else {
        return Ok(());
    };
    state.set("round", round)?;
    state.set_round(*round, "n_human_labels", &(*n_human_labels as i64))?;
    state.set_round(*round, "n_train_pairs", &(*n_train_pairs as i64))?;
    state.set_round(*round, "n_steps", &(*n_steps as i64))?;
    state.set_round(*round, "weights_digest", weights_digest)
}

fn train_step_taken(state: &State<'_>, event: &RunEvent) -> Result<(), StoreError> {
    let RunEvent::TrainStepTaken {
        round,
        epoch,
        step: _,
        global_step,
        loss,
        gradient_norm,
        learning_rate,
        accuracy,
    } = event
    else {
        return Ok(());
    };
    state
        .connection
        .prepare_cached(
            "REPLACE INTO metrics
             (run, global_step, round, epoch, loss, gradient_norm, learning_rate, accuracy)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?
        .execute((
            state.run,
            *global_step as i64,
            round,
            epoch,
            loss,
            gradient_norm,
            learning_rate,
            accuracy,
        ))?;
    Ok(())
}

/// Notes the beginning of a phase: progress of 0 that, unlike other progress, is never pruned.
fn step_started(
    state: &State<'_>,
    seq: u64,
    at_ms: i64,
    event: &RunEvent,
) -> Result<(), StoreError> {
    let RunEvent::StepStarted { round, step, part, n_parts, n_before, n_total } = *event else {
        return Ok(());
    };
    let of_loop = (!step.is_preparation()).then_some(round);
    let [n_before, n_total] = [n_before, n_total].map(|count| count as i64);
    // A resumed run makes ready again, and is still in the round that it was in.
    state
        .connection
        .prepare_cached(
            "UPDATE run_states
             SET round = coalesce(?8, round), progress_round = coalesce(?8, round),
                 progress_seq = NULL, progress_step = ?2, progress_part = ?3,
                 progress_n_parts = ?4, progress_n_done = ?5, progress_n_total = ?6,
                 progress_n_tokens = 0, progress_elapsed_ms = 0, progress_at_ms = ?7
             WHERE run = ?1",
        )?
        .execute((state.run, step.name(), part, n_parts, n_before, n_total, at_ms, of_loop))?;
    state
        .connection
        .prepare_cached(
            "REPLACE INTO phases
             (run, round, phase, part, n_parts, seq, started_at_ms, n_before, n_done, n_total,
              elapsed_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?8, ?9, 0)",
        )?
        .execute((
            state.run,
            round,
            step.name(),
            part,
            n_parts,
            seq as i64,
            at_ms,
            n_before,
            n_total,
        ))?;
    Ok(())
}

fn progressed(state: &State<'_>, seq: u64, at_ms: i64, event: &RunEvent) -> Result<(), StoreError> {
    let RunEvent::Progressed { round, step, part, n_done, n_total, n_tokens, elapsed_ms } = *event
    else {
        return Ok(());
    };
    let [n_done, n_total, n_tokens, elapsed_ms] =
        [n_done, n_total, n_tokens, elapsed_ms].map(|count| count as i64);
    state
        .connection
        .prepare_cached(
            "UPDATE run_states
             SET round = ?3, progress_seq = ?2, progress_round = ?3, progress_step = ?4,
                 progress_part = ?5, progress_n_done = ?6, progress_n_total = ?7,
                 progress_n_tokens = ?8, progress_elapsed_ms = ?9, progress_at_ms = ?10
             WHERE run = ?1",
        )?
        .execute((
            state.run,
            seq as i64,
            round,
            step.name(),
            part,
            n_done,
            n_total,
            n_tokens,
            elapsed_ms,
            at_ms,
        ))?;
    state
        .connection
        .prepare_cached(
            "UPDATE phases SET n_done = ?5, n_total = ?6, elapsed_ms = ?7
             WHERE run = ?1 AND round = ?2 AND phase = ?3 AND part = ?4",
        )?
        .execute((state.run, round, step.name(), part, n_done, n_total, elapsed_ms))?;
    Ok(())
}

fn selection_made(
    state: &State<'_>,
    round: u32,
    summary: &SelectionSummary,
) -> Result<(), StoreError> {
    state.set("n_selected", &(summary.n_selected as i64))?;
    state.set_round(round, "selection", &json("a selection", summary)?)
}

/// Marks a round that was rolled back, and shows the test result of the round whose model is used
/// again.
fn rolled_back(state: &State<'_>, from: u32, to: u32) -> Result<(), StoreError> {
    if let Some(mut summary) = state.of_round::<SelectionSummary>(from, "selection")? {
        summary.audit.rolled_back = true;
        state.set_round(from, "selection", &json("a selection", &summary)?)?;
    }
    if let Some(test) = state.of_round::<Evaluation>(to, Split::Test.name())? {
        let brief = Evaluation { reliability: Vec::new(), ..test };
        state.set("latest_test", &json("an evaluation", &brief)?)?;
    }
    Ok(())
}

fn evaluated(
    state: &State<'_>,
    round: u32,
    split: Split,
    evaluation: &Evaluation,
) -> Result<(), StoreError> {
    state.set_round(round, split.name(), &json("an evaluation", evaluation)?)?;
    if split == Split::Validation {
        return Ok(());
    }
    let brief = Evaluation { reliability: Vec::new(), ..evaluation.clone() };
    state.set("latest_test", &json("an evaluation", &brief)?)?;
    let sql = "SELECT test_counts FROM run_states WHERE run = ?1";
    let counts: String =
        state.connection.prepare_cached(sql)?.query_row([state.run], |row| row.get(0))?;
    let mut counts: Vec<Option<(u64, u64)>> = serde_json::from_str(&counts)
        .map_err(|source| StoreError::Json { what: "the test counts".to_owned(), source })?;
    let place = round as usize;
    if counts.len() <= place {
        counts.resize(place + 1, None);
    }
    counts[place] = Some((evaluation.n_correct, evaluation.n));
    state.set("test_counts", &json("the test counts", &counts)?)
}

fn checkpoint_saved(state: &State<'_>, at_ms: i64, event: &RunEvent) -> Result<(), StoreError> {
    let RunEvent::CheckpointSaved { name, round, global_step, n_bytes, digest } = event else {
        return Ok(());
    };
    state.set("checkpoint", name)?;
    state
        .connection
        .prepare_cached(
            "REPLACE INTO checkpoints (run, name, round, global_step, n_bytes, digest, saved_at_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .execute((state.run, name, round, *global_step as i64, *n_bytes as i64, digest, at_ms))?;
    Ok(())
}

fn preparation(state: &State<'_>, event: &RunEvent) -> Result<(), StoreError> {
    if let RunEvent::ModelOpened { family, n_parameters, precision, device, .. } = event {
        let n_parameters = parameter_count(*n_parameters);
        return state.set("model", &format!("{family}, {n_parameters}, {precision}, {device}"));
    }
    if let RunEvent::DataSplitMade {
        n_seed_set,
        n_validation,
        n_unlabeled_pool,
        n_test,
        n_leaked,
        n_groups: _,
    } = *event
    {
        let sizes = SplitSizes { n_seed_set, n_validation, n_unlabeled_pool, n_test, n_leaked };
        return state.set("sizes", &json("the split sizes", &sizes)?);
    }
    let RunEvent::TextsEncoded {
        n_pairs,
        n_tokens,
        n_truncated,
        n_prompt_tokens_cut,
        n_answer_tokens_cut,
    } = *event
    else {
        return Ok(());
    };
    let encoding =
        EncodingRow { n_pairs, n_tokens, n_truncated, n_prompt_tokens_cut, n_answer_tokens_cut };
    state.set("encoding", &json("the encoding", &encoding)?)
}

fn parameter_count(n: u64) -> String {
    let n = n as f64;
    let (scaled, unit) = match n {
        n if n >= 1e9 => (n / 1e9, " B"),
        n if n >= 1e6 => (n / 1e6, " M"),
        n if n >= 1e3 => (n / 1e3, " k"),
        n => return format!("{n} parameters"),
    };
    format!("{scaled:.1}{unit} parameters")
}

pub(super) fn json(what: &str, value: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value)
        .map_err(|source| StoreError::Json { what: what.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::parameter_count;

    #[test]
    fn parameters_are_counted_for_people() {
        let texts = [12, 260_032, 22_713_601, 8_030_261_248].map(parameter_count);
        assert_eq!(texts[0], "12 parameters");
        assert_eq!(texts[1], "260.0 k parameters");
        assert_eq!(texts[2], "22.7 M parameters");
        assert_eq!(texts[3], "8.0 B parameters");
    }
}
