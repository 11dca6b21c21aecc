//! Models and checkpoints on disk: which files are read and written, and what each of them
//! guarantees.

pub mod checkpoint;
pub(crate) mod embedded;
pub(crate) mod hub_cache;
pub mod layout;
pub(crate) mod manifest;
pub(crate) mod peft;
pub(crate) mod source;
pub(crate) mod stored;
#[cfg(test)]
pub(crate) mod stored_heads;
pub(crate) mod tensor_file;
pub(crate) mod tuned_files;
pub mod weights;
