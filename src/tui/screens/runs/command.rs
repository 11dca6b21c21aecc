//! What a person can ask for on the runs list alone.

/// What a person can ask for on this screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RunsCommand {
    /// Open the selected run, or start the embedded one where there is none.
    Open,
    /// Next order of the list.
    Sort,
    /// Choose the order of the list.
    SortMenu,
    /// Edit the tags of the run.
    Tag,
    /// Edit the note on the run.
    Note,
    /// Take the run out of the list, or back into it.
    Archive,
    /// Take every marked run out of the list.
    ArchiveMarked,
    /// Measure the others against the run.
    Star,
    /// End the process of the run at once.
    Kill,
    /// Choose another place of the run in the queue, or start it now.
    Queue,
    /// Choose from experiments and their arms.
    Experiments,
}
