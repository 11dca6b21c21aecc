//! `ser`: an experiment manager for Self-Evolved Reward learning in a terminal.

pub mod data;
pub mod domain;
pub mod engine;
pub mod store;
pub mod supervisor;
