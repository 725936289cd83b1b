"""What a person sees of others: avatars, private accounts, deleted ones, the following feed, tags, not_interested."""

import io
import subprocess
import time

import pytest
import requests

from databases import tables
from harness import PASSWORD, Api, ffmpeg, make_clip, refused, register


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return make_clip(tmp_path_factory.mktemp("people") / "clip.mp4", seconds=1, size="320x180")


def picture(path, size="900x500"):
    ffmpeg("-f", "lavfi", "-i", f"testsrc2=size={size}:rate=1", "-frames:v", "1", str(path))
    return path.read_bytes()


def set_avatar(person, content, name="avatar"):
    return person.raw("POST", "/api/auth/user/avatar", files={name: ("../../x.jpg", io.BytesIO(content), "image/jpeg")})


def eventually(check, timeout=10):
    deadline = time.monotonic() + timeout
    while not check():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


def titles(data):
    return [v["title"] for v in data["videos"]]


@pytest.mark.parametrize("kind", ["png", "jpg", "webp"])
def test_an_avatar_is_drawn_again_and_served_for_ever(server, tmp_path, kind):
    person = register(server)
    sent = picture(tmp_path / f"a.{kind}")
    answer = set_avatar(person, sent)
    assert answer.status_code == 200, answer.text
    url = answer.json()["data"]["avatar"]
    assert person.get("/api/auth/user/profile")["avatar"] == url
    got = requests.get(server.url + url, timeout=10)
    assert got.status_code == 200 and got.headers["Content-Type"] == "image/jpeg" and "immutable" in got.headers["Cache-Control"]
    assert got.content[:2] == b"\xff\xd8" and got.content != sent and len(got.content) < 100_000
    assert requests.get(server.url + url, headers={"If-None-Match": got.headers["ETag"]}, timeout=10).status_code == 304
    assert set_avatar(person, sent).status_code == 200
    assert requests.get(server.url + url, timeout=10).status_code == 404  # the earlier one is gone


def test_what_is_no_picture_is_refused(server, person, tmp_path):
    refused(set_avatar(person, b"#EXTM3U\nhttp://127.0.0.1:1/x"), 415, "avatar_unsupported")
    refused(set_avatar(person, b""), 400, field="avatar")
    refused(set_avatar(person, b"\xff\xd8" + bytes(6 << 20)), 413)
    refused(set_avatar(person, picture(tmp_path / "a.png"), name="other"), 400, field="avatar")
    refused(Api(server).raw("POST", "/api/auth/user/avatar", files={"avatar": ("x", b"x")}), 401)
    for path in ("x", "1/2.png", "1", "-1/1.jpg", f"{person.user['id']}/1.jpg", "../../etc/passwd"):
        assert requests.get(f"{server.url}/media/avatars/{path}", timeout=10).status_code == 404


def drawn_size(server, person, path):
    url = person.get("/api/auth/user/profile")["avatar"]
    path.write_bytes(requests.get(server.url + url, timeout=10).content)
    return subprocess.run(["ffprobe", "-v", "error", "-show_entries", "stream=width,height", "-of", "csv=p=0", path], capture_output=True, text=True,
                          check=True).stdout.strip()


@pytest.mark.parametrize("size, drawn", [("5000x2", "640,1"), ("2x5000", "1,640"), ("900x500", "576,320"), ("8064x6048", "427,320")])
def test_no_side_of_a_stored_avatar_is_long(server, person, tmp_path, size, drawn):
    ffmpeg("-f", "lavfi", "-i", f"color=teal:s={size}", "-frames:v", "1", str(tmp_path / "a.jpg"))
    answer = set_avatar(person, (tmp_path / "a.jpg").read_bytes())
    assert answer.status_code == 200, answer.text
    assert drawn_size(server, person, tmp_path / "drawn.jpg") == drawn


def test_too_many_pixels_are_refused_by_that_name(person, tmp_path):
    ffmpeg("-f", "lavfi", "-i", "color=black:s=8192x6160", "-frames:v", "1", str(tmp_path / "a.jpg"))
    ffmpeg("-f", "lavfi", "-i", "color=black:s=64x64", "-frames:v", "1", str(tmp_path / "a.png"))
    png = bytearray((tmp_path / "a.png").read_bytes())
    png[16:24] = (20000).to_bytes(4, "big") * 2
    for content in ((tmp_path / "a.jpg").read_bytes(), bytes(png)):
        body = refused(set_avatar(person, content), 422, "avatar_too_many_pixels", field="avatar")
        assert "50 megapixels" in body["message"]


@pytest.mark.parametrize("kind", ["png", "jpg", "webp", "gif"])
def test_a_cut_picture_is_no_avatar(person, tmp_path, kind):
    whole = picture(tmp_path / f"a.{kind}")
    before = person.get("/api/auth/user/profile").get("avatar")
    refused(set_avatar(person, whole[:len(whole) // 2]), 422, "avatar_unreadable", field="avatar")
    assert person.get("/api/auth/user/profile").get("avatar") == before


def test_of_a_moving_picture_the_first_frame_is_the_avatar(server, person, tmp_path):
    ffmpeg("-f", "lavfi", "-i", "testsrc2=size=300x200:rate=5:duration=1", str(tmp_path / "a.gif"))
    assert set_avatar(person, (tmp_path / "a.gif").read_bytes()).status_code == 200
    assert drawn_size(server, person, tmp_path / "drawn.jpg") == "300,200"


def test_a_private_account_is_for_its_followers(server, clip):
    ann, bob, guest = register(server), register(server), Api(server)
    video = ann.publish(clip, title="for friends")
    ann.put("/api/auth/user/privacy", private=True)
    assert bob.get("/api/user/detail", user_id=ann.user["id"])["isPrivate"] is True
    for caller in (bob, guest):
        refused(caller.raw("GET", "/api/video/detail", params={"id": video["id"]}), 404, "video_not_found")
        assert video["id"] not in [v["id"] for v in caller.get("/api/video/feed", page_size=100)["videos"]]
        assert caller.get("/api/user/videos", user_id=ann.user["id"])["videos"] == []
    bob.post("/api/auth/social/follow", target_user_id=ann.user["id"])
    refused(bob.raw("GET", "/api/video/detail", params={"id": video["id"]}), 404)  # asked, not accepted
    ann.post("/api/auth/social/request/accept", user_id=bob.user["id"])
    assert bob.get("/api/video/detail", id=video["id"])["author"]["isFollow"] is True
    assert ann.get("/api/video/detail", id=video["id"])["id"] == video["id"]
    refused(ann.raw("PUT", "/api/auth/user/privacy", json={"message_from": "nobody"}), 400, field="message_from")


def test_a_deleted_account_is_nowhere(server, clip):
    ann, bob = register(server), register(server)
    video = ann.publish(clip, title="soon gone")
    bob.post("/api/auth/social/follow", target_user_id=ann.user["id"])
    refused(ann.raw("DELETE", "/api/auth/user/account", json={"password": "not this one"}), 400)
    refused(ann.raw("DELETE", "/api/auth/user/account", json={}), 400, field="password")
    ann.ok("DELETE", "/api/auth/user/account", json={"password": PASSWORD})
    refused(ann.raw("GET", "/api/auth/user/profile"), 401)
    refused(bob.raw("POST", "/api/user/login", json={"username": ann.user["username"], "password": PASSWORD}), 400)
    refused(bob.raw("GET", "/api/user/detail", params={"user_id": ann.user["id"]}), 404)
    refused(bob.raw("GET", "/api/video/detail", params={"id": video["id"]}), 404)
    assert video["id"] not in [v["id"] for v in bob.get("/api/video/feed", page_size=100)["videos"]]
    eventually(lambda: requests.get(server.url + video["url"], timeout=10).status_code == 404)
    eventually(lambda: bob.get("/api/user/detail", user_id=bob.user["id"])["followCount"] == 0)


def test_the_following_feed(server, clip):
    ann, bob = register(server), register(server)
    assert bob.get("/api/auth/video/following") == {"videos": [], "next_cursor": ""}
    bob.post("/api/auth/social/follow", target_user_id=ann.user["id"])
    for title in ("one", "two", "three"):
        ann.publish(clip, title=title)
    eventually(lambda: titles(bob.get("/api/auth/video/following")) == ["three", "two", "one"])
    page = bob.get("/api/auth/video/following", page_size=2)
    assert titles(page) == ["three", "two"] == titles(bob.get("/api/video/following", page_size=2))
    assert titles(bob.get("/api/auth/video/following", page_size=2, cursor=page["next_cursor"])) == ["one"]
    bob.post("/api/auth/social/unfollow", target_user_id=ann.user["id"])
    assert titles(bob.get("/api/auth/video/following")) == []
    refused(bob.raw("GET", "/api/auth/video/following", params={"cursor": "x"}), 400, "cursor_invalid")
    for path in ("/api/auth/video/following", "/api/video/following"):
        refused(Api(server).raw("GET", path), 401)


def test_tags_related_and_not_interested(server, clip):
    ann, bob, guest = register(server), register(server), Api(server)
    tag = "t" + ann.user["username"]
    one = ann.publish(clip, title="one", tags=f"{tag},other")
    two = ann.publish(clip, title="two", tags=tag.upper())
    assert titles(guest.get("/api/tag/videos", tag=tag)) == ["two", "one"]
    assert tag in [t["tag"].lower() for t in guest.get("/api/tag/hot", page_size=100)["tags"]]
    assert titles(guest.get("/api/video/related", id=one["id"], page_size=1)) == ["two"]
    refused(guest.raw("GET", "/api/video/related", params={"id": 12345}), 404, "video_not_found")
    refused(guest.raw("GET", "/api/tag/videos"), 400, field="tag")
    found = guest.get("/api/search", keyword=tag, type="tag")
    assert (found["total"], found["videos"]) == (1, []) and [t["tag"].lower() for t in found["tags"]] == [tag]
    bob.post("/api/auth/video/not_interested", video_id=two["id"], reason="seen it")
    assert titles(bob.get("/api/tag/videos", tag=tag)) == ["one"]
    bob.post("/api/auth/video/not_interested", author_id=ann.user["id"])
    assert titles(bob.get("/api/tag/videos", tag=tag)) == []
    assert bob.get("/api/video/detail", id=two["id"])["title"] == "two"
    refused(bob.raw("POST", "/api/auth/video/not_interested", json={}), 400, field="video_id")
    refused(bob.raw("POST", "/api/auth/video/not_interested", json={"video_id": 12345}), 404, "video_not_found")


def test_fsck_proves_that_a_deleted_account_left_nothing(make_server, clip):
    server = make_server().start()
    ann, bob = register(server), register(server)
    video, other = ann.publish(clip, title="hers"), bob.publish(clip, title="his")
    for one, two, theirs in ((ann, bob, other), (bob, ann, video)):
        one.post("/api/auth/social/follow", target_user_id=two.user["id"])
        one.post("/api/auth/interaction/like", video_id=theirs["id"])
        one.post("/api/auth/interaction/comment", video_id=theirs["id"], content="hello")
        one.post("/api/auth/message/send", receiver_id=two.user["id"], content="hello")
        one.get("/api/auth/video/following")
    eventually(lambda: bob.get("/api/auth/notification/list")["notifications"])
    ann.ok("DELETE", "/api/auth/user/account", json={"password": PASSWORD})

    def forget_the_grace():
        """As if the deletion were long ago."""
        with tables(server.data, "user") as run:
            run("UPDATE user_deleted SET deleted_ms = 0")

    forget_the_grace()
    eventually(lambda: server.fsck()[0] == 0)
    assert bob.get("/api/video/detail", id=other["id"])["likeCount"] == 0
    assert bob.get("/api/auth/user/profile")["followerCount"] == 0
    assert server.stop() == 0
    with tables(server.data, "social") as run:
        run("INSERT INTO social_edges (user_id, kind, target_id, created_ms) VALUES (?, 1, ?, 1)", (ann.user["id"], bob.user["id"]))
    code, text = server.fsck()
    assert code == 1 and f"user_remains social: of user {ann.user['id']}" in text, text
    assert f"counter_drift followers of user {bob.user['id']}: 0 is stored, there are 1" in text, text
