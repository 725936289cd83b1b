-- A video is a person's publication; an asset is the content behind it: one source and its renditions, shared by exact duplicates.
CREATE TABLE video_videos (
  id {id},
  author_id {int} NOT NULL,
  title {text} NOT NULL,
  description {text} NOT NULL,
  tags {text} NOT NULL,            -- joined by newlines
  visibility {int} NOT NULL,       -- store.h: Visibility
  status {int} NOT NULL,           -- store.h: Status
  listed {int} NOT NULL,           -- 1: ready and public
  publish_time {int} NOT NULL,     -- ms when it became visible, 0: not yet
  create_time {int} NOT NULL,      -- ms
  revision {int} NOT NULL,         -- rises with every change
  media_rev {int} NOT NULL,        -- second segment of its media paths; new when they must stop working
  asset_id {int} NOT NULL,
  cover {int} NOT NULL             -- 1: has a cover of its own, covers/<id>.jpg
);
CREATE INDEX video_videos_feed ON video_videos (publish_time, id) WHERE listed = 1;
CREATE INDEX video_videos_author_feed ON video_videos (author_id, publish_time, id) WHERE listed = 1;
CREATE INDEX video_videos_author ON video_videos (author_id, id);
CREATE INDEX video_videos_asset ON video_videos (asset_id);

CREATE TABLE video_assets (
  id {id},                         -- of the upload that brought it
  state {int} NOT NULL,            -- store.h: AssetState
  sha256 {text} NOT NULL,
  source_key {text} NOT NULL,
  bytes {int} NOT NULL,
  progress {int} NOT NULL,         -- 0..100
  error {text} NOT NULL,           -- token, empty: none
  retryable {int} NOT NULL,
  duration_ms {int} NOT NULL,
  width {int} NOT NULL,
  height {int} NOT NULL,
  milli_fps {int} NOT NULL,
  bit_rate {int} NOT NULL,
  format {text} NOT NULL,
  video_codec {text} NOT NULL,
  pixel_format {text} NOT NULL,
  audio_codec {text} NOT NULL,
  poster {int} NOT NULL,           -- 1: poster.jpg exists
  sprite {int} NOT NULL,           -- 1: sprite.jpg and sprite.vtt exist
  hls {int} NOT NULL,              -- 1: master.m3u8 exists
  play_file {text} NOT NULL,       -- progressive file that `url` names, empty: none yet
  play_bytes {int} NOT NULL
);
CREATE INDEX video_assets_duplicate ON video_assets (sha256) WHERE state = 1;

CREATE TABLE video_renditions (
  asset_id {int} NOT NULL,
  name {text} NOT NULL,            -- original, or the short side
  width {int} NOT NULL,
  height {int} NOT NULL,
  bit_rate {int} NOT NULL,
  bytes {int} NOT NULL,
  state {int} NOT NULL,            -- 0 queued, 1 ready, 2 failed
  file {text} NOT NULL,            -- progressive MP4 below media/<asset>/
  playlist {text} NOT NULL,        -- HLS media playlist, empty: none
  PRIMARY KEY (asset_id, name)
);

-- The storage ledger: every object that this service ever began to write has a row, before its first byte.
CREATE TABLE video_objects (
  object_key {text} PRIMARY KEY,
  owner {int} NOT NULL,            -- upload, asset or video id
  user_id {int} NOT NULL,          -- whose quota it counts to
  bytes {int} NOT NULL,
  state {int} NOT NULL,            -- store.h: ObjectState
  changed {int} NOT NULL           -- ms
);
CREATE INDEX video_objects_owner ON video_objects (owner);
CREATE INDEX video_objects_unsettled ON video_objects (changed) WHERE state <> 1;

CREATE TABLE video_jobs (
  id {id},
  subject {int} NOT NULL,          -- asset id; video id for image and purge
  kind {int} NOT NULL,             -- store.h: JobKind
  profile {int} NOT NULL,          -- version of the encoding rules
  lane {int} NOT NULL,             -- 0 quick, 1 encoding
  state {int} NOT NULL,            -- store.h: JobState
  attempts {int} NOT NULL,
  not_before {int} NOT NULL,       -- ms
  lease_until {int} NOT NULL,      -- ms
  worker {int} NOT NULL,           -- who holds the lease
  error {text} NOT NULL,
  UNIQUE (subject, kind, profile)
);
CREATE INDEX video_jobs_ready ON video_jobs (lane, kind, id) WHERE state = 0;
CREATE INDEX video_jobs_leased ON video_jobs (lease_until) WHERE state = 1;

CREATE TABLE video_stats (
  video_id {id},
  raw {int} NOT NULL,              -- beacons
  counted {int} NOT NULL,          -- qualified views
  hot {int} NOT NULL               -- views.h: decayed views on a scale that does not move with time
);
CREATE INDEX video_stats_hot ON video_stats (hot);

CREATE TABLE video_views (
  viewer {text} NOT NULL,
  video_id {int} NOT NULL,
  day {int} NOT NULL,              -- number of the window
  PRIMARY KEY (viewer, video_id, day)
);
CREATE INDEX video_views_day ON video_views (day);
CREATE INDEX video_views_video ON video_views (video_id);

CREATE TABLE video_authors (
  author_id {id},                  -- 0: all authors together
  owned {int} NOT NULL,            -- not deleted
  listed {int} NOT NULL
);

CREATE TABLE video_rankings (
  id {id},
  made {int} NOT NULL,             -- ms
  videos {text} NOT NULL           -- ids, best first, joined by commas
);

CREATE TABLE video_requests (      -- idempotency keys of uploads, kept for a day
  user_id {int} NOT NULL,
  request_key {text} NOT NULL,
  hash {text} NOT NULL,
  video_id {int} NOT NULL,
  made {int} NOT NULL,
  PRIMARY KEY (user_id, request_key)
);
CREATE INDEX video_requests_made ON video_requests (made);
