//! What a person can ask for on the samples screen alone.

use crate::domain::review::Choice;

/// What a person can ask for on this screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SamplesCommand {
    /// In a queue: which answer is better, by where it stands.
    Judge(Choice),
    /// In a queue: to the next open pair without a decision.
    Skip,
    /// In a queue: hide or show what the model says before a person has judged.
    Blind,
    /// In a queue: pairs that others have judged are open, or not.
    SecondOpinion,
    /// In a queue: what the reviewers were told.
    Guidelines,
    /// Never train on the pair.
    Veto,
    /// Looked at and right.
    Keep,
    /// Train on the other answer.
    Flip,
    VetoAll,
    KeepAll,
    /// A comment on the decision.
    Comment,
    /// A reason for the decision, from a list.
    Reason,
    /// This reason of the list.
    GiveReason(usize),
    /// The next pair that nobody decided about.
    NextOpen,
    PreviousOpen,
    /// The audit queue, or back to the list.
    Audit,
    /// The teach queue, or back to the list.
    Teach,
    /// Next order of the list.
    Sort,
    /// Mark the pair and its near-duplicates.
    MarkLike,
    /// Lines cut at the edge of their pane, or wrapped: the next column to the right.
    Right,
    /// The column to the left.
    Left,
    /// A list with a name.
    Views,
    /// One of them: its index in the popup.
    View(usize),
    /// Go to a pair by its number.
    GoTo,
    /// What the answers share, dim or not.
    Diff,
    /// Show or hide the human label.
    Gold,
    PreviousRound,
    NextRound,
    /// Read the list again: what was decided leaves or joins it.
    Refresh,
}
