"""Every operation of /openapi.json with every input spoilt, one at a time: nothing is the server's fault, every failure has its form and names the
spoilt field, every answer is as the document says. SV_SEED repeats a run, SV_FUZZ_SECONDS bounds it."""

import http.client
import json
import os
import random
import socket
import time
import urllib.parse

import pytest

from apidoc import Document, seeded
from fuzz_world import NUMBERS, QUERY, RAW_TEXTS, SHAPES, TEXTS, World
from harness import Server, ffmpeg, make_clip

SECONDS = float(os.environ.get("SV_FUZZ_SECONDS", 90))
GOOD = object()
# Operations whose success needs what no request can bring about: a file that failed once and may not the next time.
NEVER_200 = {"POST /api/auth/video/retry"}
# Public files do not look at the signature that others need.
UNREAD = {"GET /media/{path}"}



class Wire:
    """A connection that sends what it is told, also what no client library would."""

    def __init__(self, address):
        self.address, self.socket = address, None

    def send(self, method, target, headers=(), body=None, length=True):
        head = method.encode() + b" " + target + b" HTTP/1.1\r\nHost: x\r\nAccept-Language: en\r\n"
        for name, value in headers:
            head += name + b": " + value + b"\r\n"
        if body is not None and length:
            head += b"Content-Length: %d\r\n" % len(body)
        whole = head + b"\r\n" + (body or b"")
        for attempt in (0, 1):
            fresh = self.socket is None
            if fresh:
                self.socket = socket.create_connection(self.address, timeout=30)
                self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            try:
                self.socket.sendall(whole)
            except (BrokenPipeError, ConnectionResetError):
                pass  # an early refusal may be there to be read
            try:
                answer = http.client.HTTPResponse(self.socket, method=method)
                answer.begin()
                content = answer.read()
            except (http.client.RemoteDisconnected, ConnectionResetError):
                self.close()
                if fresh or attempt:
                    raise
                continue  # the server had closed an idle connection
            if answer.will_close or not length:
                self.close()
            return answer.status, answer.headers, content
        raise AssertionError("unreachable")

    def close(self):
        if self.socket:
            self.socket.close()
        self.socket = None


class Fuzz:
    def __init__(self, world, document, rng):
        self.world, self.document, self.rng = world, document, rng
        self.wire = Wire(world.server.address)
        self.requests, self.failures, self.succeeded = 0, [], set()

    def call(self, op, who, values, spoilt=None, raw=None, body=GOOD, headers=(), length=True, unknown=b""):
        """One request: good values, but `raw` (None: nothing at all) for the field `spoilt`."""
        headers, query, target = list(headers), [], op.path.encode()
        if who is not None:
            headers.append((b"Authorization", b"Bearer " + who.token.encode()))
        members, parts = [], []
        inputs = sorted((where, name) for where, name, _, _ in op.inputs())
        assert values.keys() <= {name for _, name in inputs}, f"{op.name}: {values.keys()} are not all in the document"
        for where, name in inputs:
            bad = spoilt == (where, name)
            if bad and raw is None and where != "path" or not bad and name not in values:
                continue
            if where == "header":
                if bad:
                    headers.append((name.encode(), raw))
            elif where == "path":
                target = target.replace(b"{" + name.encode() + b"}", (raw or b"") if bad else urllib.parse.quote(str(values[name])).encode())
            elif where == "query":
                query.append(name.encode() + b"=" + (raw if bad else urllib.parse.quote(str(values[name])).encode()))
            elif op.body_type == "application/json":
                members.append(json.dumps(name).encode() + b":" + (raw if bad else json.dumps(values[name]).encode()))
            else:
                parts.append((name, raw if bad else values[name]))
        if unknown and op.method in ("GET", "DELETE") and not op.body:
            query.append(unknown)
        if query:
            target += b"?" + b"&".join(query)
        if body is GOOD:
            body = None
            if op.body_type == "application/json":
                headers.append((b"Content-Type", b"application/json"))
                body = b"{" + b",".join(members + ([unknown] if unknown else [])) + b"}"
            elif op.body_type:
                headers.append((b"Content-Type", b"multipart/form-data; boundary=fuzz"))
                body = b"".join(self.part(*part) for part in parts) + b"--fuzz--\r\n"
        self.requests += 1
        shown = f"{op.method} {target[:300]!r} {'guest' if who is None else 'person'} {(body or b'')[:300]!r}"
        try:
            status, head, content = self.wire.send(op.method, target, headers, body, length)
        except (OSError, http.client.HTTPException) as e:
            self.wire.close()
            self.failures.append(f"{shown}: no answer: {e!r}")
            return None
        problem = self.judge(op, status, head, content)
        if problem:
            self.failures.append(f"{shown}: {problem}")
        return status, content, shown

    @staticmethod
    def part(name, value):
        file = b'; filename="x"' if isinstance(value, bytes) and name in ("video", "cover", "avatar") else b""
        content = value if isinstance(value, bytes) else str(value).encode()
        return b'--fuzz\r\nContent-Disposition: form-data; name="' + name.encode() + b'"' + file + b"\r\n\r\n" + content + b"\r\n"

    def judge(self, op, status, head, content):
        """What is wrong with any answer, whatever was asked."""
        if status >= 500:
            return f"{status} {content[:300]!r}"
        if status in (204, 304, 206):
            return None
        kind = (head["Content-Type"] or "").split(";")[0]
        try:
            schema = op.answer(status, kind)
        except AssertionError as e:
            return str(e)
        if kind != "application/json":
            return f"{status} is {kind}" if status >= 400 else None
        try:
            value = json.loads(content)
        except ValueError as e:
            return f"{status}, not JSON: {e} {content[:300]!r}"
        if status >= 400:
            if value.get("code") != status or not value.get("error") or not value.get("request_id") or not value.get("message") or "data" in value:
                return f"{status}, not a failure's form: {value}"
            if value["error"] in ("internal", "bad_gateway"):
                return f"{status} {value}"
        problems = self.document.problems(schema, value) + self.document.undescribed(schema, value) if schema else []
        return f"{status}, against the document: {problems[:5]}" if problems else None

    def blame(self, op, where, name, valid, raw, result):
        """The failure names what was spoilt, or the value was good after all. `valid`: by the document; None: no value at all (broken syntax)."""
        if result is None:
            return
        status, content, shown = result
        try:
            failure = json.loads(content) if status >= 400 else {}
        except ValueError:
            return  # judged already
        token, named = failure.get("error", ""), False
        if status >= 400:
            flat = name.lower().replace("-", "_")
            named = token.lower().replace("-", "_").startswith(flat + "_") or failure.get("field", "").lower().replace("-", "_") == flat
        if valid is None:
            if status < 400 and op.name not in UNREAD:
                self.failures.append(f"{shown}: {status} for what is no value")
        elif not valid:
            if status in (413, 414, 431):
                return  # refused for its size before it was read
            if status < 400:
                self.failures.append(f"{shown}: {status}, but {name} is not as the document says")
            elif not named:
                self.failures.append(f"{shown}: {status} {token}, which does not name {name}")

    def valid(self, schema, where, raw, required):
        """Whether the document allows the value: None when there is none in it."""
        schema = self.document.resolve(schema)
        if raw is None:
            return not required
        if where == "body":
            try:
                value = json.loads(raw, parse_constant=lambda name: json.loads(""))  # NaN and the like are Python's, not JSON's
                json.dumps(value, ensure_ascii=False).encode()  # no lone surrogates
            except (ValueError, RecursionError):
                return None
            if raw.startswith(b"[[[[" * 10):
                return None  # deeper than the server reads
            return not required if value is None else not self.document.problems(schema, value)
        if b"&" in raw:
            return True
        try:
            text = urllib.parse.unquote_to_bytes(raw.replace(b"+", b" ")).decode()
            assert b"%" not in raw.replace(b"%25", b"") or text != raw.decode()
        except (UnicodeDecodeError, AssertionError):
            return None
        if "\0" in text:
            return None
        if text == "":
            return not required
        kind = schema.get("type")
        if kind == "integer":
            if not text.removeprefix("-").isascii() or not text.removeprefix("-").isdigit():
                return False
            return not self.document.problems(schema, int(text))
        if kind == "boolean":
            return text in ("true", "false", "0", "1")
        if kind == "array":
            return True
        return not self.document.problems(schema, text)

    def cases(self, op):
        """Closures, each one request and what is to be said about its answer."""
        for where, name, schema, required in op.inputs():
            if where == "body" and op.body_type == "application/json":
                raws = [None, *(json.dumps(t, ensure_ascii=False).encode() for t in TEXTS), *RAW_TEXTS, *(n.encode() for n in NUMBERS),
                        *(s.encode() for s in SHAPES)]
            elif where == "body":
                raws = [None, b"", *(t.encode() for t in TEXTS), b"\0", b"\xff\xfe", b"a\0b", b"x" * 20000, b"a," * 400, b"\r\n--fuzz\r\n",
                        b"--fuzz--"]
            elif where == "header":
                raws = [None, b"", b"k", b"k" * 255, b"k" * 256, b"\xff\xfe", b"\t", "键".encode(), b"a, b", b"x" * 5000]
            elif where == "path":
                raws = [r for r in QUERY if b" " not in r] + [b"/", b"//", b"..", b"../..", b"%2e%2e%2f", b"1/2/3", b"1/1/source.mp4", b"?", b"#",
                                                              b"-1/1/x.mp4", b"9" * 19 + b"/1/x.mp4"]
            else:
                raws = [None, *QUERY]
            for raw in raws:
                yield lambda where=where, name=name, schema=schema, required=required, raw=raw: self.spoil(op, where, name, schema, required, raw)
        for unknown in (b'"zz":1', b'"zz":{"a":[1,{"b":null}]}', b'"zz":"\xff"', b'"zz":' + b"[" * 100 + b"]" * 100, b'"":0', b'"\\u0000":1',
                        b'"user_id":1', b'"__proto__":{}', b'"zz":"' + b"x" * 100_000 + b'"'):
            if op.body_type == "application/json":
                yield lambda unknown=unknown: self.spread(op, unknown=unknown)
        for unknown in (b"zz=1", b"zz", b"=", b"==", b"&&&", b"%00=1", b"zz=%ff", b"zz[]=1", b"user_id[]=1", b"a" * 3000, b"current_user_id=1",
                        b"\x80=1"):
            if not op.body:
                yield lambda unknown=unknown: self.spread(op, unknown=unknown)
        yield from self.double(op)
        yield from self.bodies(op)
        for headers in ([(b"Authorization", b"Bearer x")], [(b"Authorization", b"Basic eDp4")], [(b"Authorization", b"")],
                        [(b"Authorization", b"Bearer " + b"\xff" * 50)],
                        [(b"Accept-Language", b"\xff;q=x,,")], [(b"If-None-Match", b'"')], [(b"Range", b"bytes=9-1,-,x")],
                        [(b"X-Forwarded-For", b"x, 999.1.1.1, ::g")],
                        [(b"traceparent", b"00-" + b"z" * 60)], [(b"X-Request-Id", b"\x80" * 300)], [(b"Origin", b"null\xff")], [(b"If-Range", b"x")],
                        [(b"User-Agent", b"\xff" * 2000)]):
            yield lambda headers=headers: self.headers(op, headers)
        for kind in range(6) if op.signed_in else ():
            yield lambda kind=kind: self.as_guest(op, kind)

    def spoil(self, op, where, name, schema, required, raw):
        who, values = self.world.good(op)
        if op.public or "{}" in str(op.spec["security"]) and self.rng.random() < 0.5:
            who = None
        result = self.call(op, who, values, (where, name), raw)
        if op.body_type == "multipart/form-data" or where in ("path", "header"):
            return  # texts, with rules of their own
        self.blame(op, where, name, self.valid(schema, where, raw, required), raw, result)

    def spread(self, op, unknown):
        who, values = self.world.good(op)
        self.call(op, who, values, unknown=unknown)

    def double(self, op):
        if op.body_type == "application/json":
            for name in op.body.get("properties", {}):
                for pair in ((b"1", b"{}"), (b'""', b'"x"'), (b"null", b"null")):
                    yield lambda name=name, pair=pair: self.json_body(op, b"{" + b",".join(json.dumps(name).encode() + b":" + v for v in pair) + b"}")

    def json_body(self, op, body, kind=b"application/json", extra=(), length=True):
        who, values = self.world.good(op)
        headers = [*extra, *([(b"Content-Type", kind)] if kind is not None else [])]
        return self.call(op, None if op.public else who, values, body=body, headers=headers, length=length)

    def bodies(self, op):
        """Bodies that are broken, of another kind, or too much; operations that take none must not mind one."""
        if op.body_type != "multipart/form-data":
            broken = [b"", b" ", b"{", b"}", b"[]", b"null", b"1", b'"x"', b"{}{}", b"{}x", b"\xef\xbb\xbf{}", b"\xff\xfe{\0}\0", b'{"a"}',
                      b"{'a':1}", b'{"a":1,}', b"/**/{}", b"[" * 100_000, b'{"a":' * 5000,
                      b"\0" * 1000, b"<xml/>", b"a=b&c=d", b'{"a":"' + b"x" * (1 << 20) + b'"}']
            for body in broken:
                yield lambda body=body: self.json_body(op, body)
        else:
            for body in (b"", b"--fuzz", b"--fuzz--\r\n", b"--fuzz\r\n\r\n\r\n--fuzz--\r\n",
                         b"--fuzz\r\nContent-Disposition: x\r\n\r\nx\r\n--fuzz--\r\n", b"x" * 100_000,
                         b'--fuzz\r\nContent-Disposition: form-data; name="\xff"\r\n\r\nx\r\n--fuzz--\r\n',
                         b"--fuzz\r\n" + b"A: b\r\n" * 5000 + b"\r\n\r\n--fuzz--\r\n",
                         b'--fuzz\r\nContent-Disposition: form-data; name="title"\r\n\r\nx\r\n' * 300 + b"--fuzz--\r\n"):
                yield lambda body=body: self.json_body(op, body, b"multipart/form-data; boundary=fuzz")
                yield lambda body=body: self.json_body(op, body, b"multipart/form-data")
        for kind in (None, b"", b"text/plain", b"application/xml", b"multipart/form-data", b"multipart/form-data; boundary=",
                     b"multipart/form-data; boundary=" + b"b" * 300, b"application/json; charset=utf-16",
                     b"\xff/\xff", b"application/x-www-form-urlencoded", b"application/JSON ; a=b"):
            yield lambda kind=kind: self.json_body(op, b"{}", kind)
        yield lambda: self.json_body(op, b"{}", extra=[(b"Content-Encoding", b"gzip")])
        if op.method != "GET":
            yield lambda: self.json_body(op, b"A" * (3 << 20), None)
            yield lambda: self.json_body(op, b"B" * (1 << 20), None, length=False)

    def headers(self, op, headers):
        who, values = self.world.good(op)
        if any(name == b"Authorization" for name, _ in headers):
            who = None
        self.call(op, who, values, headers=headers)

    def as_guest(self, op, kind):
        """Without a token nothing is read: 401, whatever else is wrong."""
        _, values = self.world.good(op)
        inputs = list(op.inputs())
        spoilt = raw = None
        if kind and inputs:
            where, name, _, _ = self.rng.choice(inputs)
            spoilt, raw = (where, name), self.rng.choice([None, b"x", b"-1", b"%zz" if where == "query" else b"[]", b"9" * 30])
        result = self.call(op, None, values, spoilt, raw)
        if result and result[0] != 401:
            self.failures.append(f"{result[2]}: {result[0]} for a guest")


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fuzz")
    clip = make_clip(folder / "clip.mp4", seconds=1, size="160x90", audio=("-an",))
    ffmpeg("-f", "lavfi", "-i", "testsrc2=size=64x64:rate=1", "-frames:v", "1", folder / "a.png")
    server = Server(folder / "data").start()
    world = World(server, clip, (folder / "a.png").read_bytes())
    yield world
    assert server.stop() == 0
    code, text = server.fsck()
    assert code == 0, text
    assert '"status":500' not in server.log.read_text()


def test_every_input_of_every_operation(world):
    rng = random.Random(seeded())
    begin = time.monotonic()
    document = Document(json.loads(Wire(world.server.address).send("GET", b"/openapi.json")[2]))
    fuzz = Fuzz(world, document, rng)
    silent = []
    for op in document.operations:
        who, values = world.good(op)
        result = fuzz.call(op, None if op.public else who, values)
        if not result or result[0] != 200:
            silent.append(f"{op.name}: {result}")
    silent = [s for s in silent if s.split(": ")[0] not in NEVER_200]
    assert not silent, "good requests that failed:\n" + "\n".join(silent)
    cases = [case for op in document.operations for case in fuzz.cases(op)]
    rng.shuffle(cases)
    done = 0
    for case in cases:
        if time.monotonic() - begin > SECONDS:
            break
        case()
        done += 1
    health = fuzz.wire.send("GET", b"/health")
    print(f"{len(document.operations)} operations, {done} of {len(cases)} cases, {fuzz.requests} requests in {time.monotonic() - begin:.0f} s")
    assert health[0] == 200 and world.server.process.poll() is None
    assert not fuzz.failures, f"{len(fuzz.failures)} failures:\n" + "\n".join(fuzz.failures[:60])


def test_the_judge_sees_what_is_wrong():
    """Answers that no server should give, each with what must be said about it."""
    integer, failure = {"type": "integer", "format": "int32", "minimum": 1}, {"type": "object",
                                                                              "required": ["code", "message", "error", "request_id"]}
    spec = {"security": [], "parameters": [{"name": "page", "in": "query", "required": True, "schema": integer}], "responses": {
        "200": {"content": {"application/json": {"schema": {"type": "object", "properties": {"data": integer}, "required": ["data"]}}}},
        "400": {"content": {"application/json": {"schema": failure}}}}}
    document = Document({"paths": {"/x": {"get": spec}}})
    op = document.operations[0]
    fuzz = Fuzz.__new__(Fuzz)
    fuzz.document = document
    form = {"code": 400, "message": "m", "error": "page_out_of_range", "request_id": "r"}

    def judged(status, value, kind="application/json"):
        return fuzz.judge(op, status, {"Content-Type": kind}, value if isinstance(value, bytes) else json.dumps(value).encode())

    assert judged(200, {"data": 1}) is None and judged(400, form) is None
    for status, value in ((200, {"data": "1"}), (200, {"data": 0}), (200, {"data": 2**31}), (200, {}), (200, {"data": 1, "more": 2}), (200, b"{"),
                          (500, form), (503, form), (507, form),
                          (404, {**form, "code": 404}), (400, {**form, "code": 401}), (400, {**form, "error": ""}), (400, {**form, "request_id": ""}),
                          (400, {**form, "data": None}),
                          (400, {k: v for k, v in form.items() if k != "message"}), (400, b"<html>")):
        assert judged(status, value), (status, value)
    assert judged(400, b"oops", "text/plain") and judged(200, b"oops", "text/html")

    def blamed(raw, status, value):
        fuzz.failures = []
        fuzz.blame(op, "query", "page", fuzz.valid(integer, "query", raw, True), raw, (status, json.dumps(value).encode(), ""))
        return fuzz.failures

    assert not blamed(b"1", 200, {}) and not blamed(b"0", 400, form) and not blamed(b"%ff", 400, {**form, "error": "query_invalid"})
    for raw in (b"0", b"-1", b"x", b"2147483648", None, b"", b"1.5"):
        assert blamed(raw, 200, {}) and blamed(raw, 400, {**form, "error": "other_invalid"}), raw
    for raw in (b"%ff", b"%zz", b"\xff", b"%00"):
        assert blamed(raw, 200, {}), raw
