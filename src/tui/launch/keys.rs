//! The keys of the launch screen.

use super::super::keymap::Binding;

/// What a person can ask for on this screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LaunchCommand {}

/// The table.
pub const BINDINGS: &[Binding] = &[];
