"""What a directory may hold, and what it holds: bytes and inodes. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .errors import RefusedError

_GIB = 2**30
_LEAST_FILES = 1000
SOFT_PARAMETER, FILES_PARAMETER = "softQuotaPercent", "filesPerGib"


@dataclass(frozen=True)
class Limits:
    """Bytes and inodes a directory may have; 0 is no limit. What is above a soft limit may stay for the grace time of the file system."""

    size: int
    inodes: int
    soft_size: int = 0
    soft_inodes: int = 0

    @property
    def blocks(self) -> Limits:
        """As XFS keeps them: sizes in whole blocks of 4 KiB."""
        return Limits(-(-self.size // 4096) * 4096, self.inodes, self.soft_size // 4096 * 4096, self.soft_inodes)


@dataclass(frozen=True)
class Usage:
    """What a project has, and its limits as they are kept; 0 is no limit."""

    used: int
    limit: int
    inodes: int
    inode_limit: int
    soft: int = 0
    inode_soft: int = 0

    @property
    def limits(self) -> Limits:
        """The limits alone."""
        return Limits(self.limit, self.inode_limit, self.soft, self.inode_soft)

    @property
    def percent(self) -> int:
        """How full, by the fuller of bytes and inodes; 0 without limits."""
        return max(100 * used // limit if limit else 0 for used, limit in ((self.used, self.limit), (self.inodes, self.inode_limit)))


def number(values: Mapping[str, str], key: str, least: int, most: int) -> int | None:
    """The number under `key`, None if there is none.

    :raises RefusedError: it is no number from `least` to `most`.
    """
    text = values.get(key)
    if text is None:
        return None
    found = int(text) if text.isascii() and text.isdecimal() and len(text) <= 10 else -1
    if not least <= found <= most:
        raise RefusedError("ClassRefused", f"the class's parameter {key} is {text[:20]!r}: it must be a number from {least} to {most}")
    return found


def limits_for(size: int, values: Mapping[str, str], files_per_gib: int, least_files: int) -> Limits:
    """Limits of a directory of `size` bytes.

    :param values: parameters of the class: `softQuotaPercent` (1 to 99), `filesPerGib` (0 for any number).
    :param files_per_gib: what counts without `filesPerGib`, and `least_files` with it.
    :raises RefusedError: a parameter is no such number.
    """
    soft = number(values, SOFT_PARAMETER, 1, 99) or 0
    files = number(values, FILES_PARAMETER, 0, 2**31)
    if files is None:
        files, least = files_per_gib, least_files
    else:
        least = _LEAST_FILES
    inodes = max(least, size * files // _GIB) if files else 0
    return Limits(size, inodes, size * soft // 100, inodes * soft // 100)
