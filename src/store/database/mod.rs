//! The file itself: how it is opened, its schema, and where it may lie.

pub(crate) mod connection;
pub(crate) mod filesystem;
pub(crate) mod health;
pub(crate) mod schema;
