import subprocess
import tempfile

import pytest

import databases
import harness


def pytest_configure(config):
    config.addinivalue_line("markers", "concurrent: does several things at once; runs under the thread sanitizer too")
    config.addinivalue_line("markers", "mounts: makes a small file system; not collected where that is not allowed")
    config.addinivalue_line("markers", "sqlite: about SQLite's files, or what only its one process promises; not collected when the run is on another engine")


    config.addinivalue_line("markers", "one_process: about the one process of the embedded shape; not collected for a cluster")
    config.addinivalue_line("markers", "many_processes: starts, stops and kills single processes of a cluster; not collected otherwise")


def may_mount():
    with tempfile.TemporaryDirectory() as folder:
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], capture_output=True, check=False).returncode != 0:
            return False
        return subprocess.run(["umount", folder], check=False).returncode == 0


def pytest_collection_modifyitems(config, items):
    leave_out = {"sqlite"} if databases.ON_POSTGRES else set()
    leave_out.add("one_process" if harness.CLUSTER else "many_processes")
    if any(item.get_closest_marker("mounts") for item in items) and not may_mount():
        leave_out.add("mounts")
    gone = [item for item in items if any(item.get_closest_marker(marker) for marker in leave_out)]
    config.hook.pytest_deselected(items=gone)
    items[:] = [item for item in items if item not in gone]


@pytest.fixture(scope="session", autouse=True)
def tools():
    for tool in ("ffmpeg", "ffprobe", "bwrap", "prlimit"):
        harness.need(tool)
    assert harness.BINARY.exists(), f"{harness.BINARY} is missing: build it first, or set SV_BINARY"


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """One server that the scenarios share; each brings its own people. It must stop cleanly at the end."""
    made = harness.made(tmp_path_factory.mktemp("shared") / "data").start()
    yield made
    assert made.stop() == 0
    code, text = made.fsck()
    assert code == 0, text
    databases.drop(made.data)


@pytest.fixture
def make_server(tmp_path):
    """Servers of a scenario's own, killed at its end."""
    made = []

    def make(*sets, name="data", **kwargs):
        made.append(harness.made(tmp_path / name, *sets, **kwargs))
        return made[-1]

    yield make
    for one in made:
        if one.process and one.process.poll() is None:
            one.kill()
        databases.drop(one.data)


@pytest.fixture
def person(server):
    return harness.register(server)


@pytest.fixture
def guest(server):
    return harness.Api(server)


@pytest.fixture(scope="session")
def clips(tmp_path_factory):
    return tmp_path_factory.mktemp("clips")


@pytest.fixture(scope="session")
def clip(clips):
    """Landscape H.264 and AAC: a remux makes it watchable."""
    return harness.make_clip(clips / "clip.mp4")


@pytest.fixture(scope="session")
def tiny(clips):
    return harness.make_clip(clips / "tiny.mp4", seconds=1, size="160x90")


@pytest.fixture(scope="session")
def portrait(clips):
    """Portrait MPEG-4 part 2 in AVI: must be encoded."""
    return harness.make_clip(clips / "portrait.avi", seconds=3, size="406x720", video=("-c:v", "mpeg4", "-q:v", "4"), audio=("-c:a", "libmp3lame"))


@pytest.fixture(scope="session")
def film(clips):
    """A real film clip when the data folder beside the checkout has it, else a synthesised one of the same shape."""
    real = harness.ROOT.parent / "shared/data/big_buck_bunny.mp4"
    return real if real.exists() else harness.make_clip(clips / "film.mp4", seconds=5.3, size="1280x720")
