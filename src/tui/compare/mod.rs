//! The compare screen: runs side by side, and what they differ in.

pub mod keys;
pub mod update;
pub mod view;

use crate::domain::run::RunId;

/// The state of the screen.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Compare {
    /// The runs, the base first.
    pub runs: Vec<RunId>,
}
