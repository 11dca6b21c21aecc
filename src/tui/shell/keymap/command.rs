//! What a person can ask for. Each group has one place that does it, so that each place can say what
//! it does with every member of its group.

use crate::tui::screens::compare::command::CompareCommand;
use crate::tui::screens::launch::command::LaunchCommand;
use crate::tui::screens::live::command::LiveCommand;
use crate::tui::screens::policy::command::PolicyCommand;
use crate::tui::screens::policy::judging::JudgingCommand;
use crate::tui::screens::runs::command::RunsCommand;
use crate::tui::screens::samples::command::SamplesCommand;

/// What a person can ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Command {
    /// Moves a cursor or scrolls.
    Move(Motion),
    /// Goes to a screen.
    Show(ShowCommand),
    /// Does something that is the same wherever one is.
    Viewer(ViewerCommand),
    Popup(PopupCommand),
    /// Marks rows of a list.
    List(ListCommand),
    /// Goes from pane to pane.
    Pane(PaneCommand),
    /// Asks something of the worker of the current run.
    Worker(WorkerCommand),
    /// Takes the last decision back.
    Undo,
    /// Takes the last undo back.
    Redo,
    /// Asks what is to be copied.
    Copy,
    /// Wraps long lines, or cuts them.
    Wrap,
    /// An action of the runs list.
    Runs(RunsCommand),
    /// An action of the live screen.
    Live(LiveCommand),
    /// An action of the samples screen.
    Samples(SamplesCommand),
    /// An action of the compare screen.
    Compare(CompareCommand),
    /// An action of the launch screen.
    Launch(LaunchCommand),
    /// An action of the policy screen.
    Policy(PolicyCommand),
    /// An action while a person judges a policy.
    Judging(JudgingCommand),
}

/// Where a cursor or a text goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Motion {
    /// To the next row or line.
    Down,
    /// To the previous row or line.
    Up,
    /// Half a page on.
    PageDown,
    /// Half a page back.
    PageUp,
    First,
    Last,
}

/// Which screen is to be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ShowCommand {
    Runs,
    /// The live screen of the current run.
    Live,
    /// The samples of the current run.
    Samples,
    /// The comparison of the marked runs.
    Compare,
    /// The form that starts runs, as it was left.
    Launch,
    /// That form, filled in from the current run.
    New,
    /// That form, filled in for a policy that the current run rewards.
    NewPolicy,
    /// The policy screen of the current run.
    Policy,
}

/// What is the same on every screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ViewerCommand {
    /// Goes one layer out.
    Out,
    /// Goes back, and at the top out of the viewer.
    Back,
    /// Leaves the viewer at once.
    QuitNow,
    /// Stops the viewer until `fg`.
    Suspend,
    Redraw,
    Help,
    /// Says what the words of the screen mean.
    Explain,
    /// Lists every action by name.
    Palette,
    /// Shows only rows that match.
    Filter,
    /// Writes what is shown to a file.
    Export,
    /// Gives more room to the pane that has the keys.
    Grow,
    /// Gives less room to it.
    Shrink,
    /// Holds the view still.
    Freeze,
    /// Goes to the next theme.
    Theme,
    /// Takes the mouse for the viewer, or leaves it to the terminal.
    Mouse,
}

/// What answers a popup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PopupCommand {
    /// Says yes, takes what is selected, or ends a text field.
    Yes,
    No,
    /// Completes the text of a field.
    Complete,
}

/// What is done with the rows of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ListCommand {
    /// Marks the row and goes to the next.
    Mark,
    /// Marks every row shown.
    MarkAll,
    /// Begins a range, or marks it.
    Range,
    ClearMarks,
}

/// Which pane has the keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PaneCommand {
    Next,
    Previous,
    /// The same, on the whole screen, or all of them again.
    Zoom,
}

/// What is asked of the worker of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WorkerCommand {
    /// Pause, or resume what is paused.
    Pause,
    /// Resume what ended or was interrupted.
    Resume,
    /// End the run after its step.
    Stop,
}
