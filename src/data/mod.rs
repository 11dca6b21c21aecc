//! Files become preference pairs here, one line at a time.
//!
//! [`open`] yields the pairs of a [`Source`] in any known [`DatasetFormat`]; a record that says
//! nothing about preference is left out by name ([`DropReason`]), anything broken is an error with
//! its line. [`check()`] reads a source for its statistics, [`Fingerprint`] names its content, and
//! [`pocket`] generates and grades the embedded set. Splits are made in `domain`.

mod check;
mod error;
mod fingerprint;
mod hh;
mod layout;
pub mod pocket;
mod reader;
mod record;
mod settings;
mod source;

pub use check::{CheckReport, DropCount, LengthSummary, check};
pub use error::DataError;
pub use fingerprint::Fingerprint;
pub use hh::{ASSISTANT, HUMAN};
pub use reader::{DropReason, PairReader, SourceItem, SourcePair, detect, open};
pub use settings::{BadPairPolicy, DatasetFormat, GroupBy, ReadSettings};
pub use source::{EmbeddedSplit, MAX_LINE_BYTES, Source};
