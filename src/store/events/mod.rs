//! Events and what follows from them: the one place that writes a run's rows.

pub(crate) mod apply;
pub(crate) mod attempts;
pub(crate) mod claims;
pub(crate) mod columns;
pub(crate) mod derive;
pub mod liveness;
mod of_policy;
pub(crate) mod parts;
pub(crate) mod queue;
pub(crate) mod sink;
pub(crate) mod slots;
pub(crate) mod stored;
#[cfg(test)]
mod tests;
pub(crate) mod writer;
