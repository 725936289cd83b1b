#!/usr/bin/python3
"""Fills an installation with demo content through its public HTTP API: registers four people, uploads a dozen clips that ffmpeg
makes on the spot, and waits until each can be watched. May be run again: what is there already is left alone.

usage: fill.py --url http://127.0.0.1:8080 --accounts FILE
"""

import argparse
import json
import os
import pathlib
import secrets
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

from clips import CLIPS

ABOUT = {"xiaoyu": "喜欢看数字自己动起来", "lao_wang": "分形爱好者", "mia": "Colours, mostly.", "tomas": "Tests things until they beep."}


class Refused(Exception):
    """An answer other than success; `answer` is its JSON."""

    def __init__(self, status, answer):
        super().__init__(f"{status}: {answer.get('message', answer)}")
        self.status, self.answer = status, answer


class Api:
    def __init__(self, url):
        self.url = url.rstrip("/")

    def call(self, method, path, body=None, token=None, content_type="application/json"):
        """Sends a request (a dict becomes JSON) and returns `data`. Waits when it is told to slow down."""
        if isinstance(body, dict):
            body = json.dumps(body).encode()
        while True:
            request = urllib.request.Request(self.url + path, data=body, method=method, headers={"Accept-Language": "en"})
            if body is not None:
                request.add_header("Content-Type", content_type)
            if token:
                request.add_header("Authorization", "Bearer " + token)
            try:
                with urllib.request.urlopen(request, timeout=60) as answer:
                    return json.load(answer).get("data")
            except urllib.error.HTTPError as e:
                try:
                    answer = json.load(e)
                except ValueError:
                    answer = {"message": e.reason}
                wait = int(e.headers.get("Retry-After") or 1)
                if e.code == 429 and wait <= 60:
                    time.sleep(wait)
                    continue
                raise Refused(e.code, answer) from None

    def upload(self, token, fields, path):
        """Multipart upload of one clip; the clips are small, so the body is built in memory."""
        boundary = "demo-" + secrets.token_hex(12)
        body = b"".join(f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
                        for name, value in fields.items())
        body += f'--{boundary}\r\nContent-Disposition: form-data; name="video"; filename="clip.mp4"\r\nContent-Type: video/mp4\r\n\r\n'.encode()
        body += path.read_bytes() + f"\r\n--{boundary}--\r\n".encode()
        return self.call("POST", "/api/auth/video/upload", body, token, f"multipart/form-data; boundary={boundary}")


def accounts(path):
    """name → password, made once and kept in a file that only its owner can read."""
    if path.exists():
        return dict(line.split() for line in path.read_text().splitlines() if line.strip())
    made = {name: secrets.token_urlsafe(9) for name in ABOUT}
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as out:
        out.writelines(f"{name} {password}\n" for name, password in made.items())
    return made


def sign_in(api, name, password):
    """Registers, or logs in when the account exists from an earlier run."""
    try:
        return api.call("POST", "/api/user/register", {"username": name, "password": password, "about": ABOUT[name]})["token"]
    except Refused as refused:
        if refused.answer.get("error") != "username_taken":
            raise
    return api.call("POST", "/api/user/login", {"username": name, "password": password})["token"]


def wait_until_watchable(api, token, video_id):
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline:
        status = api.call("GET", f"/api/auth/video/status?id={video_id}", token=token)
        if status["status"] in ("ready", "failed"):
            return status
        time.sleep(0.2)
    return {"status": "still " + status["status"]}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--url", required=True)
    parser.add_argument("--accounts", required=True, type=pathlib.Path, help="file that keeps the demo passwords")
    args = parser.parse_args()

    api = Api(args.url)
    tokens = {name: sign_in(api, name, password) for name, password in accounts(args.accounts).items()}
    titles = {}
    for name, token in tokens.items():
        mine = api.call("GET", "/api/auth/video/mine?page_size=100", token=token)["videos"]
        titles[name] = {video["title"] for video in mine}

    with tempfile.TemporaryDirectory() as folder:
        for number, clip in enumerate(CLIPS, 1):
            if clip.title in titles[clip.user]:
                continue
            path = pathlib.Path(folder) / f"{number}.mp4"
            subprocess.run(clip.ffmpeg(path), check=True, stdin=subprocess.DEVNULL)
            fields = {"title": clip.title, "description": clip.description, "tags": clip.tags}
            video = api.upload(tokens[clip.user], fields, path)
            status = wait_until_watchable(api, tokens[clip.user], video["id"])
            print(f"  {number:2}/{len(CLIPS)} {clip.user}: {clip.title} ({clip.size[0]}×{clip.size[1]}, {clip.seconds} s) {status['status']}", flush=True)
            if status["status"] != "ready":
                raise SystemExit(f"the demo clip is not watchable: {status}")
            path.unlink()


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # an exception, so that a running ffmpeg ends with us
    try:
        main()
    except Refused as refused:
        sys.exit(f"demo: the server refused: {refused}")
    except (OSError, subprocess.CalledProcessError) as problem:
        sys.exit(f"demo: {problem}")
