-- Who likes or starred what: kind 1 like of a video, 2 star of a video, 3 like of a comment. The key is what makes counts exact; its order
-- serves a page's "did I like these?" and the purge of an object.
CREATE TABLE interaction_edges (
  object_id {int} NOT NULL,
  kind {int} NOT NULL,
  user_id {int} NOT NULL,
  at_ms {int} NOT NULL,
  PRIMARY KEY (object_id, kind, user_id)
);
CREATE INDEX interaction_edges_recent ON interaction_edges (user_id, kind, at_ms, object_id);

-- Counters of a video, changed in the transaction that changes what they count. gone: the video is deleted and takes nothing more.
CREATE TABLE interaction_videos (
  video_id {id},
  author_id {int} NOT NULL,
  likes {int} NOT NULL,
  comments {int} NOT NULL,
  stars {int} NOT NULL,
  shares {int} NOT NULL,
  gone {int} NOT NULL,
  revision {int} NOT NULL
);

-- What a person's videos received. gone: the account is deleted and does nothing more.
CREATE TABLE interaction_people (
  user_id {id},
  likes {int} NOT NULL,
  comments {int} NOT NULL,
  gone {int} NOT NULL,
  revision {int} NOT NULL
);

CREATE TABLE interaction_comments (
  id {id},
  video_id {int} NOT NULL,
  user_id {int} NOT NULL,
  root_id {int} NOT NULL,          -- the top-level comment that it is below, 0 for one
  reply_to_id {int} NOT NULL,      -- the comment that it answers, 0 for none
  content {text} NOT NULL,         -- '' once deleted
  created_ms {int} NOT NULL,
  likes {int} NOT NULL,
  replies {int} NOT NULL,          -- living ones below a top-level comment
  hot {int} NOT NULL,              -- the rank of a top-level comment
  deleted {int} NOT NULL
);
CREATE INDEX interaction_comments_thread ON interaction_comments (video_id, deleted, root_id, created_ms, id);
CREATE INDEX interaction_comments_hot ON interaction_comments (video_id, hot, id) WHERE root_id = 0 AND deleted = 0;
CREATE INDEX interaction_comments_replies ON interaction_comments (root_id, created_ms, id) WHERE root_id <> 0 AND deleted = 0;
CREATE INDEX interaction_comments_user ON interaction_comments (user_id) WHERE deleted = 0;

-- The order of a video's hot comments that cursors point into.
CREATE TABLE interaction_rankings (
  id {id},
  video_id {int} NOT NULL,
  made_ms {int} NOT NULL,
  comments {text} NOT NULL         -- ids, best first, joined by commas
);
CREATE INDEX interaction_rankings_by_time ON interaction_rankings (made_ms);

-- When a person last shared a video such that it counted.
CREATE TABLE interaction_shares (
  user_id {int} NOT NULL,
  video_id {int} NOT NULL,
  at_ms {int} NOT NULL,
  PRIMARY KEY (user_id, video_id)
);
CREATE INDEX interaction_shares_video ON interaction_shares (video_id);

-- user_id is NULL when the reporter's account is deleted: what was reported stays reported.
CREATE TABLE interaction_reports (
  id {id},
  user_id {int},
  kind {text} NOT NULL,
  subject_id {int} NOT NULL,
  reason {text} NOT NULL,
  detail {text} NOT NULL,
  decided {int} NOT NULL,
  created_ms {int} NOT NULL
);
CREATE UNIQUE INDEX interaction_reports_once ON interaction_reports (user_id, kind, subject_id);
CREATE INDEX interaction_reports_mine ON interaction_reports (user_id, id);
CREATE INDEX interaction_reports_queue ON interaction_reports (decided, id);

CREATE TABLE interaction_requests (
  user_id {int} NOT NULL,
  method {text} NOT NULL,
  request_key {text} NOT NULL,
  hash {text} NOT NULL,
  result {int} NOT NULL,
  made_ms {int} NOT NULL,
  PRIMARY KEY (user_id, method, request_key)
);
CREATE INDEX interaction_requests_by_time ON interaction_requests (made_ms);
