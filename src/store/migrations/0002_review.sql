-- Reviewing samples: columns to scan, lengths to filter by, and decisions that can be undone.

-- The scored pairs of a round as one value: rows of pair_scores by ascending pair, little-endian,
-- column after column (pair u32, reward_a f32, reward_b f32, left_out u8 with 255 for a selected
-- pair). A million pairs are read in 10 ms this way and in 300 ms row by row. A selection made again
-- gets a new key.
CREATE TABLE score_columns (
    key     INTEGER PRIMARY KEY AUTOINCREMENT,
    run     INTEGER NOT NULL REFERENCES runs (key) ON DELETE CASCADE,
    round   INTEGER NOT NULL,
    columns BLOB NOT NULL,
    UNIQUE (run, round)
) STRICT;

-- Characters of the two answers.
ALTER TABLE pairs ADD COLUMN n_chars_chosen INTEGER NOT NULL DEFAULT 0;
ALTER TABLE pairs ADD COLUMN n_chars_rejected INTEGER NOT NULL DEFAULT 0;
UPDATE pairs SET (n_chars_chosen, n_chars_rejected) =
    (SELECT length(chosen), length(rejected) FROM pair_texts WHERE pair_texts.key = pairs.key);

-- Rows with one batch were decided together and are undone together; rows before this migration
-- stand alone. An undo and its redo append rows that restore what held before and name the batch
-- they are about. An `amend` adds a reason or a comment to a decision. queue says in which review
-- queue the pair was shown: only an audit may be counted as a random sample.
ALTER TABLE verdicts ADD COLUMN batch INTEGER;
ALTER TABLE verdicts ADD COLUMN action TEXT NOT NULL DEFAULT 'decide'
    CHECK (action IN ('decide', 'amend', 'undo', 'redo'));
ALTER TABLE verdicts ADD COLUMN target INTEGER;
ALTER TABLE verdicts ADD COLUMN comment TEXT;
ALTER TABLE verdicts ADD COLUMN queue TEXT CHECK (queue IN ('audit', 'teach'));
UPDATE verdicts SET batch = id;
CREATE INDEX verdicts_by_run_and_id ON verdicts (run, id, pair, verdict, queue);
CREATE INDEX verdicts_by_batch ON verdicts (run, batch, action, target);
