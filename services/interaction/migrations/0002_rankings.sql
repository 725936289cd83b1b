-- As services/parts/rankings.h has them. Those that are there last an hour anyway: who reads in one begins again.
DROP TABLE interaction_rankings;
CREATE TABLE interaction_rankings (
  id {id},
  subject {int} NOT NULL,          -- the video whose comments they are
  made_ms {int} NOT NULL,
  ids {text} NOT NULL              -- of comments, best first, joined by commas
);
CREATE INDEX interaction_rankings_by_time ON interaction_rankings (made_ms);
