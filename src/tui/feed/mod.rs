//! What reads and does things outside the model, each on a thread of its own.

pub mod costs;
pub mod data;
pub mod executor;
pub mod resources;
pub mod source;
