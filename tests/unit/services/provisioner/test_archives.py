"""Archives on a real file system: checksums, restore, deletion, shared folders, the report; killed at every step."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hub_provisioner import plan, report, tools
from hub_provisioner.archives import Archives, is_due
from hub_provisioner.errors import RefusedError, StorageError
from hub_provisioner.limits import Limits, Usage
from hub_provisioner.plan import Archive, Order, Settings
from hub_provisioner.volumes import MARK, Volumes, default_acl

from .test_volumes import ALICE, BOB, BookQuota, Killed, again, base, killed_at, mark_of, picture, volumes_at

__all__ = ["base"]  # a fixture
NOW = "20261231T000000Z"
SHARED = Order("pvc-s", "team-a", "course", "uid-s", ("shared", "course"), 0, 5000, Limits(2**30, 65536), mode=0o2775, shared=True)
RESTORE = again(ALICE, volume="pvc-r", claim_uid="uid-r")


def no_wait(_seconds: float) -> None:
    return


def archived(base: Path, quota: BookQuota) -> tuple[Volumes, Archives, str]:
    """A home with two files in it, archived."""
    volumes = volumes_at(base, quota)
    volumes.ensure(ALICE)
    home = base / "hub-users/home-alice"
    (home / "thesis").write_text("kept")
    (home / "data").mkdir()
    (home / "data/numbers").write_text("1 2 3")
    name = volumes.archive(ALICE.path, "pvc-a", "uid-a")
    assert name is not None
    return volumes, Archives(volumes), name


def test_checksums_stand_beside_and_are_checked(base: Path) -> None:
    _volumes, archives, name = archived(base, BookQuota())
    assert archives.summary(name) is None
    with pytest.raises(StorageError, match="no complete manifest"):
        archives.verify(name, no_wait)
    summary = archives.checksum(name, no_wait)
    assert (summary.files, summary.bytes, summary.unread) == (2, 9, 0)
    assert archives.summary(name) == summary
    assert stat.S_IMODE((base / ".hub/manifests" / f"{name}.sha256").stat().st_mode) == 0o600
    assert archives.verify(name, no_wait) == []
    (base / name / "thesis").write_text("forged")
    assert archives.verify(name, no_wait) == ["'thesis' has another content"]
    manifest = base / ".hub/manifests" / f"{name}.sha256"
    manifest.write_text(manifest.read_text().replace("thesis", "theses"))
    assert archives.verify(name, no_wait) == ["the manifest itself has another content"]


def test_stopped_in_the_middle_it_goes_on(base: Path) -> None:
    _volumes, archives, name = archived(base, BookQuota())
    read = []

    def stop(_seconds: float) -> None:
        read.append(1)
        if len(read) == 2:
            raise InterruptedError

    with pytest.raises(StorageError):
        archives.checksum(name, stop)
    assert archives.summary(name) is None
    assert archives.checksum(name, no_wait).files == 2
    assert archives.verify(name, no_wait) == []


def test_longest_names(base: Path) -> None:
    volumes = volumes_at(base)
    long = again(ALICE, path=("n" * 200, "c" * 200), claim="c" * 200)
    volumes.ensure(long)
    name = volumes.archive(long.path, "pvc-a", "0f0e0d0c-0000-4000-8000-000000000000")
    assert name is not None
    archives = Archives(volumes)
    archives.checksum(name, no_wait)
    assert archives.verify(name, no_wait) == []
    assert archives.forget_gone() == []


@pytest.mark.parametrize("name", ["archived-none", "../etc", "archived-a/../../etc", ".hub", ""])
def test_names_that_are_no_archive(base: Path, name: str) -> None:
    _volumes, archives, _name = archived(base, BookQuota())
    with pytest.raises((RefusedError, StorageError)):
        archives.checksum(name, no_wait)
    assert list((base / ".hub/manifests").iterdir()) == []


def test_restored_with_files_owner_limit_and_mark(base: Path) -> None:
    quota = BookQuota()
    volumes, archives, name = archived(base, quota)
    archives.checksum(name, no_wait)
    bigger = replace(RESTORE, restore=name, limits=Limits(2**31, 7))
    assert volumes.ensure(bigger) == "restored"
    home = base / "hub-users/home-alice"
    assert (home / "data/numbers").read_text() == "1 2 3"
    assert (home.stat().st_uid, stat.S_IMODE(home.stat().st_mode)) == (20001, 0o700)
    assert mark_of(home)["volume"] == "pvc-r"
    assert quota.limits == {1001: Limits(2**31, 7)}
    assert volumes.archives() == []
    assert volumes.ensure(bigger) == "there"
    assert archives.forget_gone() == [name]
    assert list((base / ".hub/manifests").iterdir()) == []


def test_nothing_is_restored_over_something(base: Path) -> None:
    volumes, _archives, name = archived(base, BookQuota())
    volumes.ensure(again(ALICE, volume="pvc-new", claim_uid="uid-new"))
    with pytest.raises(RefusedError, match="has no place"):
        volumes.ensure(replace(RESTORE, restore=name))
    assert (base / name / "thesis").exists()


def an_archive(name: str, **changes: Any) -> Archive:
    return replace(Archive(name, "hub-users", "home-alice", 20001, Usage(100, 2**30, 5, 65536)), **changes)


OLD, NEW = an_archive("archived-x-u1-20260101T000000Z"), an_archive("archived-x-u0-20260601T000000Z")
OTHERS = [
    an_archive("archived-a-u-20270101T000000Z", uid=20002),
    an_archive("archived-b-u-20270101T000000Z", namespace="elsewhere"),
    an_archive("archived-c-u-20270101T000000Z", claim="scratch"),
]
HUGE = an_archive("archived-d-u-20200101T000000Z", usage=Usage(2**40, 0, 5, 0))
MANY = an_archive("archived-e-u-20200101T000000Z", usage=Usage(1, 0, 10**6, 0))


@pytest.mark.parametrize(
    ("wish", "found"),
    [
        ("latest", NEW.name),
        (OLD.name, OLD.name),
        (OTHERS[2].name, OTHERS[2].name),  # by name, another claim's of the same person
        (OTHERS[0].name, "nobody is given"),
        (OTHERS[1].name, "nobody is given"),
        ("archived-none", "there is no archive"),
        ("../../etc", "there is no archive"),
        (HUGE.name, "ask for more"),
        (MANY.name, "ask for more"),
    ],
)
def test_choice_of_an_archive(wish: str, found: str) -> None:
    order = replace(RESTORE, restore=wish)
    archives = [OLD, *OTHERS, NEW, HUGE, MANY]
    if found.startswith("archived"):
        assert plan.choose_archive(order, archives).name == found
        return
    with pytest.raises(RefusedError, match=found) as caught:
        plan.choose_archive(order, archives)
    assert caught.value.reason == "RestoreRefused"


def test_latest_of_nothing_names_what_there_is() -> None:
    with pytest.raises(RefusedError, match=OTHERS[2].name):
        plan.choose_archive(replace(RESTORE, restore="latest", claim="home-alice-2"), [OLD, *OTHERS])


# Shared folders


def test_shared_folder_has_group_mode_and_rights_for_new_files(base: Path) -> None:
    quota = BookQuota()
    volumes = volumes_at(base, quota)
    assert volumes.ensure(SHARED) == "made"
    folder = base / "shared/course"
    status = folder.stat()
    assert (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) == (0, 5000, 0o2775)
    assert os.getxattr(folder, "system.posix_acl_default") == default_acl(0o2775)
    before = os.umask(0o022)
    try:
        (folder / "file").write_text("x")
    finally:
        os.umask(before)
    assert ((folder / "file").stat().st_gid, stat.S_IMODE((folder / "file").stat().st_mode)) == (5000, 0o664)
    another = replace(SHARED, volume="pvc-t", namespace="team-b", claim_uid="uid-t")
    assert volumes.ensure(another) == "there"
    assert (folder / "file").read_text() == "x"
    assert list(quota.limits) == [1001]
    assert volumes.usage([("pvc-s", SHARED.path, True), ("pvc-t", SHARED.path, True), ("pvc-u", SHARED.path, False)]).keys() == {"pvc-s", "pvc-t"}
    volumes.resize(SHARED.path, None, Limits(2**31, 9))
    assert quota.limits == {1001: Limits(2**31, 9)}


@pytest.mark.parametrize(
    "order",
    [
        again(ALICE, path=SHARED.path),
        again(ALICE, path=("shared", "course", "inside")),
        again(ALICE, path=SHARED.path, uid=0),
        replace(SHARED, gid=5001),
        replace(SHARED, path=("shared", "course", "inside")),
    ],
)
def test_a_shared_folder_is_nobodys_volume(base: Path, order: Order) -> None:
    volumes = volumes_at(base)
    volumes.ensure(SHARED)
    before = picture(base)
    with pytest.raises(RefusedError):
        volumes.ensure(order)
    assert picture(base) == before
    assert volumes.archive(order.path, "pvc-a", "uid-a") is None
    assert volumes.trash(order.path, "pvc-s") is False
    assert picture(base).items() >= before.items()


@pytest.mark.parametrize("path", [("hub-users", "home-alice"), ("hub-users", "home-alice", "sub"), ("hub-users",)])
def test_nobodys_volume_becomes_shared(base: Path, path: tuple[str, ...]) -> None:
    volumes = volumes_at(base)
    volumes.ensure(ALICE)
    (base / "hub-users/home-alice/sub").mkdir()
    with pytest.raises(RefusedError):
        volumes.ensure(replace(SHARED, path=path))
    assert (base / "hub-users/home-alice").stat().st_uid == 20001


def test_files_by_hand_are_not_shared_unasked(base: Path) -> None:
    (base / "shared/course").mkdir(parents=True)
    (base / "shared/course/notes").write_text("x")
    with pytest.raises(RefusedError, match="move it away"):
        volumes_at(base).ensure(SHARED)
    (base / "shared/course/notes").unlink()
    assert volumes_at(base).ensure(SHARED) == "reused"


# Deletion


@pytest.mark.parametrize(
    ("name", "days", "due"),
    [
        ("archived-x-u-20261201T000000Z", 30, True),
        ("archived-x-u-20261201T000001Z", 30, False),
        ("archived-x-u-20261201T000000Z", 31, False),
        ("archived-x-u-20261201T000000Z", 0, False),
        ("archived-x-u", 1, False),
        ("archived-x-u-20990101T000000Z", 1, False),
    ],
)
def test_what_is_due(name: str, days: int, due: bool) -> None:
    assert is_due(name, days, NOW) is due


def lines(base: Path) -> list[dict[str, Any]]:
    return [json.loads(text) for text in (base / ".hub/deleted-archives.jsonl").read_text().splitlines()]


def test_deletion_is_written_down_first(base: Path) -> None:
    quota = BookQuota()
    volumes, archives, name = archived(base, quota)
    summary = archives.checksum(name, no_wait)
    (archive,) = volumes.archives()
    record = archives.delete(archive, summary, NOW)
    assert lines(base) == [record]
    assert {key: record[key] for key in ("archive", "namespace", "claim", "uid", "files", "bytes", "deleted_at", "manifest_sha256")} == {
        "archive": name,
        "namespace": "hub-users",
        "claim": "home-alice",
        "uid": 20001,
        "files": 2,
        "bytes": 9,
        "deleted_at": NOW,
        "manifest_sha256": summary.sha256,
    }
    assert volumes.empty_trash() == [name]
    assert archives.forget_gone() == [name]
    assert quota.limits == {}
    assert volumes.archives() == []


def test_a_line_that_was_cut_off_is_replaced(base: Path) -> None:
    volumes, archives, name = archived(base, BookQuota())
    (base / ".hub/deleted-archives.jsonl").write_text('{"archive": "other"}\n{"archive": "arch')
    archives.delete(volumes.archives()[0], archives.checksum(name, no_wait), NOW)
    assert [record["archive"] for record in lines(base)] == ["other", name]


# Killed at every step

Work = Callable[[Volumes, Archives], Any]
_NAME = "archived-hub-users-home-alice-uid-a-20261123T220000Z"


def _checksum(_volumes: Volumes, archives: Archives) -> None:
    if archives.summary(_NAME) is None:
        archives.checksum(_NAME, no_wait)


def _restore(volumes: Volumes, _archives: Archives) -> None:
    order = replace(RESTORE, restore="latest")
    if not volumes.has(order.path, order.volume):
        order = replace(order, restore=plan.choose_archive(order, volumes.archives()).name)
    volumes.ensure(order)


def _purge(volumes: Volumes, archives: Archives) -> None:
    for archive in volumes.archives():
        _checksum(volumes, archives)
        summary = archives.summary(archive.name)
        assert summary is not None
        archives.delete(archive, summary, NOW)
    volumes.empty_trash()
    archives.forget_gone()


def _share(volumes: Volumes, _archives: Archives) -> None:
    volumes.ensure(SHARED)


@pytest.mark.parametrize("work", [_checksum, _restore, _purge, _share])
@pytest.mark.parametrize("after", [False, True])
def test_killed_at_any_step_the_next_run_converges(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, work: Work, after: bool) -> None:
    def prepared(name: str) -> tuple[Path, BookQuota]:
        place, quota = tmp_path / name, BookQuota()
        place.mkdir()
        place.chmod(0o711)
        if work is not _share:
            archived(place, quota)
        return place, quota

    def run(place: Path, quota: BookQuota) -> None:
        volumes = volumes_at(place, quota)
        work(volumes, Archives(volumes))

    def outcome(place: Path) -> Any:
        contents = {str(path.relative_to(place)): path.read_bytes() for path in place.rglob("*") if path.is_file()}
        return picture(place), contents

    whole, whole_quota = prepared("whole")
    with killed_at(monkeypatch, -1, after) as calls:
        run(whole, whole_quota)
    expected = outcome(whole)
    assert len(calls) > 5
    for step in range(len(calls)):
        place, quota = prepared(f"step{step}")
        with pytest.raises(Killed), killed_at(monkeypatch, step, after):
            run(place, quota)
        visible = [place / "shared/course", place / "hub-users/home-alice"][work is not _share]
        if visible.exists():  # what stands in its place is complete, even right after the crash
            assert json.loads(os.getxattr(visible, MARK)) == (mark_of(whole / "shared/course") if work is _share else mark_of(whole / "hub-users/home-alice"))
            assert quota.limits
        run(place, quota)
        assert outcome(place) == expected, f"after a crash {'after' if after else 'before'} step {step} ({calls[step]})"
        assert list(quota.limits.values()) == list(whole_quota.limits.values())


# The report

SETTINGS = Settings("hub.airavata.org/nfs", "10.0.0.5", "/srv/hub")


def volume(order: Order) -> dict[str, Any]:
    claim = {"metadata": {}, "spec": {}}
    return plan.new_volume(order, claim, {"metadata": {"name": "hub-home"}}, SETTINGS)


def test_report(base: Path, capsys: pytest.CaptureFixture[str]) -> None:
    quota = BookQuota()
    volumes, archives, name = archived(base, quota)
    for order in (BOB, SHARED, again(ALICE, volume="pvc-kept", claim_uid="uid-k")):
        volumes.ensure(order)
    (base / "by-hand/file").parent.mkdir()
    (base / "of-a-volume-by-hand").mkdir(mode=0o755)
    quota.limits[1077] = Limits(5, 5)
    quota.used[1077] = (4096, 3)
    (base / ".hub/new/pvc-being-made").mkdir(parents=True, exist_ok=True)
    by_hand = {"metadata": {"name": "by-hand"}, "spec": {"nfs": {"server": "10.0.0.5", "path": "/srv/hub/of-a-volume-by-hand"}}}
    missing = volume(again(ALICE, volume="pvc-missing", path=("hub-users", "gone")))
    there = [volume(BOB), volume(SHARED), volume(replace(SHARED, volume="pvc-t"))]
    places = [("pvc-b", BOB.path, False), ("pvc-s", SHARED.path, True), ("pvc-t", SHARED.path, True), ("pvc-missing", ("hub-users", "gone"), False)]
    folders, listed = volumes.folders(), volumes.archives()
    stray = volumes.stray_projects([*(folder.project for folder in folders), *(archive.project for archive in listed)])
    told = [(archive, archives.summary(archive.name)) for archive in listed]
    found = report.build(folders, told, [*there, by_hand, missing], volumes.usage(places), stray, SETTINGS, NOW)
    assert found["orphans"] == {
        "directories": [{"path": "hub-users/home-alice", "uid": 20001, "volume": "pvc-kept", "namespace": "hub-users", "claim": "home-alice"}],
        "unknown_directories": [{"path": "by-hand", "uid": 0}],
        "volumes": [{"volume": "pvc-missing", "path": "hub-users/gone", "namespace": "hub-users", "claim": "home-alice"}],
        "projects": [{"project": 1077, "used_bytes": 4096, "limit_bytes": 5}],
    }
    assert found["shared_folders"] == [{"path": "shared/course", "gid": "5000", "claims": 2, "used_bytes": 0}]
    assert [(entry["name"], entry["archived_at"], entry["manifest_sha256"]) for entry in found["archives"]] == [(name, "20261123T220000Z", None)]
    volumes.write_report(json.dumps(found))
    assert tools.main(["report", "--base", str(base)]) == 0
    assert json.loads(capsys.readouterr().out) == found


def test_verbs(base: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _volumes, archives, name = archived(base, BookQuota())
    place = ["--base", str(base), "--base-is-a-folder"]
    assert tools.main(["report", *place]) == 2
    assert "there is no report" in capsys.readouterr().err
    assert tools.main(["verify-archive", *place, name]) == 2
    assert "no complete manifest" in capsys.readouterr().err
    archives.checksum(name, no_wait)
    assert tools.main(["verify-archive", *place, name]) == 0
    assert "whole" in capsys.readouterr().out
    (base / name / "thesis").unlink()
    assert tools.main(["verify-archive", *place, name]) == 1
    assert "'thesis' is missing" in capsys.readouterr().out
    assert tools.main(["verify-archive", "--base", str(base), name]) == 2
    assert "nothing is mounted" in capsys.readouterr().err
