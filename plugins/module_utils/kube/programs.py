# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which programs on a machine differ from the bundle's."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from typing import Any


def file_sha256(path: str, block_bytes: int = 1 << 20) -> str | None:
    """Return the sha256 of a regular file in hex, or None when there is none."""
    if not os.path.isfile(path):
        return None
    digest = hashlib.sha256()
    with open(path, "rb", buffering=0) as stream:
        while block := stream.read(block_bytes):
            digest.update(block)
    return digest.hexdigest()


class Hashes:
    """Hashes of files, each read once: the multi-call programs of a bundle are hard links to one file.

    ``known`` are hashes of earlier runs, keyed by what the kernel changes whenever a file's content can have changed (inode, size,
    mtime and ctime); ctime cannot be set by a program, so a replaced file is never taken for the old one.
    """

    def __init__(self, known: Mapping[str, str] | None = None) -> None:
        self._known = dict(known or {})
        self.used: dict[str, str] = {}

    def of(self, path: str) -> str | None:
        """Return the sha256 of ``path`` in hex, or None when it is no regular file."""
        if not os.path.isfile(path):
            return None
        status = os.stat(path)
        key = f"{status.st_dev}:{status.st_ino}:{status.st_size}:{status.st_mtime_ns}:{status.st_ctime_ns}"
        found = self.used.get(key) or self._known.get(key) or file_sha256(path)
        if found is not None:
            self.used[key] = found
        return found


def compare(wanted: Iterable[Mapping[str, Any]], sha256: Mapping[str, str | None], executable: Mapping[str, bool]) -> list[dict[str, Any]]:
    """Say for each wanted program what is installed.

    ``wanted``: dicts with name, path, sha256 and optionally version. ``sha256`` and ``executable`` are keyed by path. Each result has name,
    path, version, installed_sha256 (None when absent) and ``matches``; a program that cannot be executed does not match.
    """
    return [
        {
            "name": program["name"],
            "path": program["path"],
            "version": program.get("version"),
            "installed_sha256": sha256.get(program["path"]),
            "matches": sha256.get(program["path"]) == program["sha256"] and executable.get(program["path"], False),
        }
        for program in wanted
    ]
