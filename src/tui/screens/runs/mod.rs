//! The runs list: a table that answers most questions by itself, and the selected run beside it.

pub mod annotate;
pub mod command;
mod experiments;
pub mod keys;
pub mod layout;
pub mod refuse;
mod side;
#[cfg(test)]
mod tests;
pub mod update;
pub mod view;

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::sync::Arc;

use crate::domain::run::RunId;
use crate::store::RunFilter;
use crate::store::rows::RunRow;
use crate::tui::feed::change::Edited;
use crate::tui::kit::widgets::TrendScale;
use crate::tui::kit::words::Condition;

/// What the runs list is ordered by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SortKey {
    #[default]
    Newest,
    /// Best test accuracy first.
    Accuracy,
    /// Running first, done last.
    State,
    Name,
    Round,
    /// Most pseudo-labels kept first.
    Kept,
    Vetoed,
}

impl SortKey {
    /// Every order with the character that takes it from the menu.
    pub const ALL: [(char, Self); 7] = [
        ('d', Self::Newest),
        ('a', Self::Accuracy),
        ('s', Self::State),
        ('n', Self::Name),
        ('r', Self::Round),
        ('k', Self::Kept),
        ('v', Self::Vetoed),
    ];

    /// The words above the list.
    pub fn words(self) -> &'static str {
        match self {
            Self::Newest => "newest first",
            Self::Accuracy => "by accuracy",
            Self::State => "by state",
            Self::Name => "by name",
            Self::Round => "by round",
            Self::Kept => "by pairs selected",
            Self::Vetoed => "by vetoes",
        }
    }

    /// The next one, for the key that walks through them.
    pub fn next(self) -> Self {
        match self {
            Self::Newest => Self::Accuracy,
            Self::Accuracy => Self::State,
            Self::State => Self::Name,
            Self::Name => Self::Round,
            Self::Round => Self::Kept,
            Self::Kept => Self::Vetoed,
            Self::Vetoed => Self::Newest,
        }
    }
}

/// The conditions that the first line counts.
pub const COUNTED: [Condition; 3] = [Condition::Running, Condition::Queued, Condition::Interrupted];

/// The state of the screen.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Runs {
    /// Those that are shown, in the order shown.
    pub rows: Vec<Arc<RunRow>>,
    /// Those that the filter leaves out.
    pub hidden: Vec<Arc<RunRow>>,
    pub filter: RunFilter,
    /// The filter as it was typed.
    pub filter_text: String,
    /// The run that was selected before the filter hid it.
    pub anchor: Option<RunId>,
    /// Whether the order is turned round.
    pub is_reversed: bool,
    /// What takes the latest decisions back, the latest last.
    pub undo: Vec<Edited>,
    /// What does them again.
    pub redo: Vec<Edited>,
    /// The range of the trends of the rows shown.
    pub scale: Option<TrendScale>,
    /// How many runs there are in conditions that the first line counts: running, queued,
    /// interrupted.
    pub n_in: [usize; 3],
    /// The run that others are measured against.
    pub starred: Option<Arc<RunRow>>,
    /// Index of the selected row.
    pub cursor: usize,
    /// Rows scrolled off the top.
    pub offset: usize,
    pub sort: SortKey,
    /// Whether anything was read yet: an empty list is then really empty.
    pub is_loaded: bool,
    /// Runs marked for what acts on several.
    pub marked: BTreeSet<RunId>,
    /// The run at which a range began.
    pub range_from: Option<RunId>,
    /// A run that was just started, to be selected when it appears (id or name).
    pub awaited: Option<String>,
}

impl Runs {
    /// Every run, shown or not.
    pub fn all(&self) -> impl Iterator<Item = &RunRow> {
        self.rows.iter().chain(&self.hidden).map(AsRef::as_ref)
    }

    /// The rows of the range that was begun: from where to the cursor.
    pub fn range(&self) -> Option<RangeInclusive<usize>> {
        let from = self.range_from.as_ref()?;
        let from = self.rows.iter().position(|row| row.id == *from)?;
        Some(from.min(self.cursor)..=from.max(self.cursor))
    }

    /// The run that others are measured against.
    pub fn baseline(&self) -> Option<&RunRow> {
        self.starred.as_deref()
    }
}
