//! The interface driven by keys, and its screens as text.

pub mod behavior;
pub mod fixtures;
mod monkey;
mod panes_behavior;
mod picture;
mod runs_behavior;
pub mod screens;
