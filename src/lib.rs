//! `ser`: an experiment manager for Self-Evolved Reward learning in a terminal.
//!
//! A reward model is trained on a small human-labeled *seed set*, labels the *unlabeled pool*
//! itself, keeps the *pseudo-labels* it is sure of, trains on them, and repeats for a few *rounds*
//! (Huang et al., ICLR 2025). `ser` launches such runs, shows them live, lets a person veto what
//! the model taught itself, and keeps everything in one SQLite file.
//!
//! # Rooms
//!
//! ```text
//! main → cli, tui            front ends: arguments and keys in, tables and screens out
//! cli, tui → launch          the use cases both share: import data, start runs, try a spec
//! cli, tui → report          results as text: JSON, CSV, Markdown, HTML, SVG
//! launch → supervisor        processes: who runs, who waits, who is gone; never imports engine
//! launch → spec, hub         spec files and their layers; models and data by name, over the network
//! cli → worker               the child side: runs ONE run to its end
//! cli, worker → scorer       who scores answers: reward models, the oracle, a command of the user's
//! report, tui → analysis     runs and arms side by side, with intervals
//! worker, scorer → data, engine, store     three siblings that never import each other
//! all of them → domain       pure: the algorithm and what its numbers mean
//! ```
//!
//! `tests/layering.rs` holds the exact table and fails on any other import.
//!
//! # How a pair of texts flows
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
//! Each names the tests that keep it.
//!
//! 1. [`domain`] does no I/O, reads no clock, owns no random state.
//!    (`no_module_imports_what_its_layer_forbids`)
//! 2. Views take `&Model`; `update(&mut Model, Message) -> Vec<Effect>` does no I/O.
//!    (`views_change_nothing_and_updates_do_no_io`)
//! 3. Only a run's worker writes that run's rows. People tell a worker things through three
//!    append-only tables, `verdicts`, `rollout_vetoes` and `requests`; the worker reads them between steps, and the
//!    step at which one took effect is itself an event. (An oracle's verdicts, in a spec that asks
//!    for one, are derived from the worker's event like any other row.) What people keep for
//!    themselves (tags, notes, the archive, the baseline, their verdicts on policies) lies apart, and no
//!    run depends on it.
//!    (`only_workers_and_the_store_write_events`)
//! 4. Every event has a sequence number per run; applying events 1..n in order rebuilds the run,
//!    scores and margins included. There is one function that does so, [`store::Store::apply`].
//!    (`rebuilding_comes_to_the_same_rows_from_every_kind_of_event`, `the_history_alone_rebuilds_the_run`)
//! 5. Losing the viewer never loses a run; losing a worker never hangs the viewer.
//!    (`a_run_is_of_a_session_of_its_own_and_goes_on_without_its_viewer`,
//!    `a_lost_worker_is_told_and_can_be_resumed`)
//! 6. Every number on a screen can be traced to a row: run, round, split, metric.
//!    (`two_runs_side_by_side_in_every_form`)
//! 7. Randomness is a pure function of its place ([`domain::random`]), so a resumed run is the same
//!    run, bit for bit on the same kind of CPU. (`killed_runs_end_like_the_uninterrupted_one`)
//! 8. A hidden label cannot leak: the pool is handed out as
//!    [`domain::preference::CandidatePair`], which has no label field. Only metrics read hidden
//!    labels, and the oracle reviewer where `review.oracle` asks for one.
//!    (`hidden_labels_are_read_by_metrics_people_and_the_oracle_alone`,
//!    `labels_of_the_pool_change_no_weight`)
//! 9. A conversation reaches the chat template, and leaves in exports, as it stood in its file: roles,
//!    contents and fields ([`domain::text::conversation`]). What cannot be read so is refused by name.
//!    (`rewards_equal_those_of_the_peers_or_are_refused_by_name`,
//!    `labels_leave_as_messages_and_without_a_target_margin`)
//!
//! # Glossary
//!
//! | word | what it means here |
//! |---|---|
//! | advantage | How much better an answer, or a token of it, did than was to be expected. |
//! | arm | A recipe of settings in `assets/arms/`: ours, the published ones, and controls. |
//! | attempt | One start of a run's worker; resuming a run begins the next attempt. |
//! | audit | A review queue: a random sample of selected pairs, looked through to estimate how many labels are wrong. Also the record of a selection's diagnostics (`SelectionAudit`). |
//! | candidate pair | A prompt with answers a and b in shuffled order, without its label. |
//! | certificate | An upper bound on the error of the selected labels, shown on held-out human pairs. |
//! | claim | How certain a label is in the loss: certain, or right with a probability. Also a worker's hold on a run. |
//! | confidence | The larger of p and 1 − p, where p is the preference probability. |
//! | coverage | The share of the pool that was selected. |
//! | drive, step, outcome | A run is a loop that names its next *step*; the worker executes it and hands the *outcome* back. |
//! | fold | A part of the seed set that a model trained on the other parts scores, so that the scores are held out. |
//! | gate | A pause after each selection, until a person or a time limit opens it (`review.mode`). In `selection.min_selected`, the number of pairs below which the loop ends. |
//! | gold label | A held-back human label of a pool pair. Only metrics and the oracle read it. |
//! | home | The folder of the database, the runs and the imported models (`SER_HOME`). |
//! | judge | Who scores a policy that is not trained for that score: the oracle, another reward model, a person. Its score is gold. |
//! | judgment | What one reviewer said of a pair. The newest of all reviewers is the verdict in force. |
//! | learning status | SER's rule for which test a pseudo-label has to pass (Huang et al. 2025, section 3.2). |
//! | lesson | What a teacher gives a round: its scores of the pool and of held-out pairs. |
//! | margin | The reward of one answer less that of the other. |
//! | micro-batch | A part of a batch that is computed at a time, to bound memory. |
//! | oracle | Held-back labels that answer a review queue in place of a person. |
//! | panel | The reviewers of a run and their judgments. |
//! | peer | Another program that people come from or go to: transformers, TRL, PEFT, datasets. |
//! | place | The arguments of a random draw: seed, purpose, round, epoch. All randomness is a function of its place. |
//! | policy | A language model that is trained to please a reward model (`domain::policy`). |
//! | pool | Pairs whose labels the loop does not see. |
//! | presentation | Which of a pair's answers is shown as a; it is drawn from `rng_seed`. |
//! | pseudo-label | A label that a model gave a pool pair. |
//! | reference | The policy as it was before its steps; how far it has moved is measured from there. |
//! | reviewer | A person by name who judges pairs. |
//! | rollout | The answers that a policy sampled for one step. |
//! | round | Label the pool, select, train, evaluate; round 0 trains on the seed set alone. |
//! | seam | The activations between trunk and top. They are the same in every epoch, so they are cached. |
//! | second view | Another score of a pair beside the reward model's: the backbone's likelihood, or the surface. |
//! | seed set | The pairs that people labeled. The seed of random numbers is always `rng_seed`. |
//! | selection | The choice of the pseudo-labels that are trained on. |
//! | spec | The complete settings of a run. |
//! | stratum | A group of pool pairs that is selected from by itself. |
//! | student | The model that a round trains on the labels of its teacher. |
//! | surface | Length, words, punctuation and layout of an answer: what can be seen without a model. |
//! | tape | What a forward pass keeps for its backward pass. |
//! | teach | A review queue: the pairs whose human labels would help most. |
//! | teacher | Whatever labels the pool in a round: one model, or a mean of models joined by second views. |
//! | top, trunk | The trained upper layers of a model, and the frozen ones below them. |
//! | verdict | A person's decision on a pair: veto, keep, flip, undo. |
//!
//! # How to add …
//!
//! **a model family.** Name its `model_type` and read its settings in `engine/config/` (decoder or
//! encoder); say how its tensors are called in `engine/files/layout/`; what its blocks do otherwise
//! goes into `engine/cpu/network/` and `engine/candle/`. Make a tiny checkpoint with
//! `tests/fixtures/peers/make_cases.py`, so that transformers gives the rewards to be met, and run
//! `cargo test --release peers`. Name it where the list of supported families stands
//! (`engine/config/mod.rs`): errors and `ser model check` read it there.
//!
//! **a data layout.** One file in `data/format/` with two functions: whether a record is of this
//! layout, and its pairs; a variant of [`data::DatasetFormat`] with its name. Add two records and the
//! pairs they mean to `data/format/tests/`, and the layout to `data/README.md`. What was understood
//! is told by itself, since it is found by experiment (`data/understanding.rs`).
//!
//! **a selection rule.** A variant of `domain::selection::Rule` with its own data, and one arm in
//! `domain/selection/rule.rs` that says which pairs pass and in which order; its keys in
//! `domain/spec/method.rs` and `assets/default.toml`; a table test beside the others in
//! `domain/selection/tests.rs`. An arm in `assets/arms/` if it is to be compared.
//!
//! **a screen.** A folder in `tui/screens/` with the files that the others have: its state (`mod.rs`),
//! `command.rs`, `keys.rs`, `update.rs`, `refuse.rs`, `layout.rs`, `view.rs`; a variant of `Screen` in `tui/shell/model.rs` (the compiler then lists every place that
//! has to know it); data it needs in `tui/feed/data.rs`; pictures in its `tests.rs` at four sizes.
//!
//! **a word on a screen.** A term in `report/glossary.rs`, which `?` and `ser explain` show; a state, a
//! reason or a phase also gets its words in `domain/told.rs`. The tests of the glossary ask for each.
//!
//! # Examples
//!
//! Three short programs in `tests/examples/` use this crate as a library
//! (`cargo run --release --example NAME`): `read_pairs` prints what is understood of a file of
//! preference pairs, `train_reward_model` trains on the embedded pairs through
//! [`engine::RewardModel`], and `show_rounds` reads a run from the store of a home.
//!
//! # Versions
//!
//! Nothing is released yet; 0.1.0 is the first version, and a home of an earlier build is refused
//! with a line that says so.

pub mod analysis;
pub mod cli;
pub mod data;
pub mod domain;
pub mod engine;
pub mod hub;
pub mod launch;
pub mod logging;
pub mod report;
pub mod scorer;
pub mod spec;
pub mod store;
pub mod supervisor;
pub mod tui;
pub mod worker;
