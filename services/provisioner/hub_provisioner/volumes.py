"""Directories below the export: made, found again, grown, put away.

Users own what is inside their directory, and nothing above it. So every path is walked from the export's open descriptor, one name at a
time, without following links, and only through directories of this program. A directory is made ready (owner, limit, mark) in a private
folder and then moved into place, so one that stands in its place is complete; every step can be repeated after a crash.

The mark is an extended attribute in the `trusted` namespace: it moves with the directory, and clients of the export can neither see nor
set it. It says whose volume the directory is.
"""

from __future__ import annotations

import errno
import fcntl
import json
import logging
import os
import stat
import subprocess
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime, timezone
from typing import NamedTuple

from . import pattern
from .errors import RefusedError, StorageError
from .plan import Order
from .quota import Quota, Usage

log = logging.getLogger(__name__)

MARK = "trusted.hub.volume"
_PRIVATE = ".hub"
_NEW = "new"
_TRASH = "trash"
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_REMOVE_SECONDS = 6 * 3600
_NOTHING = Usage(0, 0, 0, 0)
Path = tuple[str, ...]


def _utc() -> str:
    return datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%SZ")


class _Found(NamedTuple):
    """Descriptors of the export, of the directory that holds a volume's, and of the volume's."""

    root: int
    parent: int
    directory: int


class Volumes:
    """The directories of one export.

    :param base: where the export is on this machine.
    :param must_be_mounted: refuse to work while nothing is mounted at `base`, so that no data lands below the mount point.
    """

    def __init__(self, base: str, quota: Quota, must_be_mounted: bool = True, clock: Callable[[], str] = _utc) -> None:
        self._base, self._quota, self._must_be_mounted, self._clock = base, quota, must_be_mounted, clock
        self.limits = quota.enforced
        self._lock: int | None = None
        self._complaint = ""

    # -- access ---------------------------------------------------------------------------------------------------------------------

    @contextmanager
    def _root(self) -> Iterator[int]:
        """The export's descriptor."""
        try:
            root = os.open(self._base, _DIRECTORY)
        except OSError as error:
            raise StorageError(f"the export {self._base} cannot be opened: {error.strerror}") from error
        try:
            if self._must_be_mounted and os.fstat(root).st_dev == os.stat("..", dir_fd=root).st_dev:
                raise StorageError(f"nothing is mounted at {self._base}; see `findmnt {self._base}`")
            yield root
        except OSError as error:
            raise StorageError(f"{self._base}: {error.strerror}{f' ({error.filename!r})' if error.filename else ''}") from error
        finally:
            os.close(root)

    @contextmanager
    def _private(self, root: int, *names: str) -> Iterator[int]:
        """A folder that only this program can enter."""
        held = os.dup(root)
        try:
            for name in (_PRIVATE, *names):
                with suppress(FileExistsError):
                    os.mkdir(name, 0o700, dir_fd=held)
                inner = os.open(name, _DIRECTORY, dir_fd=held)
                os.close(held)
                held = inner
            yield held
        finally:
            os.close(held)

    @contextmanager
    def _parent(self, root: int, path: Path, make: bool) -> Iterator[int]:
        """Descriptor of the directory that holds the last name of `path`.

        :raises FileNotFoundError: there is none and `make` is False.
        :raises RefusedError: the way leads through a link, a file or somebody's volume.
        """
        held = os.dup(root)
        try:
            for name in path[:-1]:
                if make:
                    try:
                        os.mkdir(name, 0o711, dir_fd=held)
                    except FileExistsError:
                        pass
                    else:
                        os.fsync(held)
                try:
                    inner = os.open(name, _DIRECTORY, dir_fd=held)
                except OSError as error:
                    if error.errno in (errno.ELOOP, errno.ENOTDIR):
                        raise RefusedError("PathRefused", f"{name!r} in the path {'/'.join(path)!r} is not a directory") from error
                    raise
                os.close(held)
                held = inner
                if make:
                    self._settle(held, name, path)
                elif self._read_mark(held) is not None:
                    raise RefusedError("PathRefused", f"the path {'/'.join(path)!r} leads through the volume at {name!r}")
            yield held
        finally:
            os.close(held)

    def _settle(self, directory: int, name: str, path: Path) -> None:
        """Make sure a directory on the way is the program's own: not a volume, not a user's; enterable, not listable, for others."""
        status = os.fstat(directory)
        if self._read_mark(directory) is not None or status.st_uid not in (0, os.geteuid()):
            raise RefusedError("PathRefused", f"the path {'/'.join(path)!r} leads through {name!r}, which is a volume or belongs to user {status.st_uid}")
        if stat.S_IMODE(status.st_mode) != 0o711:
            os.fchmod(directory, 0o711)
        if (status.st_uid, status.st_gid) != (0, 0) and os.geteuid() != 0:
            os.fchown(directory, 0, 0)

    @staticmethod
    def _read_mark(directory: int) -> dict[str, str] | None:
        try:
            raw = os.getxattr(directory, MARK)
        except OSError as error:
            if error.errno == errno.ENODATA:
                return None
            raise
        try:
            mark = json.loads(raw)
        except ValueError as error:
            raise StorageError(f"the mark {MARK} of a directory is not JSON: {raw[:80]!r}") from error
        return {str(key): str(value) for key, value in mark.items()}

    @staticmethod
    def _write_mark(directory: int, order: Order) -> None:
        mark = {"volume": order.volume, "namespace": order.namespace, "claim": order.claim, "claim_uid": order.claim_uid}
        os.setxattr(directory, MARK, json.dumps(mark, sort_keys=True).encode())

    # -- readiness ------------------------------------------------------------------------------------------------------------------

    def ready(self) -> bool:
        """Whether this process may work here: the export is there with its quotas, and no other process on it has the lock.

        The lock is the kernel's, so it ends with the process, however that ends.
        """
        try:
            self._quota.check()
            with self._root() as root:
                self._complaint = ""
                if self._lock is not None:
                    if os.fstat(self._lock).st_dev == os.fstat(root).st_dev:
                        return True
                    os.close(self._lock)  # another file system is mounted now
                    self._lock = None
                with self._private(root) as private:
                    lock = os.open("lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=private)
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    os.close(lock)
                    return False
                self._lock = lock
                return True
        except StorageError as error:
            if str(error) != self._complaint:  # once, not every second
                self._complaint = str(error)
                log.error("not ready: %s", error)
            return False

    # -- making ---------------------------------------------------------------------------------------------------------------------

    def ensure(self, order: Order) -> str:
        """Have the directory of an order, with owner, mode 0700, limit and mark.

        :return: ``made``, ``there`` (an earlier try made it) or ``reused`` (a directory that was kept from an earlier claim).
        :raises RefusedError: what is there belongs to somebody else.
        """
        with self._root() as root, self._parent(root, order.path, make=True) as parent:
            there = self._leaf(parent, order.path)
            if there is not None:
                with _closing(there):
                    return self._take(there, order)
            with self._private(root, _NEW) as new:
                with suppress(FileExistsError):
                    os.mkdir(order.volume, 0o700, dir_fd=new)
                with _closing(os.open(order.volume, _DIRECTORY, dir_fd=new)) as directory:
                    self._dress(directory, order)
                os.rename(order.volume, order.path[-1], src_dir_fd=new, dst_dir_fd=parent)
                os.fsync(parent)
            return "made"

    @staticmethod
    def _leaf(parent: int, path: Path) -> int | None:
        """Descriptor of the last directory of a path, None if nothing has that name."""
        try:
            return os.open(path[-1], _DIRECTORY, dir_fd=parent)
        except FileNotFoundError:
            return None
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.ENOTDIR):
                raise RefusedError("PathRefused", f"{'/'.join(path)!r} exists and is not a directory") from error
            raise

    def _dress(self, directory: int, order: Order) -> None:
        self._quota.limit_of(directory, order.size, order.inodes)
        os.fchmod(directory, 0o700)
        os.fchown(directory, order.uid, order.gid)
        self._write_mark(directory, order)
        os.fsync(directory)

    def _take(self, directory: int, order: Order) -> str:
        """Use a directory that stands in the place already, if it may be used."""
        mark, owner = self._read_mark(directory), os.fstat(directory).st_uid
        where = "/".join(order.path)
        if mark is not None and mark.get("volume") == order.volume:
            self._dress(directory, order)
            return "there"
        if owner != order.uid:
            raise RefusedError("PathRefused", f"{where!r} exists and belongs to user {owner}, not {order.uid}; nobody is given another's files")
        if mark is not None and mark.get("namespace") != order.namespace:
            raise RefusedError("PathRefused", f"{where!r} was kept from a claim of the namespace {mark.get('namespace')}, not {order.namespace}")
        self._dress(directory, order)
        return "reused"

    # -- growing --------------------------------------------------------------------------------------------------------------------

    @contextmanager
    def _mine(self, path: Path, volume: str) -> Iterator[_Found | None]:
        """The directory at `path` if it is that volume's; None if it is not there or another's."""
        with ExitStack() as held:
            root = held.enter_context(self._root())
            try:
                parent = held.enter_context(self._parent(root, path, make=False))
                directory = self._leaf(parent, path)
            except (FileNotFoundError, RefusedError):
                directory = None
            if directory is None:
                yield None
                return
            held.enter_context(_closing(directory))
            mark = self._read_mark(directory)
            yield _Found(root, parent, directory) if mark is not None and mark.get("volume") == volume else None

    def resize(self, path: Path, volume: str, size: int, inodes: int) -> None:
        """Set the limits of a volume.

        :raises StorageError: its directory is not there.
        """
        with self._mine(path, volume) as found:
            if found is None:
                raise StorageError(f"the directory {'/'.join(path)!r} of volume {volume} is not there")
            self._quota.limit_of(found.directory, size, inodes)

    def usage(self, volumes: Iterable[tuple[str, Path]]) -> tuple[dict[str, Usage], list[Usage]]:
        """Usage of the given volumes (name, path) by name, and of all archives; volumes whose directory is not there are left out."""
        report = self._quota.report()
        by_volume, archives = {}, []
        for volume, path in volumes:
            with self._mine(path, volume) as found:
                if found is None:
                    continue
                project = self._quota.project_of(found.directory)
            # Project 0 is everything without a limit of its own; its numbers are nobody's.
            by_volume[volume] = report.get(project, _NOTHING) if project else _NOTHING
        with self._root() as root:
            for name in _archives(root):
                with _closing(os.open(name, _DIRECTORY, dir_fd=root)) as directory:
                    project = self._quota.project_of(directory)
                archives.append(report.get(project, _NOTHING) if project else _NOTHING)
        return by_volume, archives

    def forget_removed(self) -> list[int]:
        """Free the limits of trees that are gone, such as archives that somebody removed; returns their projects."""
        # A tree that is there counts at least its own top.
        removed = [project for project, usage in self._quota.report().items() if not usage.inodes and (usage.limit or usage.inode_limit)]
        for project in removed:
            self._quota.forget(project)
        return removed

    # -- putting away ---------------------------------------------------------------------------------------------------------------

    def archive(self, path: Path, volume: str, claim_uid: str) -> str | None:
        """Move a volume's directory to its archive; its limit stays, so an archive cannot grow.

        :return: the archive's name below the export; None when there is neither directory nor archive.
        """
        with self._mine(path, volume) as found:
            if found is not None:
                name = pattern.archive_name(path, claim_uid, self._clock())
                os.rename(path[-1], name, src_dir_fd=found.parent, dst_dir_fd=found.root)
                os.fsync(found.parent)
                os.fsync(found.root)
                return name
        with self._root() as root:
            return next((name for name in _archives(root) if f"-{claim_uid}-" in name), None)

    def trash(self, path: Path, volume: str) -> bool:
        """Move a volume's directory where `empty_trash` takes it from; False when there is none."""
        with self._mine(path, volume) as found:
            if found is None:
                return False
            with self._private(found.root, _TRASH) as trash:
                os.rename(path[-1], volume, src_dir_fd=found.parent, dst_dir_fd=trash)
                os.fsync(found.parent)
                os.fsync(trash)
            return True

    def empty_trash(self) -> list[str]:
        """Remove what `trash` moved away, with its limits. May take long.

        :return: names of the volumes that are gone.
        """
        gone = []
        with self._root() as root, self._private(root, _TRASH) as trash:
            for name in sorted(os.listdir(trash)):
                with _closing(os.open(name, _DIRECTORY, dir_fd=trash)) as directory:
                    project = self._quota.project_of(directory)
                # rm, not shutil.rmtree: it follows no link either, and takes trees of any depth
                done = subprocess.run(
                    ["rm", "-rf", "--one-file-system", "--", f"./{name}"],
                    cwd=os.path.join(self._base, _PRIVATE, _TRASH),
                    capture_output=True,
                    text=True,
                    timeout=_REMOVE_SECONDS,
                    check=False,
                )
                if done.returncode:
                    raise StorageError(f"the directory of volume {name} could not be removed: {done.stderr.strip()[:300]}")
                self._quota.forget(project)
                gone.append(name)
        return gone


def _archives(root: int) -> list[str]:
    with os.scandir(root) as entries:
        return sorted(entry.name for entry in entries if entry.name.startswith(pattern.RESERVED_PREFIX) and entry.is_dir(follow_symlinks=False))


@contextmanager
def _closing(descriptor: int) -> Iterator[int]:
    try:
        yield descriptor
    finally:
        os.close(descriptor)
