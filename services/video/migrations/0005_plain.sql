-- Whether every player shows and plays the source's streams as they are; 1: also of those that were looked at before this was asked.
ALTER TABLE video_assets ADD COLUMN plain {int} NOT NULL DEFAULT 1;
