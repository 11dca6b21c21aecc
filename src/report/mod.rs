//! Results as text: what the command line prints and what the interface copies and exports are the
//! same functions, so that the two never tell different stories.
//!
//! Everything here is a function from what the store returned to a string. Names and values come
//! from files: what a terminal could take for a command is made harmless where people read it.

mod arms;
mod csv;
mod curve;
mod error;
mod html;
mod json;
pub mod listing;
mod markdown;
pub mod paper;
mod run;
mod scale;
mod show;
mod svg;
pub mod table;
mod words;

pub use arms::ArmsDocument;
pub use csv::comparison_csv;
pub use curve::{CurveAxis, CurveMetric, CurvePoint, curve};
pub use error::ReportError;
pub use html::{RunPart, report_html};
pub use json::ComparisonDocument;
pub use markdown::comparison_markdown;
pub use run::{EvaluationDocument, RunDocument, status, timestamp};
pub use show::ShowDocument;
pub use svg::comparison_svg;
pub use words::{accuracy, letter, metric_value, setting_value, share, signed};

#[cfg(test)]
mod tests;
