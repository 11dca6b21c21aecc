//! A run's record: where the worker writes what happened, and reads what people wrote and what
//! earlier rounds found.

use std::cell::RefCell;
use std::collections::BTreeSet;

use crate::domain::event::RunEvent;
use crate::domain::policy::veto::RolloutVetoes;
use crate::domain::pool::GeneratedPair;
use crate::domain::preference::{CandidatePair, PairId};
use crate::domain::review::queue::Facets;
use crate::domain::run::RunId;
use crate::domain::selection::ScoredPair;
use crate::domain::verdict::VerdictSet;
use crate::store::{EventWriter, RequestRow, RoundRow, Slots, StepsTaken, Store, StoreError};

/// The record of one run. A trait, so that a step can be tested without a database.
pub trait RunRecord {
    /// Adds an event; it is on disk after the next [`RunRecord::flush`].
    ///
    /// # Errors
    /// When an earlier event could not be stored (disk full, or the run was taken over).
    fn send(&self, event: RunEvent) -> Result<(), StoreError>;

    /// Waits until everything sent before is on disk.
    ///
    /// # Errors
    /// As [`RunRecord::send`].
    fn flush(&self) -> Result<(), StoreError>;

    /// Returns what people asked of the run since the last request that was reported as read.
    ///
    /// # Errors
    /// When the record cannot be read.
    fn unread_requests(&self) -> Result<Vec<RequestRow>, StoreError>;

    /// Takes a slot for the run that a person lets go on; `false` while none is free.
    ///
    /// # Errors
    /// When the record cannot be written.
    fn take_slot(&self) -> Result<bool, StoreError>;

    /// Adds the verdicts after row `last_id` to those known, and returns the last row.
    ///
    /// # Errors
    /// When the record cannot be read.
    fn read_verdicts_after(
        &self,
        last_id: i64,
        verdicts: &mut VerdictSet,
    ) -> Result<i64, StoreError>;

    /// Adds the decisions on rollouts after row `last_id` to those known, and returns the last row.
    ///
    /// # Errors
    /// When the record cannot be read.
    fn read_rollout_vetoes_after(
        &self,
        last_id: i64,
        vetoes: &mut RolloutVetoes,
    ) -> Result<i64, StoreError>;

    /// Returns the rounds so far, the first one first.
    ///
    /// # Errors
    /// When the record cannot be read.
    fn rounds(&self) -> Result<Vec<RoundRow>, StoreError>;

    /// Returns the optimizer steps of round 0 as the events that reported them.
    ///
    /// # Errors
    /// When the record cannot be read.
    fn steps_of_round_0(&self) -> Result<Vec<RunEvent>, StoreError>;

    /// Returns the steps of the run of the same experiment and `rng_seed` with this recipe, or of the
    /// longest one, where such a run has finished.
    ///
    /// # Errors
    /// When the record cannot be read.
    fn steps_of_sibling(&self, arm: &str) -> Result<Option<StepsTaken>, StoreError>;

    /// Returns the pool as a round scored it, in ascending order of the pairs.
    ///
    /// # Errors
    /// When the record cannot be read.
    fn pair_scores(&self, round: u32) -> Result<Vec<ScoredPair>, StoreError>;

    /// Returns what pairs of the run's data set have in common with others, in the order asked for.
    ///
    /// # Errors
    /// When a pair does not exist.
    fn facets_of(&self, pairs: &[u32]) -> Result<Vec<Facets>, StoreError>;

    /// Returns the texts of pool pairs in presentation order, without any label, in the order asked for.
    ///
    /// # Errors
    /// When a pair does not exist.
    fn pool_pairs(&self, ids: &[PairId]) -> Result<Vec<CandidatePair>, StoreError>;

    /// Returns the rounds for which a policy has answered prompts, and the pairs of its answers, each with
    /// the round that it joined for, in ascending order.
    ///
    /// # Errors
    /// When the record cannot be read.
    fn generated(&self) -> Result<Generated, StoreError>;
}

/// What a policy has added to the pool, by the record.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Generated {
    /// The rounds whose answers are there, even if they gave no pair.
    pub rounds: BTreeSet<u32>,
    pub pairs: Vec<(u32, GeneratedPair)>,
}

/// The record in the database. Rows of the run are written through the event writer only.
pub struct StoredRecord<'a> {
    /// The run that is recorded.
    pub run: RunId,
    /// A connection for reading, and for taking a slot.
    pub store: RefCell<Store>,
    /// The event writer of this attempt.
    pub writer: &'a EventWriter,
}

impl RunRecord for StoredRecord<'_> {
    fn send(&self, event: RunEvent) -> Result<(), StoreError> {
        self.writer.send(event)
    }

    fn flush(&self) -> Result<(), StoreError> {
        self.writer.flush()
    }

    fn unread_requests(&self) -> Result<Vec<RequestRow>, StoreError> {
        self.store.borrow().unread_requests(&self.run)
    }

    fn take_slot(&self) -> Result<bool, StoreError> {
        let mut store = self.store.borrow_mut();
        let slots = Slots::load(store.home())?;
        store.take_slot(&self.run, &slots)
    }

    fn read_verdicts_after(
        &self,
        last_id: i64,
        verdicts: &mut VerdictSet,
    ) -> Result<i64, StoreError> {
        self.store.borrow().read_verdicts_after(&self.run, last_id, verdicts)
    }

    fn read_rollout_vetoes_after(
        &self,
        last_id: i64,
        vetoes: &mut RolloutVetoes,
    ) -> Result<i64, StoreError> {
        self.store.borrow().read_rollout_vetoes_after(&self.run, last_id, vetoes)
    }

    fn rounds(&self) -> Result<Vec<RoundRow>, StoreError> {
        self.store.borrow().rounds(&self.run)
    }

    fn steps_of_round_0(&self) -> Result<Vec<RunEvent>, StoreError> {
        self.store.borrow().train_steps(&self.run, 0)
    }

    fn steps_of_sibling(&self, arm: &str) -> Result<Option<StepsTaken>, StoreError> {
        self.store.borrow().steps_of_sibling(&self.run, arm)
    }

    fn pair_scores(&self, round: u32) -> Result<Vec<ScoredPair>, StoreError> {
        self.store.borrow().pair_scores(&self.run, round)
    }

    fn facets_of(&self, pairs: &[u32]) -> Result<Vec<Facets>, StoreError> {
        self.store.borrow().facets_of(&self.run, pairs)
    }

    fn pool_pairs(&self, ids: &[PairId]) -> Result<Vec<CandidatePair>, StoreError> {
        self.store.borrow().pool_pairs(&self.run, ids)
    }

    fn generated(&self) -> Result<Generated, StoreError> {
        let store = self.store.borrow();
        let rounds = store.generations(&self.run)?.into_iter().map(|it| it.origin.round).collect();
        Ok(Generated { rounds, pairs: store.generated_pairs(&self.run)? })
    }
}
