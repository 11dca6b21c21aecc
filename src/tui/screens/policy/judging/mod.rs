//! A person as judge of a policy: one held-out prompt at a time, two answers beside each other, and nothing
//! that says whose they are. Which side was which is told when every prompt is judged.

pub mod keys;
pub mod refuse;
#[cfg(test)]
mod tests;
pub mod update;
pub mod view;

use std::collections::BTreeMap;

use crate::domain::policy::judging::{Matchup, Said};
use crate::domain::preference::PairId;
use crate::tui::feed::policy::{JudgingData, ShownGame};
use crate::tui::shell::model::Model;

/// What can be asked for while a person judges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum JudgingCommand {
    /// Say which answer is better, by where it stands.
    Say(crate::domain::policy::judging::ByPlace),
    /// End with what is judged, and tell which side was which.
    Reveal,
}

/// The state of a sitting.
#[derive(Debug, Clone, PartialEq)]
pub struct Judging {
    pub matchup: Matchup,
    /// Lines of both answers scrolled off the top.
    pub scrolled: usize,
    /// What was said here and may not have been read back yet; `None` was taken back.
    pub said: BTreeMap<PairId, Option<Said>>,
    /// What can be taken back, the latest last.
    pub done: Vec<PairId>,
    /// Index of the selected game once all is told.
    pub cursor: usize,
}

impl Judging {
    /// A sitting in which nothing was said yet.
    pub fn new(matchup: Matchup) -> Self {
        Self { matchup, scrolled: 0, said: BTreeMap::new(), done: Vec::new(), cursor: 0 }
    }

    /// What this person said of a game.
    pub fn said_of(&self, game: &ShownGame) -> Option<Said> {
        self.said.get(&game.texts.pair).copied().unwrap_or(game.said)
    }

    /// Whether a game waits to be shown; answers that are the same are a tie that nobody is asked about.
    fn is_open(&self, game: &ShownGame) -> bool {
        !game.texts.is_same() && self.said_of(game).is_none()
    }
}

/// A sitting with its games, once they are read.
pub struct Sitting<'a> {
    pub judging: &'a Judging,
    pub data: &'a JudgingData,
}

impl<'a> Sitting<'a> {
    /// The sitting that the screen shows.
    pub fn of(model: &'a Model) -> Option<Self> {
        let judging = model.policy.judging.as_ref()?;
        let data = model.current_data()?.policy.as_ref()?.judging.as_ref()?;
        (data.matchup == judging.matchup).then_some(Self { judging, data })
    }

    /// Index of the game to be judged; `None` once every one is.
    pub fn at(&self) -> Option<usize> {
        self.data.games.iter().position(|game| self.judging.is_open(game))
    }

    /// How many games wait to be shown.
    pub fn n_open(&self) -> usize {
        self.data.games.iter().filter(|game| self.judging.is_open(game)).count()
    }

    /// How many games a person is asked about.
    pub fn n_asked(&self) -> usize {
        self.data.games.iter().filter(|game| !game.texts.is_same()).count()
    }

    /// How many games a person passed over for good.
    pub fn n_skipped(&self) -> usize {
        let is_skipped = |game: &&ShownGame| {
            !game.texts.is_same() && self.judging.said_of(game) == Some(Said::Skip)
        };
        self.data.games.iter().filter(is_skipped).count()
    }

    /// Whether it is told which side was which: nothing is left to be judged blind.
    pub fn is_revealed(&self) -> bool {
        self.at().is_none()
    }
}
