//! What only choosing it in a popup does: it carries what was chosen, which no key could.

use crate::domain::policy::judging::Matchup;
use crate::domain::run::RunId;
use crate::tui::feed::change::Contents;
use crate::tui::screens::runs::SortKey;

/// A command that only a choice in a popup gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Chosen {
    /// Show runs side by side, arm by arm.
    Arms { runs: Vec<RunId> },
    /// Mark runs, and no others.
    Marks {
        runs: Vec<RunId>,
        /// What the runs are, for the message line.
        what: String,
    },
    /// Show this run behind the curves of the live screen, or none.
    Ghost(Option<RunId>),
    /// Show the form that starts runs, filled in from a run or from the default spec.
    Template { from: Option<RunId> },
    /// Show that form with the preset of this name filled in.
    Preset(String),
    /// Fill the recipe of this name into that form.
    Arm(String),
    /// Ask for the name of a file to write.
    File {
        /// What the file could be called.
        name: String,
        contents: Contents,
    },
    /// Judge these answers of the policy, blind.
    Judge(Matchup),
    /// Skip what is left to judge, and tell which side was which.
    Reveal,
    /// Put the runs list in this order.
    Order(SortKey),
}
