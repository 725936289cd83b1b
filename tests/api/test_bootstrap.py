"""The entry points that the Go system had: build.sh's links, script/bootstrap.sh, kitex_info.yaml."""

import pathlib
import re
import shutil
import signal
import subprocess
import time

import pytest
import requests

from harness import BINARY, ROOT

SERVICES = "user video social interaction message live danmu recommend".split()


@pytest.fixture
def checkout(tmp_path):
    """What ./build.sh leaves: script/ and output/bin, with this build's binary."""
    root = tmp_path / "checkout"
    (root / "output/bin").mkdir(parents=True)
    shutil.copytree(ROOT / "script", root / "script")
    (root / "output/bin/shortvideo").symlink_to(BINARY)
    subprocess.run(["bash", "-c", ". script/lib.sh && link_services output/bin"], cwd=root, check=True, timeout=30)
    return root


class Running:
    def __init__(self, command, cwd, out):
        self.out = out
        with open(out, "wb") as stdout:
            self.process = subprocess.Popen(list(map(str, command)), cwd=cwd, stdin=subprocess.DEVNULL, stdout=stdout, stderr=subprocess.STDOUT)

    def url(self):
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and self.process.poll() is None:
            if found := re.search(r"^listening on (\S+)$", self.out.read_text(), re.M):
                return found.group(1)
            time.sleep(0.01)
        raise AssertionError(self.out.read_text())

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


@pytest.fixture
def run(tmp_path):
    made = []

    def start(*command, cwd):
        made.append(Running(command, cwd, tmp_path / f"out{len(made)}"))
        return made[-1]

    yield start
    for one in made:
        if one.process.poll() is None:
            one.process.kill()
            one.process.wait()


def test_build_makes_a_link_for_each_service(checkout):
    links = {p.name: p.readlink() for p in (checkout / "output/bin").iterdir() if p.name != "shortvideo"}
    assert links == {name: pathlib.Path("shortvideo") for name in ["gateway", *SERVICES]}
    assert "link_services output/bin" in (ROOT / "build.sh").read_text()
    subprocess.run(["bash", "-c", ". script/lib.sh && link_services output/bin"], cwd=checkout, check=True, timeout=30)  # may be repeated


@pytest.mark.parametrize("arguments", [[], ["elsewhere"], ["elsewhere", "gateway"], ["elsewhere", "all"]])
def test_bootstrap_runs_the_gateway_with_its_data_and_log_below_the_folder(checkout, run, arguments):
    folder = checkout / (arguments[0] if arguments else "output/run")
    folder.mkdir()
    (folder / "config.yaml").write_text("listen: 127.0.0.1:0\nauth.bcrypt_cost: 4\n")
    server = run("script/bootstrap.sh", *arguments, cwd=checkout)
    url = server.url()
    assert requests.get(url + "/health", timeout=10).json() == {"status": "OK"}
    made = requests.post(url + "/api/user/register", json={"username": "boot", "password": "correct horse 9"}, timeout=10)
    assert made.status_code == 200, "every service is there today: " + made.text
    assert server.stop() == 0
    assert (folder / "data/shortvideo.db").exists() and (folder / "log/gateway.log").stat().st_size > 0


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_that_cannot_run_alone_says_so(checkout, service):
    for command in ([checkout / "output/bin" / service, "--data", "d"], ["script/bootstrap.sh", "elsewhere", service]):
        done = subprocess.run(list(map(str, command)), cwd=checkout, capture_output=True, text=True, timeout=30, check=False)
        said = "does not have" if service in ("live", "danmu", "recommend") else f"services: {service} needs to find the others"
        assert done.returncode == 2 and said in done.stderr, done.stderr


def test_with_a_registry_each_link_is_one_process(checkout, run):
    """Addresses that never change instead of etcd; the gateway has no database of its own."""
    folder = checkout / "run"
    folder.mkdir()
    (folder / "config.yaml").write_text("registry: 'static:?user=127.0.0.1:1&video=127.0.0.1:1&social=127.0.0.1:1&interaction=127.0.0.1:1&message=127.0.0.1:1'\n"
                                        "listen: 127.0.0.1:0\nmetrics.listen: 127.0.0.1:0\n")
    gateway = run("script/bootstrap.sh", folder, "gateway", cwd=checkout)
    answer = requests.get(gateway.url() + "/api/user/detail", params={"user_id": 1}, timeout=10)
    assert answer.status_code == 503 and answer.json()["error"] == "user_unavailable"
    assert not list(folder.rglob("*.db"))
    assert gateway.stop() == 0


def test_bootstrap_names_what_is_wrong(checkout):
    def said(*arguments):
        done = subprocess.run(["script/bootstrap.sh", *arguments], cwd=checkout, capture_output=True, text=True, timeout=30, check=False)
        assert done.returncode == 2 and len(done.stderr.splitlines()) == 1, done.stderr
        return done.stderr

    assert "there is no service 'shop'" in said("elsewhere", "shop")
    assert "usage" in said("a", "user", "more")
    (checkout / "output/bin/shortvideo").unlink()
    assert "run ./build.sh first" in said()


def test_kitex_info_describes_the_services():
    text = (ROOT / "kitex_info.yaml").read_text()
    assert re.search(r"^kitexinfo:\n   ServiceName: '(\w+)'\n   ToolVersion: 'v(\d+\.\d+\.\d+)'\n", text, re.M).group(1) in SERVICES
    listed = dict(re.findall(r"ServiceName: '(\w+)', IDL: '([\w/.]+)'", text))
    assert list(listed) == SERVICES
    for service, idl in listed.items():
        assert re.search(rf"^service {service}", (ROOT / idl).read_text(), re.M | re.I), idl
