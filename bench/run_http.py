#!/usr/bin/python3
"""Cached reads of the real binary against a bare epoll loop that sends the same bytes, alternating in one run. See README.md."""
import os
import shutil
import statistics
import subprocess
import sys

from harness import BENCH, arguments, fill, free_port, machine, paced, prepare, running, serving, wait_until_it_answers, workplace, wrk, write_json

FEED = "/api/video/feed?page_size=20"


def routes_of(server, options):
    """(name, path, whether it is asked for with a token); what this data or build has not is said and left out."""
    routes = [("health", "/health", False), ("feed", FEED, False)]
    page = server.get(FEED)["videos"]
    if not page:
        print("no videos: detail, comments and profile are left out; give a folder that fill.py made by --data")
    else:
        routes.append(("detail", f"/api/video/detail?id={page[0]['id']}", False))
        for video in page:
            path = f"/api/interaction/comments?video_id={video['id']}&page_size=20"
            if server.has(path) and len(server.get(path)) == 20:
                routes.append(("comments", path, False))
                break
        else:
            print("no video on the first page has 20 comments, or this build has no comments: left out")
        routes.append(("profile", f"/api/user/detail?user_id={page[0]['authorId']}", False))
    routes.append(("own-feed", FEED, True))
    routes += [(path, path, False) for path in options.route or []]
    wanted = options.only.split(",") if options.only else None
    return [r for r in routes if not wanted or r[0] in wanted]


def build_hertz(scratch):
    """The peer's program, or a sentence why there is none."""
    if not shutil.which("go"):
        sys.exit("--hertz needs Go 1.24 or newer: apt-get install golang-go")
    program = os.path.join(scratch, "hertz_page")
    subprocess.run(["go", "build", "-o", program, "."], cwd=os.path.join(BENCH, "hertz_page"), check=True)
    return program


class Contestants:
    """Name → (pid, port) of everyone who serves one route; they run at the same time and are loaded in turns."""

    def __init__(self, programs, hertz, server, scratch, log, options):
        self.programs, self.hertz, self.server, self.scratch, self.log, self.options = programs, hertz, server, scratch, log, options

    def measure(self, name, path, token):
        options, answer = self.options, self.server.raw(path, token)
        file, page = os.path.join(self.scratch, "answer"), os.path.join(self.scratch, "page.json")
        for target, data in ((file, answer), (page, answer.split(b"\r\n\r\n", 1)[1])):
            with open(target, "wb") as f:
                f.write(data)
        ports = {"loop": free_port()}
        commands = {"loop": ["taskset", "-c", options.server_core, self.programs["epoll_loop"], str(ports["loop"]), file]}
        if self.hertz and path == FEED and not token:
            ports["hertz"] = free_port()
            commands["hertz"] = ["env", "GOMAXPROCS=1", "taskset", "-c", options.server_core, self.hertz, str(ports["hertz"]), page]
        return len(answer), self.take_turns(path, token, commands, ports)

    def take_turns(self, path, token, commands, ports):
        if commands:
            name, command = commands.popitem()
            with running(command, self.log) as process:
                wait_until_it_answers(ports[name], process, path)
                return self.take_turns(path, token, commands, ports | {name: (process.pid, ports[name])})
        who = {"server": (self.server.pid, self.server.port), **ports}
        runs = {name: [] for name in who}
        for _ in range(self.options.rounds):
            for name, (pid, port) in who.items():
                runs[name].append(wrk(pid, port, path, self.options, token))
        middle = {name: {k: statistics.median(r[k] for r in rs) for k in rs[0]} for name, rs in runs.items()}
        for name, m in middle.items():
            m["errors"] = sum(r["errors"] for r in runs[name])
        return middle

    def at_half_load(self, path, token, rate):
        paths = os.path.join(self.scratch, "paths")
        with open(paths, "w") as f:
            f.write(path + "\n")
        return paced(self.programs["paced"], self.options.client_core, self.server.port, paths, rate=rate / 2, seconds=self.options.seconds,
                     connections=self.options.connections, token=token)


def report(name, size, middle, half):
    for who, m in middle.items():
        print(f"{name:10}{size:8}  {who:6}{m['rate']:9.0f}{m['p50']:9.2f}{m['p99']:9.2f}{m['cpu_us']:9.1f}{m['busy']:6.0%}{m['errors']:8}")
    ours, loop = middle["server"], middle["loop"]
    ratios = {"rate_ratio": ours["rate"] / loop["rate"], "cpu_ratio": loop["cpu_us"] / ours["cpu_us"]}
    limit = "" if loop["busy"] > 0.9 else "; wrk was the loop's limit, go by CPU"
    print(f"{name:10}{ratios['rate_ratio']:.0%} of the loop's req/s, {ratios['cpu_ratio']:.0%} by CPU per request{limit}")
    if "hertz" in middle:
        ratios["hertz_ratio"] = ours["rate"] / middle["hertz"]["rate"]
        print(f"{name:10}{ratios['hertz_ratio']:.2f} × Hertz and sonic by req/s, {middle['hertz']['cpu_us'] / ours['cpu_us']:.2f} × by CPU per request")
    late = f"; the client was busy {half['client_busy']:.0%}" if half["client_busy"] > 0.9 else ""
    print(f"{name:10}at half load ({half['rate']:.0f}/s): p50 {half['p50']:.2f} ms, p99 {half['p99']:.2f} ms, {half['errors']} errors{late}\n")
    return {"bytes": size, **middle, **ratios, "half_load": half}


def main():
    parser = arguments(__doc__)
    parser.add_argument("--data", help="a data folder that has videos; no other server may be using it (default: fill.py makes a small one)")
    parser.add_argument("--route", action="append", help="measure this path too (repeatable)")
    parser.add_argument("--only", help="some of health,feed,detail,comments,profile,own-feed (the feed with a token)")
    parser.add_argument("--hertz", action="store_true", help="build hertz_page/ and let it take turns on the feed")
    options = parser.parse_args()
    programs = prepare(options, ("epoll_loop", "paced"), ("wrk", "taskset"))

    with workplace() as (scratch, log):
        hertz = build_hertz(scratch) if options.hertz else None
        data = options.data
        if not data:
            data = os.path.join(scratch, "data")
            fill(programs["shortvideo"], data, "--videos", 2000)
        with serving(programs["shortvideo"], data, options.server_core, log) as server:
            print(f"machine   {machine()}")
            print(f"load      wrk, {options.connections} connections, keep-alive, {options.seconds} s, {options.rounds} rounds, alternating; "
                  f"server on core {options.server_core}, wrk on core {options.client_core}\n")
            routes = routes_of(server, options)
            token = server.token() if any(with_token for _, _, with_token in routes) else None
            print(f"{'route':10}{'bytes':>8}  {'who':6}{'req/s':>9}{'p50 ms':>9}{'p99 ms':>9}{'CPU µs':>9}{'busy':>6}{'errors':>8}")
            contestants = Contestants(programs, hertz, server, scratch, log, options)
            figures = {}
            for name, path, with_token in routes:
                used = token if with_token else None
                size, middle = contestants.measure(name, path, used)
                half = contestants.at_half_load(path, used, middle["server"]["rate"])
                figures[name] = report(name, size, middle, half)
    write_json(options, {"routes": figures})
    failed = any(f[who]["errors"] for f in figures.values() for who in ("server", "loop", "hertz") if who in f)
    return 1 if failed or any(f["half_load"]["errors"] for f in figures.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
