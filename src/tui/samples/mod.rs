//! The samples screen: the pairs a run scored, and what a person decides about them.

pub mod keys;
pub mod update;
pub mod view;

use crate::domain::preference::PairId;
use crate::domain::run::RunId;

/// The state of the screen.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Samples {
    /// The run whose pairs are shown.
    pub run: Option<RunId>,
    /// The round; `None` follows the latest.
    pub round: Option<u32>,
    /// The pair to show first.
    pub pair: Option<PairId>,
}
