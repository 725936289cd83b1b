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
import socket
import statistics
import subprocess
import tempfile
import time
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


def wait_for_jobs(pid):
    """The demo's films take all cores until their last rendition."""
    quiet, end = 0, time.monotonic() + 300
    while quiet < 10 and time.monotonic() < end:
        quiet = 0 if pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().strip() else quiet + 1
        time.sleep(0.3)


PEOPLE = 64


def likes(folder, port, url, pids, options):
    """Likes of many people over HTTP, RPC, PostgreSQL and Redis: a second, and what one costs our processes."""
    people = [json.loads(call(url + "/api/user/register", username=f"bench_{n}", password="a fine password 1"))["data"]["token"] for n in range(PEOPLE)]
    videos = [v["id"] for v in json.loads(call(url + "/api/video/feed?page_size=50"))["data"]["videos"]]
    for name, lines in (("tokens", people), ("videos", videos)):
        pathlib.Path(folder, name).write_text("\n".join(map(str, lines)) + "\n")
    begin, rates, costs = 0, [], []
    for _ in range(options.rounds):
        before = sum(cpu_seconds(pid) for pid in pids)
        out = subprocess.run(["wrk", "-t1", "-c256", f"-d{options.seconds}s", "--latency", "-s", ROOT / "bench/http_writes.lua", f"http://127.0.0.1:{port}", "--",
                              pathlib.Path(folder, "tokens"), pathlib.Path(folder, "videos"), "like", str(begin)], capture_output=True, text=True, check=True).stdout
        assert "Non-2xx" not in out, out
        requests = int(re.search(r"(\d+) requests in", out)[1])
        begin += requests + 256
        rates.append(float(re.search(r"Requests/sec:\s+([\d.]+)", out)[1]))
        costs.append((sum(cpu_seconds(pid) for pid in pids) - before) * 1e6 / requests)
    print(f"likes of {PEOPLE} people on {len(videos)} videos, 256 connections: {statistics.median(rates):.0f} a second (target ≥ 10,000), "
          f"{statistics.median(costs):.0f} µs of CPU of our processes each; both cores are everybody's")


def upload(url, token, gib=0.5):
    """Bytes a second into the object store by one form, with SHA-256. What comes is no video, and refused once it is there."""
    size = int(gib * 2**30)
    edge = b"--edge-of-a-bench"
    head = edge + b'\r\nContent-Disposition: form-data; name="title"\r\n\r\nnone\r\n' + edge + b'\r\nContent-Disposition: form-data; name="video"; filename="a.mp4"\r\n\r\n'
    tail = b"\r\n" + edge + b"--\r\n"
    host, port = url.split("//")[1].split(":")
    piece = os.urandom(1 << 20)
    began = time.monotonic()
    with socket.create_connection((host, int(port)), timeout=300) as s:
        s.sendall(f"POST /api/auth/video/upload HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {token}\r\nContent-Length: {len(head) + size + len(tail)}\r\n"
                  "Content-Type: multipart/form-data; boundary=edge-of-a-bench\r\n\r\n".encode() + head)
        for _ in range(size >> 20):
            s.sendall(piece)
        s.sendall(tail)
        answer = s.recv(65536)
    assert b" 415 " in answer.split(b"\r\n")[0], answer[:300]
    return size / (time.monotonic() - began) / 1e9


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--with", dest="engines", default="postgres,etcd,redis,kafka,minio", help="the engines (docs/engines.md)")
    options = parser.parse_args()
    subprocess.run(["ninja", "-C", ROOT / "build/release", "shortvideo", "epoll_loop"], check=True, stdout=subprocess.DEVNULL)
    print(machine())
    with tempfile.TemporaryDirectory(prefix="shortvideo-bench-") as folder:
        os.chmod(folder, 0o755)
        data = pathlib.Path(folder, "data")
        offset = 4000
        where = ("--data", str(data), "--port-offset", str(offset))
        try:
            told = cluster("up", *where, "--with", options.engines, "--set", "limits.enabled=false")  # the demo: 12 videos
            print(re.search(r"\d+ processes are ready after [\d.]+ s", told)[0])
            rows = [r for r in json.loads(cluster("status", "--data", str(data), "--json")) if r["metrics"]]
            pids = [r["pid"] for r in rows]
            resident = sum(int(first_line(f"/proc/{pid}/status", "VmRSS").split()[0]) for pid in pids) / 1024
            print(f"{len(rows)} processes hold {resident:.0f} MiB together after the demo (target ≤ 250)")
            wait_for_jobs(next(r["pid"] for r in rows if r["service"] == "transcode"))
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
            likes(folder, port, url, pids, options)
            rates = sorted(upload(url, token) for _ in range(options.rounds))
            print(f"upload of 0.5 GiB with SHA-256 into the object store: {statistics.median(rates):.2f} GB/s")
            checked = subprocess.run([ROOT / "build/release/app/shortvideo", "fsck", "--config", data / "cluster.yaml", "--data", data / "data"],
                                     capture_output=True, text=True, check=False)
            print("fsck:", (checked.stdout + checked.stderr).strip().splitlines()[-1])
        finally:
            cluster("down", "--data", str(data))


if __name__ == "__main__":
    main()
