"""Kitex on one side of the wire, we on the other (docs/wire.md)."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import time

import pytest
import requests

import databases
from harness import ROOT

pytestmark = pytest.mark.skipif("SV_TEST_ETCD" not in os.environ, reason="needs PostgreSQL, etcd and Redis")
OURS = ("user", "video", "social", "interaction", "message")


def arguments(cluster):
    return ["-etcd", os.environ["SV_TEST_ETCD"].removeprefix("etcd://"), "-prefix", databases.prefix(cluster.data)]


def lines(interop, what, cluster, *options, timeout=120):
    done = subprocess.run([interop, what, *arguments(cluster), *options], capture_output=True, text=True, timeout=timeout, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


@contextlib.contextmanager
def go_users(interop, cluster):
    """A user service of the Go system, found through etcd as ours are."""
    server = subprocess.Popen([interop, "serve", *arguments(cluster)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert server.stdout.readline().startswith("serving")
        yield server
    finally:
        server.send_signal(signal.SIGCONT)
        server.terminate()
        server.wait(30)


def test_kitex_reads_every_struct_and_writes_the_same_bytes(interop):
    seed = os.environ.get("SV_TEST_SEED", str(time.time_ns()))
    print("SV_TEST_SEED=" + seed)
    written = subprocess.run([ROOT / "build/dev/idl/test/idl_dump_structs", seed, "40"], capture_output=True, text=True, check=True).stdout
    told = json.loads(subprocess.run([interop, "structs"], input=written, capture_output=True, text=True, timeout=60, check=True).stdout)
    assert told["other"] == [] and told["unknown"] == [] and told["same"] == len(written.splitlines()) > 40 * 200


def test_a_kitex_client_calls_every_method_in_every_framing(interop, cluster):
    ours = cluster(*OURS)
    methods = None
    for options in ((), ("-framing", "ttheader"), ("-framing", "ttheader-framed"), ("-framing", "framed"), ("-framing", "buffered"),
                    ("-framing", "ttheader", "-mux"), ("-framing", "ttheader", "-meta")):
        called = lines(interop, "call", ours, *options)
        assert [c for c in called if c["error"]] == [], options
        names = {(c["service"], c["method"]) for c in called}
        assert len(names) > 90 and {service for service, _ in names} == set(OURS)
        assert methods in (None, names)
        methods = names
    # A trusted address names who acts; a caller that is nobody gets the service's own refusal, not the transport's.
    assert {c["status"] for c in called if c["method"] == "GetFeed"} == {0}


def test_a_peer_that_is_not_trusted_may_not_say_who_acts(interop, cluster):
    ours = cluster("user", sets=("rpc.trusted_peers=[10.1.2.3]",))
    called = lines(interop, "steady", ours, "-seconds", "1")[0]
    assert called["failed"] == 0 and called["calls"] > 50, "what names nobody is served"


def test_a_kitex_client_loses_no_call_while_an_instance_stops(interop, cluster):
    ours = cluster("user", sets=("rpc.linger=6s",))
    ours.settled("user-2", ours.launch("user-2", "user"), time.monotonic() + 30, ready=False)
    steady = subprocess.Popen([interop, "steady", *arguments(ours), "-seconds", "14"], stdout=subprocess.PIPE, text=True)
    time.sleep(2)
    ours.processes["user-1"].send_signal(signal.SIGTERM)
    assert ours.processes["user-1"].wait(60) == 0
    told = json.loads(steady.communicate(timeout=60)[0].splitlines()[-1])
    assert told["failed"] == 0 and told["calls"] > 1000, told


def test_our_gateway_calls_a_go_service(interop, cluster):
    ours = cluster()
    with go_users(interop, ours):
        for name in ("video", "social", "interaction", "message", "gateway"):
            ours.launch(f"{name}-1", name)
        for name in ("video", "social", "interaction", "message", "gateway"):
            printed = ours.settled(f"{name}-1", ours.data.parent / f"{ours.data.name}.{name}-1.out", time.monotonic() + 60)
        at = printed["listening"]
        found = requests.get(at + "/api/user/detail", params={"user_id": 7}, timeout=20)
        assert found.status_code == 200 and found.json()["data"]["username"] == "go-7"
        assert found.json()["data"]["followCount"] == 3
        # A failure of theirs is a refusal with their text.
        refused = requests.post(at + "/api/user/login", json={"username": "ann", "password": "wrong pass 1"}, timeout=20)
        assert refused.status_code == 400 and refused.json()["message"] == "密码错误"
        # Methods that it does not have: the feature is unused, not closed.
        feed = requests.get(at + "/api/video/feed", timeout=20)
        assert feed.status_code == 200, feed.text
        ready = requests.get(at + "/health/ready", timeout=20)
        assert ready.status_code == 200, ready.text
        # A nil struct is defaults; one that never answers is late, in time.
        assert requests.get(at + "/api/user/check", params={"username": "free"}, timeout=20).json()["data"]["available"] is True
        began = time.monotonic()
        late = requests.get(at + "/api/user/check", params={"username": "sleeper"}, timeout=30)
        assert late.status_code == 504 and time.monotonic() - began < 12
        # Meanwhile, and afterwards, others are answered.
        assert requests.get(at + "/api/user/detail", params={"user_id": 8}, timeout=20).json()["data"]["username"] == "go-8"


def test_ports_that_are_only_looked_at_fill_no_log(cluster):
    ours = cluster("user")
    host, port = ours.printed["user-1"]["user"].rsplit(":", 1)
    for _ in range(50):
        socket.create_connection((host, int(port)), timeout=5).close()
    with socket.create_connection((host, int(port)), timeout=5) as idle:
        time.sleep(1)
        assert requests.get(ours.admin["user-1"] + "/health", timeout=5).status_code == 200
        idle.settimeout(0.2)
        with pytest.raises(TimeoutError):
            idle.recv(1)  # it stays open
    assert ours.stop() == 0
    levels = [json.loads(line)["level"] for line in ours.log.read_text().splitlines()]
    assert len(levels) < 8 and set(levels) == {"info"}, "nobody called, nobody failed"
