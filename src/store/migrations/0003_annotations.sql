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

-- Facts of the spec that the runs list shows and filters by, so that it reads no spec.
ALTER TABLE runs ADD COLUMN backbone TEXT NOT NULL DEFAULT '';
ALTER TABLE runs ADD COLUMN source TEXT NOT NULL DEFAULT '';
ALTER TABLE runs ADD COLUMN learning_rate REAL;
ALTER TABLE runs ADD COLUMN high_threshold REAL;
UPDATE runs SET
    backbone = coalesce(
        (SELECT spec ->> '$.model.backbone' FROM run_specs WHERE run = runs.key), ''),
    source = coalesce(
        (SELECT group_concat(value, ', ')
         FROM run_specs, json_each(run_specs.spec, '$.data.source') WHERE run = runs.key), ''),
    learning_rate = (SELECT spec ->> '$.train.learning_rate' FROM run_specs WHERE run = runs.key),
    high_threshold =
        (SELECT spec ->> '$.selection.high_threshold' FROM run_specs WHERE run = runs.key);
