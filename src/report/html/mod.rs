//! A run, or runs side by side, as one HTML page that needs nothing else: no network, no script.
//!
//! The page is `assets/report.html`; what is filled in comes from the store and is escaped and
//! cleaned where it enters. A content security policy forbids everything but its own styles, in case
//! something should get through.

pub(super) mod chart;
mod element;
mod parts;
mod policy;
mod run;
mod side_by_side;

use crate::analysis::Comparison;
use crate::report::listing::policy::Matrix;
use std::fmt::Write as _;

use element::line;
pub use parts::RunPart;
pub(super) use parts::test_reliability;
pub use policy::PolicyPart;
pub(super) use run::{accuracy_chart, label_chart, loss_chart};

const PAGE: &str = include_str!("../../../assets/report.html");

/// The page. `parts` has one entry for each run of `comparison`; a comparison of one run is a report
/// of that run. `matrix` says who wins how often where all of them are policies. `made_at` is a time in
/// words.
#[must_use]
pub fn report_html(
    comparison: &Comparison,
    parts: &[RunPart],
    matrix: Option<&Matrix>,
    made_at: &str,
) -> String {
    let names: Vec<&str> = comparison.runs.iter().map(|run| run.row.name.as_str()).collect();
    let policies = || parts.iter().filter_map(|part| part.policy.as_ref()).collect::<Vec<_>>();
    let mut body = match (comparison.runs.as_slice(), parts, matrix) {
        ([only], [part], _) => match &part.policy {
            Some(policy) => policy::page(comparison, only, part, policy),
            None => run::page(comparison, only, part),
        },
        (_, _, Some(matrix)) => policy::side_by_side(matrix, &policies()),
        _ => side_by_side::page(comparison, parts),
    };
    let is_of_policies = !parts.is_empty() && policies().len() == parts.len();
    let notes = if is_of_policies {
        "Intervals (95 %) are over held-out prompts."
    } else {
        "Accuracy is pairwise, ties wrong; intervals are 95 % Wilson intervals unless something else is said. \
         Test pairs decide nothing."
    };
    let (version, made_at) = (env!("CARGO_PKG_VERSION"), line(made_at));
    let _ = write!(body, "<footer>Written by ser {version} at {made_at}. {notes}</footer>");
    let title = line(&names.join(" · "));
    let (head, tail) = PAGE.split_once("{{body}}").unwrap_or((PAGE, ""));
    [&head.replace("{{title}}", &title), body.as_str(), tail].concat()
}
