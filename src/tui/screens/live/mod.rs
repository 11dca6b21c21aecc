//! The live screen: one run's curves, its latest selection, a pair of it, and what happened.

mod charts;
pub mod command;
mod ghost;
pub mod keys;
pub mod layout;
pub mod open;
mod pair;
pub mod refuse;
mod small;
#[cfg(test)]
mod tests;
pub mod update;
pub mod view;

use crate::domain::run::RunId;
use crate::tui::kit::size::SizeClass;

/// Which curve the screen shows where there is room for one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chart {
    Accuracy,
    /// Train loss by step.
    Loss,
    Reliability,
    /// The rounds as a table.
    Rounds,
}

impl Chart {
    /// The next one, for the key that walks through them.
    pub fn next(self) -> Self {
        match self {
            Self::Accuracy => Self::Loss,
            Self::Loss => Self::Reliability,
            Self::Reliability => Self::Rounds,
            Self::Rounds => Self::Accuracy,
        }
    }
}

/// A part of the screen that keys can be for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pane {
    /// One of the charts.
    Chart(Chart),
    Confidence,
    Pair,
    Events,
}

/// The state of the screen.
#[derive(Debug, Clone, PartialEq)]
pub struct Live {
    pub run: RunId,
    /// Which curve, where there is room for one.
    pub chart: Chart,
    /// Which pane keys are for.
    pub pane: Pane,
    /// Whether that pane fills the screen.
    pub is_zoomed: bool,
    /// Index of the sampled pair shown.
    pub pair: usize,
    /// Whether the human label of the pair is shown.
    pub shows_gold: bool,
    /// Log lines scrolled back from the newest.
    pub log_back: usize,
    /// A confidence to keep pairs from, only looked at.
    pub preview: Option<f64>,
    /// Whether the loss is drawn smoothed.
    pub is_smooth: bool,
    /// Whether the loss is drawn on a logarithmic scale.
    pub is_log: bool,
    /// The run behind this one's curves.
    pub ghost: Option<RunId>,
}

impl Live {
    /// The screen of a run, as it opens.
    pub fn new(run: RunId) -> Self {
        Self {
            run,
            chart: Chart::Accuracy,
            pane: Pane::Events,
            is_zoomed: false,
            pair: 0,
            shows_gold: false,
            log_back: 0,
            preview: None,
            is_smooth: false,
            is_log: false,
            ghost: None,
        }
    }

    /// The panes of a size, in the order Tab walks through them.
    pub fn panes(&self, class: SizeClass) -> Vec<Pane> {
        let charts: &[Chart] = if class == SizeClass::Wide {
            &[Chart::Accuracy, Chart::Loss, Chart::Reliability, Chart::Rounds]
        } else {
            &[self.chart]
        };
        let mut panes: Vec<Pane> = charts.iter().map(|chart| Pane::Chart(*chart)).collect();
        panes.insert(1, Pane::Confidence);
        panes.extend([Pane::Pair, Pane::Events]);
        panes
    }
}
