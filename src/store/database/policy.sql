-- The tables of policy runs, which schema 11 added.
--
-- Who writes what: people rollout_vetoes; workers, by events, the others.

-- Derived from events: one row a step. metrics is a JSON object; rollouts_seq numbers the event that holds
-- the answers.
CREATE TABLE policy_steps (
    run          INTEGER NOT NULL REFERENCES runs (key) ON DELETE CASCADE,
    step         INTEGER NOT NULL,
    metrics      TEXT,
    elapsed_ms   INTEGER,
    rollouts_seq INTEGER,
    PRIMARY KEY (run, step)
) STRICT, WITHOUT ROWID;

-- Derived from events: one row an evaluation; seq numbers the event that holds the answers.
CREATE TABLE policy_evaluations (
    run        INTEGER NOT NULL REFERENCES runs (key) ON DELETE CASCADE,
    step       INTEGER NOT NULL,
    evaluation TEXT NOT NULL,
    seq        INTEGER NOT NULL,
    PRIMARY KEY (run, step)
) STRICT, WITHOUT ROWID;

-- Derived from events: each sign of trouble as it was last seen, and the step at which it was first.
CREATE TABLE policy_signs (
    run        INTEGER NOT NULL REFERENCES runs (key) ON DELETE CASCADE,
    sign       TEXT NOT NULL,
    first_step INTEGER NOT NULL,
    last_step  INTEGER NOT NULL,
    message    TEXT NOT NULL,
    PRIMARY KEY (run, sign)
) STRICT, WITHOUT ROWID;

-- Derived from events: the best-of-n curve and the verdict, as JSON, and the step whose weights were taken
-- again.
CREATE TABLE policy_outcomes (
    run         INTEGER PRIMARY KEY REFERENCES runs (key) ON DELETE CASCADE,
    best_of     TEXT,
    verdict     TEXT,
    restored_to INTEGER
) STRICT;

-- Append-only: what people took out of batches, a prompt (pair alone) or one answer to it in a step. The
-- newest row of a prompt or an answer holds; is_veto is 0 where it lifts a veto.
CREATE TABLE rollout_vetoes (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    run      INTEGER NOT NULL REFERENCES runs (key) ON DELETE CASCADE,
    pair     INTEGER NOT NULL,
    step     INTEGER,
    answer   INTEGER,
    is_veto  INTEGER NOT NULL CHECK (is_veto IN (0, 1)),
    at_ms    INTEGER NOT NULL,
    reviewer TEXT,
    CHECK ((step IS NULL) = (answer IS NULL))
) STRICT;
CREATE INDEX rollout_vetoes_by_run ON rollout_vetoes (run, id);
