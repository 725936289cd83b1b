"""Events that a consumer cannot take: the commands that list, replay and drop them beside a running server."""

import json
import time

import databases
from harness import Api, register
from test_commands import run, sentence

CONSUMER = "message.notifications"


def until(true, timeout=20):
    deadline = time.monotonic() + timeout
    while not (got := true()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return got


def tell(data, topic, key, payload):
    """As the social service would, were it wrong."""
    with databases.tables(data, "social") as sql:
        sql(f"INSERT INTO event_{'waiting' if databases.ON_POSTGRES else 'outbox'} (topic, key, revision, payload, time_ms) VALUES (?, ?, 0, ?, 0)",
            (topic, str(key), payload))


def dead(data, parked):
    """The list, once so many wait behind what is dead."""
    def listed():
        done = run("events", "dead", "--json", "--data", data)
        assert done.returncode == 0, done.stderr
        letters = json.loads(done.stdout)
        return [letters] if [letter["parked"] for letter in letters] == parked else None
    return until(listed)[0]


def told_of(person, *others):
    """Whether the notifications name just these as followers."""
    said = " ".join(n["content"] for n in person.get("/api/auth/notification/list", type="follow")["notifications"])
    return said.count("followed") > 0 and all(other.user["username"] in said for other in others) if others else said == ""


def test_a_dead_event_is_listed_replayed_and_dropped(make_server):
    server = make_server("events=local:?tries=2").start()
    ann, bob, cy = (register(server) for _ in range(3))
    metrics = lambda: Api(server).raw("GET", "/metrics").text

    tell(server.data, "social.followed", ann.user["id"], "{broken")
    bob.post("/api/auth/social/follow", target_user_id=ann.user["id"])
    (letter,) = dead(server.data, [1])
    assert (letter["consumer"], letter["topic"], letter["key"], letter["tries"]) == (CONSUMER, "social.followed", str(ann.user["id"]), 2)
    assert letter["error"] and letter["time"] == "1970-01-01T00:00:00.000Z"
    ann.post("/api/auth/social/follow", target_user_id=bob.user["id"])
    assert until(lambda: told_of(bob, ann))  # other keys go on
    assert told_of(ann)
    until(lambda: f'shortvideo_events_dead{{consumer="{CONSUMER}"}} 1' in metrics() and f'shortvideo_events_parked{{consumer="{CONSUMER}"}} 1' in metrics())
    assert Api(server).raw("GET", "/health/ready").status_code == 200
    assert "1 parked" in run("events", "dead", "--data", server.data).stdout

    sentence(run("events", "replay", "nobody", "--data", server.data), "nobody")
    sentence(run("events", "replay", CONSUMER, "12", "--data", server.data), CONSUMER, "12")
    sentence(run("events", "drop", CONSUMER, letter["id"] + 1, "--data", server.data), CONSUMER)
    for usage in (["events"], ["events", "replay"], ["events", "drop", CONSUMER], ["events", "drop", CONSUMER, "x"]):
        assert run(*usage).returncode == 2

    assert "2 events" in run("events", "replay", CONSUMER, letter["key"], "--data", server.data).stdout
    dead(server.data, [1])  # it is as broken as before
    with databases.tables(server.data, "message") as sql:
        assert sql("UPDATE event_letters SET payload = ? WHERE id = ?", (f'{{"user":{cy.user["id"]},"target":{ann.user["id"]}}}', letter["id"])) == 1
    assert run("events", "replay", CONSUMER, "--data", server.data).returncode == 0
    until(lambda: told_of(ann, bob, cy))
    dead(server.data, [])

    tell(server.data, "social.followed", bob.user["id"], "[]")
    cy.post("/api/auth/social/follow", target_user_id=bob.user["id"])
    (letter,) = dead(server.data, [1])
    assert run("events", "drop", CONSUMER, letter["id"], "--data", server.data).returncode == 0
    until(lambda: told_of(bob, ann, cy))
    dead(server.data, [])
    assert server.stop() == 0
