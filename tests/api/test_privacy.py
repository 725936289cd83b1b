"""What is not shown while nobody knows whether it may be."""

import contextlib
import sqlite3

import pytest

from harness import Api, database, register

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
            with contextlib.closing(sqlite3.connect(database(server.data, "video"))) as db:
                assert db.execute("DELETE FROM video_privacy").rowcount >= 1
                db.commit()
        silence(True)
        server.start()

    return server, ann, bob, video, silence, restart


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
