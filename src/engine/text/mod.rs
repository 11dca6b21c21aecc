//! From texts to token ids: chat templates and tokenizers.

pub mod chat;
pub mod tokenize;
