"""The program in Go, made with Kitex's own tool, for the interop scenarios and bench/rpc.py."""

import os
import pathlib
import shutil
import subprocess

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
SERVICES = "user video social interaction message live danmu recommend".split()
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


def build():
    """The program, built below build/interop: nothing that is generated lies in the tree."""
    go, place = find_go(), ROOT / "build/interop"
    (place / "module").mkdir(parents=True, exist_ok=True)
    env = {**os.environ, "GOFLAGS": "-mod=mod -buildvcs=false", "GOTOOLCHAIN": "local"}

    def run(*command):
        done = subprocess.run([str(c) for c in command], cwd=place / "module", capture_output=True, text=True, timeout=900, check=False, env=env)
        assert done.returncode == 0, done.stdout + done.stderr

    for name in ("go.mod", "go.sum", "main.go"):
        shutil.copy(HERE / name, place / "module" / name)
    run(go, "build", "-o", place / "kitex", "github.com/cloudwego/kitex/tool/cmd/kitex")
    for thrift in (*(ROOT / f"idl/{s}.thrift" for s in SERVICES), HERE / "legacy.thrift"):
        run(place / "kitex", "-module", "shortvideo/interop", thrift)
    run(go, "build", "-o", place / "program", ".")
    return place / "program"
