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
import struct
import subprocess
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime, timezone
from typing import NamedTuple

from . import pattern
from .errors import RefusedError, StorageError
from .limits import Limits, Usage
from .plan import Archive, Order
from .quota import Quota

log = logging.getLogger(__name__)

MARK = "trusted.hub.volume"
_DEFAULT_ACL = "system.posix_acl_default"
PRIVATE = ".hub"
_NEW = "new"
TRASH = "trash"
DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_REMOVE_SECONDS = 6 * 3600
_NOTHING = Usage(0, 0, 0, 0)
_DEPTH = 8
Path = tuple[str, ...]


def _utc() -> str:
    return datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%SZ")


class _Found(NamedTuple):
    """Descriptors of the export, of the directory that holds a volume's, and of the volume's."""

    root: int
    parent: int
    directory: int


class Folder(NamedTuple):
    """A directory below the export that is not on the way to others."""

    path: Path
    mark: dict[str, str]  # empty: not ours
    uid: int
    project: int


def default_acl(mode: int) -> bytes:
    """The default ACL that gives new files of a shared folder the group's rights whatever the umask of their makers; Linux' binary form."""
    entries = [(0x01, 7), (0x04, mode >> 3 & 7), (0x20, mode & 7)]  # owner, group, others
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", tag, rights, 0xFFFFFFFF) for tag, rights in entries)


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
    def root(self) -> Iterator[int]:
        """The export's descriptor."""
        try:
            root = os.open(self._base, DIRECTORY)
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
    def private(self, root: int, *names: str) -> Iterator[int]:
        """A folder that only this program can enter."""
        held = os.dup(root)
        try:
            for name in (PRIVATE, *names):
                with suppress(FileExistsError):
                    os.mkdir(name, 0o700, dir_fd=held)
                inner = os.open(name, DIRECTORY, dir_fd=held)
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
                    inner = os.open(name, DIRECTORY, dir_fd=held)
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
        if order.shared:
            mark = {"shared": "/".join(order.path), "gid": str(order.gid)}
        else:
            mark = {"volume": order.volume, "namespace": order.namespace, "claim": order.claim, "claim_uid": order.claim_uid}
        os.setxattr(directory, MARK, json.dumps(mark, sort_keys=True).encode())

    # -- readiness ------------------------------------------------------------------------------------------------------------------

    def ready(self) -> bool:
        """Whether this process may work here: the export is there with its quotas, and no other process on it has the lock.

        The lock is the kernel's, so it ends with the process, however that ends.
        """
        try:
            self._quota.check()
            with self.root() as root:
                self._complaint = ""
                if self._lock is not None:
                    if os.fstat(self._lock).st_dev == os.fstat(root).st_dev:
                        return True
                    os.close(self._lock)  # another file system is mounted now
                    self._lock = None
                with self.private(root) as private:
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
        """Have the directory of an order, with owner, mode, limit and mark.

        :return: ``made``, ``there`` (an earlier try made it; a shared folder that is there), ``reused`` (a directory that was kept from an
            earlier claim) or ``restored`` (from the archive that the order names).
        :raises RefusedError: what is there belongs to somebody else.
        """
        with self.root() as root, self._parent(root, order.path, make=True) as parent:
            there = self._leaf(parent, order.path)
            if there is not None:
                with closing(there):
                    return self._take(there, order)
            if order.restore:
                with closing(os.open(order.restore, DIRECTORY, dir_fd=root)) as directory:
                    self._dress(directory, order)
                os.rename(order.restore, order.path[-1], src_dir_fd=root, dst_dir_fd=parent)
                os.fsync(parent)
                os.fsync(root)
                return "restored"
            with self.private(root, _NEW) as new:
                with suppress(FileExistsError):
                    os.mkdir(order.volume, 0o700, dir_fd=new)
                with closing(os.open(order.volume, DIRECTORY, dir_fd=new)) as directory:
                    self._dress(directory, order)
                os.rename(order.volume, order.path[-1], src_dir_fd=new, dst_dir_fd=parent)
                os.fsync(parent)
            return "made"

    @staticmethod
    def _leaf(parent: int, path: Path) -> int | None:
        """Descriptor of the last directory of a path, None if nothing has that name."""
        try:
            return os.open(path[-1], DIRECTORY, dir_fd=parent)
        except FileNotFoundError:
            return None
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.ENOTDIR):
                raise RefusedError("PathRefused", f"{'/'.join(path)!r} exists and is not a directory") from error
            raise

    def _dress(self, directory: int, order: Order) -> None:
        self._quota.limit_of(directory, order.limits)
        os.fchown(directory, order.uid, order.gid)
        os.fchmod(directory, order.mode)  # after the owner: that may take the set-group-id bit away
        if order.shared:
            try:
                os.setxattr(directory, _DEFAULT_ACL, default_acl(order.mode))
            except OSError as error:
                if error.errno != errno.ENOTSUP:
                    raise
                log.warning("%s keeps no ACLs: members of the group %d need the umask 002", self._base, order.gid)
        self._write_mark(directory, order)
        os.fsync(directory)

    def _take(self, directory: int, order: Order) -> str:
        """Use a directory that stands in the place already, if it may be used."""
        mark, owner = self._read_mark(directory), os.fstat(directory).st_uid
        where = "/".join(order.path)
        if order.shared:
            return self._take_shared(directory, order, mark)
        if mark is not None and mark.get("volume") == order.volume:
            self._dress(directory, order)
            return "there"
        if order.restore:
            raise RefusedError("RestoreRefused", f"{where!r} exists, so that the archive {order.restore} has no place; remove it, or choose another name")
        if mark is not None and "shared" in mark:
            raise RefusedError("PathRefused", f"{where!r} is a shared folder, and no volume is made of it")
        if owner != order.uid:
            raise RefusedError("PathRefused", f"{where!r} exists and belongs to user {owner}, not {order.uid}; nobody is given another's files")
        if mark is not None and mark.get("namespace") != order.namespace:
            raise RefusedError("PathRefused", f"{where!r} was kept from a claim of the namespace {mark.get('namespace')}, not {order.namespace}")
        self._dress(directory, order)
        return "reused"

    def _take_shared(self, directory: int, order: Order, mark: dict[str, str] | None) -> str:
        where = "/".join(order.path)
        if mark is None and not os.listdir(directory):  # made by hand, for this
            self._dress(directory, order)
            return "reused"
        if mark is None or "shared" not in mark:
            raise RefusedError(
                "PathRefused", f"{where!r} exists and is no shared folder: a volume or somebody's files; move it away, have the folder made, move files in"
            )
        if mark.get("gid") != str(order.gid):
            raise RefusedError("PathRefused", f"{where!r} is the shared folder of group {mark.get('gid')}, and the class says {order.gid}; correct the class")
        self._dress(directory, order)
        return "there"

    # -- growing --------------------------------------------------------------------------------------------------------------------

    @contextmanager
    def _mine(self, path: Path, volume: str | None) -> Iterator[_Found | None]:
        """The directory at `path` if it is that volume's, or with None a shared folder; None if it is not there or another's."""
        with ExitStack() as held:
            root = held.enter_context(self.root())
            try:
                parent = held.enter_context(self._parent(root, path, make=False))
                directory = self._leaf(parent, path)
            except (FileNotFoundError, RefusedError):
                directory = None
            if directory is None:
                yield None
                return
            held.enter_context(closing(directory))
            mark = self._read_mark(directory) or {}
            yield _Found(root, parent, directory) if (mark.get("volume") == volume if volume else "shared" in mark) else None

    def has(self, path: Path, volume: str) -> bool:
        """Whether that volume's directory stands at `path`."""
        with self._mine(path, volume) as found:
            return found is not None

    def resize(self, path: Path, volume: str | None, limits: Limits) -> None:
        """Set the limits of a volume, or with None of the shared folder at `path`.

        :raises StorageError: its directory is not there.
        """
        with self._mine(path, volume) as found:
            if found is None:
                raise StorageError(f"the directory {'/'.join(path)!r} of {f'volume {volume}' if volume else 'a shared folder'} is not there")
            self._quota.limit_of(found.directory, limits)

    def usage(self, places: Iterable[tuple[str, Path, bool]]) -> dict[str, Usage]:
        """Usage of the given volumes (name, path, whether it is a shared folder) by name; those whose directory is not there are left out."""
        report, found_usage = self._quota.report(), {}
        for volume, path, shared in places:
            with self._mine(path, None if shared else volume) as found:
                if found is None:
                    continue
                project = self._quota.project_of(found.directory)
            # Project 0 is everything without a limit of its own; its numbers are nobody's.
            found_usage[volume] = report.get(project, _NOTHING) if project else _NOTHING
        return found_usage

    def archives(self) -> list[Archive]:
        """All that was put away."""
        report, found = self._quota.report(), []
        with self.root() as root:
            for name in _archives(root):
                try:
                    directory = os.open(name, DIRECTORY, dir_fd=root)
                except FileNotFoundError:  # somebody removed it just now
                    continue
                with closing(directory):
                    mark, project, owner = self._read_mark(directory) or {}, self._quota.project_of(directory), os.fstat(directory).st_uid
                usage = report.get(project, _NOTHING) if project else _NOTHING
                found.append(Archive(name, mark.get("namespace", ""), mark.get("claim", ""), owner, usage, project))
        return found

    def folders(self) -> list[Folder]:
        """Every directory that is a volume's, a shared folder, or not of this program. Archives and the private folder are left out."""
        found: list[Folder] = []

        def look(directory: int, path: Path) -> None:
            with os.scandir(directory) as entries:
                names = sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
            for name in names:
                if not path and (name == PRIVATE or name.startswith(pattern.RESERVED_PREFIX)):
                    continue
                try:
                    inner = os.open(name, DIRECTORY, dir_fd=directory)
                except OSError:  # it became something else just now
                    continue
                with closing(inner):
                    mark, status, here = self._read_mark(inner), os.fstat(inner), (*path, name)
                    way = mark is None and (status.st_uid, stat.S_IMODE(status.st_mode)) == (0, 0o711) and len(here) < _DEPTH
                    if way:
                        look(inner, here)
                    else:
                        found.append(Folder(here, mark or {}, status.st_uid, self._quota.project_of(inner)))

        with self.root() as root:
            look(root, ())
        return found

    def stray_projects(self, known: Iterable[int]) -> dict[int, Usage]:
        """Limits of trees that are none of the `known` projects, nor being made or removed."""
        expected = {0, *known}
        with self.root() as root:
            for place in (_NEW, TRASH):
                with self.private(root, place) as folder:
                    for name in os.listdir(folder):
                        with suppress(FileNotFoundError), closing(os.open(name, DIRECTORY, dir_fd=folder)) as directory:
                            expected.add(self._quota.project_of(directory))
        return {project: usage for project, usage in self._quota.report().items() if project not in expected and (usage.limit or usage.inode_limit)}

    def write_report(self, text: str) -> None:
        """Replace ``.hub/report.json``."""
        with self.root() as root, self.private(root) as private:
            descriptor = os.open("report.json.new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=private)
            with os.fdopen(descriptor, "w") as stream:
                stream.write(text)
            os.rename("report.json.new", "report.json", src_dir_fd=private, dst_dir_fd=private)

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
        with self.root() as root:
            return next((name for name in _archives(root) if f"-{claim_uid}-" in name), None)

    def trash(self, path: Path, volume: str) -> bool:
        """Move a volume's directory where `empty_trash` takes it from; False when there is none."""
        with self._mine(path, volume) as found:
            if found is None:
                return False
            with self.private(found.root, TRASH) as trash:
                os.rename(path[-1], volume, src_dir_fd=found.parent, dst_dir_fd=trash)
                os.fsync(found.parent)
                os.fsync(trash)
            return True

    def empty_trash(self) -> list[str]:
        """Remove what `trash` moved away, with its limits. May take long.

        :return: names of the volumes that are gone.
        """
        gone = []
        with self.root() as root, self.private(root, TRASH) as trash:
            for name in sorted(os.listdir(trash)):
                with closing(os.open(name, DIRECTORY, dir_fd=trash)) as directory:
                    project = self._quota.project_of(directory)
                # rm, not shutil.rmtree: it follows no link either, and takes trees of any depth
                done = subprocess.run(
                    ["rm", "-rf", "--one-file-system", "--", f"./{name}"],
                    cwd=os.path.join(self._base, PRIVATE, TRASH),
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
def closing(descriptor: int) -> Iterator[int]:
    try:
        yield descriptor
    finally:
        os.close(descriptor)
