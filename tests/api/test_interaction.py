"""Likes, stars, comments, shares and reports through the real binary."""

import concurrent.futures
import time

import pytest

from harness import PASSWORD, Api, grant_admin, refused, register


@pytest.fixture(scope="module")
def film(server, tiny):
    """A video of somebody, and who that is."""
    author = register(server)
    return author, author.publish(tiny, title="liked by many")["id"]


def counts(api, video):
    got = api.get("/api/interaction/counts", video_id=video)
    return tuple(got[k] for k in ("like_count", "comment_count", "star_count", "share_count"))


def comment(api, video, content, **more):
    return api.post("/api/auth/interaction/comment", video_id=video, content=content, **more)


def top(api, video, **params):
    return [c["content"] for c in api.get("/api/interaction/comments", video_id=video, **params)]


def walk(api, video, size, **params):
    seen, cursor = [], ""
    while True:
        answer = api.raw("GET", "/api/interaction/comments", params={"video_id": video, "page_size": size, **params, **({"cursor": cursor} if cursor else {})})
        assert answer.status_code == 200, answer.text
        seen += [c["content"] for c in answer.json()["data"]]
        cursor = answer.headers.get("X-Next-Cursor", "")
        assert len(seen) < 1000
        if not cursor:
            return seen


@pytest.fixture
def video(film, tiny):
    """A fresh video of the same author; the bytes are known, so it is ready at once."""
    author, _ = film
    return author.publish(tiny, title="fresh")["id"]


def test_a_like_counts_once_and_shows_everywhere(server, film, video, person, guest):
    author, _ = film
    before = author.get("/api/auth/user/profile")["likeCount"]
    for _ in range(2):
        assert person.post("/api/auth/interaction/like", video_id=video) is None
    assert counts(guest, video) == (1, 0, 0, 0)
    seen = person.get("/api/video/detail", id=video)
    assert seen["likeCount"] == 1 and seen["isLike"] is True
    assert guest.get("/api/video/detail", id=video)["isLike"] is False
    assert guest.get("/api/video/detail", id=video)["likeCount"] == 1
    assert author.get("/api/auth/user/profile")["likeCount"] == before + 1
    for _ in range(2):
        person.post("/api/auth/interaction/unlike", video_id=video)
    assert counts(guest, video) == (0, 0, 0, 0)
    assert person.get("/api/video/detail", id=video)["isLike"] is False
    assert author.get("/api/auth/user/profile")["likeCount"] == before


def test_guests_counters_are_a_second_old_at_most_and_ones_own_are_not(video, person, guest):
    before = guest.get("/api/video/detail", id=video)["likeCount"]  # a page that is kept
    person.post("/api/auth/interaction/like", video_id=video)
    liked = time.monotonic()
    assert person.get("/api/video/detail", id=video)["likeCount"] == before + 1
    while guest.get("/api/video/detail", id=video)["likeCount"] == before:
        assert time.monotonic() - liked < 1.5
    person.post("/api/auth/interaction/unlike", video_id=video)


def test_stars_and_shares(film, video, person, guest):
    person.post("/api/auth/interaction/star", video_id=video)
    person.post("/api/auth/interaction/star", video_id=video)
    for _ in range(3):
        person.post("/api/auth/interaction/share", video_id=video)
    assert counts(guest, video) == (0, 0, 1, 1)
    seen = person.get("/api/video/detail", id=video)
    assert (seen["starCount"], seen["shareCount"], seen["isStar"]) == (1, 1, True)
    page = person.get("/api/auth/interaction/starred")
    assert [v["id"] for v in page["videos"]] == [video] and page["next_cursor"] == "" and page["total"] == 1
    person.post("/api/auth/interaction/unstar", video_id=video)
    assert person.get("/api/auth/interaction/starred")["videos"] == []


def test_who_is_nobody_and_what_is_not_there(film, video, person, guest):
    for path in ("like", "unlike", "star", "unstar", "share"):
        refused(guest.raw("POST", "/api/auth/interaction/" + path, json={"video_id": video}), 401)
        refused(person.raw("POST", "/api/auth/interaction/" + path, json={"video_id": 12345}), 404, "video_not_found")
        refused(person.raw("POST", "/api/auth/interaction/" + path, json={}), 400, "video_id_required")
        refused(person.raw("POST", "/api/auth/interaction/" + path, json={"video_id": "one"}), 400, "video_id_wrong_type")
    refused(guest.raw("GET", "/api/interaction/counts?video_id=12345"), 404, "video_not_found")
    refused(guest.raw("GET", "/api/interaction/comments?video_id=12345"), 404, "video_not_found")
    refused(guest.raw("GET", "/api/interaction/replies?comment_id=12345"), 404, "comment_not_found")
    refused(person.raw("POST", "/api/auth/interaction/comment/like", json={"comment_id": 5}), 404, "comment_not_found")
    refused(person.raw("DELETE", "/api/auth/interaction/comment?id=5"), 404, "comment_not_found")


def test_liked_lists(server, film, tiny, guest):
    author, _ = film
    fan, other = register(server), register(server)
    videos = [author.publish(tiny, title=f"v{i}")["id"] for i in range(5)]
    for one in videos:
        fan.post("/api/auth/interaction/like", video_id=one)
    author.put("/api/auth/video", id=videos[2], visibility="private")
    shown = [videos[i] for i in (4, 3, 1, 0)]
    seen, cursor = [], ""
    while True:
        page = fan.get("/api/auth/interaction/liked", page_size=2, **({"cursor": cursor} if cursor else {}))
        seen += [v["id"] for v in page["videos"]]
        assert all(v["isLike"] for v in page["videos"])
        cursor = page["next_cursor"]
        if not cursor:
            break
    assert seen == shown
    assert [v["id"] for p in (1, 2, 3) for v in fan.get("/api/auth/interaction/liked", page=p, page_size=2)["videos"]] == shown
    # Others see what somebody likes unless that is hidden; a collection is always one's own.
    assert [v["id"] for v in other.get("/api/auth/interaction/liked", user_id=fan.user["id"])["videos"]] == shown
    fan.put("/api/auth/user/privacy", show_likes=False)
    refused(other.raw("GET", f"/api/auth/interaction/liked?user_id={fan.user['id']}"), 404, "likes_hidden")
    assert [v["id"] for v in fan.get("/api/auth/interaction/liked")["videos"]] == shown
    refused(other.raw("GET", f"/api/auth/interaction/starred?user_id={fan.user['id']}"), 404, "likes_hidden")
    # What became hidden can still be taken back.
    fan.post("/api/auth/interaction/unlike", video_id=videos[2])
    refused(fan.raw("POST", "/api/auth/interaction/like", json={"video_id": videos[2]}), 404, "video_not_found")


def test_a_comment_is_whole(film, video, person, guest):
    made = comment(person, video, "  好看！ ")
    assert list(made) == ["id", "userId", "videoId", "content", "createTime", "replyToId", "user", "likeCount", "isLike", "replyCount"]
    assert made["content"] == "好看！" and made["userId"] == person.user["id"] and made["videoId"] == video and made["replyToId"] == 0
    assert made["user"]["username"] == person.user["username"] and len(made["createTime"]) == 19
    assert guest.get("/api/interaction/comments", video_id=video) == [made]
    assert counts(guest, video)[1] == 1 and guest.get("/api/video/detail", id=video)["commentCount"] == 1
    refused(person.raw("POST", "/api/auth/interaction/comment", json={"video_id": video, "content": "   "}), 400, field="content")
    refused(person.raw("POST", "/api/auth/interaction/comment", json={"video_id": video}), 400, "content_required")
    refused(person.raw("POST", "/api/auth/interaction/comment", json={"video_id": video, "content": "x" * 1001}), 400, "content_too_long")
    refused(guest.raw("POST", "/api/auth/interaction/comment", json={"video_id": video, "content": "x"}), 401)
    refused(person.raw("POST", "/api/auth/interaction/comment", json={"video_id": 99, "content": "x"}), 404, "video_not_found")


def test_replies_and_deletion(server, film, video, person, guest):
    author, _ = film
    other = register(server)
    root = comment(person, video, "root")
    first = comment(other, video, "first", reply_to_id=root["id"])
    second = comment(person, video, "second", reply_to_id=first["id"])
    assert second["replyToId"] == first["id"]
    page = guest.get("/api/interaction/replies", comment_id=root["id"])
    assert [c["content"] for c in page["replies"]] == ["first", "second"] and page["total"] == 2 and page["next_cursor"] == ""
    assert top(guest, video) == ["root"] and top(guest, video, reply_to=root["id"]) == ["first", "second"]
    assert guest.get("/api/interaction/comments", video_id=video)[0]["replyCount"] == 2
    assert counts(guest, video)[1] == 3
    refused(other.raw("DELETE", f"/api/auth/interaction/comment?id={root['id']}"), 403, "not_owner")
    author.delete("/api/auth/interaction/comment", id=first["id"])
    assert counts(guest, video)[1] == 2
    person.delete("/api/auth/interaction/comment", id=root["id"])
    assert counts(guest, video)[1] == 0 and top(guest, video) == []
    refused(guest.raw("GET", f"/api/interaction/replies?comment_id={root['id']}"), 404, "comment_not_found")
    refused(person.raw("POST", "/api/auth/interaction/comment", json={"video_id": video, "content": "late", "reply_to_id": second["id"]}), 404, "comment_not_found")


def test_order_and_paging(server, film, video, guest):
    people = [register(server) for _ in range(3)]
    made = [comment(people[i % 3], video, f"c{i}") for i in range(9)]
    newest = [f"c{i}" for i in reversed(range(9))]
    for size in (1, 2, 4, 50):
        assert walk(guest, video, size) == newest
    assert [c for p in (1, 2, 3) for c in top(guest, video, page=p, page_size=4)] == newest
    for who in people:
        who.post("/api/auth/interaction/comment/like", comment_id=made[3]["id"])
        who.post("/api/auth/interaction/comment/like", comment_id=made[3]["id"])
    assert walk(guest, video, 4, sort="hot")[0] == "c3" and sorted(walk(guest, video, 2, sort="hot")) == sorted(newest)
    shown = people[0].get("/api/interaction/comments", video_id=video, sort="hot", page_size=1)[0]
    assert shown["likeCount"] == 3 and shown["isLike"] is True
    people[0].post("/api/auth/interaction/comment/unlike", comment_id=made[3]["id"])
    people[0].post("/api/auth/interaction/comment/unlike", comment_id=made[3]["id"])
    shown = people[0].get("/api/interaction/comments", video_id=video, sort="hot", page_size=1)[0]
    assert shown["likeCount"] == 2 and shown["isLike"] is False
    refused(guest.raw("GET", f"/api/interaction/comments?video_id={video}&sort=best"), 400, field="sort")
    refused(guest.raw("GET", f"/api/interaction/comments?video_id={video}&cursor=nonsense"), 400, "cursor_invalid")


def test_blocked_people_vanish_at_the_next_request(server, film, video, guest):
    author, _ = film
    one, two = register(server), register(server)
    first = comment(one, video, "of one")
    comment(two, video, "of two")
    assert top(two, video) == ["of two", "of one"]
    one.post("/api/auth/social/block", target_user_id=two.user["id"])
    assert top(two, video) == ["of two"] and top(one, video) == ["of one"] and len(top(guest, video)) == 2
    assert top(two, video, page_size=1) == ["of two"]
    refused(two.raw("POST", "/api/auth/interaction/comment", json={"video_id": video, "content": "x", "reply_to_id": first["id"]}), 404, "comment_not_found")
    refused(two.raw("POST", "/api/auth/interaction/comment/like", json={"comment_id": first["id"]}), 404, "comment_not_found")
    author.post("/api/auth/social/block", target_user_id=two.user["id"])
    refused(two.raw("POST", "/api/auth/interaction/like", json={"video_id": video}), 404, "video_not_found")
    refused(two.raw("GET", f"/api/interaction/comments?video_id={video}"), 404, "video_not_found")
    author.post("/api/auth/social/unblock", target_user_id=two.user["id"])
    two.post("/api/auth/interaction/like", video_id=video)


def test_an_idempotency_key_makes_one_comment(film, video, person, guest):
    key = {"Idempotency-Key": "a-key"}
    body = {"video_id": video, "content": "once"}
    answers = [person.raw("POST", "/api/auth/interaction/comment", json=body, headers=key) for _ in range(3)]
    assert [a.status_code for a in answers] == [200] * 3 and len({a.json()["data"]["id"] for a in answers}) == 1
    refused(person.raw("POST", "/api/auth/interaction/comment", json={**body, "content": "other"}, headers=key), 422, "idempotency_mismatch")
    assert counts(guest, video)[1] == 1


@pytest.mark.concurrent
def test_many_at_once_count_exactly(server, film, video, guest):
    people = [register(server) for _ in range(16)]

    def storm(api):
        for _ in range(8):
            api.post("/api/auth/interaction/like", video_id=video)
        comment(api, video, "hello")
        api.post("/api/auth/interaction/unlike", video_id=video)
        api.post("/api/auth/interaction/like", video_id=video)

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        list(pool.map(storm, people))
    assert counts(guest, video) == (16, 16, 0, 0)
    assert len(walk(guest, video, 5)) == 16


def test_reports(server, film, video):
    one, moderator, guest = register(server), register(server), Api(server)
    report = {"kind": "video", "id": video, "reason": "spam", "detail": "again and again"}
    made = one.post("/api/auth/report", **report)["report_id"]
    assert one.post("/api/auth/report", **report)["report_id"] == made
    mine = one.get("/api/auth/report/mine")["reports"]
    assert [(r["id"], r["kind"], r["subjectId"], r["status"]) for r in mine] == [(made, "video", video, "open")]
    refused(one.raw("POST", "/api/auth/report", json={**report, "id": 12345}), 404, "video_not_found")
    refused(one.raw("POST", "/api/auth/report", json={**report, "kind": "planet"}), 400, field="kind")
    refused(guest.raw("POST", "/api/auth/report", json=report), 401)
    # The queue is not there for anyone but moderators.
    refused(guest.raw("GET", "/api/admin/reports"), 401)
    refused(one.raw("GET", "/api/admin/reports"), 404, "unknown_route")
    grant_admin(server, moderator)
    moderator = Api(server, Api(server).post("/api/user/login", username=moderator.user["username"], password=PASSWORD)["token"])
    deadline = time.monotonic() + 5  # the command is another process: the server hears of it by an event
    while moderator.raw("GET", "/api/admin/reports").status_code != 200 and time.monotonic() < deadline:
        time.sleep(0.02)
    seen, cursor = [], ""
    while True:
        page = moderator.get("/api/admin/reports", page_size=100, **({"cursor": cursor} if cursor else {}))
        seen += [r["id"] for r in page["reports"]]
        cursor = page["next_cursor"]
        if not cursor:
            break
    assert made in seen and seen == sorted(seen)


def test_a_deleted_video_takes_its_counts_along(server, tiny, guest):
    author, fan = register(server), register(server)
    video = author.publish(tiny, title="short-lived")["id"]
    fan.post("/api/auth/interaction/like", video_id=video)
    made = comment(fan, video, "gone soon")
    author.delete("/api/auth/video", id=video)
    refused(guest.raw("GET", f"/api/interaction/counts?video_id={video}"), 404, "video_not_found")
    refused(fan.raw("POST", "/api/auth/interaction/like", json={"video_id": video}), 404, "video_not_found")
    refused(guest.raw("GET", f"/api/interaction/replies?comment_id={made['id']}"), 404, "comment_not_found")
    assert fan.get("/api/auth/interaction/liked")["videos"] == []


@pytest.mark.concurrent
def test_what_was_answered_survives_kill_9(make_server, tiny):
    server = make_server().start()
    author = register(server, "kept-author")
    video = author.publish(tiny, title="kept")["id"]
    people = [register(server) for _ in range(8)]

    def act(api):
        api.post("/api/auth/interaction/like", video_id=video)
        return comment(api, video, api.user["username"])["id"]

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        made = list(pool.map(act, people))
    people[0].post("/api/auth/interaction/star", video_id=video)
    people[0].post("/api/auth/interaction/share", video_id=video)
    people[1].post("/api/auth/interaction/comment/like", comment_id=made[0])
    server.kill()
    server.start()
    for api in [*people, author]:
        api.session.close()
    assert counts(Api(server), video) == (8, 8, 1, 1)
    page = people[1].get("/api/interaction/comments", video_id=video, page_size=50)
    assert sorted(c["id"] for c in page) == sorted(made)
    assert {c["id"] for c in page if c["isLike"]} == {made[0]}
    people[1].post("/api/auth/interaction/share", video_id=video)
    assert counts(Api(server), video)[3] == 2
    assert server.stop() == 0
