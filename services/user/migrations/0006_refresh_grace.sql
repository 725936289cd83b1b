-- With the used token itself it gives the token that followed, so that a second use soon after can be answered. Empty: not used yet.
ALTER TABLE user_refresh ADD COLUMN salt {text} NOT NULL DEFAULT '';
