"""On the storage machine, as root: the provisioner's work on a spare XFS that gets full in the middle; ends with an AssertionError if it goes wrong.

full_disk.py MOUNT
"""

from __future__ import annotations

import errno
import os
import sys
from dataclasses import replace

sys.path.insert(0, "/usr/local/lib/hub-provisioner")

from hub_provisioner import plan
from hub_provisioner.archives import Archives, utc
from hub_provisioner.errors import StorageError
from hub_provisioner.limits import Limits
from hub_provisioner.plan import Order
from hub_provisioner.quota import XfsQuota
from hub_provisioner.volumes import Volumes

BASE = sys.argv[1]
MIB = 2**20
LIMITS = Limits(64 * MIB, 1000, 32 * MIB, 500)
ALICE = Order("pvc-a", "spare", "alice", "uid-a", ("spare", "alice"), 20001, 100, LIMITS)
BOB = Order("pvc-b", "spare", "bob", "uid-b", ("spare", "bob"), 20002, 100, LIMITS)
SHARED = Order("pvc-s", "spare", "course", "uid-s", ("shared", "course"), 0, 5000, LIMITS, mode=0o2775, shared=True)


def fill(path: str, size: int) -> int:
    """Take up to `size` bytes of the disk; returns how many there were."""
    taken, step = 0, size
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        while step >= 4096:
            try:
                os.posix_fallocate(descriptor, taken, min(step, size - taken))
                taken += min(step, size - taken)
                if taken == size:
                    break
            except OSError as error:
                if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                    raise
                step //= 2
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return taken


def tried(work: object) -> str:
    """ "ok", or the error that the provisioner would tell and try again after."""
    try:
        work()  # type: ignore[operator]
    except StorageError as error:
        if "No space left" not in str(error):
            raise
        return str(error)
    return "ok"


def main() -> None:
    volumes = Volumes(BASE, XfsQuota(BASE))
    archives = Archives(volumes)
    assert volumes.ready()
    assert volumes.ensure(ALICE) == "made"
    home = f"{BASE}/spare/alice"
    usage = volumes.usage([("pvc-a", ALICE.path, False)])["pvc-a"]
    assert usage.limits == LIMITS.blocks, usage
    assert os.statvfs(home).f_blocks * os.statvfs(home).f_frsize == LIMITS.soft_size, "df shows the soft limit"
    assert os.statvfs(home).f_files == LIMITS.soft_inodes, "df -i shows the soft limit"
    assert fill(f"{home}/data", 48 * MIB) == 48 * MIB, "what is above the soft limit is allowed for the grace time"
    assert plan.fullness(volumes.usage([("pvc-a", ALICE.path, False)])["pvc-a"], plan.Settings("p", "s", "/e")), "and told"
    assert fill(f"{home}/more", 48 * MIB) < 17 * MIB, "the hard limit holds"
    os.unlink(f"{home}/more")
    volumes.resize(ALICE.path, "pvc-a", Limits(128 * MIB, 1000))
    assert volumes.usage([("pvc-a", ALICE.path, False)])["pvc-a"].limits == Limits(128 * MIB, 1000)
    assert volumes.ensure(SHARED) == "made"
    assert fill(f"{BASE}/shared/course/data", 100 * MIB) <= 64 * MIB, "a shared folder has its limit"

    fill(f"{BASE}/filler", 2**40)
    assert os.statvfs(BASE).f_bavail * os.statvfs(BASE).f_frsize < 8 * MIB, "the disk is full"
    seen = {"make": tried(lambda: volumes.ensure(BOB))}
    name = volumes.archive(ALICE.path, "pvc-a", "uid-a")
    assert name, "a full disk archives"
    seen["checksum"] = tried(lambda: archives.checksum(name, lambda _seconds: None))
    seen["report"] = tried(lambda: volumes.write_report("{}" * MIB))
    os.unlink(f"{BASE}/filler")

    assert volumes.ensure(BOB) in ("made", "there")
    archives.checksum(name, lambda _seconds: None)
    assert archives.verify(name, lambda _seconds: None) == []
    back = replace(ALICE, volume="pvc-r", claim_uid="uid-r", restore="latest")
    chosen = plan.choose_archive(replace(back, limits=Limits(128 * MIB, 1000)), volumes.archives())
    refused = ""
    try:
        plan.choose_archive(replace(back, limits=Limits(16 * MIB, 1000)), volumes.archives())
    except plan.RefusedError as error:
        refused = error.message
    assert "ask for more" in refused, "an archive of 48 MiB does not fit into 16 MiB"
    assert volumes.ensure(replace(back, restore=chosen.name)) == "restored"
    assert volumes.usage([("pvc-r", back.path, False)])["pvc-r"].limits == LIMITS.blocks
    assert archives.forget_gone() == [name]

    name = volumes.archive(ALICE.path, "pvc-r", "uid-r")
    assert name
    summary = archives.checksum(name, lambda _seconds: None)
    folders = volumes.folders()
    assert not volumes.stray_projects([*(folder.project for folder in folders), *(archive.project for archive in volumes.archives())])
    assert archives.delete(volumes.archives()[0], summary, utc())["bytes"] == 48 * MIB
    assert volumes.empty_trash() == [name]
    assert volumes.archives() == []
    assert os.path.getsize(f"{BASE}/.hub/deleted-archives.jsonl") > 100
    print(seen)


main()
