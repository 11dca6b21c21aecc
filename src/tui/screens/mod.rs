//! One folder a screen: its keys, its update, its view.

pub mod compare;
pub mod launch;
pub mod live;
pub mod runs;
pub mod samples;
