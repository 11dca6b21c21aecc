//! The queue: what is at work, what waits, and for what.

use serde::Serialize;

use super::json;
use crate::domain::run::RunStatus;
use crate::report::table::{self, Cell, Form, Table, number};
use crate::report::{ReportError, status};
use crate::store::rows::RunRow;

#[derive(Serialize)]
struct QueueDocument {
    schema: u32,
    queue: Vec<QueueLine>,
}

/// A run that is at work, held or waiting.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct QueueLine {
    /// Place in the queue, from 1; `None` for a run that a worker has.
    place: Option<u32>,
    id: String,
    name: String,
    /// Whose slots it takes.
    slots: String,
    status: &'static str,
    holds_slot: bool,
    /// Names of the runs that hold the slots which it waits for.
    waits_for: Vec<String>,
}

/// What is at work, then what waits, in the order in which it starts.
fn lines(runs: &[RunRow]) -> Vec<QueueLine> {
    let mut shown: Vec<&RunRow> = runs
        .iter()
        .filter(|run| run.status.wants_worker() || run.status == RunStatus::Queued)
        .collect();
    shown.sort_by_key(|run| (run.queue_place, run.created_at_ms));
    let line = |run: &RunRow| QueueLine {
        place: run.queue_place,
        id: run.id.to_string(),
        name: run.name.clone(),
        slots: run.slots.to_string(),
        status: status(run),
        holds_slot: run.holds_slot(),
        waits_for: run.waits_behind(runs).into_iter().map(|other| other.name.clone()).collect(),
    };
    shown.into_iter().map(line).collect()
}

/// The queue in a form.
///
/// # Errors
/// When a value has no JSON form.
pub fn text(runs: &[RunRow], form: Form, is_ascii: bool) -> Result<String, ReportError> {
    let queue = lines(runs);
    if form == Form::Json {
        return json(&QueueDocument { schema: 1, queue });
    }
    let mut table = Table::new(&[
        number("place", "place"),
        table::text("name", "run"),
        table::text("status", "status"),
        table::text("slots", "slots"),
        table::text("holds_slot", "holds one"),
        table::text("waits_for", "waits for"),
        table::text("id", "id"),
    ]);
    for line in queue {
        table.push(vec![
            Cell::maybe(line.place),
            Cell::new(line.name),
            Cell::new(line.status),
            Cell::new(line.slots),
            Cell::new(if line.holds_slot { "yes" } else { "no" }),
            Cell::maybe((!line.waits_for.is_empty()).then(|| line.waits_for.join(" "))),
            Cell::new(line.id),
        ]);
    }
    Ok(table.text(form, is_ascii))
}
