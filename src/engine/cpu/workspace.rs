//! The buffers one thread works in. They grow to the largest shard seen and are then reused, so a
//! training step allocates nothing per token.

use super::attention;

/// What the forward pass of one block saves for its backward pass.
#[derive(Debug, Default)]
pub struct LayerActivations {
    /// Scale (RMS) or unused (layer norm) of the first norm, a value a row.
    pub scales: Vec<f32>,
    /// Queries.
    pub queries: Vec<f32>,
    /// `[keys | values]`.
    pub keys_values: Vec<f32>,
    /// Log-sum-exp of attention.
    pub log_sums: Vec<f32>,
    /// Attended values.
    pub attended: Vec<f32>,
    /// The residual stream after attention (for an encoder: before its norm).
    pub middle: Vec<f32>,
    /// Scales or moments of the norm that reads `middle`.
    pub middle_moments: Vec<f32>,
    /// The wide side of the feed-forward block before its nonlinearity.
    pub expanded: Vec<f32>,
    /// Encoder only: the sum that the last norm of the block reads.
    pub outer: Vec<f32>,
    /// Encoder only: moments of that norm.
    pub outer_moments: Vec<f32>,
}

/// All buffers of one thread.
#[derive(Debug, Default)]
pub struct Workspace {
    /// One for each layer when a backward pass follows, else two used in turn.
    pub layers: Vec<LayerActivations>,
    /// Input of each layer, and the output of the last: one more than `layers`.
    pub streams: Vec<Vec<f32>>,
    /// Encoder only: the summed embeddings and the moments of their norm.
    pub embedded: Vec<f32>,
    /// Moments of [`Workspace::embedded`].
    pub embedded_moments: Vec<f32>,
    /// Scales of the decoder's last norm.
    pub final_scales: Vec<f32>,
    /// Hidden states the head reads.
    pub hidden: Vec<f32>,
    /// Encoder only: output of the pooler.
    pub pooled: Vec<f32>,
    /// Rewards of the shard, `[a, b]` of each pair.
    pub rewards: Vec<f32>,
    /// Gradient of `rewards`.
    pub drewards: Vec<f32>,
    /// Gradient of `hidden`.
    pub dhidden: Vec<f32>,
    /// Gradient of the residual stream.
    pub dstream: Vec<f32>,
    /// A normed stream.
    pub normed: Vec<f32>,
    /// Some rows of a normed stream.
    pub gathered: Vec<f32>,
    /// Output of a block before the residual sum, or its gradient.
    pub branch: Vec<f32>,
    /// The wide side of the feed-forward block after its nonlinearity, or its gradient.
    pub activated: Vec<f32>,
    /// Gradient of a normed stream.
    pub dnormed: Vec<f32>,
    /// Gradient of the attended values.
    pub dattended: Vec<f32>,
    /// Gradient of the queries.
    pub dqueries: Vec<f32>,
    /// Gradient of keys and values.
    pub dkeys_values: Vec<f32>,
    /// Logits of a chunk of rows (language modelling).
    pub logits: Vec<f32>,
    /// Buffers of attention.
    pub attention: attention::Scratch,
}

impl Workspace {
    /// Makes room for `n_layers` layers.
    pub fn reserve_layers(&mut self, n_layers: usize) {
        self.layers.resize_with(n_layers.max(self.layers.len()), LayerActivations::default);
        self.streams.resize_with((n_layers + 1).max(self.streams.len()), Vec::new);
    }
}
