"""Tables of what a secret is, what is wanted, and which calls follow; and the label that its contents are known by."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.airavata.jupyterhub.plugins.module_utils.custos.errors import CustosError
from ansible_collections.airavata.jupyterhub.plugins.module_utils.custos.resource_secrets import CONTENTS, LONGEST, fits, plan, split, with_label

SECRET = {"password": "tr0ub4dor&3"}
STORED = {"name": "n", "kind": "password", "owner": "ada", "description": with_label("for a test", SECRET)}


def given(**values: str) -> dict[str, dict[str, str]]:
    return {kind: {name: values.get(name, "") for name in names} for kind, names in CONTENTS.items()}


@pytest.mark.parametrize("description", ["", "for a test", "ends in [brackets]", "x" * 190])
def test_a_label_is_put_on_and_taken_off(description: str) -> None:
    stored = with_label(description, SECRET)
    assert len(stored) <= LONGEST
    text, label = split(stored)
    assert text == description
    assert fits(label, SECRET)
    assert fits(label, {**SECRET, "user_id": ""}), "what is empty is not there"
    assert not fits(label, {"password": "other"})
    assert not fits(label, {"passphrase": SECRET["password"]})
    assert "tr0ub4dor" not in stored
    assert with_label(description, SECRET) != stored, "two of the same secret look different"


def test_no_label() -> None:
    assert split("as somebody wrote it") == ("as somebody wrote it", "")
    assert not fits("", SECRET)
    with pytest.raises(CustosError, match="190 fit"):
        with_label("x" * 250, SECRET)


@pytest.mark.parametrize(
    ("current", "desired", "contents", "state", "calls"),
    [
        (None, {}, {}, "absent", []),
        (STORED, {}, {}, "absent", ["delete"]),
        (None, {"owner": "ada"}, SECRET, "present", ["create"]),
        (STORED, {}, {}, "present", []),
        (STORED, {"owner": "ada", "description": "for a test"}, SECRET, "present", []),
        (STORED, {}, {"password": "new"}, "present", ["delete", "create"]),
        (STORED, {"description": "new"}, SECRET, "present", ["delete", "create"]),
        (STORED, {"owner": "bob"}, SECRET, "present", ["delete", "create"]),
        ({**STORED, "description": "for a test"}, {}, SECRET, "present", ["delete", "create"]),
        ({**STORED, "description": "for a test"}, {}, {}, "present", []),
    ],
)
def test_plan(current: dict[str, Any] | None, desired: dict[str, Any], contents: dict[str, str], state: str, calls: list[str]) -> None:
    steps = plan(current, "n", {"kind": "password", **desired}, given(**contents), state)
    assert [name for name, _arguments in steps.calls] == calls
    for secret in ("tr0ub4dor", "scrypt"):
        assert secret not in str([steps.before, steps.after])
    if "create" in calls:
        made = dict(steps.calls)["create"]
        assert {name: made[name] for name in ("kind", "owner")} == {name: steps.after[name] for name in ("kind", "owner")}
        assert fits(split(made["description"])[1], contents)
        assert plan({"name": "n", **made}, "n", {"kind": "password", **desired}, given(**contents), state).calls == []


@pytest.mark.parametrize(
    ("current", "desired", "contents", "text"),
    [
        (None, {"kind": "password", "owner": "ada"}, {}, "password must be given"),
        (None, {"kind": "password"}, SECRET, "owner must be given"),
        (None, {"kind": "ssh", "owner": "ada"}, SECRET, "has no password; it has private_key"),
        (None, {"kind": "ssh", "owner": "ada"}, {"public_key": "k"}, "go together"),
        (None, {"kind": "password", "owner": "ada"}, {"user_id": "ada"}, "goes together"),
        (STORED, {"kind": "ssh"}, {}, "is of type password"),
        (STORED, {"kind": "password", "owner": "bob"}, {}, "contents must be given"),
    ],
)
def test_what_cannot_be(current: dict[str, Any] | None, desired: dict[str, Any], contents: dict[str, str], text: str) -> None:
    with pytest.raises(CustosError, match=text):
        plan(current, "n", desired, given(**contents), "present")


def test_custos_makes_a_key_pair_that_is_left_alone() -> None:
    steps = plan(None, "n", {"kind": "ssh", "owner": "ada", "description": "d"}, given(), "present")
    assert steps.calls == [("create", {"kind": "ssh", "owner": "ada", "description": "d", "values": {}})]
    assert plan({"name": "n", "kind": "ssh", "owner": "ada", "description": "d"}, "n", {"kind": "ssh"}, given(), "present").calls == []
