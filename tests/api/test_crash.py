"""kill -9 at bad moments: afterwards fsck is clean and every acknowledged video plays."""

import socket
import threading
import time

import pytest

from harness import PASSWORD, Api, complete, refused, register

pytestmark = pytest.mark.filterwarnings("ignore")


def log_in(server, name):
    data = Api(server).post("/api/user/login", username=name, password=PASSWORD)
    return Api(server, data["token"], data["user"])


def plays(api, video_id):
    status = api.wait(video_id, timeout=180)
    assert status["status"] == "ready", status
    answer = Api(api.server).raw("GET", Api(api.server).get("/api/video/detail", id=video_id)["url"])
    assert answer.status_code == 200 and b"moov" in answer.content


def test_killed_during_an_upload(make_server, clip):
    server = make_server().start()
    name = register(server, "crash-upload").user["username"]
    person = log_in(server, name)
    kept = person.publish(clip, title="kept")["id"]
    body = b'--B\r\nContent-Disposition: form-data; name="title"\r\n\r\nhalf\r\n--B\r\nContent-Disposition: form-data; name="video"; filename="a"\r\n\r\n' + clip.read_bytes()
    head = (f"POST /api/auth/video/upload HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {person.token}\r\n"
            f"Content-Type: multipart/form-data; boundary=B\r\nContent-Length: {len(body) + 10000}\r\n\r\n").encode()
    with socket.create_connection(server.address) as s:
        s.sendall(head + body)
        objects = server.data / "objects"  # in a bucket an upload is nowhere before its end
        deadline = time.monotonic() + 10
        while objects.exists() and time.monotonic() < deadline and sum(f.stat().st_size for f in objects.rglob("*") if f.is_file() and clip.stat().st_size // 2 < f.stat().st_size) < 1:
            time.sleep(0.02)
        server.kill()
    server.start()
    person = log_in(server, name)
    assert [v["id"] for v in person.get("/api/auth/video/mine")["videos"]] == [kept]
    plays(person, kept)
    server.kill()
    code, text = server.fsck()
    assert code == 0, text


@pytest.mark.parametrize("delay", [0, 0.15, 0.5, 1.2])
def test_killed_during_processing(make_server, film, delay):
    server = make_server().start()
    person = register(server, "crash-job")
    acknowledged = person.upload(film, title="acknowledged")["id"]
    time.sleep(delay)  # the moment of the crash is the parameter of this test
    server.kill()
    code, text = server.fsck()
    assert code == 0, text
    server.start()
    person = log_in(server, "crash-job")
    plays(person, acknowledged)
    status = person.wait(acknowledged, complete, timeout=300)
    assert status["progress"] == 100 and all(r["state"] == "ready" for r in status["renditions"]), status
    assert server.stop() == 0
    code, text = server.fsck()
    assert code == 0, text


def test_killed_between_publish_and_feed(make_server, tiny):
    server = make_server().start()
    person = register(server, "crash-feed")
    ids = []
    for number in range(5):
        video = person.upload(tiny, title=f"number {number}")["id"]
        assert person.wait(video)["status"] == "ready"
        ids.append(video)
        server.kill()
        begin = time.monotonic()
        server.start()
        assert time.monotonic() - begin < 5
        person = log_in(server, "crash-feed")
        assert sorted(v["id"] for v in Api(server).get("/api/video/feed", page_size=50)["videos"]) == sorted(ids)
        deadline = time.monotonic() + 5
        while len(Api(server).get("/api/search", keyword="number")["videos"]) != len(ids) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert len(Api(server).get("/api/search", keyword="number")["videos"]) == len(ids)
    for video in ids:
        plays(person, video)
    server.kill()
    code, text = server.fsck()
    assert code == 0, text


def test_tokens_and_accounts_survive_a_crash(make_server):
    server = make_server().start()
    person = register(server, "crash-token")
    gone = register(server, "crash-gone")
    gone.post("/api/auth/user/logout")
    server.kill()
    server.start()
    assert person.get("/api/auth/user/profile")["username"] == "crash-token"
    refused(gone.raw("GET", "/api/auth/user/profile"), 401)


@pytest.mark.one_process
def test_a_full_disk_is_told_and_leaves_nothing_behind(make_server, film, tmp_path):
    """The data lie on a small tmpfs in a mount namespace of the server's own."""
    inside = tmp_path / "small"
    inside.mkdir()
    wrapper = ("unshare", "-rm", "sh", "-c", f'mount -t tmpfs -o size=12m tmpfs "{inside}" && exec "$@"', "sh")
    server = make_server("transcode.workers=0", name="small", wrapper=wrapper).start()
    person = register(server)
    big = tmp_path / "big.mp4"
    big.write_bytes(film.read_bytes() + (16 * 2**20).to_bytes(4, "big") + b"free" + b"\0" * (16 * 2**20 - 8))
    answer = person.upload_raw(big, title="too big for the disk")
    assert answer.status_code in (503, 507), answer.text
    refused(answer, answer.status_code)
    assert person.get("/api/auth/video/mine")["videos"] == []
    video = person.upload(film, title="fits")
    assert person.status(video["id"])["status"] in ("uploaded", "probing")
    assert server.stop() == 0


@pytest.mark.concurrent
def test_sigterm_lets_a_running_upload_finish(make_server, clip):
    server = make_server().start()
    person = register(server, "graceful")
    body = (b'--B\r\nContent-Disposition: form-data; name="title"\r\n\r\nlast one\r\n--B\r\nContent-Disposition: form-data; name="video"; filename="a"\r\n\r\n'
            + clip.read_bytes() + b"\r\n--B--\r\n")
    head = (f"POST /api/auth/video/upload HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {person.token}\r\nConnection: close\r\n"
            f"Content-Type: multipart/form-data; boundary=B\r\nContent-Length: {len(body)}\r\n\r\n").encode()
    code = []
    with socket.create_connection(server.address, timeout=60) as s:
        s.sendall(head + body[: len(body) // 2])
        stopper = threading.Thread(target=lambda: code.append(server.stop()))
        deadline = time.monotonic() + 5
        while Api(server).raw("GET", "/health").status_code != 200 and time.monotonic() < deadline:
            time.sleep(0.02)
        stopper.start()
        deadline = time.monotonic() + 10  # once new work is refused or told so, the stop has begun
        while time.monotonic() < deadline:
            try:
                if Api(server).raw("GET", "/health/ready", timeout=2).status_code != 200:
                    break
            except OSError:
                break
            time.sleep(0.02)
        s.sendall(body[len(body) // 2:])
        answer = b""
        while piece := s.recv(65536):
            answer += piece
    stopper.join(60)
    assert answer.startswith(b"HTTP/1.1 200 "), answer[:300]
    assert code == [0]
    server.start()
    person = log_in(server, "graceful")
    plays(person, person.get("/api/auth/video/mine")["videos"][0]["id"])
