//! The terminal: taking it and giving it back, keys in, frames out, a recording of them, the
//! clipboard, an editor.
//!
//! What knows escape sequences, file descriptors and signals belongs here; what the interface means
//! by a key or shows in a cell does not. Nothing here knows the model.

mod ascii;
pub mod clipboard;
pub mod editor;
mod encode;
pub mod frame;
pub mod guard;
mod held;
pub mod input;
mod parse;
pub mod recording;
