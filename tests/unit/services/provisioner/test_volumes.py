"""Directories on a real file system: made, taken again, put away, under attack, and killed at every step.

Needs root, as the provisioner's work does (owners, `trusted` attributes); limits are kept by a double, since they need XFS.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hub_provisioner.errors import RefusedError, StorageError
from hub_provisioner.limits import Limits, Usage
from hub_provisioner.plan import Order
from hub_provisioner.volumes import MARK, Volumes

ALICE = Order("pvc-a", "hub-users", "home-alice", "uid-a", ("hub-users", "home-alice"), 20001, 100, Limits(2**30, 65536))
BOB = Order("pvc-b", "hub-users", "home-bob", "uid-b", ("hub-users", "home-bob"), 20002, 100, Limits(2**30, 65536))
_PROJECT = "trusted.test.project"


class BookQuota:
    """Keeps limits in memory, and the project of a directory on it, as XFS does."""

    enforced = True

    def __init__(self) -> None:
        self.limits: dict[int, Limits] = {}
        self.removed: set[int] = set()
        self.used: dict[int, tuple[int, int]] = {}  # bytes, inodes

    def check(self) -> None:
        return

    def project_of(self, directory: int) -> int:
        try:
            return int(os.getxattr(directory, _PROJECT))
        except OSError:
            return 0

    def limit_of(self, directory: int, limits: Limits) -> None:
        project = self.project_of(directory)
        if not project:
            project = max([1000, *self.limits]) + 1
            os.setxattr(directory, _PROJECT, str(project).encode())
        self.limits[project] = limits

    def forget(self, project: int) -> None:
        self.limits.pop(project, None)

    def report(self) -> dict[int, Usage]:
        projects = {}
        for project, limits in self.limits.items():
            used, inodes = self.used.get(project, (0, int(project not in self.removed)))
            projects[project] = Usage(used, limits.size, inodes, limits.inodes, limits.soft_size, limits.soft_inodes)
        return {0: Usage(4096, 0, 3, 0), **projects}


@pytest.fixture
def base(tmp_path: Path) -> Path:
    tmp_path.chmod(0o711)
    return tmp_path


def volumes_at(base: Path, quota: BookQuota | None = None) -> Volumes:
    return Volumes(str(base), quota or BookQuota(), must_be_mounted=False, clock=lambda: "20261123T220000Z")


def mark_of(path: Path) -> dict[str, str]:
    return dict(json.loads(os.getxattr(path, MARK)))


def test_made_with_owner_mode_limit_and_mark(base: Path) -> None:
    quota = BookQuota()
    assert volumes_at(base, quota).ensure(ALICE) == "made"
    home = base / "hub-users" / "home-alice"
    status = home.stat()
    assert (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) == (20001, 100, 0o700)
    assert mark_of(home) == {"volume": "pvc-a", "namespace": "hub-users", "claim": "home-alice", "claim_uid": "uid-a"}
    assert quota.limits == {1001: Limits(2**30, 65536)}
    above = home.parent.stat()
    assert (above.st_uid, stat.S_IMODE(above.st_mode)) == (0, 0o711)
    assert stat.S_IMODE((base / ".hub").stat().st_mode) == 0o700


def test_again_is_no_change_and_keeps_files(base: Path) -> None:
    volumes = volumes_at(base)
    volumes.ensure(ALICE)
    (base / "hub-users/home-alice/file").write_text("kept")
    assert volumes.ensure(ALICE) == "there"
    assert (base / "hub-users/home-alice/file").read_text() == "kept"


def test_two_volumes_have_limits_of_their_own(base: Path) -> None:
    quota = BookQuota()
    volumes = volumes_at(base, quota)
    volumes.ensure(ALICE)
    volumes.ensure(BOB)
    volumes.resize(BOB.path, "pvc-b", Limits(2**31, 7, 2**30, 5))
    assert quota.limits == {1001: Limits(2**30, 65536), 1002: Limits(2**31, 7, 2**30, 5)}
    used = volumes.usage([("pvc-a", ALICE.path, False), ("pvc-b", BOB.path, False), ("gone", ("no", "where"), False)])
    assert {name: usage.limit for name, usage in used.items()} == {"pvc-a": 2**30, "pvc-b": 2**31}
    assert used["pvc-b"].limits == Limits(2**31, 7, 2**30, 5)
    assert volumes.archives() == []


def test_usage_of_a_directory_that_lost_its_limit(base: Path) -> None:
    volumes = volumes_at(base, BookQuota())
    volumes.ensure(ALICE)
    os.removexattr(base / "hub-users/home-alice", _PROJECT)
    assert volumes.usage([("pvc-a", ALICE.path, False)]) == {"pvc-a": Usage(0, 0, 0, 0)}  # not what project 0 has
    volumes.archive(ALICE.path, "pvc-a", "uid-a")
    assert volumes.usage([("pvc-a", ALICE.path, False)]) == {}
    assert [archive.usage for archive in volumes.archives()] == [Usage(0, 0, 0, 0)]


def test_limits_of_removed_trees_are_freed(base: Path) -> None:
    quota = BookQuota()
    volumes = volumes_at(base, quota)
    volumes.ensure(ALICE)
    volumes.ensure(BOB)
    assert volumes.forget_removed() == []
    quota.removed = {1002}
    assert volumes.forget_removed() == [1002]
    assert list(quota.limits) == [1001]


def again(order: Order, **changes: Any) -> Order:
    return Order(**{**order.__dict__, **changes})


@pytest.mark.parametrize(
    ("order", "allowed"),
    [
        (again(ALICE, volume="pvc-a2", claim_uid="uid-a2"), True),
        (again(ALICE, volume="pvc-a2", claim_uid="uid-a2", claim="other-name"), True),
        (again(ALICE, volume="pvc-a2", claim_uid="uid-a2", uid=20002), False),
        (again(ALICE, volume="pvc-a2", claim_uid="uid-a2", namespace="elsewhere"), False),
    ],
)
def test_kept_directory_goes_only_to_its_owner(base: Path, order: Order, allowed: bool) -> None:
    volumes = volumes_at(base)
    volumes.ensure(ALICE)
    if allowed:
        assert volumes.ensure(order) == "reused"
        assert mark_of(base / "hub-users/home-alice")["volume"] == "pvc-a2"
        return
    with pytest.raises(RefusedError):
        volumes.ensure(order)
    assert mark_of(base / "hub-users/home-alice")["volume"] == "pvc-a"
    assert (base / "hub-users/home-alice").stat().st_uid == 20001


@pytest.mark.parametrize(("owner", "allowed"), [(20001, True), (0, False), (20002, False)])
def test_directory_put_there_by_hand(base: Path, owner: int, allowed: bool) -> None:
    (base / "hub-users/home-alice").mkdir(parents=True)
    os.chown(base / "hub-users/home-alice", owner, 100)
    if allowed:
        assert volumes_at(base).ensure(ALICE) == "reused"
    else:
        with pytest.raises(RefusedError, match=f"belongs to user {owner}"):
            volumes_at(base).ensure(ALICE)


# What a user can do inside the own directory, or somebody inside the export: none of it may lead the provisioner elsewhere.


@pytest.fixture
def outside(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("outside")
    (place / "precious").write_text("untouched")
    place.chmod(0o755)
    return place


def untouched(place: Path) -> bool:
    status = place.stat()
    return (status.st_uid, stat.S_IMODE(status.st_mode), sorted(entry.name for entry in place.iterdir())) == (0, 0o755, ["precious"])


@pytest.mark.parametrize("where", ["hub-users", "hub-users/home-alice"])
def test_link_on_the_way_is_not_followed(base: Path, outside: Path, where: str) -> None:
    link = base / where
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(outside)
    volumes = volumes_at(base)
    with pytest.raises(RefusedError):
        volumes.ensure(ALICE)
    assert volumes.archive(ALICE.path, "pvc-a", "uid-a") is None
    assert volumes.trash(ALICE.path, "pvc-a") is False
    with pytest.raises(StorageError):
        volumes.resize(ALICE.path, "pvc-a", Limits(1, 1))
    assert link.is_symlink()
    assert untouched(outside)


@pytest.mark.parametrize("name", ["hub-users", "hub-users/home-alice"])
def test_file_in_the_way(base: Path, name: str) -> None:
    (base / name).parent.mkdir(parents=True, exist_ok=True)
    (base / name).write_text("x")
    with pytest.raises(RefusedError, match="not a directory"):
        volumes_at(base).ensure(ALICE)


def test_path_through_a_volume_is_refused(base: Path) -> None:
    volumes = volumes_at(base)
    volumes.ensure(ALICE)
    (base / "hub-users/home-alice/sub").mkdir()
    inner = again(BOB, path=("hub-users", "home-alice", "sub"))
    with pytest.raises(RefusedError, match="is a volume"):
        volumes.ensure(inner)
    assert volumes.trash(inner.path, "pvc-b") is False


def test_path_through_a_users_directory_is_refused(base: Path) -> None:
    (base / "hub-users").mkdir()
    os.chown(base / "hub-users", 20002, 100)
    with pytest.raises(RefusedError, match="belongs to user 20002"):
        volumes_at(base).ensure(ALICE)


def test_deleting_follows_no_link_and_takes_any_depth(base: Path, outside: Path) -> None:
    volumes = volumes_at(base)
    volumes.ensure(ALICE)
    home = base / "hub-users/home-alice"
    (home / "link").symlink_to(outside)
    (home / "-rf").write_text("x")
    os.mkfifo(home / "pipe")
    deep = os.open(home, os.O_RDONLY)
    for _round in range(1500):  # deeper than Python recurses, longer than a path may be
        os.mkdir("d", dir_fd=deep)
        inner = os.open("d", os.O_RDONLY, dir_fd=deep)
        os.close(deep)
        deep = inner
    os.close(deep)
    assert volumes.trash(ALICE.path, "pvc-a") is True
    assert not home.exists()
    assert volumes.empty_trash() == ["pvc-a"]
    assert list((base / ".hub/trash").iterdir()) == []
    assert untouched(outside)


def test_archive_keeps_files_owner_and_limit(base: Path) -> None:
    quota = BookQuota()
    volumes = volumes_at(base, quota)
    volumes.ensure(ALICE)
    (base / "hub-users/home-alice/file").write_text("kept")
    name = volumes.archive(ALICE.path, "pvc-a", "uid-a")
    assert name == "archived-hub-users-home-alice-uid-a-20261123T220000Z"
    assert (base / name / "file").read_text() == "kept"
    assert (base / name).stat().st_uid == 20001
    assert quota.limits == {1001: Limits(2**30, 65536)}
    (archive,) = volumes.archives()
    assert (archive.namespace, archive.claim, archive.uid, archive.usage.limit) == ("hub-users", "home-alice", 20001, 2**30)
    assert volumes.archive(ALICE.path, "pvc-a", "uid-a") == name  # a second try after a crash finds it
    assert volumes.ensure(again(ALICE, volume="pvc-a2", claim_uid="uid-a2")) == "made"
    assert volumes.archive(ALICE.path, "pvc-a2", "uid-a2") == "archived-hub-users-home-alice-uid-a2-20261123T220000Z"


def test_release_of_an_old_volume_leaves_the_new_owner_alone(base: Path) -> None:
    volumes = volumes_at(base)
    volumes.ensure(ALICE)
    assert volumes.archive(ALICE.path, "pvc-other", "uid-other") is None
    assert volumes.trash(ALICE.path, "pvc-other") is False
    assert (base / "hub-users/home-alice").is_dir()


def test_nothing_mounted_nothing_done(base: Path) -> None:
    volumes = Volumes(str(base), BookQuota())
    with pytest.raises(StorageError, match="nothing is mounted"):
        volumes.ensure(ALICE)
    assert volumes.ready() is False
    assert list(base.iterdir()) == []
    with pytest.raises(StorageError, match="cannot be opened"):
        Volumes(str(base / "absent"), BookQuota()).ensure(ALICE)


def test_only_one_process_is_ready(base: Path) -> None:
    first, second = volumes_at(base), volumes_at(base)
    assert first.ready()
    assert first.ready()
    assert not second.ready()


# Killed at every step


class Killed(BaseException):
    """As SIGKILL: nothing in the program catches it."""


_STEPS = ("mkdir", "rename", "fchown", "fchmod", "setxattr", "fsync", "open", "unlink")


@contextlib.contextmanager
def killed_at(monkeypatch: pytest.MonkeyPatch, step: int, after: bool) -> Iterator[list[str]]:
    """Within, the process 'dies' right before or after the given system call; yields the calls made."""
    calls: list[str] = []

    def wrap(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            number = len(calls)
            calls.append(name)
            if number == step and after:
                with contextlib.suppress(OSError):
                    real(*args, **kwargs)
            if number == step:
                raise Killed
            return real(*args, **kwargs)

        return call

    with monkeypatch.context() as patch:
        for name in _STEPS:
            patch.setattr(os, name, wrap(name, getattr(os, name)))
        yield calls


def picture(base: Path) -> dict[str, tuple[int, int, int, bytes]]:
    """Everything below the export that matters: owner, group, mode, mark."""
    found = {}
    for path in sorted(base.rglob("*")):
        if path.name == "lock":
            continue
        status = path.stat()
        mark = os.getxattr(path, MARK) if MARK in os.listxattr(path) else b""
        found[str(path.relative_to(base))] = (status.st_uid, status.st_gid, status.st_mode, mark)
    return found


Work = Callable[[Volumes], Any]


def _make(volumes: Volumes) -> Any:
    return volumes.ensure(ALICE)


def _archive(volumes: Volumes) -> Any:
    return volumes.archive(ALICE.path, "pvc-a", "uid-a")


def _delete(volumes: Volumes) -> Any:
    volumes.trash(ALICE.path, "pvc-a")
    return volumes.empty_trash()


@pytest.mark.parametrize("work", [_make, _archive, _delete])
@pytest.mark.parametrize("after", [False, True])
def test_killed_at_any_step_the_next_run_converges(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, work: Work, after: bool) -> None:
    def prepared(name: str) -> tuple[Path, BookQuota]:
        place, quota = tmp_path / name, BookQuota()
        place.mkdir()
        place.chmod(0o711)
        if work is not _make:
            volumes_at(place, quota).ensure(ALICE)
            (place / "hub-users/home-alice/file").write_text("x")
        return place, quota

    whole, whole_quota = prepared("whole")
    with killed_at(monkeypatch, -1, after) as calls:
        work(volumes_at(whole, whole_quota))
    expected = picture(whole)
    assert len(calls) > 5
    for step in range(len(calls)):
        place, quota = prepared(f"step{step}")
        with pytest.raises(Killed), killed_at(monkeypatch, step, after):
            work(volumes_at(place, quota))
        visible = place / "hub-users" / "home-alice"
        if visible.exists():  # what stands in its place is complete, even right after the crash
            assert visible.stat().st_uid == 20001
            assert mark_of(visible)["volume"] == "pvc-a"
            assert quota.limits
        work(volumes_at(place, quota))
        assert picture(place) == expected, f"after a crash {'after' if after else 'before'} step {step} ({calls[step]})"
        assert list(quota.limits.values()) == list(whole_quota.limits.values())
