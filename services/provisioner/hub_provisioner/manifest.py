"""Checksums of a tree: made so that an interrupted one goes on, and compared. By descriptors, links are not followed.

A manifest has the form of ``sha256sum``: a line per regular file, in one fixed order, so that anybody can check an archive with
``sha256sum --check`` too. What is not a regular file has no content and no line.
"""

from __future__ import annotations

import hashlib
import os
import stat
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_LONGEST_PATH = 4095  # no program opens a longer one by its name, and so few directories are held open at once
_CHUNK = 2**20
Pace = Callable[[float], None]  # told the seconds that were just spent reading; may wait, or raise to end the work


@dataclass(frozen=True)
class Entry:
    """A regular file of a tree. Without a descriptor: something too deep to be read."""

    path: bytes
    size: int
    descriptor: int | None


@dataclass(frozen=True)
class Totals:
    """What a manifest is about. `unread`: files and folders too deep to be read; they have no line."""

    files: int
    bytes: int
    unread: int


def _names(directory: int) -> Iterator[bytes]:
    return iter(sorted(os.fsencode(name) for name in os.listdir(directory)))


def _order(path: bytes) -> list[bytes]:
    """Sorts paths as `walk` finds them."""
    return path.split(b"/")


def walk(top: int) -> Iterator[Entry]:
    """Every regular file below an open directory; its descriptor is open until the next one is asked for."""
    held: list[tuple[int, Iterator[bytes], bytes]] = [(os.dup(top), _names(top), b"")]
    try:
        while held:
            directory, names, prefix = held[-1]
            name = next(names, None)
            if name is None:
                os.close(held.pop()[0])
                continue
            path, status = prefix + name, os.stat(name, dir_fd=directory, follow_symlinks=False)
            if stat.S_ISDIR(status.st_mode):
                if len(path) > _LONGEST_PATH - 2:
                    yield Entry(path, 0, None)
                    continue
                inner = os.open(name, _DIRECTORY, dir_fd=directory)
                held.append((inner, _names(inner), path + b"/"))
            elif stat.S_ISREG(status.st_mode):
                if len(path) > _LONGEST_PATH:
                    yield Entry(path, 0, None)
                    continue
                descriptor = os.open(name, _FILE, dir_fd=directory)
                try:
                    yield Entry(path, status.st_size, descriptor)
                finally:
                    os.close(descriptor)
    finally:
        for directory, _rest, _prefix in held:
            os.close(directory)


def digest(descriptor: int, pace: Pace) -> str:
    """sha256 of an open file, in hexadecimal."""
    found = hashlib.sha256()
    while True:
        started = time.monotonic()
        chunk = os.read(descriptor, _CHUNK)
        found.update(chunk)
        if not chunk:
            break
        pace(time.monotonic() - started)
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)  # the server's memory is for files in use
    return found.hexdigest()


def line(path: bytes, checksum: str) -> bytes:
    """The line of a file, as sha256sum writes it."""
    plain = path.replace(b"\\", b"\\\\").replace(b"\n", b"\\n").replace(b"\r", b"\\r")
    return (b"\\" if plain != path else b"") + checksum.encode() + b"  " + plain + b"\n"


def parse_line(text: bytes) -> tuple[bytes, str] | None:
    """Path and checksum of a line; None if it is no whole one."""
    escaped = text.startswith(b"\\")
    checksum, gap, path = text[escaped:-1].partition(b"  ")
    if not text.endswith(b"\n") or not gap or not path or len(checksum) != 64 or checksum.strip(b"0123456789abcdef"):
        return None
    if escaped:
        path = path.replace(b"\\\\", b"\0").replace(b"\\n", b"\n").replace(b"\\r", b"\r").replace(b"\0", b"\\")
    return path, checksum.decode()


def write(tree: int, stream: BinaryIO, pace: Pace) -> Totals:
    """Complete the manifest of an open directory.

    :param stream: open for reading and writing, at its start; what an earlier try wrote is kept as far as it fits the tree.
    """
    files = size = unread = 0
    keeping, good = True, 0
    for entry in walk(tree):
        if entry.descriptor is None:
            unread += 1
            continue
        files, size = files + 1, size + entry.size
        if keeping:
            text = stream.readline()
            there = parse_line(text)
            if there is not None and there[0] == entry.path:
                good += len(text)
                continue
            keeping = False
            stream.seek(good)
            stream.truncate()
        stream.write(line(entry.path, digest(entry.descriptor, pace)))
    if keeping:
        stream.seek(good)
        stream.truncate()
    stream.flush()
    return Totals(files, size, unread)


def compare(tree: int, stream: BinaryIO, pace: Pace) -> Iterator[str]:
    """What an open directory has that its manifest has not, lacks, or has with another content; one sentence each."""

    def lines() -> Iterator[tuple[bytes, str]]:
        for text in stream:
            there = parse_line(text)
            if there is None:
                raise ValueError(f"a line of the manifest is damaged: {text[:80]!r}")
            yield there

    def show(path: bytes) -> str:
        return ascii(os.fsdecode(path[-200:]))

    rest = lines()
    due = next(rest, None)
    for entry in walk(tree):
        if entry.descriptor is None:
            continue
        while due is not None and _order(due[0]) < _order(entry.path):
            yield f"{show(due[0])} is missing"
            due = next(rest, None)
        if due is None or due[0] != entry.path:
            yield f"{show(entry.path)} is not in the manifest"
            continue
        if digest(entry.descriptor, pace) != due[1]:
            yield f"{show(entry.path)} has another content"
        due = next(rest, None)
    while due is not None:
        yield f"{show(due[0])} is missing"
        due = next(rest, None)
