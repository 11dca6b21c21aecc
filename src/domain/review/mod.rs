//! Looking at pseudo-labels: which scored pairs of a round a person sees, in which order, and what
//! their verdicts say about the labels they did not see.
//!
//! A round can hold a million scored pairs, so they are kept as columns ([`RoundColumns`]) and a
//! list is a vector of row numbers. Everything here is a pure function of columns, filter and
//! verdicts; where they come from is the store's business.
//!
//! Two orders are queues. *Audit* is a random sample of the selected pairs, so that the share found
//! right estimates the precision of all pseudo-labels ([`precision`]). *Teach* puts first what the
//! model would learn most from ([`queue`]); its pairs are chosen for being doubtful and say nothing
//! about the others. In both the model's side is hidden until a person has judged ([`blind`]), and a
//! person sees how far they are ([`goal`]). Several people can judge the same pairs ([`panel`]).

pub mod blind;
pub mod columns;
pub mod filter;
pub mod goal;
pub mod list;
pub mod panel;
pub mod precision;
pub mod queue;

pub use blind::{Choice, left_side};
pub use columns::{PairFacts, RoundColumns};
pub use filter::{FilterError, SampleFilter};
pub use list::{ListContext, Order, Queue, rows};
pub use panel::{Agreement, Finding, Judgment, Panel, reviewer_name};
pub use precision::{PrecisionEstimate, audit_precision};
