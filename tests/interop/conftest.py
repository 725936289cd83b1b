"""Interop scenarios use what the API scenarios are made of, and two programs in Go: Kitex's code generator, and ours that it makes code for."""

import os
import pathlib
import shutil
import subprocess
import sys
import time

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "api"))

import databases  # noqa: E402
import harness  # noqa: E402

NEEDED = (1, 24)


def version_of(go):
    try:
        text = subprocess.run([go, "env", "GOVERSION"], capture_output=True, text=True, timeout=60, check=False, env={**os.environ, "GOTOOLCHAIN": "local"}).stdout
        return tuple(int(n) for n in text.strip().removeprefix("go").split(".")[:2])
    except (OSError, ValueError):
        return (0, 0)


def find_go():
    """The system's, or the one that script/setup brought because that is too old."""
    own = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache")) / "shortvideo/go/bin/go"
    for go in filter(None, (shutil.which("go"), str(own))):
        if version_of(go) >= NEEDED:
            return go
    raise AssertionError(f"Go {NEEDED[0]}.{NEEDED[1]} is missing; run script/setup test")


@pytest.fixture(scope="session")
def interop():
    """The program, built below build/interop: nothing that is generated lies in the tree."""
    go, place = find_go(), harness.ROOT / "build/interop"
    (place / "module").mkdir(parents=True, exist_ok=True)
    env = {**os.environ, "GOFLAGS": "-mod=mod -buildvcs=false", "GOTOOLCHAIN": "local"}

    def run(*command):
        done = subprocess.run([str(c) for c in command], cwd=place / "module", capture_output=True, text=True, timeout=900, check=False, env=env)
        assert done.returncode == 0, done.stdout + done.stderr

    for name in ("go.mod", "go.sum", "main.go"):
        shutil.copy(HERE / name, place / "module" / name)
    run(go, "build", "-o", place / "kitex", "github.com/cloudwego/kitex/tool/cmd/kitex")
    for thrift in (*(harness.ROOT / f"idl/{s}.thrift" for s in harness.Cluster.SERVICES), HERE / "legacy.thrift"):
        run(place / "kitex", "-module", "shortvideo/interop", thrift)
    run(go, "build", "-o", place / "program", ".")
    return place / "program"


@pytest.fixture
def cluster(tmp_path):
    """Processes of ours: cluster(services…) starts those, each once, under a prefix of their own."""
    made = []

    def start(*names, sets=()):
        one = harness.Cluster(tmp_path / f"data{len(made)}", *sets, instances=1)
        one.data.mkdir(parents=True)
        harness.environment(one.data)
        made.append(one)
        outs = {f"{name}-1": one.launch(f"{name}-1", name) for name in names}
        printed = {name: one.settled(name, out, time.monotonic() + 60, ready=len(names) > 1) for name, out in outs.items()}
        one.gateways = [lines["listening"] for name, lines in printed.items() if name.startswith("gateway")]
        one.printed = printed
        return one

    yield start
    for one in made:
        one.kill()
        databases.drop(one.data)
