//! The keys of the samples screen.

use super::super::keymap::Binding;

/// What a person can ask for on this screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SamplesCommand {}

/// The table.
pub const BINDINGS: &[Binding] = &[];
