-- Two people, low < high. last_seq is how many messages were ever sent, *_read how far each of the two has read.
CREATE TABLE message_conversations (
  low {int} NOT NULL,
  high {int} NOT NULL,
  last_seq {int} NOT NULL,
  low_read {int} NOT NULL DEFAULT 0,
  high_read {int} NOT NULL DEFAULT 0,
  PRIMARY KEY (low, high)
);

-- *_hidden: deleted on that one's own side. Hidden by both, the content is gone.
CREATE TABLE message_messages (
  id {id},
  low {int} NOT NULL,
  high {int} NOT NULL,
  seq {int} NOT NULL,
  sender_id {int} NOT NULL,
  content {text} NOT NULL,
  created_ms {int} NOT NULL,
  low_hidden {int} NOT NULL DEFAULT 0,
  high_hidden {int} NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX message_messages_by_seq ON message_messages (low, high, seq);

-- A conversation as one of its two sees it. last_id is the newest message that this side shows, 0 for none.
CREATE TABLE message_sides (
  user_id {int} NOT NULL,
  other_id {int} NOT NULL,
  wrote {int} NOT NULL DEFAULT 0,
  is_request {int} NOT NULL DEFAULT 0,
  unread {int} NOT NULL DEFAULT 0,
  last_id {int} NOT NULL DEFAULT 0,
  last_ms {int} NOT NULL DEFAULT 0,
  PRIMARY KEY (user_id, other_id)
);
CREATE INDEX message_sides_by_time ON message_sides (user_id, is_request, last_ms, other_id) WHERE last_id > 0;
CREATE INDEX message_sides_unread ON message_sides (user_id, last_ms) WHERE unread > 0 AND is_request = 0;

CREATE TABLE message_request_keys (
  user_id {int} NOT NULL,
  method {text} NOT NULL,
  request_key {text} NOT NULL,
  hash {text} NOT NULL,
  result {int} NOT NULL,
  made_ms {int} NOT NULL,
  PRIMARY KEY (user_id, method, request_key)
);
CREATE INDEX message_request_keys_by_time ON message_request_keys (made_ms);
