"""The slow work on archives, in a thread of its own: checksums, proof before one is given back, and the end of old ones."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from typing import Any

from .archives import Archives, is_due, utc
from .errors import NotLeaderError, RefusedError, StorageError
from .lease import Elector
from .metrics import Metrics
from .plan import Archive, Settings
from .volumes import Volumes

log = logging.getLogger(__name__)
_ROUND_SECONDS = 300.0
_RETRY_SECONDS = 15.0  # a client may still have a delegation of a file that was just put away, and give it back when it is asked
_PATIENCE_SECONDS = 1.0
_DOUBT_SECONDS = 300.0
_NICE = 19


class Archivist:
    """Works on one archive at a time, at the lowest priority, and reads at most half of the time.

    :param told: called with the line that was written about each archive that was deleted.
    """

    def __init__(
        self, volumes: Volumes, archives: Archives, settings: Settings, elector: Elector, metrics: Metrics, told: Callable[[dict[str, Any]], None]
    ) -> None:
        self._volumes, self._archives, self._settings, self._elector, self._metrics, self._told = volumes, archives, settings, elector, metrics, told
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._asked: dict[str, Callable[[], None]] = {}
        self._proofs: dict[str, tuple[list[str], float]] = {}  # and when a bad one is worth another look

    def start(self) -> None:
        """Begin."""
        threading.Thread(target=self._run, name="archives", daemon=True).start()

    def stop(self) -> None:
        """End soon, also in the middle of an archive."""
        self._stopping.set()
        self._wake.set()

    def wake(self) -> None:
        """There may be something to do."""
        self._wake.set()

    def proof(self, name: str, done: Callable[[], None]) -> list[str] | None:
        """What differs between an archive and its manifest (nothing: it is whole), or None while that is not known; then `done` is called later."""
        with self._lock:
            problems, until = self._proofs.get(name, (None, 0.0))
            if problems is not None and time.monotonic() < until:
                return problems
            self._asked[name] = done
        self._wake.set()
        return None

    def forget(self, name: str) -> None:
        """An archive is taken back."""
        with self._lock:
            self._proofs.pop(name, None)

    def _run(self) -> None:
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
        whole = True
        while not self._stopping.is_set():
            self._wake.wait(_ROUND_SECONDS if whole else _RETRY_SECONDS)
            self._wake.clear()
            if not self._elector.leading():
                continue
            whole = False
            try:
                whole = self._round()
            except (StorageError, RefusedError, NotLeaderError) as error:
                log.warning("archives: %s", error)
            except Exception:
                log.exception("archives")

    def _pace(self, seconds: float) -> None:
        if self._stopping.wait(min(seconds, _PATIENCE_SECONDS)):
            raise NotLeaderError("this instance ends")
        if not self._elector.leading():
            raise NotLeaderError("the lease is not held any more; the next leader goes on")

    def _round(self) -> bool:
        """Look at every archive; returns whether all went well."""
        for name in self._archives.forget_gone():
            log.info("the manifest of %s is removed: the archive is gone", name)
        archives = self._volumes.archives()
        names = {archive.name for archive in archives}
        with self._lock:
            asked = list(self._asked)
            gone = [self._asked.pop(name) for name in asked if name not in names]
        for done in gone:
            done()
        # Those that somebody waits for come first.
        went_well = [self._one(archive) for archive in sorted(archives, key=lambda archive: archive.name not in asked)]
        return all(went_well)

    def _one(self, archive: Archive) -> bool:
        name = archive.name
        try:
            if self._archives.summary(name) is None:
                summary = self._archives.checksum(name, self._pace)
                log.info(
                    "archive %s: checksums of %d files, %d bytes%s", name, summary.files, summary.bytes, f", {summary.unread} unread" * bool(summary.unread)
                )
            with self._lock:
                done = self._asked.get(name)
            if done is not None:
                self._prove(name, done)
            elif name not in self._proofs and is_due(name, self._settings.delete_archives_after_days, utc()):
                self._delete(archive)
        except (StorageError, RefusedError) as error:  # the others are worth a try
            log.error("archive %s: %s", name, error)
            return False
        return True

    def _prove(self, name: str, done: Callable[[], None]) -> None:
        try:
            problems = self._archives.verify(name, self._pace)
        except StorageError as error:
            problems = [str(error)]
        log.log(logging.ERROR if problems else logging.INFO, "archive %s: %s", name, "; ".join(problems) or "verified")
        with self._lock:
            self._proofs[name] = (problems, time.monotonic() + _DOUBT_SECONDS if problems else float("inf"))
            self._asked.pop(name, None)
        done()

    def _delete(self, archive: Archive) -> None:
        summary = self._archives.summary(archive.name)
        if summary is None:
            return
        self._elector.confirm()
        record = self._archives.delete(archive, summary, utc())
        self._metrics.deleted_archives.inc()
        self._metrics.deleted_bytes.inc(summary.bytes)
        log.warning(
            "archive %s is deleted after %d days: %d files, %d bytes", archive.name, self._settings.delete_archives_after_days, summary.files, summary.bytes
        )
        self._told(record)
