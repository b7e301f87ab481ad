# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What to do with a disk that is to carry an XFS volume: decided from what was read, without touching anything."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

_SUPERBLOCK = struct.Struct(">4sIQQQ16s78sB")  # magic, block size, data blocks, real-time blocks, real-time extents, uuid, ..., in progress


class XfsError(Exception):
    """The disk cannot be used as it is; one sentence that says why and what to do."""


@dataclass(frozen=True)
class Superblock:
    """What the start of an XFS says: its uuid, its size in bytes, and whether mkfs.xfs came to its end."""

    uuid: str
    size_bytes: int
    finished: bool = True


@dataclass(frozen=True)
class Mount:
    """One line of ``/proc/self/mountinfo``; options of the mount and of the file system together."""

    device: str  # major:minor
    path: str
    type: str
    options: frozenset[str]


@dataclass(frozen=True)
class Disk:
    """What was read of a disk."""

    path: str
    number: str  # major:minor
    size_bytes: int
    superblock: Superblock | None = None
    signature: str = ""  # what blkid found, in words; empty for nothing
    partitions: tuple[str, ...] = ()
    holders: tuple[str, ...] = ()
    zeroed: bool = False  # whether the sampled parts hold nothing but zeros


@dataclass(frozen=True)
class Plan:
    """Steps, in order, among ``format``, ``format_again``, ``fstab``, ``mount``, ``mode``, ``grow``, ``unmount``."""

    steps: tuple[str, ...]
    fstab: str = field(repr=False, default="")


def read_superblock(start: bytes) -> Superblock | None:
    """Read the first bytes of a device; None if there is no XFS."""
    if len(start) < _SUPERBLOCK.size or start[:4] != b"XFSB":
        return None
    _magic, block, blocks, _realtime, _extents, uuid, _more, in_progress = _SUPERBLOCK.unpack_from(start)
    text = uuid.hex()
    return Superblock("-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:])), block * blocks, not in_progress)


def parse_blkid(text: str) -> str:
    """The words for what ``blkid -p -o export`` found; empty for nothing."""
    found = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    if "TYPE" in found:
        return found["TYPE"] + (f" labelled {found['LABEL']!r}" if found.get("LABEL") else "")
    if "PTTYPE" in found:
        return f"a partition table ({found['PTTYPE']})"
    return ", ".join(f"{key}={value}" for key, value in sorted(found.items()) if key != "DEVNAME")


def parse_mounts(text: str) -> list[Mount]:
    """Read ``/proc/self/mountinfo``."""
    found = []
    for line in text.splitlines():
        left, separator, right = line.partition(" - ")
        fields, kind = left.split(), right.split()
        if separator and len(fields) >= 6 and len(kind) >= 3:
            path = fields[4].encode().decode("unicode_escape")
            found.append(Mount(fields[2], path, kind[0], frozenset(fields[5].split(",")) | frozenset(kind[2].split(","))))
    return found


def edit_fstab(text: str, path: str, line: str) -> str:
    """``/etc/fstab`` with exactly ``line`` for the mount point ``path``, in the place of an older one; an empty line takes it away."""
    lines, placed = [], not line
    for old in text.splitlines():
        words = old.split()
        if words and not words[0].startswith("#") and len(words) > 1 and words[1] == path:
            if not placed:
                lines.append(line)
                placed = True
            continue
        lines.append(old)
    if not placed:
        lines.append(line)
    return "".join(f"{entry}\n" for entry in lines)


def fstab_line(uuid: str, path: str, options: list[str]) -> str:
    """The line that mounts the volume at boot, by its uuid; the machine also boots without the disk, so that it can be looked at."""
    return f"UUID={uuid} {path} xfs {','.join([*options, 'nofail'])} 0 0"


def _check_blank(disk: Disk) -> None:
    use = (
        f"it has the partitions {' '.join(disk.partitions)}"
        if disk.partitions
        else f"it is in use by {' '.join(disk.holders)}"
        if disk.holders
        else f"it holds {disk.signature}"
        if disk.signature
        else ""
        if disk.zeroed
        else "it holds data of an unknown kind"
    )
    if use:
        raise XfsError(
            f"{disk.path} is not blank: {use}. It was left as it is. "
            f"Name another disk, or, if nothing on it is needed, empty it yourself (blkdiscard -f {disk.path})."
        )


def plan_present(disk: Disk, path: str, options: list[str], mode: int, mounts: list[Mount], fstab: str, path_mode: int | None) -> Plan:
    """Plan to have the disk's XFS mounted at ``path``.

    ``mounts`` are all mounts of the machine, ``fstab`` is the text of the file, ``path_mode`` the mode of what is at ``path`` now.
    Raises XfsError when the disk or the mount point is used for something else, and when the mount lacks an option that only a new mount can have.
    """
    steps = []
    here = [mount for mount in mounts if mount.path == path][-1:]  # the last one covers the others
    elsewhere = [mount.path for mount in mounts if mount.device == disk.number and mount.path != path]
    if here and here[0].device != disk.number:
        raise XfsError(f"something else than {disk.path} is mounted at {path}; unmount it, or choose another mount point.")
    if elsewhere and not here:
        raise XfsError(f"{disk.path} is mounted at {elsewhere[0]}; unmount it there, or choose another disk.")
    if disk.superblock is not None and not disk.superblock.finished:
        return Plan(("format_again", "fstab", "mount", "mode"))
    if disk.superblock is None:
        _check_blank(disk)
        return Plan(("format", "fstab", "mount", "mode"))
    missing = {"prjquota"} & set(options) - (here[0].options if here else frozenset(options))
    if missing:
        raise XfsError(
            f"{path} is mounted without prjquota, which a mounted XFS cannot be given: "
            f"stop what uses it (nfs-server, the provisioner), umount {path}, and run this again."
        )
    wanted = edit_fstab(fstab, path, fstab_line(disk.superblock.uuid, path, options))
    if wanted != fstab:
        steps.append("fstab")
    if not here:
        steps.append("mount")
    if not here or path_mode != mode:
        steps.append("mode")
    # A few blocks at the end are never used; less than 1 % is not worth a step.
    if disk.size_bytes - disk.superblock.size_bytes > max(disk.size_bytes // 100, 16 * 2**20):
        steps.append("grow")
    return Plan(tuple(steps), wanted)


def plan_absent(path: str, mounts: list[Mount], fstab: str) -> Plan:
    """Plan to have nothing mounted at ``path``; the disk keeps its data."""
    wanted = edit_fstab(fstab, path, "")
    steps = [] if wanted == fstab else ["fstab"]
    if any(mount.path == path and mount.type == "xfs" for mount in mounts):
        steps.insert(0, "unmount")
    return Plan(tuple(steps), wanted)
