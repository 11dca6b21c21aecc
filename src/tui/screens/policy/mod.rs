//! The policy screen: a policy's curves, the signs of trouble in them, and its answers to read.

mod answers;
pub mod command;
pub mod judging;
pub mod keys;
pub mod layout;
mod list;
pub mod open;
mod reading;
pub mod refuse;
mod signs;
mod small;
#[cfg(test)]
mod tests;
pub mod update;
pub mod view;

use crate::domain::policy::veto::RolloutKey;
use crate::domain::preference::PairId;
use crate::domain::run::RunId;
use crate::store::policy::RolloutsOf;
use crate::tui::panels::policy::Curve;

/// Two charts that are read together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Page {
    /// What the policy is trained for, and what a judge says.
    #[default]
    Scores,
    /// The same against the divergence from the reference: over-optimization.
    ByDivergence,
    /// Divergence and entropy.
    Movement,
    /// Length, and the share that was cut.
    Answers,
}

impl Page {
    /// Every page, in the order the key walks through them.
    pub const ALL: [Self; 4] = [Self::Scores, Self::ByDivergence, Self::Movement, Self::Answers];

    /// The next one.
    pub fn next(self) -> Self {
        match self {
            Self::Scores => Self::ByDivergence,
            Self::ByDivergence => Self::Movement,
            Self::Movement => Self::Answers,
            Self::Answers => Self::Scores,
        }
    }

    /// Its charts.
    pub fn curves(self) -> [Curve; 2] {
        match self {
            Self::Scores => [Curve::Reward, Curve::Gold],
            Self::ByDivergence => [Curve::RewardByDivergence, Curve::GoldByDivergence],
            Self::Movement => [Curve::Divergence, Curve::Entropy],
            Self::Answers => [Curve::Length, Curve::Cut],
        }
    }
}

/// A part of the screen that keys can be for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Pane {
    /// The prompts of a step or an evaluation.
    #[default]
    List,
    /// The text of an answer.
    Answer,
    Charts,
    /// The verdict and the signs of trouble.
    Signs,
    Events,
}

impl Pane {
    /// Every pane, in the order Tab walks through them.
    pub const ALL: [Self; 5] = [Self::List, Self::Answer, Self::Charts, Self::Signs, Self::Events];

    /// Whether it belongs to the answers in the lower part.
    pub fn is_of_answers(self) -> bool {
        matches!(self, Self::List | Self::Answer)
    }
}

/// The order of the prompts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// As they were sampled.
    #[default]
    Sampled,
    /// The highest reward of an answer first.
    Reward,
    /// Those whose answers differ most in reward first.
    Gap,
    /// Answers that stand higher by reward than by gold first.
    AboveGold,
    /// The longest answers first.
    Length,
}

impl Order {
    /// The next one, for the key that walks through them.
    pub fn next(self) -> Self {
        match self {
            Self::Sampled => Self::Reward,
            Self::Reward => Self::Gap,
            Self::Gap => Self::AboveGold,
            Self::AboveGold => Self::Length,
            Self::Length => Self::Sampled,
        }
    }

    /// What the title of the list says.
    pub fn words(self) -> &'static str {
        match self {
            Self::Sampled => "as sampled",
            Self::Reward => "highest reward first",
            Self::Gap => "widest gap first",
            Self::AboveGold => "reward above gold first",
            Self::Length => "longest first",
        }
    }
}

/// A decision about a prompt or an answer, to be taken back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decided {
    pub run: RunId,
    pub key: RolloutKey,
    pub is_veto: bool,
}

/// The state of the screen.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Policy {
    pub run: Option<RunId>,
    /// Whose answers are read; `None` follows the newest step.
    pub at: Option<RolloutsOf>,
    /// Which pane keys are for.
    pub pane: Pane,
    /// Whether the answers, or the charts, fill the screen.
    pub is_zoomed: bool,
    /// Which charts, where there is room for two.
    pub page: Page,
    /// The prompt under the cursor; the first one where the list does not have it.
    pub pair: Option<PairId>,
    /// Index of the answer to it that is read.
    pub answer: usize,
    /// Lines of its text scrolled off the top.
    pub scrolled: usize,
    pub order: Order,
    /// Whether the other of two possible answers stands beside it.
    pub has_other_beside: bool,
    /// Words that a prompt or its answers must have.
    pub filter: String,
    /// Log lines scrolled back from the newest.
    pub log_back: usize,
    /// Lines of the signs scrolled off the top.
    pub signs_from: usize,
    /// Set while a person judges its answers.
    pub judging: Option<judging::Judging>,
    /// What was decided here, the latest last.
    pub done: Vec<Decided>,
    /// What was taken back, the latest last.
    pub undone: Vec<Decided>,
}

/// The words that the pane with the keys shows.
pub fn words_of(policy: &Policy) -> &'static [&'static str] {
    match (policy.pane, policy.page) {
        (Pane::List | Pane::Answer, _) => {
            &["rollout", "reward", "gold score", "advantage", "gap", "reward above gold", "veto"]
        }
        (Pane::Charts, Page::Scores) => &["reward", "gold score", "held-out prompts", "±95%"],
        (Pane::Charts, Page::ByDivergence) => &["over-optimization", "best of n", "divergence"],
        (Pane::Charts, Page::Movement) => &["divergence", "entropy"],
        (Pane::Charts, Page::Answers) => &["tokens of an answer", "share cut"],
        (Pane::Signs, _) => &["sign of trouble", "win rate", "blind judging", "over-optimization"],
        (Pane::Events, _) => &["policy", "reference"],
    }
}
