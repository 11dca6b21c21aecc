//! What the texts of a pair are: conversations, their flat reading, and what can be seen without a model.

pub mod causes;
pub mod clean;
pub mod conversation;
pub mod dialogue;
mod message;
pub mod near_duplicate;
pub mod surface;
pub mod words;
