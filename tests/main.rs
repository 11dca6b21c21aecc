//! The one integration binary; every file beside it is a module of it (`layering.rs` checks).

mod cli;
mod layering;
mod pty;
mod resume;
mod worker;
