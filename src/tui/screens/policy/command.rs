//! What a person can ask for on the policy screen alone.

/// What a person can ask for on this screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PolicyCommand {
    /// Read the answers on the whole screen, or see everything again.
    Read,
    /// The next charts.
    Metric,
    NextStep,
    PreviousStep,
    NextEvaluation,
    PreviousEvaluation,
    /// Whatever step is the newest.
    Follow,
    NextAnswer,
    PreviousAnswer,
    /// The next order of the prompts.
    Sort,
    /// The other answer that can stand beside the one read.
    Beside,
    /// Judge its answers, blind.
    Judge,
    /// Take the prompt out of the batches to come, or back into them.
    VetoPrompt,
    /// Take the answer out of the batch that waits, or back into it.
    VetoAnswer,
}
