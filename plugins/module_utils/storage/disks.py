# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Read what is on a disk of this machine."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from typing import Any

from ansible_collections.airavata.jupyterhub.plugins.module_utils.storage.xfs import Disk, Mount, XfsError, parse_blkid, parse_mounts, read_superblock

Run = Callable[..., tuple[int, str, str]]
_SAMPLE_BYTES = 4 * 2**20  # more than every partition table, RAID superblock and file system header


def read_text(path: str) -> str:
    """Text of a file; empty if there is none."""
    try:
        with open(path, encoding="utf-8") as stream:
            return stream.read()
    except FileNotFoundError:
        return ""


def read_mounts() -> list[Mount]:
    """All mounts that this process sees."""
    return parse_mounts(read_text("/proc/self/mountinfo"))


def _zeroed(descriptor: int, size: int) -> bool:
    """Whether the start, the middle and the end of a device hold nothing but zeros."""
    for start in (0, size // 2, max(0, size - _SAMPLE_BYTES)):
        offset, end = start, min(size, start + _SAMPLE_BYTES)
        while offset < end:
            part = os.pread(descriptor, min(2**20, end - offset), offset)
            if not part:
                break
            if part.count(0) != len(part):
                return False
            offset += len(part)
    return True


def _listed(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except FileNotFoundError:
        return []


def probe(run: Run, path: str) -> Disk:
    """Read a disk.

    ``run`` runs a program like AnsibleModule.run_command. Raises XfsError when ``path`` is not a disk.
    """
    try:
        status = os.stat(path)
    except FileNotFoundError as error:
        raise XfsError(f"the disk {path} does not exist on this machine; see lsblk for those that do.") from error
    if not stat.S_ISBLK(status.st_mode):
        raise XfsError(f"{path} is not a disk.")
    number = f"{os.major(status.st_rdev)}:{os.minor(status.st_rdev)}"
    folder = f"/sys/dev/block/{number}"
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        size = os.lseek(descriptor, 0, os.SEEK_END)
        superblock = read_superblock(os.pread(descriptor, 4096, 0))
        zeroed = superblock is None and _zeroed(descriptor, size)
    finally:
        os.close(descriptor)
    signature = ""
    if superblock is None:
        rc, out, err = run(["blkid", "-p", "-o", "export", path])
        if rc not in (0, 2):  # 2: nothing found; 8: several things found
            raise XfsError(f"blkid -p {path} cannot say what is on the disk: {err.strip() or f'exit status {rc}'}; it was left as it is.")
        signature = parse_blkid(out)
    return Disk(
        path=path,
        number=number,
        size_bytes=size,
        superblock=superblock,
        signature=signature,
        partitions=tuple(name for name in _listed(folder) if os.path.exists(f"{folder}/{name}/partition")),
        holders=tuple(_listed(f"{folder}/holders")),
        zeroed=zeroed,
    )


def volume_facts(run: Run, device: str | None, path: str) -> dict[str, Any]:
    """The volume as the modules return it; empty if there is none."""
    if not device or not os.path.exists(device):
        return {}
    disk = probe(run, device)
    if disk.superblock is None:
        return {}
    mounted = any(mount.path == path and mount.device == disk.number for mount in read_mounts())
    if not disk.superblock.finished:
        return {}
    return {"device": device, "uuid": disk.superblock.uuid, "size_bytes": disk.superblock.size_bytes, "mounted": mounted}
