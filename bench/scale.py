#!/usr/bin/python3
"""What cold pages cost, and whether reads get slower when the tables grow a hundredfold. See README.md."""
import array
import base64
import collections
import itertools
import os
import random
import shutil
import sqlite3
import statistics
import struct
import subprocess
import sys

from harness import BENCH, arguments, fill, machine, paced, prepare, serving, workplace, write_json

COLD_AT = 100_000
PER_START = 200  # cold pages after each start of the server: later ones would find most authors in memory


class Listing:
    """The newest-first list of a filled folder, read past the server."""

    def __init__(self, folder):
        db = sqlite3.connect(f"file:{os.path.join(folder, 'shortvideo.db')}?mode=ro", uri=True)
        self.times, self.ids, self.authors = array.array("q"), array.array("q"), array.array("q")
        for row in db.execute("SELECT publish_time, id, author_id FROM video_videos WHERE listed = 1 ORDER BY publish_time DESC, id DESC"):
            for column, value in zip((self.times, self.ids, self.authors), row):
                column.append(value)
        db.close()

    def __len__(self):
        return len(self.ids)

    def page_after(self, i):
        """The 20 videos that follow number i: the cursor is that of platform/core/cursor.cc."""
        head = struct.pack(">Bqq", 1, self.times[i], self.ids[i])
        check = 2166136261
        for byte in b"feed" + head:
            check = (check ^ byte) * 16777619 & 0xFFFFFFFF
        cursor = base64.urlsafe_b64encode(head + struct.pack(">I", check)).decode()
        return f"/api/video/feed?page_size=20&cursor={cursor}"

    def path(self, route, i):
        if route == "feed":
            return self.page_after(min(i, len(self) - 21))
        if route == "detail":
            return f"/api/video/detail?id={self.ids[i]}"
        if route == "comments":
            return f"/api/interaction/comments?video_id={self.ids[i]}&page_size=20"
        return f"/api/user/detail?user_id={self.authors[i]}"

    def draw(self, mix, count, seed):
        """Numbers in the list: `even` over all of it, or `popular`, by Zipf's law from the newest on."""
        rng = random.Random(seed)
        if mix == "even":
            return [rng.randrange(len(self)) for _ in range(count)]
        weights = itertools.accumulate(1 / (r + 10) for r in range(len(self)))
        return rng.choices(range(len(self)), cum_weights=list(weights), k=count)


def write_paths(scratch, paths):
    file = os.path.join(scratch, "paths")
    with open(file, "w") as f:
        f.write("\n".join(paths) + "\n")
    return file


def forget_pages(folder):
    """Takes the files out of the kernel's page cache."""
    for name in os.listdir(folder):
        path = os.path.join(folder, name)
        if not os.path.isfile(path):
            continue
        with open(path, "rb") as f:
            os.fsync(f.fileno())
            os.posix_fadvise(f.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def cold_pages(programs, folder, options, scratch, log):
    listing = Listing(folder)
    # Beyond the head that is kept in memory, no two pages share a video.
    places = list(range(1000, len(listing) - 21, 20))
    random.Random(1).shuffle(places)
    out = {}
    settings, ways = [], [("file in the page cache", False), ("file read from disk", True)]
    if options.database:
        settings, ways = [f"database={options.database}"], [("PostgreSQL", False)]
    for name, forget in ways:
        runs, statements, errors = [], collections.Counter(), 0
        for start in range(options.starts):
            mine = places[start * PER_START:(start + 1) * PER_START]
            if forget:
                forget_pages(folder)
            with serving(programs["shortvideo"], folder, options.server_core, log, *settings) as server:
                for place in mine[:20]:
                    before = server.reads()
                    server.raw(listing.page_after(place))
                    statements[int(server.reads() - before)] += 1
                file = write_paths(scratch, [listing.page_after(p) for p in mine[20:]])
                runs.append(paced(programs["paced"], options.client_core, server.port, file))
            errors += runs[-1]["errors"]
        figures = {"pages": sum(r["requests"] for r in runs), "statements": dict(sorted(statements.items())), "errors": errors}
        figures |= {p: statistics.median(r[p] for r in runs) for p in ("p50", "p95", "p99")} | {"max": max(r["max"] for r in runs)}
        out[name] = figures
        print(f"{name:24} p50 {figures['p50']:.2f}  p95 {figures['p95']:.2f}  p99 {figures['p99']:.2f}  max {figures['max']:.2f} ms, {figures['errors']} errors; "
              f"statements a page: {', '.join(f'{n} ({c} ×)' for n, c in figures['statements'].items())}")
    return out


def to_postgres(binary, folder, database):
    done = subprocess.run(["psql", database, "-tAc", "SELECT to_regclass('video_videos')"], capture_output=True, text=True, check=True)
    if not done.stdout.strip():
        subprocess.run([sys.executable, os.path.join(BENCH, "to_postgres.py"), folder, database, "--binary", binary], check=True)


def growth(programs, folders, options, scratch, log):
    listings = {size: Listing(folder) for size, folder in folders.items()}
    routes = ["feed", "detail", "comments", "profile"]
    print(f"\n{'route':10}{'mix':9}" + "".join(f"{f'p50 at {s}':>16}{f'p99 at {s}':>16}" for s in folders) + f"{'p99 ratio':>11}{'p99 + ms':>10}{'errors':>8}{'client':>8}")
    out = {}
    sizes = list(folders)
    with serving(programs["shortvideo"], folders[sizes[0]], options.server_core, log) as small, \
         serving(programs["shortvideo"], folders[sizes[1]], options.server_core, log) as large:
        servers = dict(zip(sizes, (small, large)))
        if not small.has(listings[sizes[0]].path("comments", 0)):
            print("this build has no comments: left out")
            routes.remove("comments")
        for mix in options.mix.split(","):
            for route in routes:
                runs = {size: [] for size in sizes}
                for turn in range(options.rounds + 1):
                    for size, server in servers.items():
                        seconds = options.seconds if turn else min(2, options.seconds)  # the first one warms up
                        places = listings[size].draw(mix, int(options.rate * seconds), f"{mix}{route}{turn}")
                        file = write_paths(scratch, [listings[size].path(route, p) for p in places])
                        run = paced(programs["paced"], options.client_core, server.port, file, rate=options.rate, seconds=seconds, connections=options.connections)
                        if turn:
                            runs[size].append(run)
                middle = {s: {k: statistics.median(r[k] for r in rs) for k in rs[0]} for s, rs in runs.items()}
                errors = sum(r["errors"] for rs in runs.values() for r in rs)
                a, b = (middle[s]["p99"] for s in sizes)
                client = max(r["client_busy"] for rs in runs.values() for r in rs)
                print(f"{route:10}{mix:9}" + "".join(f"{middle[s]['p50']:16.3f}{middle[s]['p99']:16.3f}" for s in sizes) + f"{b / a:11.2f}{b - a:10.2f}{errors:8}{client:8.0%}",
                      flush=True)
                out[f"{route}, {mix}"] = {**middle, "ratio": b / a, "difference": b - a, "errors": errors}
    return out


def main():
    parser = arguments(__doc__)
    parser.add_argument("--folder", default="/tmp/shortvideo-scale", help="where fill.py makes the data that is not there yet (5 GB), and which is kept")
    parser.add_argument("--sizes", default="10000,1000000", help="videos of the two folders of the comparison")
    parser.add_argument("--rate", type=int, default=1000, help="requests a second of the comparison")
    parser.add_argument("--mix", default="popular,even", help="popular: Zipf, newest first; even: all alike")
    parser.add_argument("--starts", type=int, default=5, help=f"of the server for cold pages, each reads {PER_START}")
    parser.add_argument("--only", choices=("cold", "growth"))
    parser.add_argument("--database", help="cold pages of this PostgreSQL database, empty or as to_postgres.py left it, instead of the files")
    options = parser.parse_args()
    programs = prepare(options, ("paced",))
    sizes = [int(s) for s in options.sizes.split(",")]
    wanted = ([COLD_AT] if options.only != "growth" else []) + (sizes if options.only != "cold" else [])
    folders = {size: os.path.join(options.folder, f"{size}-videos") for size in wanted}
    for size, folder in folders.items():
        if not os.path.exists(folder):
            # Only whole folders bear the name; what an earlier run broke off goes.
            shutil.rmtree(folder + ".part", ignore_errors=True)
            fill(programs["shortvideo"], folder + ".part", "--videos", size)
            os.rename(folder + ".part", folder)
    figures = {}
    print(f"machine   {machine()}; server on core {options.server_core}, client on core {options.client_core}")
    with workplace() as (scratch, log):
        if options.only != "growth":
            print(f"\ncold feed pages of 20 of {COLD_AT} videos, one after the other, {options.starts} starts × {PER_START} pages that nobody read before")
            if options.database:
                to_postgres(programs["shortvideo"], folders[COLD_AT], options.database)
            figures["cold"] = cold_pages(programs, folders[COLD_AT], options, scratch, log)
        if options.only != "cold":
            print(f"\n{options.rate} requests/s, {options.connections} connections, {options.seconds} s, median of {options.rounds} rounds, alternating; ten likes and two comments a video")
            figures["growth"] = growth(programs, {s: folders[s] for s in sizes}, options, scratch, log)
    write_json(options, figures)
    return 1 if any(f["errors"] for part in figures.values() for f in part.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
