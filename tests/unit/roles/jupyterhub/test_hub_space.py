"""What the hub asks of the controller of user spaces, and what people are told."""

from __future__ import annotations

from typing import Any

import pytest
from hub_space import SpaceRefusedError, amended, for_groups, groups_of, is_ready, request_for, too_late, volume_parts

Object = dict[str, Any]


def space(state: str = "active", ready: str = "True", reason: str = "Ready", generation: int = 1, **metadata: Any) -> Object:
    condition = {"type": "Ready", "status": ready, "reason": reason, "message": "why"}
    return {
        "metadata": {"name": "alice", "namespace": "hub", "generation": 1, **metadata},
        "spec": {"user": "alice", "state": state},
        "status": {"observedGeneration": generation, "conditions": [condition]},
    }


@pytest.mark.parametrize(
    ("names", "auth_state", "groups"),
    [
        (["a"], None, {"a"}),
        ([], {"groups": ["/course", "staff"]}, {"course", "staff"}),
        (["a"], {"oauth_user": {"groups": ["b"]}}, {"a", "b"}),
        ([], {"groups": None, "oauth_user": {"groups": [7]}}, set()),
    ],
)
def test_groups(names: list[str], auth_state: Object | None, groups: set[str]) -> None:
    assert groups_of(names, auth_state) == groups


def test_profiles_are_for_groups() -> None:
    profiles = [{"slug": "all"}, {"slug": "staff", "groups": ["staff"]}, {"slug": "two", "groups": ["a", "b"]}, {"slug": "none", "groups": []}]
    assert for_groups(profiles, {"b"}) == [{"slug": "all"}, {"slug": "two"}, {"slug": "none"}]


def test_a_request_asks_for_no_more_than_it_may() -> None:
    assert request_for("alice", "hub", [], None)["spec"] == {"user": "alice"}
    assert request_for("alice", "hub", [{"name": "x", "gid": 30001, "read_only": True}], 20007)["spec"] == {
        "user": "alice",
        "uid": 20007,
        "sharedFolders": [{"name": "x", "readOnly": True, "gid": 30001}],
    }


def test_only_other_folders_are_a_change() -> None:
    item = space()
    assert amended(item, []) is None
    item["spec"]["sharedFolders"] = [{"name": "y"}, {"name": "x", "gid": 30001, "readOnly": True, "size": "1Gi"}]
    shared: list[Object] = [{"name": "x", "gid": 30001, "read_only": True}, {"name": "y"}]
    assert amended(item, shared) is None
    changed = amended(item, shared[:1])
    assert changed is not None
    assert [folder["name"] for folder in changed["spec"]["sharedFolders"]] == ["x"]


@pytest.mark.parametrize(
    ("item", "ready"),
    [
        (space(), True),
        (space(ready="False", reason="Preparing"), False),
        (space(generation=0), False),
        ({**space(), "status": {}}, False),
        (space(generation=0, reason="Refused", ready="False"), False),
    ],
)
def test_ready(item: Object, ready: bool) -> None:
    assert is_ready(item) is ready


@pytest.mark.parametrize(
    ("item", "sentence"),
    [
        (space("disabled"), "The account alice is disabled. Your files are kept."),
        (space("archived"), "has been archived"),
        (space(deletionTimestamp="now"), "is being removed"),
        (space(ready="False", reason="NamespaceTaken"), "There is no place for alice: why."),
    ],
)
def test_people_are_told_why_not(item: Object, sentence: str) -> None:
    with pytest.raises(SpaceRefusedError) as refused:
        is_ready(item)
    assert sentence in refused.value.jupyterhub_message


def test_too_late_says_what_was_waited_for() -> None:
    assert "not ready within 9 s: why" in too_late(space(ready="False"), 9).jupyterhub_message
    assert "controller of user spaces may be down" in too_late({**space(), "status": {}}, 9).jupyterhub_message


def test_shared_folders_are_mounted() -> None:
    volumes, mounts = volume_parts([{"name": "x", "read_only": True}])
    assert volumes == {"shared-x": {"name": "shared-x", "persistentVolumeClaim": {"claimName": "shared-x", "readOnly": True}}}
    assert mounts == {"shared-x": {"name": "shared-x", "mountPath": "/shared/x", "readOnly": True}}
