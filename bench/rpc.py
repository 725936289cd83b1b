#!/usr/bin/python3
"""CPU a call of our RPC server and of a Kitex server that answers the same, for one Kitex client, in turns in one run. Needs Go 1.24; see README.md.

usage: bench/rpc.py [--seconds 5] [--rounds 3] [--callers 64]
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "bench"))
sys.path.insert(0, str(ROOT / "tests/interop"))
import gobuild  # noqa: E402
from harness import free_port, machine  # noqa: E402

TARGETS = {"verify": 8, "feed": 10}


def cpu(pid):
    """Seconds, of all its threads."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def pinned(core, *command, **kwargs):
    return subprocess.Popen(["taskset", "-c", str(core), *map(str, command)], **kwargs)


def load(program, method, port, options):
    done = subprocess.run(["taskset", "-c", "1", program, "load", "-target", f"127.0.0.1:{port}", "-method", method, "-seconds", str(options.seconds),
                           "-callers", str(options.callers)], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--callers", type=int, default=64)
    options = parser.parse_args()
    ours = ROOT / "build/release/bench/rpc_echo"
    subprocess.run(["ninja", "-C", ROOT / "build/release", "rpc_echo"], check=True, stdout=subprocess.DEVNULL)
    program = gobuild.build()
    print(machine())
    ports = {(who, method): free_port() for who in ("ours", "kitex") for method in TARGETS}
    env = {**os.environ, "GOMAXPROCS": "1"}  # it has one core
    servers = [pinned(0, ours, ports["ours", "verify"], ports["ours", "feed"])]
    pids = {("ours", method): servers[0].pid for method in TARGETS}
    for method in TARGETS:
        servers.append(pinned(0, program, "echo", "-listen", f"127.0.0.1:{ports['kitex', method]}", "-method", method, env=env, stderr=subprocess.DEVNULL))
        pids["kitex", method] = servers[-1].pid
    try:
        time.sleep(2)
        for method, target in TARGETS.items():
            cost = {"ours": [], "kitex": []}
            rate = {"ours": [], "kitex": []}
            for _ in range(options.rounds):
                for who in cost:
                    before = cpu(pids[who, method])
                    told = load(program, method, ports[who, method], options)
                    assert told["failed"] == 0, told
                    cost[who].append((cpu(pids[who, method]) - before) * 1e6 / told["calls"])
                    rate[who].append(told["calls"] / options.seconds)
            mine, theirs = statistics.median(cost["ours"]), statistics.median(cost["kitex"])
            print(f"{method:<7} ours {mine:5.1f} µs of CPU a call at {statistics.median(rate['ours']):6.0f}/s, Kitex {theirs:5.1f} µs at "
                  f"{statistics.median(rate['kitex']):6.0f}/s: {theirs / mine:.2f}×   (target ≤ {target} µs)")
    finally:
        for server in servers:
            server.kill()
    done = subprocess.run(["taskset", "-c", "0", ours, "--in-process"], capture_output=True, text=True, check=True)
    print(f"in one process {json.loads(done.stdout)['ns_a_call']} ns a call (target ≤ 200 ns over a plain one)")


if __name__ == "__main__":
    main()
