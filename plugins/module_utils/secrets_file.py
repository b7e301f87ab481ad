# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A file of generated secrets: one JSON object, name to hexadecimal text, readable by its owner only."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

from ansible_collections.airavata.jupyterhub.plugins.module_utils import private_files


class SecretsFileError(Exception):
    """The file is there, but cannot be used as it is."""


@dataclass(frozen=True)
class Plan:
    """What the file should hold, and which names had to be made up for that."""

    content: dict[str, str]
    made: list[str]


def plan(current: Mapping[str, str], names: Sequence[str], make: Callable[[], str]) -> Plan:
    """Keep what is there, make what is missing. Names that are no longer asked for are kept: a secret cannot be made again."""
    made = [name for name in dict.fromkeys(names) if name not in current]
    return Plan(content={**current, **{name: make() for name in made}}, made=made)


def read(path: Path) -> dict[str, str]:
    """Return the content, empty when there is no file. Raises SecretsFileError when it is something else."""
    try:
        found = private_files.look(path)
        content = json.loads(found.text) if found else {}
    except (OSError, ValueError) as error:
        raise SecretsFileError(f"Cannot read the secrets in {path}: {error}. Put back a copy of it, or move it away to have new secrets made.") from error
    if not isinstance(content, dict) or not all(isinstance(value, str) and value for value in content.values()):
        raise SecretsFileError(f"{path} is not a file of secrets (a JSON object of texts). Put back a copy of it, or move it away to have new ones made.")
    return content


def write(path: Path, content: Mapping[str, str]) -> None:
    """Write the file with mode 0600, whole or not at all. Raises OSError."""
    private_files.write(path, private_files.text_of(content))


def make_hexadecimal(length_bytes: int) -> str:
    """Return ``length_bytes`` random bytes as hexadecimal text."""
    return secrets.token_hex(length_bytes)
