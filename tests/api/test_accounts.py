import base64
import concurrent.futures
import hashlib
import hmac
import json
import time
import uuid

import pytest

from harness import PASSWORD, Api, Server, refused, register


def test_a_new_account_has_every_field_and_can_log_in(server, guest):
    data = guest.post("/api/user/register", username="Zoë 测试", password=PASSWORD, about="hi")
    user = data["user"]
    order = ["id", "username", "password", "about", "followCount", "followerCount", "isFollow"]
    assert [key for key in user if key != "avatar"][:7] == order
    assert user["username"] == "Zoë 测试" and user["password"] == "" and user["about"] == "hi"
    assert {"videoCount", "likeCount", "isPrivate", "isBlocked"} <= set(user)
    assert 0 < user["id"] < 2**53 and data["token"] and data["refresh_token"] and data["expires_in"] > 0
    again = guest.post("/api/user/login", username="zoë 测试", password=PASSWORD)
    assert again["user"]["id"] == user["id"]


def test_a_taken_name_is_refused_with_the_old_text(server, person):
    for lang, text in (("zh", "用户名已存在"), ("en", "the username is taken")):
        answer = Api(server, lang=lang).raw("POST", "/api/user/register", json={"username": person.user["username"].upper(), "password": PASSWORD})
        assert refused(answer, 400, "username_taken")["message"] == text


@pytest.mark.concurrent
def test_a_registration_sent_again_under_its_key_is_the_same_user(server, guest):
    key = {"Idempotency-Key": f"sign-up-{uuid.uuid4()}"}
    body = {"username": f"once-{uuid.uuid4().hex[:12]}", "password": PASSWORD, "about": "hi"}

    def sign_up(headers=key, **other):
        return Api(server).raw("POST", "/api/user/register", json={**body, **other}, headers=headers)

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(sign_up) for _ in range(8)]
    answers = [a.result() for a in answers] + [sign_up()]
    assert [a.status_code for a in answers] == [200] * 9, [a.text for a in answers]
    made = [a.json()["data"] for a in answers]
    assert len({m["user"]["id"] for m in made}) == 1 and len({m["refresh_token"] for m in made}) == 9
    assert all(set(m) == set(made[0]) and m["user"] == made[0]["user"] for m in made)
    for one in made:
        assert Api(server, one["token"]).get("/api/auth/user/profile")["id"] == made[0]["user"]["id"]
    for other in ({"about": "other"}, {"username": body["username"] + "x"}, {"password": "another good 1"}):
        refused(sign_up(**other), 422, "idempotency_mismatch")
    refused(sign_up(headers={}), 400, "username_taken")
    refused(sign_up(headers={"Idempotency-Key": "k" * 256}), 400, "idempotency_key_too_long")
    refused(sign_up(headers={"Idempotency-Key": b"\xff"}), 400, "idempotency_key_invalid")


def test_an_idempotency_key_does_not_help_to_guess_passwords(make_server):
    server = make_server("limits.factor=1", limits=True).start()
    body, key = {"username": "guessed", "password": PASSWORD}, {"Idempotency-Key": "known-1"}
    api = Api(server)
    assert api.raw("POST", "/api/user/register", json=body, headers=key).status_code == 200
    for _ in range(5):
        refused(api.raw("POST", "/api/user/register", json={**body, "password": "wrong one"}, headers=key), 422, "idempotency_mismatch")
        refused(api.raw("POST", "/api/user/login", json={**body, "password": "wrong one"}), 400, "wrong_credentials")
    refused(api.raw("POST", "/api/user/login", json=body), 429, "too_many_failed_logins")
    refused(api.raw("POST", "/api/user/register", json=body, headers=key), 429, "too_many_failed_logins")


def test_the_registration_route_lists_its_idempotency_key(guest):
    document = guest.raw("GET", "/openapi.json").json()
    listed = {path for path, item in document["paths"].items() for p in item.get("post", {}).get("parameters", []) if p["name"] == "Idempotency-Key"}
    assert "/api/user/register" in listed and "/api/auth/interaction/comment" in listed
    assert not listed & {"/api/user/login", "/api/user/refresh"}, "these create nothing that could be made twice"


@pytest.mark.parametrize("body, token", [
    ({"password": PASSWORD}, "username_required"),
    ({"username": "", "password": PASSWORD}, "username_required"),
    ({"username": "x" * 33, "password": PASSWORD}, "username_too_long"),
    ({"username": "bad\u202ename", "password": PASSWORD}, "username_invalid"),
    ({"username": "zero\u200bwidth", "password": PASSWORD}, "username_invalid"),
    ({"username": "someone", "password": "short"}, "password_too_short"),
    ({"username": "someone", "password": "x" * 73}, "password_too_long"),
    ({"username": "someone", "password": "nul\x00inside it"}, "password_invalid"),
    ({"username": 7, "password": PASSWORD}, "username_wrong_type"),
    ({"username": "someone", "password": PASSWORD, "about": "x" * 301}, "about_too_long"),
])
def test_bad_input_is_refused_by_the_name_of_its_field(guest, body, token):
    refused(guest.raw("POST", "/api/user/register", json=body), 400, token)


def test_a_common_password_is_refused(guest):
    refused(guest.raw("POST", "/api/user/register", json={"username": "someone", "password": "password123"}), 400, field="password")


def test_login_does_not_tell_whether_the_user_exists(guest, person):
    wrong = guest.raw("POST", "/api/user/login", json={"username": person.user["username"], "password": "not the one"})
    unknown = guest.raw("POST", "/api/user/login", json={"username": "nobody-has-this", "password": "not the one"})
    assert refused(wrong, wrong.status_code)["error"] == refused(unknown, wrong.status_code)["error"] == "wrong_credentials"


def test_profile_can_be_read_and_changed(person, guest):
    assert person.get("/api/auth/user/profile")["id"] == person.user["id"]
    person.put("/api/auth/user/update", about="关于我")
    assert guest.get("/api/user/detail", user_id=person.user["id"])["about"] == "关于我"
    assert person.get("/api/auth/user/profile", user_id=person.user["id"])["about"] == "关于我"
    refused(guest.raw("GET", "/api/user/detail?user_id=12345"), 404, "user_not_found")


def test_username_check(guest, person):
    assert guest.get("/api/user/check", username=person.user["username"])["available"] is False
    assert guest.get("/api/user/check", username="surely-free-name")["available"] is True


def test_two_tabs_that_refresh_at_once_get_the_same_successor(server, guest, person):
    with concurrent.futures.ThreadPoolExecutor() as pool:
        tabs = [t.result() for t in [pool.submit(guest.post, "/api/user/refresh", refresh_token=person.refresh_token) for _ in range(2)]]
    assert tabs[0]["refresh_token"] == tabs[1]["refresh_token"] != person.refresh_token
    for tab in tabs:
        assert tab["expires_in"] > 0 and Api(server, tab["token"]).get("/api/auth/user/profile")["id"] == person.user["id"]
    third = guest.post("/api/user/refresh", refresh_token=tabs[0]["refresh_token"])
    assert third["refresh_token"] not in (tabs[0]["refresh_token"], person.refresh_token)


def test_a_refresh_token_that_is_reused_late_ends_the_family(tmp_path):
    server = Server(tmp_path / "data", "auth.refresh_grace=0s").start()
    guest, person = Api(server), register(server)
    first = guest.post("/api/user/refresh", refresh_token=person.refresh_token)
    refused(guest.raw("POST", "/api/user/refresh", json={"refresh_token": person.refresh_token}), 401)
    refused(guest.raw("POST", "/api/user/refresh", json={"refresh_token": first["refresh_token"]}), 401)
    refused(Api(server, first["token"]).raw("GET", "/api/auth/user/profile"), 401)
    assert server.stop() == 0


def test_logout_bites_at_the_next_request(server, person):
    person.post("/api/auth/user/logout")
    refused(person.raw("GET", "/api/auth/user/profile"), 401, "invalid_token")
    refused(Api(server).raw("POST", "/api/user/refresh", json={"refresh_token": person.refresh_token}), 401)


def test_sessions_are_listed_and_can_be_ended(server, guest, person):
    other = guest.post("/api/user/login", username=person.user["username"], password=PASSWORD)
    sessions = person.get("/api/auth/user/sessions")["sessions"]
    assert len(sessions) == 2 and [s["current"] for s in sessions].count(True) == 1
    assert all({"id", "createTime", "lastSeen", "address", "userAgent", "current"} <= set(s) for s in sessions)
    person.delete("/api/auth/user/session", id=next(s["id"] for s in sessions if not s["current"]))
    refused(Api(server, other["token"]).raw("GET", "/api/auth/user/profile"), 401)
    assert len(person.get("/api/auth/user/sessions")["sessions"]) == 1


def test_changing_the_password_ends_the_other_sessions(server, guest, person):
    other = guest.post("/api/user/login", username=person.user["username"], password=PASSWORD)
    assert person.raw("PUT", "/api/auth/user/update", json={"old_password": "wrong one", "new_password": "another good 1"}).status_code in (400, 401)
    person.put("/api/auth/user/update", old_password=PASSWORD, new_password="another good 1")
    person.get("/api/auth/user/profile")
    refused(Api(server, other["token"]).raw("GET", "/api/auth/user/profile"), 401)
    guest.post("/api/user/login", username=person.user["username"], password="another good 1")


def part(value):
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def forged(person, header, secret=b"guess", **claims):
    now = int(time.time())
    body = {"user_id": person.user["id"], "sub": str(person.user["id"]), "iat": now, "exp": now + 3600, **claims}
    head = part(header) + "." + part(body)
    return head + "." + base64.urlsafe_b64encode(hmac.new(secret, head.encode(), hashlib.sha256).digest()).rstrip(b"=").decode()


def test_hostile_tokens_are_401(server, person):
    header, body, signature = person.token.split(".")
    kid = json.loads(base64.urlsafe_b64decode(header + "=="))["kid"]
    swapped = {**json.loads(base64.urlsafe_b64decode(body + "==")), "user_id": 1, "sub": "1"}
    flipped = ("A" if signature[0] != "A" else "B") + signature[1:]
    tokens = {
        "altered body": f"{header}.{part(swapped)}.{signature}", "altered signature": f"{header}.{body}.{flipped}", "no signature": f"{header}.{body}.",
        "alg none": part({"alg": "none", "typ": "JWT", "kid": kid}) + "." + body + ".", "alg None": part({"alg": "None", "kid": kid}) + f".{body}.{signature}",
        "alg RS256": part({"alg": "RS256", "kid": kid}) + f".{body}.{signature}", "wrong kid": forged(person, {"alg": "HS256", "kid": "nope"}),
        "no kid": forged(person, {"alg": "HS256"}), "path kid": forged(person, {"alg": "HS256", "kid": "../../dev/null"}, secret=b""),
        "guessed secret": forged(person, {"alg": "HS256", "kid": kid}, secret=b"secret"), "empty secret": forged(person, {"alg": "HS256", "kid": kid}, secret=b""),
        "two parts": f"{header}.{body}", "four parts": person.token + ".x", "empty": "", "words": "let me in", "long": "x" * 9000, "padding": person.token + "==",
    }
    for name, token in tokens.items():
        answer = person.raw("GET", "/api/auth/user/profile", headers={"Authorization": "Bearer " + token})
        assert answer.status_code in (401, 431) if name == "long" else answer.status_code == 401, (name, answer.text)


def test_missing_and_malformed_authorization_have_the_old_texts(server):
    zh = Api(server, lang="zh")
    assert refused(zh.raw("GET", "/api/auth/user/profile"), 401, "authorization_required")["message"] == "Authorization头信息是必需的"
    answer = zh.raw("GET", "/api/auth/user/profile", headers={"Authorization": "Basic eHg="})
    assert refused(answer, 401, "authorization_format")["message"] == "Authorization头信息格式必须是Bearer {token}"
    answer = zh.raw("GET", "/api/auth/user/profile", headers={"Authorization": "Bearer nope"})
    assert refused(answer, 401, "invalid_token")["message"] == "无效或过期的token"


def test_an_expired_token_is_401_and_a_guest_on_public_routes(server, person):
    keys = (server.data / "auth_keys").read_text().splitlines()
    kid, secret = next(line for line in keys if line and not line.startswith("#")).split()
    sid = json.loads(base64.urlsafe_b64decode(person.token.split(".")[1] + "=="))["sid"]
    now = int(time.time())

    def with_end(seconds):
        return Api(server, forged(person, {"alg": "HS256", "typ": "JWT", "kid": kid}, secret=secret.encode(), sid=sid, iat=now - 7200, exp=now + seconds))

    assert with_end(60).get("/api/auth/user/profile")["id"] == person.user["id"], "the token is right but for its end"
    expired = with_end(-1)
    refused(expired.raw("GET", "/api/auth/user/profile"), 401, "invalid_token")
    answer = expired.raw("GET", "/api/video/feed")
    assert answer.status_code == 200 and 'error="invalid_token"' in answer.headers["WWW-Authenticate"]
