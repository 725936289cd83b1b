-- Whose account is deleted.
CREATE TABLE video_gone (
  user_id {id}
);

-- The keys of uploads cover the whole form now.
DROP TABLE video_requests;
CREATE TABLE video_request_keys (
  user_id {int} NOT NULL,
  method {text} NOT NULL,
  request_key {text} NOT NULL,
  hash {text} NOT NULL,
  result {int} NOT NULL,
  made_ms {int} NOT NULL,
  PRIMARY KEY (user_id, method, request_key)
);
CREATE INDEX video_request_keys_by_time ON video_request_keys (made_ms);
CREATE INDEX video_request_keys_by_result ON video_request_keys (result);
