"""Waiting, keeping state, CNI configuration, the probe's objects."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from ansible_collections.airavata.jupyterhub.plugins.module_utils.kube import probe
from ansible_collections.airavata.jupyterhub.plugins.module_utils.kube.cni import conflist
from ansible_collections.airavata.jupyterhub.plugins.module_utils.kube.state import forget_state, read_state, write_state, write_text
from ansible_collections.airavata.jupyterhub.plugins.module_utils.kube.wait import wait_for


class Clock:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.mark.parametrize(("good_at", "limit", "done", "spent"), [(0, 10, True, 0), (3, 10, True, 3), (99, 10, False, 10), (99, 0, False, 0)])
def test_wait_for(good_at: float, limit: float, done: bool, spent: float) -> None:
    clock = Clock()
    assert wait_for(lambda: (clock.now >= good_at, "seen"), limit, 1.0, clock, clock.sleep) == (done, "seen", spent)


def test_state(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "marker.json"
    assert read_state(str(path)) == {}
    write_state(str(path), {"phase": "joined"})
    assert read_state(str(path)) == {"phase": "joined"}
    assert path.stat().st_mode & 0o777 == 0o600
    path.write_text('{"phase": "joi')
    assert read_state(str(path)) == {}
    forget_state(str(path))
    forget_state(str(path))
    assert not path.exists()


def test_write_text_is_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_text(str(path), "old", 0o644)
    with pytest.raises(UnicodeEncodeError):
        write_text(str(path), "\udc80", 0o644)
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_conflist() -> None:
    config = json.loads(conflist("hub", ["10.244.1.0/24", "fd00:10:244:1::/64"], 1450))
    bridge = config["plugins"][0]
    assert bridge["mtu"] == 1450
    assert bridge["ipMasq"] is False
    assert bridge["ipam"]["ranges"] == [[{"subnet": "10.244.1.0/24"}], [{"subnet": "fd00:10:244:1::/64"}]]
    assert bridge["ipam"]["routes"] == [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}]


@pytest.mark.parametrize("ranges", [[], ["10.244.1.0/240"], ["10.244.1.5/24"]])
def test_conflist_refuses(ranges: list[str]) -> None:
    with pytest.raises(ValueError, match=r"."):
        conflist("hub", ranges, 1450)


def test_probe_programs_really_tell_open_from_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setattr(probe, "PORT", port)
    ask = probe.ask_command(sys.executable, "127.0.0.1", 1.0)
    assert subprocess.run(ask, capture_output=True, text=True, check=True).stdout == "closed\n"
    server = subprocess.Popen(probe.server_command(sys.executable))
    try:
        done, _seen, _spent = wait_for(lambda: (subprocess.run(ask, capture_output=True, text=True, check=True).stdout == "open\n", None), 10, 0.1)
        assert done
    finally:
        server.kill()
        server.wait()


def test_probe_sees_a_silent_server_as_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setattr(probe, "PORT", server.getsockname()[1])
        threading.Thread(target=server.accept, daemon=True).start()
        ask = probe.ask_command(sys.executable, "127.0.0.1", 0.3)
        assert subprocess.run(ask, capture_output=True, text=True, check=True).stdout == "closed\n"


def test_probe_objects() -> None:
    body = probe.pod("client", "image", ["x"], "worker1")
    terms = body["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    assert terms[0]["matchFields"][0]["values"] == ["worker1"]
    assert "affinity" not in probe.pod("client", "image", ["x"], None)["spec"]
    assert probe.deny_all()["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    assert probe.allow_ingress()["spec"]["ingress"][0]["from"] == [{"podSelector": {"matchLabels": {"app": "client"}}}]
    assert probe.allow_egress()["spec"]["egress"][0]["to"] == [{"podSelector": {"matchLabels": {"app": "server"}}}]
