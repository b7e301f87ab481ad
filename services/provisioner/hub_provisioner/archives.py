"""What was put away: its checksums, its way back, its end. Beside an archive stands ``.hub/manifests/<archive>.sha256``.

Manifests and the list of what was deleted are in the private folder, where no client gets to and no user's limit counts.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta, timezone
from itertools import islice
from typing import Any, NamedTuple

from . import manifest, pattern
from .errors import RefusedError, StorageError
from .manifest import Pace
from .plan import Archive
from .volumes import DIRECTORY, PRIVATE, TRASH, Volumes, closing

_FOLDER = "manifests"
_DONE, _PART = ".sha256", ".part"
_TOTALS = "trusted.hub.manifest"  # on a manifest that is complete
_DELETED = "deleted-archives.jsonl"
_TOLD = 20
_STAMP = "%Y%m%dT%H%M%SZ"


@dataclass(frozen=True)
class Summary:
    """A complete manifest: how much it is about, and its own checksum."""

    files: int
    bytes: int
    unread: int
    sha256: str


def is_due(name: str, days: int, now: str) -> bool:
    """Whether an archive was made `days` or more days before `now` (UTC as in its name); never for 0 days or a name without a time."""
    made = pattern.archived_at(name)
    return bool(days and made) and datetime.strptime(made, _STAMP) + timedelta(days=days) <= datetime.strptime(now, _STAMP)


def utc() -> str:
    """Now, as in names of archives."""
    return datetime.now(timezone.utc).strftime(_STAMP)


class _Opened(NamedTuple):
    """Descriptors of the export, of the folder of manifests and of an archive."""

    root: int
    folder: int
    tree: int


class Archives:
    """The archives of one export."""

    def __init__(self, volumes: Volumes) -> None:
        self._volumes = volumes

    @contextmanager
    def _open(self, name: str) -> Iterator[_Opened]:
        with self._volumes.root() as root, self._volumes.private(root, _FOLDER) as folder:
            if not name.startswith(pattern.RESERVED_PREFIX) or "/" in name:
                raise RefusedError("ArchiveRefused", f"{name[:250]!r} is not the name of an archive: {pattern.RESERVED_PREFIX}...")
            try:
                tree = os.open(name, DIRECTORY, dir_fd=root)
            except OSError as error:
                raise StorageError(f"the archive {name} cannot be opened: {error.strerror}") from error
            with closing(tree):
                yield _Opened(root, folder, tree)

    def summary(self, name: str) -> Summary | None:
        """What the manifest of an archive says of itself; None while there is none, or no complete one."""
        with self._volumes.root() as root, self._volumes.private(root, _FOLDER) as folder:
            try:
                done = os.open(name + _DONE, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
            except FileNotFoundError:
                return None
            with closing(done):
                return Summary(**json.loads(os.getxattr(done, _TOTALS)))

    def checksum(self, name: str, pace: Pace) -> Summary:
        """Make the manifest of an archive, or go on with it. May take long; ends when `pace` raises, to be called again."""
        with self._open(name) as opened:
            part = os.open(name + _PART, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=opened.folder)
            with os.fdopen(part, "r+b") as stream:
                totals = manifest.write(opened.tree, stream, pace)
                stream.seek(0)
                own = hashlib.sha256()
                for chunk in iter(lambda: stream.read(2**20), b""):
                    own.update(chunk)
                summary = Summary(**asdict(totals), sha256=own.hexdigest())
                os.setxattr(stream.fileno(), _TOTALS, json.dumps(asdict(summary)).encode())
                os.fsync(stream.fileno())
            os.rename(name + _PART, name + _DONE, src_dir_fd=opened.folder, dst_dir_fd=opened.folder)
            os.fsync(opened.folder)
            return summary

    def verify(self, name: str, pace: Pace) -> list[str]:
        """Read an archive again and compare it with its manifest; returns what differs, at most 20 sentences.

        :raises StorageError: there is no archive or no complete manifest, or they cannot be read.
        """
        summary = self.summary(name)
        if summary is None:
            raise StorageError(f"the archive {name} has no complete manifest yet")
        with self._open(name) as opened, os.fdopen(os.open(name + _DONE, os.O_RDONLY | os.O_CLOEXEC, dir_fd=opened.folder), "rb") as stream:
            own = hashlib.sha256()
            for chunk in iter(lambda: stream.read(2**20), b""):
                own.update(chunk)
            if own.hexdigest() != summary.sha256:
                return ["the manifest itself has another content"]
            stream.seek(0)
            try:
                return list(islice(manifest.compare(opened.tree, stream, pace), _TOLD))
            except ValueError as error:
                return [str(error)]

    def forget_gone(self) -> list[str]:
        """Remove manifests whose archive is gone: taken back, or removed by somebody. Returns the archives' names."""
        gone = []
        with self._volumes.root() as root, self._volumes.private(root, _FOLDER) as folder:
            for file in sorted(os.listdir(folder)):
                name = file.removesuffix(_DONE).removesuffix(_PART)
                try:
                    os.stat(name, dir_fd=root, follow_symlinks=False)
                except FileNotFoundError:
                    os.unlink(file, dir_fd=folder)
                    gone.append(name)
        return gone

    def delete(self, archive: Archive, summary: Summary, now: str) -> dict[str, Any]:
        """Write down what is deleted, then move it where `Volumes.empty_trash` takes it from.

        :return: the line of ``.hub/deleted-archives.jsonl``; one line for each archive, however often this is interrupted.
        """
        record = {
            "archive": archive.name,
            "namespace": archive.namespace,
            "claim": archive.claim,
            "uid": archive.uid,
            "archived_at": pattern.archived_at(archive.name),
            "deleted_at": now,
            "files": summary.files,
            "bytes": summary.bytes,
            "manifest_sha256": summary.sha256,
        }
        with self._open(archive.name) as opened, self._volumes.private(opened.root) as private, self._volumes.private(opened.root, TRASH) as trash:
            self._write_down(private, record)
            os.rename(archive.name, archive.name, src_dir_fd=opened.root, dst_dir_fd=trash)
            os.fsync(opened.root)
            os.fsync(trash)
        return record

    @staticmethod
    def _write_down(private: int, record: dict[str, Any]) -> None:
        descriptor = os.open(_DELETED, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=private)
        with os.fdopen(descriptor, "r+b") as stream:
            end = 0
            for text in stream:
                if not text.endswith(b"\n"):  # cut off by a crash
                    break
                end += len(text)
                if json.loads(text)["archive"] == record["archive"]:
                    return
            stream.seek(end)
            stream.truncate()
            stream.write(json.dumps(record, sort_keys=True).encode() + b"\n")
            stream.flush()
            os.fsync(stream.fileno())
        os.fsync(private)


def report_path(base: str) -> str:
    """Where the report of the last review is."""
    return os.path.join(base, PRIVATE, "report.json")
