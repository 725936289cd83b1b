-- A group: everyone who did the same to the same object since the user last read about it. `actors` are the newest of them, newest first,
-- separated by commas; `related_id` is what the newest did it with.
CREATE TABLE message_notifications (
  id {id},
  user_id {int} NOT NULL,
  kind {int} NOT NULL,
  object_id {int} NOT NULL,
  video_id {int} NOT NULL,
  related_id {int} NOT NULL,
  actors {text} NOT NULL,
  actor_count {int} NOT NULL,
  is_read {int} NOT NULL DEFAULT 0,
  time_ms {int} NOT NULL
);
-- The open group is the only one that grows.
CREATE UNIQUE INDEX message_notifications_open ON message_notifications (user_id, kind, object_id) WHERE is_read = 0;
CREATE INDEX message_notifications_by_time ON message_notifications (user_id, time_ms, id);
CREATE INDEX message_notifications_by_kind ON message_notifications (user_id, kind, time_ms, id);
CREATE INDEX message_notifications_unread ON message_notifications (user_id, time_ms, id) WHERE is_read = 0;

-- What has been told, so that an event that comes twice changes nothing. fact_id tells one actor's acts on one object apart: 0 for what can
-- be done once, the comment's id for comments. notification_id 0: the user did not want to hear of it.
CREATE TABLE message_facts (
  user_id {int} NOT NULL,
  kind {int} NOT NULL,
  object_id {int} NOT NULL,
  actor_id {int} NOT NULL,
  fact_id {int} NOT NULL,
  notification_id {int} NOT NULL,
  time_ms {int} NOT NULL,
  PRIMARY KEY (user_id, kind, object_id, actor_id, fact_id)
);
CREATE INDEX message_facts_by_notification ON message_facts (notification_id, actor_id) WHERE notification_id > 0;
CREATE INDEX message_facts_by_actor ON message_facts (actor_id, user_id);

-- `off` has a bit for each setting that is switched off.
CREATE TABLE message_settings (
  user_id {int} NOT NULL PRIMARY KEY,
  off {int} NOT NULL
);
