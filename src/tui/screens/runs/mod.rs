//! The list of all runs.

pub mod annotate;
pub mod experiments;
pub mod update;
pub mod view;
