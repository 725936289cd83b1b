-- Of registrations, so user_id is 0; `result` is the account.
CREATE TABLE user_request_keys (
  user_id {int} NOT NULL,
  method {text} NOT NULL,
  request_key {text} NOT NULL,
  hash {text} NOT NULL,
  result {int} NOT NULL,
  made_ms {int} NOT NULL,
  PRIMARY KEY (user_id, method, request_key)
);
CREATE INDEX user_request_keys_by_time ON user_request_keys (made_ms);
CREATE INDEX user_request_keys_by_result ON user_request_keys (result);
