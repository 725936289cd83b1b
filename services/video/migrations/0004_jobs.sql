-- Jobs are taken by rank, not by kind; how far a running one is stands in its row, and the progress of a video is made of its jobs.
ALTER TABLE video_jobs ADD COLUMN rank {int} NOT NULL DEFAULT 0;     -- ms; store.h: queue_job
ALTER TABLE video_jobs ADD COLUMN percent {int} NOT NULL DEFAULT 0;  -- 0..100, never falls
UPDATE video_jobs SET rank = not_before;
DROP INDEX video_jobs_ready;
CREATE INDEX video_jobs_ready ON video_jobs (lane, rank, id) WHERE state = 0;

-- Whose cover died stayed `transcoding` for ever; purges do not die any more.
UPDATE video_jobs SET state = 0, attempts = 0, not_before = 0 WHERE state = 3 AND kind IN (2, 6);
