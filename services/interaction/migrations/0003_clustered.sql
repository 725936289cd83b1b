-- SQLite keeps a table of its own beside the primary key unless told not to: a third of what a like writes.
CREATE TABLE interaction_edges_clustered (
  object_id {int} NOT NULL,
  kind {int} NOT NULL,
  user_id {int} NOT NULL,
  at_ms {int} NOT NULL,
  PRIMARY KEY (object_id, kind, user_id)
) {clustered};
INSERT INTO interaction_edges_clustered (object_id, kind, user_id, at_ms)
SELECT object_id, kind, user_id, at_ms FROM interaction_edges ORDER BY object_id, kind, user_id;
DROP TABLE interaction_edges;
ALTER TABLE interaction_edges_clustered RENAME TO interaction_edges;
CREATE INDEX interaction_edges_recent ON interaction_edges (user_id, kind, at_ms, object_id);
