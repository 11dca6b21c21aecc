//! What a source of pairs or a model is called: files of a folder, and names on the Hub.

pub mod data_files;
pub mod hub_name;
