-- Verdicts that become labels, and the reviewer that answers from held-back ones.

-- Which answer a `keep` or `flip` calls the better one, in presentation order. NULL in other rows, and
-- in rows from before: those only keep or flip the pseudo-label they met.
ALTER TABLE verdicts ADD COLUMN preferred TEXT CHECK (preferred IN ('a', 'b'));
-- Who decided. Rows of the oracle are derived from the event of their round; people's are not.
ALTER TABLE verdicts ADD COLUMN source TEXT NOT NULL DEFAULT 'person'
    CHECK (source IN ('person', 'oracle'));
ALTER TABLE verdicts ADD COLUMN round INTEGER;
CREATE INDEX verdicts_of_oracle ON verdicts (run, round) WHERE source = 'oracle';

-- Human labels in a round's training set beside the seed set.
ALTER TABLE rounds ADD COLUMN n_human_labels INTEGER;
