//! Who labels the pool, how far each view of a pair counts, and what halts the loop.

pub mod audit;
pub mod guard;
pub mod second_view;
