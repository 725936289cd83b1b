"""What runs in the background survives what goes wrong around it, and says so."""

import shutil
import time

from harness import Api, complete, refused, register


def until(condition, timeout=60):
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.05)
    raise AssertionError(f"not within {timeout} s")


def readiness(server):
    answer = Api(server).raw("GET", "/health/ready")
    return answer.status_code, answer.json()


def test_nothing_dies_while_the_scratch_folder_is_gone(make_server, tiny):
    server = make_server().start()
    person = register(server)
    assert readiness(server)[0] == 200
    scratch = server.data / "scratch"
    shutil.rmtree(scratch)
    scratch.write_text("a file where the folder was")
    ids = [person.upload(tiny, title=f"clip {number}")["id"] for number in range(6)]
    status, body = until(lambda: (r := readiness(server))[0] == 503 and r)
    failing = [check for check in body["checks"] if not check["ok"]]
    assert body["status"] == "not_ready" and [check["name"] for check in failing] == ["loop.video.jobs"], body
    assert "scratch" in failing[0]["error"], body
    assert all(person.status(video)["status"] == "uploaded" or person.status(video)["status"] == "probing" for video in ids)
    scratch.unlink()
    scratch.mkdir()
    for video in ids:
        done = person.wait(video, complete)
        assert done["status"] == "ready" and done["stage"] == "done" and done["progress"] == 100, done
    assert readiness(server)[0] == 200
    assert 'shortvideo_loop_failures_total{loop="video.jobs"}' in Api(server).raw("GET", "/metrics").text
    assert server.stop() == 0


def test_progress_never_goes_back_or_contradicts_the_stage(person, clip):
    video = person.upload(clip)["id"]
    seen = []
    person.wait(video, lambda s: seen.append(s) or complete(s))
    assert [s["progress"] for s in seen] == sorted(s["progress"] for s in seen)
    for s in seen:
        assert (s["progress"] == 100) == (s["stage"] == "done"), s
        if s["stage"] == "done":
            assert s["hls_url"] and s["sprite_url"] and s["vtt_url"] and all(r["state"] == "ready" for r in s["renditions"]), s
        if s["status"] in ("uploaded", "probing", "transcoding"):
            assert s["stage"] in ("probe", "cover", "first"), s


def test_a_clip_that_cannot_be_played_fails_with_a_reason_and_its_author_is_told(person, tiny, clips):
    noise = clips / "noise.mp4"
    noise.write_bytes(tiny.read_bytes()[:64] + b"noise" * 1000)
    video = person.upload(noise, title="noise")["id"]
    status = person.wait(video, lambda s: s["status"] == "failed")
    assert status["error"] and status["message"] and "retryable" in status and status["progress"] < 100, status
    mine = next(v for v in person.get("/api/auth/video/mine")["videos"] if v["id"] == video)
    assert mine["status"] == "failed" and mine["error"] == status["error"] and mine["message"] == status["message"], mine
    told = until(lambda: person.get("/api/auth/notification/list", type="upload_failed")["notifications"])
    assert told[0]["videoId"] == video and "noise" in told[0]["content"], told
    refused(person.raw("POST", "/api/auth/video/retry", json={"id": video}), 409, "not_retryable")


def test_the_oldest_waiting_job_is_measured(make_server, tiny):
    server = make_server("transcode.workers=0").start()
    register(server).upload(tiny)

    def waits():
        for line in Api(server).raw("GET", "/metrics").text.splitlines():
            if line.startswith('shortvideo_jobs_oldest_wait_seconds{kind="probe"}'):
                return int(line.split()[-1]) >= 1
        return False

    until(waits)
    assert server.stop() == 0
