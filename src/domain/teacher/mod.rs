//! Who labels the pool, how far each view of a pair counts, and what halts the loop.
//!
//! Everything here maps columns to columns: rewards by pair, margins toward human labels, facts about
//! texts go in; a teacher's rewards, labels, a reason to stop come out. The worker computes the inputs
//! with a model and carries the outputs out; it decides nothing itself.
//!
//! ```text
//! seed set ─▶ folds ─┐                       ┌▶ summary, audit
//! backbone ─▶ views ─┼▶ lesson ─▶ appraisal ─┼▶ (selection) ─▶ novelty, halt ─▶ plan
//! pool     ─▶ scores ┘                       └▶ oracle
//! ```

pub mod appraisal;
pub mod audit;
pub mod folds;
pub mod guard;
pub mod halt;
pub mod lesson;
pub mod newcomers;
pub mod novelty;
pub mod oracle;
pub mod plan;
pub mod second_view;
pub mod summary;
pub mod views;
