-- Small pictures, some 10 KB each: kept with the account, they are changed, backed up and deleted with it.
CREATE TABLE user_avatar (
  user_id {id},
  rev {int} NOT NULL,
  picture {bytes} NOT NULL
);
