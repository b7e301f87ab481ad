"""Tables of what a user is, what is wanted, and which calls follow."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.airavata.jupyterhub.plugins.module_utils.custos.errors import CustosError
from ansible_collections.airavata.jupyterhub.plugins.module_utils.custos.users import normal_attributes, plan, user

ADA = user("Ada", {"email": "a@e.org", "first_name": "Ada", "last_name": "L"}, True, ["teacher", "default-roles-7"], {"courses": ["b", "a"], "old": ["x"]})
NEW = {"email": "a@e.org", "first_name": "Ada", "last_name": "L", "password": "p"}
NAMES = {name: NEW[name] for name in ("email", "first_name", "last_name")}


@pytest.mark.parametrize(
    ("current", "desired", "options", "calls"),
    [
        (None, {}, {"state": "absent"}, []),
        (ADA, {}, {"state": "absent"}, [("delete", {})]),
        (None, NEW, {}, [("register", {"names": NAMES, "password": "p"}), ("enable", {"enabled": True})]),
        (None, {**NEW, "enabled": False}, {}, [("register", {"names": NAMES, "password": "p"})]),
        (
            None,
            {**NEW, "roles": ["r"], "attributes": {"a": 1}},
            {},
            [
                ("register", {"names": NAMES, "password": "p"}),
                ("add_roles", {"roles": ["r"]}),
                ("set_attributes", {"attributes": {"a": ["1"]}}),
                ("enable", {"enabled": True}),
            ],
        ),
        (ADA, {}, {}, []),
        (ADA, {**NEW, "password": "other", "enabled": True}, {}, []),
        (ADA, {"enabled": False}, {}, [("enable", {"enabled": False})]),
        ({**ADA, "enabled": False}, {}, {}, []),
        (ADA, {"last_name": ""}, {}, [("rename", {"names": {**NAMES, "last_name": ""}})]),
        (ADA, {"roles": ["teacher"]}, {}, []),
        (ADA, {"roles": []}, {}, []),
        (ADA, {"roles": []}, {"exclusive": True}, [("remove_roles", {"roles": ["teacher"]})]),
        (ADA, {"roles": ["b", "a"]}, {"exclusive": True}, [("add_roles", {"roles": ["a", "b"]}), ("remove_roles", {"roles": ["teacher"]})]),
        (ADA, {"roles": None}, {"exclusive": True}, []),
        (ADA, {"attributes": {"courses": ["a", "b", "a"]}}, {}, []),
        (ADA, {"attributes": {"courses": "a"}}, {}, [("set_attributes", {"attributes": {"courses": ["a"]}})]),
        (ADA, {"attributes": {"old": []}}, {}, [("drop_attributes", {"attributes": {"old": ["x"]}})]),
        (ADA, {"attributes": {"none": None}}, {}, []),
        (ADA, {"attributes": {"courses": ["a", "b"]}}, {"exclusive": True}, [("drop_attributes", {"attributes": {"old": ["x"]}})]),
        (ADA, {"attributes": None}, {"exclusive": True}, []),
    ],
)
def test_plan(current: dict[str, Any] | None, desired: dict[str, Any], options: dict[str, Any], calls: list[Any]) -> None:
    steps = plan(current, "ada", desired, options.pop("state", "present"), **options)
    assert steps.calls == calls
    assert steps.changed == bool(calls)
    assert steps.before == (current or {})
    assert "password" not in str([steps.before, steps.after])
    if calls and steps.after:
        assert plan(steps.after, "ada", desired, "present", **options).calls == [], "what was planned leads to where nothing is left to do"


def test_a_new_user_needs_what_the_api_says() -> None:
    with pytest.raises(CustosError, match="first_name, password must be given"):
        plan(None, "ada", {"email": "e"}, "present", required=("email", "first_name", "password"))
    assert plan(ADA, "ada", {}, "present", required=("email", "password")).calls == []


def test_attributes_are_sets_of_text() -> None:
    assert normal_attributes({"n": 3, "l": ["b", "a", "b"], "empty": [], "none": None, "flag": True}) == {"n": ["3"], "l": ["a", "b"], "flag": ["True"]}
