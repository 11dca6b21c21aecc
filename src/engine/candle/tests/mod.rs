//! The candle path against PyTorch's fixtures and against the CPU engine.

mod against_cpu;
mod against_pytorch;
mod against_stock;
mod behavior;
mod language_model;
mod oracle;
pub mod support;
