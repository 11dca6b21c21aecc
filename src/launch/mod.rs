//! The use cases that both front ends share, up to the start of a worker: fetch named models and
//! data, import pairs, check specs, queue runs, try a spec on a few pairs.
//!
//! The command line and the interface call the same functions and get typed results. Notes and
//! progress on the way go to the [`Say`] that the caller hands in.

pub mod by_name;
mod dry_run;
mod error;
pub mod export;
pub mod import;
mod policy;
pub mod presets;
mod queue;
mod read_ahead;
mod request;
pub mod target;
#[cfg(test)]
mod tests;

pub use dry_run::dry_run;
pub use error::LaunchError;
pub use policy::{newest_checkpoint, policy_sets};
pub use queue::{LaunchPlan, MemoryNeed, launch, memory_need};
pub use request::{Base, Request, Started, specs_of, start};

use crate::store::Home;

/// What a launch returns.
pub type LaunchResult<T = ()> = Result<T, LaunchError>;

/// The listener that is told notes, warnings and progress on the way to a result.
pub trait Say: Sync {
    /// Takes a note or a warning: one line, which may contain any characters that a file or a name
    /// contains.
    fn say(&self, line: &str);

    /// How far a long part has come, in place of what was shown before; `None` ends it.
    fn progress(&self, line: Option<&str>);

    /// Whether anybody sees [`Say::progress`], so that nothing is written for nobody.
    fn shows_progress(&self) -> bool;
}

/// A listener that ignores everything.
#[derive(Debug, Clone, Copy)]
pub struct Silent;

impl Say for Silent {
    fn say(&self, _: &str) {}

    fn progress(&self, _: Option<&str>) {}

    fn shows_progress(&self) -> bool {
        false
    }
}

/// The home that something is launched in, and the listener of the launch.
#[derive(Clone, Copy)]
pub struct Place<'a> {
    /// Where runs, data sets and imported models are kept.
    pub home: &'a Home,
    /// Who hears what is said on the way.
    pub say: &'a dyn Say,
}

impl Place<'_> {
    fn say(&self, line: &str) {
        self.say.say(line);
    }
}
