"""Engines that are killed, and engines that stand still: what was acknowledged is there afterwards, once, and all goes on.

The engines are this suite's own, as durable as they are shipped."""

import os
import pathlib
import signal
import subprocess
import tempfile
import threading
import time

import pytest

import databases
import harness
from world import World, load, statuses

pytestmark = [pytest.mark.many_processes, pytest.mark.skipif("SV_TEST_S3" not in os.environ, reason="needs every engine: script/engines start")]

ENGINES = "postgres redis etcd kafka minio".split()
UNDER_LOAD, BEFORE, STOPPED = 6.0, 1.0, 2.0  # seconds


class Engines:
    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="shortvideo-killed-"))
        self.folder.chmod(0o755)
        self.start()

    def start(self, *names):
        around = {name: value for name, value in os.environ.items() if name != "ENGINES_FAST"}
        subprocess.run([harness.ROOT / "script/engines", "start", self.folder, *(names or ENGINES)], check=True, stdout=subprocess.DEVNULL, timeout=180,
                       env=around)

    def urls(self):
        return dict(line.split("=", 1) for line in (self.folder / "env").read_text().splitlines())

    def pids(self, engine):
        """The server's first process, and those that it started."""
        first = int((self.folder / engine / "pid").read_text().split()[0])
        out = subprocess.run(["ps", "--ppid", str(first), "-o", "pid="], capture_output=True, text=True, check=False).stdout
        return [first, *(int(pid) for pid in out.split())]

    def signal(self, engine, what):
        for pid in self.pids(engine):
            try:
                os.kill(pid, what)
            except ProcessLookupError:
                pass

    def stop(self):
        subprocess.run([harness.ROOT / "script/engines", "stop", self.folder, *ENGINES], check=False, stdout=subprocess.DEVNULL, timeout=120)
        subprocess.run(["rm", "-rf", self.folder], check=False)


@pytest.fixture(scope="module")
def engines():
    made = Engines()
    around = dict(os.environ)
    urls = made.urls()
    os.environ.update({"SV_TEST_POSTGRES": urls["DATABASE_URL"], "SV_TEST_REDIS": urls["REDIS_URL"], "SV_TEST_ETCD": urls["ETCD_URL"],
                       "SV_TEST_KAFKA": urls["KAFKA_URL"], "SV_TEST_S3": urls["S3_URL"]})
    yield made
    os.environ.update(around)
    made.stop()


@pytest.fixture(scope="module")
def world(engines, tmp_path_factory, clip):
    server = harness.Cluster(tmp_path_factory.mktemp("killed") / "data")
    try:
        yield World(server.start(), clip)
    finally:
        server.kill()
    code, text = server.fsck()
    assert code == 0, text
    databases.drop(server.data)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("how", ["killed", "stands still"])
def test_nothing_acknowledged_is_lost(world, engines, engine, how):
    def strike():
        time.sleep(BEFORE)
        if how == "killed":
            engines.signal(engine, signal.SIGKILL)
            engines.start(engine)
        else:
            engines.signal(engine, signal.SIGSTOP)
            time.sleep(STOPPED)
            engines.signal(engine, signal.SIGCONT)

    striker = threading.Thread(target=strike)
    striker.start()
    seen = load(world, UNDER_LOAD, uploads=engine == "minio")
    striker.join()
    for kind, done in seen.items():
        assert {status for status, *_ in done} <= {200, 503, 504}, (kind, statuses(done))
    assert any(status == 200 for status, *_ in seen["write"]), statuses(seen["write"])
    assert world.back(), "not back in time"
    world.everything_is_there()
