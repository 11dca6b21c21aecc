-- The schema. A change of it gets a new number in database/schema.rs.
--
-- Who writes what:
--   people   experiments, runs, run_specs, queue, verdicts, requests, datasets, pairs, pair_texts,
--            annotations, tags, baseline
--   workers  events with their columns, everything derived from them (run_states, rounds, metrics,
--            checkpoints, verdicts of the oracle) and heartbeats
-- 64-bit unsigned numbers (rng_seed, group_hash) are stored as the signed number with the same bits.

CREATE TABLE experiments (
    key           INTEGER PRIMARY KEY,
    name          TEXT NOT NULL UNIQUE,
    created_at_ms INTEGER NOT NULL
) STRICT;

-- Pairs are imported in batches so that a long import never holds the write lock for long. Until
-- `is_complete` is 1 no reader sees the data set; what a dead importer left is swept at next open.
CREATE TABLE datasets (
    key            INTEGER PRIMARY KEY AUTOINCREMENT,
    fingerprint    TEXT NOT NULL,
    source         TEXT NOT NULL,
    format         TEXT NOT NULL,
    grouped_by     TEXT NOT NULL,
    n_pairs        INTEGER NOT NULL,
    n_dropped      INTEGER NOT NULL,
    imported_at_ms INTEGER NOT NULL,
    is_complete    INTEGER NOT NULL CHECK (is_complete IN (0, 1)),
    importer       TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX datasets_by_fingerprint ON datasets (fingerprint) WHERE is_complete = 1;

-- key = dataset * 2^32 + pair, so a data set is one contiguous range of the tree.
CREATE TABLE pairs (
    key         INTEGER PRIMARY KEY,
    group_hash  INTEGER NOT NULL,
    line        INTEGER NOT NULL,
    slice       TEXT NOT NULL,
    label_noise INTEGER NOT NULL CHECK (label_noise IN (0, 1)),
    -- Characters of the two answers.
    n_chars_chosen   INTEGER NOT NULL,
    n_chars_rejected INTEGER NOT NULL
) STRICT;

-- Texts lie apart, so that reading all groups does not touch them. group_name is NULL where the
-- group is the prompt itself. form says what the texts are to a chat template: NULL is a flat dialogue,
-- 'plain' one message of a person and one of the model, 'whole' no conversation, else where the
-- messages lie (JSON, as `domain::text::conversation::Spans` writes it).
CREATE TABLE pair_texts (
    key        INTEGER PRIMARY KEY,
    prompt     TEXT NOT NULL,
    chosen     TEXT NOT NULL,
    rejected   TEXT NOT NULL,
    group_name TEXT,
    form       TEXT
) STRICT;

-- kind is a name of `domain::run::RunKind`. backbone and what follows are facts of the spec that the
-- list of runs shows and filters by, so that it reads no spec.
CREATE TABLE runs (
    key           INTEGER PRIMARY KEY,
    id            TEXT NOT NULL UNIQUE,
    name          TEXT NOT NULL UNIQUE,
    kind          TEXT NOT NULL,
    experiment    INTEGER REFERENCES experiments (key),
    arm           TEXT NOT NULL,
    rng_seed      INTEGER NOT NULL,
    rounds_max    INTEGER NOT NULL,
    dataset       INTEGER NOT NULL REFERENCES datasets (key),
    test_dataset  INTEGER REFERENCES datasets (key),
    created_at_ms INTEGER NOT NULL,
    -- Whose slots the run takes: cpu, cuda or metal.
    slots          TEXT NOT NULL,
    backbone       TEXT NOT NULL,
    source         TEXT NOT NULL,
    learning_rate  REAL,
    high_threshold REAL
) STRICT;
CREATE INDEX runs_by_dataset ON runs (dataset);
CREATE INDEX runs_by_test_dataset ON runs (test_dataset);

-- The resolved spec as JSON; apart, so that listing runs does not read it.
CREATE TABLE run_specs (
    run  INTEGER PRIMARY KEY REFERENCES runs (key) ON DELETE CASCADE,
    spec TEXT NOT NULL
) STRICT;

-- A run stands here until a worker begins an attempt; the smallest position is next.
CREATE TABLE queue (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    run      INTEGER NOT NULL UNIQUE REFERENCES runs (key) ON DELETE CASCADE,
    -- Who is starting it, as JSON, and since when: a worker was started for it, or is about to be. A
    -- claim holds while that process lives, so that of many processes that look at the queue one starts
    -- a worker.
    claimed_by TEXT,
    claimed_ms INTEGER
) STRICT;

-- Which process holds a run. is_held is set when an attempt begins and cleared when it ends by an
-- event; a held run whose process is gone is interrupted. Requests up to last_request_before were
-- meant for earlier attempts. A paused run holds no slot: wants_slot is 1 when a person let it go on
-- and no slot was free, 2 when it goes on without one.
CREATE TABLE heartbeats (
    run           INTEGER PRIMARY KEY REFERENCES runs (key) ON DELETE CASCADE,
    attempt       INTEGER NOT NULL,
    is_held       INTEGER NOT NULL CHECK (is_held IN (0, 1)),
    pid           INTEGER NOT NULL,
    process_start INTEGER NOT NULL,
    boot_id       TEXT NOT NULL,
    host          TEXT NOT NULL,
    at_ms         INTEGER NOT NULL,
    last_request_before INTEGER NOT NULL,
    wants_slot    INTEGER NOT NULL DEFAULT 0
) STRICT;

-- The journal. seq counts from 1 over all attempts; older `progressed` events of the same step are
-- pruned, every other event stays. kind is the tag of the JSON.
CREATE TABLE events (
    run     INTEGER NOT NULL REFERENCES runs (key) ON DELETE CASCADE,
    seq     INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    at_ms   INTEGER NOT NULL,
    body    TEXT NOT NULL,
    kind    TEXT NOT NULL GENERATED ALWAYS AS (body ->> '$.event') STORED,
    PRIMARY KEY (run, seq)
) STRICT, WITHOUT ROWID;

-- What an event says of every pair (scores of a selection, margins of an evaluation): one file, as
-- store/events/columns.rs describes it, in parts of 64 KiB. This is the only place of these numbers.
CREATE TABLE event_columns (
    run   INTEGER NOT NULL REFERENCES runs (key) ON DELETE CASCADE,
    seq   INTEGER NOT NULL,
    part  INTEGER NOT NULL,
    bytes BLOB NOT NULL,
    PRIMARY KEY (run, seq, part)
) STRICT;

-- Derived from events: the newest state of a run, ready for the runs list.
CREATE TABLE run_states (
    run                 INTEGER PRIMARY KEY REFERENCES runs (key) ON DELETE CASCADE,
    last_seq            INTEGER NOT NULL DEFAULT 0,
    status              TEXT NOT NULL DEFAULT 'queued',
    stop_reason         TEXT,
    finished_at_ms      INTEGER,
    failure             TEXT,
    round               INTEGER NOT NULL DEFAULT 0,
    -- JSON array by round of [n_correct, n] or null: exact, unlike a printed share.
    test_counts         TEXT NOT NULL DEFAULT '[]',
    -- JSON of the newest test evaluation without its reliability diagram.
    latest_test         TEXT,
    n_selected          INTEGER,
    checkpoint          TEXT,
    model               TEXT,
    sizes               TEXT,
    encoding            TEXT,
    last_request_read   INTEGER NOT NULL DEFAULT 0,
    last_verdict_read   INTEGER NOT NULL DEFAULT 0,
    -- Since when a person has held the run, and who.
    paused_at_ms        INTEGER,
    paused_by           TEXT,
    progress_seq        INTEGER,
    progress_round      INTEGER,
    progress_step       TEXT,
    progress_part       INTEGER NOT NULL DEFAULT 0,
    progress_n_parts    INTEGER NOT NULL DEFAULT 0,
    progress_n_done     INTEGER,
    progress_n_total    INTEGER,
    progress_n_tokens   INTEGER,
    progress_elapsed_ms INTEGER,
    progress_at_ms      INTEGER
) STRICT;

-- Derived from events: the table of rounds. The columns that end in _seq number the events whose
-- columns hold a selection's scores and an evaluation's margins. n_human_labels are labels in the
-- round's training set beside the seed set.
CREATE TABLE rounds (
    run            INTEGER NOT NULL REFERENCES runs (key) ON DELETE CASCADE,
    round          INTEGER NOT NULL,
    selection      TEXT,
    n_train_pairs  INTEGER,
    n_steps        INTEGER,
    validation     TEXT,
    test           TEXT,
    wall_ms        INTEGER,
    n_tokens       INTEGER,
    weights_digest TEXT,
    n_human_labels INTEGER,
    selection_seq  INTEGER,
    validation_seq INTEGER,
    test_seq       INTEGER,
    PRIMARY KEY (run, round)
) STRICT;

-- Derived from events: how long each phase took, in milliseconds of work of its latest attempt. seq
-- numbers the event with which it began; n_before of n_total units were done by earlier attempts.
CREATE TABLE phases (
    run           INTEGER NOT NULL REFERENCES runs (key) ON DELETE CASCADE,
    round         INTEGER NOT NULL,
    phase         TEXT NOT NULL,
    part          INTEGER NOT NULL,
    n_parts       INTEGER NOT NULL,
    seq           INTEGER NOT NULL,
    started_at_ms INTEGER NOT NULL,
    n_before      INTEGER NOT NULL,
    n_done        INTEGER NOT NULL,
    n_total       INTEGER NOT NULL,
    elapsed_ms    INTEGER NOT NULL,
    PRIMARY KEY (run, round, phase, part)
) STRICT, WITHOUT ROWID;

-- Derived from events: one row an optimizer step.
CREATE TABLE metrics (
    run           INTEGER NOT NULL REFERENCES runs (key) ON DELETE CASCADE,
    global_step   INTEGER NOT NULL,
    round         INTEGER NOT NULL,
    epoch         INTEGER NOT NULL,
    loss          REAL NOT NULL,
    gradient_norm REAL NOT NULL,
    learning_rate REAL NOT NULL,
    accuracy      REAL NOT NULL,
    PRIMARY KEY (run, global_step)
) STRICT, WITHOUT ROWID;

-- Derived from events.
CREATE TABLE checkpoints (
    run         INTEGER NOT NULL REFERENCES runs (key) ON DELETE CASCADE,
    name        TEXT NOT NULL,
    round       INTEGER NOT NULL,
    global_step INTEGER NOT NULL,
    n_bytes     INTEGER NOT NULL,
    digest      TEXT NOT NULL,
    saved_at_ms INTEGER NOT NULL,
    PRIMARY KEY (run, name)
) STRICT, WITHOUT ROWID;

-- Append-only: what was decided about pairs. The newest row of a pair holds; `undo` lifts it.
-- Rows with one batch were decided together and are undone together. An undo and its redo append rows
-- that restore what held before and name the batch they are about (target). An `amend` adds a reason
-- or a comment to a decision. queue says in which review queue the pair was shown: only an audit may
-- be counted as a random sample. preferred is the answer that a `keep` or `flip` calls the better one,
-- in presentation order. reviewer is who said so (NULL where nobody was named, and for the oracle);
-- the rows of an undo and of a redo have the one whose decision they restore. shown_left is the answer
-- that stood on the left, NULL where the pair was judged in a list; is_blind says whether the model's
-- side was hidden. Rows of the oracle are derived from the event of their round; people's are not.
CREATE TABLE verdicts (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    run       INTEGER NOT NULL REFERENCES runs (key) ON DELETE CASCADE,
    pair      INTEGER NOT NULL,
    verdict   TEXT NOT NULL CHECK (verdict IN ('veto', 'keep', 'flip', 'undo')),
    reason    TEXT,
    at_ms     INTEGER NOT NULL,
    batch     INTEGER NOT NULL,
    action    TEXT NOT NULL DEFAULT 'decide' CHECK (action IN ('decide', 'amend', 'undo', 'redo')),
    target    INTEGER,
    comment   TEXT,
    queue     TEXT CHECK (queue IN ('audit', 'teach')),
    preferred TEXT CHECK (preferred IN ('a', 'b')),
    source    TEXT NOT NULL DEFAULT 'person' CHECK (source IN ('person', 'oracle')),
    round     INTEGER,
    reviewer   TEXT,
    shown_left TEXT CHECK (shown_left IN ('a', 'b')),
    is_blind   INTEGER NOT NULL DEFAULT 0 CHECK (is_blind IN (0, 1))
) STRICT;
CREATE INDEX verdicts_by_run_and_pair ON verdicts (run, pair, id, verdict);
CREATE INDEX verdicts_by_run_and_id ON verdicts (run, id, pair, verdict, queue);
CREATE INDEX verdicts_by_batch ON verdicts (run, batch, action, target, reviewer);
CREATE INDEX verdicts_of_oracle ON verdicts (run, round) WHERE source = 'oracle';

-- Append-only: what people asked of a worker.
CREATE TABLE requests (
    id    INTEGER PRIMARY KEY AUTOINCREMENT,
    run   INTEGER NOT NULL REFERENCES runs (key) ON DELETE CASCADE,
    kind  TEXT NOT NULL CHECK (kind IN ('pause', 'resume', 'stop')),
    at_ms INTEGER NOT NULL,
    -- The login name of who asked.
    person TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX requests_by_run ON requests (run, id);

-- What people keep about a run. Workers never write these, and no run depends on them.
CREATE TABLE annotations (
    run            INTEGER PRIMARY KEY REFERENCES runs (key) ON DELETE CASCADE,
    note           TEXT NOT NULL DEFAULT '',
    archived_at_ms INTEGER
) STRICT;

CREATE TABLE tags (
    run INTEGER NOT NULL REFERENCES runs (key) ON DELETE CASCADE,
    tag TEXT NOT NULL,
    PRIMARY KEY (run, tag)
) STRICT, WITHOUT ROWID;

-- The one run that others are measured against.
CREATE TABLE baseline (
    slot INTEGER PRIMARY KEY CHECK (slot = 1),
    run  INTEGER NOT NULL REFERENCES runs (key) ON DELETE CASCADE
) STRICT;
CREATE INDEX baseline_by_run ON baseline (run);
