-- One row a tie between two people: user_id follows (1), asks to follow (2), blocks (3) or mutes (4) target_id. Two who follow each other
-- have a row (5) each, so that friends are listed and counted like everyone else.
CREATE TABLE social_edges (
  user_id {int} NOT NULL,
  kind {int} NOT NULL,
  target_id {int} NOT NULL,
  created_ms {int} NOT NULL,
  PRIMARY KEY (user_id, kind, target_id)
);
-- The other direction: by ids, and both by time.
CREATE UNIQUE INDEX social_edges_to ON social_edges (target_id, kind, user_id);
CREATE INDEX social_edges_newest_from ON social_edges (user_id, kind, created_ms, target_id);
CREATE INDEX social_edges_newest_to ON social_edges (target_id, kind, created_ms, user_id);

-- How many edges there are, changed in the transaction that changes them.
CREATE TABLE social_counts (
  user_id {id},
  following {int} NOT NULL,
  followers {int} NOT NULL,
  friends {int} NOT NULL,
  requests {int} NOT NULL,
  blocked {int} NOT NULL,
  muted {int} NOT NULL
);
