"""When a unit is enabled, started, restarted or left alone."""

from __future__ import annotations

import pytest
from ansible_collections.airavata.jupyterhub.plugins.module_utils.kube.units import (
    UnitState,
    digest_inputs,
    parse_show,
    plan_files,
    plan_unit,
    unit_problem,
)


@pytest.mark.parametrize(
    ("active", "enabled", "started_with", "start", "steps"),
    [
        (False, False, None, True, ["enable", "start"]),
        (True, True, "now", True, []),
        # A run that ended between writing a file and restarting, and a service that ran before we came.
        (True, True, "before", True, ["restart"]),
        (True, True, None, True, ["restart"]),
        (False, True, "now", True, ["start"]),
        (False, False, None, False, ["enable"]),
        (False, True, "before", False, []),
        (True, True, "before", False, ["restart"]),
    ],
)
def test_plan_unit(active: bool, enabled: bool, started_with: str | None, start: bool, steps: list[str]) -> None:
    assert plan_unit(UnitState(active, enabled, started_with), "now", enabled=True, start=start) == steps


def _file(content: str, restart: bool = True) -> dict[str, object]:
    return {"path": "/etc/x", "content": content, "mode": "0644", "restart": restart}


def test_digest_changes_with_what_a_start_reads() -> None:
    base = digest_inputs([_file("a")], {"/usr/bin/x": "1"})
    assert digest_inputs([_file("a")], {"/usr/bin/x": "1"}) == base
    assert digest_inputs([_file("b")], {"/usr/bin/x": "1"}) != base
    assert digest_inputs([_file("a")], {"/usr/bin/x": "2"}) != base
    assert digest_inputs([_file("a", False)], {}) == digest_inputs([_file("b", False)], {})


@pytest.mark.parametrize(
    ("present", "changes"),
    [({}, 1), ({"/etc/x": ("a", "0644")}, 0), ({"/etc/x": ("b", "0644")}, 1), ({"/etc/x": ("a", "0600")}, 1)],
)
def test_plan_files(present: dict[str, tuple[str, str]], changes: int) -> None:
    assert len(plan_files([_file("a")], present)) == changes


def test_messages() -> None:
    shown = parse_show("ActiveState=failed\nSubState=failed\nResult=exit-code\nNoise\n")
    assert shown["Result"] == "exit-code"
    told = unit_problem("containerd.service", shown, ["one", "two", "three", "bad toml"])
    assert told.startswith("containerd.service did not start (failed/failed, result exit-code). Last journal lines: two | three | bad toml.")
    assert told.endswith("Look at: journalctl -u containerd.service")
