//! Tests of whole models, and what the kernels' tests share.

mod behavior;
pub mod differences;
mod limits;
mod pytorch;
mod speed;
pub mod support;
mod tuning;
