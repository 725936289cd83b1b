"""Who may do what to whose things: every operation that takes an id, against every kind of caller. An operation that is not in the table fails."""

import functools
import io
import itertools
import json
import time

import pytest

from apidoc import Document
from harness import PASSWORD, Api, Server, ffmpeg, grant_admin, make_clip, register

# The callers: whose the thing is; a friend (both follow each other, and they write); a stranger; whom the owner blocked; nobody; a moderator.
ROLES = ("owner", "friend", "stranger", "blocked", "guest", "moderator")
ALL = frozenset(ROLES)
SEEN = ALL - {"blocked"}                    # of what is public
CLOSE = frozenset({"owner", "friend"})      # of a private account
OWNER = frozenset({"owner"})
FRIEND = frozenset({"friend"})
NOBODY = frozenset()
UNKNOWN = 4242  # no thing has this id


class Case:
    """A thing, and who may: others who see it get 403 not_owner, the rest get `refusal`, and from a 404 they learn no more than of an id that does
    not exist."""

    def __init__(self, what, values, may, *, sees=NOBODY, of="owner", refusal=404, success=(200, 206), fresh=False, alone=False, look=None, then=None):
        self.what, self.values, self.may, self.of, self.refusal = what, values, may, of, refusal if isinstance(refusal, tuple) else (refusal,)
        self.sees = sees - may
        self.success = success
        self.fresh = fresh  # the callers are made for it: it changes how they stand to the owner
        self.alone = alone  # the ids are never like unknown ones, for it is not the id that is refused
        self.look = look    # (role, data) of a success: whether it says what it should
        self.then = then    # (world, role) afterwards: whether things are as they should be


def of_video(field, may_see=True, changes=False, **more):
    """Things that show a video, or act on what one sees; or change it."""
    def case(what, video, sees, of="owner"):
        return Case(what, lambda w, _: {field: getattr(w, video)["id"], **more}, sees if may_see else OWNER, sees=sees if changes else NOBODY, of=of)
    return [case("public", "public", SEEN), case("unlisted", "unlisted", SEEN), case("private", "private", OWNER),
            case("of a private account", "hermits", CLOSE, of="hermit")]


def taken_back(field):
    """Taking back what one never did changes nothing, and tells nothing."""
    return [Case("public", lambda w, _: {field: w.public["id"]}, SEEN), Case("private", lambda w, _: {field: w.private["id"]}, OWNER),
            Case("of a private account", lambda w, _: {field: w.hermits["id"]}, CLOSE, of="hermit")]


def of_person(field, hermit=SEEN, **kwargs):
    return [Case("public account", lambda w, _: {field: w.id("owner")}, SEEN, **kwargs),
            Case("private account", lambda w, _: {field: w.id("hermit")}, hermit, of="hermit", **kwargs)]


def relation(may, refusal=404):
    """To oneself is 400."""
    return [Case("public account", lambda w, _: {"target_user_id": w.id("owner")}, may, refusal=refusal, fresh=True),
            Case("private account", lambda w, _: {"target_user_id": w.id("hermit")}, may, of="hermit", refusal=refusal, fresh=True)]


def of_comment(field, may=SEEN, hermit=CLOSE):
    return [Case("below a public video", lambda w, _: {field: w.said}, may), Case("below a private video", lambda w, _: {field: w.thought}, OWNER),
            Case("below a video of a private account", lambda w, _: {field: w.whispered}, hermit, of="hermit")]


TABLE = {
    "GET /api/auth/user/profile": of_person("user_id"),
    "GET /api/user/detail": of_person("user_id"),
    "GET /api/user/stats": of_person("user_id"),
    "GET /api/user/videos": [
        Case("public account", lambda w, _: {"user_id": w.id("owner")}, SEEN,
             look=lambda role, d: len(d["videos"]) >= 1 and (role == "owner" or all(v["visibility"] == "public" for v in d["videos"]))),
        Case("private account", lambda w, _: {"user_id": w.id("hermit")}, SEEN, of="hermit",
             look=lambda role, d: bool(d["videos"]) == (role in CLOSE))],
    "DELETE /api/auth/user/session": [Case("session", lambda w, _: {"id": w.session()}, OWNER)],
    "GET /api/video/detail": of_video("id"),
    "GET /api/video/related": of_video("id"),
    "GET /api/video/stats": of_video("id"),
    "POST /api/video/view": of_video("video_id", watched_ms=10),
    "POST /api/auth/video/not_interested": [*of_video("video_id"), *of_person("author_id")],
    "PUT /api/auth/video": of_video("id", may_see=False, changes=True, description="changed"),
    "DELETE /api/auth/video": [Case("video", lambda w, _: {"id": w.ready()}, OWNER, sees=SEEN),
                               Case("private", lambda w, _: {"id": w.upload(visibility="private")}, OWNER)],
    "GET /api/auth/video/status": of_video("id", may_see=False),
    # They did not fail: who may retry is told so.
    "POST /api/auth/video/retry": [Case("public", lambda w, _: {"id": w.public["id"]}, OWNER, sees=SEEN, success=(409,)),
                                   Case("private", lambda w, _: {"id": w.private["id"]}, OWNER, success=(409,))],
    "POST /api/auth/social/follow": relation(SEEN - OWNER, (400, 404)),
    "POST /api/auth/social/unfollow": relation(ALL - OWNER, 400),
    "POST /api/auth/social/block": relation(ALL - OWNER, 400),
    "POST /api/auth/social/unblock": relation(ALL - OWNER, 400),
    "POST /api/auth/social/mute": relation(SEEN - OWNER, (400, 404)),
    "POST /api/auth/social/unmute": relation(ALL - OWNER, 400),
    "GET /api/auth/social/following": of_person("user_id", hermit=CLOSE),
    "GET /api/auth/social/follower": of_person("user_id", hermit=CLOSE),
    # Rejecting what was never asked changes nothing: what was asked of another is still there.
    "POST /api/auth/social/request/accept": [Case("request", lambda w, _: {"user_id": w.asked()}, OWNER, of="hermit", alone=True,
                                                  then=lambda w, role: w.still_asked(role)),
                                             Case("who did not ask", lambda w, _: {"user_id": w.id("owner")}, FRIEND, alone=True)],
    "POST /api/auth/social/request/reject": [Case("request", lambda w, _: {"user_id": w.asked()}, ALL, of="hermit",
                                                  then=lambda w, role: w.still_asked(role))],
    "GET /api/social/check": [
        Case("public account", lambda w, _: {"user_id": w.id("owner"), "target_user_id": w.id("friend")}, SEEN,
             look=lambda role, d: d["is_mutual"] is True),
        Case("the other way", lambda w, _: {"user_id": w.id("friend"), "target_user_id": w.id("owner")}, SEEN,
             look=lambda role, d: d["is_mutual"] is True),
        Case("private account", lambda w, _: {"user_id": w.id("hermit"), "target_user_id": w.id("friend")}, SEEN, of="hermit",
             look=lambda role, d: d["is_following"] == (role in CLOSE)),
        Case("to a private account", lambda w, _: {"user_id": w.id("friend"), "target_user_id": w.id("hermit")}, SEEN, of="hermit",
             look=lambda role, d: d["is_following"] == (role in CLOSE))],
    "GET /api/interaction/comments": [*of_video("video_id"),
                                      Case("replies, with a video of one's own", lambda w, p: {"video_id": w.own(p), "reply_to": w.thought}, NOBODY,
                                           alone=True),
                                      Case("replies", lambda w, _: {"video_id": w.private["id"], "reply_to": w.thought}, OWNER)],
    "GET /api/interaction/replies": of_comment("comment_id"),
    "GET /api/interaction/counts": of_video("video_id"),
    "POST /api/auth/interaction/like": of_video("video_id"),
    "POST /api/auth/interaction/unlike": taken_back("video_id"),
    "POST /api/auth/interaction/star": of_video("video_id"),
    "POST /api/auth/interaction/unstar": taken_back("video_id"),
    "POST /api/auth/interaction/share": of_video("video_id"),
    "GET /api/auth/interaction/liked": of_person("user_id", hermit=CLOSE),
    "GET /api/auth/interaction/starred": [Case("public account", lambda w, _: {"user_id": w.id("owner")}, OWNER, alone=True),
                                          Case("private account", lambda w, _: {"user_id": w.id("hermit")}, OWNER, of="hermit", alone=True)],
    "POST /api/auth/interaction/comment": [*of_video("video_id", content="me too"),
                                           Case("answer", lambda w, _: {"video_id": w.public["id"], "reply_to_id": w.said, "content": "yes"}, SEEN),
                                           Case("answer elsewhere",
                                                lambda w, _: {"video_id": w.public["id"], "reply_to_id": w.whispered, "content": "yes"}, NOBODY, alone=True)],
    "DELETE /api/auth/interaction/comment": [Case("friend's below the owner's", lambda w, _: {"id": w.comment("friend", w.public)}, CLOSE, sees=SEEN),
                                             Case("owner's below the friend's", lambda w, _: {"id": w.comment("owner", w.friends)}, CLOSE, sees=SEEN),
                                             Case("friend's below the private", lambda w, _: {"id": w.comment("owner", w.private)}, OWNER),
                                             Case("below a video of a private account", lambda w, _: {"id": w.comment("hermit", w.hermits)}, OWNER,
                                                  sees=CLOSE, of="hermit")],
    "POST /api/auth/interaction/comment/like": of_comment("comment_id"),
    "POST /api/auth/interaction/comment/unlike": of_comment("comment_id"),
    "POST /api/auth/report": [*of_video("id", kind="video", reason="spam"),
                              Case("comment", lambda w, _: {"kind": "comment", "id": w.said, "reason": "spam"}, SEEN),
                              Case("comment below a private video", lambda w, _: {"kind": "comment", "id": w.thought, "reason": "spam"}, OWNER),
                              Case("person", lambda w, _: {"kind": "user", "id": w.id("owner"), "reason": "spam"}, ALL),
                              Case("message", lambda w, _: {"kind": "message", "id": w.letter, "reason": "spam"}, CLOSE)],
    "POST /api/auth/message/send": [Case("public account", lambda w, _: {"receiver_id": w.id("owner"), "content": "hello"}, SEEN - OWNER,
                                         refusal=(400, 403), fresh=True),
                                    Case("who takes none", lambda w, _: {"receiver_id": w.id("hermit"), "content": "hello"}, NOBODY, of="hermit",
                                         refusal=(400, 403), fresh=True)],
    "GET /api/auth/message/list": [Case("conversation", lambda w, _: {"other_user_id": w.id("owner")}, ALL,
                                        look=lambda role, d: bool(d) == (role == "friend")),
                                   Case("of the other side", lambda w, _: {"other_user_id": w.id("friend")}, ALL,
                                        look=lambda role, d: bool(d) == (role == "owner")),
                                   Case("before a message", lambda w, _: {"other_user_id": w.id("owner"), "before": w.letter}, CLOSE)],
    "POST /api/auth/message/read": [Case("conversation", lambda w, _: {"other_user_id": w.id("owner"), "seq": 1}, FRIEND)],
    "DELETE /api/auth/message": [Case("message", lambda w, _: {"id": w.write()}, CLOSE)],
    "POST /api/auth/message/request/accept": [Case("request", lambda w, _: {"user_id": w.strange()}, OWNER)],
    "POST /api/auth/notification/read": [Case("notification", lambda w, _: {"id": w.notice}, OWNER)],
    "GET /media/avatars/{path}": [Case("picture", lambda w, _: {"path": w.avatar}, ALL)],
    "GET /media/{path}": [Case("public", lambda w, _: {"path": w.path(w.public)}, ALL),
                          Case("unlisted, unsigned", lambda w, _: {"path": w.path(w.unlisted)}, NOBODY),
                          Case("private, unsigned", lambda w, _: {"path": w.path(w.private)}, NOBODY),
                          Case("of a private account, unsigned", lambda w, _: {"path": w.path(w.hermits)}, NOBODY, of="hermit"),
                          Case("of a private account, signed", lambda w, _: {"path": w.path(w.hermits), **w.signature(w.hermits)}, ALL, of="hermit"),
                          Case("private, signed for another", lambda w, _: {"path": w.path(w.private), **w.signature(w.unlisted)}, NOBODY),
                          Case("private, signed", lambda w, _: {"path": w.path(w.private), **w.signature(w.private)}, ALL),
                          Case("private, original", lambda w, _: {"path": w.path(w.private).rsplit("/", 1)[0] + "/source.mp4",
                                                                  **w.signature(w.private)}, NOBODY)],
    # The web client's page is the same for everyone, and comes without a token: of a public video it carries what guests see.
    "GET /video/{id}": [Case("unlisted", lambda w, _: {"id": w.unlisted["id"]}, ALL),
                        Case("private", lambda w, _: {"id": w.private["id"]}, ALL, alone=True),
                        Case("of a private account", lambda w, _: {"id": w.hermits["id"]}, ALL, of="hermit", alone=True)],
    "GET /user/{id}": [Case("page", lambda w, _: {"id": w.id("hermit")}, ALL)],
    "GET /messages/{id}": [Case("page", lambda w, _: {"id": w.id("owner")}, ALL)],
    "GET /live/{id}": [Case("page", lambda w, _: {"id": 1}, ALL)],
}


def eventually(check, timeout=20):
    deadline = time.monotonic() + timeout
    while not (found := check()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)
    return found


class World:
    """An owner whose account is public, a hermit whose account is private, and the people around them. Titles and texts are words that occur nowhere else:
    `secrets` says who may ever read them."""

    def __init__(self, server, folder):
        self.server = server
        self.clip = make_clip(folder / "clip.mp4", seconds=1, size="160x90", audio=("-an",))
        ffmpeg("-f", "lavfi", "-i", "testsrc2=size=64x64:rate=1", "-frames:v", "1", folder / "a.png")
        self.owner, self.hermit = register(server), register(server)
        self.people = {role: self.make(role) for role in ROLES if role not in ("owner", "guest")}
        friend = self.people["friend"]
        self.hermit.put("/api/auth/user/privacy", private=True, message_from="none")
        self.public = self.owner.publish(self.clip, title="wordpublic")
        self.unlisted = self.owner.publish(self.clip, title="wordunlisted", visibility="unlisted")
        private = self.owner.upload(self.clip, title="wordprivate", visibility="private")["id"]
        self.owner.wait(private)
        self.private = self.owner.get("/api/video/detail", id=private)
        hermits = self.hermit.upload(self.clip, title="wordhermit")["id"]
        self.hermit.wait(hermits)
        self.hermits = self.hermit.get("/api/video/detail", id=hermits)
        self.friends = friend.publish(self.clip, title="wordfriend")
        self.said = self.comment("friend", self.public, "wordsaid")
        self.thought = self.comment("owner", self.private, "wordthought")
        self.whispered = self.comment("hermit", self.hermits, "wordwhispered")
        for video in (self.public, self.private):
            self.owner.post("/api/auth/interaction/like", video_id=video["id"])
        self.hermit.post("/api/auth/interaction/like", video_id=self.public["id"])
        self.letter = self.write("wordletter")
        self.owner.post("/api/auth/message/send", receiver_id=friend.user["id"], content="wordletter too")
        answer = self.owner.raw("POST", "/api/auth/user/avatar", files={"avatar": ("a.png", io.BytesIO((folder / "a.png").read_bytes()),
                                                                                   "image/png")})
        self.avatar = answer.json()["data"]["avatar"].removeprefix("/media/avatars/")
        self.notice = eventually(lambda: self.owner.get("/api/auth/notification/list")["notifications"])[0]["id"]
        self.secrets = {"wordpublic": SEEN, "wordunlisted": SEEN, "wordprivate": OWNER, "wordhermit": CLOSE, "wordsaid": SEEN, "wordthought": OWNER,
                        "wordwhispered": CLOSE,
                        "wordletter": CLOSE}

    def id(self, name):
        return (getattr(self, name, None) or self.people[name]).user["id"]

    def make(self, role):
        """Somebody who stands to the owner and to the hermit as the role says."""
        person = register(self.server)
        for whom in (self.owner, self.hermit):
            if role == "friend":
                person.post("/api/auth/social/follow", target_user_id=whom.user["id"])
                whom.post("/api/auth/social/follow", target_user_id=person.user["id"])
                if whom is self.hermit and (person.get("/api/auth/user/profile", user_id=whom.user["id"])["isFollow"] is False):
                    whom.post("/api/auth/social/request/accept", user_id=person.user["id"])
            if role == "blocked":
                whom.post("/api/auth/social/block", target_user_id=person.user["id"])
        if role == "moderator":
            grant_admin(self.server, person)
        return person

    def caller(self, role, case):
        if role == "guest":
            return Api(self.server)
        if role == "owner":
            return getattr(self, case.of)
        return self.make(role) if case.fresh else self.people[role]

    def session(self):
        """Of a second login of the owner's."""
        Api(self.server).post("/api/user/login", username=self.owner.user["username"], password=PASSWORD)
        return next(s["id"] for s in self.owner.get("/api/auth/user/sessions")["sessions"] if not s["current"])

    def upload(self, **fields):
        return self.owner.upload(self.clip, title="for a moment", **fields)["id"]

    def ready(self):
        video = self.upload()
        self.owner.wait(video)
        return video

    @functools.cache
    def own(self, person):
        """A video of the caller's; guests have none and take a public one."""
        return person.upload(self.clip, title="one's own", visibility="private")["id"] if person.token else self.public["id"]

    def comment(self, role, video, content="a comment"):
        who = getattr(self, role, None) or self.people[role]
        return who.post("/api/auth/interaction/comment", video_id=video["id"], content=content)["id"]

    def write(self, content="a letter"):
        return self.people["friend"].post("/api/auth/message/send", receiver_id=self.owner.user["id"], content=content)["message_id"]

    def asked(self):
        fan = register(self.server)
        fan.post("/api/auth/social/follow", target_user_id=self.hermit.user["id"])
        self.asker = fan.user["id"]
        return self.asker

    def still_asked(self, role):
        return (self.asker in [u["id"] for u in self.hermit.get("/api/auth/social/requests", page_size=100)["requests"]]) == (role != "owner")

    def strange(self):
        stranger = register(self.server)
        stranger.post("/api/auth/message/send", receiver_id=self.owner.user["id"], content="do you know me?")
        return stranger.user["id"]

    def path(self, video):
        return video["url"].split("?")[0].removeprefix("/media/")

    def signature(self, video):
        return dict(pair.split("=", 1) for pair in video["url"].split("?")[1].split("&"))


def send(op, caller, values):
    path, query, body = op.path, {}, {}
    for where, name, _, _ in op.inputs():
        if name in values and where == "path":
            path = path.replace("{" + name + "}", str(values[name]))
        elif name in values:
            (query if where == "query" else body)[name] = values[name]
    assert values.keys() <= {name for _, name, _, _ in op.inputs()}, (op.name, values)
    return caller.raw(op.method, path, params=query, **({"json": body} if op.body else {}))


def told(answer):
    """What a refusal says, without what differs between any two."""
    return {k: v for k, v in answer.json().items() if k != "request_id"}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("access")
    server = Server(folder / "data").start()
    yield World(server, folder)
    assert server.stop() == 0
    code, text = server.fsck()
    assert code == 0, text


@pytest.fixture(scope="module")
def document(world):
    return Document(Api(world.server).raw("GET", "/openapi.json").json())


def leaks(world, role, case_of, text):
    """Words in an answer that are not for this caller. The owner's and the hermit's things are strange to one another."""
    mine = {"owner": {"wordprivate", "wordthought", "wordletter"}, "hermit": {"wordhermit", "wordwhispered"}}
    for word, may in world.secrets.items():
        allowed = role in may
        if role == "owner":
            allowed = word in mine[case_of] or "friend" in may and "stranger" in may
        if word in text and not allowed:
            yield word


def test_every_operation_that_takes_an_id_is_in_the_table(document):
    taking = {op.name for op in document.operations if op.ids()}
    assert taking - TABLE.keys() == set(), "say in TABLE who may use them"
    assert TABLE.keys() - taking == set(), "these are no longer there"


@pytest.mark.parametrize("name", TABLE)
def test_who_may(world, document, name):
    op = next((o for o in document.operations if o.name == name), None)
    assert op, f"{name} is not in the document"
    wrong, named = [], set()
    for case, role in itertools.product(TABLE[name], ROLES):
        caller = world.caller(role, case)
        values = case.values(world, caller)
        named |= values.keys()
        answer = send(op, caller, values)
        where = f"{name} {case.what} as {role}: {answer.status_code} {answer.text[:200]!r}"
        if role == "guest" and op.signed_in:
            expected = (401,)
        else:
            expected = case.success if role in case.may else (403,) if role in case.sees else case.refusal
        if answer.status_code not in expected:
            wrong.append(f"{where}, not {expected}")
        elif answer.status_code == 403 and role in case.sees and answer.json()["error"] != "not_owner":
            wrong.append(f"{where}, not not_owner")
        elif answer.status_code == 200:
            if case.look and not case.look(role, answer.json().get("data")):
                wrong.append(f"{where}: says what it should not")
        elif answer.status_code == 404 and not case.alone:
            unknown = send(op, caller, {k: UNKNOWN if k in op.ids() and k not in ("path",) else v for k, v in values.items()})
            if "path" not in op.ids() and told(unknown) != told(answer):
                wrong.append(f"{where}: of an unknown id it says {told(unknown)}")
        if case.then and not case.then(world, role):
            wrong.append(f"{where}: it had another effect")
        wrong += [f"{where}: {word} is not for them" for word in leaks(world, role, case.of, answer.text)]
    wrong += [f"{name}: no case is about {missing}" for missing in op.ids() - named]
    assert not wrong, "\n" + "\n".join(wrong)


@pytest.mark.parametrize("role", ROLES)
def test_no_list_tells(world, document, role):
    """Every operation that only reads, without ids, as everyone: what is hidden is in no list, count by search, page or tag."""
    wrong, case = [], Case("", None, ALL)
    caller = world.caller(role, case)
    for op in document.operations:
        required = {name for _, name, _, needed in op.inputs() if needed}
        if op.method != "GET" or required - {"keyword", "tag", "username"}:
            continue
        tries = [{}]
        if "keyword" in required:
            tries = [{"keyword": word, "type": kind} for word in world.secrets for kind in ("video", "user")]
        elif required:
            tries = [{name: "x" for name in required}]
        for values in tries:
            answer = send(op, caller, {**values, **({"page_size": 100} if any(n == "page_size" for _, n, _, _ in op.inputs()) else {})})
            if answer.status_code not in (200, 401) and not (answer.status_code == 404 and "/api/admin/" in op.path):
                wrong.append(f"{op.name} {values} as {role}: {answer.status_code}")
            text = answer.text
            if "keyword" in values:  # is echoed nowhere; the answer's own fields count
                text = json.dumps(answer.json().get("data"))
            wrong += [f"{op.name} {values} as {role}: {word}" for word in leaks(world, role, "owner", text)]
            remembered = op.path in ("/api/auth/interaction/liked", "/api/auth/interaction/starred")  # by who had the link
            if role != "owner" and "wordunlisted" in text and not remembered:
                wrong.append(f"{op.name} {values} as {role}: lists the unlisted")
    assert not wrong, "\n" + "\n".join(wrong)
