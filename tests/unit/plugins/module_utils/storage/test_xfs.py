"""Disks: what is formatted, and what never is."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.airavata.jupyterhub.plugins.module_utils.storage.xfs import (
    Disk,
    Mount,
    Superblock,
    XfsError,
    edit_fstab,
    fstab_line,
    parse_blkid,
    parse_mounts,
    plan_absent,
    plan_present,
    read_superblock,
)

GIB = 2**30
UUID = "90b58d15-7504-4b96-b90f-55174257e68f"
OPTIONS = ["prjquota", "noatime"]
LINE = fstab_line(UUID, "/srv/hub", OPTIONS) + "\n"
BLANK = Disk("/dev/vdb", "254:16", 100 * GIB, zeroed=True)
XFS = Disk("/dev/vdb", "254:16", 100 * GIB, superblock=Superblock(UUID, 100 * GIB))
MOUNTED = Mount("254:16", "/srv/hub", "xfs", frozenset({"rw", "noatime", "prjquota"}))


def steps(disk: Disk, mounts: list[Mount] | None = None, fstab: str = "", mode: int | None = 0o711) -> tuple[str, ...]:
    return plan_present(disk, "/srv/hub", OPTIONS, 0o711, mounts or [], fstab, mode).steps


@pytest.mark.parametrize(
    ("disk", "mounts", "fstab", "mode", "expected"),
    [
        (BLANK, [], "", None, ("format", "fstab", "mount", "mode")),
        (replace(XFS, superblock=Superblock(UUID, 100 * GIB, finished=False)), [], "", None, ("format_again", "fstab", "mount", "mode")),
        (XFS, [], "", None, ("fstab", "mount", "mode")),
        (XFS, [], LINE, 0o755, ("mount", "mode")),
        (XFS, [MOUNTED], LINE, 0o711, ()),
        (XFS, [MOUNTED], LINE, 0o755, ("mode",)),
        (XFS, [MOUNTED], "", 0o711, ("fstab",)),
        (replace(XFS, size_bytes=200 * GIB), [MOUNTED], LINE, 0o711, ("grow",)),
        (replace(XFS, size_bytes=100 * GIB + 2**20), [MOUNTED], LINE, 0o711, ()),
    ],
)
def test_steps(disk: Disk, mounts: list[Mount], fstab: str, mode: int | None, expected: tuple[str, ...]) -> None:
    assert steps(disk, mounts, fstab, mode) == expected


@pytest.mark.parametrize(
    ("disk", "words"),
    [
        (replace(BLANK, signature="ext4 labelled 'home'"), "holds ext4 labelled 'home'"),
        (replace(BLANK, signature="a partition table (gpt)"), "partition table"),
        (replace(BLANK, partitions=("vdb1", "vdb2")), "partitions vdb1 vdb2"),
        (replace(BLANK, holders=("dm-0",)), "in use by dm-0"),
        (replace(BLANK, zeroed=False), "data of an unknown kind"),
    ],
)
def test_what_is_not_blank_is_never_formatted(disk: Disk, words: str) -> None:
    with pytest.raises(XfsError, match="not blank") as caught:
        steps(disk)
    assert words in str(caught.value)
    assert "left as it is" in str(caught.value)


@pytest.mark.parametrize(
    ("mounts", "words"),
    [
        ([replace(MOUNTED, device="8:1")], "something else"),
        ([replace(MOUNTED, path="/mnt")], "mounted at /mnt"),
        ([replace(MOUNTED, options=frozenset({"rw", "noquota"}))], "without prjquota"),
        ([MOUNTED, replace(MOUNTED, device="8:1")], "something else"),
    ],
)
def test_mounts_in_the_way(mounts: list[Mount], words: str) -> None:
    with pytest.raises(XfsError, match=words):
        steps(XFS, mounts, LINE)


def test_fstab_keeps_what_is_not_ours() -> None:
    old = "# a comment\nUUID=1 / ext4 defaults 0 1\nUUID=2 /srv/hub ext4 defaults 0 0\n\nUUID=3 /srv/hub2 xfs defaults 0 0\n"
    new = edit_fstab(old, "/srv/hub", LINE.strip())
    assert new == old.replace("UUID=2 /srv/hub ext4 defaults 0 0", LINE.strip())
    assert edit_fstab(new, "/srv/hub", LINE.strip()) == new
    assert edit_fstab(new, "/srv/hub", "") == old.replace("UUID=2 /srv/hub ext4 defaults 0 0\n", "")
    assert edit_fstab("", "/srv/hub", LINE.strip()) == LINE


def test_absent_never_touches_the_disk() -> None:
    plan = plan_absent("/srv/hub", [MOUNTED], LINE)
    assert plan.steps == ("unmount", "fstab")
    assert plan.fstab == ""
    assert plan_absent("/srv/hub", [], "").steps == ()


def test_mountinfo() -> None:
    text = (
        "22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw,discard\n"
        "40 22 98:16 / /srv/my\\040hub rw,nosuid - xfs /dev/ubdb rw,attr2,prjquota\nbroken line\n"
    )
    mounts = parse_mounts(text)
    assert [(mount.device, mount.path, mount.type) for mount in mounts] == [("254:0", "/", "ext4"), ("98:16", "/srv/my hub", "xfs")]
    assert {"nosuid", "prjquota"} <= mounts[1].options


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ""),
        ("DEVNAME=/dev/vdb\nUUID=x\nTYPE=ext4\nUSAGE=filesystem\n", "ext4"),
        ("DEVNAME=/dev/vdb\nLABEL=data\nTYPE=xfs\n", "xfs labelled 'data'"),
        ("DEVNAME=/dev/vdb\nPTUUID=x\nPTTYPE=dos\n", "a partition table (dos)"),
        ("DEVNAME=/dev/vdb\nUSAGE=raid\n", "USAGE=raid"),
    ],
)
def test_blkid(text: str, words: str) -> None:
    assert parse_blkid(text) == words


# The first 128 bytes of a file of 400 MiB after `mkfs.xfs -m uuid=...` of xfsprogs 6.1.
SUPERBLOCK = bytes.fromhex(
    "584653420000100000000000000190000000000000000000000000000000000090b58d1575044b96b90f55174257e68f00000000000100060000000000000080"
    "000000000000008100000000000000820000000100006400000000040000000000004000b4a50200020000080000000000000000000000000c0909030f000019"
)


def test_superblock_of_a_real_file_system() -> None:
    start = bytearray(SUPERBLOCK + bytes(4096 - len(SUPERBLOCK)))
    assert read_superblock(bytes(start)) == Superblock(UUID, 400 * 2**20)
    start[126] = 1  # as mkfs.xfs leaves it when it is interrupted
    assert read_superblock(bytes(start)) == Superblock(UUID, 400 * 2**20, finished=False)
    assert read_superblock(bytes(4096)) is None
    assert read_superblock(b"") is None
