# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Small JSON files in which modules remember, on a machine, what they have finished."""

from __future__ import annotations

import json
import os
import tempfile
from typing import Any

STATE_DIR = "/var/lib/airavata-jupyterhub"


def read_state(path: str) -> dict[str, Any]:
    """Return the object kept in ``path``; empty when there is none or a half-written one (it is then done again)."""
    try:
        with open(path, encoding="utf-8") as stream:
            kept = json.load(stream)
    except (FileNotFoundError, ValueError):
        return {}
    return kept if isinstance(kept, dict) else {}


def write_text(path: str, text: str, mode: int) -> None:
    """Put ``text`` into ``path`` with ``mode``, whole or not at all, and on the disk before this returns."""
    folder = os.path.dirname(path)
    os.makedirs(folder, mode=0o755, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=folder, prefix=".new-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            os.fchmod(stream.fileno(), mode)
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
    parent = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(parent)
    finally:
        os.close(parent)


def write_state(path: str, value: dict[str, Any]) -> None:
    """Keep ``value`` in ``path``, mode 0600."""
    write_text(path, json.dumps(value, sort_keys=True) + "\n", 0o600)


def forget_state(path: str) -> None:
    """Remove ``path``; it may be gone already."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        return
