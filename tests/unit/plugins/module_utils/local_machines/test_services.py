"""Services of the deploy host: decisions as a table, and a real web server started, changed, killed, stopped."""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
import urllib.request

import pytest
from ansible_collections.airavata.jupyterhub.plugins.module_utils.local_machines import process, services
from ansible_collections.airavata.jupyterhub.plugins.module_utils.local_machines.errors import LocalError
from ansible_collections.airavata.jupyterhub.plugins.module_utils.local_machines.services import Service, decide, fingerprint, split_address

BASE = (["run"], {"A": "1"}, {"/f": b"x"})


@pytest.mark.parametrize(
    ("other", "same"),
    [
        ((["run"], {"A": "1"}, {"/f": b"x"}), True),
        ((["run", ""], {"A": "1"}, {"/f": b"x"}), False),
        ((["run"], {"A": "2"}, {"/f": b"x"}), False),
        ((["run"], {}, {"/f": b"x"}), False),
        ((["run"], {"A": "1"}, {"/f": b"y"}), False),
        ((["run"], {"A": "1"}, {"/f": None}), False),
        ((["run"], {"A": "1"}, {}), False),
    ],
)
def test_fingerprints(other, same):
    assert (fingerprint(*BASE) == fingerprint(*other)) is same


def test_fingerprint_ignores_the_order_of_names():
    assert fingerprint([], {"A": "1", "B": "2"}, {}) == fingerprint([], {"B": "2", "A": "1"}, {})


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        ({"state": "running", "fingerprint": "f", "reason": ""}, ""),
        ({"state": "running", "fingerprint": "old", "reason": ""}, "changed"),
        ({"state": "stopped", "fingerprint": "", "reason": "not started"}, "stopped"),
        ({"state": "dead", "fingerprint": "f", "reason": "signal 9"}, "signal 9"),
        ({"state": "silent", "fingerprint": "f", "reason": "no answer"}, "no answer"),
    ],
)
def test_decisions(seen, words):
    why = decide(seen, "f")
    assert bool(why) is bool(words)
    assert words in why


@pytest.mark.parametrize(("text", "expected"), [("127.0.0.1:80", ("127.0.0.1", 80)), ("[::1]:8443", ("::1", 8443))])
def test_ready_addresses(text, expected):
    assert split_address(text) == expected


@pytest.mark.parametrize("text", ["80", ":80", "host:", "host:http", "host:0", "host:65536"])
def test_bad_ready_addresses(text):
    with pytest.raises(LocalError, match="host:port"):
        split_address(text)


@pytest.fixture
def service(tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (tmp_path / "watched").write_text("1")
    found = Service(
        "web",
        tmp_path,
        command=(sys.executable, "-m", "http.server", "--bind", "127.0.0.1", "--directory", str(tmp_path), str(port)),
        environment=(("SECRET", "hidden"),),
        watch_files=(tmp_path / "watched",),
        ready_address=f"127.0.0.1:{port}",
        ready_timeout_seconds=10,
    )
    yield found
    services.stop(found)


def test_life_of_a_service(service, tmp_path):
    assert services.look(service)["state"] == "stopped"
    assert services.start(service, check=True)
    assert not service.record.exists()
    assert "stopped" in services.start(service)
    assert urllib.request.urlopen(f"http://{service.ready_address}/watched", timeout=5).read() == b"1"
    first = services.look(service)
    assert first["state"] == "running"
    assert services.start(service) == ""
    assert services.look(service)["pid"] == first["pid"]
    assert "hidden" not in service.record.read_text()

    (tmp_path / "watched").write_text("2")
    assert "changed" in services.start(service, check=True)
    assert "changed" in services.start(service)
    second = services.look(service)
    assert second["pid"] != first["pid"]

    os.kill(second["pid"], signal.SIGKILL)
    deadline = time.monotonic() + 5
    while "signal 9" not in services.look(service)["reason"]:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert services.look(service)["state"] == "dead"
    assert "signal 9" in services.start(service)

    assert services.known(tmp_path) == ["web"]
    assert services.stop(service, check=True)
    assert services.look(service)["state"] == "running"
    assert services.stop(service)
    assert not services.accepts(service.ready_address)
    assert not services.stop(service)
    assert services.known(tmp_path) == []


def test_frozen_service_is_silent_and_replaced(tmp_path):
    # A server that accepts only while it runs: the backlog is full after the first connections.
    program = "import socket,time;s=socket.create_server(('127.0.0.1',int(__import__('sys').argv[1])),backlog=0)\nwhile 1: s.accept()[0].close()"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    service = Service("one", tmp_path, command=(sys.executable, "-c", program, str(port)), ready_address=f"127.0.0.1:{port}")
    try:
        services.start(service)
        pid = services.look(service)["pid"]
        os.kill(pid, signal.SIGSTOP)
        while not process.stat_of(pid).frozen:
            time.sleep(0.01)
        fillers = [socket.socket(), socket.socket(), socket.socket()]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
        assert services.look(service)["state"] == "silent"
        for filler in fillers:
            filler.close()
    finally:
        services.stop(service)
    assert not services.accepts(service.ready_address)


def test_service_that_ends_at_once_tells_why(tmp_path):
    service = Service("bad", tmp_path, command=("sh", "-c", "echo no such config >&2; exit 3"), ready_address="127.0.0.1:9", ready_timeout_seconds=5)
    with pytest.raises(LocalError, match=r"'bad' ended at once \(exit status 3\); its last words: no such config"):
        services.start(service)
    assert services.look(service)["state"] == "dead"


def test_service_that_never_answers(tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    service = Service("mute", tmp_path, command=("sleep", "60"), ready_address=f"127.0.0.1:{port}", ready_timeout_seconds=0.3)
    try:
        with pytest.raises(LocalError, match=rf"'mute' runs but 127.0.0.1:{port} did not answer within 0.3 s"):
            services.start(service)
    finally:
        services.stop(service)


def test_address_of_somebody_else(service):
    host, port = split_address(service.ready_address)
    with socket.create_server((host, port)), pytest.raises(LocalError, match="taken by another program"):
        services.start(service)
