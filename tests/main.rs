//! The one integration binary; every file beside it is a module of it (`layering.rs` checks).

#![expect(clippy::unwrap_used, reason = "a fixture that cannot be made fails its test")]
#![expect(clippy::print_stdout, reason = "a skipped test says why")]

mod cli;
mod dependencies;
mod ecosystem;
mod invariants;
mod layering;
mod pages;
mod peers;
mod properties;
mod pty;
mod resume;
mod worker;
