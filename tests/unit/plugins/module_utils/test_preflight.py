"""The rules of site_preflight, as tables."""

from __future__ import annotations

import pytest
from ansible_collections.airavata.jupyterhub.plugins.module_utils.preflight import group_problems, host_problems, type_problems, unknown_inputs

GOOD = {"hub_control_plane": ["c"], "hub_workers": ["w1", "w2"], "hub_storage": ["s"], "all": ["c", "w1", "w2", "s"]}
HOST = {
    "root": True, "needs_root": True, "builds": True, "apt": True, "overlay": True, "python": [3, 11],
    "cache_dir": "/c", "disk_free_gib": 80.0, "disk_needed_gib": 35, "busy_ports": [],
}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({}, None),
        ({"hub_worker": ["w3"]}, "unknown group 'hub_worker'; did you mean 'hub_workers'?"),
        ({"hub_gpu": ["w3"]}, "known groups are hub_control_plane, hub_workers, hub_storage."),
        ({"campus": ["w3"]}, None),
        ({"hub_workers": []}, "'hub_workers' has 0 hosts; it needs at least 1."),
        ({"hub_control_plane": ["c", "d"]}, "'hub_control_plane' has 2 hosts; it needs exactly 1."),
        ({"hub_storage": ["c"]}, "Host 'c' is in the groups 'hub_control_plane' and 'hub_storage'"),
    ],
)
def test_groups(change: dict[str, list[str]], sentence: str | None) -> None:
    problems = group_problems({**GOOD, **change})
    if sentence is None:
        assert problems == []
    else:
        assert len(problems) == 1
        assert sentence in problems[0]


@pytest.mark.parametrize(
    ("names", "problems"),
    [
        (["hub_site", "ansible_host", "mine"], []),
        (["hub_siet"], ["The inventory sets an unknown variable 'hub_siet'; did you mean 'hub_site'?"]),
        (["bundle_frobnicate"], ["The inventory sets an unknown variable 'bundle_frobnicate'; no role reads it."]),
    ],
)
def test_unknown_inputs(names: list[str], problems: list[str]) -> None:
    assert unknown_inputs(names, ["hub_site", "bundle_source"], ["hub", "bundle"]) == problems


@pytest.mark.parametrize(
    ("spec", "value", "sentence"),
    [
        ({"type": "int", "required": True}, 5, None),
        ({"type": "int"}, "five", "'five'"),
        ({"type": "str", "choices": ["a", "b"], "default": "a"}, "c", "must be one of: a, b"),
        ({"type": "list", "elements": "int"}, ["x"], "x"),
        ({"type": "dict", "options": {"cpu": {"type": "float"}}}, {"cpu": "much"}, "convert to float"),
        ({"type": "dict", "options": {"cpu": {"type": "float"}}}, {"ram": 1}, "ram"),
        ({"type": "bool"}, "perhaps", "perhaps"),
    ],
)
def test_types(spec: dict[str, object], value: object, sentence: str | None) -> None:
    problems = type_problems({"thing": spec, "other": {"type": "str", "required": True}}, {"thing": value})
    if sentence is None:
        assert problems == []
    else:
        assert len(problems) == 1
        assert sentence in problems[0]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({}, None),
        ({"root": False}, "run it as root"),
        ({"root": False, "needs_root": False}, None),
        ({"apt": False}, "hub_bundle_source: download"),
        ({"overlay": False}, "no overlay file system"),
        ({"overlay": False, "builds": False}, None),
        ({"python": [3, 14]}, "Python 3.14; 3.11, 3.12 and 3.13 are supported"),
        ({"disk_free_gib": 2.5}, "/c has 2.5 GiB free; the bundle and the machines need 35."),
        ({"busy_ports": ["127.0.0.1:8443"]}, "127.0.0.1:8443 is taken by another program"),
    ],
)
def test_host(change: dict[str, object], sentence: str | None) -> None:
    problems = host_problems({**HOST, **change})
    if sentence is None:
        assert problems == []
    else:
        assert len(problems) == 1
        assert sentence in problems[0]
