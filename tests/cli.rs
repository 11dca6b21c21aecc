//! The command line as a person meets it: the real program against a fresh home.

#![expect(clippy::unwrap_used, reason = "a fixture that cannot be made fails its test")]

mod bad_input;
mod fixture;
mod whole_run;
