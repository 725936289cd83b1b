#!/usr/bin/python3
"""Uploads: bytes a second by multipart with SHA-256, and how long after the last byte a video is watchable. See README.md."""
import json
import os
import socket
import subprocess
import sys
import time

from harness import arguments, cpu_seconds, fill, machine, prepare, serving, workplace, write_json

SOUND = ["-f", "lavfi", "-i", "sine=d={s}", "-c:a", "aac", "-shortest"]
# name, seconds, size, encoder with its rate, target in seconds
CLIPS = [
    ("720p H.264, 12 Mbit/s", 8, "1280x720", ["-c:v", "libx264", "-preset", "ultrafast", "-b:v", "12M", "-minrate", "12M", "-maxrate", "12M", "-bufsize", "6M"], 2.0),
    ("1080p H.264, 15 Mbit/s", 20, "1920x1080", ["-c:v", "libx264", "-preset", "ultrafast", "-b:v", "15M", "-maxrate", "15M", "-bufsize", "8M"], 2.0),
    ("1080p H.264, 15 Mbit/s", 60, "1920x1080", ["-c:v", "libx264", "-preset", "ultrafast", "-b:v", "15M", "-maxrate", "15M", "-bufsize", "8M"], 2.0),
    ("1080p HEVC, 8 Mbit/s", 20, "1920x1080", ["-c:v", "libx265", "-preset", "ultrafast", "-b:v", "8M", "-tag:v", "hvc1", "-x265-params", "log-level=none"], None),
    ("1080p HEVC, 8 Mbit/s", 60, "1920x1080", ["-c:v", "libx265", "-preset", "ultrafast", "-b:v", "8M", "-tag:v", "hvc1", "-x265-params", "log-level=none"], None),
]


def clip(path, seconds, size, encoder):
    """Moving, and grainy as a camera's picture is: the encoder has something to spend its rate on."""
    if os.path.exists(path):
        return path
    picture = f"testsrc2=s={size}:r=30:d={seconds},noise=alls=12:allf=t"
    sound = [word.format(s=seconds) for word in SOUND]
    subprocess.run(["ffmpeg", "-v", "error", "-nostdin", "-y", "-f", "lavfi", "-i", picture, *sound, *encoder, "-pix_fmt", "yuv420p", path], check=True)
    return path


def upload(server, token, source, size, title):
    """Sends `size` bytes of the open file as one form; seconds until all was sent, and until the answer, and the video."""
    edge = "edge-of-a-bench"
    head = (f"--{edge}\r\nContent-Disposition: form-data; name=\"title\"\r\n\r\n{title}\r\n--{edge}\r\n"
            f"Content-Disposition: form-data; name=\"video\"; filename=\"clip.mp4\"\r\n\r\n").encode()
    tail = f"\r\n--{edge}--\r\n".encode()
    request = (f"POST /api/auth/video/upload HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {token}\r\nContent-Length: {len(head) + size + len(tail)}\r\n"
               f"Content-Type: multipart/form-data; boundary={edge}\r\n\r\n").encode()
    with socket.create_connection(("127.0.0.1", server.port), timeout=600) as s:
        begun = time.monotonic()
        s.sendall(request + head)
        s.sendfile(source, count=size)
        s.sendall(tail)
        sent = time.monotonic()
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += s.recv(65536)
        length = int(answer.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        while len(answer.split(b"\r\n\r\n", 1)[1]) < length:
            answer += s.recv(65536)
        answered = time.monotonic()
    body = json.loads(answer.split(b"\r\n\r\n", 1)[1])
    if body["code"] != 200:
        sys.exit(f"the upload is answered {body}")
    return sent - begun, answered - begun, body["data"]


def throughput(server, token, scratch, options):
    size = options.mib << 20
    path = os.path.join("/dev/shm" if os.access("/dev/shm", os.W_OK) else scratch, f"bench-upload-{os.getpid()}")
    try:
        with open(path, "wb") as f:  # the head of a clip and then noise: hashed and stored like any other
            f.write(b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom")
            block = os.urandom(1 << 20)
            while f.tell() < size:
                f.write(block[:size - f.tell()])
        runs = []
        for n in range(options.rounds):
            with open(path, "rb") as f:
                before = cpu_seconds(server.pid)
                _, answered, video = upload(server, token, f, size, f"noise {n}")
                runs.append((size / answered / 1e9, (cpu_seconds(server.pid) - before) / size * 1e9))
                server.delete(f"/api/auth/video?id={video['id']}", token)
            print(f"upload    {options.mib} MiB, durable when answered: {runs[-1][0]:.2f} GB/s, {runs[-1][1]:.2f} CPU s/GB", flush=True)
    finally:
        os.unlink(path)
    return {"gb_per_s": sorted(r[0] for r in runs)[len(runs) // 2], "cpu_s_per_gb": sorted(r[1] for r in runs)[len(runs) // 2]}


def watchable(server, token, options):
    out = []
    for n, (name, seconds, size, encoder, target) in enumerate(CLIPS):
        path = clip(os.path.join(options.clips, f"{n}.mp4"), seconds, size, encoder)
        with open(path, "rb") as f:
            begun = time.monotonic()
            sent, _, video = upload(server, token, f, os.path.getsize(path), name)
        last_byte = begun + sent
        while server.get(f"/api/auth/video/status?id={video['id']}", token)["status"] not in ("ready", "failed"):
            time.sleep(0.02)
        took = time.monotonic() - last_byte
        state = server.get(f"/api/auth/video/status?id={video['id']}", token)
        wanted = target or 0.15 * seconds + 1.5
        out.append({"clip": name, "seconds": seconds, "took": took, "target": wanted, "status": state["status"]})
        print(f"watchable {seconds:3} s of {name}: {state['status']} {took:.2f} s after its last byte (target {wanted:.1f})", flush=True)
        while server.get(f"/api/auth/video/status?id={video['id']}", token)["stage"] != "done":  # the next one has the machine to itself
            time.sleep(0.2)
    return out


def main():
    parser = arguments(__doc__)
    parser.add_argument("--mib", type=int, default=1024, help="of the upload whose bytes a second are measured")
    parser.add_argument("--clips", help="keep the clips in this folder (default: made anew)")
    parser.add_argument("--only", choices=("throughput", "watchable"))
    options = parser.parse_args()
    programs = prepare(options, (), ("taskset", "ffmpeg"))
    figures = {}
    with workplace() as (scratch, log):
        options.clips = options.clips or scratch
        os.makedirs(options.clips, exist_ok=True)
        print(f"machine   {machine()}")
        for what, run, cores in (("throughput", lambda s, t: throughput(s, t, scratch, options), options.server_core),
                                 ("watchable", lambda s, t: watchable(s, t, options), f"0-{os.cpu_count() - 1}")):
            if options.only not in (None, what):
                continue
            data = os.path.join(scratch, what)
            fill(programs["shortvideo"], data, "--videos", 10)
            with serving(programs["shortvideo"], data, cores, log) as server:
                figures[what] = run(server, server.token())
    write_json(options, figures)
    return 1 if any(c["status"] != "ready" for c in figures.get("watchable", [])) else 0


if __name__ == "__main__":
    sys.exit(main())
