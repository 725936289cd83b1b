-- Master playlists written so far name neither codecs nor frame rates: a job (store.h: JobKind::playlist) for each asset that has one. Its rank is
-- behind all others: it runs when nothing else waits, for the videos play as they did.
INSERT INTO video_jobs (id, subject, kind, profile, lane, state, attempts, not_before, lease_until, worker, error, rank)
SELECT id, id, 8, 1, 0, 0, 0, (SELECT max(not_before) FROM video_jobs), 0, 0, '', 9007199254740991 FROM video_assets WHERE hls = 1;
