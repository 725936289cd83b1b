"""PostgreSQL as the database: what an operator is told, and what a server costs that is killed, frozen, full, or not there."""

import concurrent.futures
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time
import uuid

import m3u8
import psycopg2
import pytest
import requests

from harness import BINARY, PASSWORD, ROOT, Api, complete, probe, refused, register
from test_playlists import fetch_variant, text_of


class Engine:
    """A PostgreSQL server of the scenario's own."""

    def __init__(self, state):
        self.state = state
        self.start()
        self.url = self.variable("DATABASE_URL")
        self.admin = self.variable("DATABASE_ADMIN_URL")

    def start(self):
        done = subprocess.run([ROOT / "script/engines", "start", self.state, "postgres"], capture_output=True, text=True, timeout=120, check=False,
                              env={**os.environ, "ENGINES_FAST": "1"})
        assert done.returncode == 0, done.stdout + done.stderr

    def stop(self):
        subprocess.run([ROOT / "script/engines", "stop", self.state, "postgres"], capture_output=True, timeout=60, check=False)

    def variable(self, name):
        return next(line.split("=", 1)[1] for line in (self.state / "postgres/env").read_text().splitlines() if line.startswith(name + "="))

    def processes(self):
        """The server's, its first one first."""
        first = int((self.state / "postgres/pid").read_text().split()[0])
        out = [first]
        for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
            try:
                if int(stat.read_text().rpartition(")")[2].split()[1]) == first:
                    out.append(int(stat.parent.name))
            except OSError:  # it ended meanwhile
                pass
        return out

    def signal(self, number):
        for process in self.processes():
            try:
                os.kill(process, number)
            except ProcessLookupError:
                pass

    def run(self, *statements, url=None):
        db = psycopg2.connect(url or self.admin)
        db.autocommit = True
        with db.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            rows = cursor.fetchall() if cursor.description else []
        db.close()
        return rows

    def database(self):
        """A new one, that belongs to who the URL names."""
        name = "d" + uuid.uuid4().hex[:12]
        self.run(f"CREATE DATABASE {name} OWNER shortvideo")
        return self.url.replace("/shortvideo?", f"/{name}?")


@pytest.fixture(scope="module")
def engine():
    # Below /tmp: the server's user must reach it.
    with tempfile.TemporaryDirectory(prefix="sv-engine-") as state:
        os.chmod(state, 0o755)
        one = Engine(pathlib.Path(state))
        yield one
        one.stop()


@pytest.fixture
def own_engine():
    with tempfile.TemporaryDirectory(prefix="sv-engine-") as state:
        os.chmod(state, 0o755)
        one = Engine(pathlib.Path(state))
        yield one
        one.signal(signal.SIGCONT)
        one.stop()


def refuses(url, tmp_path, *words):
    """The start ends with one sentence that holds the words and no password."""
    done = subprocess.run([BINARY, "serve", "--listen", "127.0.0.1:0", "--data", tmp_path / "d", "--set", f"database={url}"], capture_output=True, text=True,
                          timeout=30, check=False)
    said = done.stderr.strip()
    assert done.returncode == 2 and len(said.splitlines()) == 1, (done.returncode, said)
    assert said.startswith("shortvideo: database: ") and all(word in said for word in words), said
    assert "hunter2" not in said and "shortvideo:shortvideo" not in said
    return said


def test_what_is_wrong_with_a_database_is_said_at_the_start(engine, tmp_path):
    place = engine.url.split("@")[1].split("/")[0]
    refuses("postgres://someone:hunter2@127.0.0.1:1/x", tmp_path, "127.0.0.1:1")
    refuses(f"postgres://shortvideo:hunter2@{place}/shortvideo", tmp_path, "password", place)
    refuses(engine.url.replace("/shortvideo?", "/nowhere?"), tmp_path, "nowhere", "does not exist")
    refuses("postgres://someone:hunter2@[::1", tmp_path, "URL")
    engine.run("CREATE ROLE visitor LOGIN PASSWORD 'hunter2'")
    refuses(engine.database().replace("shortvideo:shortvideo", "visitor:hunter2"), tmp_path, "lacks a right")
    newer = engine.database()
    assert subprocess.run([BINARY, "migrate", "--data", tmp_path / "n", "--set", f"database={newer}"], timeout=60, check=False).returncode == 0
    engine.run("INSERT INTO user_migrations SELECT 'user/9999_later.sql', checksum, applied_ms FROM user_migrations LIMIT 1", url=newer)
    refuses(newer, tmp_path, "9999_later", "newer")
    latin = "l" + uuid.uuid4().hex[:12]
    engine.run(f"CREATE DATABASE {latin} OWNER shortvideo ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    refuses(engine.url.replace("/shortvideo?", f"/{latin}?"), tmp_path, "UTF8")


def test_commands_work_beside_the_server_and_a_backup_is_the_engines(engine, make_server, tmp_path):
    database = f"database={engine.database()}"
    server = make_server(database).start()
    person = register(server)
    command = [BINARY, "user", "grant-admin", person.user["username"], "--data", server.data, "--set", database]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    done = subprocess.run([BINARY, "backup", tmp_path / "out", "--data", server.data, "--set", database], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2 and "pg_dump" in done.stderr and not (tmp_path / "out").exists(), done.stderr
    done = subprocess.run([BINARY, "fsck", "--data", server.data, "--set", database], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout
    metrics = requests.get(server.url + "/metrics", timeout=10).text
    for name in ("connections", "in_use", "waiting", "works", "retries", "reconnects"):
        assert f"shortvideo_sql_{name}{{database=" in metrics, name
    assert "shortvideo:shortvideo" not in metrics + server.log.read_text()
    assert server.stop() == 0


def until(condition, seconds):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


def ready(server):
    try:
        return requests.get(server.url + "/health/ready", timeout=30).status_code == 200
    except requests.RequestException:
        return False


class Writers:
    """People who comment and like, each write repeated under its key until it is acknowledged."""

    def __init__(self, server, video, people):
        self.server, self.video, self.done, self.statuses, self.stop = server, video, {}, set(), False
        self.pool = concurrent.futures.ThreadPoolExecutor(len(people))
        self.all = [self.pool.submit(self.write, person) for person in people]

    def write(self, person):
        me = Api(self.server, person.token, person.user)
        number = 0
        while not self.stop:
            number += 1
            text = f"{person.user['username']} {number}"
            self.repeat(me, "comment", {"video_id": self.video, "content": text}, {"Idempotency-Key": text})
            self.repeat(me, "like" if number % 2 else "unlike", {"video_id": self.video})
            self.done[text] = self.done.get(text, 0) + 1
        return person, number

    def repeat(self, me, what, body, headers=None):
        while True:
            answer = me.raw("POST", "/api/auth/interaction/" + what, json=body, headers=headers or {}, timeout=30)
            self.statuses.add(answer.status_code)
            if answer.status_code == 200:
                return
            refused(answer, answer.status_code)
            assert answer.status_code in (503, 504), answer.text
            time.sleep(0.01)

    def end(self):
        self.stop = True
        return [one.result(60) for one in self.all]


def comments_of(server, video):
    out, cursor = [], ""
    while True:
        params = {"video_id": video, "page_size": 50, **({"cursor": cursor} if cursor else {})}
        answer = Api(server).raw("GET", "/api/interaction/comments", params=params)
        out += [c["content"] for c in answer.json()["data"]]
        cursor = answer.headers.get("X-Next-Cursor", "")
        if not cursor:
            return out


def test_nothing_is_lost_or_doubled_when_the_database_is_killed(own_engine, make_server, tiny):
    database = f"database={own_engine.database()}"
    server = make_server(database).start()
    author = register(server)
    video = author.publish(tiny)["id"]
    people = [register(server) for _ in range(6)]
    writers = Writers(server, video, people)
    for _ in range(3):
        have = len(writers.done)
        until(lambda: len(writers.done) > have + 30, 30)
        own_engine.signal(signal.SIGKILL)
        until(lambda: not ready(server), 10)
        own_engine.start()
        begin = time.monotonic()
        until(lambda: ready(server), 5)
        have = len(writers.done)
        until(lambda: len(writers.done) > have, 5)
        assert time.monotonic() - begin < 5
    ended = writers.end()
    assert writers.statuses >= {200, 503}
    until(lambda: sorted(comments_of(server, video)) == sorted(writers.done), 5)
    likes = sum(number % 2 for _, number in ended)
    assert Api(server).get("/api/video/detail", id=video)["likeCount"] == likes
    assert server.stop() == 0
    done = subprocess.run([BINARY, "fsck", "--data", server.data, "--set", database], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout


def test_a_frozen_database_ends_no_request_late(own_engine, make_server, tiny):
    server = make_server(f"database={own_engine.database()}").start()
    author = register(server)
    video = author.publish(tiny)["id"]
    person, warm = register(server), register(server)
    warm.post("/api/auth/interaction/comment", video_id=video, content="before")  # what forbids is known of them
    own_engine.signal(signal.SIGSTOP)
    try:
        begin = time.monotonic()
        asks = [lambda: warm.raw("POST", "/api/auth/interaction/comment", json={"video_id": video, "content": "late"}),
                lambda: person.raw("POST", "/api/auth/interaction/comment", json={"video_id": video, "content": "late"}),
                lambda: person.raw("PUT", "/api/auth/user/update", json={"about": "late"}),
                lambda: person.raw("GET", "/api/auth/user/sessions")]
        with concurrent.futures.ThreadPoolExecutor() as pool:
            statuses = [answer.status_code for answer in pool.map(lambda ask: ask(), asks)]
        # 504 for what a connection was waiting for; 503 for what may be forbidden by what cannot be read, and for
        # what shared a connection with a call that ended earlier, or had to open one.
        assert set(statuses) <= {503, 504}, statuses
        assert statuses[1] == 503, statuses
        assert time.monotonic() - begin < 15  # a deadline is 10 s
        assert requests.get(server.url + "/health", timeout=5).status_code == 200
    finally:
        own_engine.signal(signal.SIGCONT)
    until(lambda: ready(server), 5)
    person.post("/api/auth/interaction/comment", video_id=video, content="in time")
    assert server.stop() == 0


@pytest.fixture
def small_disk():
    """A folder on a file system of 40 MB, for a tablespace of the engine."""
    with tempfile.TemporaryDirectory(prefix="sv-small-") as folder:
        os.chmod(folder, 0o755)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=40m,mode=0755", "tmpfs", folder], check=True)
        try:
            yield pathlib.Path(folder)
        finally:
            subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.mark.mounts
def test_a_full_disk_of_the_server_is_told_and_loses_nothing(own_engine, make_server, tiny, small_disk):
    tables = small_disk / "tables"
    tables.mkdir()
    shutil.chown(tables, "postgres", "postgres")
    own_engine.run(f"CREATE TABLESPACE small LOCATION '{tables}'", "CREATE DATABASE small OWNER shortvideo TABLESPACE small")
    server = make_server("database=" + own_engine.url.replace("/shortvideo?", "/small?")).start()
    person = register(server)
    video = person.publish(tiny)["id"]
    ballast = small_disk / "ballast"
    room = os.statvfs(small_disk)
    ballast.write_bytes(b"x" * (room.f_bavail * room.f_frsize - (256 << 10)))

    def comment(n):
        return person.raw("POST", "/api/auth/interaction/comment", json={"video_id": video, "content": f"{n} " + "long " * 180})

    kept = []
    for n in range(2000):
        answer = comment(n)
        if answer.status_code != 200:
            break
        kept.append(answer.json()["data"]["id"])
    refused(answer, 507, "storage_full")
    assert requests.get(server.url + "/health", timeout=5).status_code == 200
    assert person.get("/api/interaction/counts", video_id=video)["comment_count"] == len(kept)
    ballast.unlink()
    until(lambda: comment("room again").status_code == 200, 5)
    seen, cursor = set(), ""
    while True:
        answer = person.raw("GET", f"/api/interaction/comments?video_id={video}&page_size=100&cursor={cursor}")
        seen |= {c["id"] for c in answer.json()["data"]}
        cursor = answer.headers.get("X-Next-Cursor", "")
        if not cursor:
            break
    assert seen >= set(kept)
    assert server.stop() == 0


def descendants(process):
    """Of a process, itself first."""
    children = {}
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            children.setdefault(int(stat.read_text().rpartition(")")[2].split()[1]), []).append(int(stat.parent.name))
        except OSError:  # it ended meanwhile
            pass
    out = [process]
    for one in out:
        out += children.get(one, [])
    return out


def signal_all(processes, number):
    for process in processes:
        try:
            os.kill(process, number)
        except ProcessLookupError:
            pass


def test_a_worker_that_stood_still_in_a_ladder_damages_nothing(engine, make_server, film, tmp_path):
    """A second process takes the job over and ends it; the first one wakes up and goes on with its own."""
    database = engine.database()
    sets = f"database={database}", f"objects=file:{tmp_path}/objects"
    first = make_server(*sets, name="first").start()
    person = register(first)
    video = person.upload(film, title="stopped in the middle")["id"]

    def ladder():
        return next(iter(engine.run("SELECT state, run, percent FROM video_jobs WHERE kind = 7", url=database)), (0, 0, 0))

    until(lambda: ladder()[0] == 1 and ladder()[2] > 0, 60)
    stopped = descendants(first.process.pid)
    signal_all(stopped, signal.SIGSTOP)
    try:
        run = ladder()[1]
        second = make_server(*sets, name="second").start()
        person = Api(second, Api(second).post("/api/user/login", username=person.user["username"], password=PASSWORD)["token"])
        assert person.wait(video, complete)["status"] == "ready"
        assert ladder()[1] != run, "it ended before it was stopped"
    finally:
        signal_all(stopped, signal.SIGCONT)
    scratch = first.data / "scratch"
    until(lambda: len(descendants(first.process.pid)) == 1 and not list(scratch.iterdir()), 60)

    detail = person.get("/api/video/detail", id=video)
    assert f"/{run}/" not in detail["url"] + detail["hlsUrl"]
    for variant in m3u8.M3U8(text_of(person, detail["hlsUrl"]), strict=True).playlists:
        _, _, joined = fetch_variant(person, detail["hlsUrl"], variant, tmp_path)
        assert probe(joined)["streams"]
    assert first.stop() == 0 and second.stop() == 0
    assert not list((tmp_path / "objects").rglob(f"{run}/*")), "what the first one wrote is still there"
    command = [BINARY, "fsck", "--data", second.data, *(word for key in sets for word in ("--set", key))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
