"""On a node, as root: mount a volume, try what a user may and may not do, unmount; prints what happened as JSON."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable

SOURCE, UID, GID, LIMIT = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
MIB = 2**20


def as_user(uid: int, work: Callable[[], None]) -> str:
    """Run `work` in a child that is that user; returns the name of the error it met, or "ok"."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            if uid:
                os.setgroups([])
                os.setgid(GID)
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


def main() -> None:
    with tempfile.TemporaryDirectory() as place:
        subprocess.run(["mount", "-t", "nfs", "-o", "nfsvers=4.2,nosuid,nodev", SOURCE, place], check=True)
        try:
            size = os.statvfs(place)
            file = f"{place}/file"
            print(
                json.dumps(
                    {
                        "shown_bytes": size.f_blocks * size.f_frsize,
                        "inodes": size.f_files,
                        "half": as_user(UID, lambda: fill(file, LIMIT // 2)),
                        "too_much": as_user(UID, lambda: fill(f"{place}/more", LIMIT)),
                        "delete_when_full": as_user(UID, lambda: os.unlink(f"{place}/more")),
                        "root_reads": as_user(0, lambda: print(os.listdir(place), file=sys.stderr)),
                        "root_writes": as_user(0, lambda: fill(f"{place}/by-root", MIB)),
                        "other_reads": as_user(UID + 1, lambda: print(os.listdir(place), file=sys.stderr)),
                        "other_writes": as_user(UID + 1, lambda: fill(f"{place}/by-other", MIB)),
                    }
                )
            )
        finally:
            subprocess.run(["umount", place], check=True)


main()
