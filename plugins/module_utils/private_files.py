# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""JSON files that only their owner may read."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Found:
    """A file as it is: its text and its permission bits."""

    text: str
    mode: int


def text_of(value: Any) -> str:
    """The text of a file that holds ``value``."""
    return json.dumps(value, indent=2, sort_keys=True) + "\n"


def look(path: Path) -> Found | None:
    """Read a file; None when there is none. Raises OSError."""
    try:
        return Found(path.read_text(encoding="utf-8", errors="replace"), path.stat().st_mode & 0o7777)
    except FileNotFoundError:
        return None


def outline(text: str, other: str) -> dict[str, str]:
    """The names at the top of a JSON object with a word each instead of the value: whether it is the same in ``other``. For a diff."""

    def parsed(raw: str) -> dict[str, Any]:
        with contextlib.suppress(ValueError):
            value = json.loads(raw)
            if isinstance(value, dict):
                return value
        return {}

    theirs = parsed(other)
    return {name: "same" if name in theirs and theirs[name] == value else "differs" for name, value in parsed(text).items()}


def write(path: Path, text: str) -> None:
    """Write a file with mode 0600, whole or not at all; its folder is made with 0700 when it is missing. Raises OSError."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)
        raise
