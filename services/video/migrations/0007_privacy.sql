-- What was heard last of the privacy of authors. Only for when the user service is silent.
CREATE TABLE video_privacy (
  author_id {id},
  is_private {int} NOT NULL
);
