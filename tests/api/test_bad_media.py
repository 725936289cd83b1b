"""Hostile and broken files: refused with a stable reason; nothing is fetched, nothing escapes, memory stays flat."""

import os
import pathlib
import re
import socket
import struct

import pytest

from harness import ffmpeg, make_clip, refused, register


@pytest.fixture(scope="module")
def uploader(server):
    return register(server)


def rejected(api, path, tokens=None, **fields):
    """Either at once with 4xx, or by the job; the reason is returned."""
    answer = api.upload_raw(path, **fields)
    if answer.status_code == 200:
        video = answer.json()["data"]
        status = api.wait(video["id"])
        assert status["status"] == "failed", status
        assert re.fullmatch(r"[a-z0-9_]+", status["error"]), status
        assert api.raw("GET", "/api/video/feed").text.find(str(video["id"])) < 0
        reason = status["error"]
    else:
        assert answer.status_code in (400, 413, 415, 422), answer.text
        reason = refused(answer, answer.status_code)["error"]
    assert tokens is None or reason in tokens, reason
    return reason


def test_a_text_file_is_refused_at_once(uploader, tmp_path):
    path = tmp_path / "notes.mp4"
    path.write_text("these are only words\n" * 500)
    refused(uploader.upload_raw(path), 415, "media_unsupported")


def test_an_empty_file_is_refused_at_once(uploader, tmp_path):
    path = tmp_path / "empty.mp4"
    path.touch()
    answer = uploader.upload_raw(path)
    assert answer.status_code in (400, 415)
    refused(answer, answer.status_code)


def test_a_playlist_is_refused_and_nothing_is_fetched(uploader, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as trap:
        trap.setblocking(False)
        url = f"http://127.0.0.1:{trap.getsockname()[1]}/secret.ts"
        playlist = f"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{url}\n#EXTINF:10,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n".encode()
        path = tmp_path / "list.mp4"
        path.write_bytes(playlist)
        refused(uploader.upload_raw(path), 415, "media_unsupported")
        # With the first bytes of an MP4 in front it gets as far as the probe.
        path.write_bytes(struct.pack(">I4s4sI4s", 20, b"ftyp", b"isom", 512, b"isom") + playlist)
        rejected(uploader, path)
        with pytest.raises(BlockingIOError):
            trap.accept()


def test_a_truncated_film_is_rejected(uploader, clip, tmp_path):
    path = tmp_path / "cut.mp4"
    whole = clip.read_bytes()
    assert whole.rfind(b"moov") > len(whole) // 2, "the index must be at the end"
    path.write_bytes(whole[: len(whole) // 2])
    rejected(uploader, path, {"media_unreadable", "media_truncated"})


def test_noise_behind_a_header_is_rejected(uploader, tmp_path):
    path = tmp_path / "noise.mkv"
    path.write_bytes(b"\x1a\x45\xdf\xa3" + bytes((i * 7919 + 13) % 256 for i in range(200_000)))
    rejected(uploader, path)


def test_a_good_index_of_noise_is_rejected(uploader, tmp_path):
    """Every sample is there and none decodes, as with protected films."""
    path = tmp_path / "protected.mp4"
    make_clip(path, seconds=2, size="160x90", video=("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-bsf:v", "noise=amount=1"))
    answer = uploader.upload_raw(path, title="noise")
    assert answer.status_code == 200, answer.text
    status = uploader.wait(answer.json()["data"]["id"])
    assert (status["status"], status["error"], status["retryable"]) == ("failed", "media_unreadable", False), status
    assert status["message"]


def test_a_picture_of_60000_by_60000_is_rejected(uploader, server, tmp_path):
    path = tmp_path / "huge.avi"
    ffmpeg("-f", "lavfi", "-i", "testsrc2=s=64x64:r=5", "-t", "1", "-c:v", "mjpeg", "-pix_fmt", "yuvj420p", path)
    data = bytearray(path.read_bytes())
    struct.pack_into("<II", data, data.find(b"avih") + 8 + 32, 60000, 60000)
    struct.pack_into("<ii", data, data.find(b"strf") + 8 + 4, 60000, 60000)
    for match in re.finditer(rb"\xff\xc0\x00\x11\x08\x00\x40\x00\x40", bytes(data)):
        struct.pack_into(">HH", data, match.start() + 5, 60000, 60000)
    path.write_bytes(data)
    before = server.memory()
    rejected(uploader, path)
    assert server.memory() < before + 50 * 2**20


def test_twelve_hours_of_nothing_are_rejected(uploader, server, tmp_path):
    path = tmp_path / "long.mp4"
    ffmpeg("-f", "lavfi", "-i", "color=black:s=64x64:r=1/60", "-t", 12 * 3600, "-c:v", "libx264", "-preset", "ultrafast", path)
    before = server.memory()
    rejected(uploader, path, {"media_too_long"})
    assert server.memory() < before + 50 * 2**20


def test_sound_alone_is_no_video(uploader, tmp_path):
    path = tmp_path / "sound.mp4"
    ffmpeg("-f", "lavfi", "-i", "sine", "-t", "2", "-c:a", "aac", path)
    rejected(uploader, path, {"media_no_video"})


@pytest.mark.parametrize("name", ["../../x", "/etc/cron.d/x", "..\\..\\x", "a\nb.mp4", "x" * 300 + ".mp4", "$(touch x).mp4", "-i.mp4"])
def test_client_file_names_are_never_used(uploader, server, tiny, name):
    def files():  # os.walk does not mind job folders that go while it looks
        return {pathlib.Path(folder, name) for folder, _, names in os.walk(server.data.parent) for name in names}

    before = files()
    answer = uploader.upload_raw(tiny, name=name)
    assert answer.status_code == 200, answer.text
    assert uploader.wait(answer.json()["data"]["id"])["status"] == "ready"
    new = files() - before
    assert all(server.data in p.parents for p in new) and not any(p.name in ("x", "a", "b.mp4", "-i.mp4") for p in new)


@pytest.mark.parametrize("fields, token", [
    ({"title": ""}, "title_required"), ({"title": "x" * 101}, "title_too_long"), ({"description": "x" * 2001}, "description_too_long"),
    ({"visibility": "secret"}, "visibility_invalid"), ({"tags": ",".join(f"t{i}" for i in range(21))}, "tags_too_long"),
])
def test_upload_fields_are_checked(uploader, tiny, fields, token):
    refused(uploader.upload_raw(tiny, **fields), 400, token)


def test_broken_forms_are_400_and_other_types_415(uploader, tiny):
    path = "/api/auth/video/upload"
    refused(uploader.raw("POST", path, json={"title": "x"}), 415)
    refused(uploader.raw("POST", path, data=b"--x\r\nno head", headers={"Content-Type": "multipart/form-data; boundary=x"}), 400)
    assert uploader.raw("POST", path, data=b"", headers={"Content-Type": "multipart/form-data"}).status_code in (400, 415)
    refused(uploader.raw("POST", path, files={"other": ("a.mp4", tiny.read_bytes())}, data={"title": "x"}), 400, "video_required")


def test_an_upload_beyond_the_limit_is_413(make_server, tiny, clips):
    server = make_server("limits.upload_bytes=100K").start()
    big = make_clip(clips / "over.mp4", seconds=4)
    assert big.stat().st_size > 100 * 1024
    person = register(server)
    refused(person.upload_raw(big), 413)
    assert person.publish(tiny)["url"]


def test_a_failed_video_can_be_retried_and_fails_again(uploader, tmp_path):
    path = tmp_path / "bad.mp4"
    path.write_bytes(struct.pack(">I4s4sI4s", 20, b"ftyp", b"isom", 512, b"isom") + b"\0" * 3000)
    answer = uploader.upload_raw(path)
    if answer.status_code == 200:
        video = answer.json()["data"]["id"]
        assert uploader.wait(video)["status"] == "failed"
        answer = uploader.raw("POST", "/api/auth/video/retry", json={"id": video})
        assert answer.status_code in (200, 409)
        assert uploader.wait(video)["status"] == "failed"
