"""How often a page asks the database, seen from outside: nothing when it is warm, and no more for twenty items than for one."""

import time

import pytest
import requests

from harness import Api, make_clip, register

PAGE = 20
# On a database that others may write, what is warm is read again after a moment.
pytestmark = pytest.mark.sqlite


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A data folder with 25 videos of 5 authors, comments, and a reader with follows, likes and notifications; how to sign in."""
    from harness import Server

    server = Server(tmp_path_factory.mktemp("statements") / "data").start()
    clip = make_clip(tmp_path_factory.mktemp("statements") / "clip.mp4", seconds=1, size="320x180")
    authors, reader = [register(server) for _ in range(5)], register(server)
    videos = []
    for i in range(PAGE + 5):
        author = authors[i % 5]
        videos.append(author.upload(clip, title=f"video {i}", tags="tag")["id"])
    for i, video in enumerate(videos):
        authors[i % 5].wait(video)
        if i % 2:
            reader.post("/api/auth/interaction/like", video_id=video)
        authors[(i + 1) % 5].post("/api/auth/interaction/comment", video_id=videos[0], content=f"comment {i}")
    for author in authors[:3]:
        reader.post("/api/auth/social/follow", target_user_id=author.user["id"])
        author.post("/api/auth/message/send", receiver_id=reader.user["id"], content="hello")
    yield server, reader, videos
    if server.process.poll() is None:
        assert server.stop() == 0


def reads(server):
    text = requests.get(server.url + "/metrics", timeout=10).text
    return sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith("shortvideo_sql_reads{"))


def quiet(server, timeout=10):
    """Waits until what the start does beside is over: no statement for a while."""
    deadline, last = time.monotonic() + timeout, -1
    while (now := reads(server)) != last and time.monotonic() < deadline:
        last = now
        time.sleep(0.1)


def cost(server, api, path, params):
    """Statements of one request. Background work may add some: who asks takes the least of several."""
    before = reads(server)
    answer = api.raw("GET", path, params=params)
    assert answer.status_code == 200, answer.text
    return int(reads(server) - before)


PAGES = [
    ("/api/video/feed", {}, 4),
    ("/api/video/hot", {}, 5),
    ("/api/tag/videos", {"tag": "tag"}, 6),
    ("/api/interaction/comments", {"video_id": 0}, 6),
    ("/api/auth/social/following", {}, 5),
    ("/api/auth/message/conversations", {}, 5),
]


@pytest.mark.parametrize("path, params, most", PAGES, ids=[p[0] for p in PAGES])
def test_a_page_costs_the_same_whatever_its_length_and_nothing_when_it_is_warm(world, path, params, most):
    server, reader, videos = world
    params = {k: v or videos[0] for k, v in params.items()}

    def cold(size):
        least = None
        for _ in range(3):
            server.kill()
            server.start()
            # The token is checked and the connection made by a request that reads no page.
            api = Api(server, reader.token)
            api.get("/api/auth/user/profile")
            quiet(server)
            n = cost(server, api, path, {**params, "page_size": size})
            least = n if least is None else min(least, n)
        return least

    one, twenty = cold(1), cold(PAGE)
    assert twenty <= one + 1, (one, twenty)
    assert 0 < twenty <= most + 4, twenty
    api = Api(server, reader.token)
    assert min(cost(server, api, path, {**params, "page_size": PAGE}) for _ in range(10)) == 0
