ALTER TABLE user_account ADD COLUMN is_private {int} NOT NULL DEFAULT 0;
ALTER TABLE user_account ADD COLUMN message_from {text} NOT NULL DEFAULT 'everyone';
ALTER TABLE user_account ADD COLUMN show_likes {int} NOT NULL DEFAULT 1;
