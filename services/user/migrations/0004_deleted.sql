-- Accounts that were deleted lately: what other services hold of them is being purged.
CREATE TABLE user_deleted (
  id {id},
  deleted_ms {int} NOT NULL
);
