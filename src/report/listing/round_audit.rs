//! The diagnostics of each round's selection as a table.

use crate::domain::teacher::audit::SelectionAudit;
use crate::domain::text::words;
use crate::report::table::{Cell, Column, Table, number};
use crate::store::rows::RoundRow;

/// The audits of the rounds that made a selection, in the form for people; `None` where there is
/// none.
#[must_use]
pub fn table(rounds: &[RoundRow]) -> Option<Table> {
    let audited: Vec<&RoundRow> = rounds.iter().filter(|row| row.selection.is_some()).collect();
    if audited.is_empty() {
        return None;
    }
    let mut table_columns = vec![number("round", "round")];
    table_columns.extend(columns());
    let mut table = Table::new(&table_columns);
    for row in audited {
        let mut line = vec![Cell::new(row.round)];
        line.extend(cells(row));
        table.push(line);
    }
    Some(table)
}

/// The columns of [`cells`].
#[must_use]
pub fn columns() -> Vec<Column> {
    vec![
        number("n_flipped", "labels that changed"),
        number("temperature", "temperature"),
        number("held_out_ece", "held-out ECE before it"),
        number("held_out_ece_calibrated", "held-out ECE after it"),
        number("over_confidence_drift", "over-confidence gained"),
        number("estimated_error", "wrong labels, estimated"),
        number("error_bound", "wrong labels, bound"),
        number("pool_mean_tokens", "tokens of a pair, pool"),
        number("selected_mean_tokens", "tokens of a pair, selected"),
        number("pool_mean_margin", "margin, pool"),
        number("selected_mean_margin", "margin, selected"),
        number("selected_longer_share", "longer answer preferred"),
        number("length_correlation", "margin with length, r"),
        number("source_shift", "shift of the slices"),
        number("view_weight", "weight of the likelihood"),
        number("surface_weight", "weight of the surface"),
    ]
}

/// The audit of a round: flips since the last one, calibration on held-out human pairs before and
/// after the temperature, how far over-confidence moved, the error that is estimated and that is
/// certified, and what was selected beside the pool.
#[must_use]
pub fn cells(row: &RoundRow) -> Vec<Cell> {
    let selection = row.selection.as_ref();
    let audit = selection.map(|selection| selection.audit.as_ref());
    let calibration = audit.and_then(|audit| audit.calibration);
    let certificate = audit.and_then(|audit| audit.certificate);
    let of = |pick: fn(&SelectionAudit) -> Option<f64>| audit.and_then(pick);
    let decimals = |n: usize| move |value: f64| format!("{value:.n$}");
    let bound = Cell::both(
        certificate.map(|it| {
            let sign = if it.is_certified { "≤" } else { "not shown:" };
            format!("{sign} {}", words::percent(it.bound))
        }),
        certificate.map(|it| it.bound.to_string()),
    );
    vec![
        Cell::shown(selection.and_then(|s| s.n_flipped), words::count),
        Cell::shown(calibration.map(|it| it.temperature), decimals(2)),
        Cell::shown(calibration.map(|it| it.ece_before), decimals(3)),
        Cell::shown(calibration.map(|it| it.ece_after), decimals(3)),
        Cell::shown(of(|audit| audit.over_confidence_drift), decimals(3)),
        Cell::shown(of(|audit| audit.estimated_error), words::percent),
        bound,
        Cell::shown(of(|audit| audit.pool.mean_tokens), decimals(0)),
        Cell::shown(of(|audit| audit.selected.mean_tokens), decimals(0)),
        Cell::shown(of(|audit| audit.pool.mean_margin), decimals(2)),
        Cell::shown(of(|audit| audit.selected.mean_margin), decimals(2)),
        Cell::shown(of(|audit| audit.selected.longer_share), words::percent),
        Cell::shown(of(|audit| audit.length_correlation), decimals(2)),
        Cell::shown(of(|audit| audit.source_shift), decimals(2)),
        Cell::shown(of(|audit| audit.view_weight), decimals(2)),
        Cell::shown(of(|audit| audit.surface_weight), decimals(2)),
    ]
}
