"""What the fuzzing of the API works with: values that spoil inputs, and people and things that good requests are about."""

import functools
import io
import itertools
import json
import urllib.parse
import uuid

from harness import PASSWORD, ffmpeg, grant_admin, make_clip, register

# What no field may do to the others' cases: these run with a person made for the one request.
ALONE = {"POST /api/auth/user/logout", "DELETE /api/auth/user/account", "PUT /api/auth/user/update", "PUT /api/auth/user/privacy",
         "DELETE /api/auth/user/session",
         "POST /api/user/refresh"}

LONG = "长" * 5000
TEXTS = ["", " ", "x", "-1", "0", "1", "null", "true", "\u202eabc\u202c", "\u200b", "\u200b\u200d\ufeff", "a\u0301" * 40, "👩‍👩‍👧‍👦🏳️‍🌈", "😀",
         "<script>alert(1)</script>", "'; DROP TABLE user_account; --", "../../etc/passwd", "%00", "\r\nX: y", "\t", "\x7f", "\uffff", "\U0010ffff",
         "İıſ", LONG, "x" * 101]
RAW_TEXTS = [b'"a\\u0000b"', b'"\x00"', b'"\xff"', b'"\xc0\x80"', b'"\xed\xa0\x80"', b'"\\ud800"', b'"\\udc00\\ud800"', b'"\xf4\x90\x80\x80"',
             b'"\\x"', b'"', b'"a\nb"', b"'x'"]
NUMBERS = ["-1", "0", "1", "-0", "1.0", "1e2", "1.5", "2147483647", "2147483648", "-2147483649", "9007199254740991", "9007199254740992",
           "9007199254740993",
           "9223372036854775807", "9223372036854775808", "-9223372036854775808", "-9223372036854775809", "18446744073709551616", "1e308", "1e999",
           "-1e999", "1e-400",
           "9" * 400, "0" * 50 + "1", "0x10", "1_000", "NaN", "Infinity", "+1", ".5"]
SHAPES = ["null", "true", "false", "{}", "[]", "[1]", '["x"]', "[null]", "[[[]]]", '{"id":1}', '{"a":{"b":{"c":[{}]}}}', "[" * 20 + "]" * 20,
          "[" * 2000, "[" * 2000 + "]" * 2000,
          json.dumps(["t"] * 300), json.dumps(["y" * 3000]), "[1,", "", "undefined"]
QUERY = [*(urllib.parse.quote(t, safe="").encode() for t in TEXTS), *(n.encode() for n in NUMBERS if len(n) < 60), b"9" * 400, b"%00", b"%ff",
         b"%c0%80", b"%ed%a0%80", b"\xff\xfe", b"%", b"%zz",
         b"%e8%a7", b"+1", b"1+", b"%201", b"[]", b"{}", b"1&1", b"x" * 4000, b"%", b";", b"a=b=c", b"1,2,3", b"," * 300]


class World:
    """People and things that good requests are about. `good` gives an operation's caller and the values with which it succeeds."""

    def __init__(self, server, clip, picture):
        self.server, self.clip_path, self.clip, self.picture = server, clip, clip.read_bytes(), picture
        self.me, self.other, self.third = (register(server) for _ in range(3))
        for who, whom in itertools.permutations((self.me, self.other, self.third), 2):
            self.follow(who, whom)
        self.mine = self.me.publish(clip, title="mine", tags="one,two")
        self.theirs = self.other.publish(clip, title="theirs", tags="one")
        self.kept = self.me.upload(clip, title="changed all the time")
        self.blockee, self.mutee = register(server), register(server)
        answer = self.other.raw("POST", "/api/auth/user/avatar", files={"avatar": ("a.png", io.BytesIO(picture), "image/png")})
        assert answer.status_code == 200, answer.text
        self.avatar = answer.json()["data"]["avatar"]
        self.write(self.other, self.me)
        self.admin = register(server)
        grant_admin(server, self.admin)

    def follow(self, who, whom):
        who.post("/api/auth/social/follow", target_user_id=whom.user["id"])

    def write(self, who, whom):
        return who.post("/api/auth/message/send", receiver_id=whom.user["id"], content="hello")["message_id"]

    @functools.cached_property
    def comment_id(self):
        return self.comment()

    def comment(self):
        return self.me.post("/api/auth/interaction/comment", video_id=self.theirs["id"], content="well")["id"]

    def asked(self):
        """A private person and who wants to follow it."""
        star, fan = register(self.server), register(self.server)
        star.put("/api/auth/user/privacy", private=True)
        self.follow(fan, star)
        return star, fan

    def stranger_wrote(self):
        one, stranger = register(self.server), register(self.server)
        self.write(stranger, one)
        return one, stranger

    def good(self, op):
        """The caller, and a value for every required input and what else must be there."""
        key, other = op.name, self.other.user["id"]
        who = register(self.server) if key in ALONE else self.admin if "/api/admin/" in op.path else self.me
        special = {
            "POST /api/user/register": lambda: {"username": "f" + uuid.uuid4().hex[:12], "password": PASSWORD},
            "POST /api/user/login": lambda: {"username": self.other.user["username"], "password": PASSWORD},
            "POST /api/user/refresh": lambda: {"refresh_token": who.refresh_token},
            "DELETE /api/auth/user/session": lambda: {"id": who.get("/api/auth/user/sessions")["sessions"][0]["id"]},
            "DELETE /api/auth/user/account": lambda: {"password": PASSWORD},
            "GET /api/user/check": lambda: {"username": "nobody-has-this-one"},
            "GET /api/search": lambda: {"keyword": "mine"},
            "GET /api/tag/videos": lambda: {"tag": "one"},
            "PUT /api/auth/video": lambda: {"id": self.kept["id"]},
            "DELETE /api/auth/video": lambda: {"id": self.me.upload_raw(self.clip_path, title="soon gone").json()["data"]["id"]},
            "POST /api/auth/video/not_interested": lambda: {"video_id": self.kept["id"]},
            "POST /api/auth/social/block": lambda: {"target_user_id": self.blockee.user["id"]},
            "POST /api/auth/social/mute": lambda: {"target_user_id": self.mutee.user["id"]},
            "POST /api/auth/social/unfollow": lambda: {"target_user_id": self.blockee.user["id"]},
            "GET /api/social/check": lambda: {"user_id": self.me.user["id"], "target_user_id": other},
            "POST /api/auth/message/send": lambda: {"receiver_id": other, "content": "hi"},
            "DELETE /api/auth/message": lambda: {"id": self.write(self.me, self.other)},
            "POST /api/auth/message/read": lambda: {"other_user_id": other, "seq": 1},
            "POST /api/auth/notification/read": lambda: {"all": True},
            "DELETE /api/auth/interaction/comment": lambda: {"id": self.comment()},
            "POST /api/auth/interaction/comment": lambda: {"video_id": self.theirs["id"], "content": "so so"},
            "POST /api/auth/report": lambda: {"kind": "video", "id": self.theirs["id"], "reason": "spam"},
            "POST /api/auth/video/upload": lambda: {"title": "by form", "video": self.clip},
            "POST /api/auth/user/avatar": lambda: {"avatar": self.picture},
            "GET /media/avatars/{path}": lambda: {"path": self.avatar.removeprefix("/media/avatars/")},
            "GET /media/{path}": lambda: {"path": self.mine["url"].split("?")[0].removeprefix("/media/")},
            "GET /web/{file}": lambda: {"file": "app.js"},
        }
        if key == "POST /api/auth/social/request/accept" or key == "POST /api/auth/social/request/reject":
            who, fan = self.asked()
            return who, {"user_id": fan.user["id"]}
        if key == "POST /api/auth/message/request/accept":
            who, stranger = self.stranger_wrote()
            return who, {"user_id": stranger.user["id"]}
        if key in special:
            return who, special[key]()
        names = {"id": self.mine["id"], "video_id": self.theirs["id"], "user_id": other, "target_user_id": other, "other_user_id": other}
        values = {}
        for _, name, schema, required in op.inputs():
            if required:
                values[name] = self.comment_id if name == "comment_id" else names.get(name, schema.get("enum", ["x"])[0])
        return who, values
