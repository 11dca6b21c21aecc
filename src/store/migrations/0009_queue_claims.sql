-- Until when a run of the queue is claimed by whoever started a worker for it, in milliseconds since
-- 1970. A worker needs a moment until it takes its run, and nobody else starts one meanwhile.
ALTER TABLE queue ADD COLUMN claimed_until_ms INTEGER;
