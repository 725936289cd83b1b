"""The real binary and clips to feed it: what every scenario here is made of."""

import contextlib
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import time
import uuid

import requests

import databases

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = pathlib.Path(os.environ.get("SV_BINARY", ROOT / "build/dev/app/shortvideo")).resolve()
CLUSTER = os.environ.get("SV_TEST_SHAPE") == "cluster"
PASSWORD = "correct horse 9"


def environment(data):
    """Of every command that works on the data folder."""
    return {**os.environ, **databases.settings(data), **shared(data)}


def shared(data):
    """What many processes share beside tables, in servers that scenarios share: each has a prefix of its own there."""
    out, mine = {}, databases.prefix(data)
    if CLUSTER and "SV_TEST_S3" in os.environ:
        mine = databases.prefix(databases.original(data))
        out["SHORTVIDEO_OBJECTS"] = f"{os.environ['SV_TEST_S3']}/{mine}"
    if CLUSTER and "SV_TEST_KAFKA" in os.environ:
        out["SHORTVIDEO_EVENTS"] = f"{os.environ['SV_TEST_KAFKA']}?partitions=2&session=3s&prefix={databases.prefix(data)}."
    return out


class Server:
    """One `shortvideo serve` on a free port. Rate limits are off unless asked for: scenarios share one address."""

    def __init__(self, data, *sets, limits=False, wrapper=(), env=None):
        self.data, self.sets, self.wrapper, self.env = pathlib.Path(data), sets, wrapper, env or {}
        self.limits = limits
        self.process, self.url = None, None
        self.ca = True  # whom clients trust: a file with the server's own certificate
        self.log = self.data.parent / (self.data.name + ".log")

    def start(self, timeout=30):
        self.data.mkdir(parents=True, exist_ok=True)
        out = self.data.parent / (self.data.name + ".out")
        command = [*self.wrapper, BINARY, "serve", "--listen", "127.0.0.1:0", "--data", self.data]
        for key in (*(() if self.limits else ("limits.enabled=false",)), "auth.bcrypt_cost=4", *self.sets):
            command += ["--set", key]
        with open(out, "wb") as stdout, open(self.log, "ab") as stderr:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr, env={**environment(self.data), **self.env})
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            for line in out.read_text().splitlines():
                if line.startswith("listening on "):
                    self.url = line.split()[-1]
                    return self
            if self.process.poll() is not None:
                break
            time.sleep(0.01)
        self.kill()
        raise AssertionError(f"the server did not start: {self.log.read_text()[-2000:]}")

    @property
    def address(self):
        host, port = self.url.split("//")[1].rsplit(":", 1)
        return host, int(port)

    def stop(self, timeout=60):
        """SIGTERM; the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout)

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
        code = self.process.wait()
        databases.settle(self.data)
        return code

    def turn_of(self, who):
        """Of one process everyone sees at once what anyone has written."""

    def done(self, who, method, path, answer):
        pass

    def memory(self, what="VmRSS"):
        """Bytes resident now (VmRSS) or at most ever (VmHWM)."""
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith(what + ":"):
                return int(line.split()[1]) * 1024
        raise AssertionError(what)

    def fsck(self):
        done = subprocess.run([BINARY, "fsck", "--data", self.data], capture_output=True, text=True, timeout=120, check=False, env=environment(self.data))
        return done.returncode, done.stdout + done.stderr


class Cluster:
    """Two processes of each service and two gateways, which take turns; the same face as a Server. Beside a PostgreSQL they need etcd and Redis."""

    SERVICES = "user video social interaction message".split()

    def __init__(self, data, *sets, limits=False, wrapper=(), env=None, instances=2):
        self.data, self.sets, self.wrapper, self.env = pathlib.Path(data), sets, wrapper, env or {}
        self.limits, self.instances = limits, instances
        self.processes, self.gateways, self.admin = {}, [], {}
        self.turn = 0
        self.writer, self.written, self.ended = None, 0.0, False
        self.ca = True
        self.log = self.data.parent / (self.data.name + ".log")

    def _command(self, name, services):
        mine = databases.prefix(self.data)
        sets = [f"registry={os.environ['SV_TEST_ETCD']}?prefix={mine}", f"cache={os.environ['SV_TEST_REDIS']}?prefix={mine}:",
                "metrics.listen=127.0.0.1:0", f"log.output={self.log}", "rpc.linger=0s",
                *(() if self.limits else ("limits.enabled=false",)), "auth.bcrypt_cost=4"]
        sets += [f"rpc.listen.{s}=127.0.0.1:0" for s in services.split(",") if s in self.SERVICES]
        # Jobs run in a process of their own.
        if services == "video":
            sets.append("transcode.workers=0")
        own = [s for s in self.sets if not (s.startswith("transcode.workers") and services == "video")]
        command = [*self.wrapper, BINARY, "serve", "--services", services, "--listen", "127.0.0.1:0", "--data", self.data]
        for key in (*sets, *own):
            command += ["--set", key]
        return command

    def launch(self, name, services):
        """Starts one process; its ports are known from what it prints."""
        out = self.data.parent / f"{self.data.name}.{name}.out"
        with open(out, "wb") as stdout, open(self.log, "ab") as stderr:
            self.processes[name] = subprocess.Popen(self._command(name, services), stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr,
                                                    env={**environment(self.data), **self.env})
        return out

    def settled(self, name, out, deadline, ready=True):
        """Waits until it is ready, or at least serves; what it printed."""
        said = ""
        while time.monotonic() < deadline:
            lines = dict(line.replace("serving ", "").split(" on ", 1) for line in out.read_text().splitlines() if " on " in line)
            if "metrics" in lines:
                self.admin[name] = "http://" + lines["metrics"]
                if not ready and len(lines) > 1:
                    return lines
                with contextlib.suppress(requests.RequestException):
                    answer = requests.get(self.admin[name] + "/health/ready", timeout=5)
                    if answer.status_code == 200 and ("listening" in lines) == name.startswith("gateway"):
                        return lines
                    said = answer.text
            assert self.processes[name].poll() is None, f"{name} ended: {self.log.read_text()[-2000:]}"
            time.sleep(0.02)
        raise AssertionError(f"{name} is not ready: {said} {out.read_text()} {self.log.read_text()[-2000:]}")

    def start(self, timeout=60):
        self.data.mkdir(parents=True, exist_ok=True)
        environment(self.data)
        named = [(f"{s}-{i}", s) for i in range(1, self.instances + 1) for s in (*self.SERVICES, "gateway")] + [("transcode-1", "transcode")]
        outs = {name: self.launch(name, services) for name, services in named}
        deadline = time.monotonic() + timeout
        printed = {name: self.settled(name, out, deadline) for name, out in outs.items()}
        self.gateways = [lines["listening"] for name, lines in printed.items() if name.startswith("gateway")]
        return self

    @property
    def url(self):
        self.turn += 1
        return self.gateways[self.turn % len(self.gateways)]

    @property
    def process(self):
        return next(iter(self.processes.values()), None)

    @property
    def address(self):
        host, port = self.url.split("//")[1].rsplit(":", 1)
        return host, int(port)

    def stop(self, timeout=60):
        """SIGTERM, gateways first; the worst exit code."""
        codes = [0]
        for part in (lambda n: n.startswith("gateway"), lambda n: not n.startswith("gateway")):
            ending = [p for name, p in self.processes.items() if part(name)]
            for process in ending:
                process.send_signal(signal.SIGTERM)
            codes += [process.wait(timeout) for process in ending]
        return max(codes, key=abs)

    def kill(self):
        for process in self.processes.values():
            if process.poll() is None:
                process.kill()
        code = max((process.wait() for process in self.processes.values()), key=abs, default=0)
        databases.settle(self.data)
        return code

    def fsck(self):
        return Server.fsck(self)

    # What one has written is seen by oneself at once, through either gateway; by everyone else, and what ends access by anyone, within a second.
    def turn_of(self, who):
        if self.writer is not None and (self.ended or who is not self.writer):
            time.sleep(max(0.0, self.written + 1 - time.monotonic()))

    def done(self, who, method, path, answer):
        if method == "GET" or answer.status_code >= 400:
            return
        self.writer, self.written = who, time.monotonic()
        self.ended = any(word in path for word in ("logout", "password", "account", "session", "refresh"))


def made(data, *sets, **kwargs):
    """A server of the shape that is tested."""
    return (Cluster if CLUSTER else Server)(data, *sets, **kwargs)


class Api:
    """Calls as one person, or as nobody. Methods return the parsed `data` and insist on success; `raw` returns the response."""

    def __init__(self, server, token=None, user=None, lang="en"):
        self.server, self.token, self.user, self.lang = server, token, user, lang
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.verify = server.ca

    def raw(self, method, path, **kwargs):
        headers = {"Accept-Language": self.lang, **kwargs.pop("headers", {})}
        if self.token and "Authorization" not in headers:
            headers["Authorization"] = "Bearer " + self.token
        kwargs.setdefault("timeout", 60)
        self.server.turn_of(self)
        answer = self.session.request(method, self.server.url + path, headers=headers, **kwargs)
        self.server.done(self, method, path, answer)
        return answer

    def ok(self, method, path, **kwargs):
        answer = self.raw(method, path, **kwargs)
        assert answer.status_code == 200, f"{method} {path}: {answer.status_code} {answer.text[:500]}"
        body = answer.json()
        assert body["code"] == 200 and body["message"] == "success", body
        return body.get("data")

    def get(self, path, **params):
        return self.ok("GET", path, params=params)

    def post(self, path, **body):
        return self.ok("POST", path, json=body)

    def put(self, path, **body):
        return self.ok("PUT", path, json=body)

    def delete(self, path, **params):
        return self.ok("DELETE", path, params=params)

    def upload_raw(self, clip, name="clip.mp4", headers=None, cover=None, **fields):
        fields.setdefault("title", "a clip")
        with open(clip, "rb") as video:
            files = {"video": (name, video, "video/mp4")}
            if cover:
                files["cover"] = ("cover.jpg", pathlib.Path(cover).read_bytes(), "image/jpeg")
            return self.raw("POST", "/api/auth/video/upload", data=fields, files=files, headers=headers or {}, timeout=120)

    def upload(self, clip, **fields):
        answer = self.upload_raw(clip, **fields)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    def status(self, video_id):
        return self.get("/api/auth/video/status", id=video_id)

    def wait(self, video_id, until=lambda s: s["status"] in ("ready", "failed"), timeout=120):
        """Polls the processing status until it is as wanted."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            status = self.status(video_id)
            if until(status):
                databases.follow()
                return status
            time.sleep(0.05)
        raise AssertionError(f"after {timeout} s still {status}")

    def publish(self, clip, **fields):
        """Uploads and waits until it can be watched; the video as the detail route gives it."""
        video = self.upload(clip, **fields)
        status = self.wait(video["id"])
        assert status["status"] == "ready", status
        return self.get("/api/video/detail", id=video["id"])


def complete(status):
    """All rungs are done, or it failed."""
    return status["status"] == "failed" or status["progress"] == 100


def register(server, name=None, lang="en"):
    name = name or "u" + uuid.uuid4().hex[:12]
    data = Api(server, lang=lang).post("/api/user/register", username=name, password=PASSWORD)
    person = Api(server, data["token"], data["user"], lang)
    person.refresh_token = data["refresh_token"]
    return person


def grant_admin(server, person):
    """Makes somebody an administrator the way an operator does, while the server runs."""
    command = [BINARY, "user", "grant-admin", person.user["username"], "--data", server.data]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environment(server.data))
    assert done.returncode == 0, done.stderr


def refused(answer, status, token=None, field=None):
    """The answer is a failure as the contract wants it."""
    assert answer.status_code == status, f"{answer.status_code} {answer.text[:400]}"
    body = answer.json()
    assert body["code"] == status and body["message"] and "data" not in body, body
    assert body["error"] and body["request_id"], body
    if token:
        assert body["error"] == token, body
    if field:
        assert body["error"].startswith(field + "_"), body
    return body


def ffmpeg(*arguments, timeout=300):
    done = subprocess.run(["ffmpeg", "-v", "error", "-nostdin", "-y", *map(str, arguments)], capture_output=True, text=True, timeout=timeout, check=False)
    assert done.returncode == 0, done.stderr
    return done.stderr


def make_clip(path, seconds=4, size="640x360", rate=25, video=("-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p"), audio=("-c:a", "aac"), seed=440):
    ffmpeg("-f", "lavfi", "-i", f"testsrc2=s={size}:r={rate}", "-f", "lavfi", "-i", f"sine=frequency={seed}", "-t", seconds, *video, *audio, path)
    return path


def probe(path):
    done = subprocess.run(["ffprobe", "-v", "error", "-show_streams", "-show_format", "-of", "json", str(path)], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def need(tool):
    """Fails when a tool that setup installs is absent: nothing here is silently skipped."""
    assert shutil.which(tool), f"{tool} is missing; run script/setup"


def exchange(address, request, timeout=20):
    """Sends raw bytes and returns all that comes back until the server closes."""
    with socket.create_connection(address, timeout=timeout) as s:
        s.sendall(request)
        got = b""
        while True:
            try:
                piece = s.recv(65536)
            except ConnectionResetError:
                return got
            if not piece:
                return got
            got += piece
