# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is on disk: a record per made item, the lock of a build, and the quick look at whether everything is in place."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.airavata.jupyterhub.plugins.module_utils.bundle.errors import BundleError
from ansible_collections.airavata.jupyterhub.plugins.module_utils.bundle.items import Item

BLOCK = 1 << 20


@dataclass(frozen=True)
class Record:
    """A made item: its digest, its files (path -> size in bytes, mtime_ns, sha256), and what later steps have to know of it.

    ``facts`` may hold ``paths``: what else has to exist below the cache for the item to count as made.
    """

    digest: str
    outputs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = 0.0


@dataclass(frozen=True)
class Places:
    """The folders of a cache. ``bundle`` is what sites use; ``work`` can be thrown away between builds."""

    cache: Path

    @property
    def bundle(self) -> Path:
        return self.cache / "bundle"

    @property
    def work(self) -> Path:
        return self.cache / "work"

    @property
    def items(self) -> Path:
        return self.bundle / ".items"

    @property
    def logs(self) -> Path:
        return self.cache / "work" / "log"

    @property
    def progress(self) -> Path:
        return self.logs / "progress"

    @property
    def manifest(self) -> Path:
        return self.bundle / "manifest.json"

    @property
    def times(self) -> Path:
        return self.bundle / "timings.json"

    def log(self, name: str) -> Path:
        """Give the log of an item."""
        return self.logs / f"{file_name(name)}.log"


def file_name(name: str) -> str:
    """Give the name of an item as a file's name."""
    return name.replace(" ", "-").replace("/", "_")


def write_atomic(path: Path, text: str, mode: int = 0o644) -> None:
    """Write a file so that a reader, or a run after a power cut, sees the old or the new text and nothing between."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.new")
    with open(new, "w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    new.chmod(mode)
    new.replace(path)


def sha256_of(path: Path) -> str:
    """Give a file's sha256."""
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        for block in iter(lambda: stream.read(BLOCK), b""):
            digest.update(block)
    return digest.hexdigest()


def sha256_of_sparse(path: Path) -> str:
    """Give the sha256 of a disk: of its size and of each block of 1 MiB that is not all zero, with its number before it.

    A disk of 30 GiB that holds 3 is read in the time of 3; where its holes are does not matter.
    """
    digest = hashlib.sha256()
    size = path.stat().st_size
    digest.update(f"{size}\n".encode())
    with open(path, "rb", buffering=0) as stream:
        position = 0
        while position < size:
            try:
                start = os.lseek(stream.fileno(), position, os.SEEK_DATA)
            except OSError as error:
                if error.errno == errno.ENXIO:  # only a hole is left
                    break
                raise
            end = os.lseek(stream.fileno(), start, os.SEEK_HOLE)
            position = start // BLOCK * BLOCK
            while position < end:
                block = os.pread(stream.fileno(), BLOCK, position)
                if block.strip(b"\0"):
                    digest.update(b"%d\n" % (position // BLOCK))
                    digest.update(block)
                position += BLOCK
    return digest.hexdigest()


def describe(path: Path) -> dict[str, Any]:
    """Give a file's size, modification time and sha256 (that of disks: see :func:`sha256_of_sparse`)."""
    state = path.stat()
    sha256 = sha256_of_sparse(path) if path.suffix == ".ext4" else sha256_of(path)
    return {"size": state.st_size, "mtime_ns": state.st_mtime_ns, "sha256": sha256}


class Store:
    """The records of made items."""

    def __init__(self, places: Places) -> None:
        self.places = places

    def read(self, name: str) -> Record | None:
        """Give an item's record, or None. A record that cannot be read counts as none: the item is made again."""
        try:
            data = json.loads((self.places.items / f"{file_name(name)}.json").read_text(encoding="utf-8"))
            return Record(digest=data["digest"], outputs=data["outputs"], facts=data["facts"], seconds=data["seconds"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def write(self, name: str, record: Record) -> None:
        """Keep an item's record. Written last: what has one is complete."""
        data = {"item": name, "digest": record.digest, "outputs": record.outputs, "facts": record.facts, "seconds": record.seconds}
        write_atomic(self.places.items / f"{file_name(name)}.json", json.dumps(data, indent=1, sort_keys=True) + "\n")

    def problem(self, item: Item, verify: bool = False) -> str:
        """Say what is wrong with an item's files, or nothing when it is made and whole.

        Size and modification time are looked at; the content is read where the time differs, or with ``verify``.
        """
        record = self.read(item.name)
        if record is None:
            return "it was not made"
        if record.digest != item.digest:
            return "its recipe has changed"
        for path in item.outputs:
            wanted = record.outputs.get(path)
            problem = "is not in its record" if wanted is None else damage(self.places.bundle / path, wanted, verify)
            if problem:
                return f"{path} {problem}"
        gone = [path for path in record.facts.get("paths", ()) if not os.path.lexists(self.places.cache / path)]
        return f"{gone[0]} is missing" if gone else ""


def damage(path: Path, wanted: Mapping[str, Any], verify: bool = False) -> str:
    """Say how a file differs from its description (``size``, ``sha256``, maybe ``mtime_ns``), or nothing."""
    try:
        state = path.stat()
    except OSError:
        return "is missing"
    if state.st_size != wanted["size"]:
        return f"has {state.st_size} bytes instead of {wanted['size']}"
    if (verify or state.st_mtime_ns != wanted.get("mtime_ns")) and describe(path)["sha256"] != wanted["sha256"]:
        return "has another content than was built (its sha256 differs)"
    return ""


@contextmanager
def locked(places: Places) -> Iterator[None]:
    """Hold the lock of the cache. Raises :class:`BundleError` when another build has it; the kernel frees it when a build dies."""
    places.cache.mkdir(parents=True, exist_ok=True)
    with open(places.cache / ".lock", "a+", encoding="ascii") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            stream.seek(0)
            owner = stream.read().strip() or "unknown"
            raise BundleError(f"Another build works in {places.cache} (process {owner}); wait for it, then run again.") from error
        stream.seek(0)
        stream.truncate()
        stream.write(str(os.getpid()))
        stream.flush()
        yield
