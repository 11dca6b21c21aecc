//! The threads that read and change things outside the model. Each has a closed type for its
//! requests and another for its answers.
//!
//! | thread | is asked | says |
//! |---|---|---|
//! | [`source`], the data thread | [`data::Interest`] | [`source::Read`] |
//! | [`reviewer`], behind the samples screen | [`samples::Request`] | [`samples::Found`] |
//! | [`executor`] | [`change::Change`] | [`change::Answer`] |
//!
//! Store rows are made harmless here ([`clean`]) before a screen sees them. Nothing here knows the
//! model, a screen or a key.

pub mod change;
pub mod clean;
pub mod compare;
mod costs;
pub mod data;
pub mod executor;
pub mod policy;
pub mod resources;
pub mod reviewer;
pub mod samples;
pub mod source;
