//! Tests of whole models, and what the kernels' tests share.

mod behavior;
mod cached_trunk;
pub mod differences;
mod limits;
mod pytorch;
pub mod support;
mod tuning;
