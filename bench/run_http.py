#!/usr/bin/python3
"""Cached reads of the real binary against a bare epoll loop that sends the same bytes, alternating in one run. See README.md."""
import argparse
import contextlib
import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_until_it_answers(port, process, path):
    end = time.monotonic() + 30
    while time.monotonic() < end:
        if process.poll() is not None:
            sys.exit(f"the server ended at once with exit code {process.returncode}")
        with contextlib.suppress(OSError):
            urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5).read()
            return
        time.sleep(0.05)
    sys.exit(f"nothing answers on port {port} after 30 s")


def raw_answer(port, path):
    """Head and body exactly as they are on the wire."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as s:
        s.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
        data = b""
        while b"\r\n\r\n" not in data:
            more = s.recv(65536)
            if not more:
                sys.exit(f"{path}: the connection was closed before the answer")
            data += more
        head, body = data.split(b"\r\n\r\n", 1)
        if b" 200 " not in head.split(b"\r\n", 1)[0]:
            sys.exit(f"{path} is answered {head.splitlines()[0].decode()}: {body[:200].decode(errors='replace')}")
        length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
        if not length:
            sys.exit(f"{path}: the answer has no Content-Length")
        while len(body) < int(length[1]):
            body += s.recv(65536)
        return head + b"\r\n\r\n" + body


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


MS = {"us": 0.001, "ms": 1.0, "s": 1000.0}


def wrk(pid, port, path, options):
    before = cpu_seconds(pid)
    out = subprocess.run(
        ["taskset", "-c", options.client_core, "wrk", "-t1", f"-c{options.connections}", f"-d{options.seconds}s", "--latency",
         f"http://127.0.0.1:{port}{path}"], capture_output=True, text=True, check=True).stdout
    used = cpu_seconds(pid) - before
    requests = int(re.search(r"(\d+) requests in", out)[1])
    latency = {p: float(v) * MS[u] for p, v, u in re.findall(r"^\s+(\d+)%\s+([\d.]+)(us|ms|s)$", out, re.M)}
    bad = sum(int(n) for n in re.findall(r"(?:connect|read|write|timeout) (\d+)", out))
    bad += sum(int(n) for n in re.findall(r"Non-2xx or 3xx responses: (\d+)", out))
    return {"rate": float(re.search(r"Requests/sec:\s+([\d.]+)", out)[1]), "p50": latency["50"], "p99": latency["99"],
            "cpu_us": used / max(requests, 1) * 1e6, "busy": used / options.seconds, "errors": bad}


@contextlib.contextmanager
def running(command, output):
    process = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def first_line(path, key):
    with open(path) as f:
        return next((line.split(":", 1)[1].strip() for line in f if line.startswith(key)), "?")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--binary", default=os.path.join(ROOT, "build/release/app/shortvideo"))
    parser.add_argument("--loop", default=os.path.join(ROOT, "build/release/bench/epoll_loop"))
    parser.add_argument("--data", help="a data folder that has videos; no other server may be using it (default: an empty one)")
    parser.add_argument("--seconds", type=int, default=5, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--server-core", default="0")
    parser.add_argument("--client-core", default="1")
    parser.add_argument("--route", action="append", help="measure this path too (repeatable)")
    parser.add_argument("--json", help="also write the figures to this file")
    options = parser.parse_args()
    for tool in ("wrk", "taskset"):
        if not shutil.which(tool):
            sys.exit(f"{tool} is missing: apt-get install wrk util-linux")
    for program in (options.binary, options.loop):
        if not os.access(program, os.X_OK):
            sys.exit(f"{program} is missing: cmake --preset release && cmake --build --preset release --target shortvideo epoll_loop")

    with tempfile.TemporaryDirectory() as scratch, open(os.path.join(scratch, "log"), "w+b") as log:
        port = free_port()
        server = ["taskset", "-c", options.server_core, options.binary, "serve", "--data", options.data or os.path.join(scratch, "data"),
                  "--listen", f"127.0.0.1:{port}", "--set", "limits.enabled=false", "--set", "log.level=warn"]
        with running(server, log) as process:
            wait_until_it_answers(port, process, "/health")
            feed = "/api/video/feed?page_size=20"
            videos = json.loads(raw_answer(port, feed).split(b"\r\n\r\n", 1)[1])["data"]["videos"]
            routes = [("health", "/health"), ("feed", feed)]
            if videos:
                routes.append(("detail", f"/api/video/detail?id={videos[0]['id']}"))
            routes += [(path, path) for path in options.route or []]
            print(f"machine   {first_line('/proc/cpuinfo', 'model name')}, {os.cpu_count()} cores, {first_line('/proc/meminfo', 'MemTotal')}, Linux {os.uname().release}")
            print(f"data      {len(videos)} videos on the first page" + ("" if videos else " (give a folder with videos by --data; detail is skipped)"))
            print(f"load      wrk, {options.connections} connections, keep-alive, {options.seconds} s, {options.rounds} rounds, alternating; "
                  f"server on core {options.server_core}, wrk on core {options.client_core}\n")
            print(f"{'route':10}{'bytes':>8}  {'who':6}{'req/s':>9}{'p50 ms':>9}{'p99 ms':>9}{'CPU µs':>9}{'busy':>6}{'errors':>8}")
            figures = {}
            for name, path in routes:
                answer = raw_answer(port, path)
                file = os.path.join(scratch, "answer")
                with open(file, "wb") as f:
                    f.write(answer)
                loop_port = free_port()
                runs = {"server": [], "loop": []}
                with running(["taskset", "-c", options.server_core, options.loop, str(loop_port), file], log) as loop:
                    wait_until_it_answers(loop_port, loop, "/")
                    for _ in range(options.rounds):
                        runs["server"].append(wrk(process.pid, port, path, options))
                        runs["loop"].append(wrk(loop.pid, loop_port, path, options))
                middle = {who: {k: statistics.median(r[k] for r in rs) for k in rs[0]} for who, rs in runs.items()}
                for who, m in middle.items():
                    m["errors"] = sum(r["errors"] for r in runs[who])
                    print(f"{name:10}{len(answer):8}  {who:6}{m['rate']:9.0f}{m['p50']:9.2f}{m['p99']:9.2f}{m['cpu_us']:9.1f}{m['busy']:6.0%}{m['errors']:8}")
                rate, cpu = middle["server"]["rate"] / middle["loop"]["rate"], middle["loop"]["cpu_us"] / middle["server"]["cpu_us"]
                limit = "" if middle["loop"]["busy"] > 0.9 else "; wrk was the loop's limit, go by CPU"
                print(f"{name:10}ratio: {rate:.0%} of the loop's req/s, {cpu:.0%} by CPU per request{limit}\n")
                figures[name] = {"bytes": len(answer), "ratio": rate, "cpu_ratio": cpu, **middle}
    if options.json:
        with open(options.json, "w") as f:
            json.dump(figures, f, indent=1)
    return 1 if any(f[who]["errors"] for f in figures.values() for who in ("server", "loop")) else 0


if __name__ == "__main__":
    sys.exit(main())
