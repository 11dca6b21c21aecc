//! The pure core: what a preference pair is, which pseudo-labels are kept, when the loop stops,
//! and what the numbers mean.
//!
//! Nothing here reads a file, a clock, a database or a terminal, and no function owns random
//! state: randomness is a pure function of its place ([`random`]). Everything can be tested in
//! microseconds.

pub mod event;
pub mod metrics;
pub mod preference;
pub mod pseudo_label;
pub mod query;
pub mod random;
pub mod review;
pub mod run;
pub mod run_loop;
pub mod selection;
pub mod ser;
pub mod source;
pub mod spec;
pub mod split;
pub mod stats;
pub mod teacher;
pub mod text;
pub mod verdict;
