"""From a class's pathPattern and a claim to the names of the directories below the export. Pure.

The words are those of the NFS subdir external provisioner; the rules are stricter, because labels and annotations are written by
users: a missing value is refused instead of read as empty, a value stands for exactly one name, and a name is plain.
"""

from __future__ import annotations

import re
from typing import Any

from .errors import RefusedError

_REFERENCE = re.compile(r"\$\{\.PVC\.(.*?)\}")
# Starts with a letter or digit: no hidden file, no option, no "..". ASCII only: no look-alikes, no control characters.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+=~-]*")
_NAME_BYTES = 200  # leaves room for what an archive's name adds, below the 255 of every file system
_DEPTH = 8
RESERVED_PREFIX = "archived-"
_ARCHIVE_BYTES = 240  # leaves room for the suffix of its manifest
_ARCHIVED_AT = re.compile(r"-(\d{8}T\d{6}Z)$")


def _value(reference: str, metadata: dict[str, Any]) -> str:
    if reference in ("namespace", "name"):
        return str(metadata[reference])
    kind, _dot, key = reference.partition(".")
    if kind in ("labels", "annotations") and key:
        value = (metadata.get(kind) or {}).get(key)
        if not value:
            raise RefusedError(
                "PathPatternFailed", f"the class's pathPattern needs the {kind[:-1]} {key!r}, which the claim does not have; add it to the claim"
            )
        return str(value)
    raise RefusedError(
        "PathPatternFailed",
        f"the class's pathPattern has ${{.PVC.{reference}}}, which is not known; use namespace, name, labels.<key> or annotations.<key>",
    )


def check_name(name: str, origin: str) -> str:
    """Return `name` if it can be the name of one directory.

    :param origin: where the name came from, for the message.
    :raises RefusedError: it cannot.
    """
    if not _NAME.fullmatch(name) or len(name) > _NAME_BYTES:
        raise RefusedError(
            "PathPatternFailed",
            f"{origin} gives {name[:80]!r}, which cannot be the name of a directory: "
            f"at most {_NAME_BYTES} of A-Z a-z 0-9 . _ @ + = ~ -, starting with a letter or digit",
        )
    return name


def expand(pattern: str, metadata: dict[str, Any], volume: str) -> tuple[str, ...]:
    """Expand a class's pathPattern for one claim.

    :param pattern: the pattern; empty for the default, ``<namespace>-<name>-<volume>``.
    :param metadata: the claim's metadata, as of the API.
    :param volume: name of the volume to be made.
    :return: the names of the directories below the export, outermost first; never empty, each a plain name.
    :raises RefusedError: a value is missing or cannot be a name, or the pattern is none.
    """
    if not pattern:
        pattern = "${.PVC.namespace}-${.PVC.name}-" + volume

    def replace(match: re.Match[str]) -> str:
        return check_name(_value(match[1], metadata), f"${{.PVC.{match[1]}}}")

    # One pass: a value that looks like a reference is not expanded again.
    names = _REFERENCE.sub(replace, pattern).strip("/").split("/")
    if len(names) > _DEPTH:
        raise RefusedError("PathPatternFailed", f"the class's pathPattern {pattern!r} is deeper than {_DEPTH} directories")
    for name in names:
        check_name(name, f"the class's pathPattern {pattern!r}")
    if names[0].startswith(RESERVED_PREFIX):
        raise RefusedError("PathPatternFailed", f"the path {'/'.join(names)!r} starts with {RESERVED_PREFIX!r}, which is kept for archives")
    return tuple(names)


def overlaps(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    """Whether one path is the other or lies inside it."""
    shorter = min(len(one), len(other))
    return one[:shorter] == other[:shorter]


def archive_name(path: tuple[str, ...], claim_uid: str, stamp: str) -> str:
    """Name of the archive of a volume, directly below the export: ``archived-<path with dashes>-<claim uid>-<UTC>``."""
    tail = f"-{claim_uid}-{stamp}"
    return RESERVED_PREFIX + "-".join(path)[: _ARCHIVE_BYTES - len(RESERVED_PREFIX) - len(tail)] + tail


def archived_at(name: str) -> str:
    """The UTC in an archive's name, ``20261124T081500Z``, which sorts as time does; empty if the name has none."""
    match = _ARCHIVED_AT.search(name)
    return match[1] if match else ""
