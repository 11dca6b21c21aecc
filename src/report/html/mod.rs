//! A run, or runs side by side, as one HTML page that needs nothing else: no network, no script.
//!
//! The page is `assets/report.html`; what is filled in comes from the store and is escaped and
//! cleaned where it enters. A content security policy forbids everything but its own styles, in case
//! something should get through.

mod chart;
mod element;
mod run;
mod side_by_side;

use crate::analysis::Comparison;
use crate::domain::review::PrecisionEstimate;
use crate::domain::stats::paired::PairedDifference;
use crate::store::rows::{RunDetail, SampledPair};
use std::fmt::Write as _;

use super::words::{letter, share};
use element::line;

const PAGE: &str = include_str!("../../../assets/report.html");

/// What the page shows beside the comparison, for one of its runs.
#[derive(Debug, Clone)]
pub struct RunPart {
    /// The run.
    pub detail: RunDetail,
    /// What people's audit of its latest selection says.
    pub audit: Option<PrecisionEstimate>,
    /// Test accuracy of the compared round minus that of round 0, pair by pair.
    pub change: Option<PairedDifference>,
    /// Some pairs of its latest selection.
    pub samples: Vec<SampledPair>,
}

/// The page. `parts` has one entry for each run of `comparison`; a comparison of one run is a report
/// of that run. `made_at` is a time in words.
#[must_use]
pub fn report_html(comparison: &Comparison, parts: &[RunPart], made_at: &str) -> String {
    let names: Vec<&str> = comparison.runs.iter().map(|run| run.row.name.as_str()).collect();
    let mut body = match (comparison.runs.as_slice(), parts) {
        ([only], [part]) => run::page(comparison, only, part),
        _ => side_by_side::page(comparison, parts),
    };
    let _ = write!(
        body,
        "<footer>Written by ser {} at {}. Accuracy is pairwise, ties wrong; intervals are 95 % Wilson \
         intervals unless something else is said. Test pairs decide nothing.</footer>",
        env!("CARGO_PKG_VERSION"),
        line(made_at)
    );
    let title = line(&names.join(" · "));
    let (head, tail) = PAGE.split_once("{{body}}").unwrap_or((PAGE, ""));
    [&head.replace("{{title}}", &title), body.as_str(), tail].concat()
}

/// A p-value with its sign of relation: `= .0213`, `< .0001`.
fn p_value(p: f64) -> String {
    if p < 1e-4 { "< .0001".to_owned() } else { format!("= {}", share(p)) }
}

/// A legend of the runs of a comparison.
fn legend(comparison: &Comparison) -> String {
    let mut out = String::from("<ul class=\"legend\">");
    for (index, run) in comparison.runs.iter().enumerate() {
        let base = if index == comparison.base { " (base)" } else { "" };
        let name = line(&format!("{} {}{base}", letter(index), run.row.name));
        let _ = write!(out, "<li>{}{name}</li>", chart::sign(index));
    }
    out + "</ul>\n"
}

/// Charts side by side, each with a caption.
fn figures(charts: &[(Option<String>, &str)]) -> String {
    let figures: String = charts
        .iter()
        .filter_map(|(chart, caption)| {
            let caption = line(caption);
            Some(format!(
                "<figure>{}<figcaption>{caption}</figcaption></figure>\n",
                chart.as_ref()?
            ))
        })
        .collect();
    format!("<div class=\"pair-of\">{figures}</div>\n")
}
