//! What a person can ask for on the live screen alone.

/// What a person can ask for on this screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LiveCommand {
    NextPair,
    PreviousPair,
    /// Show or hide the human label of the sampled pair.
    Gold,
    Metric,
    /// The threshold one step up, to look.
    ThresholdUp,
    /// The threshold one step down, to look.
    ThresholdDown,
    /// The sampled pair on the samples screen.
    Inspect,
    /// The loss smoothed, or as it was.
    Smooth,
    /// The loss on a logarithmic scale, or on a linear one.
    Log,
    /// Never train on the sampled pair.
    Veto,
    /// The sampled pair was looked at and is right.
    Keep,
    /// Train on the other answer of the sampled pair.
    Flip,
    /// The curve of another run behind this one's.
    Ghost,
}
