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
pub(super) struct Mask<'a> {
    n_keys: usize,
    is_causal: bool,
    window: usize,
    branches: &'a [usize],
}

impl<'a> Mask<'a> {
    pub(super) fn new(heads: Heads, block: &'a Block) -> Self {
        Self {
            n_keys: block.keys.len(),
            is_causal: heads.is_causal,
            window: heads.window.filter(|_| heads.is_causal).unwrap_or(usize::MAX),
            branches: &block.branches,
        }
    }

    /// The keys between the shared prefix and the branch of a row, which the row does not see; empty
    /// for rows of the prefix and of the first branch.
    #[inline(always)]
    fn hole(self, place: usize) -> (usize, usize) {
        let mut hole = (0, 0);
        for start in self.branches {
            if *start <= place {
                hole = (self.branches[0], *start);
            }
        }
        hole
    }

    /// The keys that a row at `place` sees.
    #[inline(always)]
    pub(super) fn row(self, place: u32) -> Keys {
        let end = if self.is_causal { place as usize + 1 } else { self.n_keys };
        let (hole_start, hole_end) = self.hole(place as usize);
        if hole_start < hole_end {
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
        let (Some(low_place), Some(high_place)) = (places.first(), places.last()) else {
            return Keys { first: (0, 0), second: (0, 0) };
        };
        let (low, high) = (self.row(*low_place), self.row(*high_place));
        // The first row of a branch sees farther back than the rows before and after it.
        let is_between = |start: &&usize| (*low_place as usize) < **start;
        let firsts = self.branches.iter().skip(1).filter(is_between);
        let firsts = firsts.take_while(|start| **start <= *high_place as usize);
        let start = firsts.map(|start| self.row(*start as u32).first.0);
        let start = start.fold(low.first.0, usize::min);
        if low.second.0 < low.second.1 {
            // All rows stand behind holes, and the first of these holes is hidden from all.
            Keys { first: (start, low.first.1), second: (low.second.0, high.second.1) }
        } else if high.second.0 < high.second.1 {
            Keys { first: (start, high.second.1), second: (high.second.1, high.second.1) }
        } else {
            Keys { first: (start, high.first.1), second: (high.first.1, high.first.1) }
        }
    }
}
