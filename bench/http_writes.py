#!/usr/bin/python3
"""Likes and comments of many people over HTTP, and guests' feed meanwhile, as shipped; afterwards fsck counts every row again. See README.md."""
import os
import re
import statistics
import subprocess
import sys

from harness import BENCH, FILLED_PASSWORD, MS, arguments, cpu_seconds, fill, machine, prepare, serving, workplace, wrk, write_json


def tokens(server, count):
    return [server.post("/api/user/login", username=f"user{i}", password=FILLED_PASSWORD)["token"] for i in range(1, count + 1)]


def videos(server, count):
    out, cursor = [], ""
    while len(out) < count:
        page = server.get(f"/api/video/feed?page_size=100{cursor}")
        out += [v["id"] for v in page["videos"]]
        if not page["next_cursor"]:
            break
        cursor = "&cursor=" + page["next_cursor"]
    return out[:count]


def command(server, scratch, what, begin, connections, seconds, options, pause=0):
    return ["taskset", "-c", options.client_core, "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-s", os.path.join(BENCH, "http_writes.lua"),
            f"http://127.0.0.1:{server.port}", "--", os.path.join(scratch, "tokens"), os.path.join(scratch, "videos"), what, str(begin), str(pause)]


def run(server, scratch, what, begin, options):
    before = cpu_seconds(server.pid)
    out = subprocess.run(command(server, scratch, what, begin, options.connections, options.seconds, options), capture_output=True, text=True, check=True).stdout
    used = cpu_seconds(server.pid) - before
    requests = int(re.search(r"(\d+) requests in", out)[1])
    latency = {p: float(v) * MS[u] for p, v, u in re.findall(r"^\s+(\d+)%\s+([\d.]+)(us|ms|s)$", out, re.M)}
    bad = sum(int(n) for n in re.findall(r"(?:connect|read|write|timeout) (\d+)", out))
    bad += sum(int(n) for n in re.findall(r"Non-2xx or 3xx responses: (\d+)", out))
    return {"rate": float(re.search(r"Requests/sec:\s+([\d.]+)", out)[1]), "p50": latency["50"], "p99": latency["99"], "cpu_us": used / max(requests, 1) * 1e6,
            "busy": used / options.seconds, "errors": bad, "requests": requests}


FEED = "/api/video/feed?page_size=20"


def feed_under_likes(server, scratch, begin, options):
    """Guests' feed without writes, and while 100 and 1,000 likes a second fall on its videos."""
    options.connections, out = 64, {}
    with open(os.path.join(scratch, "videos"), "w") as f:
        f.write("\n".join(map(str, videos(server, 20))) + "\n")
    for likes in (0, 100, 1000):
        writer = None
        if likes:
            connections = min(likes // 10, 50)
            writer = subprocess.Popen(command(server, scratch, "like", begin, connections, options.seconds * options.rounds + 2, options,
                                              pause=1000 * connections // likes), stdout=subprocess.DEVNULL)
        runs = [wrk(server.pid, server.port, FEED, options) for _ in range(options.rounds)]
        if writer:
            writer.terminate()
            writer.wait()
        out[likes] = {k: statistics.median(r[k] for r in runs) for k in runs[0]} | {"errors": sum(r["errors"] for r in runs)}
        m = out[likes]
        print(f"feed, {likes} likes/s: {m['rate']:.0f} req/s, {m['rate'] / out[0]['rate']:.0%} of the rate without, p99 {m['p99']:.2f} ms, {m['errors']} errors")
    return out


def main():
    parser = arguments(__doc__)
    parser.set_defaults(connections=512)
    parser.add_argument("--people", type=int, default=128)
    parser.add_argument("--database", help="this PostgreSQL database, as to_postgres.py left it for --data")
    parser.add_argument("--data", help="a folder of fill.py (default: one is made)")
    options = parser.parse_args()
    programs = prepare(options, (), ("wrk", "taskset"))
    settings = [f"database={options.database}"] if options.database else []
    figures = {}
    with workplace() as (scratch, log):
        data = options.data
        if not data:
            data = os.path.join(scratch, "data")
            fill(programs["shortvideo"], data, "--videos", 4000, "--likes", 0)
        with serving(programs["shortvideo"], data, options.server_core, log, *settings) as server:
            for name, lines in (("tokens", tokens(server, options.people)), ("videos", videos(server, 4000))):
                with open(os.path.join(scratch, name), "w") as f:
                    f.write("\n".join(map(str, lines)) + "\n")
            print(f"machine   {machine()}")
            print(f"load      wrk, {options.connections} connections, {options.people} people, {options.seconds} s, {options.rounds} rounds; server on core "
                  f"{options.server_core}, wrk on core {options.client_core}\n")
            print(f"{'':10}{'req/s':>9}{'p50 ms':>9}{'p99 ms':>9}{'CPU µs':>9}{'busy':>6}{'errors':>8}")
            for what in ("like", "comment"):
                runs, begin = [], 0
                for _ in range(options.rounds):
                    runs.append(run(server, scratch, what, begin, options))
                    begin += runs[-1]["requests"] + options.connections
                m = {k: statistics.median(r[k] for r in runs) for k in runs[0]} | {"errors": sum(r["errors"] for r in runs)}
                figures[what] = m
                print(f"{what:10}{m['rate']:9.0f}{m['p50']:9.2f}{m['p99']:9.2f}{m['cpu_us']:9.1f}{m['busy']:6.0%}{m['errors']:8}")
            print()
            under = feed_under_likes(server, scratch, 0, options)
        checking = [programs["shortvideo"], "fsck", "--data", data, *(word for s in settings for word in ("--set", s))]
        checked = subprocess.run(checking, capture_output=True, text=True, check=False)
        print(f"\nfsck: {(checked.stdout + checked.stderr).strip().splitlines()[-1]}")
    write_json(options, {"writes": figures, "feed_under_likes": under})
    return 1 if checked.returncode or any(m["errors"] for m in [*figures.values(), *under.values()]) else 0


if __name__ == "__main__":
    sys.exit(main())
