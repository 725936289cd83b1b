"""The whole main job over HTTPS, renewing the certificate without a restart, and what a listener tells those who come otherwise."""

import re
import signal
import socket
import ssl
import subprocess
import time

import pytest

from harness import BINARY, PASSWORD, Api, complete, exchange, register


def make_certificate(folder, name, *more):
    folder.mkdir(exist_ok=True)
    done = subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}", "-addext",
                           "subjectAltName=IP:127.0.0.1", "-keyout", folder / "key.pem", "-out", folder / "cert.pem", *more], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder / "cert.pem", folder / "key.pem"


@pytest.fixture
def files(tmp_path):
    return make_certificate(tmp_path / "tls", "first", "-days", "2")


@pytest.fixture
def tls_server(make_server, files):
    certificate, key = files
    server = make_server(f"tls.cert={certificate}", f"tls.key={key}", "public_url=https://video.example").start()
    server.ca = str(certificate)
    return server


def shown_by(server):
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection(server.address, timeout=10) as s, context.wrap_socket(s) as secure:
        der = secure.getpeercert(binary_form=True)
    return subprocess.run(["openssl", "x509", "-inform", "der", "-noout", "-subject"], input=der, capture_output=True, check=True).stdout.decode()


def logged(server, text):
    deadline = time.monotonic() + 20
    while text not in server.log.read_text():
        assert time.monotonic() < deadline, server.log.read_text()[-2000:]
        time.sleep(0.02)


def test_the_main_job_over_https(tls_server, clip):
    assert tls_server.url.startswith("https://127.0.0.1:")
    person = register(tls_server)
    Api(tls_server).post("/api/user/login", username=person.user["username"], password=PASSWORD)
    video = person.publish(clip, title="over https")
    person.wait(video["id"], complete)
    guest = Api(tls_server)
    assert video["id"] in [v["id"] for v in guest.get("/api/video/feed")["videos"]]
    url = guest.get("/api/video/detail", id=video["id"])["url"]
    assert url.startswith("https://video.example/media/")
    path = url.removeprefix("https://video.example")
    whole = guest.raw("GET", path)
    assert whole.status_code == 200 and b"moov" in whole.content and len(whole.content) == int(whole.headers["Content-Length"])
    part = guest.raw("GET", path, headers={"Range": "bytes=1000-1999"})
    assert part.status_code == 206 and part.content == whole.content[1000:2000]
    assert whole.headers["Strict-Transport-Security"] == "max-age=31536000"
    head = guest.raw("HEAD", path)
    assert head.status_code == 200 and head.content == b""
    assert tls_server.stop() == 0


def test_without_https_nobody_is_told_to_insist_on_it(guest):
    assert "Strict-Transport-Security" not in guest.raw("GET", "/health").headers


def test_plain_http_is_told_and_garbage_is_closed(tls_server):
    answer = exchange(tls_server.address, b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400 ") and b"https://" in answer and b"Connection: close" in answer
    assert not exchange(tls_server.address, b"\x16\x03\x01\x00\x05hello").startswith(b"HTTP")
    assert Api(tls_server).raw("GET", "/health").status_code == 200


def test_a_renewed_certificate_is_shown_without_a_restart(tls_server, tmp_path):
    kept = Api(tls_server)  # its connection outlives the change
    assert kept.raw("GET", "/health").status_code == 200
    assert "first" in shown_by(tls_server)
    make_certificate(tmp_path / "tls", "second", "-days", "2")
    tls_server.process.send_signal(signal.SIGHUP)
    logged(tls_server, "certificate loaded")
    assert "second" in shown_by(tls_server)
    assert kept.raw("GET", "/health").status_code == 200

    (tmp_path / "tls/cert.pem").write_text("nothing")
    tls_server.process.send_signal(signal.SIGHUP)
    logged(tls_server, "the old one stays")
    assert re.search(r'"level":"error".*tls\.cert: .*cert\.pem', tls_server.log.read_text())
    assert "second" in shown_by(tls_server)
    assert tls_server.stop() == 0


def check(*sets):
    done = subprocess.run([BINARY, "check-config", *[part for key in sets for part in ("--set", key)]], capture_output=True, text=True, timeout=30, check=False)
    return done.returncode, done.stdout + done.stderr


def test_the_configuration_check_names_key_and_problem(files, tmp_path):
    certificate, key = files
    assert check(f"tls.cert={certificate}", f"tls.key={key}") == (0, "the configuration is valid\n")
    other_certificate, other_key = make_certificate(tmp_path / "other", "other", "-days", "2")
    for sets, words in (((f"tls.cert={tmp_path}/none.pem", f"tls.key={key}"), ["tls.cert: cannot read", "none.pem", "No such file"]),
                        ((f"tls.cert={certificate}", f"tls.key={other_key}"), ["tls.key: ", str(other_key), "does not belong", str(certificate)]),
                        ((f"tls.cert={key}", f"tls.key={key}"), ["tls.cert: ", str(key), "no certificate"]),
                        ((f"tls.cert={certificate}",), ["tls.key: it is empty"])):
        code, said = check(*sets)
        assert code == 2 and len(said.strip().splitlines()) == 1 and all(word in said for word in words), said
    # Expired certificates are served: who runs the server may have no other at hand.
    subprocess.run(["openssl", "x509", "-in", other_certificate, "-signkey", other_key, "-days", "-1", "-out", tmp_path / "old.pem"], capture_output=True, check=True)
    code, said = check(f"tls.cert={tmp_path}/old.pem", f"tls.key={other_key}")
    assert code == 0 and "warning: tls.cert" in said and "expired" in said, said
