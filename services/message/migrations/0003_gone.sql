-- Whose account is deleted.
CREATE TABLE message_gone (
  user_id {id}
);
