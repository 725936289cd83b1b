"""kill -9 under a mixed load, with a checker of what was acknowledged. A run is a number from its seed: SV_SEED repeats runs, SV_RUNS says how many."""

import collections
import concurrent.futures
import os
import random
import re
import threading

import pytest
import requests

from apidoc import seeded
from databases import copy, tables
from harness import CLUSTER, Api, Server, make_clip, register

RUNS = int(os.environ.get("SV_RUNS", 3))
PEOPLE, VIDEOS = 6, 4
LONGEST = 4  # seconds of load, on a machine that is too busy for more


class Start:
    """People who follow each other and have written to each other, videos, a comment below each. Every run begins with a copy."""

    def __init__(self, folder):
        self.data = folder / "start"
        clip = make_clip(folder / "clip.mp4", seconds=1, size="160x90", audio=("-an",))
        server = Server(self.data).start()
        self.people = [register(server, f"person-{n}") for n in range(PEOPLE)]
        for one in self.people:
            for other in self.people:
                if one is not other:
                    one.post("/api/auth/social/follow", target_user_id=other.user["id"])
        for one in self.people:
            for other in self.people:
                if one is not other:
                    one.post("/api/auth/message/send", receiver_id=other.user["id"], content=f"hello {other.user['id']}")
        self.videos = [self.people[n % PEOPLE].publish(clip, title=f"video {n}") for n in range(VIDEOS)]
        self.comments = {v["id"]: self.people[0].post("/api/auth/interaction/comment", video_id=v["id"],
                                                      content=f"first below {v['id']}")["id"] for v in self.videos}
        assert server.stop() == 0


class History:
    """What the clients did: for each edge the states it may be in, for each text whether it is there and under which id."""

    def __init__(self, start):
        ids = [p.user["id"] for p in start.people]
        self.edges = {("follow", a, b): {True} for a in ids for b in ids if a != b}
        for a in ids:
            self.edges.update({(kind, a, v["id"]): {False} for kind in ("like", "star") for v in start.videos})
            self.edges.update({("comment_like", a, c): {False} for c in start.comments.values()})
        self.comments = {c: ("acknowledged", f"first below {v}") for v, c in start.comments.items()}  # id -> (state, content)
        self.messages = {}   # id -> content
        self.read = collections.Counter()  # (reader, other) -> number
        self.last = {frozenset((a, b)): 2 for a in ids for b in ids if a != b}  # the highest number acknowledged
        self.lost = []       # calls without an answer: (person, path, body, idempotency key)
        self.lock, self.answers = threading.Lock(), 0
        self.enough, self.failures = threading.Event(), []


class Client:
    """One thread's share of a person's doings: no other thread touches the same edges, so each has one order."""

    def __init__(self, start, history, server, person, rng, kill_after, name):
        self.start, self.history, self.rng, self.kill_after, self.name = start, history, rng, kill_after, name
        self.api = Api(server, person.token, person.user)
        self.me = person.user["id"]
        self.own, self.count = [], 0

    def call(self, method, path, body=None, params=None):
        """The data of the answer; None when none came, and the client ends."""
        key = f"{self.name}-{self.count}"
        self.count += 1
        try:
            answer = self.api.raw(method, path, json=body, params=params, headers={"Idempotency-Key": key}, timeout=30)
        except requests.RequestException:
            with self.history.lock:
                self.history.lost.append((self.me, path, body, key))
            return None
        if CLUSTER and answer.status_code == 503:  # a service died before its gateway: done or not
            with self.history.lock:
                self.history.lost.append((self.me, path, body, key))
            return None
        with self.history.lock:
            if answer.status_code != 200:
                self.history.failures.append(f"{method} {path} {body or params}: {answer.status_code} {answer.text[:200]}")
            self.history.answers += 1
            if self.history.answers >= self.kill_after:
                self.history.enough.set()
        return answer.json().get("data") or {}

    def edge(self, kind, path, undo, field, target):
        on = self.rng.random() < 0.6
        key = (kind, self.me, target)
        before = self.history.edges[key]
        self.history.edges[key] = before | {on}
        if self.call("POST", path if on else undo, {field: target}) is None:
            return False
        self.history.edges[key] = {on}
        return True

    def likes(self):
        video = self.rng.choice(self.start.videos)["id"]
        kind = self.rng.choice(["like", "star", "comment_like"])
        if kind == "comment_like":
            return self.edge(kind, "/api/auth/interaction/comment/like", "/api/auth/interaction/comment/unlike", "comment_id",
                             self.start.comments[video])
        return self.edge(kind, f"/api/auth/interaction/{kind}", f"/api/auth/interaction/un{kind}", "video_id", video)

    def follows(self):
        other = self.rng.choice([p for p in self.start.people if p.user["id"] != self.me]).user["id"]
        return self.edge("follow", "/api/auth/social/follow", "/api/auth/social/unfollow", "target_user_id", other)

    def comments(self):
        if self.own and self.rng.random() < 0.25:
            gone = self.own.pop(self.rng.randrange(len(self.own)))
            content = self.history.comments[gone][1]
            self.history.comments[gone] = ("doubtful", content)
            if self.call("DELETE", "/api/auth/interaction/comment", params={"id": gone}) is None:
                return False
            self.history.comments[gone] = ("deleted", content)
            return True
        video = self.rng.choice(self.start.videos)["id"]
        body = {"video_id": video, "content": f"comment {self.name}-{self.count}"}
        if self.rng.random() < 0.3:
            body["reply_to_id"] = self.start.comments[video]
        made = self.call("POST", "/api/auth/interaction/comment", body)
        if made is None:
            return False
        if "id" in made:
            self.history.comments[made["id"]] = ("acknowledged", body["content"])
            self.own.append(made["id"])
        return True

    def messages(self):
        other = self.rng.choice([p for p in self.start.people if p.user["id"] != self.me]).user["id"]
        if self.rng.random() < 0.2:
            seq = self.rng.randrange(1, self.history.last[frozenset((self.me, other))] + 1)  # of what is there for sure
            if self.call("POST", "/api/auth/message/read", {"other_user_id": other, "seq": seq}) is None:
                return False
            self.history.read[self.me, other] = max(self.history.read[self.me, other], seq)
            return True
        body = {"receiver_id": other, "content": f"message {self.name}-{self.count}"}
        made = self.call("POST", "/api/auth/message/send", body)
        if made is None:
            return False
        if "message_id" in made:
            self.history.messages[made["message_id"]] = body["content"]
            pair = frozenset((self.me, other))
            with self.history.lock:
                self.history.last[pair] = max(self.history.last[pair], made["seq"])
        return True

    def run(self, doing):
        while doing(self):
            pass


SHARES = (Client.likes, Client.comments, Client.follows, Client.messages)


def pages(api, path, name, key="cursor", **params):
    """All of a list: as data itself or below its name."""
    out = []
    while True:
        answer = api.raw("GET", path, params={"page_size": 100, **params})
        assert answer.status_code == 200, f"{path} {params}: {answer.text}"
        data = answer.json()["data"]
        out += data if isinstance(data, list) else data[name]
        cursor = answer.headers.get("X-Next-Cursor") if isinstance(data, list) else data["next_cursor"]
        if not cursor:
            return out
        params[key] = cursor


def once(things, what):
    """The things, each of which is there once."""
    twice = [t for t, n in collections.Counter(things).items() if n > 1]
    assert not twice, f"{what}: {twice} more than once"
    return set(things)


class Checker:
    """Reads everything back as its owner, and compares it with the history and with itself. Complaints are collected."""

    def __init__(self, server, start, history):
        self.start, self.history, self.wrong = start, history, []
        self.apis = {p.user["id"]: Api(server, p.token, p.user) for p in start.people}
        self.guest = Api(server)

    def same(self, what, *values):
        if any(v != values[0] for v in values):
            self.wrong.append(f"{what}: {values}")

    def check(self):
        self.edges()
        self.follows()
        self.comments()
        self.messages()
        return self.wrong

    def state(self, key, is_so):
        if is_so not in self.history.edges[key]:
            self.wrong.append(f"{key} is {is_so}, acknowledged was {self.history.edges[key]}")

    def edges(self):
        likes, stars = collections.Counter(), collections.Counter()
        for me, api in self.apis.items():
            lists = {kind: once([v["id"] for v in pages(api, f"/api/auth/interaction/{name}", "videos")], name) for kind,
                     name in (("like", "liked"), ("star", "starred"))}
            for video in self.start.videos:
                seen = api.get("/api/video/detail", id=video["id"])
                for kind, flag, counter in (("like", "isLike", likes), ("star", "isStar", stars)):
                    self.state((kind, me, video["id"]), seen[flag])
                    self.same(f"{kind} of {me} in the list and on the video", video["id"] in lists[kind], seen[flag])
                    counter[video["id"]] += seen[flag]
        received = collections.Counter()
        for video in self.start.videos:
            v, detail = video["id"], self.guest.get("/api/video/detail", id=video["id"])
            counts, stats = self.guest.get("/api/interaction/counts", video_id=v), self.guest.get("/api/video/stats", id=v)
            self.same(f"likes of {v}", likes[v], detail["likeCount"], counts["like_count"], stats["likeCount"])
            self.same(f"stars of {v}", stars[v], detail["starCount"], counts["star_count"])
            received[video["authorId"]] += likes[v]
        for me in self.apis:
            self.same(f"likes received by {me}", received[me], self.guest.get("/api/user/detail", user_id=me)["likeCount"],
                      self.guest.get("/api/user/stats", user_id=me)["totalLikesReceived"])

    def follows(self):
        following = {me: once([u["id"] for u in pages(api, "/api/auth/social/following", "users")], "following") for me, api in self.apis.items()}
        followers = {me: once([u["id"] for u in pages(api, "/api/auth/social/follower", "users")], "followers") for me, api in self.apis.items()}
        for me, api in self.apis.items():
            friends = once([u["id"] for u in pages(api, "/api/auth/social/friends", "users")], "friends")
            profile = self.guest.get("/api/user/detail", user_id=me)
            self.same(f"whom {me} follows", len(following[me]), profile["followCount"])
            self.same(f"followers of {me}", len(followers[me]), profile["followerCount"])
            self.same(f"friends of {me}", friends, following[me] & followers[me])
            for other in self.apis:
                if other != me:
                    follows = other in following[me]
                    self.state(("follow", me, other), follows)
                    self.same(f"{me} follows {other}", follows, me in followers[other], api.get("/api/auth/user/profile", user_id=other)["isFollow"])

    def comments(self):
        found = []
        for video in self.start.videos:
            v = video["id"]
            top = pages(self.guest, "/api/interaction/comments", "comments", video_id=v)
            first = next(c for c in top if c["id"] == self.start.comments[v])
            replies = pages(self.guest, "/api/interaction/replies", "replies", comment_id=first["id"])
            hot = pages(self.guest, "/api/interaction/comments", "comments", video_id=v, sort="hot")
            self.same(f"hot and new of {v}", {c["id"] for c in hot}, {c["id"] for c in top})
            self.same(f"replies below {first['id']}", len(replies), first["replyCount"])
            self.same(f"comments of {v}", len(top) + len(replies), self.guest.get("/api/video/detail", id=v)["commentCount"],
                      self.guest.get("/api/interaction/counts", video_id=v)["comment_count"])
            found += top + replies
            liking = 0
            for me, api in self.apis.items():
                mine = next(c for c in pages(api, "/api/interaction/comments", "comments", video_id=v) if c["id"] == first["id"])
                self.state(("comment_like", me, first["id"]), mine["isLike"])
                liking += mine["isLike"]
            self.same(f"likes of comment {first['id']}", liking, first["likeCount"])
        ids, contents = once([c["id"] for c in found], "comments"), once([c["content"] for c in found], "comments")
        for comment, (state, content) in self.history.comments.items():
            if state != "doubtful":
                self.same(f"comment {comment} {content!r} is {state}", comment in ids, content in contents, state == "acknowledged")
        self.strangers("comment", contents - {c for _, c in self.history.comments.values()})

    def messages(self):
        found = {}
        for me, api in self.apis.items():
            unread = {u["userId"]: u["count"] for u in api.get("/api/auth/message/unread")["by_user"]}
            self.same(f"all unread of {me}", sum(unread.values()), api.get("/api/auth/message/unread")["total"])
            listed = {c["user"]["id"]: c for c in pages(api, "/api/auth/message/conversations", "conversations")}
            for other, theirs in self.apis.items():
                if other == me:
                    continue
                mine = pages(api, "/api/auth/message/list", "messages", "before", other_user_id=other)
                self.same(f"both sides of {me} and {other}", mine, pages(theirs, "/api/auth/message/list", "messages", "before", other_user_id=me))
                self.same(f"numbers of {me} and {other}", [m["seq"] for m in mine], list(range(len(mine), 0, -1)))
                waiting = [m["seq"] for m in mine if m["receiveId"] == me and not m["isRead"]]
                self.same(f"unread of {me} from {other}", len(waiting), unread.get(other, 0), listed[other]["unreadCount"])
                if waiting and min(waiting) <= self.history.read[me, other]:
                    self.wrong.append(f"{me} had read {other} up to {self.history.read[me, other]}, {min(waiting)} is unread")
                self.same(f"newest of {me} and {other}", mine[0]["id"], listed[other]["lastMessage"]["id"])
                found.update({m["id"]: m["content"] for m in mine if m["sendId"] == me and not m["content"].startswith("hello ")})
        once(found.values(), "messages")
        lost = {i: c for i, c in self.history.messages.items() if found.get(i) != c}
        if lost:
            self.wrong.append(f"acknowledged messages that are gone: {lost}")
        self.strangers("message", set(found.values()) - set(self.history.messages.values()))

    def strangers(self, kind, contents):
        """What nobody was told of can only be what was asked for when the server died."""
        asked = {body["content"] for _, _, body, _ in self.history.lost if body and "content" in body}
        if contents - asked:
            self.wrong.append(f"a {kind} that nobody sent: {contents - asked}")


def ask_again(server, start, history):
    """Calls without an answer, once more under their keys: what had been done is not done twice."""
    people = {p.user["id"]: p for p in start.people}
    for me, path, body, key in history.lost:
        if not body or "content" not in body:
            continue
        answer = Api(server, people[me].token).raw("POST", path, json=body, headers={"Idempotency-Key": key})
        assert answer.status_code == 200, answer.text
        made = answer.json()["data"]
        if "message_id" in made:
            history.messages[made["message_id"]] = body["content"]
        else:
            history.comments[made["id"]] = ("acknowledged", body["content"])


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    return Start(tmp_path_factory.mktemp("history"))


@pytest.fixture(scope="module")
def seed():
    return seeded()


def load(start, history, server, rng, kill_after):
    """Everybody does everything, until the server is killed."""
    with concurrent.futures.ThreadPoolExecutor(PEOPLE * len(SHARES)) as pool:
        clients = []
        for n, person in enumerate(start.people):
            for s, doing in enumerate(SHARES):
                client = Client(start, history, server, person, random.Random(rng.random()), kill_after, f"{n}.{s}")
                clients.append(pool.submit(client.run, doing))
        history.enough.wait(LONGEST)
        server.kill()
        for client in clients:
            client.result(30)
    assert not history.failures, history.failures[:10]
    assert history.answers


@pytest.mark.concurrent
@pytest.mark.parametrize("run", range(RUNS))
def test_what_was_acknowledged_survives_a_kill(start, make_server, tmp_path, seed, run):
    print(f"SV_SEED={seed} run {run}")
    rng = random.Random(f"{seed} {run}")
    copy(start.data, tmp_path / "data")
    server, history = make_server().start(), History(start)
    kill_after = rng.choice([rng.randrange(5, 60), rng.randrange(60, 400), rng.randrange(400, 1200)])
    load(start, history, server, rng, kill_after)
    server.start()
    if rng.random() < 0.3:  # a second crash, before anybody could ask
        server.kill()
        server.start()
    wrong = Checker(server, start, history).check()
    assert not wrong, f"killed after {kill_after} answers:\n" + "\n".join(wrong[:40])
    ask_again(server, start, history)
    wrong = Checker(server, start, history).check()
    assert not wrong, "asked again:\n" + "\n".join(wrong[:40])
    server.kill()
    code, text = server.fsck()
    assert code == 0, text
    print(f"killed after {history.answers} answers")


# By what the checker says of it: {user} likes {video}, for sure.
DAMAGE = {
    "acknowledged was": ["UPDATE interaction_people SET likes = likes - 1 WHERE user_id = (SELECT author_id FROM interaction_videos WHERE video_id = {video})",
                         "UPDATE interaction_videos SET likes = likes - 1 WHERE video_id = {video}",
                         "DELETE FROM interaction_edges WHERE kind = 1 AND user_id = {user} AND object_id = {video}"],
    "likes of": ["UPDATE interaction_videos SET likes = likes + 1"],
    "likes received": ["UPDATE interaction_people SET likes = likes + 1"],
    "likes of comment": ["UPDATE interaction_comments SET likes = likes + 1"],
    "replies below": ["UPDATE interaction_comments SET replies = replies + 1 WHERE root_id = 0"],
    "comments of": ["DELETE FROM interaction_comments WHERE id = (SELECT max(id) FROM interaction_comments WHERE deleted = 0 AND likes = 0)"],
    "more than once": ["UPDATE interaction_comments SET content = 'the same' WHERE deleted = 0 AND root_id = 0"],
    "that nobody sent": ["UPDATE message_messages SET content = content || '!' WHERE id = (SELECT max(id) FROM message_messages)"],
    "numbers of": ["DELETE FROM message_messages WHERE seq = 1"],
    "unread of": ["UPDATE message_sides SET unread = unread + 1"],
    "is unread": ["UPDATE message_conversations SET low_read = 0, high_read = 0"],
    "followers of": ["UPDATE social_counts SET followers = followers + 1"],
    "friends of": ["DELETE FROM social_edges WHERE kind = 5 AND (user_id, target_id) = (SELECT user_id, target_id FROM social_edges WHERE kind = 5 LIMIT 1)"],
    "follows": ["DELETE FROM social_edges WHERE kind = 1"],
}


@pytest.fixture(scope="module")
def crashed(start, tmp_path_factory, seed):
    """The data and the history of a run that was killed."""
    data = tmp_path_factory.mktemp("crashed") / "data"
    copy(start.data, data)
    server, history = Server(data).start(), History(start)
    load(start, history, server, random.Random(seed), 600)
    return data, history


@pytest.mark.parametrize("complaint", DAMAGE)
def test_the_checker_sees_damage(start, crashed, make_server, tmp_path, complaint):
    data, history = crashed
    copy(data, tmp_path / "data")
    _, user, video = next(edge for edge, states in history.edges.items() if edge[0] == "like" and states == {True})
    changed = 0
    service = re.search(r"(interaction|message|social)_", DAMAGE[complaint][0]).group(1)
    with tables(tmp_path / "data", service) as run:
        for statement in DAMAGE[complaint]:
            changed += run(statement.format(user=user, video=video))
    assert changed, "the statements damage nothing"
    try:
        wrong = Checker(make_server().start(), start, history).check()
    except AssertionError as e:
        wrong = [str(e)]
    assert any(complaint in w for w in wrong), wrong[:20]
