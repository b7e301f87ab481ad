"""Limits per directory tree: XFS project quotas, or none.

Directories are tagged through their open file descriptor, so no path that a user could change is walked; limits and usage go through
`xfs_quota`, which knows projects by number only.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import stat
import struct
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from .errors import StorageError
from .limits import Limits, Usage

_FS_IOC_FSGETXATTR = 0x801C581F
_FS_IOC_FSSETXATTR = 0x401C5820
_FSXATTR = struct.Struct("=IIIII8s")  # flags, extent size hint, extents, project, copy-on-write extent size hint, padding
_INHERIT = 0x200  # FS_XFLAG_PROJINHERIT
FIRST_PROJECT = 1000
_COMMAND_SECONDS = 60
_HALF = r"(\d+)\s+(\d+)\s+(\d+)\s+\d+\s+\[[^\]]*\]"
_REPORT_LINE = re.compile(rf"#(\d+)\s+{_HALF}\s+{_HALF}")


class Quota(Protocol):
    """What `Volumes` needs of a quota system."""

    enforced: bool

    def check(self) -> None:
        """Raise StorageError unless limits can be set and are enforced."""

    def project_of(self, directory: int) -> int:
        """Project of an open directory; 0 for none."""

    def limit_of(self, directory: int, limits: Limits) -> None:
        """Limit the tree of an open directory, which gets a project of its own if it has none."""

    def forget(self, project: int) -> None:
        """Take the limits of a project away: its tree is gone."""

    def report(self) -> dict[int, Usage]:
        """Usage by project."""


class NoQuota:
    """For exports that cannot limit: sizes are only told, not enforced."""

    enforced = False

    def check(self) -> None:
        return

    def project_of(self, directory: int) -> int:
        return 0

    def limit_of(self, directory: int, limits: Limits) -> None:
        return

    def forget(self, project: int) -> None:
        return

    def report(self) -> dict[int, Usage]:
        return {}


def parse_report(text: str) -> dict[int, Usage]:
    """Read ``xfs_quota report -p -n -N -b -i``: per line a project, then used, soft, hard, warnings, grace for KiB and for inodes.

    :raises StorageError: a line is of another form.
    """
    found = {}
    for line in filter(str.strip, text.splitlines()):
        match = _REPORT_LINE.fullmatch(line.strip())
        if not match:
            raise StorageError(f"xfs_quota reported a line that is not understood: {line!r}")
        project, used, soft, hard, inodes, inode_soft, inode_hard = map(int, match.groups())
        found[project] = Usage(used * 1024, hard * 1024, inodes, inode_hard, soft * 1024, inode_soft)
    return found


def limit_command(project: int, limits: Limits) -> str:
    """The xfs_quota command that sets a project's limits. A soft limit is asked for by the class: XFS shows it as the size of the volume (`df`)."""
    kept = limits.blocks  # xfs_quota counts in blocks of 512 bytes and rounds down
    return f"limit -p bsoft={kept.soft_size} bhard={kept.size} isoft={kept.soft_inodes} ihard={kept.inodes} {project}"


def next_project(taken: Iterable[int]) -> int:
    """A project number nobody has: one above all that are known, so that a number is not soon used again."""
    return max([FIRST_PROJECT, *taken]) + 1


def _attributes(descriptor: int) -> list[int]:
    try:
        return list(_FSXATTR.unpack(fcntl.ioctl(descriptor, _FS_IOC_FSGETXATTR, bytes(_FSXATTR.size))))
    except OSError as error:
        raise StorageError(f"the file system does not know projects: {error.strerror}") from error


def _tag_one(descriptor: int, project: int) -> None:
    attributes = _attributes(descriptor)
    flags = attributes[0] | _INHERIT if stat.S_ISDIR(os.fstat(descriptor).st_mode) else attributes[0]
    if (attributes[0], attributes[3]) != (flags, project):
        attributes[0], attributes[3] = flags, project
        fcntl.ioctl(descriptor, _FS_IOC_FSSETXATTR, _FSXATTR.pack(*attributes))


def _inside(directory: int) -> Iterator[int]:
    """Descriptors of the directories and files in an open directory; links, devices, pipes and sockets hold no data and are left out."""
    with os.scandir(directory) as entries:
        names = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False) or entry.is_file(follow_symlinks=False)]
    for name in names:
        with suppress(FileNotFoundError, NotADirectoryError):  # the owner may be at work in it
            try:
                descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=directory)
            except OSError as error:
                if error.errno == errno.ELOOP:  # it became a link
                    continue
                raise
            try:
                yield descriptor
            finally:
                os.close(descriptor)


def tag_tree(directory: int, project: int) -> None:
    """Give a project to a directory and all that is in it. The top comes last: a tree with a tagged top is done."""
    for descriptor in _inside(directory):
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(mode):
            tag_tree(descriptor, project)
        elif stat.S_ISREG(mode):
            _tag_one(descriptor, project)
    _tag_one(directory, project)


class XfsQuota:
    """Project quotas of the XFS mounted at `mount`."""

    enforced = True

    def __init__(self, mount: str) -> None:
        self._mount = mount

    def _run(self, command: str) -> str:
        argv = ["xfs_quota", "-x", "-c", command, self._mount]
        try:
            done = subprocess.run(argv, capture_output=True, text=True, timeout=_COMMAND_SECONDS, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise StorageError(f"xfs_quota '{command}' on {self._mount}: {error}") from error
        # xfs_quota ends with 0 after some failures; it is silent on standard error when all is well
        if done.returncode or done.stderr.strip():
            raise StorageError(f"xfs_quota '{command}' on {self._mount}: {done.stderr.strip() or f'ended with {done.returncode}'}")
        return done.stdout

    def check(self) -> None:
        options = mount_options(self._mount)
        if options is None or "prjquota" not in options:
            raise StorageError(f"{self._mount} is not a mounted XFS with the option prjquota; see `findmnt {self._mount}`")

    def project_of(self, directory: int) -> int:
        return _attributes(directory)[3]

    def limit_of(self, directory: int, limits: Limits) -> None:
        project = self.project_of(directory)
        if not project:
            project = next_project(self.report())
            tag_tree(directory, project)
        self._run(limit_command(project, limits))

    def forget(self, project: int) -> None:
        if project > FIRST_PROJECT:
            self._run(limit_command(project, Limits(0, 0)))

    def report(self) -> dict[int, Usage]:
        return parse_report(self._run("report -p -n -N -b -i"))


def mount_options(mount: str, table: str = "/proc/self/mountinfo") -> set[str] | None:
    """Options of the XFS mounted exactly at `mount`, or None."""
    found = None
    for line in Path(table).read_text().splitlines():
        left, _dash, right = line.partition(" - ")
        fields, kind = left.split(), right.split()
        point = fields[4].encode().decode("unicode_escape")
        if point == mount.rstrip("/") and kind[0] == "xfs":
            found = set(fields[5].split(",")) | set(kind[2].split(","))  # the last one mounted there counts
    return found
