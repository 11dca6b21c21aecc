//! Results as text. What the command line prints and what the interface copies and exports come
//! from the same functions, so that the two always agree.
//!
//! Everything here is a function from rows of the store to a string. Names and values come from
//! files, so characters that a terminal could take for a command are made harmless where people
//! read them.

mod arms;
mod csv;
mod curve;
mod error;
pub mod glossary;
mod html;
mod json;
mod legend;
pub mod listing;
mod markdown;
mod page;
pub mod paper;
mod picture;
mod raster;
mod run;
mod scale;
mod show;
pub mod story;
pub mod table;
mod words;

pub use arms::ArmsDocument;
pub use csv::comparison_csv;
pub use curve::{CurveAxis, CurveMetric, CurvePoint, curve, round_starts};
pub use error::{ReportError, never_scores};
pub use html::{RunPart, report_html};
pub use json::ComparisonDocument;
pub use legend::{coinciding, end_letters, letters};
pub use markdown::comparison_markdown;
pub use page::{compared_picture_of, picture_of, report_of};
pub use picture::{Picture, comparison_svg};
pub use raster::ImageForm;
pub use run::{EvaluationDocument, RunDocument, status, timestamp};
pub use show::ShowDocument;
pub use words::{accuracy, letter, metric_value, same_runs, setting_value, share, signed};

#[cfg(test)]
mod tests;
