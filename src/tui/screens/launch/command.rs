//! What a person can ask for on the launch screen alone.

/// What a person can ask for on this screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LaunchCommand {
    /// Type the value of the row.
    Edit,
    /// The next value of the row.
    Next,
    /// The previous value of the row.
    Previous,
    Start,
    /// Run a little of it somewhere else.
    DryRun,
    /// The whole spec in an editor.
    Editor,
    /// The row as it was.
    Reset,
    /// Every row as it was.
    ResetAll,
    /// The spec as a file.
    SavePreset,
    /// Another run, recipe or preset to start from.
    Template,
    /// A row by its name.
    Find,
    /// The next row of that name.
    FindNext,
}
