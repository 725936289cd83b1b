"""The documents say what is true: the walk-through runs, and the files they name exist."""

import importlib.machinery
import importlib.util
import os
import re
import subprocess

import pytest

from harness import BINARY, ROOT, Api

PAGES = sorted(str(page.relative_to(ROOT)) for pattern in ("*.md", "docs/**/*.md", "services/*/README.md") for page in ROOT.glob(pattern))
FILE = r"[\w-]+\.(?:h|cc|py|sh|sql|md|thrift|yaml|txt|js|css|html|cmake)"



@pytest.mark.parametrize("page", ["README.md", "README.zh-CN.md"])
def test_the_walk_through_runs(server, tmp_path, page):
    block = re.search(r"<!-- walk-through -->\n```sh\n(.*?)```", (ROOT / page).read_text(), re.S).group(1)
    assert "URL=http://127.0.0.1:8080\n" in block
    block = block.replace("URL=http://127.0.0.1:8080\n", f"URL={server.url}\n").replace("USER_NAME=alice\n", f"USER_NAME=walk{page.count('.')}{os.getpid()}\n")
    done = subprocess.run(["bash", "-euo", "pipefail", "-c", block], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "watched.mp4").stat().st_size > 1000
    assert "206" in done.stdout


@pytest.mark.parametrize("page", PAGES)
def test_the_files_that_a_page_names_exist(page):
    text, folder = (ROOT / page).read_text(), (ROOT / page).parent
    for name in re.findall(rf"`((?:[\w.-]+/)+{FILE})`", text):
        if name.startswith("data/"):  # made by running
            continue
        assert (ROOT / name).exists() or (folder / name).exists() or list(ROOT.glob("build/*/gen/" + name)), name
    if page.startswith("services/"):  # a name without a folder is a file beside the page
        for name in re.findall(rf"`({FILE})`", text):
            assert (folder / name).exists(), name
    for link in re.findall(r"\]\(([^)#:]+)\)", text):
        assert folder.joinpath(link).exists(), link


def test_the_path_of_a_request_is_at_most_eight_files():
    """From the gateway to the answer; what follows by itself is counted apart."""
    for life in re.split(r"^## ", (ROOT / "docs/life-of-a-request.md").read_text(), flags=re.M)[2:]:
        for part in life.split("The answer is out."):
            files = set(re.findall(rf"`((?:[\w-]+/)+{FILE})`", part))
            assert 1 < len(files) <= 8, (life.splitlines()[0], sorted(files))


def test_the_table_of_routes_is_what_the_program_serves(server):
    loader = importlib.machinery.SourceFileLoader("route_table", str(ROOT / "tools/route_table"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    document = Api(server).raw("GET", "/openapi.json").json()
    text = (ROOT / "README.md").read_text()
    assert module.with_table(text, document) == text, "README.md is stale: run tools/route_table --write"
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if operation["tags"] != ["pages"]:
                assert f"| {method.upper()} | `{path}` |" in text


def test_the_containers_are_configured_as_the_binary_expects():
    """Docker runs nowhere here: what it would give each process is checked."""
    import yaml
    services = yaml.safe_load((ROOT / "deploy/compose.yaml").read_text())["services"]
    ours = {name: service for name, service in services.items() if service["image"] == "shortvideo"}
    assert set(ours) == {"gateway", "user", "video", "social", "interaction", "message", "transcode"}
    for name, service in ours.items():
        command = service["command"]
        sets = [arg for i, arg in enumerate(command) if "--set" in (arg, command[i - 1])]
        around = {**{k: v for k, v in os.environ.items() if not k.startswith("SHORTVIDEO_")}, **service["environment"], "SHORTVIDEO_SERVICES": name}
        done = subprocess.run([BINARY, "check-config", *sets], env=around, capture_output=True, text=True, timeout=30, check=False)
        assert done.returncode == 0, (name, done.stderr)
        for engine in re.findall(r"(?:@|//)([a-z]+):\d+", " ".join(service["environment"].values())):
            assert engine in services, engine
