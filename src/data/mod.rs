//! Reads files into preference pairs, one record at a time.
//!
//! ```text
//! Source ─▶ bytes (plain, gzip, zstd) ─▶ rows (JSON lines, JSON array, table, Parquet) ─▶ Json
//!        ─▶ format (one file a layout, pure) ─▶ texts ─▶ reader ─▶ mixture ─▶ PreferencePair
//! ```
//!
//! [`open`] yields the pairs of one file in any known [`DatasetFormat`], [`MixtureReader`] those of
//! several sources, and [`BestOfReader`] prompts with all their answers. A pair that says nothing
//! about preference is left out, and counted by its reason ([`DropReason`]); anything broken is an
//! error with its place. [`check()`] reads a source for its statistics, [`Fingerprint`] identifies
//! its content, and [`pocket`] generates and grades the embedded set. Splits are made in `domain`.

mod answer;
mod best_of;
mod bytes;
mod check;
mod drop_reason;
mod error;
mod fingerprint;
mod foreign;
mod format;
mod json;
mod mixture;
mod place;
pub mod pocket;
mod prompt;
mod proposal;
mod reader;
mod rows;
mod sample;
mod settings;
mod source;
mod stream;
mod suggestion;
#[cfg(test)]
mod testing;
mod understanding;

pub use answer::{Answer, Answers};
pub use best_of::{BestOfPrompt, BestOfReader};
pub use bytes::MAX_RECORD_BYTES;
pub use check::{
    CheckReport, CheckSettings, Example, Finding, PairTokens, RecordName, TokenCounter,
    TokenReport, check,
};
pub use drop_reason::DropReason;
pub use error::DataError;
pub use fingerprint::Fingerprint;
pub use format::{DatasetFormat, FORMATS};
pub use mixture::{MixtureReader, Part, format_names};
pub use prompt::Prompt;
pub use proposal::{Field, Judge, Proposal, ShownPair};
pub use reader::{SourceItem, SourcePair, detect, open};
pub use sample::Sample;
pub use settings::{BadPairPolicy, GroupBy, ReadSettings};
pub use source::{EmbeddedSplit, Source};
pub use understanding::{Understanding, understand};
