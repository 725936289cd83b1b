"""backup while people upload and sign in, then a crash, then restore: what was answered before the backup began is there again."""

import hashlib
import json
import os
import pathlib
import shutil
import signal
import sqlite3
import subprocess
import threading
import time

import pytest

from harness import BINARY, PASSWORD, Api, complete, register

pytestmark = pytest.mark.sqlite
VIDEO_APART = "databases.video=sqlite:{data}/video.db"


def run(*arguments, code=0):
    done = subprocess.run([BINARY, *map(str, arguments)], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
    if code == 2:
        assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    return done.stdout + done.stderr


def sets(*keys):
    return [part for key in keys for part in ("--set", key)]


def checksum(server, video_id):
    """Of the file that the feed's URL plays."""
    url = Api(server).get("/api/video/detail", id=video_id)["url"]
    answer = Api(server).raw("GET", url)
    assert answer.status_code == 200
    return hashlib.sha256(answer.content).hexdigest()


def objects_of(data):
    """os.walk bears with a folder that goes while it is looked at."""
    top = data / "objects"
    return [pathlib.Path(folder, file) for folder, _, files in os.walk(top) for file in files
            if not pathlib.Path(folder, file).relative_to(top).parts[0].startswith(".")]


def until(true, timeout=30):
    deadline = time.monotonic() + timeout
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def caught_up(data):
    """Whether the search index has heard of every video."""
    db = sqlite3.connect(f"file:{data}/shortvideo.db?mode=ro", uri=True)
    try:
        (last,) = db.execute("SELECT max(id) FROM event_outbox WHERE topic = 'video.changed'").fetchone()
        (position,) = db.execute("SELECT position FROM event_cursors WHERE consumer = 'video_search'").fetchone()
        return last <= position
    finally:
        db.close()


class Traffic:
    """People who upload, delete and sign in until told to stop; counts what was answered."""

    def __init__(self, server, clip):
        self.server, self.clip, self.stopping, self.done, self.errors = server, clip, threading.Event(), {}, []
        self.threads = [threading.Thread(target=self.run, args=(what,)) for what in (self.upload, self.upload_and_delete, self.sign_in)]

    def run(self, what):
        try:
            person = register(self.server)
            while not self.stopping.is_set():
                what(person)
                self.done[what.__name__] = self.done.get(what.__name__, 0) + 1
        except Exception as e:  # the scenario fails with it
            self.errors.append(e)

    def upload(self, person):
        person.upload(self.clip, title="during the backup")

    def upload_and_delete(self, person):
        video = person.upload(self.clip, title="goes at once")
        person.delete("/api/auth/video", id=video["id"])

    def sign_in(self, person):
        Api(self.server).post("/api/user/login", username=person.user["username"], password=PASSWORD)

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        until(lambda: len(self.done) == len(self.threads) or self.errors)
        return self

    def __exit__(self, *_):
        self.stopping.set()
        for thread in self.threads:
            thread.join(60)
        assert not self.errors, self.errors


@pytest.mark.concurrent
@pytest.mark.parametrize("keys", [(), (VIDEO_APART,)], ids=["one database", "a database of its own"])
def test_backup_under_load_crash_and_restore(make_server, tiny, clip, tmp_path, keys):
    server = make_server(*keys).start()
    person = register(server, "keeps")
    kept = {}
    for number, file in enumerate((clip, tiny)):
        video = person.publish(file, title=f"kept number {number}")["id"]
        person.wait(video, complete)  # its URL names another file once there are rungs
        kept[video] = checksum(server, video)
    with Traffic(server, tiny) as traffic:
        for number in range(3):
            said = run("backup", tmp_path / f"backup{number}", "--data", server.data, *sets(*keys))
            assert "backed up" in said and "missing" not in said, said
    assert min(traffic.done.values()) >= 2, traffic.done
    server.kill()

    run("restore", tmp_path / "backup2", "--data", tmp_path / "again", *sets(*keys))
    code = subprocess.run([BINARY, "fsck", "--data", tmp_path / "again", *sets(*keys)], capture_output=True, text=True, timeout=60, check=False)
    assert code.returncode == 0, code.stdout
    again = make_server(*keys, name="again").start()
    for video, sum_before in kept.items():
        assert checksum(again, video) == sum_before
    person.server = again  # the token of before is good: the keys came along
    assert sorted(v["id"] for v in person.get("/api/auth/video/mine")["videos"]) == sorted(kept)
    Api(again).post("/api/user/login", username="keeps", password=PASSWORD)
    new = person.publish(tiny, title="after the restore")["id"]
    assert new > max(kept)


def test_search_is_filled_again_after_a_restore(make_server, tiny, tmp_path):
    server = make_server().start()
    person = register(server)
    ids = sorted(person.publish(tiny, title=f"findable {number}")["id"] for number in range(3))

    def finds(api):
        def found():
            return sorted(v["id"] for v in api.get("/api/search", keyword="findable")["videos"]) == ids
        until(found)

    for video in ids:
        person.wait(video, complete)
    finds(Api(server))
    until(lambda: caught_up(server.data))  # no event is left to tell of them
    run("backup", tmp_path / "backup", "--data", server.data)
    assert server.stop() == 0
    run("restore", tmp_path / "backup", "--data", tmp_path / "again")
    finds(Api(make_server(name="again").start()))


def test_what_is_purged_during_a_backup_is_not_missing(make_server, tiny, clip, tmp_path):
    """The backup stands still between its snapshot and its first object while a video goes."""
    server = make_server().start()
    person = register(server)
    stays, goes = (person.publish(file, title="a film")["id"] for file in (tiny, clip))
    for video in (stays, goes):
        person.wait(video, complete)
    before = len(objects_of(server.data))
    out = tmp_path / "backup"
    process = subprocess.Popen([BINARY, "backup", out, "--data", server.data], stdout=subprocess.PIPE, text=True)
    snapshot = tmp_path / "backup.partial/filling/databases/0.db"
    while not snapshot.exists() and process.poll() is None:
        pass
    process.send_signal(signal.SIGSTOP)
    person.delete("/api/auth/video", id=goes)
    until(lambda: len(objects_of(server.data)) < before)
    until(lambda: server.fsck()[0] == 0)
    process.send_signal(signal.SIGCONT)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 0 and "missing" not in said, said
    run("restore", out, "--data", tmp_path / "again")
    again = make_server(name="again")
    code, text = again.fsck()
    assert code == 0, text
    person.server = again.start()
    assert stays in [v["id"] for v in person.get("/api/auth/video/mine")["videos"]]


def test_secrets_are_for_their_owner_alone(make_server, tmp_path):
    server = make_server().start()
    out = tmp_path / "backup"
    run("backup", out, "--data", server.data)
    assert out.stat().st_mode & 0o777 == 0o700
    manifest = json.loads((out / "manifest.json").read_text())
    paths = {f["path"] for f in manifest["files"]}
    assert {"data/auth_keys", "databases/0.db"} <= paths
    assert paths | {"manifest.json"} == {str(f.relative_to(out)) for f in out.rglob("*") if f.is_file()}
    assert manifest["version"] and manifest["time"] and manifest["databases"][0]["services"]
    run("restore", out, "--data", tmp_path / "again")
    for folder, name in ((out / "data", "auth_keys"), (tmp_path / "again", "auth_keys"), (tmp_path / "again", "shortvideo.db")):
        assert (folder / name).stat().st_mode & 0o777 == 0o600, name


def test_a_damaged_backup_is_told_and_makes_nothing(make_server, tiny, tmp_path):
    server = make_server().start()
    register(server).publish(tiny)
    whole = tmp_path / "whole"
    run("backup", whole, "--data", server.data)

    def damage(how):
        shutil.rmtree(tmp_path / "bad", ignore_errors=True)
        shutil.copytree(whole, tmp_path / "bad")
        how(tmp_path / "bad")
        said = run("restore", tmp_path / "bad", "--data", tmp_path / "again", code=1)
        assert len(said.strip().splitlines()) == 1 and not (tmp_path / "again").exists(), said
        return said

    def an_object(folder):
        return max(objects_of(folder), key=lambda f: f.stat().st_size)

    def flip(file):
        data = bytearray(file.read_bytes())
        data[len(data) // 2] ^= 1
        file.write_bytes(data)

    assert an_object(whole).name in damage(lambda folder: flip(an_object(folder)))
    assert "0.db" in damage(lambda folder: flip(folder / "databases/0.db"))
    assert an_object(whole).name in damage(lambda folder: an_object(folder).unlink())
    assert "manifest.json" in damage(lambda folder: (folder / "manifest.json").write_bytes((folder / "manifest.json").read_bytes()[:-20]))
    text = (whole / "manifest.json").read_text()
    assert "../up" in damage(lambda folder: (folder / "manifest.json").write_text(text.replace("data/auth_keys", "../up", 1)))
    run("restore", whole, "--data", tmp_path / "again")


def test_objects_that_are_gone_are_named(make_server, tiny, tmp_path):
    server = make_server().start()
    register(server).publish(tiny)
    gone = max(objects_of(server.data), key=lambda f: f.stat().st_size)
    gone.unlink()
    said = run("backup", tmp_path / "backup", "--data", server.data, code=1)
    assert gone.name in said and "backed up" in said
    assert gone.name in run("restore", tmp_path / "backup", "--data", tmp_path / "again")
    again = make_server(name="again")
    assert again.fsck()[0] == 1


def test_folders_that_are_in_the_way_are_refused(make_server, tmp_path):
    server = make_server().start()
    out = tmp_path / "backup"
    run("backup", out, "--data", server.data)
    assert str(out) in run("backup", out, "--data", server.data, code=2)
    assert str(server.data) in run("restore", out, "--data", server.data, code=2)
    (tmp_path / "empty").mkdir()
    assert "no backup" in run("restore", tmp_path / "empty", "--data", tmp_path / "again", code=2)
    assert "databases.video" in run("restore", out, "--data", tmp_path / "again", "--set", VIDEO_APART, code=2)
    assert "outside" in run("restore", out, "--data", tmp_path / "again", "--set", f"objects=file:{tmp_path}/elsewhere", code=2)
    assert "no folder" in run("backup", tmp_path / "other", "--data", tmp_path / "no folder", code=2)
    (tmp_path / "other.partial").mkdir()
    (tmp_path / "other.partial/mine").write_text("keep")
    run("backup", tmp_path / "other", "--data", server.data, code=2)
    assert (tmp_path / "other.partial/mine").read_text() == "keep"
    run("restore", out, "--data", tmp_path / "empty")


def test_an_interrupted_backup_is_none_and_the_next_one_takes_its_place(make_server, tiny, tmp_path):
    server = make_server().start()
    person = register(server)
    person.publish(tiny)
    # A pipe in the place of the keys: the backup waits at it, for as long as the scenario wants.
    pipe, keys = server.data / "auth_keys", server.data / "keys"
    pipe.rename(keys)
    subprocess.run(["mkfifo", pipe], check=True)
    out = tmp_path / "backup"
    process = subprocess.Popen([BINARY, "backup", out, "--data", server.data], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until(lambda: (out.with_suffix(".partial") / "filling/objects").exists())
    assert str(process.pid) in run("backup", out, "--data", server.data, code=2)  # two at a time are refused
    process.kill()
    process.wait()
    keys.rename(pipe)
    assert not out.exists() and out.with_suffix(".partial").exists()
    run("backup", out, "--data", server.data)
    assert out.exists() and not out.with_suffix(".partial").exists()


def state(folder, *files):
    """A folder as a run that was killed leaves it: made by hand, so that no moment is missed."""
    folder.mkdir()
    for name in files:
        if name.endswith("/"):
            (folder / name).mkdir()
        else:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text("4711")
    return folder


# In their order, and back to the mark after the rename and to the folder before its removal.
LEFT_OVER = [(), ("backup.lock",), ("backup.lock", "filling/"), ("backup.lock", "filling/databases/0.db", "filling/manifest.json", "filling/shortvideo.db")]


@pytest.mark.parametrize("left", LEFT_OVER, ids=["folder", "mark", "empty", "filled"])
def test_whatever_a_killed_run_leaves_is_replaced_by_the_next(make_server, tmp_path, left):
    server = make_server().start()
    partial = state(tmp_path / "backup.partial", *left)
    if left:
        assert str(partial) in run("restore", partial, "--data", tmp_path / "again", code=2)
    run("backup", tmp_path / "backup", "--data", server.data)
    state(tmp_path / "again.partial", *left)
    run("restore", tmp_path / "backup", "--data", tmp_path / "again")
    assert not list(tmp_path.glob("*.partial"))
    assert not [f for folder in ("backup", "again") for f in (tmp_path / folder).rglob("*") if f.name in ("backup.lock", "filling")]


@pytest.mark.parametrize("mine", [("mine",), ("filling/mine",), ("backup.lock", "mine"), ("backup.lock", "shortvideo.db", "auth_keys")])
def test_a_folder_that_no_run_left_is_not_touched(make_server, tmp_path, mine):
    server = make_server().start()
    run("backup", tmp_path / "backup", "--data", server.data)
    for command, name, target in (("backup", "other", ("--data", server.data)), ("restore", "again", ("--data", tmp_path / "again"))):
        partial = state(tmp_path / (name + ".partial"), *mine)
        assert str(partial) in run(command, tmp_path / ("other" if command == "backup" else "backup"), *target, code=2)
        assert sorted(str(f.relative_to(partial)) for f in partial.rglob("*") if f.is_file()) == sorted(mine)
        assert not (tmp_path / name).exists()


def kill_at(seen, *arguments):
    """Runs the command and kills it the moment that `seen` is true, unless it is done before that."""
    process = subprocess.Popen([BINARY, *map(str, arguments)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None and not seen():
        pass
    process.kill()
    process.wait()


def test_a_run_killed_at_its_end_never_blocks_the_next(make_server, tiny, tmp_path):
    """The kill comes when the last file is there: before, in or after the rename, and each must be as good as the others."""
    server = make_server().start()
    register(server).publish(tiny)
    backup, again = tmp_path / "backup", tmp_path / "again"
    commands = {backup: ("backup", backup, "--data", server.data), again: ("restore", backup, "--data", again)}

    def has(folder, name):
        return lambda: folder.exists() or (folder.with_suffix(".partial") / "filling" / name).exists()

    for _ in range(6):
        for folder, last in ((backup, "manifest.json"), (again, "shortvideo.db")):
            shutil.rmtree(folder, ignore_errors=True)
            kill_at(has(folder, last), *commands[folder])
            if folder.exists():  # it got its name: it is whole
                if folder == backup:
                    run("restore", backup, "--data", tmp_path / "proof")
                    shutil.rmtree(tmp_path / "proof")
                else:
                    assert make_server(name="again").fsck()[0] == 0
                shutil.rmtree(folder)
            run(*commands[folder])
            assert not folder.with_suffix(".partial").exists()


def test_a_backup_into_the_data_is_refused(make_server, tmp_path):
    server = make_server().start()
    data, link, apart = server.data, tmp_path / "link", tmp_path / "apart"
    before = sorted(f.name for f in data.iterdir() if not f.name.startswith("shortvideo.db"))
    link.symlink_to(data)
    (data / "out").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere").mkdir()
    inside = [data / "bk", f"{data}/bk/", data / "objects/bk", data / "deep/er/bk", link / "bk", data / "out", f"{tmp_path}/none/../data/bk", data.name + "/bk"]
    for out in inside:
        done = subprocess.run([BINARY, "backup", out, "--data", data], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 2 and len(done.stderr.strip().splitlines()) == 1 and "outside" in done.stderr, (out, done.stderr)
        done = subprocess.run([BINARY, "backup", out, "--data", link], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 2 and "outside" in done.stderr, (out, done.stderr)
    (data / "out").unlink()
    assert sorted(f.name for f in data.iterdir() if not f.name.startswith("shortvideo.db")) == before
    shutil.copytree(data / "objects", apart)
    assert "outside" in run("backup", apart / "bk", "--data", data, "--set", f"objects=file:{apart}", code=2)
    (tmp_path / "data-of-monday").mkdir()  # a name that only begins like the folder's
    run("backup", tmp_path / "data-of-monday", "--data", data)


def test_another_file_system_gets_copies(make_server, tiny, tmp_path):
    """The target lies on a tmpfs in a mount namespace of the backup's own; restore runs there too."""
    server = make_server().start()
    person = register(server)
    video = person.publish(tiny)["id"]
    person.wait(video, complete)
    before = checksum(server, video)
    mount = tmp_path / "mount"
    mount.mkdir()
    done = subprocess.run(["unshare", "-rm", "sh", "-ec", f'''mount -t tmpfs tmpfs "{mount}"
        "{BINARY}" backup "{mount}/backup" --data "{server.data}"
        "{BINARY}" restore "{mount}/backup" --data "{tmp_path}/again"'''], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    again = make_server(name="again").start()
    assert checksum(again, video) == before
