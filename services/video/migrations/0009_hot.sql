-- The most that was ever told of a video's likes, comments and shares, weighted (service_hot.cc): what is told above it makes the video hotter, so
-- telling twice, taking back and doing again do not. -1: it had some before this was kept, and the next word of them is only noted.
ALTER TABLE video_stats ADD COLUMN engaged {int} NOT NULL DEFAULT 0;
UPDATE video_stats SET engaged = -1;

-- As services/parts/rankings.h has them. Those that are there last an hour anyway: who reads in one begins again.
DROP TABLE video_rankings;
CREATE TABLE video_rankings (
  id {id},
  subject {int} NOT NULL,          -- 0
  made_ms {int} NOT NULL,
  ids {text} NOT NULL              -- of videos, best first, joined by commas
);
CREATE INDEX video_rankings_by_time ON video_rankings (made_ms);
