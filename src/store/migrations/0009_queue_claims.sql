-- Who is starting a run that waits, and since when: a worker was started for it, or is about to be.
-- A claim holds while that process lives, so that of many processes that look at the queue one starts
-- a worker.
ALTER TABLE queue ADD COLUMN claimed_by TEXT;
ALTER TABLE queue ADD COLUMN claimed_ms INTEGER;
