CREATE TABLE user_account (
  id {id},
  username {text} NOT NULL,
  username_key {text} NOT NULL,
  password_hash {text} NOT NULL,
  avatar {text} NOT NULL,
  about {text} NOT NULL,
  follow_count {int} NOT NULL DEFAULT 0,
  follower_count {int} NOT NULL DEFAULT 0,
  is_admin {int} NOT NULL DEFAULT 0,
  created_ms {int} NOT NULL,
  revision {int} NOT NULL
);
-- Uniqueness is by the folded key: "Ａlice" and "alice" are one name.
CREATE UNIQUE INDEX user_account_by_key ON user_account (username_key);

-- One row a login; `id` is the sid of its access tokens. An ended one stays until its access tokens have expired.
CREATE TABLE user_session (
  id {id},
  user_id {int} NOT NULL,
  created_ms {int} NOT NULL,
  seen_ms {int} NOT NULL,
  expires_ms {int} NOT NULL,
  ended_ms {int} NOT NULL DEFAULT 0,
  address {text} NOT NULL,
  user_agent {text} NOT NULL
);
CREATE INDEX user_session_by_user ON user_session (user_id, seen_ms);
CREATE INDEX user_session_by_expiry ON user_session (expires_ms);
CREATE INDEX user_session_by_end ON user_session (ended_ms) WHERE ended_ms > 0;

-- Every refresh token a session ever had, hashed: a used one that comes back betrays a theft.
CREATE TABLE user_refresh (
  token_hash {text} PRIMARY KEY,
  session_id {int} NOT NULL,
  used_ms {int} NOT NULL DEFAULT 0
);
CREATE INDEX user_refresh_by_session ON user_refresh (session_id);
