-- Kept in the order of the primary key, as interaction_edges: each like and comment writes one.
CREATE TABLE message_facts_clustered (
  user_id {int} NOT NULL,
  kind {int} NOT NULL,
  object_id {int} NOT NULL,
  actor_id {int} NOT NULL,
  fact_id {int} NOT NULL,
  notification_id {int} NOT NULL,
  time_ms {int} NOT NULL,
  PRIMARY KEY (user_id, kind, object_id, actor_id, fact_id)
) {clustered};
INSERT INTO message_facts_clustered (user_id, kind, object_id, actor_id, fact_id, notification_id, time_ms)
SELECT user_id, kind, object_id, actor_id, fact_id, notification_id, time_ms FROM message_facts
ORDER BY user_id, kind, object_id, actor_id, fact_id;
DROP TABLE message_facts;
ALTER TABLE message_facts_clustered RENAME TO message_facts;
CREATE INDEX message_facts_by_notification ON message_facts (notification_id, actor_id) WHERE notification_id > 0;
CREATE INDEX message_facts_by_actor ON message_facts (actor_id, user_id);
