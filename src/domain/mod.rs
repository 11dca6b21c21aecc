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
//! **Selection.** The more confident half of the pool is trained on with soft labels: the loss
//! counts both directions of a pair, weighted by the calibrated probability that the label is
//! right. That half is taken in two strata of equal share: from the pairs whose longer answer the
//! teacher prefers, and from the pairs whose shorter answer it prefers. So a preference for length
//! alone cannot fill the selection.
//!
//! **Rounds.** Every round starts from the pretrained weights and scores the whole pool again. The
//! model of a round joins the teacher if held-out human pairs show that it adds something. The loop
//! ends when neither that model nor a person has changed a label.
//!
//! **A policy's pairs.** With `pool.source = "policy"` a language model answers prompts of the pool
//! before each labeling, and pairs of its answers join the pool ([`pool`]). Those of round 1 come
//! before the fold models, which judge them too; later ones are labeled by the present model alone, on
//! the scale of the teacher ([`teacher::newcomers`]).
//!
//! **Guards.** The pool is not labeled unless the teacher ranks held-out human pairs better than
//! chance. A significant drop on the validation pairs is undone: the run goes back to the round
//! before. The test for a drop counts groups (prompts, topics), not pairs, because the pairs of one
//! group change together.

pub mod event;
pub mod forecast;
pub mod metrics;
#[cfg(test)]
mod names;
pub mod phase;
pub mod policy;
pub mod pool;
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
pub mod told;
pub mod verdict;
