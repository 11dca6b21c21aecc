//! The pure core: what a preference pair is, which pseudo-labels are kept, when the loop stops,
//! and what the numbers mean.
//!
//! Nothing here reads a file, a clock, a database or a terminal, and no function owns random
//! state: randomness is a pure function of its place ([`random`]). Everything can be tested in
//! microseconds.
//!
//! # The method
//!
//! Arm `ser` is this project's variant of Self-Evolved Reward learning. It differs from the paper
//! (arm `ser-paper`) in who labels the pool, in which labels are kept, and in when the loop ends.
//!
//! **The teacher.** The pool is labeled by a *teacher*: the mean reward of the seed model and of the
//! *fold models*, each of which is trained on the seed set less one fold. Two *second views* of a pair
//! stand beside it. The *likelihood* view is the log-probability of each answer under the pretrained
//! backbone, where that is a language model. The *surface* view is a linear model of the length, words,
//! punctuation and layout of the answers, fitted to the seed set. Held-out human pairs (the folds and
//! the validation pairs) decide how far each view counts, and whether it counts at all.
//! `selection.second_view = "likelihood"` leaves the surface out where it must not be learned from.
//!
//! **Selection.** The more confident half of the pool is trained on with soft labels: a label counts as
//! far as its calibrated probability says that it is right. That half is taken in two strata of equal
//! share: from the pairs whose longer answer the teacher prefers, and from the pairs whose shorter
//! answer it prefers. So length cannot be all there is to learn.
//!
//! **Bounds.** `selection.rule = "risk"` keeps the largest share of the pool whose error, bounded on
//! held-out human pairs, stays below `max_error` with probability `certainty`. Where no share meets
//! the bound, the run says so, with the numbers that show it.
//!
//! **Rounds.** Every round starts from the pretrained weights and judges the whole pool again. The model
//! of a round joins the teacher where held-out human pairs show that it adds something. When nothing is
//! new, neither from that model nor from a person, the loop ends.
//!
//! **Guards.** The pool is not labeled unless the teacher ranks held-out human pairs better than chance.
//! A significant drop on the validation pairs is undone: the run goes back to the round before. In both
//! tests, pairs of one group count as one voice.

pub mod event;
pub mod metrics;
#[cfg(test)]
mod names;
pub mod preference;
pub mod pseudo_label;
pub mod query;
pub mod random;
pub mod review;
pub mod run;
pub mod run_loop;
pub mod selection;
pub mod ser;
pub mod source;
pub mod spec;
pub mod split;
pub mod stats;
pub mod teacher;
pub mod text;
pub mod verdict;
