//! The policy stage: a language model trained to please the evolved reward model, and judged by
//! others. Everything about it that needs no engine.
//!
//! ```text
//! rollout    what was sampled, as numbers       objective  loss and derivatives of a step
//! reward     scores to rewards                  kl         divergence and its controller
//! advantage  rewards to advantages              metric     what is measured, with TRL's names
//! best_of    best-of-n from one set of samples  win        two policies, prompt by prompt
//! sign       the known signs of trouble         run_loop   the stage as a state machine
//! veto       what people take out of batches    judging    a person as judge, blind
//! settings   the keys of `[policy]`             record   what is kept of rollouts for people
//! ```

pub mod advantage;
pub mod best_of;
#[cfg(test)]
mod fixture;
pub mod judging;
pub mod kl;
pub mod metric;
pub mod objective;
pub mod record;
pub mod reward;
pub mod rollout;
pub mod run_loop;
pub mod settings;
pub mod sign;
pub mod veto;
pub mod win;
