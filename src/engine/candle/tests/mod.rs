//! The candle path against PyTorch's fixtures and against the CPU engine.

mod against_cpu;
mod against_pytorch;
mod behavior;
pub mod support;
