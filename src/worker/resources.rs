//! What a run works with: the model, its inputs, and the folder where everything lies.

use super::inputs::Inputs;
use crate::engine::RewardModel;
use crate::store::Home;

/// The model that is trained, the pairs it reads, and where files lie.
pub struct Resources<'a> {
    /// The model being trained.
    pub model: Box<dyn RewardModel>,
    /// The pairs it reads.
    pub inputs: Inputs,
    /// Where checkpoints, shared rounds and the caches lie.
    pub home: &'a Home,
}
