//! The compare screen: runs side by side, and what they differ in.

mod arms;
mod chart;
pub mod command;
pub mod keys;
pub mod layout;
mod legend;
pub mod open;
mod pairs;
pub mod policies;
pub mod refuse;
pub mod table;
#[cfg(test)]
mod tests;
pub mod update;
pub mod view;

use crate::analysis::RoundChoice;
use crate::domain::run::RunId;
use crate::report::{CurveAxis, CurveMetric};
use crate::tui::feed::compare::{CompareData, CompareInterest, PoliciesData};

/// Points of a loss curve: two for each column of the widest chart.
const N_LOSS_POINTS: usize = 400;

/// Which part of the screen the cursor is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Pane {
    #[default]
    Table,
    /// Pairs on which the selected run disagrees with the base; of policies, who wins how often.
    Pairs,
    /// What the runs come to arm by arm, whatever their seed.
    Arms,
}

/// The state of the screen.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Compare {
    /// The runs, in the order of the columns.
    pub runs: Vec<RunId>,
    /// The run that the others are measured against; the first when it is not among them.
    pub base: Option<RunId>,
    /// Index of the selected run.
    pub column: usize,
    /// Index of the selected row of the table.
    pub row: usize,
    /// Index of the selected pair.
    pub pair: usize,
    /// Index of the selected arm.
    pub arm: usize,
    /// Where the cursor is.
    pub pane: Pane,
    /// Settings and metrics in which the runs agree are shown too.
    pub shows_all: bool,
    /// Values are shown as differences to the base.
    pub is_normalized: bool,
    /// The chart takes the place of the table, or the table that of the chart.
    pub is_zoomed: bool,
    /// Whether the runs are policies, which have numbers of their own; else they are reward models.
    pub is_of_policies: bool,
    /// What the curves of policies show.
    pub policy_curve: policies::PolicyCurve,
    /// What the curves show.
    pub metric: CurveMetric,
    pub axis: CurveAxis,
    /// Which round speaks for a run.
    pub rounds: RoundChoice,
    /// What was read last.
    pub data: Option<Box<CompareData>>,
}

impl Compare {
    /// The run of the column that the cursor is in.
    pub fn selected(&self) -> Option<&RunId> {
        self.runs.get(self.column)
    }

    /// The run that the others are measured against.
    pub fn base(&self) -> Option<&RunId> {
        let base = self.base.as_ref().filter(|base| self.runs.contains(base));
        base.or(self.runs.first())
    }

    /// How many arms can be walked through.
    pub fn n_arms(&self) -> usize {
        let arms = self.data.as_ref().and_then(|data| data.arms.as_ref());
        arms.map_or(0, |arms| arms.arms.len())
    }

    /// The policies, once they are read.
    pub fn policies(&self) -> Option<&PoliciesData> {
        self.data.as_ref()?.policies.as_ref()
    }

    /// How many pairs of the selected run and the base can be walked through.
    pub fn n_pairs(&self) -> usize {
        let beside = self.data.as_ref().and_then(|data| data.beside.as_ref());
        beside.map_or(0, |(_, found)| found.pairs.len())
    }

    /// What the screen needs to know.
    pub fn interest(&self) -> Option<CompareInterest> {
        let base = self.base()?.clone();
        let beside = self.selected().filter(|run| **run != base).or_else(|| {
            // With the cursor on the base, its neighbor is shown beside it.
            self.runs.iter().find(|run| **run != base)
        });
        Some(CompareInterest {
            runs: self.runs.clone(),
            beside: beside.cloned(),
            base,
            rounds: self.rounds,
            policies: self.is_of_policies,
            arms: self.pane == Pane::Arms,
            n_loss_points: if self.metric == CurveMetric::Loss { N_LOSS_POINTS } else { 0 },
        })
    }
}
