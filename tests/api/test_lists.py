import time

import pytest

from harness import Api, refused, register


@pytest.fixture(scope="module")
def shelf(tmp_path_factory, tiny):
    """A server of its own with seven videos of two people; the same bytes, so they are ready within moments of each other."""
    import harness
    server = harness.Server(tmp_path_factory.mktemp("shelf") / "data").start()
    one, two = register(server, "lists-one"), register(server, "lists-two")
    titles = ["今天天气很好", "上海的早晨", "北京烤鸭的做法", "Learning to skate", "cat and mouse", "最好的天气", "last one"]
    people = [one, two, one, two, one, two, one]
    ids = [who.upload(tiny, title=title)["id"] for who, title in zip(people, titles)]
    for who, video in zip(people, ids):
        assert who.wait(video)["status"] == "ready"
    yield server, one, two, ids
    assert server.stop() == 0


def pages(api, path, key="videos", **params):
    cursor, seen, count = "", [], 0
    while True:
        data = api.get(path, **params, **({"cursor": cursor} if cursor else {}))
        seen += [item["id"] for item in data[key]]
        cursor, count = data["next_cursor"], count + 1
        assert count < 100
        if not cursor:
            return seen


def test_feed_cursors_never_skip_a_tie(shelf):
    server, _, _, ids = shelf
    for size in (1, 2, 3, 10):
        seen = pages(Api(server), "/api/video/feed", page_size=size)
        assert sorted(seen) == sorted(ids) and len(seen) == len(set(seen)), size
    order = Api(server).get("/api/video/feed", page_size=100)["videos"]
    assert [v["publishTime"] for v in order] == sorted((v["publishTime"] for v in order), reverse=True)


def test_the_old_latest_time_never_skips_a_tie_either(shelf):
    server, _, _, ids = shelf
    seen, latest = [], 0
    for _ in range(20):
        data = Api(server).get("/api/video/feed", page_size=1, latest_time=latest)
        if not data["videos"]:
            break
        seen += [v["id"] for v in data["videos"]]
        latest = data["next_time"]
    assert sorted(seen) == sorted(ids) and len(seen) == len(set(seen))


def test_bad_cursors_and_sizes(shelf):
    api = Api(shelf[0])
    for cursor in ("nonsense", "AAAA", "%00", "x" * 500):
        refused(api.raw("GET", "/api/video/feed", params={"cursor": cursor}), 400, field="cursor")
    hot = api.get("/api/video/hot", page_size=2)["next_cursor"]
    if hot:
        refused(api.raw("GET", "/api/video/feed", params={"cursor": hot}), 400, field="cursor")
    refused(api.raw("GET", "/api/video/feed?page_size=0"), 400, "page_size_out_of_range")
    refused(api.raw("GET", "/api/video/feed?page_size=ten"), 400, "page_size_wrong_type")
    refused(api.raw("GET", "/api/video/feed?latest_time=-1"), 400, "latest_time_out_of_range")
    assert len(api.get("/api/video/feed", page_size=5000)["videos"]) == 7


@pytest.mark.parametrize("keyword, titles", [
    ("天气", {"今天天气很好", "最好的天气"}), ("烤鸭", {"北京烤鸭的做法"}), ("早晨", {"上海的早晨"}), ("skate", {"Learning to skate"}), ("SKATE", {"Learning to skate"}),
    ("最好的天气", {"最好的天气"}), ("没有的", set()),
])
def test_any_two_characters_of_a_title_find_it(shelf, keyword, titles):
    deadline = time.monotonic() + 2
    while True:
        data = Api(shelf[0]).get("/api/search", keyword=keyword)
        if {v["title"] for v in data["videos"]} == titles or time.monotonic() > deadline:
            break
        time.sleep(0.05)
    assert {v["title"] for v in data["videos"]} == titles
    assert data["total"] == len(titles) and data["page"] == 1 and data["size"] == 10


def test_every_pair_of_neighbours_finds_its_title(shelf):
    title = "北京烤鸭的做法"
    for a, b in zip(title, title[1:]):
        assert title in {v["title"] for v in Api(shelf[0]).get("/api/search", keyword=a + b)["videos"]}, a + b


def test_search_syntax_is_only_text(shelf):
    for keyword in ('"', "a OR b", "title:*", "NEAR(", "'; drop table", "*", "-", "(((", "\\"):
        assert Api(shelf[0]).raw("GET", "/api/search", params={"keyword": keyword}).status_code == 200, keyword
    refused(Api(shelf[0]).raw("GET", "/api/search"), 400, "keyword_required")


def test_search_finds_people(shelf):
    data = Api(shelf[0]).get("/api/search", keyword="lists-o", type="user")
    assert [u["username"] for u in data["users"]] == ["lists-one"]


def test_lists_of_a_user_mine_and_hot(shelf):
    server, one, two, ids = shelf
    mine = [ids[i] for i in (6, 4, 2, 0)]
    assert sorted(pages(one, "/api/auth/video/mine", page_size=3)) == sorted(mine)
    assert sorted(pages(Api(server), "/api/user/videos", user_id=one.user["id"], page_size=2)) == sorted(mine)
    assert sorted(pages(Api(server), "/api/video/hot", page_size=3)) == sorted(ids)
    assert two.get("/api/auth/video/mine")["total"] == 3
    stats = Api(server).get("/api/user/stats", user_id=one.user["id"])
    assert (stats.get("stats") or stats)["videoCount"] == 4
    assert Api(server).get("/api/user/detail", user_id=one.user["id"])["videoCount"] == 4


def test_a_page_with_a_token_is_private(shelf):
    server, one, _, _ = shelf
    assert "no-store" in one.raw("GET", "/api/video/feed").headers["Cache-Control"]
    assert "Authorization" in one.raw("GET", "/api/video/feed").headers["Vary"]


def within(seconds, check):
    deadline = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


def test_hot_moves_with_likes_comments_and_shares(server, tiny):
    author, fans = register(server), [register(server) for _ in range(3)]
    one, two, three = (author.publish(tiny, title=f"warm {i}")["id"] for i in range(3))

    def order():
        return [v["id"] for v in Api(server).get("/api/video/hot", page_size=100)["videos"] if v["id"] in (one, two, three)]

    for fan in fans[:2]:
        fan.post("/api/auth/interaction/like", video_id=one)
    within(5, lambda: order()[0] == one)
    for fan in fans:
        fan.post("/api/auth/interaction/comment", video_id=two, content="well done")
    within(5, lambda: order()[0] == two)
    for fan in fans:
        fan.post("/api/auth/interaction/share", video_id=three)
    within(5, lambda: order() == [three, two, one])


def test_what_holds_the_keyword_as_typed_is_found_first(server, tiny):
    author, guest = register(server), Api(server)
    exact = {title: author.publish(tiny, title=title, tags=tag)["id"] for title, tag in
             (("only 100% wool", "100%"), ("the name a_b again", "a_b"), ("five * hotel", "x*y"))}
    others = [author.publish(tiny, title=title, tags=tag)["id"] for title, tag in
              (("100 wool hats", "100"), ("a big name", "ab"), ("five more hotel", "xy"))]

    def videos(keyword):
        return [v["id"] for v in guest.get("/api/search", keyword=keyword, page_size=100)["videos"]]

    within(5, lambda: others[2] in videos("five more"))
    assert videos("100%")[0] == exact["only 100% wool"] and others[0] in videos("100%")
    assert videos("a_b")[0] == exact["the name a_b again"]
    assert videos("e * h")[0] == exact["five * hotel"]
    for sign, title in zip("%_*", exact):
        assert exact[title] in videos(sign) and not set(others) & set(videos(sign))
    for keyword in ("100%", "a_b", "x*y"):
        assert [t["tag"] for t in guest.get("/api/search", keyword=keyword, type="tag")["tags"]] == [keyword]
    for name in ("n_100%", "n_a_b", "n_axb"):
        register(server, name)
    assert [u["username"] for u in guest.get("/api/search", keyword="a_b", type="user")["users"]] == ["n_a_b"]
    assert [u["username"] for u in guest.get("/api/search", keyword="0%", type="user")["users"]] == ["n_100%"]
