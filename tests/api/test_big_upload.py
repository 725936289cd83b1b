"""Uploads stream: memory stays flat however long the file is. SV_BIG=1 sends 2 GiB."""

import os

from harness import Api, register

SIZE = 2 * 2**30 if os.environ.get("SV_BIG") else 300 * 2**20


def form(clip):
    """A multipart body made on the fly: the clip, then a `free` box that players skip."""
    yield b'--B\r\nContent-Disposition: form-data; name="title"\r\n\r\nbig\r\n--B\r\nContent-Disposition: form-data; name="video"; filename="a.mp4"\r\n\r\n'
    yield clip.read_bytes()
    yield (1).to_bytes(4, "big") + b"free" + SIZE.to_bytes(8, "big")
    left, piece = SIZE - 16, bytes(2**20)
    while left > 0:
        yield piece[: min(left, len(piece))]
        left -= len(piece)
    yield b"\r\n--B--\r\n"


def test_a_big_upload_needs_little_memory(make_server, clip):
    server = make_server().start()
    person = register(server)
    answer = person.raw("POST", "/api/auth/video/upload", data=form(clip), headers={"Content-Type": "multipart/form-data; boundary=B"}, timeout=1200)
    assert answer.status_code == 200, answer.text
    assert server.memory("VmHWM") < 200 * 2**20
    video = answer.json()["data"]["id"]
    assert person.wait(video, timeout=600)["status"] == "ready"
    assert server.memory("VmHWM") < 200 * 2**20
    assert Api(server).raw("GET", Api(server).get("/api/video/detail", id=video)["url"]).status_code == 200
