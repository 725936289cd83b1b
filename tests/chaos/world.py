"""A cluster, a video in it, people who use it, and what was acknowledged to them."""

import concurrent.futures
import threading
import time

import requests

import harness

BACK_WITHIN = 5.0  # seconds: what is promised, once nothing is broken any more
GUESTS = 3


class World:
    def __init__(self, server, clip):
        self.server, self.clip = server, clip
        self.owner, self.fan = harness.register(self.server), harness.register(self.server)
        self.video = self.owner.publish(clip, title="in the storm")["id"]
        self.comments, self.uploads, self.number = set(), set(), 0
        assert self.back(), "it does not work before anything is broken"

    def call(self, person, method, path, gateway=0, timeout=20, **kwargs):
        """(status, error token, data, seconds); status 0: no answer at all."""
        began = time.monotonic()
        headers = {"Authorization": f"Bearer {person.token}"} if person else {}
        try:
            answer = requests.request(method, self.server.gateways[gateway] + path, headers=headers, timeout=timeout, **kwargs)
        except requests.RequestException as error:
            return 0, repr(error), None, time.monotonic() - began
        body = answer.json() if "json" in answer.headers.get("Content-Type", "") else {}
        return answer.status_code, body.get("error", ""), body.get("data"), time.monotonic() - began

    def read(self, gateway, person=None):
        yield self.call(person, "GET", "/api/video/feed", gateway)
        yield self.call(person, "GET", "/api/video/detail", gateway, params={"id": self.video})

    def comment(self, gateway=0):
        self.number += 1
        done = self.call(self.fan, "POST", "/api/auth/interaction/comment", gateway, json={"video_id": self.video, "content": f"number {self.number}"})
        if done[0] == 200:
            self.comments.add(done[2]["id"])
        return done

    def like(self, on, gateway=0):
        return self.call(self.fan, "POST", f"/api/auth/interaction/{'like' if on else 'unlike'}", gateway, json={"video_id": self.video})

    def upload(self):
        with open(self.clip, "rb") as file:
            done = self.call(self.owner, "POST", "/api/auth/video/upload", timeout=40, data={"title": "another"}, files={"video": ("a.mp4", file, "video/mp4")})
        if done[0] == 200:
            self.uploads.add(done[2]["id"])
        return done

    def watched(self, gateway=0):
        """One byte of the video's file."""
        status, _, data, _ = self.call(None, "GET", "/api/video/detail", gateway, params={"id": self.video})
        if status != 200:
            return status
        try:
            return requests.get(self.server.gateways[gateway] + data["url"], headers={"Range": "bytes=0-0"}, timeout=20).status_code
        except requests.RequestException:
            return 0

    def works(self):
        """Both gateways read and write, media are there, and an event comes through: the owner is told of a comment."""
        if self.call(self.owner, "POST", "/api/auth/notification/read", json={"all": True})[0] != 200:
            return False
        for gateway in range(2):
            for reader in (None, self.fan):
                if any(status != 200 for status, *_ in self.read(gateway, reader)):
                    return False
            if self.comment(gateway)[0] != 200 or self.like(True, gateway)[0] != 200 or self.watched(gateway) != 206:
                return False
        return True

    def told(self):
        status, _, data, _ = self.call(self.owner, "GET", "/api/auth/notification/list")
        return status == 200 and data["unread"] > 0

    def back(self):
        """Whether it works within the time that is promised."""
        end, works = time.monotonic() + BACK_WITHIN, False
        while time.monotonic() < end:
            works = works or self.works()
            if works and self.told():
                return True
            time.sleep(0.05)
        return False

    def everything_is_there(self):
        time.sleep(1)  # what others see of a counter
        seen, cursor = [], None
        while True:
            answer = requests.get(self.server.gateways[0] + "/api/interaction/comments", timeout=20,
                                  params={"video_id": self.video, "page_size": 50, **({"cursor": cursor} if cursor else {})})
            assert answer.status_code == 200, answer.text
            seen += [c["id"] for c in answer.json()["data"]]
            cursor = answer.headers.get("X-Next-Cursor")
            if not cursor:
                break
        assert len(seen) == len(set(seen)), "one is there twice"
        assert self.comments <= set(seen), "an acknowledged comment is lost"
        detail = self.call(None, "GET", "/api/video/detail", params={"id": self.video})[2]
        assert detail["commentCount"] == len(seen)
        assert detail["likeCount"] == 1
        for video in self.uploads:
            assert self.call(self.owner, "GET", "/api/auth/video/status", params={"id": video})[0] == 200


def load(world, seconds, uploads):
    """What guests, a person and writers got meanwhile, by kind."""
    seen, lock, end = {"guest": [], "own": [], "write": [], "upload": []}, threading.Lock(), time.monotonic() + seconds

    def until_the_end(kind, calls, pause):
        n = 0
        while time.monotonic() < end:
            for done in calls(n):
                with lock:
                    seen[kind].append(done)
            n += 1
            time.sleep(pause)

    with concurrent.futures.ThreadPoolExecutor(GUESTS + 3) as pool:
        running = [pool.submit(until_the_end, "guest", lambda n: world.read(n % 2), 0.02) for _ in range(GUESTS)]
        running.append(pool.submit(until_the_end, "own", lambda n: world.read(n % 2, world.fan), 0.05))
        running.append(pool.submit(until_the_end, "write", lambda n: [world.comment(n % 2), world.like(n % 3 != 0, n % 2)], 0.05))
        if uploads:
            running.append(pool.submit(until_the_end, "upload", lambda n: [world.upload()], 1))
        for one in running:
            one.result()
    return seen


def statuses(done):
    out = {}
    for status, error, _, _ in done:
        out[(status, error if status != 200 else "")] = out.get((status, error if status != 200 else ""), 0) + 1
    return out
