//! How the panes of a screen share it: what a person gave one of them more, or less, than the layout
//! of the screen does by itself.

/// Columns and rows more than a layout gives by itself; negative for less.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Splits {
    /// Columns of the details beside the runs list.
    pub details: i16,
    /// Columns of the list of samples.
    pub samples: i16,
    /// Rows of the sampled pair on the live screen.
    pub pair: i16,
    /// Rows of the event log on the live screen.
    pub events: i16,
    /// Rows of the curves on the compare screen.
    pub curves: i16,
    /// Rows of the answers on the policy screen.
    pub answers: i16,
}

/// A length with what a person gave it, within limits of which the upper one gives way.
pub fn given(length: u16, more: i16, least: u16, most: u16) -> u16 {
    length.saturating_add_signed(more).clamp(least, most.max(least))
}
