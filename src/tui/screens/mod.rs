//! One folder a screen, all with the same parts: its state (`mod.rs`), what a person can ask for there
//! (`command.rs`), its keys (`keys.rs`), how it is opened (`open.rs`), what keys and data do
//! (`update.rs`), what it refuses (`refuse.rs`), how it is divided (`layout.rs`), how it is drawn
//! (`view.rs`), and its tests. What else a folder holds is a part of one of these.
//!
//! A screen may open another one, and knows nothing else about it. What two screens draw is in
//! `panels`, what two screens do is in `shell::current_run`.

pub mod compare;
pub mod launch;
pub mod live;
pub mod policy;
pub mod runs;
pub mod samples;
