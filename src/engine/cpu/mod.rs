//! The reward model on a CPU: explicit forward and backward passes over flat buffers.
//!
//! There is no tape and no tensor type. A model is a table of named tensors ([`table`]), each in the
//! flat vectors of what is trained or in the store of what is frozen ([`parameters`]); a batch is
//! packed without padding ([`batch`]) and worked on a micro-batch at a time ([`trainer`]); one
//! transformer, described by data ([`network`]), calls the kernels ([`kernel`]) in a fixed order
//! forward and in the reverse order backward. The formulas of every backward step stand in its own
//! file.
//!
//! Threads never change a result: a batch is cut by its content alone, and the kernels cut their
//! work by shape and add up in a fixed order.

pub mod batch;
pub mod cached_trunk;
pub mod dropout;
mod generation;
mod implementation;
pub mod kernel;
pub mod language_model;
pub mod loss;
pub mod micro_batch;
pub mod model;
pub mod network;
mod packed_weights;
pub mod parameters;
pub mod persistence;
mod plan;
pub mod policy;
pub mod table;
#[cfg(test)]
pub(super) mod tests;
pub mod trainer;
pub mod trunk_cache;

pub use implementation::Cpu;
pub use language_model::LanguageModel;
#[cfg(test)]
pub use model::CpuModel;
