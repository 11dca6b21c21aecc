-- What people say of a policy's answers, which schema 13 added. People write it; no run reads it.

-- Append-only: a person's blind verdict on one game, the answer of a policy (run after step) to a held-out
-- prompt against that of its reference (other is NULL) or of another policy. verdict is as the policy sees
-- it; undo takes the newest row of this person about the game back. is_left tells on which side the
-- policy's answer stood.
CREATE TABLE judged_games (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    run        INTEGER NOT NULL REFERENCES runs (key) ON DELETE CASCADE,
    step       INTEGER NOT NULL,
    other      INTEGER REFERENCES runs (key) ON DELETE CASCADE,
    other_step INTEGER NOT NULL,
    pair       INTEGER NOT NULL,
    verdict    TEXT NOT NULL CHECK (verdict IN ('win', 'tie', 'loss', 'skip', 'undo')),
    is_left    INTEGER NOT NULL CHECK (is_left IN (0, 1)),
    reviewer   TEXT NOT NULL,
    at_ms      INTEGER NOT NULL
) STRICT;
-- Until then runs.learning_rate of a policy was that of its reward model's spec.
UPDATE runs SET learning_rate = coalesce(
    (SELECT json_extract(spec, '$.policy.learning_rate') FROM run_specs WHERE run = runs.key),
    learning_rate
) WHERE kind = 'policy';
CREATE INDEX judged_games_by_run ON judged_games (run, id);
CREATE INDEX judged_games_by_other ON judged_games (other);
