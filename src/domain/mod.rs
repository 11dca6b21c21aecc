//! The pure core: what a preference pair is, which pseudo-labels are kept, when the loop stops,
//! and what the numbers mean.
//!
//! Nothing here reads a file, a clock, a database or a terminal, and no function owns random
//! state: randomness is a pure function of its place ([`random`]). Everything can be tested in
//! microseconds.

pub mod audit;
pub mod bradley_terry;
pub mod calibration;
pub mod clean;
pub mod conversation;
pub mod data_files;
pub mod data_spec;
pub mod dialogue;
pub mod event;
pub mod guard;
pub mod histogram;
pub mod hub_name;
pub mod learning_status;
pub mod logistic;
pub mod method_spec;
pub mod metrics;
pub mod model_spec;
pub mod near_duplicate;
pub mod preference;
pub mod pseudo_label;
pub mod random;
pub mod review;
pub mod reward_bench;
pub mod risk;
pub mod run;
pub mod second_view;
pub mod selection;
pub mod ser;
pub mod spec;
pub mod split;
pub mod stats;
pub mod surface;
pub mod verdict;
