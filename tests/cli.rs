//! The command line as a person meets it: the real program against a fresh home.

mod bad_input;
#[cfg(feature = "hub")]
mod by_name;
mod compare;
mod data;
mod experiments;
mod explain;
mod export;
pub(crate) mod fixture;
mod generate;
mod own_data;
mod queue;
mod review;
mod serve;
mod whole_run;
