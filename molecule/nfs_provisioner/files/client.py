"""On a node, as root: mount a volume, try what users may and may not do, unmount; prints what happened as JSON.

client.py volume SOURCE UID GID BYTES: fill a volume of so many bytes
client.py files SOURCE UID GID FILES: fill a volume with files, until there are more than so many
client.py shared SOURCE UID GID OPTIONS: a shared folder of a group, mounted with more options, for two members and somebody else
"""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable

WHAT, SOURCE, UID, GID = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
MIB = 2**20


def as_user(uid: int, work: Callable[[], None], gid: int = GID, groups: tuple[int, ...] = ()) -> str:
    """Run `work` in a child that is that user; returns the name of the error it met, or "ok"."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            if uid:
                os.setgroups(groups)
                os.setgid(gid)
                os.setuid(uid)
            work()
            said = "ok"
        except OSError as error:
            said = errno.errorcode.get(error.errno or 0, str(error))
        os.write(writing, said.encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as stream:
        said = stream.read()
    os.waitpid(child, 0)
    return said


def fill(path: str, size: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        for _block in range(size // MIB):
            os.write(descriptor, bytes(MIB))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def volume(place: str) -> dict[str, object]:
    size, file, limit = os.statvfs(place), f"{place}/file", int(sys.argv[5])
    return {
        "shown_bytes": size.f_blocks * size.f_frsize,
        "inodes": size.f_files,
        "half": as_user(UID, lambda: fill(file, limit // 2)),
        "too_much": as_user(UID, lambda: fill(f"{place}/more", limit)),
        "free_when_full": os.statvfs(place).f_bavail * size.f_frsize,
        "delete_when_full": as_user(UID, lambda: os.unlink(f"{place}/more")),
        "root_reads": as_user(0, lambda: print(os.listdir(place), file=sys.stderr)),
        "root_writes": as_user(0, lambda: fill(f"{place}/by-root", MIB)),
        "other_reads": as_user(UID + 1, lambda: print(os.listdir(place), file=sys.stderr)),
        "other_writes": as_user(UID + 1, lambda: fill(f"{place}/by-other", MIB)),
    }


def files(place: str) -> dict[str, object]:
    def make() -> None:
        for number in range(int(sys.argv[5]) + 1):
            os.close(os.open(f"{place}/{number}", os.O_WRONLY | os.O_CREAT, 0o600))

    size, too_many = os.statvfs(place), as_user(UID, make)
    return {
        "shown_bytes": size.f_blocks * size.f_frsize,
        "shown_files": size.f_files,
        "too_many": too_many,
        "free_when_full": os.statvfs(place).f_ffree,
        "delete_when_full": as_user(UID, lambda: os.unlink(f"{place}/0")),
        "again": as_user(UID, lambda: fill(f"{place}/0", 0)),
        # The owner's 0700 directory is closed to root here.
        "made": as_user(UID, lambda: os.close(os.open(f"{place}/1000", os.O_RDONLY))),
    }


def shared(place: str) -> dict[str, object]:
    members = (GID,)
    os.umask(0o022)

    def write(name: str) -> None:  # as programs do: whoever else may use the file is left to umask and folder
        with open(f"{place}/folder/{name}", "a") as stream:
            stream.write("x" * MIB)

    def first() -> None:
        os.mkdir(f"{place}/folder")
        write("file")

    def read() -> None:
        with open(f"{place}/folder/file") as stream:
            stream.read()

    size = os.statvfs(place)
    return {
        "first_makes": as_user(UID, first, 100, members),
        "second_changes": as_user(UID + 1, lambda: write("file"), 100, members),
        "second_adds": as_user(UID + 1, lambda: write("second"), 100, members),
        "other_reads": as_user(UID + 2, read, 100),
        "other_writes": as_user(UID + 2, lambda: fill(f"{place}/by-other", MIB), 100),
        "root_writes": as_user(0, lambda: fill(f"{place}/by-root", MIB)),
        "shown_bytes": size.f_blocks * size.f_frsize,
    }


def main() -> None:
    more = sys.argv[5] if WHAT == "shared" else "rw"
    with tempfile.TemporaryDirectory() as place:
        subprocess.run(["mount", "-t", "nfs", "-o", f"nfsvers=4.2,nosuid,nodev,{more}", SOURCE, place], check=True)
        try:
            print(json.dumps({"volume": volume, "files": files, "shared": shared}[WHAT](place)))
        finally:
            subprocess.run(["umount", place], check=True)


main()
