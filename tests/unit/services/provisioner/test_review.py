"""What a leader does by the way: limits mended, use told, orphans written down; and the slow work on archives. Real folders, limits in a book."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hub_provisioner import plan
from hub_provisioner.api import ApiError
from hub_provisioner.archives import Archives
from hub_provisioner.archivist import Archivist
from hub_provisioner.controller import Controller
from hub_provisioner.errors import NotLeaderError
from hub_provisioner.limits import Limits
from hub_provisioner.metrics import Metrics
from hub_provisioner.plan import Settings
from prometheus_client import generate_latest

from .test_archives import SHARED, archived, base, no_wait
from .test_plan import CLASS, SHARED_CLASS, bound, changed
from .test_volumes import BookQuota, volumes_at

__all__ = ["base"]  # a fixture
SETTINGS = Settings("hub.airavata.org/nfs", "10.77.0.31", "/srv/hub")


class Leader:
    """The only instance, as long as it leads."""

    def __init__(self) -> None:
        self.leads = True

    def leading(self) -> bool:
        return self.leads

    def confirm(self) -> None:
        if not self.leads:
            raise NotLeaderError("another instance took the lease")

    def read(self) -> dict[str, Any]:
        return {"kind": "Lease", "metadata": {"name": "nfs-provisioner", "namespace": "hub-storage", "uid": "l"}}


class Server:
    """Keeps what is written to the API."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str]] = []
        self.claims: list[dict[str, Any]] = []
        self.conflict = False

    def create_event(self, _namespace: str, event: dict[str, Any]) -> None:
        self.events.append((event["involvedObject"]["name"], event["reason"]))

    def put_claim_status(self, claim: dict[str, Any]) -> dict[str, Any]:
        if self.conflict:
            raise ApiError("put", 409, "somebody wrote in between")
        self.claims.append(claim)
        return changed(claim, metadata__resourceVersion=str(int(claim["metadata"]["resourceVersion"]) + 1))


@pytest.fixture
def site(base: Path) -> tuple[Controller, BookQuota, Server, Path]:
    """A controller whose cache has alice's bound claim of 2 GiB, with its directory."""
    quota, server = BookQuota(), Server()
    volumes = volumes_at(base, quota)
    controller = Controller(server, volumes, Archives(volumes), SETTINGS, Leader())  # type: ignore[arg-type]
    claim, volume = bound("2Gi", "2Gi", "2Gi")
    controller._cache.replace("claims", [claim])
    controller._cache.replace("volumes", [volume])
    controller._cache.replace("classes", [CLASS, SHARED_CLASS])
    order = plan.plan_claim(changed(claim, spec__volumeName=None, status={"phase": "Pending"}), {"hub-home": CLASS}, [], SETTINGS)
    assert order is not None
    volumes.ensure(order)
    return controller, quota, server, base


DUE = Limits(2 * 2**30, 131072)


def test_limits_that_are_not_what_the_volume_says_are_mended(site: tuple[Controller, BookQuota, Server, Path]) -> None:
    controller, quota, _server, _base = site
    for wrong in (Limits(0, 0), Limits(2**30, 131072), Limits(2 * 2**30, 131072, 5, 5)):
        quota.limits = {1001: wrong}
        controller._review()
        assert quota.limits == {1001: DUE}
    (volume,) = controller._cache.all("volumes")
    volume["metadata"]["annotations"]["hub.airavata.org/files-per-gib"] = "2048"  # an operator's, for this one
    controller._review()
    assert quota.limits == {1001: Limits(2 * 2**30, 4096)}
    volume["metadata"]["annotations"]["hub.airavata.org/files-per-gib"] = "many"
    controller._review()
    assert quota.limits == {1001: Limits(2 * 2**30, 4096)}


def test_shared_folder_gets_the_limit_of_the_larger_of_its_classes(site: tuple[Controller, BookQuota, Server, Path]) -> None:
    controller, quota, _server, base = site
    volumes_at(base, quota).ensure(SHARED)
    bigger = changed(SHARED_CLASS, metadata__name="course-write", parameters__sizeGib="80")
    controller._cache.replace("classes", [CLASS, SHARED_CLASS, bigger])
    for name in ("course", "course-write"):
        view = plan.new_volume(SHARED, {"metadata": {}, "spec": {}}, SHARED_CLASS, SETTINGS)
        controller._cache.put("volumes", changed(view, metadata__name=name, spec__storageClassName=name))
    for _round in range(2):  # and stays so
        controller._review()
        assert quota.limits[1002] == Limits(80 * 2**30, 80_000)
    rows, shared, _archives = controller._read_usage()
    assert [row[2] for row in rows] == ["pvc-u1"]
    assert [(path, usage.limit) for path, usage in shared] == [("shared/course", 80 * 2**30)]
    told = generate_latest(controller.metrics.registry).decode()
    assert 'hub_shared_folder_limit_bytes{folder="shared/course"} 8.589934592e+10' in told
    labels = 'namespace="hub-users",persistentvolume="pvc-u1",persistentvolumeclaim="home-alice"'
    assert f"hub_volume_limit_inodes{{{labels}}} 131072.0" in told
    assert f"hub_volume_soft_limit_bytes{{{labels}}} 0.0" in told
    assert 'hub_storage_orphans{kind="unknown_directories"} 0.0' in told


def test_a_claim_tells_its_use_and_hears_of_it_once(site: tuple[Controller, BookQuota, Server, Path]) -> None:
    controller, quota, server, _base = site
    for used, events in ((2**30, []), (1932735284, ["VolumeAlmostFull"]), (1932735290, []), (2**31, ["VolumeFull"]), (2**30, []), (2**31, ["VolumeFull"])):
        quota.used[1001] = (used, 7)
        server.events.clear()
        controller._said.clear()  # five minutes later
        controller._review()
        assert server.events == [("home-alice", reason) for reason in events]
    told = server.claims[-1]["metadata"]["annotations"]
    assert told["hub.airavata.org/used-bytes"] == str(2**31)
    assert told["hub.airavata.org/limit-files"] == "131072"
    assert told["hub.airavata.org/uid"] == "20001"
    assert len(server.claims) == 5  # not for six bytes
    controller._review()
    assert len(server.claims) == 5


def test_somebody_writing_in_between_is_no_fault(site: tuple[Controller, BookQuota, Server, Path]) -> None:
    controller, _quota, server, base = site
    server.conflict = True
    controller._review()
    assert json.loads((base / ".hub/report.json").read_text())["orphans"]["volumes"] == []
    server.conflict = False
    controller._review()
    assert len(server.claims) == 1


# The slow work


def eventually(test: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 20
    while not test():
        assert time.monotonic() < deadline, "not within 20 s"
        time.sleep(0.01)


@pytest.fixture
def work(base: Path) -> Iterator[Callable[..., tuple[Archivist, Archives, str, Leader, list[dict[str, Any]]]]]:
    begun: list[Archivist] = []

    def begin(days: int = 0, old: bool = False) -> tuple[Archivist, Archives, str, Leader, list[dict[str, Any]]]:
        volumes, archives, name = archived(base, BookQuota())
        if old:
            (base / name).rename(base / (name[:-16] + "20200101T000000Z"))
            name = name[:-16] + "20200101T000000Z"
        leader, told = Leader(), list[dict[str, Any]]()
        settings = Settings("p", "s", "/e", delete_archives_after_days=days)
        archivist = Archivist(volumes, archives, settings, leader, Metrics(lambda: ([], [], [])), told.append)  # type: ignore[arg-type]
        begun.append(archivist)
        return archivist, archives, name, leader, told

    yield begin
    for archivist in begun:
        archivist.stop()


def test_checksums_are_made_and_proof_is_given(work: Any, base: Path) -> None:
    archivist, archives, name, _leader, _told = work()
    archivist.start()
    asked = threading.Event()
    assert archivist.proof(name, asked.set) is None
    assert asked.wait(20)
    assert archivist.proof(name, asked.set) == []
    assert archives.summary(name).files == 2


def test_a_file_that_a_client_holds_is_tried_again_soon(work: Any, base: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """A lease stands for an NFS client's delegation: who opens the file without waiting is told to come again."""
    monkeypatch.setattr("hub_provisioner.archivist._RETRY_SECONDS", 0.2)
    archivist, archives, name, _leader, _told = work()
    before = signal.signal(signal.SIGIO, signal.SIG_IGN)  # the kernel asks the holder by this signal, which ends who does not expect it
    held = os.open(base / name / "thesis", os.O_RDWR)
    try:
        fcntl.fcntl(held, fcntl.F_SETLEASE, fcntl.F_WRLCK)
        archivist.start()
        archivist.wake()
        eventually(lambda: "temporarily unavailable" in caplog.text)
        assert archives.summary(name) is None
    finally:
        os.close(held)
        signal.signal(signal.SIGIO, before)
    eventually(lambda: archives.summary(name))


def test_damage_is_told_and_looked_at_again_later(work: Any, base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub_provisioner.archivist._DOUBT_SECONDS", 0.5)
    archivist, archives, name, _leader, _told = work()
    archives.checksum(name, no_wait)
    (base / name / "thesis").write_text("rotten")
    archivist.start()
    asked = threading.Event()
    archivist.proof(name, asked.set)
    assert asked.wait(20)
    (base / name / "thesis").write_text("kept")
    eventually(lambda: archivist.proof(name, asked.set) == [])


def test_who_waits_for_an_archive_that_is_gone_is_woken(work: Any) -> None:
    archivist, _archives, _name, _leader, _told = work()
    archivist.start()
    asked = threading.Event()
    archivist.proof("archived-gone-u-20200101T000000Z", asked.set)
    assert asked.wait(20)


def test_another_leader_is_left_to_it(work: Any, base: Path) -> None:
    archivist, archives, name, leader, _told = work(days=30, old=True)
    leader.leads = False
    archivist.start()
    archivist.wake()
    eventually(lambda: not archivist._wake.is_set())
    assert archives.summary(name) is None
    leader.leads = True
    archivist.wake()
    eventually(lambda: not (base / name).exists())


@pytest.mark.parametrize(("days", "old", "deleted"), [(0, True, False), (30, False, False), (30, True, True)])
def test_only_old_archives_are_deleted_and_only_when_days_are_set(work: Any, base: Path, days: int, old: bool, deleted: bool) -> None:
    archivist, archives, name, _leader, told = work(days=days, old=old)
    archivist.start()
    archivist.wake()
    if deleted:
        eventually(lambda: told)
        assert [record["archive"] for record in told] == [name]
        assert archivist._metrics.deleted_archives._value.get() == 1
    else:
        eventually(lambda: archives.summary(name))
        asked = threading.Event()
        archivist.proof(name, asked.set)
        assert asked.wait(20)  # a whole round later
    assert (base / name).exists() is not deleted


def test_what_somebody_waits_for_is_not_deleted(work: Any, base: Path) -> None:
    archivist, _archives, name, _leader, told = work(days=30, old=True)
    asked = threading.Event()
    archivist.proof(name, asked.set)
    archivist.start()
    assert asked.wait(20)
    for _round in range(2):
        archivist.wake()
        eventually(lambda: not archivist._wake.is_set())
    assert (base / name).exists()
    assert told == []
