-- Whose account is deleted.
CREATE TABLE social_gone (
  user_id {id}
);
