"""What is not kept of people, and what is not shown while nobody knows whether it may be."""

import contextlib
import sqlite3
import time

import pytest

from databases import cells, tables
from harness import Api, complete, register

ADDRESS, AGENT = "198.51.100.77", "PrivacyProbe/9.7"
SESSIONS = {("user_session", "address"), ("user_session", "user_agent")}  # their owner sees them


def traced(person):
    person.session.headers.update({"X-Forwarded-For": ADDRESS, "User-Agent": AGENT})
    return person


def test_no_table_event_or_log_keeps_an_address_or_an_agent(make_server, clip):
    server = make_server("trusted_proxies=127.0.0.1", "log.addresses=cut").start()
    guest, ann, bob = traced(Api(server)), traced(register(server)), traced(register(server))
    name = traced(Api(server)).post("/api/user/register", username="cy" * 4, password="a fine password 1")
    refused = guest.raw("POST", "/api/user/login", json={"username": name["user"]["username"], "password": "wrong"})
    assert refused.status_code == 400
    video = ann.upload(clip, title="watched")
    assert ann.wait(video["id"], complete)["status"] == "ready"
    for watcher in (guest, bob, guest):
        watcher.post("/api/video/view", video_id=video["id"], watched_ms=4000)
    bob.post("/api/auth/interaction/like", video_id=video["id"])
    bob.post("/api/auth/interaction/comment", video_id=video["id"], content="well")
    bob.post("/api/auth/social/follow", target_user_id=ann.user["id"])
    bob.post("/api/auth/message/send", receiver_id=ann.user["id"], content="hello")
    bob.post("/api/auth/report", kind="video", id=video["id"], reason="r")
    guest.get("/api/search", keyword="watched", type="video")
    deadline = time.monotonic() + 10
    while guest.get("/api/video/stats", id=video["id"])["viewCount"] < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert guest.get("/api/video/stats", id=video["id"])["viewCount"] == 2, "a guest counts once"
    assert server.stop() == 0

    server.start()  # within the window the same guest is the same
    guest = traced(Api(server))
    guest.post("/api/video/view", video_id=video["id"], watched_ms=4000)
    assert server.stop() == 0
    found, seen = [], set()
    for table, column, value in cells(server.data):
        if ADDRESS in value or AGENT in value:
            (seen.add if (table, column) in SESSIONS else found.append)((table, column))
    assert found == [] and seen == SESSIONS
    with tables(server.data, "video") as run:
        assert run("SELECT counted FROM video_stats") == [(2,)]
    log = server.log.read_text()
    assert ADDRESS not in log and AGENT not in log
    assert "198.51.100.0" in log


@pytest.fixture
def silent_users(make_server, clip):
    """A server whose user service cannot read its accounts, with a video by one of them; and what makes it answer again."""
    server = make_server("databases.user=sqlite:{data}/user.db").start()
    ann, bob = register(server), register(server)
    video = ann.publish(clip, title="open to all")
    assert Api(server).get("/api/video/feed")["videos"]

    def silence(silent):
        old, new = ("user_account", "taken_away") if silent else ("taken_away", "user_account")
        with contextlib.closing(sqlite3.connect(server.data / "user.db", timeout=10)) as db:
            db.execute(f"ALTER TABLE {old} RENAME TO {new}")

    def restart(forget):
        server.stop()
        if forget:
            with tables(server.data, "video") as run:
                assert run("DELETE FROM video_privacy") >= 1
        silence(True)
        server.start()

    return server, ann, bob, video, silence, restart


@pytest.mark.one_process
def test_nothing_is_shown_or_written_while_nobody_knows_who_is_private(silent_users):
    server, ann, bob, video, silence, restart = silent_users
    restart(forget=True)
    guest = Api(server)
    feed = guest.raw("GET", "/api/video/feed")
    assert feed.json()["data"]["videos"] == []
    assert feed.headers["Cache-Control"] == "private, no-store" and "ETag" not in feed.headers
    for who in (guest, bob):
        detail = who.raw("GET", "/api/video/detail", params={"id": video["id"]})
        assert detail.status_code == 503 and detail.json()["error"] == "user_unavailable"
        media = who.raw("GET", video["url"])
        assert media.status_code == 503 and "public" not in media.headers["Cache-Control"]
    for path, body in (("/api/auth/interaction/like", {"video_id": video["id"]}), ("/api/auth/interaction/comment", {"video_id": video["id"], "content": "x"}),
                       ("/api/auth/social/follow", {"target_user_id": ann.user["id"]}),
                       ("/api/auth/message/send", {"receiver_id": ann.user["id"], "content": "x"}), ("/api/video/view", {"video_id": video["id"], "watched_ms": 4000})):
        assert bob.raw("POST", path, json=body).status_code == 503, path
    assert [v["id"] for v in ann.get("/api/auth/video/mine")["videos"]] == [video["id"]]
    bob.post("/api/auth/social/block", target_user_id=ann.user["id"])

    silence(False)
    feed = guest.raw("GET", "/api/video/feed")
    assert [v["id"] for v in feed.json()["data"]["videos"]] == [video["id"]] and feed.headers["Cache-Control"] == "no-cache"
    assert "public" in guest.raw("GET", video["url"]).headers["Cache-Control"]


@pytest.mark.one_process
def test_what_was_known_last_of_an_author_is_shown_but_kept_by_nobody(silent_users):
    server, _, bob, video, _, restart = silent_users
    restart(forget=False)
    guest = Api(server)
    feed = guest.raw("GET", "/api/video/feed")
    assert [v["title"] for v in feed.json()["data"]["videos"]] == ["open to all"]
    assert feed.headers["Cache-Control"] == "private, no-store"
    assert guest.get("/api/video/detail", id=video["id"])["author"]["username"] == ""
    media = guest.raw("GET", video["url"])
    assert media.status_code == 200 and media.headers["Cache-Control"] == "private, no-store"
    assert bob.raw("POST", "/api/auth/interaction/like", json={"video_id": video["id"]}).status_code == 503
