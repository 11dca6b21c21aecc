//! Arms over random seeds as a table.

use crate::analysis::{ArmComparison, ArmRow, MeanOverSeeds};
use crate::domain::stats::Interval;
use crate::domain::text::words;
use crate::report::table::{Cell, Column, Form, Table, number, text};

/// Column heads of the rounds; of longer experiments only the first rounds are shown.
const ROUNDS: [(&str, &str); 8] = [
    ("round_0", "round 0"),
    ("round_1", "round 1"),
    ("round_2", "round 2"),
    ("round_3", "round 3"),
    ("round_4", "round 4"),
    ("round_5", "round 5"),
    ("round_6", "round 6"),
    ("round_7", "round 7"),
];

/// The table of the arms, with a note below that says how it was computed.
#[must_use]
pub fn explained(comparison: &ArmComparison, form: Form, is_ascii: bool) -> String {
    format!("{}\n{}\n", table(comparison).text(form, is_ascii), footnote(comparison))
}

/// The same table, to be printed below a comparison of runs; empty unless an arm has several random
/// seeds.
#[must_use]
pub fn below(comparison: &ArmComparison, form: Form, is_ascii: bool) -> String {
    if comparison.arms.iter().all(|arm| arm.runs.len() < 2) {
        return String::new();
    }
    format!("\n{}", explained(comparison, form, is_ascii))
}

/// One line an arm: mean test accuracy with its t interval, the difference to the base arm, the share
/// of the gap closed.
#[must_use]
pub fn table(comparison: &ArmComparison) -> Table {
    let mut columns = vec![text("arm", "arm")];
    let has_setting = comparison.arms.iter().any(|arm| !arm.setting.is_empty());
    if has_setting {
        columns.push(text("given", "given"));
    }
    columns.extend([
        number("n_seeds", "seeds"),
        text("test_accuracy", "test accuracy"),
        text("difference", "difference"),
        text("p_holm", "p (Holm)"),
        text("mcnemar_p_holm", "McNemar p"),
        text("gap_closed", "gap closed"),
        number("n_labels_spent", "labels"),
        number("wall_s", "time"),
    ]);
    let mut table = Table::new(&columns);
    for arm in &comparison.arms {
        let mut cells = vec![Cell::new(&arm.arm)];
        if has_setting {
            cells.push(Cell::new(&arm.setting));
        }
        cells.extend(cells_of(arm));
        table.push(cells);
    }
    table
}

fn cells_of(arm: &ArmRow) -> Vec<Cell> {
    let difference = arm.difference.as_ref();
    let over_seeds = difference.and_then(|d| d.over_seeds);
    let difference_words = difference.map(|d| match d.over_seeds {
        Some(over) => points_with(over.difference, Some(over.interval)),
        None => points_with(d.pooled.difference, None),
    });
    vec![
        Cell::new(arm.runs.len()),
        Cell::maybe(arm.accuracy.map(percent_with)),
        Cell::maybe(difference_words),
        Cell::maybe(over_seeds.and(difference).and_then(|d| d.p_holm).map(p_words)),
        Cell::maybe(difference.and_then(|d| d.pooled_p_holm).map(p_words)),
        Cell::maybe(gap_words(arm)),
        Cell::shown(arm.n_labels_spent.map(|n| n.round() as u64), words::count),
        Cell::shown(arm.wall_s.map(|s| (s * 1000.0) as u64), words::duration),
    ]
}

/// One line an arm, its rounds side by side.
#[must_use]
pub fn round_table(comparison: &ArmComparison) -> Table {
    let n_rounds = ROUNDS.len().min(comparison.n_rounds as usize);
    let rounds = ROUNDS[..n_rounds].iter().map(|(key, head)| text(key, head));
    let mut columns: Vec<Column> = vec![text("arm", "arm"), number("n_seeds", "seeds")];
    columns.extend(rounds);
    columns.push(text("gap_closed", "gap closed"));
    let mut table = Table::new(&columns);
    for arm in &comparison.arms {
        let mut cells = vec![Cell::new(&arm.arm), Cell::new(arm.runs.len())];
        cells.extend(
            arm.by_round.iter().take(n_rounds).map(|mean| Cell::maybe(mean.map(percent_with))),
        );
        cells.push(Cell::maybe(gap_words(arm)));
        table.push(cells);
    }
    table
}

/// The note that says how the numbers of both tables were computed.
#[must_use]
pub fn footnote(comparison: &ArmComparison) -> String {
    format!(
        "test accuracy in percent: mean over random seeds [95 % t interval]; difference to `{}` in \
         points over common seeds [paired t interval], p of the paired t test over seeds and of the \
         exact McNemar test over all pairs, both after Holm's adjustment for {} arms; gap closed: \
         share of the way from `seed-only` to `full-labels` [bootstrap over seeds and pairs], a dash \
         where there is no gap outside noise",
        comparison.base,
        comparison.arms.len().saturating_sub(1)
    )
}

/// `59.4 [57.2, 61.6]`
fn percent_with((mean, interval): MeanOverSeeds) -> String {
    match interval {
        Some(Interval { low, high }) => {
            format!("{:.1} [{:.1}, {:.1}]", 100.0 * mean, 100.0 * low, 100.0 * high)
        }
        None => format!("{:.1}", 100.0 * mean),
    }
}

/// `+1.2 [-0.3, +2.7]`
fn points_with(difference: f64, interval: Option<Interval>) -> String {
    let points = |value: f64| format!("{:+.1}", 100.0 * value);
    match interval {
        Some(Interval { low, high }) => {
            format!("{} [{}, {}]", points(difference), points(low), points(high))
        }
        None => points(difference),
    }
}

/// `.62 [.41, .85]`
fn gap_words(arm: &ArmRow) -> Option<String> {
    let found = arm.gap_closed.as_ref()?;
    let (share, interval) = (found.share?, found.interval?);
    Some(format!("{share:.2} [{:.2}, {:.2}]", interval.low, interval.high))
}

/// A p-value with digits that say something.
#[must_use]
pub fn p_words(p: f64) -> String {
    if p < 0.001 { "<.001".to_owned() } else { format!("{p:.3}").replacen("0.", ".", 1) }
}
