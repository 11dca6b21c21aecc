//! What a person can ask for on the compare screen alone.

/// What a person can ask for on this screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CompareCommand {
    /// The run to the left.
    Left,
    /// The run to the right.
    Right,
    /// The column one place to the left.
    MoveLeft,
    /// The column one place to the right.
    MoveRight,
    /// The selected run is the base.
    Base,
    /// Only what differs, or everything.
    OnlyDifferent,
    /// Differences to the base, or values.
    Normalize,
    Axis,
    /// Next metric of the curves.
    Metric,
    /// The last round, or the best by validation.
    Rounds,
    Resort,
    /// The selected run leaves the comparison.
    Drop,
    /// The runs arm by arm.
    Arms,
    /// The selected pair in the samples screen.
    OpenPair,
    /// What can be written to a file.
    Export,
}
