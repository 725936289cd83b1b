"""What every request gets: framing, limits, request ids, CORS, metrics, the API's description."""

import gzip
import json
import re
import socket
import time
import threading

import pytest
import requests

from harness import PASSWORD, Api, exchange, refused, register


def status_of(raw):
    return int(raw.split(b" ", 2)[1]) if raw.startswith(b"HTTP/1.1 ") else 0


def test_health_and_readiness(guest):
    assert guest.raw("GET", "/health").json() == {"status": "OK"}
    ready = guest.raw("GET", "/health/ready")
    assert ready.status_code == 200 and (ready.json().get("data") or ready.json())["mode"] == "embedded"


def test_unknown_routes_and_methods(guest):
    refused(guest.raw("GET", "/api/nothing"), 404, "unknown_route")
    answer = guest.raw("POST", "/api/video/feed")
    refused(answer, 405)
    assert "GET" in answer.headers["Allow"]


def test_errors_speak_the_callers_language(server):
    for lang, text in (("zh-CN,zh;q=0.9", "视频不存在"), ("en-GB", "no such video"), ("fr", "视频不存在"), ("en;q=0.5,zh;q=0.4", "no such video")):
        answer = Api(server, lang=lang).raw("GET", "/api/video/detail?id=77")
        assert refused(answer, 404, "video_not_found")["message"] == text, lang


def test_every_answer_has_a_request_id_and_keeps_the_callers(guest):
    first, second = (guest.raw("GET", "/api/nothing") for _ in range(2))
    ids = [a.headers["X-Request-Id"] for a in (first, second)]
    assert ids[0] != ids[1] and first.json()["request_id"] == ids[0]
    assert guest.raw("GET", "/api/nothing", headers={"X-Request-Id": "caller-1"}).json()["request_id"] == "caller-1"
    assert "\n" not in guest.raw("GET", "/health", headers={"X-Request-Id": "a b\tc"}).headers["X-Request-Id"]


def test_bad_json(guest):
    for body in (b"{", b"[]", b'"x"', b"\xff\xfe", b'{"username":' + b"[" * 5000):
        refused(guest.raw("POST", "/api/user/login", data=body, headers={"Content-Type": "application/json"}), 400)
    refused(guest.raw("POST", "/api/user/login", data=b"{}", headers={"Content-Type": "text/plain"}), 415)
    huge = b'{"username":"' + b"x" * (1 << 20) + b'"}'
    refused(guest.raw("POST", "/api/user/login", data=huge, headers={"Content-Type": "application/json"}), 413)


@pytest.mark.parametrize("request_bytes", [
    b"POST /api/user/login HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST /api/user/login HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}x",
    b"POST /api/user/login HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Type: application/json\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
    b"GET /health HTTP/1.1\nHost: x\n\n",
    b"GET /health HTTP/1.1\r\nHost: x\r\nBad Header: 1\r\n\r\n",
    b"GET /health HTTP/1.1\r\nHost: x\r\n folded: 1\r\n\r\n",
    b"nonsense\r\n\r\n",
    b"GET /health HTTP/9.9\r\nHost: x\r\n\r\n",
    b"POST /api/user/login HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    b"POST /api/user/login HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n",
])
def test_ambiguous_framing_is_refused_and_the_connection_closed(server, request_bytes):
    answer = exchange(server.address, request_bytes)
    assert 400 <= status_of(answer) < 600 and status_of(answer) in (400, 413, 505), answer[:200]


def test_large_header_blocks_are_refused(server):
    many = b"".join(b"X-%d: 1\r\n" % i for i in range(150))
    for head in (b"X-Long: " + b"x" * 20_000 + b"\r\n", many):
        assert status_of(exchange(server.address, b"GET /health HTTP/1.1\r\nHost: x\r\n" + head + b"\r\n")) in (400, 431)


def test_keep_alive_and_pipelining(server):
    one = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
    answer = exchange(server.address, one * 3 + one.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
    assert answer.count(b"HTTP/1.1 200 ") == 4


def json_post(path, body_bytes, token=None):
    """The head of a JSON request; the body is to follow."""
    auth = f"Authorization: Bearer {token}\r\n" if token else ""
    return f"POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{auth}Content-Type: application/json\r\nContent-Length: {body_bytes}\r\n\r\n".encode()


def drip(address, head, pieces, pause):
    """Sends the head, then a piece every `pause` seconds; what came back, and after how many seconds."""
    begin = time.monotonic()
    with socket.create_connection(address, timeout=60) as s:
        s.sendall(head)
        gone = threading.Event()

        def send():
            for piece in pieces:
                if gone.wait(pause):
                    return
                try:
                    s.sendall(piece)
                except OSError:
                    return

        sender = threading.Thread(target=send)
        sender.start()
        got = b""
        try:
            while piece := s.recv(65536):
                got += piece
        except ConnectionResetError:
            pass
        took = time.monotonic() - begin
        gone.set()
        sender.join()
    return got, took


def test_slow_clients_are_cut_and_hold_up_nobody(make_server):
    """The body's credit is 4 s here. A request has 10 s from when its body is there; a body above the rate may take longer than that."""
    server = make_server("limits.body_idle=4s").start()
    person = register(server)
    login = json.dumps({"username": person.user["username"], "password": PASSWORD}).encode()
    steady = [*[b" " * 2048] * 13, login]  # 14 pieces, one a second
    boundary = b"--B\r\nContent-Disposition: form-data; name=\"video\"; filename=\"x\"\r\n\r\n"
    upload = (f"POST /api/auth/video/upload HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {person.token}\r\n"
              "Content-Type: multipart/form-data; boundary=B\r\nContent-Length: 5000\r\n\r\n").encode() + boundary
    where = server.address
    cases = {  # head, pieces, pause; status, seconds
        "a head that stops": (b"GET /health HTTP/1.1\r\nHost: x\r\nX-Slow: ", [], 1, 408, 9, 14),
        "a body that stops": (json_post("/api/user/login", 50) + b"{", [], 1, 408, 3.5, 8),
        "a body of a byte now and then": (json_post("/api/user/login", 500), [b" "] * 500, 0.5, 408, 3.5, 8),
        "an upload that stops": (upload, [], 1, 408, 3.5, 8),
        "an upload of a byte now and then": (upload, [b"v"] * 500, 0.5, 408, 3.5, 8),
        "a body that takes 14 s": (json_post("/api/user/login", sum(map(len, steady))), steady, 1, 200, 13, 25),
    }
    results = {}
    threads = [threading.Thread(target=lambda n=name, c=case: results.__setitem__(n, drip(where, *c[:3]))) for name, case in cases.items()]
    for thread in threads:
        thread.start()
    idle = [socket.create_connection(where) for _ in range(300)]
    begin = time.monotonic()
    assert person.get("/api/auth/user/profile") and time.monotonic() - begin < 1
    for s in idle:
        s.close()
    for thread in threads:
        thread.join(60)
    for name, (_, _, _, status, low, high) in cases.items():
        answer, seconds = results[name]
        assert status_of(answer) == status, (name, answer[:300])
        assert low <= seconds <= high, (name, seconds)
        assert b"\r\nConnection: close\r\n" in answer, (name, answer[:300])
        if status == 408:
            assert b'"error":"request_timeout"' in answer, (name, answer)
    assert '"message":"request failed"' not in server.log.read_text(), "a slow client is not our failure"


def test_cors_answers_configured_origins_only(make_server):
    server = make_server("cors.origins=[https://app.example]").start()
    api = Api(server)
    asked = {"Origin": "https://app.example", "Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "authorization"}
    answer = api.raw("OPTIONS", "/api/auth/user/update", headers=asked)
    assert answer.status_code == 204 and answer.headers["Access-Control-Allow-Origin"] == "https://app.example"
    assert answer.headers["Access-Control-Max-Age"] == "86400"
    assert {"GET", "POST", "PUT", "DELETE", "PATCH", "HEAD"} <= set(re.split(r",\s*", answer.headers["Access-Control-Allow-Methods"]))
    assert {"content-type", "authorization"} <= {h.lower() for h in re.split(r",\s*", answer.headers["Access-Control-Allow-Headers"])}
    assert api.raw("GET", "/health", headers={"Origin": "https://app.example"}).headers["Access-Control-Allow-Origin"] == "https://app.example"
    assert "Access-Control-Allow-Origin" not in api.raw("GET", "/health", headers={"Origin": "https://evil.example"}).headers


def test_registering_is_limited_with_the_standard_headers(make_server):
    api = Api(make_server(limits=True).start())
    for number in range(10):
        answer = api.raw("POST", "/api/user/register", json={"username": f"limit-{number}", "password": PASSWORD})
        assert answer.status_code == 200, answer.text
    assert "RateLimit-Policy" in answer.headers and "RateLimit" in answer.headers
    answer = api.raw("POST", "/api/user/register", json={"username": "limit-10", "password": PASSWORD})
    refused(answer, 429)
    assert int(answer.headers["Retry-After"]) > 0 and "RateLimit" in answer.headers


def test_failed_logins_are_limited_by_account_and_address(make_server):
    server = make_server("limits.factor=1", limits=True).start()
    name = register(server).user["username"]
    answers = [Api(server).raw("POST", "/api/user/login", json={"username": name, "password": "wrong one"}).status_code for _ in range(12)]
    assert answers[-1] == 429 and 429 not in answers[:9], answers


def test_metrics_are_by_route_and_name_nobody(server, person, guest):
    person.get("/api/auth/user/profile", user_id=person.user["id"])
    text = guest.raw("GET", "/metrics").text
    assert 'route="/api/auth/user/profile"' in text and "_bucket{" in text and "# TYPE" in text
    assert str(person.user["id"]) not in text and person.user["username"] not in text


def walk(value):
    if isinstance(value, dict):
        yield value
        for v in value.values():
            yield from walk(v)
    elif isinstance(value, list):
        for v in value:
            yield from walk(v)


ROUTES = """GET /health|GET /health/ready|GET /metrics|GET /openapi.json|POST /api/user/register|POST /api/user/login|POST /api/user/refresh|GET /api/user/detail
GET /api/user/check|GET /api/user/videos|GET /api/user/stats|GET /api/auth/user/profile|PUT /api/auth/user/update|POST /api/auth/user/logout
GET /api/auth/user/sessions|DELETE /api/auth/user/session|GET /api/video/feed|GET /api/video/detail|GET /api/video/hot|GET /api/video/stats
POST /api/video/view|POST /api/auth/video/upload|GET /api/auth/video/status|POST /api/auth/video/retry|PUT /api/auth/video|DELETE /api/auth/video
GET /api/auth/video/mine|GET /api/search"""


def test_openapi_describes_every_route_completely(guest):
    document = guest.raw("GET", "/openapi.json").json()
    document = document.get("data") or document
    assert document["openapi"].startswith("3.1")
    for route in re.split(r"[|\n]", ROUTES):
        method, path = route.split()
        operation = document["paths"][path][method.lower()]
        answer = operation["responses"]["200"]
        assert answer.get("content"), route
        assert all(m.get("schema") for m in answer["content"].values()), route
        if method in ("POST", "PUT") and not path.endswith("logout"):
            assert all(m["schema"] for m in operation["requestBody"]["content"].values()), route
        if "/api/auth/" in path:
            assert operation["security"], route
    for node in walk(document):
        if "$ref" in node:
            at = document
            for step in node["$ref"].removeprefix("#/").split("/"):
                assert step in at, node["$ref"]
                at = at[step]
    video = document["components"]["schemas"]["Video"]["properties"]
    assert {"id", "url", "hlsUrl", "publishTime"} <= set(video)


def test_json_is_compressed_for_those_who_take_it(server):
    def get(path, **headers):
        with requests.get(server.url + path, headers={"Accept-Encoding": "identity", **headers}, stream=True, timeout=20) as answer:
            return answer, answer.raw.read()

    plain, body = get("/openapi.json")
    zipped, small = get("/openapi.json", **{"Accept-Encoding": "br;q=1, gzip;q=0.5"})
    assert zipped.headers["Content-Encoding"] == "gzip" and "Content-Encoding" not in plain.headers
    assert len(small) < len(body) / 5 and gzip.decompress(small) == body and "Accept-Encoding" in plain.headers["Vary"]
    assert len({plain.headers["ETag"], zipped.headers["ETag"]}) == 2
    for tag in (plain.headers["ETag"], zipped.headers["ETag"]):
        for coding in ("gzip", "identity"):
            answer, nothing = get("/openapi.json", **{"If-None-Match": tag, "Accept-Encoding": coding})
            assert answer.status_code == 304 and answer.headers["ETag"] == tag and not nothing
    assert "Content-Encoding" not in get("/openapi.json", **{"Accept-Encoding": "gzip;q=0"})[0].headers


@pytest.mark.parametrize("path", ["/api/video/feed", "/api/video/hot", "/api/search?keyword=zz", "/api/user/check?username=nobody-yet", "/api/tag/hot", "/", "/docs", "/openapi.json",
                                  "/web/app.js", "/web/docs.js"])
def test_public_answers_have_a_tag_and_304(server, path):
    first = requests.get(server.url + path, timeout=20)
    assert first.status_code == 200 and "no-store" not in first.headers["Cache-Control"]
    again = requests.get(server.url + path, headers={"If-None-Match": first.headers["ETag"]}, timeout=20)
    assert again.status_code == 304 and not again.content, path


def test_the_api_page_needs_nothing_from_elsewhere(guest):
    page = guest.raw("GET", "/docs")
    assert page.headers["Content-Type"].startswith("text/html") and "script-src 'self'" in page.headers["Content-Security-Policy"]
    for name in re.findall(r'(?:src|href)="([^"]+)"', page.text):
        assert name.startswith(("/", "#", "data:")), name
        if name.startswith("/"):
            assert guest.raw("GET", name).status_code == 200, name
    assert "innerHTML" not in guest.raw("GET", "/web/docs.js").text


def test_the_page_and_its_files_are_served(guest):
    for path in ("/", "/video/1", "/user/1", "/search", "/upload", "/login", "/register"):
        answer = guest.raw("GET", path)
        assert answer.status_code == 200 and answer.headers["Content-Type"].startswith("text/html") and "/web/app.js" in answer.text, path
    assert "javascript" in guest.raw("GET", "/web/app.js").headers["Content-Type"]
    assert guest.raw("GET", "/web/style.css").headers["Content-Type"].startswith("text/css")
    assert guest.raw("GET", "/web/../app/main.cc").status_code in (400, 404)


def test_logs_are_json_lines_with_the_request_id(server, guest):
    guest.raw("GET", "/api/video/detail?id=4", headers={"X-Request-Id": "find-me-in-the-log"})
    deadline = time.monotonic() + 5
    while "find-me-in-the-log" not in server.log.read_text() and time.monotonic() < deadline:
        time.sleep(0.05)
    lines = [json.loads(line) for line in server.log.read_text().splitlines()[-200:] if line]
    assert any("find-me-in-the-log" in json.dumps(line) for line in lines)
    assert all({"time", "level", "message"} <= set(line) for line in lines)


def test_nothing_answers_500(server):
    assert '"status":500' not in server.log.read_text()
