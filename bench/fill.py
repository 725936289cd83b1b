#!/usr/bin/python3
"""Makes a data folder of a given size without media files, straight in the services' tables. See README.md."""
import argparse
import collections
import fcntl
import json
import math
import os
import random
import sqlite3
import subprocess
import sys
import time

from harness import FILLED_NAME, FILLED_PASSWORD, ROOT

# The columns that this program fills, as `shortvideo migrate` makes them. A schema that differs ends it: rows that the services would not
# have written measure nothing.
FILLED = {
    "user_account": "id username username_key password_hash avatar about follow_count follower_count is_admin created_ms revision is_private "
                    "message_from show_likes",
    "video_videos": "id author_id title description tags visibility status listed publish_time create_time revision media_rev asset_id cover_file",
    "video_assets": "id state sha256 source_key bytes progress error retryable duration_ms width height milli_fps bit_rate format video_codec "
                    "pixel_format audio_codec play_file play_bytes plain poster_file sprite_file master_file",
    "video_renditions": "asset_id name width height bit_rate bytes state file playlist",
    "video_stats": "video_id raw counted hot engaged",
    "video_authors": "author_id owned listed",
    "video_tags": "tag video_id publish_time",
    "video_tag_counts": "tag label videos",
    "social_edges": "user_id kind target_id created_ms",
    "social_counts": "user_id following followers friends requests blocked muted",
    "interaction_edges": "object_id kind user_id at_ms",
    "interaction_videos": "video_id author_id likes comments stars shares gone revision",
    "interaction_people": "user_id likes comments gone revision",
    "interaction_comments": "id video_id user_id root_id reply_to_id content created_ms likes replies hot deleted",
}
# Tables that a server without uploads, sessions, views, reports and messages leaves empty.
EMPTY = set("""user_session user_refresh user_avatar user_deleted user_request_keys video_objects video_jobs video_views video_rankings
    video_request_keys video_unwanted video_readers video_inbox video_large_authors interaction_rankings interaction_shares
    interaction_reports interaction_requests video_gone video_privacy video_view_salts video_view_batches social_gone""".split())
SERVICES = ("user", "video", "social", "interaction")

EPOCH_MS = 1_735_689_600_000  # of ids
DAY_MS = 86_400_000
ASSET = 7
TAGS = ["cats", "dogs", "music", "dance", "food", "travel", "sports", "games", "news", "art", "film", "code", "cars", "style", "nature", "fun"]
WORDS = """the quick brown fox jumps over a lazy dog while rain falls on small town roofs and somebody plays piano in an open window near
    the market where people sell fruit flowers books and old records to strangers who came for coffee""".split()


def check_schema(db):
    for table, columns in FILLED.items():
        found = [row[1] for row in db.execute(f"PRAGMA table_info({table})")]
        if found != columns.split():
            sys.exit(f"{table} has the columns {' '.join(found) or '(there is no such table)'}, but fill.py fills {columns}: bring it up to date")
    for (table,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'"):
        if table.split("_")[0] in SERVICES and table not in FILLED and table not in EMPTY and not table.endswith("_migrations"):
            sys.exit(f"fill.py does not know the table {table}: does it need rows?")


def migrate(options):
    """The schema is the binary's own, and so is the password's hash."""
    command = [options.binary, "migrate", "--data", options.folder]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    subprocess.run([options.binary, "user", "create", FILLED_NAME, "--data", options.folder], check=True, stdout=subprocess.DEVNULL,
                   input=FILLED_PASSWORD + "\n", text=True)


class Filler:
    def __init__(self, db, options):
        self.db, self.options = db, options
        self.now = int(time.time()) * 1000 - 60_000
        self.random = random.Random(options.seed)
        count = options.videos
        # Videos are spread evenly over the last 30 days, users joined during the 60 days before.
        self.video_ms = [self.now - 30 * DAY_MS + (i + 1) * 30 * DAY_MS // count for i in range(count)]
        self.videos = self.ids(self.video_ms)
        self.users = self.ids([self.now - 90 * DAY_MS + (i + 1) * 60 * DAY_MS // options.users for i in range(options.users)])
        # The author of video i; and how popular it is: a few are liked by many.
        self.author = self.random.choices(self.users, k=count)
        self.rank = list(range(count))
        self.random.shuffle(self.rank)

    @staticmethod
    def ids(times):
        """As the id source makes them (platform/adapters/id_source.cc), by the node 63."""
        out, last = [], 0
        for ms in times:
            last = max(last + 1, (ms - EPOCH_MS) // 10 << 17 | 63 << 10)
            out.append(last)
        return out

    def insert(self, table, rows):
        marks = ",".join("?" * len(FILLED[table].split()))
        self.db.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)

    def shares(self, total, most):
        """`total` split over the videos by Zipf's law, at most `most` each; the sum is exact."""
        count = self.options.videos
        weight = sum(1 / (r + 10) for r in range(count))
        out = [min(most, int(total / weight / (self.rank[i] + 10))) for i in range(count)]
        left, i = total - sum(out), 0
        while left > 0 and i < 100 * count:
            if out[i % count] < most:
                step = min(left, max(1, left // count), most - out[i % count])
                out[i % count] += step
                left -= step
            i += 1
        return out

    def text(self, words):
        return " ".join(self.random.choices(WORDS, k=words))

    def fill_users(self):
        first, password = self.db.execute("SELECT id, password_hash FROM user_account").fetchone()
        before, self.users[1] = self.users[1], first  # the account that `user create` made
        self.author = [first if a == before else a for a in self.author]
        self.insert("user_account", ((id, f"user{i}", f"user{i}", password, f"/media/avatars/{id}/1.jpg", self.text(6), 0, 0, 0,
                                      (id >> 17) * 10 + EPOCH_MS, 1, 0, "everyone", 1) for i, id in enumerate(self.users) if i != 1))

    def fill_videos(self):
        self.insert("video_assets", [(ASSET, 1, "0" * 64, f"sources/{ASSET}", 2_000_000, 100, "", 0, 15_000, 720, 1280, 30_000, 1_066_666,
                                      "mov,mp4,m4a,3gp,3g2,mj2", "h264", "yuv420p", "aac", "720.mp4", 1_900_000, 1, "poster.jpg", "sprite.jpg", "master.m3u8")])
        self.insert("video_renditions", [(ASSET, "720", 720, 1280, 1_000_000, 1_900_000, 1, "720.mp4", "720.m3u8")])
        listed = [(self.random.sample(TAGS, 2)) for _ in range(self.options.videos)]
        self.insert("video_videos", ((id, self.author[i], f"{self.text(5)} {i}", self.text(12), "\n".join(listed[i]), 0, 5, 1, self.video_ms[i],
                                      self.video_ms[i], 1, 1, ASSET, "") for i, id in enumerate(self.videos)))
        # The hot list's scale: log2 of the views, each half as heavy after every half-life (services/video/service_views.cc).
        views = self.shares(30 * self.options.videos, 1 << 40)
        self.insert("video_stats", ((id, views[i], views[i], self.heat(self.video_ms[i], views[i] + 1), 0) for i, id in enumerate(self.videos)))
        self.insert("video_tags", ((tag, id, self.video_ms[i]) for i, id in enumerate(self.videos) for tag in sorted(listed[i])))
        self.db.execute("INSERT INTO video_tag_counts SELECT tag, tag, count(*) FROM video_tags GROUP BY tag")
        self.db.execute("INSERT INTO video_authors SELECT author_id, count(*), count(*) FROM video_videos GROUP BY author_id")
        self.db.execute("INSERT INTO video_authors SELECT 0, count(*), count(*) FROM video_videos")

    @staticmethod
    def heat(ms, views):
        return round((ms / (24 * 3600 * 1000) + math.log2(views)) * 1e6)

    def fill_follows(self):
        """Everyone follows the neighbours on both sides, who are friends, and some further away."""
        users = self.users
        count, each = len(users), min(self.options.follows, len(users) - 1)
        offsets = [1, count - 1] + self.random.sample(range(2, count - 1), max(0, each - 2))
        mutual = {offset for offset in offsets if count - offset in offsets}

        def rows():
            for i, id in enumerate(users):
                for kind, some in ((1, offsets), (5, mutual)):
                    for k, offset in enumerate(some):
                        yield id, kind, users[(i + offset) % count], self.now - DAY_MS - 1000 * k

        self.insert("social_edges", rows())
        self.insert("social_counts", ((id, len(offsets), len(offsets), len(mutual), 0, 0, 0) for id in users))

    def fill_likes(self):
        users, count = self.users, len(self.users)
        likes = self.shares(self.options.likes, count)
        # A step without a common divisor visits everyone once.
        step = next(s for s in range(int(count * 0.618), 2 * count + 2) if math.gcd(s, count) == 1)
        self.insert("interaction_edges", ((id, 1, users[(i * 31 + k * step) % count], self.video_ms[i] + k % 1000)
                                          for i, id in enumerate(self.videos) for k in range(likes[i])))

    def fill_comments(self):
        """The newest video has ten pages, so that there is a page to measure; every fifth comment answers the first one of its video."""
        shares = self.shares(self.options.comments, 5000)
        shares[-1] = max(shares[-1], 200)
        self.options.comments = sum(shares)
        users, count = self.users, len(self.users)
        times = (self.video_ms[i] + k for i in range(self.options.videos) for k in range(shares[i]))
        ids = iter(self.ids([t + 1 for t in times]))

        def rows():
            for i, video in enumerate(self.videos):
                below = (shares[i] - 1) // 5 if shares[i] else 0
                first = None
                for k in range(shares[i]):
                    id, ms = next(ids), self.video_ms[i] + k
                    first = first or id
                    root = first if k % 5 == 0 and k else 0
                    replies = below if k == 0 else 0
                    hot = 0 if root else round((ms / (12.0 * 3600 * 1000) + math.log2(1 + 2 * replies)) * 1e6)
                    yield id, video, users[(i * 17 + k * 101) % count], root, root, self.text(8), ms, 0, replies, hot, 0

        self.insert("interaction_comments", rows())

    def count(self):
        """From the rows themselves, so that no counter is off."""
        likes = dict(self.db.execute("SELECT object_id, count(*) FROM interaction_edges WHERE kind = 1 GROUP BY object_id"))
        comments = dict(self.db.execute("SELECT video_id, count(*) FROM interaction_comments GROUP BY video_id"))
        people = collections.defaultdict(lambda: [0, 0])
        rows = []
        for video, author in zip(self.videos, self.author):
            a, b = likes.get(video, 0), comments.get(video, 0)
            if not a and not b:
                continue
            rows.append((video, author, a, b, 0, 0, 0, 1))
            people[author][0] += a
            people[author][1] += b
        self.insert("interaction_videos", rows)
        self.insert("interaction_people", ((id, a, b, 0, 1) for id, (a, b) in sorted(people.items())))

    def check(self):
        def one(sql):
            return self.db.execute(sql).fetchone()[0]
        pairs = [
            ("SELECT sum(likes) FROM interaction_videos", "SELECT count(*) FROM interaction_edges WHERE kind = 1"),
            ("SELECT sum(likes) FROM interaction_people", "SELECT count(*) FROM interaction_edges WHERE kind = 1"),
            ("SELECT sum(comments) FROM interaction_videos", "SELECT count(*) FROM interaction_comments WHERE deleted = 0"),
            ("SELECT sum(replies) FROM interaction_comments", "SELECT count(*) FROM interaction_comments WHERE root_id <> 0"),
            ("SELECT sum(following) FROM social_counts", "SELECT count(*) FROM social_edges WHERE kind = 1"),
            ("SELECT sum(followers) FROM social_counts", "SELECT count(*) FROM social_edges WHERE kind = 1"),
            ("SELECT sum(friends) FROM social_counts", "SELECT count(*) FROM social_edges WHERE kind = 5"),
            ("SELECT count(*) FROM social_edges WHERE kind = 5",
             "SELECT count(*) FROM social_edges a JOIN social_edges b ON b.user_id = a.target_id AND b.kind = 1 AND b.target_id = a.user_id WHERE a.kind = 1"),
            ("SELECT sum(listed) / 2 FROM video_authors", "SELECT count(*) FROM video_videos WHERE listed = 1"),
            ("SELECT sum(videos) FROM video_tag_counts", "SELECT count(*) FROM video_tags"),
        ]
        for counter, edges in pairs:
            if one(counter) != one(edges):
                sys.exit(f"{one(counter)} by [{counter}] but {one(edges)} by [{edges}]")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", help="a new data folder")
    parser.add_argument("--videos", type=int, default=10_000)
    parser.add_argument("--users", type=int, help="default: a tenth of the videos, at least 1000")
    parser.add_argument("--likes", type=int, help="default: ten a video")
    parser.add_argument("--comments", type=int, help="default: two a video")
    parser.add_argument("--follows", type=int, default=20, help="of each user")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--binary", default=os.path.join(ROOT, "build/release/app/shortvideo"))
    options = parser.parse_args()
    options.users = options.users or max(1000, options.videos // 10)
    options.likes = 10 * options.videos if options.likes is None else options.likes
    options.comments = 2 * options.videos if options.comments is None else options.comments
    if options.videos < 1 or options.users < 100 or options.likes > options.videos * options.users:
        sys.exit("at least 1 video and 100 users, and no more likes than users × videos")

    if os.path.exists(os.path.join(options.folder, "shortvideo.db")):
        sys.exit(f"{options.folder} has a database already: give a new folder")

    start = time.monotonic()
    migrate(options)
    lock = open(os.path.join(options.folder, "lock"), "r+b")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        sys.exit(f"{options.folder} is in use by a server")
    db = sqlite3.connect(os.path.join(options.folder, "shortvideo.db"), isolation_level=None)
    check_schema(db)
    # Nothing here has to survive a power cut: a fill that broke off is begun again.
    for pragma in ("journal_mode=OFF", "synchronous=OFF", "cache_size=-500000", "temp_store=MEMORY", "locking_mode=EXCLUSIVE"):
        db.execute(f"PRAGMA {pragma}").fetchall()
    # An index is made faster of all rows at once than row by row.
    indexes = [row for row in db.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL")
               if row[1].split(" ON ")[1].split()[0] in FILLED]
    for name, _ in indexes:
        db.execute(f"DROP INDEX {name}")
    filler = Filler(db, options)
    steps = {}
    for step in (filler.fill_users, filler.fill_videos, filler.fill_follows, filler.fill_likes, filler.fill_comments, filler.count):
        began = time.monotonic()
        db.execute("BEGIN")
        step()
        db.execute("COMMIT")
        steps[step.__name__.removeprefix("fill_")] = round(time.monotonic() - began, 1)
    began = time.monotonic()
    for _, sql in indexes:
        db.execute(sql)
    steps["indexes"] = round(time.monotonic() - began, 1)
    filler.check()
    db.execute("PRAGMA locking_mode=NORMAL").fetchall()
    db.execute("PRAGMA journal_mode=WAL").fetchall()
    db.close()
    size = os.path.getsize(os.path.join(options.folder, "shortvideo.db"))
    print(f"{options.folder}: {options.videos} videos, {options.users} users, {options.likes} likes, {options.comments} comments, "
          f"{options.follows * options.users} follows, {size / 1e6:.0f} MB in {time.monotonic() - start:.0f} s {json.dumps(steps)}")


if __name__ == "__main__":
    main()
