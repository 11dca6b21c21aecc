//! The one integration binary; every file beside it is a module of it (`layering.rs` checks).
//!
//! Tests that wait for another process or a screen give up after a time limit. The limits suit a
//! quiet machine with two cores; on a slower or busier one `SER_PATIENCE=4 cargo test --release`
//! makes each of them four times as long ([`patience`]).

#![expect(clippy::unwrap_used, reason = "a fixture that cannot be made fails its test")]
#![expect(clippy::print_stdout, reason = "a skipped test says why")]

mod cli;
mod dependencies;
mod ecosystem;
mod invariants;
mod layering;
mod pages;
mod patience;
mod peers;
mod policy;
mod properties;
mod pty;
mod resume;
mod worker;
