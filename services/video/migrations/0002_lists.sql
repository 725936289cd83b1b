-- The tags of listed videos. `tag` is the folded key, so "Cats" and "cats" are one.
CREATE TABLE video_tags (
  tag {text} NOT NULL,
  video_id {int} NOT NULL,
  publish_time {int} NOT NULL,
  PRIMARY KEY (video_id, tag)
);
CREATE INDEX video_tags_videos ON video_tags (tag, publish_time, video_id);

CREATE TABLE video_tag_counts (
  tag {text} PRIMARY KEY,
  label {text} NOT NULL,           -- as it was written last
  videos {int} NOT NULL
);
CREATE INDEX video_tag_counts_hot ON video_tag_counts (videos, tag);

CREATE TABLE video_unwanted (      -- POST not_interested
  user_id {int} NOT NULL,
  kind {int} NOT NULL,             -- 1 a video, 2 an author
  subject {int} NOT NULL,
  reason {text} NOT NULL,
  made {int} NOT NULL,
  PRIMARY KEY (user_id, kind, subject)
);
CREATE INDEX video_unwanted_recent ON video_unwanted (user_id, made);

-- The following feed. Who reads it gets new videos of smaller authors pushed into video_inbox; `authors` of the reader are those whose
-- videos are in there. Larger authors' videos are merged when it is read.
CREATE TABLE video_readers (
  user_id {id},
  seen {int} NOT NULL,             -- ms of the last read
  followed {int} NOT NULL          -- hash of the followed ids that the inbox was brought in line with
);
CREATE INDEX video_readers_seen ON video_readers (seen);
CREATE TABLE video_inbox (
  user_id {int} NOT NULL,
  video_id {int} NOT NULL,
  author_id {int} NOT NULL,
  publish_time {int} NOT NULL,
  PRIMARY KEY (user_id, video_id)
);
CREATE INDEX video_inbox_page ON video_inbox (user_id, publish_time, video_id);
CREATE INDEX video_inbox_author ON video_inbox (user_id, author_id);
CREATE TABLE video_large_authors ( -- too many followers to push to
  author_id {id}
);
