"""What the benchmarks share: the server and its peers on one core, the clients on another, one line about the machine."""

import argparse
import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BENCH = os.path.join(ROOT, "bench")
# Every account that fill.py makes has this password.
FILLED_NAME, FILLED_PASSWORD = "user1", "bench-fill-7"


def arguments(description):
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--build", default=os.path.join(ROOT, "build/release"), help="build folder of the release preset")
    parser.add_argument("--binary", help="another shortvideo than that of the build folder")
    parser.add_argument("--seconds", type=int, default=5, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--server-core", default="0")
    parser.add_argument("--client-core", default="1")
    parser.add_argument("--json", help="also write the figures to this file")
    return parser


def prepare(options, programs, tools=("taskset",)):
    """The build's programs by name; ends with a sentence when something is missing."""
    for tool in tools:
        if not shutil.which(tool):
            sys.exit(f"{tool} is missing: apt-get install wrk util-linux")
    found = {"shortvideo": options.binary or os.path.join(options.build, "app/shortvideo")}
    found.update({name: os.path.join(options.build, "bench", name) for name in programs})
    for path in found.values():
        if not os.access(path, os.X_OK):
            sys.exit(f"{path} is missing: cmake --preset release && cmake --build --preset release --target {' '.join(found)}")
    return found


def write_json(options, figures):
    if options.json:
        with open(options.json, "w") as f:
            json.dump({"machine": machine(), **figures}, f, indent=1)


def first_line(path, key):
    with open(path) as f:
        return next((line.split(":", 1)[1].strip() for line in f if line.startswith(key)), "?")


def machine():
    """With the load average: figures of a busy machine are worth little."""
    return (f"{first_line('/proc/cpuinfo', 'model name')}, {os.cpu_count()} cores, {first_line('/proc/meminfo', 'MemTotal')}, "
            f"Linux {os.uname().release}, load average {os.getloadavg()[0]:.1f}")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_until_it_answers(port, process, path):
    end = time.monotonic() + 60
    while time.monotonic() < end:
        if process.poll() is not None:
            sys.exit(f"the server ended at once with exit code {process.returncode}")
        with contextlib.suppress(OSError):
            urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5).read()
            return
        time.sleep(0.02)
    sys.exit(f"nothing answers on port {port} after 60 s")


@contextlib.contextmanager
def running(command, output):
    process = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class Server:
    """The real binary on a port of its own. Rate limits are off, and its log goes to a file; nothing else differs from the defaults."""

    def __init__(self, process, port):
        self.process, self.port, self.pid = process, port, process.pid

    def raw(self, path, token=None):
        """Head and body exactly as they are on the wire."""
        extra = f"Authorization: Bearer {token}\r\n" if token else ""
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as s:
            s.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\n{extra}\r\n".encode())
            data = b""
            while b"\r\n\r\n" not in data:
                more = s.recv(65536)
                if not more:
                    sys.exit(f"{path}: the connection was closed before the answer")
                data += more
            head, body = data.split(b"\r\n\r\n", 1)
            if b" 200 " not in head.split(b"\r\n", 1)[0]:
                sys.exit(f"{path} is answered {head.splitlines()[0].decode()}: {body[:200].decode(errors='replace')}")
            length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
            if not length:
                sys.exit(f"{path}: the answer has no Content-Length")
            while len(body) < int(length[1]):
                body += s.recv(65536)
            return head + b"\r\n\r\n" + body

    def get(self, path, token=None):
        return json.loads(self.raw(path, token).split(b"\r\n\r\n", 1)[1])["data"]

    def has(self, path):
        """False: this build has no such route, or nothing is there."""
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=30).read()
        except urllib.error.HTTPError as e:
            if e.code == 404:
                return False
            raise
        return True

    def post(self, path, **body):
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", json.dumps(body).encode(), {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=120) as answer:
            return json.load(answer)["data"]

    def delete(self, path, token):
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", method="DELETE", headers={"Authorization": f"Bearer {token}"})
        urllib.request.urlopen(request, timeout=120).read()

    def token(self):
        """Of an account that fill.py made; a new one where there is none."""
        try:
            return self.post("/api/user/login", username=FILLED_NAME, password=FILLED_PASSWORD)["token"]
        except urllib.error.HTTPError:
            return self.post("/api/user/register", username=f"bench{os.getpid()}", password=FILLED_PASSWORD)["token"]

    def reads(self):
        """Read statements since the start."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=30) as answer:
            lines = answer.read().decode().splitlines()
        found = [float(line.split()[-1]) for line in lines if line.startswith("shortvideo_sql_reads{")]
        if not found:
            sys.exit("/metrics has no shortvideo_sql_reads: the number of statements is not known")
        return sum(found)


@contextlib.contextmanager
def serving(binary, data, cores, log, *settings):
    port = free_port()
    command = ["taskset", "-c", cores, binary, "serve", "--data", data, "--listen", f"127.0.0.1:{port}", "--set", "limits.enabled=false"]
    for setting in settings:
        command += ["--set", setting]
    with running(command, log) as process:
        wait_until_it_answers(port, process, "/health")
        yield Server(process, port)


@contextlib.contextmanager
def workplace():
    """A scratch folder and a log in it, whose end is shown when the benchmark fails."""
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch, open(os.path.join(scratch, "log"), "w+b") as log:
        try:
            yield scratch, log
        except BaseException as e:
            log.flush()
            log.seek(0)
            text = log.read()[-2000:].decode(errors="replace")
            if text and not isinstance(e, KeyboardInterrupt):
                print(text, file=sys.stderr)
            raise


def fill(binary, folder, *arguments):
    subprocess.run([sys.executable, os.path.join(BENCH, "fill.py"), folder, "--binary", binary, *map(str, arguments)], check=True)


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


MS = {"us": 0.001, "ms": 1.0, "s": 1000.0}


def wrk(pid, port, path, options, token=None):
    """As fast as wrk can: requests a second, and the CPU time that the server's process took for them."""
    header = ["-H", f"Authorization: Bearer {token}"] if token else []
    before = cpu_seconds(pid)
    out = subprocess.run(
        ["taskset", "-c", options.client_core, "wrk", "-t1", f"-c{options.connections}", f"-d{options.seconds}s", "--latency", *header,
         f"http://127.0.0.1:{port}{path}"], capture_output=True, text=True, check=True).stdout
    used = cpu_seconds(pid) - before
    requests = int(re.search(r"(\d+) requests in", out)[1])
    latency = {p: float(v) * MS[u] for p, v, u in re.findall(r"^\s+(\d+)%\s+([\d.]+)(us|ms|s)$", out, re.M)}
    bad = sum(int(n) for n in re.findall(r"(?:connect|read|write|timeout) (\d+)", out))
    bad += sum(int(n) for n in re.findall(r"Non-2xx or 3xx responses: (\d+)", out))
    return {"rate": float(re.search(r"Requests/sec:\s+([\d.]+)", out)[1]), "p50": latency["50"], "p99": latency["99"],
            "cpu_us": used / max(requests, 1) * 1e6, "busy": used / options.seconds, "errors": bad}


def paced(program, core, port, file, *, rate=0, seconds=0, connections=1, token=None):
    """paced.cc: the paths of `file` at a fixed rate, or (rate 0) one after the other on each connection; seconds 0: each path once."""
    command = ["taskset", "-c", core, program, "--port", port, "--paths", file, "--rate", rate, "--seconds", seconds, "--connections", connections]
    if token:
        command += ["--header", f"Authorization: Bearer {token}"]
    return json.loads(subprocess.run(list(map(str, command)), capture_output=True, text=True, check=True).stdout)
