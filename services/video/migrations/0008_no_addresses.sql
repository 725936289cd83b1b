-- Guests were kept as their address and agent. Whoever watched today counts once more.
DELETE FROM video_views WHERE viewer NOT LIKE 'u%';

-- Of the window that runs: a guest is an HMAC under it. Gone with the window, so that nobody can tell afterwards who a guest was.
CREATE TABLE video_view_salts (
  day {id},                        -- number of the window, as in video_views
  salt {text} NOT NULL             -- base64url
);
