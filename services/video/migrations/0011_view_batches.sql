-- The batches of views that were written lately. One whose COMMIT was not answered is written again under its id, and counts once.
CREATE TABLE video_view_batches (
  id {id},
  made_ms {int} NOT NULL
);
CREATE INDEX video_view_batches_by_time ON video_view_batches (made_ms);
