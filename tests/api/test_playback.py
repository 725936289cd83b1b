import concurrent.futures
import re
import time

import pytest
import requests

from harness import complete, ffmpeg, make_clip, probe, refused, register


@pytest.fixture(scope="module")
def author(server):
    return register(server)


@pytest.fixture(scope="module")
def video(author, clip):
    """A public clip, fully processed."""
    made = author.upload(clip, title="清晨的第一缕阳光", description="a morning", tags="morning,阳光")
    assert author.wait(made["id"], complete)["status"] == "ready"
    return author.get("/api/video/detail", id=made["id"])


def test_a_clip_goes_from_upload_to_feed_to_playback(author, guest, clip):
    begin = time.monotonic()
    made = author.upload(clip, title="first light", tags="a,b", visibility="public")
    assert made["title"] == "first light" and made["tags"] == ["a", "b"] and made["authorId"] == author.user["id"]
    assert author.wait(made["id"])["status"] == "ready"
    watchable = time.monotonic() - begin
    assert watchable < 10, f"watchable after {watchable:.1f} s"
    feed = guest.get("/api/video/feed", page_size=50)
    video = next(v for v in feed["videos"] if v["id"] == made["id"])
    keys = ["id", "authorId", "url", "coverUrl", "likeCount", "commentCount", "isLike", "title", "publishTime", "description"]
    assert list(video)[:10] == keys
    assert {"author", "viewCount", "shareCount", "starCount", "isStar", "tags", "durationMs", "width", "height", "hlsUrl", "spriteUrl", "vttUrl", "status",
            "visibility", "preloadBytes", "createTime"} <= set(video)
    assert video["author"]["username"] == author.user["username"] and abs(video["durationMs"] - 4000) <= 100
    assert (video["width"], video["height"]) == (640, 360)
    detail = guest.get("/api/video/detail", id=made["id"])
    assert detail["url"] == video["url"]
    assert guest.raw("GET", detail["url"]).headers["Content-Type"] == "video/mp4"
    author.wait(made["id"], complete)
    assert guest.raw("GET", guest.get("/api/video/detail", id=made["id"])["coverUrl"]).content[:3] == b"\xff\xd8\xff"


def test_ranges_are_byte_exact(guest, video):
    whole = guest.raw("GET", video["url"])
    assert whole.status_code == 200 and whole.headers["Accept-Ranges"] == "bytes"
    body, etag, size = whole.content, whole.headers["ETag"], len(whole.content)
    assert "immutable" in whole.headers["Cache-Control"] and "public" in whole.headers["Cache-Control"]
    for text, begin, end in (("0-0", 0, 0), ("0-99", 0, 99), ("100-", 100, size - 1), ("-7", size - 7, size - 1), (f"5-{size + 99}", 5, size - 1),
                             (f"{size - 1}-", size - 1, size - 1), (f"-{size + 5}", 0, size - 1)):
        answer = guest.raw("GET", video["url"], headers={"Range": "bytes=" + text})
        assert answer.status_code == 206, (text, answer.status_code)
        assert answer.headers["Content-Range"] == f"bytes {begin}-{end}/{size}" and answer.content == body[begin:end + 1], text
    for text in (f"{size}-", f"{size + 5}-{size + 9}"):
        answer = guest.raw("GET", video["url"], headers={"Range": "bytes=" + text})
        assert answer.status_code == 416 and answer.headers["Content-Range"] == f"bytes */{size}"
        assert answer.headers["Cache-Control"] == "private, no-store" and "video" not in answer.headers.get("Content-Type", "")
    for ignored in ("lines=1-2", "bytes=9-3", "bytes=x-"):
        assert guest.raw("GET", video["url"], headers={"Range": ignored}).status_code in (200, 416), ignored
    fresh = guest.raw("GET", video["url"], headers={"Range": "bytes=0-9", "If-Range": etag})
    assert fresh.status_code == 206 and fresh.content == body[:10]
    stale = guest.raw("GET", video["url"], headers={"Range": "bytes=0-9", "If-Range": '"other"'})
    assert stale.status_code == 200 and stale.content == body
    assert guest.raw("GET", video["url"], headers={"If-None-Match": etag}).status_code == 304
    head = guest.raw("HEAD", video["url"])
    assert head.status_code == 200 and int(head.headers["Content-Length"]) == size and head.headers["ETag"] == etag and not head.content
    for text in ("0-9", f"{size}-"):  # a Range is for GET alone
        part = guest.raw("HEAD", video["url"], headers={"Range": "bytes=" + text})
        assert part.status_code == 200 and int(part.headers["Content-Length"]) == size and not part.content
        assert "Content-Range" not in part.headers


def test_unknown_media_paths_are_404_and_never_leave_the_store(guest, video):
    for path in ("/media/1/1/nothing.mp4", "/media/../../etc/passwd", "/media/%2e%2e/%2e%2e/etc/passwd", video["url"] + "/..%2f..%2fx", "/media/"):
        assert guest.raw("GET", path).status_code in (400, 404), path


def test_edit_changes_what_is_seen_and_only_the_author_may(server, author, guest, clip):
    video = author.publish(clip, title="before")
    stranger = register(server)
    refused(stranger.raw("PUT", "/api/auth/video", json={"id": video["id"], "title": "mine now"}), 403, "not_owner")
    assert guest.get("/api/video/detail", id=video["id"])["title"] == "before"
    author.put("/api/auth/video", id=video["id"], title="after", description="new words", tags=["x"])
    seen = guest.get("/api/video/detail", id=video["id"])
    assert (seen["title"], seen["description"], seen["tags"]) == ("after", "new words", ["x"])
    refused(author.raw("PUT", "/api/auth/video", json={"id": video["id"], "title": "x" * 101}), 400, "title_too_long")
    refused(author.raw("PUT", "/api/auth/video", json={"id": video["id"], "visibility": "secret"}), 400, "visibility_invalid")


def test_a_deleted_video_is_gone_everywhere(server, author, guest, clip):
    video = author.publish(clip, title="short life")
    refused(register(server).raw("DELETE", f"/api/auth/video?id={video['id']}"), 403, "not_owner")
    author.delete("/api/auth/video", id=video["id"])
    refused(guest.raw("GET", f"/api/video/detail?id={video['id']}"), 404, "video_not_found")
    assert video["id"] not in [v["id"] for v in guest.get("/api/video/feed", page_size=100)["videos"]]
    assert video["id"] not in [v["id"] for v in author.get("/api/auth/video/mine", page_size=100)["videos"]]
    deadline = time.monotonic() + 3
    while guest.raw("GET", video["url"]).status_code != 404 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert guest.raw("GET", video["url"]).status_code == 404


def test_private_videos_are_signed_and_seen_by_their_author_only(server, author, guest, clip):
    video = author.publish(clip, title="only me", visibility="private")
    refused(guest.raw("GET", f"/api/video/detail?id={video['id']}"), 404, "video_not_found")
    refused(register(server).raw("GET", f"/api/video/detail?id={video['id']}"), 404, "video_not_found")
    assert video["id"] not in [v["id"] for v in guest.get("/api/video/feed", page_size=100)["videos"]]
    assert "sig=" in video["url"] and "exp=" in video["url"]
    signed = guest.raw("GET", video["url"])
    assert signed.status_code == 200 and "private" in signed.headers["Cache-Control"]
    bare, query = video["url"].split("?")
    for wrong in (bare, bare + "?" + re.sub(r"sig=..", "sig=00", query), bare + "?" + re.sub(r"exp=\d+", "exp=99999999999", query)):
        assert guest.raw("GET", wrong).status_code == 404, wrong
    author.put("/api/auth/video", id=video["id"], visibility="public")
    assert "sig=" not in guest.get("/api/video/detail", id=video["id"])["url"]


def test_going_private_closes_the_old_path(author, guest, clip):
    video = author.publish(clip, title="was public")
    assert guest.raw("GET", video["url"]).status_code == 200
    author.put("/api/auth/video", id=video["id"], visibility="private")
    deadline = time.monotonic() + 1.5
    while guest.raw("GET", video["url"]).status_code != 404 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert guest.raw("GET", video["url"]).status_code == 404


def test_unlisted_videos_play_by_link_but_are_in_no_list(author, guest, clip):
    video = author.publish(clip, title="unlisted one", visibility="unlisted")
    seen = guest.get("/api/video/detail", id=video["id"])
    assert guest.raw("GET", seen["url"]).status_code == 200
    assert video["id"] not in [v["id"] for v in guest.get("/api/video/feed", page_size=100)["videos"]]


def test_the_same_bytes_may_be_published_twice(server, guest, clip):
    one, two = register(server), register(server)
    first, second = one.publish(clip, title="copy one"), two.publish(clip, title="copy two")
    assert first["id"] != second["id"]
    one.delete("/api/auth/video", id=first["id"])
    assert guest.raw("GET", second["url"]).status_code == 200


def test_a_silent_portrait_and_an_odd_codec_are_encoded(author, guest, portrait, clips):
    video = author.publish(portrait, title="portrait")
    assert (video["width"], video["height"]) == (406, 720)
    status = author.wait(video["id"], complete)
    for rung in status["renditions"]:
        assert rung["height"] > rung["width"] and rung["height"] <= 720, rung
    silent = clips / "silent.mkv"
    make_clip(silent, seconds=2, size="320x240", video=("-c:v", "libvpx", "-b:v", "300k"), audio=("-an",))
    video = author.publish(silent, title="silent")
    path = clips / "silent-out.mp4"
    path.write_bytes(guest.raw("GET", video["url"]).content)
    assert [s["codec_name"] for s in probe(path)["streams"]] == ["h264"]


def test_sound_that_outlasts_the_picture_is_played_to_its_end(author, guest, clips):
    picture, clip = clips / "second.mp4", clips / "outlasts.mp4"
    make_clip(picture, seconds=1, size="320x180", audio=("-an",))
    ffmpeg("-i", picture, "-f", "lavfi", "-i", "sine=d=6", "-c:v", "copy", "-c:a", "aac", clip)
    made = author.upload(clip, title="outlasts")
    author.wait(made["id"], complete)
    video = author.get("/api/video/detail", id=made["id"])
    assert abs(video["durationMs"] - 6000) <= 100
    last = guest.raw("GET", video["vttUrl"]).text.split("\n\n")[-1]
    assert re.search(r"--> 00:00:0(5\.9|6\.0)", last), last
    variant = guest.raw("GET", video["hlsUrl"]).text.split("\n")[-2]
    playlist = guest.raw("GET", video["hlsUrl"].rsplit("/", 1)[0] + "/" + variant).text
    lengths = [float(s) for s in re.findall(r"#EXTINF:([\d.]+)", playlist)]
    assert abs(sum(lengths) - 6) <= 0.1 and max(lengths) <= 2.05, lengths


def test_a_still_picture_stored_first_is_not_the_film(author, guest, clip, clips):
    still, both, out = clips / "still.png", clips / "still-first.mkv", clips / "still-first-out.mp4"
    ffmpeg("-f", "lavfi", "-i", "color=red:s=320x200", "-frames:v", "1", still)
    ffmpeg("-i", still, "-i", clip, "-map", "0", "-map", "1", "-c", "copy", "-disposition:v:0", "default", both)
    video = author.publish(both, title="still first")
    assert (video["width"], video["height"]) == (640, 360) and abs(video["durationMs"] - 4000) <= 100
    out.write_bytes(guest.raw("GET", video["url"]).content)
    assert int(probe(out)["streams"][0]["nb_frames"]) == 100


def test_metadata_is_stripped(author, guest, clip, clips):
    tagged, out = clips / "tagged.mp4", clips / "tagged-out.mp4"
    ffmpeg("-i", clip, "-c", "copy", "-metadata", "location=+52.5200+013.4050/", "-metadata", "comment=secret words", tagged)
    video = author.publish(tagged, title="tagged")
    out.write_bytes(guest.raw("GET", video["url"]).content)
    assert b"secret words" not in out.read_bytes() and b"+52.5200" not in out.read_bytes()


def test_an_own_cover_replaces_the_poster(author, guest, clip, clips):
    cover = clips / "cover.png"
    ffmpeg("-f", "lavfi", "-i", "color=red:s=300x300", "-frames:v", "1", cover)
    made = author.upload(clip, title="with cover", cover=cover)
    author.wait(made["id"], complete)
    out = clips / "cover-out.jpg"
    deadline = time.monotonic() + 10  # the picture is a job of its own; the poster is shown until then
    while time.monotonic() < deadline:
        out.write_bytes(guest.raw("GET", guest.get("/api/video/detail", id=made["id"])["coverUrl"]).content)
        size = (probe(out)["streams"][0]["width"], probe(out)["streams"][0]["height"])
        if size == (300, 300):
            break
        time.sleep(0.1)
    assert size == (300, 300)


def test_views_count_once_a_person_and_not_for_the_author(server, author, guest, clip):
    video = author.publish(clip, title="counted")
    viewer = register(server)
    for who in (viewer, viewer, author):
        who.post("/api/video/view", video_id=video["id"], watched_ms=3500)
    register(server).post("/api/video/view", video_id=video["id"], watched_ms=100)
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        stats = author.get("/api/video/stats", id=video["id"])
        if stats["viewCount"] == 1 and stats.get("rawViewCount", 4) >= 4:
            break
        time.sleep(0.05)
    assert stats["viewCount"] == 1, stats
    assert guest.get("/api/video/stats", id=video["id"])["rawViewCount"] == 0, "raw counts are the author's"
    assert {"likeCount", "commentCount", "shareCount"} <= set(stats)
    refused(guest.raw("POST", "/api/video/view", json={"video_id": 99, "watched_ms": 3500}), 404, "video_not_found")


def test_status_is_for_the_author(server, author, guest, video):
    status = author.status(video["id"])
    assert status["status"] == "ready" and status["progress"] == 100 and status["renditions"]
    for rung in status["renditions"]:
        assert {"name", "width", "height", "bitrate", "bytes", "state", "url"} <= set(rung)
    assert register(server).raw("GET", f"/api/auth/video/status?id={video['id']}").status_code == 404


def test_sprite_and_captions_of_key_frames(guest, video):
    assert guest.raw("GET", video["spriteUrl"]).content[:3] == b"\xff\xd8\xff"
    vtt = guest.raw("GET", video["vttUrl"])
    assert vtt.text.startswith("WEBVTT") and "#xywh=" in vtt.text and vtt.headers["Content-Type"].startswith("text/vtt")


def test_an_idempotency_key_replays_the_first_answer(author, tiny, clip):
    headers = {"Idempotency-Key": "once-only-1"}
    first = author.upload_raw(tiny, title="once", headers=headers)
    again = author.upload_raw(tiny, title="once", headers=headers)
    assert first.status_code == again.status_code == 200
    assert first.json()["data"]["id"] == again.json()["data"]["id"]
    refused(author.upload_raw(clip, title="once", headers=headers), 422, "idempotency_mismatch")
    # What the form says counts as much as the file.
    for fields in ({"title": "other"}, {"title": "once", "visibility": "private"}, {"title": "once", "tags": "a"}, {"title": "once", "description": "d"}):
        refused(author.upload_raw(tiny, headers=headers, **fields), 422, "idempotency_mismatch")


@pytest.mark.concurrent
def test_the_same_upload_at_once_is_one_video(author, tiny):
    def send(_):
        with requests.Session() as session:  # a connection of its own
            data, files = {"title": "at once"}, {"video": ("clip.mp4", tiny.read_bytes(), "video/mp4")}
            return session.post(author.server.url + "/api/auth/video/upload", data=data, files=files, timeout=60,
                                headers={"Authorization": "Bearer " + author.token, "Idempotency-Key": "at-once"})

    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(send, range(6)))
    assert {a.status_code for a in answers} == {200}, [a.text for a in answers if a.status_code != 200]
    assert len({a.json()["data"]["id"] for a in answers}) == 1
    assert sum(v["title"] == "at once" for v in author.get("/api/auth/video/mine", page_size=100)["videos"]) == 1


def test_what_a_phone_records_plays_at_once_and_its_copy_goes_when_the_rungs_are_there(server, clips):
    clip = make_clip(clips / "phone.mp4", seconds=3, size="1280x720",
                     video=("-vf", "noise=alls=60:allf=t", "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-b:v", "16M", "-maxrate", "18M",
                            "-bufsize", "4M"))
    assert 8e6 < int(probe(clip)["format"]["bit_rate"]) < 25e6
    author = register(server)
    video = author.upload(clip, title="phone")
    first = author.wait(video["id"])
    assert [r["name"] for r in first["renditions"] if r["state"] == "ready"] == ["original"], "no encode came before it could be watched"
    copy = author.get("/api/video/detail", id=video["id"])["url"]
    done = author.wait(video["id"], complete)
    assert sorted(r["name"] for r in done["renditions"]) == ["360", "540", "720"]
    now = author.get("/api/video/detail", id=video["id"])["url"]
    assert now != copy and now.endswith("/720.mp4")
    assert author.raw("GET", copy).content[4:8] == b"ftyp", "who plays it plays on"
