//! `--format svg` and `--format png`: a chart of a run, or of runs over each other.

use clap::ValueEnum;

use super::super::{CliError, CliResult, Context};
use super::page::{runs_of, write};
use super::{Target, say_done};
use crate::report::{self, CurveMetric, ImageForm, Picture};
use crate::store::Store;

/// `--chart`
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Chart {
    /// Test and validation accuracy by round; of several runs, their test accuracy
    Accuracy,
    /// How many pseudo-labels are right and how many are kept; of several runs, how many are right
    Labels,
    /// The training loss, rounds marked
    Loss,
    /// Accuracy against confidence on the test pairs, of one run
    Reliability,
    /// Confidences of the pool in the latest selection, of one run
    Confidence,
}

impl Chart {
    fn of_one(self) -> Picture {
        match self {
            Self::Accuracy => Picture::Accuracy,
            Self::Labels => Picture::Labels,
            Self::Loss => Picture::Loss,
            Self::Reliability => Picture::Reliability,
            Self::Confidence => Picture::Confidence,
        }
    }

    /// What is compared of several runs.
    fn of_many(self) -> Option<CurveMetric> {
        match self {
            Self::Accuracy => Some(CurveMetric::TestAccuracy),
            Self::Labels => Some(CurveMetric::Precision),
            Self::Loss => Some(CurveMetric::Loss),
            Self::Reliability | Self::Confidence => None,
        }
    }
}

/// Writes the picture.
///
/// # Errors
/// When a run is not there, has nothing to show yet, or the chart is of one run and there are several.
pub fn export(
    context: &Context,
    store: &Store,
    names: &[String],
    (chart, form): (Chart, ImageForm),
    target: &Target,
) -> CliResult {
    let runs = runs_of(store, names)?;
    let svg = match (runs.as_slice(), chart.of_many()) {
        ([run], _) => report::picture_of(store, run, chart.of_one())?,
        (_, Some(metric)) => report::compared_picture_of(store, runs, metric)?,
        (_, None) => {
            let name = chart.of_one().name();
            return Err(CliError::input(format!("the {name} chart shows one run"))
                .with_hint("name one run, or take `--chart accuracy`, `labels` or `loss`"));
        }
    };
    write(target, &form.file(svg)?)?;
    say_done(context, target, "picture");
    Ok(())
}
