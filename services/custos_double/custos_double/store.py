"""Everything that must survive a restart, as JSON records in one SQLite file."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

Record = dict[str, Any]

SCHEMA_VERSION = 1
SCHEMA = """
CREATE TABLE IF NOT EXISTS records (
  kind TEXT NOT NULL, realm TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, expires REAL,
  PRIMARY KEY (kind, realm, key)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS records_expires ON records (expires) WHERE expires IS NOT NULL;
"""


class Store:
    """Records by (kind, realm, key). Reads never return one whose ``expires`` (seconds since the epoch) has passed."""

    def __init__(self, path: Path) -> None:
        # The file holds client secrets: it must never exist with wider rights, not even for a moment. SQLite gives its side files the same.
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        path.chmod(0o600)
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        found = self._db.execute("PRAGMA user_version").fetchone()[0]
        if found > SCHEMA_VERSION:
            raise sqlite3.DatabaseError(f"{path} was written by a newer version of this program (schema {found}, this one knows {SCHEMA_VERSION})")
        self._db.executescript(SCHEMA)
        self._db.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
        self._depth = 0

    def close(self) -> None:
        self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing. Must not span an ``await``: there is one connection for the whole server."""
        if self._depth == 0:
            self._db.execute("BEGIN IMMEDIATE")
        self._depth += 1
        try:
            yield
        except BaseException:
            self._depth -= 1
            if self._depth == 0:
                self._db.execute("ROLLBACK")
            raise
        self._depth -= 1
        if self._depth == 0:
            self._db.execute("COMMIT")

    def get(self, kind: str, realm: str, key: str, now: float) -> Record | None:
        row = self._db.execute(
            "SELECT value FROM records WHERE kind=? AND realm=? AND key=? AND (expires IS NULL OR expires>?)", (kind, realm, key, now)
        ).fetchone()
        return None if row is None else json.loads(row[0])

    def put(self, kind: str, realm: str, key: str, value: Record, expires: float | None = None) -> None:
        self._db.execute(
            "INSERT INTO records VALUES (?,?,?,?,?) ON CONFLICT DO UPDATE SET value=excluded.value, expires=excluded.expires",
            (kind, realm, key, json.dumps(value), expires),
        )

    def delete(self, kind: str, realm: str, key: str) -> bool:
        return self._db.execute("DELETE FROM records WHERE kind=? AND realm=? AND key=?", (kind, realm, key)).rowcount > 0

    def list(self, kind: str, realm: str, now: float) -> list[Record]:
        rows = self._db.execute("SELECT value FROM records WHERE kind=? AND realm=? AND (expires IS NULL OR expires>?) ORDER BY key", (kind, realm, now))
        return [json.loads(row[0]) for row in rows]

    def drop_realm(self, realm: str) -> None:
        self._db.execute("DELETE FROM records WHERE realm=?", (realm,))

    def purge(self, now: float) -> int:
        """Remove what has expired; returns how many records."""
        return self._db.execute("DELETE FROM records WHERE expires<=?", (now,)).rowcount
