#!/usr/bin/python3
"""What a storm of logins does to readers, and how many logins the machine gives beside them. See README.md."""
import collections
import os
import subprocess
import sys
import threading
import time

from harness import FILLED_NAME, FILLED_PASSWORD, arguments, fill, machine, paced, prepare, serving, workplace, write_json

FEED = "/api/video/feed?page_size=20"
# bcrypt of the default cost in a loop: libxcrypt and nothing else. Prints hashes a second.
BCRYPT = """
import ctypes, time
crypt = ctypes.CDLL("libcrypt.so.1").crypt
crypt.restype = ctypes.c_char_p
setting = b"$2b$10$" + b"u" * 22
end, n, start = time.monotonic() + {seconds}, 0, time.monotonic()
while time.monotonic() < end:
    assert crypt(b"bench-fill-7", setting).startswith(b"$2b$10$")
    n += 1
print(n / (time.monotonic() - start))
"""


class Callers:
    """Logs in again and again, each caller with an account of its own."""

    def __init__(self, server, count):
        self.server, self.stopping, self.failures = server, threading.Event(), []
        self.done = []  # when each login was answered
        self.threads = [threading.Thread(target=self.call, args=(i,)) for i in range(count)]
        for thread in self.threads:
            thread.start()

    def call(self, i):
        while not self.stopping.is_set():
            try:
                self.server.post("/api/user/login", username=f"{FILLED_NAME[:-1]}{2 + i}", password=FILLED_PASSWORD)
                self.done.append(time.monotonic())
            except OSError as e:
                self.failures.append(str(e))

    def stop(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join()


def main():
    parser = arguments(__doc__)
    parser.set_defaults(server_core="0,1")
    parser.add_argument("--callers", type=int, default=64)
    parser.add_argument("--rate", type=int, default=2000, help="feed pages a second")
    options = parser.parse_args()
    programs = prepare(options, ("paced",))
    with workplace() as (scratch, log):
        data, paths = os.path.join(scratch, "data"), os.path.join(scratch, "paths")
        fill(programs["shortvideo"], data, "--videos", 2000)
        with open(paths, "w") as f:
            f.write(FEED + "\n")
        print(f"machine   {machine()}\nload      feed of 20 at {options.rate}/s, {options.connections} connections, {options.seconds} s, {options.rounds} rounds, alternating; "
              f"server on cores {options.server_core}, client on core {options.client_core}\n")
        with serving(programs["shortvideo"], data, options.server_core, log) as server:
            os.sched_setaffinity(0, {int(c) for c in options.client_core.split(",")})

            def read():
                return paced(programs["paced"], options.client_core, server.port, paths, rate=options.rate, seconds=options.seconds, connections=options.connections)

            def bcrypt():
                return subprocess.Popen(["taskset", "-c", options.client_core, sys.executable, "-c", BCRYPT.format(seconds=options.seconds)], stdout=subprocess.PIPE, text=True)

            rounds, failures = [], []
            read()  # warms up
            for _ in range(options.rounds):
                idle = read()
                alone = float(bcrypt().communicate()[0])
                loop = bcrypt()
                beside = read()
                allowed = float(loop.communicate()[0])
                callers = Callers(server, options.callers)
                time.sleep(1)
                began = time.monotonic()
                storm = read()
                ended = time.monotonic()
                callers.stop()
                logins = sum(began <= t <= ended for t in callers.done) / (ended - began)
                failures += callers.failures
                rounds.append({"idle": idle, "alone": alone, "beside": beside, "allowed": allowed, "storm": storm, "logins": logins})
    rounds.sort(key=lambda r: r["storm"]["p99"] / r["idle"]["p99"])
    middle = rounds[len(rounds) // 2]
    for name, key in (("no logins", "idle"), ("bcrypt loop beside", "beside"), (f"{options.callers} callers log in", "storm")):
        r = middle[key]
        print(f"{name:24} {r['rate']:8.0f} pages/s  p50 {r['p50']:.2f}  p95 {r['p95']:.2f}  p99 {r['p99']:.2f}  max {r['max']:.2f} ms, {r['errors']} errors")
    print(f"\nfeed p99 in the storm: {middle['storm']['p99'] / middle['idle']['p99']:.2f} × idle")
    print(f"logins: {middle['logins']:.1f}/s; bcrypt alone on core {options.client_core}: {middle['alone']:.1f}/s, beside the same readers: {middle['allowed']:.1f}/s "
          f"({middle['logins'] / middle['allowed']:.0%} of that); failed: "
          f"{', '.join(f'{n} × {text}' for text, n in collections.Counter(failures).items()) or 'none'}")
    write_json(options, {"rounds": rounds, "failures": failures})
    return 1 if failures or any(r[k]["errors"] for r in rounds for k in ("idle", "beside", "storm")) else 0


if __name__ == "__main__":
    sys.exit(main())
