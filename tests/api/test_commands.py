import os
import socket
import subprocess

import pytest

from harness import BINARY, PASSWORD, ROOT, Api, environment, register


def run(*arguments, stdin="", env=None, timeout=60):
    around = os.environ
    if "serve" not in arguments and "--data" in arguments:
        around = environment(arguments[arguments.index("--data") + 1])
    return subprocess.run([BINARY, *map(str, arguments)], input=stdin, capture_output=True, text=True, timeout=timeout, env={**around, **(env or {})}, check=False)


def sentence(done, *words):
    """One clear sentence, exit code 2."""
    said = done.stderr.strip()
    assert done.returncode == 2 and said and len(said.splitlines()) == 1, (done.returncode, said)
    assert all(word in said for word in words), said


@pytest.mark.parametrize("setting, words", [
    ("nonsense=1", ["nonsense"]), ("limits.nonsense=1", ["limits.nonsense"]), ("transcode.workers=many", ["transcode.workers"]),
    ("auth.access_ttl=soon", ["auth.access_ttl"]), ("transcode.jail=maybe", ["transcode.jail"]), ("database=oracle:x", ["database"]),
    ("listen=nowhere", ["listen"]), ("trusted_proxies=localhost", ["trusted_proxies", "localhost"]), ('trusted_proxies=["10.0.0.0/99"]', ["trusted_proxies"]),
    ("cors.origins=app.example", ["cors.origins", "app.example"]), ('cors.origins=["https://app.example/path"]', ["cors.origins"]),
    ("ws.origins=//app.example", ["ws.origins"]), ('trusted_proxies=["127.0.0.1"', ["trusted_proxies"]), ("auth.keys=[{kid", ["auth.keys"]),
])
def test_a_bad_setting_is_named_and_nothing_starts(tmp_path, setting, words):
    sentence(run("serve", "--listen", "127.0.0.1:0", "--data", tmp_path / "d", "--set", setting), *words)
    sentence(run("check-config", "--set", setting), *words)


def test_the_environment_sets_keys_too(tmp_path):
    sentence(run("check-config", env={"SHORTVIDEO_AUTH__ACCESS_TTL": "soon"}), "auth.access_ttl")
    assert run("check-config", env={"SHORTVIDEO_LISTEN": "127.0.0.1:9"}).returncode == 0
    assert run("check-config", "--config", ROOT / "configs/config.yaml").returncode == 0
    assert run("version").stdout.startswith("shortvideo ")


def test_a_bad_list_in_the_file_is_named(tmp_path):
    file = tmp_path / "config.yaml"
    for text, key in (("trusted_proxies: [nobody]", "trusted_proxies"), ("cors: {origins: [https://app.example/]}", "cors.origins")):
        file.write_text(text)
        for command in (("serve", "--listen", "127.0.0.1:0", "--data", tmp_path / "d"), ("check-config",)):
            sentence(run(*command, "--config", file), key)


def test_lists_from_the_command_line_and_the_environment_work_as_in_the_file(make_server):
    server = make_server('trusted_proxies=["127.0.0.1"]', env={"SHORTVIDEO_CORS__ORIGINS": '["https://app.example", "https://other.example"]'}).start()
    for origin, allowed in (("https://app.example", True), ("https://other.example", True), ("https://evil.example", False)):
        answer = Api(server).raw("GET", "/api/feed", headers={"Origin": origin})
        assert (answer.headers.get("Access-Control-Allow-Origin") == origin) == allowed, answer.headers
    Api(server).raw("GET", "/api/feed", headers={"X-Forwarded-For": "198.51.100.7"})
    assert server.stop() == 0
    assert "198.51.100.7" in server.log.read_text()  # the proxy was believed


def test_a_busy_port_and_a_busy_folder_are_named(make_server, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        sentence(run("serve", "--listen", f"127.0.0.1:{port}", "--data", tmp_path / "other"), str(port))
    server = make_server().start()
    sentence(run("serve", "--listen", "127.0.0.1:0", "--data", server.data), str(server.process.pid))


def test_accounts_from_the_command_line(make_server, tmp_path):
    data = tmp_path / "data"
    assert run("migrate", "--data", data).returncode == 0
    done = run("user", "create", "cli-person", "--data", data, stdin=PASSWORD + "\n")
    assert done.returncode == 0, done.stderr
    assert run("user", "create", "cli-person", "--data", data, stdin=PASSWORD + "\n").returncode != 0
    assert run("user", "set-password", "cli-person", "--data", data, stdin="quite another 1\n").returncode == 0
    assert run("user", "grant-admin", "cli-person", "--data", data).returncode == 0
    server = make_server().start()
    Api(server).post("/api/user/login", username="cli-person", password="quite another 1")


def test_fsck_works_while_serving_and_finds_what_is_missing(make_server, tiny):
    server = make_server().start()
    person = register(server)
    person.publish(tiny)
    code, text = server.fsck()
    assert code == 0, text
    assert server.stop() == 0
    biggest = max((f for f in (server.data / "objects").rglob("*") if f.is_file()), key=lambda f: f.stat().st_size)
    biggest.unlink()
    assert server.fsck()[0] == 1
    assert run("fsck", "--data", "/nonexistent/folder").returncode == 2
