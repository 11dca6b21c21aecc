//! What both kinds of page are made of.

use super::chart;
use super::element::line;
use super::policy::PolicyPart;
use crate::analysis::{ComparedRun, Comparison};
use crate::domain::review::{Panel, PrecisionEstimate};
use crate::domain::stats::paired::PairedDifference;
use crate::domain::verdict::VerdictSet;
use crate::report::legend::run_legend;
use crate::report::words::share;
use crate::store::rows::{RunDetail, SampledPair};

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
    /// What is decided about its pairs.
    pub verdicts: VerdictSet,
    /// Who decided it.
    pub panel: Panel,
    /// What only a policy has.
    pub policy: Option<PolicyPart>,
}

/// A p-value with its sign of relation: `= .0213`, `< .0001`.
pub(super) fn p_value(p: f64) -> String {
    if p < 1e-4 { "< .0001".to_owned() } else { format!("= {}", share(p)) }
}

/// A legend of the runs of a comparison; those of a group have one curve in every chart.
pub(super) fn legend(comparison: &Comparison, groups: &[Vec<usize>]) -> String {
    let item = |(style, words): (usize, String)| {
        format!("<li>{}{}</li>", chart::sign(style), line(&words))
    };
    let items: String = run_legend(comparison, groups).into_iter().map(item).collect();
    format!("<ul class=\"legend\">{items}</ul>\n")
}

/// Charts side by side, each with a caption.
pub(super) fn figures(charts: &[(Option<String>, &str)]) -> String {
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

/// The reliability diagram of the round that speaks for a run.
pub(in crate::report) fn test_reliability(run: &ComparedRun) -> Option<String> {
    let round = run.compared_round()?;
    let test = round.test.as_ref()?;
    let title =
        format!("Reliability on test pairs, round {} (ECE {})", round.round, share(test.ece));
    chart::reliability(&title, &test.reliability)
}
