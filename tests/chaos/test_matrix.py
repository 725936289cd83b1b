"""Every engine and every fault: what goes on meanwhile, what is refused and how, and that all is back within five seconds, with nothing lost.

One cluster (two processes of each service, two gateways) reaches each engine through a proxy. A cell breaks one of them for some seconds under
load; the next one begins from a cluster that works."""

import os
import pathlib
import socket
import subprocess
import tempfile
import time
import urllib.parse

import pytest
import requests

import databases
import harness
from proxy import FAULTS, Proxy
from world import World, load, statuses

pytestmark = [pytest.mark.many_processes, pytest.mark.skipif("SV_TEST_S3" not in os.environ, reason="needs every engine: script/engines start")]

ENGINES = {"postgres": "SV_TEST_POSTGRES", "redis": "SV_TEST_REDIS", "etcd": "SV_TEST_ETCD", "s3": "SV_TEST_S3"}
BROKEN_FOR = 3.0   # seconds of load under a fault
BACK_WITHIN = 5.0  # what is promised, after the fault
SLOW = 0.3         # of a page for guests, p99, while one engine that it can do without is broken


class Broker:
    """A Kafka of this suite's own: clients go where it says it is, which is the proxy."""

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="shortvideo-chaos-"))
        self.folder.chmod(0o755)
        (self.folder / "kafka").mkdir()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        (self.folder / "kafka/port").write_text(f"{port}\n")
        self.proxy = Proxy(port)
        subprocess.run([harness.ROOT / "script/engines", "start", self.folder, "kafka"], check=True, stdout=subprocess.DEVNULL, timeout=120,
                       env={**os.environ, "KAFKA_ADVERTISED": f"127.0.0.1:{self.proxy.port}"})

    def stop(self):
        subprocess.run([harness.ROOT / "script/engines", "stop", self.folder, "kafka"], check=False, stdout=subprocess.DEVNULL, timeout=60)
        self.proxy.close()
        subprocess.run(["rm", "-rf", self.folder], check=False)


def through(url, port):
    """The same engine by the proxy's port."""
    parts = urllib.parse.urlsplit(url)
    who = parts.netloc.rpartition("@")[0]
    return urllib.parse.urlunsplit(parts._replace(netloc=f"{who + '@' if who else ''}127.0.0.1:{port}"))


class Proxied:
    """A cluster that reaches every engine through a proxy."""

    def __init__(self, folder):
        self.broker = Broker()
        self.proxies = {"kafka": self.broker.proxy}
        self.around = dict(os.environ)
        for engine, name in ENGINES.items():
            self.proxies[engine] = Proxy(urllib.parse.urlsplit(os.environ[name]).port)
        # Tables are made, and looked at, without the proxy.
        self.server = harness.Cluster(folder / "data")
        self.server.env = {"SHORTVIDEO_DATABASE": through(databases.settings(self.server.data)["SHORTVIDEO_DATABASE"], self.proxies["postgres"].port)}
        for engine in ("redis", "etcd", "s3"):
            os.environ[ENGINES[engine]] = through(os.environ[ENGINES[engine]], self.proxies[engine].port)
        os.environ["SV_TEST_KAFKA"] = f"kafka://127.0.0.1:{self.broker.proxy.port}"

    def end(self):
        for proxy in self.proxies.values():
            proxy.set("none")
        self.server.kill()
        os.environ.update(self.around)
        for engine in ENGINES:
            self.proxies[engine].close()
        self.broker.stop()
        databases.drop(self.server.data)


@pytest.fixture(scope="module")
def proxied(tmp_path_factory):
    made = Proxied(tmp_path_factory.mktemp("chaos"))
    try:
        made.server.start()
        yield made
    finally:
        made.end()


@pytest.fixture(scope="module")
def world(proxied, clip):
    return World(proxied.server, clip)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("engine", ["redis", "etcd", "kafka", "s3", "postgres"])
def test_a_cell(proxied, world, engine, fault):
    list(world.read(0)), list(world.read(1))
    proxied.proxies[engine].set(fault)
    try:
        seen = load(world, BROKEN_FOR, uploads=engine == "s3")
        unready = [name for name, url in proxied.server.admin.items() if requests.get(url + "/health/ready", timeout=20).status_code != 200]
    finally:
        proxied.proxies[engine].set("none")
    healed = time.monotonic()
    if engine == "postgres":
        # What was made before is shown to guests; everyone else is told, soon.
        for kind in ("guest", "own", "write"):
            assert {status for status, *_ in seen[kind]} <= {200, 503, 504}, statuses(seen[kind])
            assert max(took for *_, took in seen[kind]) < 12, kind
        assert sum(status == 200 for status, *_ in seen["guest"]) >= 0.9 * len(seen["guest"]), statuses(seen["guest"])
    else:
        assert not unready, "what can be done without makes nobody unready"
        guests = seen["guest"]
        assert len(guests) > 80
        assert sum(status == 200 for status, *_ in guests) >= 0.99 * len(guests), statuses(guests)
        took = sorted(took for *_, took in guests)
        assert took[int(len(took) * 0.99)] < SLOW, took[-10:]
        for kind in ("own", "write"):
            assert {status for status, *_ in seen[kind]} == {200}, (kind, statuses(seen[kind]))
        for status, error, *_ in seen["upload"]:
            assert status == 200 or (status, error) == (503, "objects_unavailable"), statuses(seen["upload"])
    assert world.back(), f"not back {time.monotonic() - healed:.1f} s after the fault"
    world.everything_is_there()
