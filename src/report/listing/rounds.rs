//! The rounds of a run, one a line.

use serde::Serialize;

use super::{json, round_audit, round_origins};
use crate::domain::metrics::Evaluation;
use crate::domain::run::RunId;
use crate::domain::selection::learning_status::LearningStatus;
use crate::domain::text::words;
use crate::domain::told;
use crate::report::ReportError;
use crate::report::show::RoundDocument;
use crate::report::table::{self, Cell, Form, Table, number};
use crate::report::words::accuracy;
use crate::store::best_round;
use crate::store::rows::RoundRow;

#[derive(Serialize)]
struct RoundsDocument {
    schema: u32,
    run: String,
    rounds: Vec<RoundDocument>,
    best_round: Option<u32>,
}

/// The rounds in a form; people get the audits of the selections below.
///
/// # Errors
/// When a value has no JSON form.
pub fn text(
    run: &RunId,
    rounds: &[RoundRow],
    form: Form,
    is_ascii: bool,
) -> Result<String, ReportError> {
    if form == Form::Json {
        return json(&RoundsDocument {
            schema: 1,
            run: run.to_string(),
            rounds: rounds.iter().map(RoundDocument::from).collect(),
            best_round: best_round(rounds),
        });
    }
    let mut out = table(rounds, form).text(form, is_ascii);
    if let Some(audits) = round_audit::table(rounds)
        && form == Form::Human
    {
        out += "\nselections (`ser explain WORD` says what a word means)\n";
        out += &audits.turned(is_ascii);
    }
    if let Some(origins) = round_origins::table(rounds)
        && form == Form::Human
    {
        out += "\nselections by whose answers a pair has\n";
        out += &origins.text(form, is_ascii);
    }
    Ok(out)
}

/// The rounds as a table; in the forms for programs, the ends of intervals are columns of their
/// own.
#[must_use]
pub fn table(rounds: &[RoundRow], form: Form) -> Table {
    let mut columns = vec![
        number("round", "round"),
        table::text("learning_status", "status"),
        number("n_train_pairs", "trained on"),
        number("n_labels_spent", "labels spent"),
        number("n_selected", "selected"),
        number("coverage", "coverage"),
        number("pseudo_label_precision", "label precision"),
        number("validation_accuracy", "validation"),
        number("test_accuracy", "test [95 %]"),
        number("wall_ms", "time"),
        number("n_tokens_per_s", "tokens/s"),
    ];
    if form == Form::Csv {
        columns.extend([
            number("n_scored", ""),
            number("n_vetoed", ""),
            number("validation_ci_low", ""),
            number("validation_ci_high", ""),
            number("test_ci_low", ""),
            number("test_ci_high", ""),
            number("test_ece", ""),
            number("test_brier", ""),
            number("test_mean_margin", ""),
            number("n_tokens", ""),
        ]);
        columns.extend(round_audit::columns());
        columns.extend(round_origins::columns());
    }
    let mut table = Table::new(&columns);
    for row in rounds {
        let mut cells = cells(row);
        if form == Form::Csv {
            cells.extend(more_cells(row));
            cells.extend(round_audit::cells(row));
            cells.extend(round_origins::cells(row));
        }
        table.push(cells);
    }
    table
}

fn cells(row: &RoundRow) -> Vec<Cell> {
    let selection = row.selection.as_ref();
    let tokens_per_s = row.n_tokens.zip(row.wall_ms).and_then(|(n, ms)| words::rate(n, ms));
    vec![
        Cell::new(row.round),
        Cell::both(
            selection.and_then(|s| told::learning_status(s.learning_status)).map(str::to_owned),
            selection.map(|s| LearningStatus::name(s.learning_status).to_owned()),
        ),
        Cell::shown(row.n_train_pairs, words::count),
        Cell::shown(row.n_labels_spent, words::count),
        Cell::shown(selection.map(|s| s.n_selected), words::count),
        Cell::shown(selection.and_then(|s| s.coverage), words::percent),
        Cell::shown(selection.and_then(|s| s.pseudo_label_precision), words::percent),
        Cell::shown(row.validation.as_ref().map(|v| v.accuracy), words::percent),
        Cell::both(
            row.test.as_ref().map(accuracy),
            row.test.as_ref().map(|test| test.accuracy.to_string()),
        ),
        Cell::shown(row.wall_ms, words::duration),
        Cell::shown(tokens_per_s, words::count),
    ]
}

fn more_cells(row: &RoundRow) -> Vec<Cell> {
    let selection = row.selection.as_ref();
    let validation =
        |field: fn(&Evaluation) -> f64| Cell::maybe(row.validation.as_ref().map(field));
    let test = |field: fn(&Evaluation) -> f64| Cell::maybe(row.test.as_ref().map(field));
    vec![
        Cell::maybe(selection.map(|s| s.n_scored)),
        Cell::maybe(selection.map(|s| s.n_vetoed)),
        validation(|e| e.ci_low),
        validation(|e| e.ci_high),
        test(|e| e.ci_low),
        test(|e| e.ci_high),
        test(|e| e.ece),
        test(|e| e.brier),
        test(|e| e.mean_margin),
        Cell::maybe(row.n_tokens),
    ]
}
