#!/usr/bin/python3
"""A cluster of one process each on this machine (script/cluster): how soon it is ready, what it holds in memory, and what a feed page of 20 with a
token costs all of its processes together, beside a bare epoll loop that sends the same bytes, in turns. See README.md.

usage: bench/cluster.py [--seconds 5] [--rounds 3]
"""
import argparse
import json
import os
import pathlib
import re
import statistics
import subprocess
import tempfile
import urllib.request

from harness import cpu_seconds, first_line, free_port, machine, running, wait_until_it_answers

ROOT = pathlib.Path(__file__).resolve().parent.parent
FEED = "/api/video/feed?page_size=20"


def cluster(*arguments):
    env = {**os.environ, "SV_BINARY": str(ROOT / "build/release/app/shortvideo")}
    return subprocess.run([ROOT / "script/cluster", *arguments], env=env, capture_output=True, text=True, check=True).stdout


def call(url, token=None, **body):
    request = urllib.request.Request(url, json.dumps(body).encode() if body else None, {"Content-Type": "application/json"})
    if token:
        request.add_header("Authorization", "Bearer " + token)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return answer.read()


def cost_of(pids, port, token, seconds):
    """µs of CPU a request, of each process, while wrk reads the feed as fast as it can. Both cores are everybody's here."""
    before = [cpu_seconds(pid) for pid in pids]
    out = subprocess.run(["wrk", "-t1", "-c64", f"-d{seconds}s", "-H", f"Authorization: Bearer {token}", f"http://127.0.0.1:{port}{FEED}"],
                         capture_output=True, text=True, check=True).stdout
    assert "Non-2xx" not in out, out
    requests = int(re.search(r"(\d+) requests in", out)[1])
    return [(cpu_seconds(pid) - b) * 1e6 / requests for pid, b in zip(pids, before)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    subprocess.run(["ninja", "-C", ROOT / "build/release", "shortvideo", "epoll_loop"], check=True, stdout=subprocess.DEVNULL)
    print(machine())
    with tempfile.TemporaryDirectory(prefix="shortvideo-bench-") as folder:
        os.chmod(folder, 0o755)
        data = pathlib.Path(folder, "data")
        offset = 4000
        where = ("--data", str(data), "--port-offset", str(offset))
        try:
            told = cluster("up", *where, "--set", "limits.enabled=false")  # the demo: 12 videos
            print(re.search(r"\d+ processes are ready after [\d.]+ s", told)[0])
            rows = [r for r in json.loads(cluster("status", "--data", str(data), "--json")) if r["metrics"]]
            pids = [r["pid"] for r in rows]
            resident = sum(int(first_line(f"/proc/{pid}/status", "VmRSS").split()[0]) for pid in pids) / 1024
            print(f"{len(rows)} processes hold {resident:.0f} MiB together after the demo (target ≤ 250)")
            port = 8080 + offset
            url = f"http://127.0.0.1:{port}"
            token = json.loads(call(url + "/api/user/register", username="bench_reader", password="a fine password 1"))["data"]["token"]
            answer = subprocess.run(["curl", "-si", "-H", f"Authorization: Bearer {token}", url + FEED], capture_output=True, check=True).stdout
            file = pathlib.Path(folder, "answer")
            file.write_bytes(answer)
            loop_port = free_port()
            with open(os.devnull, "w", encoding="utf-8") as log, running([str(ROOT / "build/release/bench/epoll_loop"), str(loop_port), str(file)], log) as loop:
                wait_until_it_answers(loop_port, loop, FEED)
                ours, bare = [], []
                for _ in range(options.rounds):
                    shares = dict(zip([r["service"] for r in rows], cost_of(pids, port, token, options.seconds)))
                    ours.append(sum(shares.values()))
                    bare += cost_of([loop.pid], loop_port, token, options.seconds)
                mine, loops = statistics.median(ours), statistics.median(bare)
                parts = ", ".join(f"{service} {us:.0f}" for service, us in sorted(shares.items(), key=lambda s: -s[1]) if us >= 1)
                print(f"feed of {len(json.loads(answer.split(bytes.fromhex('0d0a0d0a'), 1)[1])['data']['videos'])} with a token, {len(answer)} bytes: {mine:.1f} µs of CPU of all processes ({parts}); "
                      f"the bare loop {loops:.1f} µs: {loops / mine:.0%} (target ≥ 25 %)")
        finally:
            cluster("down", "--data", str(data))


if __name__ == "__main__":
    main()
