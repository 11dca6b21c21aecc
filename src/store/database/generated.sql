-- The tables of pairs that policies added to pools, which schema 12 added. Workers write them, by events.

-- Derived from events: one row for each answering of prompts; round is the first whose pool the pairs are in,
-- generation is JSON.
CREATE TABLE generations (
    run        INTEGER NOT NULL REFERENCES runs (key) ON DELETE CASCADE,
    round      INTEGER NOT NULL,
    generation TEXT NOT NULL,
    PRIMARY KEY (run, round)
) STRICT, WITHOUT ROWID;

-- Derived from events: a pair of a policy's answers. pair counts on from the pairs of the run's data set;
-- prompt_of is the one there whose prompt, group and slice it has; form is as in pair_texts. is_judged says
-- whether `chosen` is the judge's choice, else it stands first by chance. The rewards are those by which the
-- two answers were taken.
CREATE TABLE generated_pairs (
    run              INTEGER NOT NULL REFERENCES runs (key) ON DELETE CASCADE,
    pair             INTEGER NOT NULL,
    round            INTEGER NOT NULL,
    prompt_of        INTEGER NOT NULL,
    prompt           TEXT NOT NULL,
    chosen           TEXT NOT NULL,
    rejected         TEXT NOT NULL,
    form             TEXT,
    is_judged        INTEGER NOT NULL CHECK (is_judged IN (0, 1)),
    reward_chosen    REAL NOT NULL,
    reward_rejected  REAL NOT NULL,
    n_chars_chosen   INTEGER NOT NULL,
    n_chars_rejected INTEGER NOT NULL,
    PRIMARY KEY (run, pair)
) STRICT, WITHOUT ROWID;
