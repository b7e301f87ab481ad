# Copyright: (c) 2026, the airavata.jupyterhub developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the provisioner found on its disk, read from its report and told in sentences."""

from __future__ import annotations

import json
import os
from typing import Any

_TOLD = 20  # of a kind
_SENTENCES = {
    "directories": "{path} has no volume: it was kept from claim {namespace}/{claim}, or its volume was deleted by hand",
    "unknown_directories": "{path} (of user {uid}) was not made by the provisioner and is no volume's",
    "volumes": "volume {volume} of claim {namespace}/{claim} has no directory {path}",
    "projects": "project {project} limits {used_bytes} bytes to {limit_bytes}, and no directory has it",
}


class ReportError(Exception):
    """The report cannot be read or is none."""


def read_report(export: str) -> dict[str, Any] | None:
    """The report of an export's last review; None if there is none yet."""
    path = os.path.join(export, ".hub", "report.json")
    try:
        with open(path, encoding="utf-8") as stream:
            found = json.load(stream)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise ReportError(f"{path} cannot be read: {error}. The provisioner writes it anew every five minutes") from error
    if not isinstance(found, dict) or not isinstance(found.get("orphans"), dict):
        raise ReportError(f"{path} is no report of this provisioner")
    return found


def orphan_lines(report: dict[str, Any]) -> list[str]:
    """One sentence for each orphan, at most 20 of a kind."""
    lines = []
    for kind, sentence in _SENTENCES.items():
        items = report["orphans"].get(kind, [])
        lines += [sentence.format(**item) for item in items[:_TOLD]]
        if len(items) > _TOLD:
            lines.append(f"{len(items) - _TOLD} more {kind.replace('_', ' ')} like these")
    return lines
