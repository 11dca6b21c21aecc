//! Which keys a row, or a run of rows, sees.

#![expect(clippy::inline_always, reason = "part of kernels compiled for wider vectors")]

use super::{Block, Heads};

/// Two runs of keys, in order; either may be empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Keys {
    pub first: (usize, usize),
    pub second: (usize, usize),
}

impl Keys {
    pub(super) fn len(self) -> usize {
        self.first.1 - self.first.0 + self.second.1 - self.second.0
    }

    /// Grown to start with a panel of `panel` keys and to end with a vector of `lanes`.
    pub(super) fn in_panels(self, panel: usize, lanes: usize) -> Self {
        let grow = |(start, end): (usize, usize)| {
            if start < end { (start / panel * panel, end.next_multiple_of(lanes)) } else { (0, 0) }
        };
        let (first, second) = (grow(self.first), grow(self.second));
        if first.0 == first.1 {
            Self { first: second, second: (second.1, second.1) }
        } else if second.0 < second.1 && second.0 <= first.1 {
            Self { first: (first.0, second.1), second: (second.1, second.1) }
        } else if second.0 == second.1 {
            Self { first, second: (first.1, first.1) }
        } else {
            Self { first, second }
        }
    }
}

/// What the rows of a block see.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mask {
    n_keys: usize,
    is_causal: bool,
    window: usize,
    hole: (usize, usize),
}

impl Mask {
    pub(super) fn new(heads: Heads, block: &Block) -> Self {
        Self {
            n_keys: block.keys.len(),
            is_causal: heads.is_causal,
            window: heads.window.filter(|_| heads.is_causal).unwrap_or(usize::MAX),
            hole: (block.hole.start, block.hole.end),
        }
    }

    /// The keys that a row at `place` sees.
    #[inline(always)]
    pub(super) fn row(self, place: u32) -> Keys {
        let end = if self.is_causal { place as usize + 1 } else { self.n_keys };
        let (hole_start, hole_end) = self.hole;
        if hole_start < hole_end && end > hole_end {
            // Positions continue behind the hole as if it were not there.
            let n_hidden = hole_end - hole_start;
            let lowest = (end - n_hidden).saturating_sub(self.window);
            Keys {
                first: (lowest.min(hole_start), hole_start),
                second: (hole_end.max(lowest + n_hidden), end),
            }
        } else {
            Keys { first: (end.saturating_sub(self.window), end), second: (end, end) }
        }
    }

    /// Keys that hold all those that rows at ascending `places` see.
    pub(super) fn rows(self, places: &[u32]) -> Keys {
        let (Some(low), Some(high)) = (places.first(), places.last()) else {
            return Keys { first: (0, 0), second: (0, 0) };
        };
        let (low, high) = (self.row(*low), self.row(*high));
        if low.second.0 < low.second.1 {
            // All rows stand behind the hole.
            Keys { first: low.first, second: (low.second.0, high.second.1) }
        } else if high.second.0 < high.second.1 {
            // The first row behind the hole sees farther back than the last, and may see farther
            // back than rows in the hole.
            let start = low.first.0.min(self.row(self.hole.1 as u32).first.0);
            Keys { first: (start, high.second.1), second: (high.second.1, high.second.1) }
        } else {
            Keys { first: (low.first.0, high.first.1), second: (high.first.1, high.first.1) }
        }
    }
}
