from concurrent.futures import ThreadPoolExecutor

import pytest

from harness import Api, refused, register


def ident(person):
    return person.user["id"]


def follow(who, whom):
    return who.post("/api/auth/social/follow", target_user_id=ident(whom))


def people(server, count):
    return [register(server) for _ in range(count)]


def user_ids(users):
    return [u["id"] for u in users]


def walk(api, path, size, **params):
    """All pages of an old list: an array as data, the next cursor in a header."""
    seen, cursor = [], None
    for _ in range(100):
        answer = api.raw("GET", path, params={**params, "page_size": size, **({"cursor": cursor} if cursor else {})})
        assert answer.status_code == 200, answer.text
        data = answer.json()["data"]
        assert isinstance(data, list)
        seen += user_ids(data)
        cursor = answer.headers.get("X-Next-Cursor")
        if not cursor:
            return seen
        assert len(data) == size, "short only at the end"
    raise AssertionError("endless")


def make_private(person, private=True):
    person.put("/api/auth/user/privacy", private=private)


def test_following_is_idempotent_and_counted_everywhere(server, guest):
    ann, bob = people(server, 2)
    body = ann.raw("POST", "/api/auth/social/follow", json={"target_user_id": ident(bob)}).json()
    assert "data" not in body, "old clients know no data here"
    follow(ann, bob)
    seen = guest.get("/api/user/detail", user_id=ident(bob))
    assert (seen["followerCount"], seen["followCount"], seen["isFollow"]) == (1, 0, False)
    assert ann.get("/api/auth/user/profile", user_id=ident(bob))["isFollow"] is True
    assert ann.get("/api/auth/user/profile")["followCount"] == 1
    for _ in range(2):
        ann.post("/api/auth/social/unfollow", target_user_id=ident(bob))
    assert guest.get("/api/user/detail", user_id=ident(bob))["followerCount"] == 0


def test_bad_targets(server, guest, person):
    for action in ("follow", "block", "mute"):
        path = f"/api/auth/social/{action}"
        refused(person.raw("POST", path, json={"target_user_id": ident(person)}), 400, f"cannot_{action}_self")
        refused(person.raw("POST", path, json={"target_user_id": 123456789}), 404, "user_not_found")
        refused(person.raw("POST", path, json={}), 400, "target_user_id_required")
        refused(person.raw("POST", path, json={"target_user_id": "x"}), 400, "target_user_id_wrong_type")
        refused(person.raw("POST", path, json={"target_user_id": -1}), 400, "target_user_id_out_of_range")
        refused(guest.raw("POST", path, json={"target_user_id": ident(person)}), 401)
    for action in ("unfollow", "unblock", "unmute"):
        person.post(f"/api/auth/social/{action}", target_user_id=123456789)
    refused(person.raw("GET", "/api/auth/social/following", params={"user_id": 123456789}), 404, "user_not_found")
    refused(person.raw("GET", "/api/auth/social/following", params={"cursor": "x"}), 400, "cursor_invalid")
    for path in ("following", "follower", "friends", "blocked", "muted", "requests"):
        refused(guest.raw("GET", f"/api/auth/social/{path}"), 401)
    for answer in ("accept", "reject"):
        refused(person.raw("POST", f"/api/auth/social/request/{answer}", json={}), 400, "user_id_required")
    texts = {lang: Api(server, person.token, lang=lang).raw("POST", "/api/auth/social/follow", json={"target_user_id": ident(person)}).json()["message"]
             for lang in ("zh", "en")}
    assert texts == {"zh": "不能关注自己", "en": "you cannot follow yourself"}


def test_lists_page_by_cursor_and_by_number(server):
    star, *crowd = people(server, 8)
    for one in crowd:
        follow(one, star)
    newest_first = [ident(one) for one in reversed(crowd)]
    for size in (1, 3, 7, 100):
        assert walk(crowd[0], "/api/auth/social/follower", size, user_id=ident(star)) == newest_first
    by_number = []
    for page in (1, 2, 3, 4):
        by_number += user_ids(star.get("/api/auth/social/follower", page=page, page_size=2))
    assert by_number == newest_first
    assert star.raw("GET", "/api/auth/social/follower").headers["X-Total-Count"] == "7"
    assert walk(crowd[0], "/api/auth/social/following", 10) == [ident(star)]
    follow(star, crowd[2])
    friends = star.get("/api/auth/social/friends")
    assert user_ids(friends["users"]) == [ident(crowd[2])] and friends["total"] == 1 and friends["next_cursor"] == ""


def test_check_is_for_guests_too(server, guest):
    ann, bob = people(server, 2)
    follow(ann, bob)
    ask = {"user_id": ident(ann), "target_user_id": ident(bob)}
    assert guest.get("/api/social/check", **ask) == {"is_following": True, "is_followed_by": False, "is_mutual": False}
    follow(bob, ann)
    assert guest.get("/api/social/check", **ask)["is_mutual"] is True
    refused(guest.raw("GET", "/api/social/check", params={"user_id": ident(ann)}), 400, "target_user_id_required")
    refused(guest.raw("GET", "/api/social/check", params={**ask, "user_id": 123456789}), 404, "user_not_found")


def test_a_block_works_both_ways_at_the_next_request(server):
    ann, bob, star = people(server, 3)
    for who, whom in ((ann, bob), (bob, ann), (ann, star), (bob, star)):
        follow(who, whom)
    ann.post("/api/auth/social/block", target_user_id=ident(bob))
    ann.post("/api/auth/social/block", target_user_id=ident(bob))
    assert user_ids(ann.get("/api/auth/social/blocked")["users"]) == [ident(bob)]
    assert ann.get("/api/auth/social/blocked")["users"][0]["isBlocked"] is True
    for who, whom in ((ann, bob), (bob, ann)):
        refused(who.raw("POST", "/api/auth/social/follow", json={"target_user_id": ident(whom)}), 404, "user_not_found")
        refused(who.raw("GET", "/api/auth/social/follower", params={"user_id": ident(whom)}), 404, "user_not_found")
        refused(who.raw("GET", "/api/social/check", params={"user_id": ident(whom), "target_user_id": ident(star)}), 404, "user_not_found")
        assert ident(whom) not in user_ids(who.get("/api/auth/social/follower", user_id=ident(star)))
        assert user_ids(who.get("/api/auth/social/following")) == [ident(star)]
    refused(bob.raw("GET", "/api/auth/user/profile", params={"user_id": ident(ann)}), 404, "user_not_found")
    assert star.get("/api/auth/user/profile")["followerCount"] == 2
    ann.post("/api/auth/social/unblock", target_user_id=ident(bob))
    follow(bob, ann)
    assert ann.get("/api/auth/user/profile")["followerCount"] == 1


def test_a_mute_is_silent(server):
    ann, bob = people(server, 2)
    follow(ann, bob)
    ann.post("/api/auth/social/mute", target_user_id=ident(bob))
    assert user_ids(ann.get("/api/auth/social/muted")["users"]) == [ident(bob)]
    assert user_ids(ann.get("/api/auth/social/following")) == [ident(bob)]
    assert bob.get("/api/auth/social/muted")["users"] == []
    ann.post("/api/auth/social/unmute", target_user_id=ident(bob))
    assert ann.get("/api/auth/social/muted")["total"] == 0


def test_a_private_account_is_asked_first(server, guest):
    star, ann, bob = people(server, 3)
    follow(star, ann)
    make_private(star)
    for _ in range(2):
        assert follow(ann, star) == {"requested": True}
    follow(bob, star)
    refused(ann.raw("GET", "/api/auth/social/following", params={"user_id": ident(star)}), 404, "user_not_found")
    assert guest.get("/api/social/check", user_id=ident(star), target_user_id=ident(ann))["is_following"] is False
    asked = star.get("/api/auth/social/requests", page_size=1)
    assert user_ids(asked["requests"]) == [ident(bob)] and asked["total"] == 2
    assert user_ids(star.get("/api/auth/social/requests", cursor=asked["next_cursor"])["requests"]) == [ident(ann)]
    for _ in range(2):
        star.post("/api/auth/social/request/accept", user_id=ident(ann))
        star.post("/api/auth/social/request/reject", user_id=ident(bob))
    refused(star.raw("POST", "/api/auth/social/request/accept", json={"user_id": ident(bob)}), 404, "request_not_found")
    assert star.get("/api/auth/user/profile")["followerCount"] == 1
    assert user_ids(ann.get("/api/auth/social/following", user_id=ident(star))) == [ident(ann)]
    assert ident(star) not in user_ids(bob.get("/api/auth/social/follower", user_id=ident(ann))), "its follows are its own to show"
    assert ident(star) in user_ids(ann.get("/api/auth/social/follower"))
    make_private(star, False)
    assert follow(bob, star) is None
    assert star.get("/api/auth/user/profile")["followerCount"] == 2


@pytest.mark.concurrent
def test_counts_are_exact_under_concurrency_and_outlive_a_kill(make_server):
    server = make_server().start()
    crowd = people(server, 8)
    star = crowd[0]

    def press(n):
        who, action = crowd[1 + n % 7], "follow" if n % 3 else "unfollow"
        assert who.raw("POST", f"/api/auth/social/{action}", json={"target_user_id": ident(star)}).status_code == 200

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(press, range(280)))
    for one in crowd[1:6]:
        follow(one, star)
    crowd[6].post("/api/auth/social/block", target_user_id=ident(star))
    crowd[7].post("/api/auth/social/unfollow", target_user_id=ident(star))
    server.kill()
    server.start()
    assert star.get("/api/auth/user/profile")["followerCount"] == 5
    assert sorted(user_ids(star.get("/api/auth/social/follower"))) == sorted(ident(one) for one in crowd[1:6])
    refused(star.raw("GET", "/api/auth/user/profile", params={"user_id": ident(crowd[6])}), 404)
