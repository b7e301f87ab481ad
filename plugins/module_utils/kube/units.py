# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A systemd unit and the files it reads: what has to be done so that the running unit is the configured one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class UnitState:
    """What systemd says of a unit, and with which inputs we last started it (None: never)."""

    active: bool
    enabled: bool
    started_with: str | None


@dataclass(frozen=True)
class FileChange:
    """A file that differs: its texts and modes (octal strings; None when absent)."""

    path: str
    before: str | None
    after: str
    mode_before: str | None
    mode_after: str


def digest_inputs(files: Iterable[Mapping[str, Any]], watched: Mapping[str, str]) -> str:
    """Return one hash of everything a running unit was started with.

    ``files`` have path, content and restart (only those with restart count); ``watched`` maps other files' paths to an identity.
    """
    content = {entry["path"]: entry["content"] for entry in files if entry["restart"]}
    return hashlib.sha256(json.dumps([content, dict(watched)], sort_keys=True).encode()).hexdigest()


def plan_files(files: Iterable[Mapping[str, Any]], present: Mapping[str, tuple[str, str]]) -> list[FileChange]:
    """Return the files to write. ``present`` maps a path to (text, mode as octal string such as '0644')."""
    changes = []
    for entry in files:
        before, mode_before = present.get(entry["path"], (None, None))
        if before != entry["content"] or mode_before != entry["mode"]:
            changes.append(FileChange(entry["path"], before, entry["content"], mode_before, entry["mode"]))
    return changes


def plan_unit(state: UnitState, digest: str, enabled: bool, start: bool) -> list[str]:
    """Return what to do with the unit, in order: 'enable', then 'start' or 'restart'.

    A unit is restarted when it was last started with other inputs than ``digest``. That memory, not a notification within one run, decides:
    a run that ended between writing a file and restarting is made good by the next one. With ``start`` false a unit that does not run is
    left to whoever starts it.
    """
    steps = [] if state.enabled or not enabled else ["enable"]
    if state.active and state.started_with != digest:
        steps.append("restart")
    elif start and not state.active:
        steps.append("start")
    return steps


def parse_show(text: str) -> dict[str, str]:
    """Parse the output of ``systemctl show`` into a dict."""
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)


def unit_problem(unit: str, shown: Mapping[str, str], journal: Sequence[str]) -> str:
    """Return the sentence for a unit that did not start."""
    last = " | ".join(line.strip() for line in journal[-3:]) or "none"
    result = f"{shown.get('ActiveState', 'unknown')}/{shown.get('SubState', 'unknown')}, result {shown.get('Result', 'unknown')}"
    return f"{unit} did not start ({result}). Last journal lines: {last}. Look at: journalctl -u {unit}"
