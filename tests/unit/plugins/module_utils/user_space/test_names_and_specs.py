"""Names, quantities, ids and specs: tables."""

from __future__ import annotations

import re
from typing import Any

import pytest
from ansible_collections.airavata.jupyterhub.plugins.module_utils.user_space import ids, names, quantity
from ansible_collections.airavata.jupyterhub.plugins.module_utils.user_space.arguments import SPACE, spec_of
from ansible_collections.airavata.jupyterhub.plugins.module_utils.user_space.classes import class_of
from ansible_collections.airavata.jupyterhub.plugins.module_utils.user_space.errors import SpaceError
from ansible_collections.airavata.jupyterhub.plugins.module_utils.user_space.spec import Policy, Space

LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
NASTY = [
    "",
    "-",
    "a-",
    "-a",
    "a--b",
    "A",
    "Alice",
    "alice@example.org",
    "../etc",
    "x" * 41,
    "x" * 300,
    "Ünïcode",
    "\u0430lice",
    "a b",
    "a_b",
    "a.b",
    "日本",
    "--",
    "a\nb",
]


@pytest.mark.parametrize("user", ["alice", "a", "0", "user-1", "a-b-c", "x" * 40])
def test_plain_names_stay(user: str) -> None:
    assert names.space_name(user) == user


@pytest.mark.parametrize("user", NASTY)
def test_other_names_become_labels(user: str) -> None:
    name = names.space_name(user)
    assert LABEL.fullmatch(name)
    assert len(name) <= names.NAME_LENGTH
    assert "--" in name, "so it can be nobody's plain name"
    assert len(names.namespace_name("p" * names.PREFIX_LENGTH, user)) <= 63


def test_no_two_users_meet() -> None:
    users = [*NASTY, "alice", "a-b", "ab", "a--b--c", *(names.space_name(user) for user in NASTY)]
    users = list(dict.fromkeys(users))
    assert len({names.space_name(user) for user in users}) == len(users)


@pytest.mark.parametrize(
    ("one", "other"),
    [("1Gi", "1024Mi"), ("1", "1000m"), ("0.5", "500m"), ("1k", "1000"), ("1e3", "1000"), ("2E", "2000000000000000000"), (10, "10")],
)
def test_the_same_quantity(one: object, other: object) -> None:
    assert quantity.parse(one) == quantity.parse(other)


@pytest.mark.parametrize("text", ["", "big", "1GB", "1 Gi", "--1", "1..2", "0x10", "1K", "nan"])
def test_what_is_no_quantity(text: str) -> None:
    with pytest.raises(ValueError, match="is no quantity"):
        quantity.parse(text)


@pytest.mark.parametrize(
    ("known", "wishes", "added"),
    [
        ({}, [("a", None)], {"a": 20001}),
        ({}, [("a", None), ("b", None)], {"a": 20001, "b": 20002}),
        ({"a": 20001}, [("a", None)], {}),
        ({"a": 20001}, [("a", 5000)], {}),  # who has one keeps it
        ({"gone": 20001}, [("a", None)], {"a": 20002}),  # never used again
        ({}, [("a", None), ("b", 20001)], {"b": 20001, "a": 20002}),  # a wish is not taken away by somebody without one
        ({"x": 20001}, [("a", 20001)], {"a": 20002}),
        ({}, [("a", 30000), ("b", 30000)], {"a": 30000, "b": 20001}),
        ({}, [("a", 2000000000), ("b", None)], {"a": 2000000000, "b": 20001}),
        ({str(number): number for number in range(20001, 65534)}, [("a", None)], {"a": 65536}),
    ],
)
def test_ids(known: dict[str, int], wishes: list[tuple[str, int | None]], added: dict[str, int]) -> None:
    assert ids.assign(known, wishes, 20001) == added


def test_a_list_of_ids_that_was_broken_by_hand_is_not_guessed_at() -> None:
    assert ids.read({"a": "20001"}) == {"a": 20001}
    assert ids.read(None) == {}
    with pytest.raises(ValueError, match="mend it by hand"):
        ids.read({"a": "20001 "})


@pytest.mark.parametrize(
    ("spec", "word"),
    [
        ({}, "user is None"),
        ({"user": "a\nb"}, "printable"),
        ({"user": "x" * 256}, "255"),
        ({"user": "a", "uid": 0}, "uid of a is 0"),
        ({"user": "a", "uid": True}, "must be a number"),
        ({"user": "a", "uid": 65534}, "not 65534"),
        ({"user": "a", "gid": 5}, "from 100"),
        ({"user": "a", "state": "off"}, "states are"),
        ({"user": "a", "size": "1Gi"}, "size, which is not known"),
        ({"user": "a", "home": {"size": "0"}}, "more than nothing"),
        ({"user": "a", "home": {"size": "-1Gi"}}, "less than nothing"),
        ({"user": "a", "home": {"size": "x"}}, "no quantity"),
        ({"user": "a", "home": {"storageClass": "x", "ownClass": {}}}, "give one of them"),
        ({"user": "a", "home": {"ownClass": {"parameters": {"pathPattern": "a/../b"}}}}, "no names of directories"),
        ({"user": "a", "home": {"ownClass": {"reclaimPolicy": "Recycle"}}}, "Delete"),
        ({"user": "a", "quota": {"pods": "many"}}, "no quantity"),
        ({"user": "a", "sharedFolders": [{"name": "../x"}]}, "a-z 0-9"),
        ({"user": "a", "sharedFolders": [{"name": "x", "gid": 0}]}, "from 100"),
    ],
)
def test_specs_that_are_refused(spec: dict[str, Any], word: str) -> None:
    with pytest.raises(SpaceError, match=re.escape(word)):
        Space.read(spec)


@pytest.mark.parametrize(
    ("policy", "word"),
    [
        ({"prefix": "hub"}, "end with -"),
        ({"prefix": "x" * 23 + "-"}, "at most 23"),
        ({"prefixx": "a-"}, "not known"),
        ({"first_uid": 1}, "from 1000"),
        ({"home_size": "much"}, "no quantity"),
        ({"quota": {"pods": "x"}}, "policy's quota"),
        ({"denied_networks": ["10.0.0.1/8"]}, "host bits"),
    ],
)
def test_policies_that_are_refused(policy: dict[str, Any], word: str) -> None:
    with pytest.raises(SpaceError, match=re.escape(word)):
        Policy.read(policy)


def test_only_what_was_given_is_asked_for() -> None:
    nothing = dict.fromkeys(SPACE)
    assert spec_of({**nothing, "user": "a"}) == {"user": "a"}
    folders = [{"name": "x", "gid": 30001, "read_only": True, "size": None}, {"name": "y", "gid": None, "read_only": False, "size": "2Gi"}]
    given = {**nothing, "user": "a", "state": "disabled", "home_size": "2Gi", "quota": {"pods": 3}, "shared_folders": folders}
    assert spec_of(given) == {
        "user": "a",
        "state": "disabled",
        "home": {"size": "2Gi"},
        "quota": {"pods": "3"},
        "sharedFolders": [{"name": "x", "gid": 30001, "readOnly": True}, {"name": "y", "size": "2Gi"}],
    }


CLASS: dict[str, Any] = {
    "name": "home-x",
    "shared_folder": None,
    "path_pattern": None,
    "soft_quota_percent": None,
    "files_per_gib": None,
    "on_delete": "archive",
    "reclaim_policy": "Delete",
    "mount_options": None,
    "parameters": {},
    "provisioner": "hub.airavata.org/nfs",
}


def test_a_class_has_what_was_asked_for() -> None:
    made = class_of({**CLASS, "path_pattern": "x/${.PVC.namespace}", "soft_quota_percent": 80, "files_per_gib": 0, "on_delete": "retain"})
    assert made["parameters"] == {
        "pathPattern": "x/${.PVC.namespace}",
        "archiveOnDelete": "true",
        "softQuotaPercent": "80",
        "filesPerGib": "0",
        "onDelete": "retain",
    }
    folder = class_of({**CLASS, "name": None, "shared_folder": {"name": "course", "gid": 30001, "size_gib": 5, "mode": "2775"}, "mount_options": ["ro"]})
    assert (folder["metadata"]["name"], folder["mountOptions"]) == ("shared-course", ["ro"])
    assert folder["parameters"] == {"pathPattern": "shared/course", "archiveOnDelete": "true", "shared": "true", "gid": "30001", "mode": "2775", "sizeGib": "5"}


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"soft_quota_percent": 0}, "1 to 100"),
        ({"files_per_gib": -1}, "or more"),
        ({"path_pattern": "../x"}, "no names of directories"),
        ({"path_pattern": "x", "parameters": {"pathPattern": "y"}}, "there is an option"),
        ({"name": None, "shared_folder": {"name": "a/b", "gid": 30001, "size_gib": 5, "mode": "2770"}}, "a-z 0-9"),
        ({"name": None, "shared_folder": {"name": "a", "gid": 30001, "size_gib": 0, "mode": "2770"}}, "at least 1"),
    ],
)
def test_classes_that_are_refused(changes: dict[str, Any], word: str) -> None:
    with pytest.raises(SpaceError, match=re.escape(word)):
        class_of({**CLASS, **changes})
