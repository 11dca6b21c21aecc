//! Tests of whole models, and what the kernels' tests share.

mod behavior;
pub mod differences;
mod pytorch;
mod speed;
pub mod support;
