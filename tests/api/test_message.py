"""Messages and notifications through the real binary."""

import concurrent.futures
import threading
import time

import pytest
import requests as http

from harness import PASSWORD, Api, Server, refused, register


def follow(who, whom):
    who.post("/api/auth/social/follow", target_user_id=whom.user["id"])


def friends(server, *names):
    people = [register(server, name) for name in names] or [register(server), register(server)]
    for who in people:
        for whom in people:
            if who is not whom:
                follow(who, whom)
    return people


def send(who, whom, content, **kwargs):
    return who.raw("POST", "/api/auth/message/send", json={"receiver_id": whom.user["id"], "content": content}, **kwargs)


def write(who, whom, content):
    return who.post("/api/auth/message/send", receiver_id=whom.user["id"], content=content)["message_id"]


def history(who, whom, **params):
    return who.get("/api/auth/message/list", other_user_id=whom.user["id"], **params)


def inbox(who, kind="conversations"):
    return [(c["user"]["id"], c["unreadCount"], c["lastMessage"]["content"]) for c in who.get(f"/api/auth/message/{kind}")[kind]]


def notices(who, **params):
    return who.get("/api/auth/notification/list", **params)


def told(who, until, timeout=20, **params):
    """Polls the notifications until they are as wanted."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        found = notices(who, **params)
        if until(found):
            return found
        time.sleep(0.02)
    raise AssertionError(f"after {timeout} s still {found}")


def test_two_people_talk(server):
    ann, bob = friends(server)
    first = write(ann, bob, "hello")
    write(bob, ann, "你好")
    last = write(ann, bob, "how are you")
    assert first < last < 2**53
    messages = history(bob, ann)
    assert [(m["content"], m["seq"]) for m in messages] == [("how are you", 3), ("你好", 2), ("hello", 1)]
    assert list(messages[0])[:6] == ["id", "receiveId", "sendId", "content", "createTime", "isRead"]
    assert messages[0]["sendId"] == ann.user["id"] and messages[0]["receiveId"] == bob.user["id"] and messages[0]["isRead"] is False
    time.strptime(messages[0]["createTime"], "%Y-%m-%d %H:%M:%S")
    assert history(ann, bob) == messages
    assert inbox(bob) == [(ann.user["id"], 2, "how are you")]
    assert bob.get("/api/auth/message/unread") == {"total": 2, "by_user": [{"userId": ann.user["id"], "count": 2}]}
    bob.post("/api/auth/message/read", other_user_id=ann.user["id"], seq=1)
    assert [m["isRead"] for m in history(ann, bob)] == [False, False, True]
    assert bob.get("/api/auth/message/unread")["total"] == 1
    bob.post("/api/auth/message/read", other_user_id=ann.user["id"], seq=10**9)
    assert bob.get("/api/auth/message/unread") == {"total": 0, "by_user": []}
    assert inbox(ann)[0][0] == bob.user["id"] and ann.get("/api/auth/message/conversations")["conversations"][0]["lastMessage"]["isRead"] is True


def test_pages_of_a_conversation(server):
    ann, bob = friends(server)
    for i in range(25):
        write(ann, bob, str(i))
    path, params = "/api/auth/message/list", {"other_user_id": ann.user["id"], "page_size": 10}
    seen, cursor = [], None
    while True:
        answer = bob.raw("GET", path, params={**params, **({"before": cursor} if cursor else {})})
        seen += [m["content"] for m in answer.json()["data"]]
        cursor = answer.headers.get("X-Next-Cursor")
        if not cursor:
            break
    assert seen == [str(i) for i in reversed(range(25))]
    assert len(history(bob, ann)) == 20 and len(history(bob, ann, page_size=500)) == 25
    refused(bob.raw("GET", path, params={**params, "before": 12345}), 404, "message_not_found")
    refused(bob.raw("GET", path), 400, "other_user_id_required")


def test_what_is_refused(server):
    ann, bob = friends(server)
    refused(send(ann, ann, "me"), 400, "cannot_message_self")
    refused(ann.raw("POST", "/api/auth/message/send", json={"receiver_id": 4242, "content": "x"}), 404, "user_not_found")
    refused(ann.raw("POST", "/api/auth/message/send", json={"content": "x"}), 400, "receiver_id_required")
    refused(send(ann, bob, ""), 400, "content_required")
    refused(send(ann, bob, " \u3000\n"), 400, "content_required")
    refused(send(ann, bob, "x" * 2001), 400, "content_too_long")
    refused(send(ann, bob, "a\0b"), 400, "content_invalid")
    assert send(ann, bob, "😀" * 2000).status_code == 200
    for method, path in (("POST", "/api/auth/message/send"), ("GET", "/api/auth/message/list"), ("GET", "/api/auth/message/unread"),
                         ("GET", "/api/auth/message/conversations"), ("GET", "/api/auth/notification/list"), ("DELETE", "/api/auth/message")):
        refused(Api(server).raw(method, path), 401)
    refused(ann.raw("POST", "/api/auth/message/read", json={"other_user_id": 4242, "seq": 1}), 404, "conversation_not_found")
    refused(ann.raw("POST", "/api/auth/message/request/accept", json={"user_id": bob.user["id"] + 1}), 404, "message_request_not_found")
    refused(ann.raw("POST", "/api/auth/notification/read", json={}), 400, "id_required")
    refused(ann.raw("POST", "/api/auth/notification/read", json={"id": 77}), 404, "notification_not_found")
    refused(ann.raw("GET", "/api/auth/notification/list", params={"type": "poke"}), 400, "type_invalid")
    refused(ann.raw("GET", "/api/auth/message/conversations", params={"cursor": "AAAA"}), 400, "cursor_invalid")


def test_an_idempotency_key_makes_one_message(server):
    ann, bob = friends(server)
    key = {"Idempotency-Key": "k-1"}
    one, two = send(ann, bob, "once", headers=key), send(ann, bob, "once", headers=key)
    assert one.json()["data"] == two.json()["data"] and len(history(bob, ann)) == 1
    refused(send(ann, bob, "twice", headers=key), 422, "idempotency_mismatch")


def test_a_stranger_asks_first(server):
    ann, eve = register(server), register(server)
    for text in ("hi", "hello?", "anyone?", "still here", "and here"):
        write(eve, ann, text)
    assert inbox(ann) == [] and ann.get("/api/auth/message/unread")["total"] == 0
    assert inbox(ann, "requests") == [(eve.user["id"], 5, "and here")]
    ann.post("/api/auth/message/request/accept", user_id=eve.user["id"])
    assert inbox(ann, "requests") == [] and inbox(ann) == [(eve.user["id"], 5, "and here")]
    assert ann.get("/api/auth/message/unread")["total"] == 5
    write(eve, ann, "thanks")
    assert history(ann, eve)[0]["seq"] == 6


def test_a_block_ends_a_strangers_request(server):
    ann, eve = register(server), register(server)
    write(eve, ann, "hi")
    ann.post("/api/auth/social/block", target_user_id=eve.user["id"])
    refused(send(eve, ann, "hello?"), 403, "not_allowed")
    assert inbox(ann, "requests") == []


def test_a_stricter_place_takes_one_message_before_a_request_is_accepted(tmp_path):
    server = Server(tmp_path / "data", "messages.before_accept=1").start()
    ann, eve = register(server), register(server)
    write(eve, ann, "hi")
    refused(send(eve, ann, "hello?"), 403, "request_pending")
    assert inbox(ann, "requests") == [(eve.user["id"], 1, "hi")]
    ann.post("/api/auth/message/request/accept", user_id=eve.user["id"])
    write(eve, ann, "thanks")
    assert server.stop() == 0


def test_deletion_is_for_ones_own_side(server):
    ann, bob = friends(server)
    write(ann, bob, "one")
    two = write(ann, bob, "two")
    bob.delete("/api/auth/message", id=two)
    assert [m["content"] for m in history(bob, ann)] == ["one"] and inbox(bob) == [(ann.user["id"], 1, "one")]
    assert [m["content"] for m in history(ann, bob)] == ["two", "one"]
    refused(bob.raw("DELETE", "/api/auth/message", params={"id": two}), 404, "message_not_found")
    refused(register(server).raw("DELETE", "/api/auth/message", params={"id": two}), 404, "message_not_found")


def test_a_block_ends_it_at_once(server):
    ann, bob = friends(server)
    write(ann, bob, "hi")
    bob.post("/api/auth/social/block", target_user_id=ann.user["id"])
    refused(send(ann, bob, "x"), 403, "not_allowed")
    refused(send(bob, ann, "x"), 403, "not_allowed")
    assert inbox(bob) == [] and inbox(ann) == [] and bob.get("/api/auth/message/unread")["total"] == 0
    bob.post("/api/auth/social/unblock", target_user_id=ann.user["id"])
    assert inbox(bob) == [(ann.user["id"], 1, "hi")]
    assert send(ann, bob, "again").status_code == 200


def test_message_from(server):
    ann, bob = register(server), register(server)
    bob.put("/api/auth/user/privacy", message_from="none")
    refused(send(ann, bob, "x"), 403, "not_allowed")
    bob.put("/api/auth/user/privacy", message_from="followed")
    refused(send(ann, bob, "x"), 403, "not_allowed")
    follow(bob, ann)
    assert send(ann, bob, "x").status_code == 200 and len(inbox(bob)) == 1
    bob.put("/api/auth/user/privacy", message_from="none")
    refused(send(ann, bob, "x"), 403, "not_allowed")


def test_five_messages_a_second(make_server):
    server = make_server(limits=True).start()
    ann, bob = friends(server)
    answers = [send(ann, bob, str(i)) for i in range(40)]
    limited = [a for a in answers if a.status_code == 429]
    assert answers[9].status_code == 200 and limited, [a.status_code for a in answers]
    refused(limited[0], 429, "rate_limited")
    assert int(limited[0].headers["Retry-After"]) >= 1
    assert '"message";q=5;w=1' in limited[0].headers["RateLimit-Policy"]
    assert send(bob, ann, "my own bucket").status_code == 200


def test_followers_are_news(server):
    ann, bob, cy = register(server), register(server), register(server)
    follow(bob, ann)
    found = told(ann, lambda d: d["unread"] == 1)
    note = found["notifications"][0]
    assert list(note)[:8] == ["id", "userId", "title", "content", "type", "relatedId", "isRead", "createTime"]
    assert (note["kind"], note["count"], note["relatedId"], note["isRead"]) == ("follow", 1, bob.user["id"], False)
    assert bob.user["username"] in note["content"] and note["actors"][0]["id"] == bob.user["id"]
    follow(cy, ann)
    found = told(ann, lambda d: d["notifications"][0]["count"] == 2)
    assert len(found["notifications"]) == 1 and found["notifications"][0]["title"] == "2 people followed you" and found["total"] == 1
    ann.post("/api/auth/notification/read", id=note["id"])
    assert notices(ann)["unread"] == 0 and notices(ann)["notifications"][0]["isRead"] is True
    zh = Api(server, ann.token, lang="zh")
    assert notices(zh)["notifications"][0]["title"] == "2人关注了你"


def test_a_video_makes_news(server, tiny):
    ann, bob, cy = register(server), register(server), register(server)
    video = ann.publish(tiny, title="my film")
    ready = told(ann, lambda d: d["notifications"], type="upload")["notifications"][0]
    assert ready["videoId"] == video["id"] and "my film" in ready["content"]
    bob.post("/api/auth/interaction/like", video_id=video["id"])
    cy.post("/api/auth/interaction/like", video_id=video["id"])
    liked = told(ann, lambda d: d["notifications"] and d["notifications"][0]["count"] == 2, type="like")["notifications"]
    assert len(liked) == 1 and liked[0]["title"] == "2 people liked your video" and liked[0]["relatedId"] == video["id"]
    comment = bob.post("/api/auth/interaction/comment", video_id=video["id"], content="nice")
    told(ann, lambda d: len(d["notifications"]) == 1, type="comment")
    cy.post("/api/auth/interaction/comment", video_id=video["id"], content="yes", reply_to_id=comment["id"])
    reply = told(bob, lambda d: len(d["notifications"]) == 1, type="reply")["notifications"][0]
    assert reply["actors"][0]["id"] == cy.user["id"] and reply["videoId"] == video["id"]
    ann.post("/api/auth/social/mute", target_user_id=cy.user["id"])
    assert notices(ann, type="like")["notifications"][0]["count"] == 1
    assert notices(ann)["unread"] == 3
    ann.post("/api/auth/notification/read", all=True)
    assert notices(ann)["unread"] == 0
    ann.delete("/api/auth/video", id=video["id"])
    assert notices(ann)["notifications"] == [] and notices(bob)["notifications"] == []


def test_settings_switch_kinds_off(server):
    ann, bob, cy = register(server), register(server), register(server)
    kinds = ["like", "comment", "reply", "follow", "live", "upload", "message"]
    assert ann.get("/api/auth/notification/settings") == dict.fromkeys(kinds, True)
    ann.put("/api/auth/notification/settings", follow=False)
    assert ann.get("/api/auth/notification/settings") == {**dict.fromkeys(kinds, True), "follow": False}
    follow(bob, ann)
    follow(bob, cy)
    told(cy, lambda d: d["unread"] == 1)  # so the event about ann, which came before it, was handled
    assert notices(ann)["notifications"] == []
    refused(ann.raw("PUT", "/api/auth/notification/settings", json={"like": "no"}), 400, "like_wrong_type")


def test_a_deleted_account_leaves_the_others_side(server):
    ann, bob = friends(server)
    told(ann, lambda d: d["unread"] == 1)
    write(bob, ann, "bye")
    bob.ok("DELETE", "/api/auth/user/account", json={"password": PASSWORD})
    assert inbox(ann) == [(bob.user["id"], 1, "bye")]
    assert ann.get("/api/auth/message/conversations")["conversations"][0]["user"]["username"] == ""
    assert [m["content"] for m in history(ann, bob)] == ["bye"]
    refused(send(ann, bob, "x"), 404, "user_not_found")
    assert notices(ann)["notifications"] == []


@pytest.mark.concurrent
@pytest.mark.parametrize("after", [40, 150])
def test_killed_in_a_stream_of_messages(make_server, after):
    server = make_server().start()
    ann, bob = friends(server, "stream-ann", "stream-bob")
    acknowledged, lock, enough = {}, threading.Lock(), threading.Event()

    def stream(who, whom, lane):
        api = Api(server, who.token)
        for number in range(100_000):
            text = f"{lane}/{number}"
            try:
                answer = api.raw("POST", "/api/auth/message/send", json={"receiver_id": whom.user["id"], "content": text})
            except http.RequestException:
                return
            if answer.status_code != 200:
                return
            with lock:
                acknowledged[answer.json()["data"]["message_id"]] = text
                if len(acknowledged) >= after:
                    enough.set()

    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        lanes = [pool.submit(stream, *((ann, bob) if lane % 2 else (bob, ann)), lane) for lane in range(6)]
        assert enough.wait(60)
        server.kill()
        for lane in lanes:
            lane.result()
    server.start()
    ann, bob = [Api(server, one.token, one.user) for one in (ann, bob)]
    found, before = [], None
    while page := history(ann, bob, page_size=100, **({"before": before} if before else {})):
        found += page
        before = page[-1]["id"]
    assert [m["seq"] for m in found] == list(range(len(found), 0, -1))
    stored = {m["id"]: m["content"] for m in found}
    assert len(stored) == len(found) == len(set(stored.values()))
    assert acknowledged.items() <= stored.items()
    unread = [who.get("/api/auth/message/unread")["total"] for who in (ann, bob)]
    assert unread == [sum(m["receiveId"] == who.user["id"] for m in found) for who in (ann, bob)]
    assert server.stop() == 0
