//! `ser`: an experiment manager for Self-Evolved Reward learning in a terminal.
//!
//! A reward model is trained on a small human-labeled *seed set*, labels the *unlabeled pool*
//! itself, keeps the *pseudo-labels* it is sure of, trains on them, and repeats for a few *rounds*
//! (Huang et al., ICLR 2025). `ser` launches such runs, shows them live, lets a person veto what
//! the model taught itself, and keeps everything in one SQLite file.
//!
//! # Layers
//!
//! ```text
//! main → cli, tui            front ends
//! cli, tui → launch          from what a person asks for to queued runs, for both front ends
//! cli, tui, launch → spec    layers of settings into one spec, each with the place it was written
//! cli, tui, launch → supervisor   the queue and worker processes; never imports engine
//! cli, launch → hub          models and data sets by name; the only code that talks to a network
//! cli, tui → report          results as text: JSON, CSV, Markdown, SVG
//! cli → worker               the child side: runs ONE run to its end
//! cli, launch → data, engine      what needs no run: checks, imports, scoring, exports of models
//! worker → data, engine, store     three siblings that never import each other
//! data, engine, store, hub → domain     pure: the algorithm and what its numbers mean
//! ```
//!
//! `tests/layering.rs` fails on any other import.
//!
//! # How a pair of text flows
//!
//! ```text
//! dataset file ─▶ data ─▶ PreferencePair ─▶ store ─▶ engine ─▶ PairScore / Evaluation
//!                                                       │
//!                             domain::ser decides       ▼ the next Step
//!                                                    worker ─▶ RunEvent ─▶ store ─▶ tui, cli
//! the only way back:  key ─▶ message ─▶ update ─▶ effect ─▶ requests, verdicts ─▶ worker
//! ```
//!
//! # Invariants
//!
//! 1. [`domain`] does no I/O, reads no clock, owns no random state.
//! 2. Views take `&Model`; `update(&mut Model, Message) -> Vec<Effect>` does no I/O.
//! 3. Only a run's worker writes that run's rows. People tell a worker things through two
//!    append-only tables, `verdicts` and `requests`; the worker reads both between steps, and the
//!    step at which one took effect is itself an event. (An oracle's verdicts, in a spec that asks
//!    for one, are derived from the worker's event like any other row.) What people keep for
//!    themselves (tags, notes, the archive, the baseline) lies apart, and no run depends on it.
//! 4. Every event has a sequence number per run; applying events 1..n in order rebuilds the run.
//!    There is one function that does so, [`store::Store::apply`].
//! 5. Losing the viewer never loses a run; losing a worker never hangs the viewer.
//! 6. Every number on a screen can be traced to a row: run, round, split, metric.
//! 7. Randomness is a pure function of its place ([`domain::random`]), so a resumed run is the same
//!    run, bit for bit on the same kind of CPU.
//! 8. A hidden label cannot leak: the pool is handed out as
//!    [`domain::preference::CandidatePair`], which has no label field. Only metrics read hidden
//!    labels, and the oracle reviewer where `review.oracle` asks for one.
//! 9. A conversation reaches the chat template, and leaves in exports, as it stood in its file: roles,
//!    contents and fields ([`domain::conversation`]). What cannot be read so is refused by name;
//!    `tests/peers.rs` holds it against the programs that people come from.

pub mod cli;
pub mod data;
pub mod domain;
pub mod engine;
pub mod hub;
pub mod launch;
pub mod logging;
pub mod report;
pub mod spec;
pub mod store;
pub mod supervisor;
pub mod tui;
pub mod worker;
