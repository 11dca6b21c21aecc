//! The reward model on a CPU: explicit forward and backward passes over flat `f32` buffers.
//!
//! There is no tape and no tensor type. A model is a table of named slices of one flat parameter
//! vector ([`parameters`]); a batch is packed without padding ([`batch`]); the two families
//! ([`decoder`], [`encoder`]) call the kernels in a fixed order forward and in the reverse order
//! backward; matrix products go through one function ([`gemm`]). The formulas of every backward
//! kernel stand in its own file.
//!
//! Threads never change a result: a batch is cut into shards by its content alone, a shard runs on
//! one thread into its own gradient, and gradients are added up in shard order ([`parallel`]).

pub mod activation;
pub mod attention;
pub mod batch;
pub mod decoder;
pub mod dropout;
pub mod encoder;
pub mod gemm;
pub mod head;
pub mod kernel;
pub mod language_model;
pub mod loss;
pub mod math;
pub mod model;
pub mod network;
pub mod norm;
pub mod optimizer;
pub mod parallel;
pub mod parameters;
pub mod pass;
pub mod persistence;
pub mod rotary;
pub mod rows;
mod simd;
pub mod trainer;
pub mod trunk_cache;
pub mod workspace;

#[cfg(test)]
mod tests;

pub use language_model::LanguageModel;
pub use model::CpuModel;
