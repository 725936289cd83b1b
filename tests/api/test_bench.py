"""What the benchmarks measure on is what the services would have written."""

import subprocess
import sys

import pytest

from harness import BINARY, ROOT, Server


@pytest.mark.sqlite
def test_the_data_of_the_benchmarks_is_whole(tmp_path):
    data = tmp_path / "data"
    done = subprocess.run([sys.executable, ROOT / "bench/fill.py", data, "--videos", "60", "--users", "100", "--binary", BINARY],
                          capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    code, said = Server(data).fsck()
    assert code == 0, said
