//! The resources of a run: the model, its inputs, and the folder that its files lie in.

use std::cell::RefCell;

use super::inputs::Inputs;
use crate::engine::RewardModel;
use crate::engine::files::checkpoint::Trust;
use crate::store::Home;

/// The model that is trained, the pairs it reads, and where files lie.
pub struct Resources<'a> {
    /// The model being trained.
    pub model: Box<dyn RewardModel>,
    /// The pairs it reads.
    pub inputs: Inputs,
    /// The checkpoints whose bytes this worker has already hashed. It is a cell because saving a
    /// checkpoint changes what is trusted, but nothing that the run computes with.
    pub trust: RefCell<Trust>,
    /// Where checkpoints, shared rounds and the caches lie.
    pub home: &'a Home,
}
