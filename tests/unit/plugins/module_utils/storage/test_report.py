"""The provisioner's report, read and told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.airavata.jupyterhub.plugins.module_utils.storage.report import ReportError, orphan_lines, read_report

NOTHING: dict[str, Any] = {"orphans": {"directories": [], "unknown_directories": [], "volumes": [], "projects": []}}


def write(tmp_path: Path, text: str) -> str:
    (tmp_path / ".hub").mkdir()
    (tmp_path / ".hub/report.json").write_text(text)
    return str(tmp_path)


def test_read(tmp_path: Path) -> None:
    assert read_report(str(tmp_path)) is None
    assert read_report(write(tmp_path, json.dumps(NOTHING))) == NOTHING


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"orphans": []}'])
def test_what_is_no_report(tmp_path: Path, text: str) -> None:
    with pytest.raises(ReportError, match="report"):
        read_report(write(tmp_path, text))


def test_lines() -> None:
    assert orphan_lines(NOTHING) == []
    claim = {"namespace": "hub-users", "claim": "home-a"}
    report = {
        "orphans": {
            "directories": [{"path": "hub-users/home-a", "uid": 20001, "volume": "pvc-1", **claim}],
            "unknown_directories": [{"path": "by-hand", "uid": 0}],
            "volumes": [{"volume": "pvc-2", "path": "hub-users/home-b", **claim}] * 25,
            "projects": [{"project": 1007, "used_bytes": 5, "limit_bytes": 7}],
        }
    }
    lines = orphan_lines(report)
    assert lines[0] == "hub-users/home-a has no volume: it was kept from claim hub-users/home-a, or its volume was deleted by hand"
    assert lines[1] == "by-hand (of user 0) was not made by the provisioner and is no volume's"
    assert lines[2] == "volume pvc-2 of claim hub-users/home-a has no directory hub-users/home-b"
    assert lines[-2:] == ["5 more volumes like these", "project 1007 limits 5 bytes to 7, and no directory has it"]
