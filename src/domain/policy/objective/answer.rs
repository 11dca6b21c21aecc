//! An answer as objectives see it: what was sampled, and what the policy of now says of it.

/// How much better an answer did than was to be expected.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Advantage<'a> {
    /// The same for the whole answer (RLOO, GRPO).
    Answer(f64),
    /// One for each token (PPO).
    Tokens(&'a [f64]),
}

impl Advantage<'_> {
    pub(super) fn at(self, token: usize) -> f64 {
        match self {
            Self::Answer(advantage) => advantage,
            Self::Tokens(advantages) => advantages[token],
        }
    }
}

/// An answer as it was sampled. Lists have one entry for each token of the answer.
#[derive(Debug, Clone, Copy)]
pub struct Taken<'a> {
    /// Log-probabilities under the policy that sampled it.
    pub old: &'a [f64],
    /// Log-probabilities under the reference; empty where the loss holds no penalty.
    pub reference: &'a [f64],
    pub advantage: Advantage<'a>,
    /// Which tokens count; empty where all do.
    pub counted: &'a [bool],
    /// The values that the head gave the states when the answer was sampled. There are as many states
    /// as tokens or one more (see [`super::super::reward::of_states`]); none without a value head.
    pub values: &'a [f64],
    /// What the values are to become, one for each state.
    pub returns: &'a [f64],
}

impl Taken<'_> {
    pub(super) fn counts(&self, token: usize) -> bool {
        self.counted.get(token).is_none_or(|counts| *counts)
    }

    /// How many tokens of the answer count.
    #[must_use]
    pub fn n_counted(&self) -> usize {
        (0..self.old.len()).filter(|token| self.counts(*token)).count()
    }
}

/// What the policy of now says of an answer.
#[derive(Debug, Clone, Copy)]
pub struct Now<'a> {
    /// Log-probabilities of its tokens.
    pub log_probs: &'a [f64],
    /// Entropies of the distributions that the tokens were drawn from, in nats; empty where nobody
    /// asked for them.
    pub entropies: &'a [f64],
    /// Values of its states; empty without a value head.
    pub values: &'a [f64],
}

/// What the sums of a batch are divided by: all of it is known before the policy is asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    pub n_answers: usize,
    /// Tokens that count.
    pub n_tokens: usize,
    /// States with a value.
    pub n_states: usize,
}

impl Totals {
    /// Counts the answers of one optimizer step.
    #[must_use]
    pub fn of(batch: &[Taken<'_>]) -> Self {
        batch.iter().fold(Self::default(), |sum, answer| Self {
            n_answers: sum.n_answers + 1,
            n_tokens: sum.n_tokens + answer.n_counted(),
            n_states: sum.n_states + answer.values.len(),
        })
    }
}

/// The derivatives of the loss of the batch by what the policy says of one answer.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Gradient {
    /// By the log-probability of each token; 0 where a token does not count.
    pub log_probs: Vec<f64>,
    /// By the value of each state; empty without a value head.
    pub values: Vec<f64>,
}
