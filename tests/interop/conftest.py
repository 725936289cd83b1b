"""Interop scenarios use what the API scenarios are made of, and two programs in Go: Kitex's code generator, and ours that it makes code for."""

import pathlib
import sys
import time

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "api"), str(HERE)]

import databases  # noqa: E402
import gobuild  # noqa: E402
import harness  # noqa: E402

@pytest.fixture(scope="session")
def interop():
    return gobuild.build()


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
