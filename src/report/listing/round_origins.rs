//! The selection of each round by who wrote the answers, once a policy's pairs are in the pool.

use crate::domain::selection::origins::ByOrigin;
use crate::domain::text::words;
use crate::report::table::{self, Cell, Column, Table, number};
use crate::store::rows::RoundRow;

fn of(row: &RoundRow) -> Option<&ByOrigin> {
    row.selection.as_ref()?.by_origin.as_deref()
}

/// Two lines a round, in the form for people; `None` where no policy wrote a pair.
#[must_use]
pub fn table(rounds: &[RoundRow]) -> Option<Table> {
    rounds.iter().find_map(of)?;
    let mut table = Table::new(&[
        number("round", "round"),
        table::text("origin", "answers of"),
        number("n_scored", "scored"),
        number("n_selected", "selected"),
        number("pseudo_label_precision", "label precision"),
        number("n_known", "of known labels"),
        number("pool_accuracy", "right of all known"),
    ]);
    for row in rounds {
        for (name, part) in of(row).iter().flat_map(|it| it.parts()) {
            table.push(vec![
                Cell::new(row.round),
                Cell::new(name),
                Cell::shown(Some(part.n_scored), words::count),
                Cell::shown(Some(part.n_selected), words::count),
                Cell::shown(part.pseudo_label_precision, words::percent),
                Cell::shown(Some(part.n_known), words::count),
                Cell::shown(part.pool_accuracy, words::percent),
            ]);
        }
    }
    Some(table)
}

/// The columns of [`cells`].
#[must_use]
pub fn columns() -> [Column; 6] {
    [
        "n_scored_data",
        "n_selected_data",
        "pseudo_label_precision_data",
        "n_scored_policy",
        "n_selected_policy",
        "pseudo_label_precision_policy",
    ]
    .map(|name| number(name, ""))
}

/// The two origins of a round beside each other, for programs.
#[must_use]
pub fn cells(row: &RoundRow) -> Vec<Cell> {
    let found = of(row);
    let parts = [found.map(|it| it.data), found.map(|it| it.policy)];
    let cells = parts.map(|part| {
        [
            Cell::maybe(part.map(|it| it.n_scored)),
            Cell::maybe(part.map(|it| it.n_selected)),
            Cell::maybe(part.and_then(|it| it.pseudo_label_precision)),
        ]
    });
    cells.into_iter().flatten().collect()
}
