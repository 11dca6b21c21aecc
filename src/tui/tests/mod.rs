//! The whole interface driven by keys. Tests of one screen lie with that screen.

pub mod drive;
mod explain;
pub mod fixtures;
mod hostile;
mod keys;
mod monkey;
mod picture;
pub mod pictures;
pub mod policies;
