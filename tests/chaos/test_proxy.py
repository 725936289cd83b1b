"""Each fault does what its name says."""

import socket
import threading
import time

import pytest

from proxy import Proxy


@pytest.fixture
def echo():
    listener = socket.create_server(("127.0.0.1", 0))

    def serve(connection):
        with connection:
            try:
                while data := connection.recv(65536):
                    connection.sendall(data)
            except OSError:
                pass

    def accept():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    yield listener.getsockname()[1]
    listener.close()


@pytest.fixture
def proxy(echo):
    made = Proxy(echo)
    yield made
    made.close()


def ask(proxy, text=b"hello", timeout=5):
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=timeout) as s:
        return say(s, text)


def say(s, text):
    s.sendall(text)
    got = b""
    while len(got) < len(text):
        piece = s.recv(65536)
        if not piece:
            return got
        got += piece
    return got


def test_without_a_fault_everything_passes(proxy):
    assert ask(proxy, b"x" * 300_000) == b"x" * 300_000


def test_latency_and_slices_change_no_byte(proxy):
    for fault in ("latency", "slice"):
        proxy.set(fault)
        began = time.monotonic()
        assert ask(proxy, bytes(range(256)) * 20) == bytes(range(256)) * 20
        assert fault != "latency" or time.monotonic() - began >= proxy.latency


@pytest.mark.parametrize("fault", ["stall", "half_open", "late"])
def test_silence_ends_with_the_fault(proxy, fault):
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=0.3) as s:
        assert say(s, b"before") == b"before"
        proxy.set(fault)
        with pytest.raises(TimeoutError):
            say(s, b"during")
        s.settimeout(5)
        proxy.set("none")
        assert s.recv(100) == b"during"
        assert say(s, b"after") == b"after"


def test_a_cut_ends_in_the_middle_of_an_answer(proxy):
    proxy.set("cut")
    try:
        assert ask(proxy, b"x" * 1000) in [b"x" * n for n in range(1000)]
    except ConnectionResetError:
        pass


@pytest.mark.parametrize("fault", ["reset", "refuse"])
def test_connections_end_and_no_new_ones_last(proxy, fault):
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=5) as s:
        assert say(s, b"before") == b"before"
        proxy.set(fault)
        with pytest.raises(OSError):
            s.sendall(b"x")
            assert s.recv(10)
            raise AssertionError("it still answers")
    with pytest.raises((OSError, AssertionError)):
        assert ask(proxy) == b"hello"
    proxy.set("none")
    assert ask(proxy) == b"hello"
