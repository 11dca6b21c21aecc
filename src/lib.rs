//! `ser`: an experiment manager for Self-Evolved Reward learning in a terminal.

pub mod domain;
pub mod engine;
