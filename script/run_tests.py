#!/usr/bin/python3
"""Runs every check of the project, step by step, and counts. script/test installs what is missing first.

Counts: a GoogleTest case, a pytest case, and every lint, build or fuzz step are one each.
The whole run has a budget (CONTRIBUTING.md): the table of step times at the end shows where it goes.
"""

import atexit
import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as xml

ROOT = pathlib.Path(__file__).resolve().parent.parent
LOGS = ROOT / "build/test-logs"
CORES = os.cpu_count() or 2
FUZZ_SECONDS, FUZZ_BUDGET = 60, 300
# Suites whose code runs on several threads; what else does is met by the API scenarios that the thread sanitizer's binary serves.
THREADED = "core_test batch_writer_test supervisor_test adapters_test net_test rpc_test interaction_test video_test".split()
# Suites whose statements run on either engine: two instances on PostgreSQL, on SQLite one and two.
ON_EITHER = "interaction_test message_test social_test user_test video_test".split()
ON_POSTGRES = {"SV_TEST_DATABASE": "postgres", "GTEST_FILTER": "-*/Direct"}
# What the API scenarios need, what compares with libthrift, and what else would be compiled by nothing.
DEV_TARGETS = "shortvideo idl_libthrift_test idl_dump_structs media_ladder epoll_loop paced durable_writes postgres_writes rpc_echo".split()
# librdkafka makes its threads by C11's functions, which the thread sanitizer does not know: it crashes on the first one.
BUT_KAFKA = {"GTEST_FILTER": "-*Kafka*"}
TSAN_OPTIONS = f"halt_on_error=1 second_deadlock_stack=1 suppressions={ROOT}/script/tsan.supp"
IN_CI = os.environ.get("CI", "") not in ("", "0", "false")


class Count:
    """passed, failed, skipped, and the name of what failed."""

    def __init__(self, passed=0, failed=0, skipped=0, names=()):
        self.passed, self.failed, self.skipped, self.names = passed, failed, skipped, list(names)

    def __iadd__(self, other):
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped
        self.names += other.names
        return self


class Engines:
    """The servers that suites need, started when the first suite asks and stopped at the end. Their cases are skipped without one."""

    def __init__(self):
        self.env, self.state, self.installing = None, None, None

    def begin_to_install(self):
        """Beside the first build: one of them is built from its source when it is not in the user's cache, which takes minutes."""
        if self.installing is not None:
            return
        with open(LOGS / "engines-install.log", "wb") as out:
            self.installing = subprocess.Popen(["script/engines", "install"], cwd=ROOT, stdin=subprocess.DEVNULL, stdout=out, stderr=out)

    def installed(self):
        self.begin_to_install()
        if self.installing.wait(1800) != 0:
            tail("engines-install")
            return False
        return True

    def settings(self):
        if self.env is None:
            self.env = {}
            self.state = tempfile.mkdtemp(prefix="shortvideo-engines-")
            os.chmod(self.state, 0o755)  # a server may run as a user of its own
            atexit.register(self.stop)
            if self.installed() and run("engines", ["script/engines", "start", self.state], timeout=180, env={"ENGINES_FAST": "1"}):
                lines = pathlib.Path(self.state, "env").read_text().splitlines()
                started = dict(line.split("=", 1) for line in lines)
                self.env = {"SV_TEST_POSTGRES": started["DATABASE_URL"], "SV_TEST_ETCD": started["ETCD_URL"], "SV_TEST_REDIS": started["REDIS_URL"],
                            "SV_TEST_S3": started["S3_URL"], "SV_TEST_S3_OTHER": started["VERSITYGW_URL"], "SV_TEST_KAFKA": started["KAFKA_URL"]}
            else:
                tail("engines")
        return self.env

    def stop(self):
        subprocess.run(["script/engines", "stop", self.state], cwd=ROOT, stdout=subprocess.DEVNULL, check=False)
        shutil.rmtree(self.state, ignore_errors=True)


ENGINES = Engines()


def run(log, command, timeout=1800, env=None):
    """Runs a command with its output in a log; True when it ended with 0."""
    path = LOGS / f"{log}.log"
    with open(path, "ab") as out:
        out.write(f"$ {' '.join(map(str, command))}\n".encode())
        out.flush()
        try:
            done = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, timeout=timeout,
                                  env={**os.environ, **(env or {})}, check=False)
        except subprocess.TimeoutExpired:
            out.write(f"\nstopped after {timeout} s\n".encode())
            return False
    return done.returncode == 0


def tail(log, lines=30):
    path = LOGS / f"{log}.log"
    if path.exists():
        print("\n".join("    " + line for line in path.read_text(errors="replace").splitlines()[-lines:]), flush=True)


def one(log, *command, timeout=1800):
    """A step that is one test."""
    if run(log, command, timeout):
        return Count(passed=1)
    tail(log)
    return Count(failed=1, names=[log])


def build(preset, targets=()):
    if not (ROOT / f"build/{preset}/build.ninja").exists() and not run(f"build-{preset}", ["cmake", "--preset", preset]):
        tail(f"build-{preset}")
        return False
    if run(f"build-{preset}", ["ninja", "-C", f"build/{preset}", *targets], timeout=4500):
        return True
    tail(f"build-{preset}", 60)
    return False


def build_step(preset, targets):
    def step():
        if build(preset, targets() if callable(targets) else targets):
            return Count(passed=1)
        return Count(failed=1, names=[f"build-{preset}"])
    return step


def ctest_list(preset):
    listing = subprocess.run(["ctest", "--test-dir", f"build/{preset}", "--show-only=json-v1"], cwd=ROOT, capture_output=True, check=False)
    return [t for t in json.loads(listing.stdout or "{}").get("tests", []) if "command" in t]


def targets_named(preset, suffix):
    """Asked of ninja, for ctest names a test's program only once it is built."""
    if not (ROOT / f"build/{preset}/build.ninja").exists():
        run(f"build-{preset}", ["cmake", "--preset", preset])
    names = subprocess.run(["ninja", "-C", f"build/{preset}", "-t", "targets", "all"], cwd=ROOT, capture_output=True, text=True, check=False).stdout
    return sorted(set(re.findall(rf"^((?!cmake_)\w+_{suffix}): phony", names, re.M)))


def unit_step(preset, only=None, env_of_step=None):
    """Test binaries of a preset through ctest; the cases are counted from the files that GoogleTest writes."""
    def step():
        tests = [t for t in ctest_list(preset) if not only or t["name"] in only]
        results = ROOT / f"build/{preset}/results"
        shutil.rmtree(results, ignore_errors=True)
        results.mkdir(parents=True)
        env = {"GTEST_OUTPUT": f"xml:{results}/", "ASAN_OPTIONS": "detect_stack_use_after_return=1", "UBSAN_OPTIONS": "print_stacktrace=1",
               "TSAN_OPTIONS": TSAN_OPTIONS, **ENGINES.settings(), **(env_of_step or {})}
        log = f"unit-{preset}"
        run(log, ["ctest", "--test-dir", f"build/{preset}", "-j", str(CORES), "--output-on-failure", "--timeout", "600",
                  "--output-junit", str(results / "ctest.xml"), "-R", "^(" + "|".join(t["name"] for t in tests) + ")$"], env=env)
        count = Count()
        if IN_CI and not ENGINES.settings():
            count += Count(failed=1, names=["engines: one did not start"])
        if not tests or not (results / "ctest.xml").exists():
            tail(log)
            return Count(failed=1, names=[log])
        passed = {case.get("name"): case.get("status") == "run" for case in xml.parse(results / "ctest.xml").iter("testcase")}
        for test in tests:
            file = results / (pathlib.Path(test["command"][0]).name + ".xml")
            broken = []
            try:
                for case in xml.parse(file).iter("testcase"):
                    if case.get("status") != "run" or case.find("skipped") is not None:
                        count.skipped += 1
                    elif case.find("failure") is not None:
                        broken.append(f"{preset}: {case.get('classname')}.{case.get('name')}")
                    else:
                        count.passed += 1
            except (OSError, xml.ParseError):  # not a GoogleTest binary, or it died before it could write
                if passed.get(test["name"]):
                    count.passed += 1
            # A crash or a sanitizer's report after the last case fails the binary without failing a case.
            if not passed.get(test["name"]) and not broken:
                broken.append(f"{preset}: {test['name']}")
            count.failed += len(broken)
            count.names += broken
        if count.failed:
            tail(log, 80)
        return count
    return step


def api_step(log="api", tests=("tests/api",), env=None, options=()):
    """Two scenarios at a time: files that share a server stay in one worker."""
    report = LOGS / f"{log}.xml"
    report.unlink(missing_ok=True)
    run(log, ["/usr/bin/python3", "-m", "pytest", "-q", "-p", "no:cacheprovider", "--durations=10",
              "-n", str(CORES), "--dist", "loadfile", *options, *tests, f"--junitxml={report}"],
        env={"PYTHONDONTWRITEBYTECODE": "1", **(env or {})})
    if not report.exists():
        tail(log)
        return Count(failed=1, names=[log])
    count = Count()
    for case in xml.parse(report).iter("testcase"):
        name = f"{log}: {case.get('classname')}::{case.get('name')}"
        if case.find("failure") is not None or case.find("error") is not None:
            count += Count(failed=1, names=[name])
        elif case.find("skipped") is not None:
            print(f"    skipped: {name}: {case.find('skipped').get('message')}")
            count += Count(failed=1, names=[name + " (a skip is a failure in CI)"]) if IN_CI else Count(skipped=1)
        else:
            count.passed += 1
    if count.failed:
        tail(log, 120)
    return count


def api_postgres_step():
    """The scenarios whose requests cross services, on PostgreSQL with a schema for each service: nothing may need two in one statement."""
    if not ENGINES.settings():
        return Count(failed=1, names=["engines: one did not start"])
    tests = "people accounts social interaction message lists playback privacy access_matrix history crash commands".split()
    return api_step("api-postgres", [f"tests/api/test_{name}.py" for name in tests], {**ENGINES.settings(), **ON_POSTGRES, "SV_TEST_APART": "1"})


def many_processes():
    """Settings of a run against processes that share PostgreSQL, etcd and Redis."""
    return {**ENGINES.settings(), "SV_TEST_DATABASE": "postgres", "SV_TEST_SHAPE": "cluster"}


def api_cluster_step():
    """Two processes of each service and two gateways: what crosses them, and what holds while one of them is silent, dies or leaves."""
    if not ENGINES.settings():
        return Count(failed=1, names=["engines: one did not start"])
    tests = "cluster people interaction message crash access_matrix playback history".split()
    return api_step("api-cluster", [f"tests/api/test_{name}.py" for name in tests], many_processes())


def chaos_step():
    """Every engine broken in every way before a cluster under load."""
    if not ENGINES.settings():
        return Count(failed=1, names=["engines: one did not start"])
    return api_step("chaos", ["tests/chaos"], many_processes(), ("-n", "1"))


def interop_step():
    """A Kitex client and a Kitex server, made by Kitex's own tool, on the other side of the wire."""
    if not ENGINES.settings():
        return Count(failed=1, names=["engines: one did not start"])
    return api_step("interop", ["tests/interop"], many_processes(), ("-n", "1"))


def api_tsan_step():
    """The scenarios that do several things at once, served by the thread sanitizer's binary: a report ends it, and so the scenario."""
    return api_step("api-tsan", env={"SV_BINARY": str(ROOT / "build/tsan/app/shortvideo"), "TSAN_OPTIONS": TSAN_OPTIONS},
                    options=("-m", "concurrent"))


def layers_step():
    count = one("layers-self-test", "tools/check_layers", "--self-test")
    count += one("layers", "tools/check_layers")
    return count


def own_includes(path, seen):
    """The file and every header of ours that it includes, generated ones too."""
    for folder in (ROOT, ROOT / "build/dev/gen"):
        full = folder / path
        if full.is_file():
            if full not in seen:
                seen.add(full)
                for target in re.findall(r'^\s*#\s*include\s+"([^"]+)"', full.read_text(errors="replace"), re.M):
                    own_includes(target, seen)
            return


def tidy_step():
    """clang-tidy on each file with a coroutine in it. A clean result is remembered by the content of all that the file includes."""
    cache = ROOT / "build/tidy-cache"
    cache.mkdir(parents=True, exist_ok=True)
    commands = json.loads((ROOT / "build/dev/compile_commands.json").read_text())
    sources = sorted({pathlib.Path(c["file"]).relative_to(ROOT).as_posix() for c in commands
                      if c["file"].startswith(str(ROOT)) and "/build/" not in c["file"]})
    todo = []
    for source in sources:
        if "co_await" not in (ROOT / source).read_text() and "co_return" not in (ROOT / source).read_text():
            continue
        seen = set()
        own_includes(source, seen)
        digest = hashlib.sha256((ROOT / ".clang-tidy").read_bytes())
        for file in sorted(seen):
            digest.update(file.read_bytes())
        mark = cache / (source.replace("/", "_") + "." + digest.hexdigest()[:32])
        if not mark.exists():
            todo.append((source, mark))

    def tidy(item):
        source, mark = item
        log = "tidy-" + source.replace("/", "_")
        if not run(log, ["clang-tidy-19", "-p", "build/dev", "--quiet", source], timeout=300):
            return source, log
        for old in cache.glob(source.replace("/", "_") + ".*"):
            old.unlink()
        mark.touch()
        return None

    print(f"    {len(todo)} files to look at, the others are as they were", flush=True)
    with concurrent.futures.ThreadPoolExecutor(CORES) as pool:
        bad = [b for b in pool.map(tidy, todo) if b]
    for _, log in bad:
        tail(log)
    return Count(failed=1, names=["clang-tidy: " + source for source, _ in bad]) if bad else Count(passed=1)


def fuzz_step():
    """Every fuzzer for a minute, two at a time, all within five minutes."""
    names = targets_named("asan", "fuzz")
    if not names:
        return Count(failed=1, names=["fuzz: there is no target"])
    seconds = min(FUZZ_SECONDS, FUZZ_BUDGET * CORES // len(names))
    binaries = {p.name: p for p in (ROOT / "build/asan").rglob("*_fuzz") if p.is_file() and os.access(p, os.X_OK)}

    def fuzz(name):
        corpus = ROOT / "build/fuzz" / name
        (corpus / "crashes").mkdir(parents=True, exist_ok=True)
        (corpus / "corpus").mkdir(exist_ok=True)
        return name, name in binaries and run("fuzz-" + name, [
            binaries[name], f"-max_total_time={seconds}", "-timeout=10", "-rss_limit_mb=2048", "-print_final_stats=1",
            f"-artifact_prefix={corpus}/crashes/", corpus / "corpus"], timeout=seconds + 120)

    print(f"    {len(names)} targets, {seconds} s each", flush=True)
    count = Count()
    with concurrent.futures.ThreadPoolExecutor(CORES) as pool:
        for name, ok in pool.map(fuzz, names):
            if ok:
                count.passed += 1
            else:
                count += Count(failed=1, names=[name])
                tail("fuzz-" + name)
    return count


STEPS = [
    ("layers", "the include graph", layers_step),
    ("format", "clang-format", lambda: one("format", "script/format", "--check")),
    ("build", "build (dev)", build_step("dev", DEV_TARGETS)),
    ("thrift", "our bytes against libthrift's", unit_step("dev", ["idl_libthrift_test"])),
    ("api", "API scenarios with the real binary", api_step),
    ("api-postgres", "API scenarios on PostgreSQL, a schema for each service", api_postgres_step),
    ("api-cluster", "API scenarios with two processes of each service", api_cluster_step),
    ("chaos", "every engine broken in every way before a cluster", chaos_step),
    ("interop", "Kitex calls us, we call Kitex", interop_step),
    ("tidy", "clang-tidy: coroutines and lifetimes", tidy_step),
    # The sanitized presets build what is run: tests and fuzzers.
    ("build-asan", "build (address and undefined-behaviour sanitizers)",
     build_step("asan", lambda: (*targets_named("asan", "test"), *targets_named("asan", "fuzz")))),
    ("unit", "unit and contract tests under asan and ubsan", unit_step("asan")),
    ("unit-postgres", "the services' suites on PostgreSQL", unit_step("asan", ON_EITHER, ON_POSTGRES)),
    ("fuzz", "fuzzers", fuzz_step),
    ("build-tsan", "build (thread sanitizer)", build_step("tsan", ["shortvideo", *THREADED])),
    ("tsan", "threaded suites under tsan", unit_step("tsan", THREADED, BUT_KAFKA)),
    ("api-tsan", "API scenarios that are concurrent, under tsan", api_tsan_step),
]
NEEDS = {"thrift": "build", "api": "build", "api-postgres": "build", "api-cluster": "build", "chaos": "build", "interop": "build", "tidy": "build", "unit": "build-asan", "unit-postgres": "build-asan", "fuzz": "build-asan", "tsan": "build-tsan",
         "api-tsan": "build-tsan"}


NEEDS_ENGINES = {"api-postgres", "api-cluster", "chaos", "interop", "unit", "unit-postgres", "tsan", "quick"}


def quick_step():
    """The loop while writing: every suite without a sanitizer. `script/test quick`; not part of the whole run."""
    count = build_step("dev", lambda: targets_named("dev", "test"))()
    count += unit_step("dev")() if not count.failed else Count()
    return count


def main(wanted):
    shutil.rmtree(LOGS, ignore_errors=True)
    LOGS.mkdir(parents=True)
    steps = [*STEPS, ("quick", "unit and contract tests without a sanitizer (only when named)", quick_step)]
    if "--database" in wanted:
        at = wanted.index("--database")
        if wanted[at + 1:at + 2] != ["postgres"] or not ENGINES.settings():
            print("script/test: --database takes postgres, which script/engines starts", file=sys.stderr)
            return 2
        # Every scenario there is, in one database; those of SQLite's files are left out.
        os.environ.update(ENGINES.settings(), SV_TEST_DATABASE="postgres")
        wanted = [*wanted[:at], *wanted[at + 2:]] or ["api", "unit-postgres"]
    if "--shape" in wanted:
        at = wanted.index("--shape")
        if wanted[at + 1:at + 2] != ["cluster"] or not ENGINES.settings():
            print("script/test: --shape takes cluster, whose engines script/engines starts", file=sys.stderr)
            return 2
        os.environ.update(many_processes())
        wanted = [*wanted[:at], *wanted[at + 2:]] or ["api", "interop"]
    if wanted == ["--list"]:
        print("\n".join(f"{name:12}{text}" for name, text, _ in steps))
        return 0
    unknown = set(wanted) - {name for name, _, _ in steps}
    if unknown:
        print(f"script/test: there is no step {' '.join(sorted(unknown))} (script/test --list)", file=sys.stderr)
        return 2
    wanted = set(wanted) | {NEEDS[name] for name in wanted if name in NEEDS}
    if not wanted or wanted & NEEDS_ENGINES:
        ENGINES.begin_to_install()
    total, broken, times = Count(), set(), []
    for name, text, step in steps:
        if name not in (wanted or {name for name, _, _ in STEPS}):
            continue
        if NEEDS.get(name) in broken:
            print(f"==> {text}: not run, the build failed", flush=True)
            total += Count(failed=1, names=[name])
            continue
        print(f"==> {text}", flush=True)
        start = time.monotonic()
        count = step()
        total += count
        if count.failed:
            broken.add(name)
        times.append((name, time.monotonic() - start))
        print(f"    {count.passed} passed, {count.failed} failed, {count.skipped} skipped in {times[-1][1]:.0f} s", flush=True)
    if total.names:
        print("\nfailed:\n" + "\n".join("  " + name for name in total.names) + f"\nlogs: {LOGS.relative_to(ROOT)}/")
    print("\n" + "\n".join(f"{name:12}{seconds:6.0f} s" for name, seconds in [*times, ("all", sum(t for _, t in times))]))
    print(f"{total.passed} passed, {total.failed} failed, {total.skipped} skipped", flush=True)
    return 1 if total.failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
