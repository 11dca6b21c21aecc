//! The launch screen: a form that starts runs.

pub mod keys;
pub mod update;
pub mod view;

use crate::domain::run::RunId;

/// The state of the screen.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Launch {
    /// The run whose spec the form starts from; `None` is the default spec.
    pub from: Option<RunId>,
}
