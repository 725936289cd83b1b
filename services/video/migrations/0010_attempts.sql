-- Every attempt of a job writes below a prefix of its own, and rows name the files of the attempt that ended the job. What older builds wrote stays
-- where it is.
ALTER TABLE video_jobs ADD COLUMN run {int} NOT NULL DEFAULT 0;              -- of its last attempt, never used again: the lease is (id, run)
ALTER TABLE video_assets ADD COLUMN poster_file {text} NOT NULL DEFAULT '';  -- below media/<asset>/, as play_file; empty: none
ALTER TABLE video_assets ADD COLUMN sprite_file {text} NOT NULL DEFAULT '';  -- its WebVTT lies beside it
ALTER TABLE video_assets ADD COLUMN master_file {text} NOT NULL DEFAULT '';  -- HLS master playlist
ALTER TABLE video_videos ADD COLUMN cover_file {text} NOT NULL DEFAULT '';   -- below covers/<id>/; 'cover.jpg' is covers/<id>.jpg
UPDATE video_assets SET poster_file = 'poster.jpg' WHERE poster = 1;
UPDATE video_assets SET sprite_file = 'sprite.jpg' WHERE sprite = 1;
UPDATE video_assets SET master_file = 'master.m3u8' WHERE hls = 1;
UPDATE video_videos SET cover_file = 'cover.jpg' WHERE cover = 1;
ALTER TABLE video_assets DROP COLUMN poster;
ALTER TABLE video_assets DROP COLUMN sprite;
ALTER TABLE video_assets DROP COLUMN hls;
ALTER TABLE video_videos DROP COLUMN cover;
